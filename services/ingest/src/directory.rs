//! The known connections, cached so that an outage of the database doesn't stop the intake.

use model::ConnectionId;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use store::{Changed, Connection, Store, StoreError};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Upper limit of known connections that are cached.
const KNOWN_MAX: u64 = 100_000;
/// Upper limit of unknown connections that are cached as such.
const UNKNOWN_MAX: u64 = 10_000;
/// Upper limit of look-ups at once: unauthenticated clients may cause them, and the database also serves others.
const LOOK_UPS_MAX: usize = 8;
/// Time limit for a look-up, including the wait for a permit.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for which an unknown connection is cached as unknown.
const UNKNOWN_FOR: Duration = Duration::from_secs(2);
/// Time for which a known connection is cached if no notice of a change arrives.
const KNOWN_FOR: Duration = Duration::from_mins(10);

/// Time for which a connection is used as last known after its look-up failed, without another look-up.
const LAST_KNOWN_FOR: Duration = Duration::from_secs(30);

/// The reason why a connection can't be looked up.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotLookedUp {
    /// The database failed; retry.
    #[error("the database failed")]
    Store(#[source] Arc<StoreError>),
    /// It took too long, or too many wait; retry.
    #[error("no look-up within {} s", LOOK_UP_TIMEOUT.as_secs())]
    TooSlow,
}

/// The connections that the intake looks up; cheap to clone.
#[derive(Clone)]
pub struct Directory {
    store: Store,
    known: moka::future::Cache<ConnectionId, Arc<Connection>>,
    /// As `known`, and kept when notices may have been missed: for use only while the database can't be asked.
    last_known: moka::future::Cache<ConnectionId, Arc<Connection>>,
    /// Connections whose look-up failed lately.
    failed: moka::future::Cache<ConnectionId, ()>,
    unknown: moka::future::Cache<ConnectionId, ()>,
    look_ups: Arc<Semaphore>,
    /// Incremented by each notice of a change.
    changes: Arc<AtomicU64>,
}

/// The result of a look-up without a connection.
#[derive(Clone)]
enum Nothing {
    Unknown,
    Failed(NotLookedUp),
}

impl Directory {
    /// An empty directory over the database.
    pub fn new(store: Store) -> Self {
        let known = || moka::future::Cache::builder().max_capacity(KNOWN_MAX).support_invalidation_closures();
        let failed =
            moka::future::Cache::builder().max_capacity(KNOWN_MAX).time_to_live(LAST_KNOWN_FOR).build();
        let unknown =
            moka::future::Cache::builder().max_capacity(UNKNOWN_MAX).time_to_live(UNKNOWN_FOR).build();
        let (look_ups, changes) = (Arc::new(Semaphore::new(LOOK_UPS_MAX)), Arc::default());
        let (known, last_known) = (known().time_to_live(KNOWN_FOR).build(), known().build());
        Self { store, known, last_known, failed, unknown, look_ups, changes }
    }

    /// The database behind it.
    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    /// The cached result for the id: its connection, or that there is none; `None` if nothing is cached.
    pub(crate) async fn remembered(&self, id: &ConnectionId) -> Option<Option<Arc<Connection>>> {
        if let Some(known) = self.known.get(id).await {
            return Some(Some(known));
        }
        self.unknown.contains_key(id).then_some(None)
    }

    /// The connection, or `None` if there is none with that id. Concurrent calls for one id share a look-up. If the
    /// database can't be asked, the connection as it was last known.
    pub async fn find(&self, id: &ConnectionId) -> Result<Option<Arc<Connection>>, NotLookedUp> {
        if let Some(remembered) = self.remembered(id).await {
            return Ok(remembered);
        }
        if self.failed.contains_key(id)
            && let Some(last_known) = self.last_known.get(id).await
        {
            return Ok(Some(last_known));
        }
        let changes = self.changes.load(Ordering::Acquire);
        let found = self.known.try_get_with_by_ref(id, self.look_up(id)).await;
        if self.changes.load(Ordering::Acquire) != changes {
            // The result may be from before the change.
            self.known.invalidate(id).await;
            self.last_known.invalidate(id).await;
            self.unknown.invalidate(id).await;
        }
        match found {
            Ok(connection) => Ok(Some(connection)),
            Err(nothing) => match Nothing::clone(&nothing) {
                Nothing::Unknown => Ok(None),
                Nothing::Failed(error) => {
                    self.failed.insert(id.clone(), ()).await;
                    self.last_known.get(id).await.map(Some).ok_or(error)
                }
            },
        }
    }

    async fn look_up(&self, id: &ConnectionId) -> Result<Arc<Connection>, Nothing> {
        let looking = async {
            // Never closed.
            let _turn = self.look_ups.acquire().await;
            self.store.connection(id).await
        };
        match tokio::time::timeout(LOOK_UP_TIMEOUT, looking).await {
            Err(_) => Err(Nothing::Failed(NotLookedUp::TooSlow)),
            Ok(Err(error)) => Err(Nothing::Failed(NotLookedUp::Store(Arc::new(error)))),
            Ok(Ok(Some(connection))) => {
                let connection = Arc::new(connection);
                self.last_known.insert(id.clone(), Arc::clone(&connection)).await;
                Ok(connection)
            }
            Ok(Ok(None)) => {
                self.last_known.invalidate(id).await;
                self.unknown.insert(id.clone(), ()).await;
                Err(Nothing::Unknown)
            }
        }
    }

    /// Removes connections from the cache as the database reports their changes, until `stop`.
    pub(crate) async fn forget_what_changes(self, stop: CancellationToken) {
        let mut changes = self.store.listen_changes();
        loop {
            let changed = tokio::select! {
                changed = changes.next() => changed,
                () = stop.cancelled() => return,
            };
            self.changes.fetch_add(1, Ordering::AcqRel);
            match changed {
                Changed::Connection(id) => {
                    self.known.invalidate(&id).await;
                    self.last_known.invalidate(&id).await;
                    self.unknown.invalidate(&id).await;
                }
                // The others stay cached: the database may become unavailable at any moment.
                Changed::Store(store) => {
                    for cache in [&self.known, &self.last_known] {
                        let store = store.clone();
                        let of_it = move |_: &ConnectionId, known: &Arc<Connection>| known.store == store;
                        if cache.invalidate_entries_if(of_it).is_err() {
                            cache.invalidate_all();
                        }
                    }
                    self.unknown.invalidate_all();
                }
                // Notices may have been missed. What was known stays for the case that the database is away again.
                Changed::Everything => {
                    self.known.invalidate_all();
                    self.failed.invalidate_all();
                    self.unknown.invalidate_all();
                }
            }
        }
    }
}
