//! Starts a worker for each connection of a partition whose platform has collections, and wakes it when its connection
//! was changed.

use crate::{STAGE, lists::Lists, shared::Shared};
use model::{Connection, ConnectionId, Partition, QUIET_HOUR, ReadPlan, ReadTimes, Spread, StoreId};
use platforms::Collection;
use runner::Backoff;
use serde::Deserialize;
use stage::Fault;
use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};
use store::{Changed, CollectionRow, StoreError};
use tokio::sync::{Notify, broadcast::error::RecvError};
use tokio_util::task::AbortOnDropHandle;

/// Number of stores whose connections are loaded at once.
const STORES_AT_ONCE: usize = 100;

/// Interval between two whole reads where no times can be computed.
const WHOLE_EVERY: Duration = Duration::from_hours(24);

/// The configuration of scheduled reads.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduledReads {
    /// False if no list is read.
    pub enabled: bool,
    /// Interval between two reads of every collection, in seconds; unset: the interval of each collection.
    pub every_seconds: Option<u64>,
    /// Times at which collections whose changes can be read are read as a whole, by the clock of the store: a cron
    /// pattern of five fields. Each list is read up to an hour later. A connection may have times of its own.
    pub whole_times: String,
    /// Interval between two whole reads of a collection whose changes can be read, in seconds, instead of times.
    pub whole_every_seconds: Option<u64>,
}

impl Default for ScheduledReads {
    fn default() -> Self {
        Self {
            enabled: true,
            every_seconds: None,
            whole_times: QUIET_HOUR.to_owned(),
            whole_every_seconds: None,
        }
    }
}

impl ScheduledReads {
    /// The configuration with which no list is read.
    pub fn none() -> Self {
        Self { enabled: false, ..Self::default() }
    }

    /// Checks the times, and returns what schedules are made of.
    pub(crate) fn into_schedules(self) -> Result<Schedules, Fault> {
        let wrong = |error| Fault::setup("the setting scheduled_reads.whole_times", error);
        let times = ReadTimes::parse(&self.whole_times).map_err(wrong)?;
        let whole_times = if self.whole_every_seconds.is_some() { None } else { Some(times) };
        let whole_every = self.whole_every_seconds.map_or(WHOLE_EVERY, Duration::from_secs);
        let every = self.every_seconds.map(|seconds| Duration::from_secs(seconds.max(1)));
        Ok(Schedules { enabled: self.enabled, every, whole_times, whole_every })
    }
}

/// The schedules of all collections.
pub(crate) struct Schedules {
    pub(crate) enabled: bool,
    every: Option<Duration>,
    whole_times: Option<ReadTimes>,
    whole_every: Duration,
}

impl Schedules {
    /// The schedule of a collection that was never read.
    pub(crate) fn first(&self, collection: &Collection) -> ReadPlan {
        collection.plan(self.every, self.whole_every)
    }

    /// The schedule of a collection. The default times count where changes are read besides: elsewhere whole reads are
    /// all that there is, and only a person makes them rare.
    pub(crate) fn plan(&self, collection: &Collection, row: &CollectionRow, spread: Spread) -> ReadPlan {
        let plan = self.first(collection);
        let default = self.whole_times.as_ref().filter(|_| plan.changes.is_some());
        let times = row.whole_times.as_ref().or(default).filter(|_| plan.whole);
        let whole_due = match (times, row.state.whole_at) {
            (Some(times), Some(at)) => times.next(at, row.zone, spread),
            _ => None,
        };
        ReadPlan { whole_due, ..plan }
    }
}

/// The worker of a connection, aborted when this is dropped.
struct Worker {
    wake: Arc<Notify>,
    task: AbortOnDropHandle<()>,
}

impl Shared {
    /// Reads the lists of the partition's connections for as long as the future is polled. A page that is under way when
    /// it is dropped is read again by the next owner.
    pub(crate) async fn schedule(self: &Arc<Self>, partition: Partition) -> Infallible {
        if !self.reads.enabled {
            return std::future::pending().await;
        }
        let (mut workers, mut backoff) = (HashMap::new(), Backoff::default());
        // Before the first look: a change during it is seen afterwards.
        let mut changes = self.changes.subscribe();
        loop {
            if let Err(error) = self.look(partition, &mut workers).await {
                tracing::warn!(stage = STAGE, %error, "connections with lists can't be read");
                tokio::time::sleep(backoff.next_delay()).await;
                continue;
            }
            backoff.reset();
            loop {
                match changes.recv().await {
                    Ok(Changed::Connection(id)) => match workers.get(&id) {
                        Some(worker) if !worker.task.is_finished() => worker.wake.notify_one(),
                        _ => self.start_if_listed(partition, &id, &mut workers).await,
                    },
                    Ok(Changed::Store(_) | Changed::Everything) | Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        }
    }

    /// Starts the workers that are missing, and wakes all others.
    async fn look(
        self: &Arc<Self>,
        partition: Partition,
        workers: &mut HashMap<ConnectionId, Worker>,
    ) -> Result<(), StoreError> {
        let partitions = self.service.bus.partitions();
        let mut after: Option<StoreId> = None;
        loop {
            let stores = self.store.stores(after.as_ref()).await?;
            let Some(last) = stores.last().cloned() else { break };
            after = Some(last);
            let ours: Vec<StoreId> =
                stores.into_iter().filter(|store| partitions.of(store) == partition).collect();
            for chunk in ours.chunks(STORES_AT_ONCE) {
                for connection in self.store.connections_of(chunk).await? {
                    self.start(&connection, workers);
                }
            }
        }
        for worker in workers.values() {
            worker.wake.notify_one();
        }
        Ok(())
    }

    /// Starts the worker of a connection that is new.
    async fn start_if_listed(
        self: &Arc<Self>,
        partition: Partition,
        id: &ConnectionId,
        workers: &mut HashMap<ConnectionId, Worker>,
    ) {
        match self.store.connection(id).await {
            Ok(Some(connection)) if self.service.bus.partitions().of(&connection.store) == partition => {
                self.start(&connection, workers);
            }
            Ok(_) => {}
            // The next change, or the next look at everything, starts it.
            Err(error) => {
                tracing::warn!(stage = STAGE, connection.id = %id, %error, "a connection can't be read");
            }
        }
    }

    fn start(self: &Arc<Self>, connection: &Connection, workers: &mut HashMap<ConnectionId, Worker>) {
        let is_running = workers.get(&connection.id).is_some_and(|worker| !worker.task.is_finished());
        let platform = platforms::find(connection.platform.as_str());
        if is_running || platform.and_then(|platform| platform.collections()).is_none() {
            return;
        }
        let wake = Arc::new(Notify::new());
        let lists =
            Lists { shared: Arc::clone(self), connection: connection.id.clone(), wake: Arc::clone(&wake) };
        let task = AbortOnDropHandle::new(tokio::spawn(lists.work()));
        workers.insert(connection.id.clone(), Worker { wake, task });
    }
}
