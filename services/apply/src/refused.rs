//! Dead-letters the events that the database refuses even when committed alone.

use crate::{
    STAGE,
    batch::Batch,
    halving::{Committed, Form, Halving, discarded},
    worker::Worker,
};
use model::{
    Outcome, Partition,
    record::{Facts, FirstKeys},
};
use runner::{chain, dead_letter, kill_point};
use stage::{Fault, Reject, RejectClass};
use std::{collections::BTreeMap, error::Error as _};
use store::{Cursor, CursorMove};
use wire::Original;

impl Worker {
    /// Commits the content of a refused transaction, except for the events that are refused alone: see [`Halving`].
    pub(crate) async fn halve(&self, batches: Vec<Batch>) -> BTreeMap<Partition, Result<Committed, Fault>> {
        let mut halving = Halving::of(batches);
        while let Some(part) = halving.next_part() {
            match self.transaction(part.clone()).await {
                Ok(committed) => {
                    for (partition, committed) in committed {
                        halving.committed(partition, committed);
                    }
                }
                Err(fault) => {
                    for batch in halving.refused(part, &fault) {
                        let partition = batch.partition;
                        match self.discard(batch, &fault).await {
                            Ok(committed) => halving.committed(partition, committed),
                            Err(fault) => halving.fail([partition], &fault),
                        }
                    }
                }
            }
        }
        halving.finish()
    }

    /// Records that a batch that can't be halved can't be applied. The dead letter is on disk before the commit.
    async fn discard(&self, batch: Batch, fault: &Fault) -> Result<Committed, Fault> {
        if batch.content.weight() == 0 {
            // The batch moves only the cursor, so no event is the cause.
            return Err(of_setup("a cursor can't be moved", fault));
        }
        let reject = Reject::new(RejectClass::Bug, chain(fault));
        for event in &batch.content.events {
            if let Some(bus) = &self.dead_letters {
                let original = Original::Event(Box::new(event.clone()));
                dead_letter(bus, &self.metrics, STAGE, event.position, original, &reject).await?;
            }
        }
        kill_point(STAGE, "gave_up");
        let discarded = match self.record(&batch, &reject, Form::EventOutcome).await {
            Err(fault) if fault.is_of_input() => self.record(&batch, &reject, Form::Bare).await,
            recorded => recorded,
        };
        let cursor = discarded.map_err(|fault| match fault {
            // Even bare ids are refused, so no event is the cause.
            refused if refused.is_of_input() => of_setup("no outcome can be recorded", &refused),
            other => other,
        })?;
        for event in &batch.content.events {
            let text = format!("event {} at {}: {}", event.id, event.position, reject.reason);
            self.alerts.set_aside(batch.partition, &text);
        }
        self.metrics.consumed(STAGE, batch.content.events.len());
        self.metrics.ended(STAGE, Outcome::Dead.as_str(), batch.content.events.len());
        self.write_log_behind(batch, cursor).await
    }

    async fn record(&self, batch: &Batch, reject: &Reject, form: Form) -> Result<Cursor, Fault> {
        let events = &batch.content.events;
        let origins = events.iter().map(|event| &event.origin);
        let origins =
            origins.chain(batch.content.dropped_inputs.iter().map(|dropped_input| &dropped_input.origin));
        let keys = FirstKeys {
            events: events.iter().map(|event| (event.origin.connection.clone(), event.id)).collect(),
            stores: origins.map(|origin| origin.store.clone()).collect(),
            ..FirstKeys::default()
        };
        let mut transaction = self.store.begin_apply().await?;
        let mut facts = Facts::default();
        transaction.first(&keys, &mut facts).await?;
        let changes = discarded(batch, &facts, reject, form);
        let step = CursorMove {
            partition: batch.partition,
            from: batch.from,
            position: batch.reaches,
            number: batch.from.number,
        };
        transaction.commit(&changes, &[], &[step]).await?;
        Ok(step.to())
    }

    /// Commits the write log of a discarded event: propagate's writes to mirrors before it stay valid.
    async fn write_log_behind(&self, mut batch: Batch, cursor: Cursor) -> Result<Committed, Fault> {
        batch.content.events.clear();
        batch.content.dropped_inputs.clear();
        batch.from = cursor;
        if batch.content.write_log.is_empty() {
            return Ok(Committed::nothing(cursor));
        }
        let partition = batch.partition;
        let mut committed = self.transaction(vec![batch]).await?;
        Ok(committed.remove(&partition).unwrap_or_else(|| Committed::nothing(cursor)))
    }
}

/// A refusal that no event caused.
fn of_setup(what: &str, refused: &Fault) -> Fault {
    let shown = refused.source().map(ToString::to_string).unwrap_or_default();
    Fault::setup("the database", format!("{what}: {shown}"))
}
