//! Halves a refused batch until the refused event is alone; that one is discarded, all others are applied.
//!
//! Decides without I/O; `refused.rs` commits.

use crate::{STAGE, batch::halves};
use model::{
    DroppedInput, Event, Outcome, Partition, Position,
    record::{Applied, Changes, EventOutcome, Facts},
};
use stage::{Fault, Reject};
use std::collections::{BTreeMap, BTreeSet};

pub use crate::batch::{Batch, Content};
pub use store::Cursor;

/// Upper limit of events that one refused transaction discards. The rest is redelivered from the partition's cursor at
/// that time, so a database that refuses everything gets ever fewer requests.
const ALONE_MAX: usize = 64;

/// The result of a partition's committed batch.
#[derive(Debug)]
pub struct Committed {
    pub(crate) changes: Vec<CommittedChange>,
    pub(crate) cursor: Cursor,
}

/// A committed change, to be published.
#[derive(Debug)]
pub(crate) struct CommittedChange {
    pub(crate) applied: Applied,
    /// The same in the wire format.
    pub(crate) payload: Vec<u8>,
}

impl Committed {
    /// No changes yet, at that cursor.
    pub const fn nothing(cursor: Cursor) -> Self {
        Self { changes: Vec::new(), cursor }
    }
}

/// The halving of one refused transaction: its content is halved repeatedly, so that only events that are refused alone
/// are discarded. If `k` of `n` events are refused, that takes at most `k * 2 * log2(n)` transactions. Each partition's
/// halves are committed in order; one whose batch is fine is committed whole.
#[derive(Debug)]
pub struct Halving {
    progress: Progress,
    /// The last is next.
    parts: Vec<Vec<Batch>>,
    alone: usize,
}

impl Halving {
    /// Begins with the batches that were refused together.
    pub fn of(batches: Vec<Batch>) -> Self {
        let progress = Progress::of(&batches);
        let parts = match halves(batches) {
            Ok([first, second]) => vec![second, first],
            Err(single) => vec![single],
        };
        Self { progress, parts, alone: 0 }
    }

    /// Returns the next part to commit, with the current cursors of its partitions; `None` at the end.
    pub fn next_part(&mut self) -> Option<Vec<Batch>> {
        loop {
            let part = self.progress.resume(self.parts.pop()?);
            if !part.is_empty() {
                return Some(part);
            }
        }
    }

    /// Records that a partition's batch of a part was committed or discarded.
    pub fn committed(&mut self, partition: Partition, committed: Committed) {
        self.progress.add(partition, committed);
    }

    /// Records that a part wasn't committed; returns the batches of it to discard, because they were refused alone.
    pub fn refused(&mut self, part: Vec<Batch>, fault: &Fault) -> Vec<Batch> {
        let partitions: Vec<Partition> = part.iter().map(|batch| batch.partition).collect();
        if matches!(fault, Fault::Transient { .. }) {
            // An unavailable database gets no further requests.
            let rest = std::mem::take(&mut self.parts).into_iter().flatten().map(|batch| batch.partition);
            self.progress.fail(partitions.into_iter().chain(rest), fault);
            return Vec::new();
        }
        if !fault.is_of_input() {
            self.progress.fail(partitions, fault);
            return Vec::new();
        }
        match halves(part) {
            Ok([first, second]) => {
                self.parts.extend([second, first]);
                Vec::new()
            }
            Err(_) if self.alone == ALONE_MAX => {
                let many = format!("{ALONE_MAX} events were dead-lettered; the rest is read again");
                self.progress.fail(partitions, &Fault::transient("the rest of the batch", many));
                Vec::new()
            }
            Err(single) => {
                self.alone += single.len();
                single
            }
        }
    }

    /// Records that partitions can't go on.
    pub fn fail(&mut self, partitions: impl IntoIterator<Item = Partition>, fault: &Fault) {
        self.progress.fail(partitions, fault);
    }

    /// Returns each partition's result.
    pub fn finish(self) -> BTreeMap<Partition, Result<Committed, Fault>> {
        self.progress.0
    }
}

