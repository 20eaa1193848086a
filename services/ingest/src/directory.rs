//! Which connections there are: cached, so that an outage of the database doesn't close the door.

use model::ConnectionId;
use std::{sync::Arc, time::Duration};
use store::{Changed, Connection, Store, StoreError};
use tokio_util::sync::CancellationToken;

/// How many connections are remembered, known and unknown ones together.
const REMEMBERED_MAX: u64 = 100_000;
/// How long an unknown connection stays unknown without asking again.
const UNKNOWN_FOR: Duration = Duration::from_secs(2);
/// How long a known one is trusted if no notice of a change came.
const KNOWN_FOR: Duration = Duration::from_mins(10);

/// The connections, as the door needs them; cheap to clone.
#[derive(Clone)]
pub struct Directory {
    store: Store,
    known: moka::future::Cache<ConnectionId, Arc<Connection>>,
    unknown: moka::future::Cache<ConnectionId, ()>,
}

impl Directory {
    /// An empty one over the database.
    pub fn new(store: Store) -> Self {
        let known = moka::future::Cache::builder()
            .max_capacity(REMEMBERED_MAX)
            .time_to_live(KNOWN_FOR)
            .support_invalidation_closures()
            .build();
        let unknown =
            moka::future::Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(UNKNOWN_FOR).build();
        Self { store, known, unknown }
    }

    /// The database behind it.
    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    /// The connection, or `None` if there is none of that id.
    pub async fn find(&self, id: &ConnectionId) -> Result<Option<Arc<Connection>>, StoreError> {
        if let Some(known) = self.known.get(id).await {
            return Ok(Some(known));
        }
        if self.unknown.get(id).await.is_some() {
            return Ok(None);
        }
        let found = self.store.connection(id).await?.map(Arc::new);
        match &found {
            Some(connection) => self.known.insert(id.clone(), Arc::clone(connection)).await,
            None => self.unknown.insert(id.clone(), ()).await,
        }
        Ok(found)
    }

    /// Forgets connections as the database tells that they changed, until `stop`.
    pub(crate) async fn forget_what_changes(self, stop: CancellationToken) {
        let mut changes = self.store.listen_changes();
        loop {
            let changed = tokio::select! {
                changed = changes.next() => changed,
                () = stop.cancelled() => return,
            };
            match changed {
                Changed::Connection(id) => {
                    self.known.invalidate(&id).await;
                    self.unknown.invalidate(&id).await;
                }
                // The others stay known: the database may be lost at any moment.
                Changed::Store(store) => {
                    let of_it = move |_: &ConnectionId, known: &Arc<Connection>| known.store == store;
                    if self.known.invalidate_entries_if(of_it).is_err() {
                        self.known.invalidate_all();
                    }
                    self.unknown.invalidate_all();
                }
                Changed::Everything => {
                    self.known.invalidate_all();
                    self.unknown.invalidate_all();
                }
            }
        }
    }
}
