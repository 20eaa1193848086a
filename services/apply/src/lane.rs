//! One partition: read what waits, have it committed, publish it.

use crate::{
    STAGE, publish,
    worker::{Batch, Uncommitted, Workers},
};
use bus::{Feed, Message};
use model::{Event, Partition, Position, Timestamp};
use runner::{Input as _, LaneError, Placed, Service, Turn, now, unreadable};
use stage::Fault;
use store::{Consumer, Cursor, Store, StoreError};

/// How many waiting messages are taken up at once.
const MESSAGES_MAX: usize = 8;

pub(crate) struct Shared {
    pub(crate) service: Service,
    pub(crate) store: Store,
    pub(crate) workers: Workers,
}

impl Shared {
    /// Works on the partition until it is asked to stop, or interrupted.
    pub(crate) async fn run_lane(&self, turn: &Turn) -> Result<(), LaneError> {
        let partition = turn.partition;
        let bus = &self.service.bus;
        let mut connections = bus.connections();
        connections.mark_unchanged();
        let mut cursor = self.store.take_epoch(Consumer::Apply, partition).await.map_err(fault)?;
        publish::catch_up(bus, &self.store, partition).await?;
        bus.verify_reached(partition, cursor.position).await?;
        let start = bus.seek(Feed::Enriched, partition, cursor.position).await?;
        let mut reader = bus.read(Feed::Enriched, partition, start).await?;
        self.service.metrics.opened(STAGE, &partition.to_string());
        loop {
            let messages = tokio::select! {
                biased;
                // A broker that crashed may have lost the end of APPLIED, which is made good at the beginning only.
                Ok(()) = connections.changed() => return Err(Fault::new("the broker", "connected anew").into()),
                () = turn.stop.cancelled() => return Ok(()),
                messages = reader.waiting(MESSAGES_MAX) => messages?,
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
    ) -> Result<Cursor, LaneError> {
        let (mut events, mut dismissals) = (Vec::new(), Vec::new());
        let mut reaches = from.position;
        for message in messages {
            check_unbroken(&message, reaches)?;
            reaches = reaches.max(message.covers.unwrap_or_default());
            let decoded = Event::decode(message.payload, message.sequence).map_err(unreadable)?;
            let is_new = |position| position > from.position;
            let records = decoded.records.into_iter().filter(|record| is_new(record.position));
            events.extend(records.map(|Placed { value, .. }| value));
            let told = decoded.dismissals.into_iter().filter(|dismissal| is_new(dismissal.position));
            dismissals.extend(told);
        }
        if reaches == from.position {
            return Ok(from);
        }
        let newest = events.last().map(|event| event.received_at);
        self.note_lag(partition, newest, events.len());
        let batch = Batch { partition, events, dismissals, from, reaches, marks: Vec::new() };
        let committed = self.workers.commit(batch).await.map_err(refused)?;
        publish::committed(&self.service.bus, partition, &committed.applied, committed.payloads).await?;
        runner::kill_point(STAGE, "published");
        self.note_lag(partition, newest, 0);
        Ok(committed.cursor)
    }

    fn note_lag(&self, partition: Partition, newest: Option<Timestamp>, waiting: usize) {
        if let Some(newest) = newest {
            self.service.metrics.lag(STAGE, &partition.to_string(), newest, now(), waiting);
        }
    }
}

fn fault(error: StoreError) -> LaneError {
    LaneError::Fault(Fault::new("the database", error))
}

fn refused(error: Uncommitted) -> LaneError {
    match error {
        Uncommitted::Store(ref error) if matches!(**error, StoreError::Fenced) => LaneError::Fenced,
        Uncommitted::Letter(_) => LaneError::Fault(Fault::new("the broker", error)),
        other => LaneError::Fault(Fault::new("the database", other)),
    }
}

/// A partition whose feed begins behind the record: between them lies what this record never had. It is another one, or an
/// older copy. What has gone from ENRICHED is in RAW.
fn check_unbroken(message: &Message, at: Position) -> Result<(), Fault> {
    match message.from {
        Some(from) if from > at => Err(Fault::new(
            "what lies between the record and the feed",
            format!(
                "the record stands at {at}, ENRICHED begins at {from}: see the runbook database-restored"
            ),
        )),
        _ => Ok(()),
    }
}
