//! Decides and commits events that are read again, as the service does, without publishing and without calls
//! to platforms.

use crate::{
    batch::{Batch, Content, Spare},
    worker,
    workers::Workers,
};
use model::{DroppedInput, Event, EventId, Partition, Position, record::WriteLogEntry};
use runner::Metrics;
use stage::Fault;
use std::{num::NonZeroUsize, sync::Arc};
use store::{Cursor, Store, StoreError};

/// A span of a partition, after all earlier stages.
pub struct Span {
    /// The partition.
    pub partition: Partition,
    /// Events that reached apply.
    pub events: Vec<Event>,
    /// Inputs that earlier stages dropped.
    pub dropped_inputs: Vec<DroppedInput>,
    /// Propagate's writes to mirrors up to the end of the span, in order.
    pub write_log: Vec<WriteLogEntry>,
    /// Last position of the span.
    pub reaches: Position,
}

/// Commits spans to a record; cheap to clone.
#[derive(Clone)]
pub struct Replay {
    store: Store,
    workers: Arc<Workers>,
}

impl Replay {
    /// Commits to `store`, with at most `workers` concurrent transactions; waiting spans share one.
    pub fn new(store: &Store, workers: NonZeroUsize, metrics: &Metrics) -> Self {
        Self { store: store.clone(), workers: Workers::start(workers, store, metrics, None).into() }
    }

    /// Commits a span that begins at `from`; returns the partition's cursor after it.
    pub async fn commit(&self, from: Cursor, span: Span) -> Result<Cursor, ReplayError> {
        let Span { partition, events, dropped_inputs, write_log, reaches } = span;
        let content = Content { events, dropped_inputs, write_log };
        let spare = Spare::Content(content.clone());
        let batch = Batch { partition, content, from, reaches };
        Ok(self.workers.commit(batch, spare).await.map(|committed| committed.cursor)?)
    }

    /// Returns the events of a span that would change the record or get their first outcome: none if all of them are in
    /// the record. Writes nothing.
    pub async fn would_change(&self, span: Span) -> Result<Vec<EventId>, StoreError> {
        let Span { partition, events, reaches, .. } = span;
        let content = Content { events, ..Content::default() };
        let mut batches = vec![Batch { partition, content, from: Cursor::default(), reaches }];
        let mut transaction = self.store.begin_apply().await?;
        let facts = worker::facts(&mut transaction, &mut batches).await?;
        let changes = worker::fold(facts, batches).changes;
        transaction.rollback().await?;
        Ok(changes.event_outcomes.into_iter().map(|event_outcome| event_outcome.event).collect())
    }
}

/// The reason for which a span isn't committed: another owner works on the partition, or the database can't be reached.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ReplayError(#[from] Fault);
