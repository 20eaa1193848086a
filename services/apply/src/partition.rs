//! Processes one partition: reads messages, has them committed, publishes the changes. The three overlap: while one batch
//! is committed, the next one is read and the changes of the one before are published.

use crate::{
    STAGE,
    batch::{Batch, Content, Spare},
    halving::CommittedChange,
    publish,
    workers::Workers,
};
use bus::{Bus, Feed, Foreign, Message, Reader};
use model::{Event, Partition, Position, Timestamp};
use runner::{Alerts, PartitionRun, Service, batch_of, now, readable};
use stage::Fault;
use std::sync::atomic::{AtomicUsize, Ordering};
use store::{Consumer, Cursor, Store};
use tokio::sync::{mpsc, watch};

/// Upper limit of waiting messages that are read at once.
const MESSAGES_MAX: usize = 8;
/// Upper limit of batches that wait between two steps of a partition.
const AHEAD_MAX: usize = 1;

pub(crate) struct Shared {
    pub(crate) service: Service,
    pub(crate) alerts: Alerts,
    pub(crate) store: Store,
    pub(crate) workers: Workers,
}

/// A batch that was read.
struct Read {
    content: Content,
    spare: Spare,
    reaches: Position,
}

/// The changes of a committed batch.
struct ToPublish {
    changes: Vec<CommittedChange>,
    records: usize,
    /// Time at which the newest event was received.
    newest: Option<Timestamp>,
}

impl Shared {
    /// Works on the partition until it is stopped or interrupted. What was read is committed and published before it
    /// returns, unless one of these fails or the broker was connected anew; the next run publishes what is missing.
    pub(crate) async fn run_partition(&self, run: &PartitionRun) -> Result<(), Fault> {
        let partition = run.partition;
        let bus = &self.service.bus;
        let mut connections = bus.connections();
        connections.mark_unchanged();
        let cursor = self.store.take_epoch(Consumer::Apply, partition).await?;
        publish::catch_up(bus, &self.store, &self.alerts, partition).await?;
        bus.verify_reached(partition, cursor.position).await?;
        verify_unbroken(bus, partition, cursor.position).await?;
        let start = bus.seek(Feed::Enriched, partition, cursor.position).await?;
        let reader = bus.read(Feed::Enriched, partition, start).await?;
        self.service.metrics.opened(STAGE, &partition.to_string());
        let steps = Steps { shared: self, run, unpublished: AtomicUsize::new(0) };
        let (to_commit, batches) = mpsc::channel(AHEAD_MAX);
        let (to_publish, committed) = mpsc::channel(AHEAD_MAX);
        // A step that ends closes its channels: the step before ends with what it has begun, the one behind with what it
        // has received.
        let (read, committed, published) = tokio::join!(
            steps.read(reader, connections.clone(), cursor, to_commit),
            steps.commit(cursor, batches, to_publish),
            steps.publish(connections, committed),
        );
        // Commits first: a fault of theirs may be one that a person has to correct.
        committed.and(published).and(read)
    }

    /// Decodes a batch, or returns the reason why it is foreign. A batch that begins behind `at`, the end of what was
    /// read, is foreign: the stage before continues there. If the record has another owner by now, that one has moved
    /// the cursor.
    async fn check(
        &self,
        partition: Partition,
        message: &Message,
        known: Cursor,
        at: Position,
    ) -> Result<Result<runner::Batch<Event>, Foreign>, Fault> {
        let bus = &self.service.bus;
        if message.from.is_none_or(|begins| begins <= at) {
            return Ok(batch_of::<Event>(bus, Feed::Enriched, partition, message));
        }
        if self.store.apply_cursor(partition).await?.epoch != known.epoch {
            return Err(Fault::Fenced);
        }
        let reason = format!("it begins behind {at}, up to which everything was read");
        Ok(Err(bus.foreign_batch(Feed::Enriched, partition, message, &reason)))
    }
}

/// The three steps of a partition's run.
struct Steps<'s> {
    shared: &'s Shared,
    run: &'s PartitionRun,
    /// Number of records that were read and aren't published yet.
    unpublished: AtomicUsize,
}

