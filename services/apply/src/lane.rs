//! One partition: read what waits, have it committed, publish it.

use crate::{
    STAGE,
    batch::{Batch, Content, Read},
    publish,
    worker::Workers,
};
use bus::{Feed, Message};
use model::{Partition, Position, Timestamp};
use runner::{Alerts, Service, Turn, now, readable, unreadable};
use stage::Fault;
use store::{Consumer, Cursor, Store};

/// How many waiting messages are taken up at once.
const MESSAGES_MAX: usize = 8;

pub(crate) struct Shared {
    pub(crate) service: Service,
    pub(crate) alerts: Alerts,
    pub(crate) store: Store,
    pub(crate) workers: Workers,
}

impl Shared {
    /// Works on the partition until it is asked to stop, or interrupted.
    pub(crate) async fn run_lane(&self, turn: &Turn) -> Result<(), Fault> {
        let partition = turn.partition;
        let bus = &self.service.bus;
        let mut connections = bus.connections();
        connections.mark_unchanged();
        let mut cursor = self.store.take_epoch(Consumer::Apply, partition).await?;
        publish::catch_up(bus, &self.store, &self.alerts, partition).await?;
        bus.verify_reached(partition, cursor.position).await?;
        let start = bus.seek(Feed::Enriched, partition, cursor.position).await?;
        let mut reader = bus.read(Feed::Enriched, partition, start).await?;
        self.service.metrics.opened(STAGE, &partition.to_string());
        loop {
            let messages = tokio::select! {
                biased;
                // A broker that crashed may have lost the end of APPLIED, which is made good at the beginning only.
                Ok(()) = connections.changed() => return Err(Fault::transient("the broker", "connected anew")),
                () = turn.stop.cancelled() => return Ok(()),
                messages = reader.waiting(MESSAGES_MAX) => readable(&self.alerts, partition, messages)?,
            };
            cursor = self.work(partition, cursor, messages).await?;
            turn.made_progress();
        }
    }

    async fn work(
        &self,
        partition: Partition,
        from: Cursor,
        messages: Vec<Message>,
    ) -> Result<Cursor, Fault> {
        let mut reaches = from.position;
        for message in &messages {
            self.check_unbroken(partition, message, from, reaches).await?;
            reaches = reaches.max(message.covers.unwrap_or_default());
        }
        let Read { content, spare, unread } = Content::read(messages, from.position);
        for (sequence, error) in unread {
            let text = unreadable(Feed::Enriched.as_str(), sequence, &error);
            self.alerts.set_aside(partition, &text);
        }
        if reaches == from.position {
            return Ok(from);
        }
        let newest = content.events.last().map(|event| event.received_at);
        self.note_lag(partition, newest, content.events.len());
        let batch = Batch { partition, content, from, reaches };
        let committed = self.workers.commit(batch, spare).await?;
        let bus = &self.service.bus;
        publish::committed(bus, &self.alerts, partition, &committed.applied, committed.payloads).await?;
        runner::kill_point(STAGE, "published");
        self.note_lag(partition, newest, 0);
        Ok(committed.cursor)
    }

    /// Refuses a feed that begins behind where the record stands: between them lies what this record never had. It is
    /// another one, or an older copy. What has gone from ENRICHED is in RAW. Where the record has another owner by now,
    /// that one went on meanwhile and nothing is missing.
    async fn check_unbroken(
        &self,
        partition: Partition,
        message: &Message,
        known: Cursor,
        at: Position,
    ) -> Result<(), Fault> {
        let Some(begins) = message.from.filter(|begins| *begins > at) else { return Ok(()) };
        if self.store.apply_cursor(partition).await?.epoch != known.epoch {
            return Err(Fault::Fenced);
        }
        Err(Fault::setup(
            "the database",
            format!(
                "the record stands at {at}, ENRICHED begins at {begins}: see the runbook database-restored"
            ),
        ))
    }

    fn note_lag(&self, partition: Partition, newest: Option<Timestamp>, waiting: usize) {
        if let Some(newest) = newest {
            self.service.metrics.lag(STAGE, &partition.to_string(), newest, now(), waiting);
        }
    }
}
