//! Processes one partition: sets desired values by its committed changes, and makes due writes and readings.

use crate::{STAGE, calls::Calls, desired::DesiredWriter};
use bus::{AppliedMessage, AppliedReader, BusError};
use model::{ConnectionId, Partition, record::Applied};
use runner::{Alerts, PartitionRun, Service, change_of, now, readable, unreadable};
use stage::Fault;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use store::{Changed, Connection, Consumer, Cursor, CursorMove, DesiredChanges, EventRow, Store};
use tokio::{sync::broadcast, task::JoinSet, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use wire::DecodeError;

/// Upper limit of changes that are consumed at once.
const CHANGES_MAX: usize = 256;
/// Interval between checks for writes to repeat.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Interval between checks for due readings.
const READ_AGAIN_EVERY: Duration = Duration::from_secs(1);

pub(crate) struct Shared {
    pub(crate) service: Service,
    pub(crate) alerts: Alerts,
    pub(crate) store: Store,
    pub(crate) calls: Arc<Calls>,
    pub(crate) desired: DesiredWriter,
    pub(crate) notices: broadcast::Sender<Changed>,
}

impl Shared {
    /// Works on the partition until it is stopped or interrupted.
    pub(crate) async fn run_partition(&self, run: &PartitionRun) -> Result<(), Fault> {
        let partition = run.partition;
        let cursor = self.store.take_epoch(Consumer::Propagate, partition).await?;
        let reader = self.read_behind(partition, cursor.number).await?;
        let mut notices = self.notices.subscribe();
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reads = tokio::time::interval(READ_AGAIN_EVERY);
        reads.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut worker = PartitionWorker {
            shared: self,
            partition,
            stop: run.stop.clone(),
            cursor,
            reader,
            connections: HashMap::new(),
            busy: HashSet::new(),
            calls: JoinSet::new(),
        };
        worker.forget(&Changed::Everything).await?;
        loop {
            tokio::select! {
                taken = worker.reader.waiting_read(CHANGES_MAX) => {
                    if worker.take(taken).await? {
                        worker.write_due().await?;
                    }
                    run.made_progress();
                }
                Some(done) = worker.calls.join_next() => {
                    if let Ok((connection, refused)) = done {
                        if refused {
                            // The notice of the refusal may arrive after the next check for due writes.
                            worker.forget(&Changed::Connection(connection.clone())).await?;
                        }
                        worker.busy.remove(&connection);
                    }
                }
                _ = reads.tick() => worker.read_again().await?,
                _ = looks.tick() => worker.write_due().await?,
                changed = notices.recv() => worker.forget(&changed.unwrap_or(Changed::Everything)).await?,
                () = run.stop.cancelled() => break,
            }
        }
        // Calls under way end by their own time limits; the next owner settles unfinished ones.
        while worker.calls.join_next().await.is_some() {}
        Ok(())
    }

    /// Reads the partition's changes behind the one numbered `number`, decoded.
    async fn read_behind(
        &self,
        partition: Partition,
        number: i64,
    ) -> Result<AppliedReader<Applied>, BusError> {
        let (bus, partitions) = (&self.service.bus, self.service.bus.partitions());
        bus.read_applied_as(partition, number, move |message| change_of(partitions, message)).await
    }
}

struct PartitionWorker<'a> {
    shared: &'a Shared,
    partition: Partition,
    stop: CancellationToken,
    cursor: Cursor,
    reader: AppliedReader<Applied>,
    connections: HashMap<ConnectionId, Arc<Connection>>,
    busy: HashSet<ConnectionId>,
    /// Each ends with its connection, and true if the platform refused the account.
    calls: JoinSet<(ConnectionId, bool)>,
}