impl Steps<'_> {
    /// Reads batches behind `from` until the run is stopped.
    async fn read(
        &self,
        mut reader: Reader,
        mut connections: watch::Receiver<u64>,
        from: Cursor,
        to_commit: mpsc::Sender<Read>,
    ) -> Result<(), Fault> {
        let mut at = from.position;
        loop {
            let messages = tokio::select! {
                biased;
                Ok(()) = connections.changed() => return Err(connected_anew()),
                () = self.run.stop.cancelled() => return Ok(()),
                () = to_commit.closed() => return Ok(()),
                messages = reader.waiting(MESSAGES_MAX) => messages,
            };
            let messages = readable(&self.shared.alerts, self.run.partition, messages).await?;
            let Some(read) = self.decode(messages, from, at).await? else { continue };
            at = read.reaches;
            let count = read.content.events.len();
            let unpublished = self.unpublished.fetch_add(count, Ordering::Relaxed) + count;
            self.shared.service.metrics.waiting(STAGE, &self.run.partition.to_string(), unpublished);
            if to_commit.send(read).await.is_err() {
                return Ok(());
            }
        }
    }

    /// Decodes messages, the first of which should continue at `at`; `None` if they contain nothing new. Foreign
    /// messages are reported and skipped.
    async fn decode(
        &self,
        messages: Vec<Message>,
        owned: Cursor,
        at: Position,
    ) -> Result<Option<Read>, Fault> {
        let Self { shared, run: PartitionRun { partition, .. }, .. } = self;
        let mut reaches = at;
        let mut own = Vec::with_capacity(messages.len());
        for message in messages {
            match shared.check(*partition, &message, owned, reaches).await? {
                Ok(batch) => {
                    reaches = reaches.max(message.covers.unwrap_or_default());
                    own.push((message, batch));
                }
                Err(foreign) => shared.alerts.foreign(Some(*partition), &foreign).await,
            }
        }
        if reaches == at {
            return Ok(None);
        }
        let (content, spare) = Content::gather(own, at);
        Ok(Some(Read { content, spare, reaches }))
    }

    /// Commits the batches, the first of them from `cursor`.
    async fn commit(
        &self,
        mut cursor: Cursor,
        mut batches: mpsc::Receiver<Read>,
        to_publish: mpsc::Sender<ToPublish>,
    ) -> Result<(), Fault> {
        loop {
            let read = tokio::select! {
                () = to_publish.closed() => return Ok(()),
                read = batches.recv() => read,
            };
            let Some(Read { content, spare, reaches }) = read else { return Ok(()) };
            let (records, newest) = (content.events.len(), newest(&content));
            let batch = Batch { partition: self.run.partition, content, from: cursor, reaches };
            let committed = self.shared.workers.commit(batch, spare).await?;
            cursor = committed.cursor;
            let changes = committed.changes;
            if to_publish.send(ToPublish { changes, records, newest }).await.is_err() {
                return Ok(());
            }
        }
    }

    /// Publishes the committed changes in order.
    async fn publish(
        &self,
        connections: watch::Receiver<u64>,
        mut committed: mpsc::Receiver<ToPublish>,
    ) -> Result<(), Fault> {
        let Shared { service, alerts, .. } = self.shared;
        while let Some(ToPublish { changes, records, newest }) = committed.recv().await {
            if connections.has_changed().unwrap_or(true) {
                return Err(connected_anew());
            }
            publish::committed(&service.bus, alerts, self.run.partition, changes).await?;
            runner::kill_point(STAGE, "published");
            let unpublished = self.unpublished.fetch_sub(records, Ordering::Relaxed) - records;
            if let Some(newest) = newest {
                let partition = self.run.partition.to_string();
                service.metrics.lag(STAGE, &partition, newest, now(), unpublished);
            }
            self.run.made_progress();
        }
        Ok(())
    }
}

/// A broker that crashed may have lost the end of APPLIED, which is restored at the beginning of a run only.
fn connected_anew() -> Fault {
    Fault::transient("the broker", "connected anew")
}

fn newest(content: &Content) -> Option<Timestamp> {
    content.events.last().map(|event| event.received_at)
}

/// Refuses a partition whose feed begins behind the record's cursor: the record never had the input between them. It is
/// another record, or an older copy. Messages purged from ENRICHED are in RAW.
async fn verify_unbroken(bus: &Bus, partition: Partition, at: Position) -> Result<(), Fault> {
    let Some(first) = bus.first(Feed::Enriched, partition).await? else { return Ok(()) };
    let Some(from) = first.from.filter(|from| *from > at) else { return Ok(()) };
    // The first message may be foreign; the stage's own continue at the cursor.
    if bus.continues_at(Feed::Enriched, partition, at).await? {
        return Ok(());
    }
    Err(Fault::setup(
        "the database",
        format!("the record stands at {at}, ENRICHED begins at {from}: see the runbook database-restored"),
    ))
}
