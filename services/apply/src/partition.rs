//! Processes one partition: reads messages, has them committed, publishes the changes. The three overlap: while one batch
//! is committed, the next one grows by what is read, and the changes of the one before are published.

use crate::{
    STAGE,
    batch::{Batch, Content},
    halving::{Committed, CommittedChange},
    publish,
    workers::Workers,
};
use bus::{Bus, BusError, Feed, Foreign, Message, Reader};
use futures::future::OptionFuture;
use model::{Event, Partition, Position, Timestamp};
use runner::{Alerts, PartitionRun, Service, batch_of, now, readable};
use stage::Fault;
use std::sync::atomic::{AtomicUsize, Ordering};
use store::{Consumer, Cursor, Store};
use tokio::sync::{mpsc, watch};

/// Upper limit of the messages of a batch.
const MESSAGES_MAX: usize = 8;
/// Upper limit of committed batches that wait to be published.
const UNPUBLISHED_MAX: usize = 1;

pub(crate) struct Shared {
    pub(crate) service: Service,
    pub(crate) alerts: Alerts,
    pub(crate) store: Store,
    pub(crate) workers: Workers,
}

/// The changes of a committed batch.
struct ToPublish {
    changes: Vec<CommittedChange>,
    records: usize,
    /// Time at which the newest event was received.
    newest: Option<Timestamp>,
}

impl Shared {
    /// Works on the partition until it is stopped or interrupted. A batch whose commit has begun is committed and
    /// published before it returns, unless one of these fails or the broker was connected anew; the next run publishes
    /// what is missing.
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
        let (to_publish, committed) = mpsc::channel(UNPUBLISHED_MAX);
        // A step that ends closes the channel: the first finishes the commit under way, the second what it has received.
        let (committed, published) = tokio::join!(
            steps.read_and_commit(reader, connections.clone(), cursor, to_publish),
            steps.publish(connections, committed),
        );
        // Commits first: a fault of theirs may be one that a person has to correct.
        committed.and(published)
    }

    /// Describes a batch that begins behind `at`, the end of what was read: it is foreign, because the stage before
    /// continues there. If the record has another owner by now, that one has moved the cursor.
    async fn foreign_behind(
        &self,
        partition: Partition,
        message: &Message,
        known: Cursor,
        at: Position,
    ) -> Result<Foreign, Fault> {
        if self.store.apply_cursor(partition).await?.epoch != known.epoch {
            return Err(Fault::Fenced);
        }
        let reason = format!("it begins behind {at}, up to which everything was read");
        Ok(self.service.bus.foreign_batch(Feed::Enriched, partition, message, &reason))
    }
}

/// The steps of a partition's run.
struct Steps<'s> {
    shared: &'s Shared,
    run: &'s PartitionRun,
    /// Number of records that were read and aren't published yet.
    unpublished: AtomicUsize,
}

impl Steps<'_> {
    /// Reads messages, and commits them in batches from `cursor` on, until the run is stopped. What is read while a batch
    /// is committed is the next batch.
    async fn read_and_commit(
        &self,
        mut reader: Reader,
        mut connections: watch::Receiver<u64>,
        mut cursor: Cursor,
        to_publish: mpsc::Sender<ToPublish>,
    ) -> Result<(), Fault> {
        let mut next =
            Next { messages: Vec::new(), reaches: cursor.position, reads: false, ends_at_gap: false };
        let mut committing = None;
        let ended = loop {
            if committing.is_none() && !next.messages.is_empty() {
                committing = Some(Box::pin(self.commit(cursor, next.take())));
            }
            if committing.is_none() && next.ends_at_gap {
                break Err(Fault::transient("a batch of the input", "another one begins behind it"));
            }
            tokio::select! {
                biased;
                Ok(()) = connections.changed() => break Err(connected_anew()),
                () = self.run.stop.cancelled() => break Ok(()),
                () = to_publish.closed() => break Ok(()),
                Some(committed) = OptionFuture::from(committing.as_mut()) => {
                    committing = None;
                    let changes;
                    (cursor, changes) = committed?;
                    // A publisher that has ended is noticed above.
                    to_publish.send(changes).await.ok();
                }
                messages = reader.waiting(MESSAGES_MAX - next.messages.len()), if next.has_room() => {
                    if let Err(fault) = self.take(&mut next, messages, cursor).await {
                        break Err(fault);
                    }
                }
            }
        };
        if let Some(committing) = committing {
            to_publish.send(committing.await?.1).await.ok();
        }
        ended
    }

    /// Adds messages to the next batch, if they contain anything new. Foreign messages are reported and skipped. The run
    /// ends before a batch that begins behind what it has read: one between them may have been taken for foreign
    /// because a broker that has just changed its leader shows less than it has. The next run reads it again.
    async fn take(
        &self,
        next: &mut Next,
        messages: Result<Vec<Message>, BusError>,
        owned: Cursor,
    ) -> Result<(), Fault> {
        let Self { shared, run: PartitionRun { partition, .. }, .. } = self;
        for message in readable(&shared.alerts, *partition, messages).await? {
            let batch = if message.from.is_none_or(|begins| begins <= next.reaches) {
                batch_of::<Event>(&shared.service.bus, Feed::Enriched, *partition, &message)
            } else if next.reads {
                next.ends_at_gap = true;
                break;
            } else {
                Err(shared.foreign_behind(*partition, &message, owned, next.reaches).await?)
            };
            match batch {
                Ok(batch) => {
                    let count = next.add(message, batch);
                    let unpublished = self.unpublished.fetch_add(count, Ordering::Relaxed) + count;
                    shared.service.metrics.waiting(STAGE, &partition.to_string(), unpublished);
                }
                Err(foreign) => shared.alerts.foreign(Some(*partition), &foreign).await,
            }
        }
        Ok(())
    }

    /// Commits a batch; returns the cursor behind it and its changes.
    async fn commit(&self, from: Cursor, next: Next) -> Result<(Cursor, ToPublish), Fault> {
        let Next { messages, reaches, .. } = next;
        let (content, spare) = Content::gather(messages, from.position);
        let (records, newest) = (content.events.len(), content.events.last().map(|event| event.received_at));
        let batch = Batch { partition: self.run.partition, content, from, reaches };
        let Committed { changes, cursor } = self.shared.workers.commit(batch, spare).await?;
        Ok((cursor, ToPublish { changes, records, newest }))
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

/// The messages that are read and aren't under commit.
struct Next {
    messages: Vec<(Message, runner::Batch<Event>)>,
    /// Position up to which everything was read.
    reaches: Position,
    /// True if the run has read anything new.
    reads: bool,
    /// True if a batch that begins behind `reaches` was met.
    ends_at_gap: bool,
}

impl Next {
    const fn has_room(&self) -> bool {
        self.messages.len() < MESSAGES_MAX && !self.ends_at_gap
    }

    /// Adds a message, unless everything in it was read before; returns the number of its new records.
    fn add(&mut self, message: Message, batch: runner::Batch<Event>) -> usize {
        let covers = message.covers.unwrap_or_default();
        if covers <= self.reaches {
            return 0;
        }
        self.reads = true;
        let count = batch.records.iter().filter(|record| record.position > self.reaches).count();
        self.reaches = covers;
        self.messages.push((message, batch));
        count
    }

    /// Takes the batch; the next one begins behind it.
    fn take(&mut self) -> Self {
        Self { messages: std::mem::take(&mut self.messages), ..*self }
    }
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
