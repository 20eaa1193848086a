//! Processes one partition: reads waiting messages, has them committed, publishes the changes.

use crate::{
    STAGE,
    batch::{Batch, Content},
    publish,
    worker::Workers,
};
use bus::{Bus, Feed, Foreign, Message};
use model::{Event, Partition, Position, Timestamp};
use runner::{Alerts, PartitionRun, Service, batch_of, now, readable};
use stage::Fault;
use store::{Consumer, Cursor, Store};

/// Upper limit of waiting messages that are read at once.
const MESSAGES_MAX: usize = 8;

pub(crate) struct Shared {
    pub(crate) service: Service,
    pub(crate) alerts: Alerts,
    pub(crate) store: Store,
    pub(crate) workers: Workers,
}

impl Shared {
    /// Works on the partition until it is stopped or interrupted.
    pub(crate) async fn run_partition(&self, run: &PartitionRun) -> Result<(), Fault> {
        let partition = run.partition;
        let bus = &self.service.bus;
        let mut connections = bus.connections();
        connections.mark_unchanged();
        let mut cursor = self.store.take_epoch(Consumer::Apply, partition).await?;
        publish::catch_up(bus, &self.store, &self.alerts, partition).await?;
        bus.verify_reached(partition, cursor.position).await?;
        verify_unbroken(bus, partition, cursor.position).await?;
        let start = bus.seek(Feed::Enriched, partition, cursor.position).await?;
        let mut reader = bus.read(Feed::Enriched, partition, start).await?;
        self.service.metrics.opened(STAGE, &partition.to_string());
        loop {
            let messages = tokio::select! {
                biased;
                // A broker that crashed may have lost the end of APPLIED, which is restored at the beginning only.
                Ok(()) = connections.changed() => return Err(Fault::transient("the broker", "connected anew")),
                () = run.stop.cancelled() => return Ok(()),
                messages = reader.waiting(MESSAGES_MAX) => messages,
            };
            let messages = readable(&self.alerts, partition, messages).await?;
            cursor = self.work(partition, cursor, messages).await?;
            run.made_progress();
        }
    }

    async fn work(
        &self,
        partition: Partition,
        from: Cursor,
        messages: Vec<Message>,
    ) -> Result<Cursor, Fault> {
        let mut reaches = from.position;
        let mut own = Vec::with_capacity(messages.len());
        for message in messages {
            match self.check(partition, &message, from, reaches).await? {
                Ok(batch) => {
                    reaches = reaches.max(message.covers.unwrap_or_default());
                    own.push((message, batch));
                }
                Err(foreign) => self.alerts.foreign(Some(partition), &foreign).await,
            }
        }
        let (content, spare) = Content::gather(own, from.position);
        if reaches == from.position {
            return Ok(from);
        }
        let newest = content.events.last().map(|event| event.received_at);
        self.note_lag(partition, newest, content.events.len());
        let batch = Batch { partition, content, from, reaches };
        let committed = self.workers.commit(batch, spare).await?;
        let bus = &self.service.bus;
        publish::committed(bus, &self.alerts, partition, committed.changes).await?;
        runner::kill_point(STAGE, "published");
        self.note_lag(partition, newest, 0);
        Ok(committed.cursor)
    }

    /// Decodes a batch, or returns the reason why it is foreign. A batch that begins behind the record's cursor is
    /// foreign: the stage before continues at the cursor. If the record has another owner by now, that one has moved
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

    fn note_lag(&self, partition: Partition, newest: Option<Timestamp>, waiting: usize) {
        if let Some(newest) = newest {
            self.service.metrics.lag(STAGE, &partition.to_string(), newest, now(), waiting);
        }
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