impl PartitionWorker<'_> {
    /// Sets the platforms' desired values by the changes read. Returns whether a value was set.
    async fn take(&mut self, taken: Result<Vec<(AppliedMessage, Applied)>, BusError>) -> Result<bool, Fault> {
        let taken: Vec<(i64, Option<Applied>)> = match taken {
            Ok(taken) => {
                taken.into_iter().map(|(message, applied)| (message.number, Some(applied))).collect()
            }
            Err(BusError::Gap { .. }) => self.changes_of_event_store().await?,
            Err(error) => {
                let passed_over = readable::<()>(&self.shared.alerts, self.partition, Err(error)).await;
                return passed_over.map(|_| false);
            }
        };
        let mut changes = DesiredChanges::default();
        let mut number = self.cursor.number;
        for (at, applied) in taken.into_iter().filter(|(at, _)| *at > self.cursor.number) {
            if let Some(applied) = applied {
                applied.effects.iter().for_each(|effect| changes.add(at, &applied.event, effect));
            }
            number = at;
        }
        if number == self.cursor.number {
            return Ok(false);
        }
        let step = CursorMove {
            partition: self.partition,
            from: self.cursor,
            position: self.cursor.position,
            number,
        };
        let shared = self.shared;
        let due = !changes.is_empty();
        shared.desired.set(changes, step).await?;
        runner::kill_point(STAGE, "desired");
        let count = usize::try_from(number - self.cursor.number).unwrap_or(0);
        shared.service.metrics.consumed(STAGE, count);
        shared.service.metrics.ended(STAGE, "emitted", count);
        self.cursor = step.to();
        Ok(due)
    }

    /// Returns the changes that APPLIED lacks, read from the event store, each with its number; `None` for one that
    /// can't be decoded, which is set aside. The reader continues behind them. If the event store has none, the
    /// messages that APPLIED has instead were never committed, and the reader refuses them.
    async fn changes_of_event_store(&mut self) -> Result<Vec<(i64, Option<Applied>)>, Fault> {
        let limit = i64::try_from(CHANGES_MAX).unwrap_or(i64::MAX);
        let rows = self.shared.store.applied_after(self.partition, self.cursor.number, limit).await?;
        match rows.last() {
            Some(last) => self.reader = self.shared.read_behind(self.partition, last.number).await?,
            None => self.reader.refuse_buffered(),
        }
        let set_aside = |number, error: &DecodeError| {
            self.shared.alerts.set_aside(self.partition, &unreadable("change", number, error));
        };
        let read = |row: EventRow| {
            let applied = wire::decode_applied(row.payload.into());
            (row.number, applied.inspect_err(|error| set_aside(row.number, error)).ok())
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// Starts due writes, one task for each connection: its calls stay in order and within its budget.
    async fn write_due(&mut self) -> Result<(), Fault> {
        let store = &self.shared.store;
        let idle = self.idle();
        if idle.is_empty() {
            return Ok(());
        }
        for id in store.due_connections(&idle, now()).await? {
            let Some(connection) = self.connections.get(&id).cloned() else { continue };
            self.busy.insert(id.clone());
            let (calls, stop) = (Arc::clone(&self.shared.calls), self.stop.clone());
            self.calls.spawn(async move {
                let refused = calls.work_off(&connection, &stop).await.unwrap_or_else(|error| {
                    tracing::debug!(stage = STAGE, connection.id = %id, %error, "writes wait for the database");
                    false
                });
                (id, refused)
            });
        }
        Ok(())
    }

    /// Connections that may be called and have no call under way: a paused one isn't called, one whose account was
    /// refused only when its next probe is due.
    fn idle(&self) -> Vec<ConnectionId> {
        let idle = self.connections.values().filter(|connection| !self.busy.contains(&connection.id));
        idle.filter(|connection| connection.call_gate().is_open(now()))
            .map(|found| found.id.clone())
            .collect()
    }

    /// Makes readings that apply needs for a decision, and repeats those that never arrived.
    async fn read_again(&mut self) -> Result<(), Fault> {
        let (store, idle) = (&self.shared.store, self.idle());
        if idle.is_empty() {
            return Ok(());
        }
        for id in store.connections_to_read(&idle, now()).await? {
            let Some(connection) = self.connections.get(&id).cloned() else { continue };
            let Some(platform) = platforms::find(connection.platform.as_str()) else { continue };
            self.busy.insert(id.clone());
            let (calls, stop) = (Arc::clone(&self.shared.calls), self.stop.clone());
            self.calls.spawn(async move {
                let refused = calls.read_due(platform, &connection, &stop).await.unwrap_or_else(|error| {
                    tracing::debug!(stage = STAGE, connection.id = %id, %error, "readings wait for the database");
                    false
                });
                (id, refused)
            });
        }
        Ok(())
    }

    /// Reads the partition's connections again.
    async fn forget(&mut self, changed: &Changed) -> Result<(), Fault> {
        let store = &self.shared.store;
        let partitions = self.shared.service.bus.partitions();
        match changed {
            Changed::Connection(id) => {
                self.connections.remove(id);
                let found = store.connection(id).await?;
                let ours = found.filter(|found| partitions.of(&found.store) == self.partition);
                self.connections.extend(ours.map(|found| (id.clone(), Arc::new(found))));
            }
            Changed::Store(_) | Changed::Everything => {
                let mut stores = Vec::new();
                let mut after = None;
                loop {
                    let page = store.stores(after.as_ref()).await?;
                    let Some(last) = page.last().cloned() else { break };
                    stores.extend(page.into_iter().filter(|store| partitions.of(store) == self.partition));
                    after = Some(last);
                }
                let connections = store.connections_of(&stores).await?;
                self.connections =
                    connections.into_iter().map(|found| (found.id.clone(), Arc::new(found))).collect();
            }
        }
        Ok(())
    }
}