/// The progress of each partition.
#[derive(Debug)]
struct Progress(BTreeMap<Partition, Result<Committed, Fault>>);

impl Progress {
    fn of(batches: &[Batch]) -> Self {
        let begin = |batch: &Batch| (batch.partition, Ok(Committed::nothing(batch.from)));
        let mut progress = Self(batches.iter().map(begin).collect());
        if progress.0.len() < batches.len() {
            // One of two batches of a partition is a former owner's.
            progress.fail(batches.iter().map(|batch| batch.partition), &Fault::Fenced);
        }
        progress
    }

    /// Returns the batches of partitions that continue, from their current cursors.
    fn resume(&self, part: Vec<Batch>) -> Vec<Batch> {
        let from_now = |batch: Batch| match self.0.get(&batch.partition) {
            Some(Ok(so_far)) => Some(Batch { from: so_far.cursor, ..batch }),
            Some(Err(_)) | None => None,
        };
        part.into_iter().filter_map(from_now).collect()
    }

    fn add(&mut self, partition: Partition, committed: Committed) {
        if let Some(Ok(so_far)) = self.0.get_mut(&partition) {
            so_far.changes.extend(committed.changes);
            so_far.cursor = committed.cursor;
        }
    }

    fn fail(&mut self, partitions: impl IntoIterator<Item = Partition>, fault: &Fault) {
        for partition in partitions {
            self.0.insert(partition, Err(fault.clone()));
        }
    }
}

/// The form in which a refused event is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As an event outcome, like any event that ends dead.
    EventOutcome,
    /// Without the texts that came with it.
    Bare,
}

/// Returns the changes that record a batch as discarded. Events that the record already has stay as they are.
pub fn discarded(batch: &Batch, facts: &Facts, reject: &Reject, form: Form) -> Changes {
    let mut changes = Changes::default();
    let mut seen = BTreeSet::new();
    for dropped_input in &batch.content.dropped_inputs {
        count_delivery(&mut changes, &dropped_input.origin, dropped_input.position);
        changes.dropped_inputs.push(DroppedInput { reason: "".into(), ..dropped_input.clone() });
    }
    for event in &batch.content.events {
        let identity = (event.origin.connection.clone(), event.id);
        let recorded = facts.seen.get(&identity).or_else(|| facts.dead.get(&identity)).copied();
        if recorded == Some(event.position) {
            continue;
        }
        count_delivery(&mut changes, &event.origin, event.position);
        let is_duplicate = facts.seen.contains_key(&identity)
            || recorded.is_some_and(|recorded| recorded > event.position)
            || !seen.insert(identity.clone());
        if is_duplicate {
            changes.dropped_inputs.push(dropped_input(event, Outcome::Duplicate, String::new()));
        } else if form == Form::Bare {
            changes.dropped_inputs.push(dropped_input(event, Outcome::Dead, reject.to_string()));
        } else {
            if facts.dead.contains_key(&identity) {
                changes.revived.insert(identity);
            }
            changes.event_outcomes.push(event_outcome(event, reject));
        }
    }
    changes
}

fn count_delivery(changes: &mut Changes, origin: &model::Origin, position: Position) {
    if position.event == 0 {
        changes.stores.entry(origin.store.clone()).or_default().ended += 1;
    }
}

fn event_outcome(event: &Event, reject: &Reject) -> EventOutcome {
    EventOutcome {
        tenant: event.origin.tenant.clone(),
        store: event.origin.store.clone(),
        connection: event.origin.connection.clone(),
        event: event.id,
        delivery: event.delivery,
        entity: event.payload.entity(),
        external: event.payload.external().clone(),
        action: event.action,
        outcome: Outcome::Dead,
        reason: reject.to_string(),
        position: event.position,
        received_at: event.received_at,
        sequence: None,
    }
}

fn dropped_input(event: &Event, outcome: Outcome, reason: String) -> DroppedInput {
    DroppedInput {
        position: event.position,
        origin: event.origin.clone(),
        delivery: event.delivery,
        event: Some(event.id),
        stage: STAGE.into(),
        outcome,
        reason: reason.into(),
        received_at: event.received_at,
    }
}
