//! The same decisions and the same commit, over events that are read again: nothing is published, and nobody is called.

use crate::{
    batch::{Batch, Content, Spare},
    worker::{self, Workers},
};
use model::{DroppedInput, Event, EventId, Partition, Position, record::WriteLogEntry};
use runner::Metrics;
use stage::Fault;
use std::{num::NonZeroUsize, sync::Arc};
use store::{Cursor, Store, StoreError};

/// A span of a partition, gone through the stages before.
pub struct Span {
    /// Of which partition.
    pub partition: Partition,
    /// What goes on.
    pub events: Vec<Event>,
    /// What ended.
    pub dropped_inputs: Vec<DroppedInput>,
    /// What propagate made of mirrors up to its end, in order.
    pub write_log: Vec<WriteLogEntry>,
    /// Where it ends.
    pub reaches: Position,
}

/// Commits spans to a record; cheap to clone.
#[derive(Clone)]
pub struct Replay {
    store: Store,
    workers: Arc<Workers>,
}

impl Replay {
    /// Commits to `store`, with so many transactions at once; what waits goes into one.
    pub fn new(store: &Store, workers: NonZeroUsize, metrics: &Metrics) -> Self {
        Self { store: store.clone(), workers: Workers::start(workers, store, metrics, None).into() }
    }

    /// Commits a span that begins at `from`; says where the partition stands then.
    pub async fn commit(&self, from: Cursor, span: Span) -> Result<Cursor, ReplayError> {
        let Span { partition, events, dropped_inputs, write_log, reaches } = span;
        let content = Content { events, dropped_inputs, write_log };
        let spare = Spare::Content(content.clone());
        let batch = Batch { partition, content, from, reaches };
        Ok(self.workers.commit(batch, spare).await.map(|committed| committed.cursor)?)
    }

    /// Which events of a span would change the record or end in it for the first time: none, if all of them are in it.
    /// Writes nothing.
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

/// Why a span isn't committed: someone else works on the partition, or the database can't be reached.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ReplayError(#[from] Fault);
