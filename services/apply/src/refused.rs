//! What the database refuses for good: batches are halved until the event is alone, and that one is given up.

use crate::{
    STAGE,
    batch::{Batch, halves},
    worker::{Committed, Worker},
};
use model::{
    Dismissal, Event, Outcome, Partition, Position,
    record::{Changes, Ending, Facts, FirstKeys},
};
use runner::{chain, dead_letter, kill_point};
use stage::{Fault, Reject, RejectClass};
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error as _,
};
use store::{Cursor, CursorMove};
use wire::Original;

/// The number of events that one refused transaction gives up at most. What remains comes again from where its partition then
/// stands: a database that refuses everything is asked ever more seldom.
const ALONE_MAX: usize = 64;

/// How a refused event is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As any event that ends dead.
    Ending,
    /// Without the texts that came with it.
    Bare,
}

impl Worker {
    /// Commits what a refused transaction held: halved again and again, so that only what is refused alone is given up.
    /// Of `n` events of which `k` are refused that takes no more than `k * 2 * log2(n)` transactions. Each partition's
    /// halves are committed in order; one whose batch is fine is committed whole.
    pub(crate) async fn halve(&self, batches: Vec<Batch>) -> BTreeMap<Partition, Result<Committed, Fault>> {
        let mut progress = Progress::of(&batches);
        let mut alone = 0;
        // The last is next.
        let mut parts = match halves(batches) {
            Ok([first, second]) => vec![second, first],
            Err(single) => vec![single],
        };
        while let Some(part) = parts.pop() {
            let part = progress.take_up(part);
            if part.is_empty() {
                continue;
            }
            let partitions: Vec<Partition> = part.iter().map(|batch| batch.partition).collect();
            let fault = match self.transaction(part.clone()).await {
                Ok(committed) => {
                    partitions
                        .into_iter()
                        .zip(committed)
                        .for_each(|(of, committed)| progress.add(of, committed));
                    continue;
                }
                Err(fault) => fault,
            };
            if matches!(fault, Fault::Transient { .. }) {
                // Nobody is asked again and again what is away.
                let rest = parts.into_iter().flatten().map(|batch| batch.partition);
                progress.fail(partitions.into_iter().chain(rest), &fault);
                break;
            }
            if !fault.is_of_input() {
                progress.fail(partitions, &fault);
                continue;
            }
            match halves(part) {
                Ok([first, second]) => parts.extend([second, first]),
                Err(_) if alone == ALONE_MAX => {
                    let many = format!("{ALONE_MAX} events were given up; the rest comes again");
                    progress.fail(partitions, &Fault::transient("the rest of the batch", many));
                }
                Err(single) => {
                    alone += 1;
                    for batch in single {
                        let partition = batch.partition;
                        match self.give_up(batch, &fault).await {
                            Ok(committed) => progress.add(partition, committed),
                            Err(fault) => progress.fail([partition], &fault),
                        }
                    }
                }
            }
        }
        progress.ended()
    }

    /// Records that what is left of a batch can't be applied. The dead letter is on disk before the commit.
    async fn give_up(&self, batch: Batch, fault: &Fault) -> Result<Committed, Fault> {
        if batch.content.weight() == 0 {
            // Nothing but the cursor: no event is to blame.
            return Err(of_setup("a cursor can't be moved", fault));
        }
        let reject = Reject::new(RejectClass::Bug, chain(fault));
        for event in &batch.content.events {
            if let Some(bus) = &self.letters {
                let original = Original::Event(Box::new(event.clone()));
                dead_letter(bus, &self.metrics, STAGE, event.position, original, &reject).await?;
            }
        }
        kill_point(STAGE, "gave_up");
        let given_up = match self.record(&batch, &reject, Form::Ending).await {
            Err(fault) if fault.is_of_input() => self.record(&batch, &reject, Form::Bare).await,
            recorded => recorded,
        };
        let cursor = given_up.map_err(|fault| match fault {
            // Not even bare ids pass: that is no event's fault.
            refused if refused.is_of_input() => of_setup("no outcome can be recorded", &refused),
            other => other,
        })?;
        for event in &batch.content.events {
            let text = format!("event {} at {}: {}", event.id, event.position, reject.reason);
            self.alerts.set_aside(batch.partition, &text);
        }
        self.metrics.taken_up(STAGE, batch.content.events.len());
        self.metrics.ended(STAGE, Outcome::Dead.as_str(), batch.content.events.len());
        self.marks_behind(batch, cursor).await
    }

    async fn record(&self, batch: &Batch, reject: &Reject, form: Form) -> Result<Cursor, Fault> {
        let events = &batch.content.events;
        let origins = events.iter().map(|event| &event.origin);
        let origins = origins.chain(batch.content.dismissals.iter().map(|dismissal| &dismissal.origin));
        let keys = FirstKeys {
            events: events.iter().map(|event| (event.origin.connection.clone(), event.id)).collect(),
            stores: origins.map(|origin| origin.store.clone()).collect(),
            ..FirstKeys::default()
        };
        let mut transaction = self.store.begin_apply().await?;
        let mut facts = Facts::default();
        transaction.first(&keys, &mut facts).await?;
        let changes = given_up(batch, &facts, reject, form);
        let step = CursorMove {
            partition: batch.partition,
            from: batch.from,
            position: batch.reaches,
            number: batch.from.number,
        };
        transaction.commit(&changes, &[], &[step]).await?;
        Ok(step.to())
    }

    /// What propagate made of mirrors before an event that was given up stays true.
    async fn marks_behind(&self, mut batch: Batch, cursor: Cursor) -> Result<Committed, Fault> {
        batch.content.events.clear();
        batch.content.dismissals.clear();
        batch.from = cursor;
        if batch.content.marks.is_empty() {
            return Ok(Committed::nothing(cursor));
        }
        Ok(self.transaction(vec![batch]).await?.pop().unwrap_or_else(|| Committed::nothing(cursor)))
    }
}

/// A refusal that no event is to blame for.
fn of_setup(what: &str, refused: &Fault) -> Fault {
    let shown = refused.source().map(ToString::to_string).unwrap_or_default();
    Fault::setup("the database", format!("{what}: {shown}"))
}

/// How far each partition has come.
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

    /// The batches of partitions that go on, from where they are by now.
    fn take_up(&self, part: Vec<Batch>) -> Vec<Batch> {
        let from_now = |batch: Batch| match self.0.get(&batch.partition) {
            Some(Ok(so_far)) => Some(Batch { from: so_far.cursor, ..batch }),
            Some(Err(_)) | None => None,
        };
        part.into_iter().filter_map(from_now).collect()
    }

    fn add(&mut self, partition: Partition, committed: Committed) {
        if let Some(Ok(so_far)) = self.0.get_mut(&partition) {
            so_far.applied.extend(committed.applied);
            so_far.payloads.extend(committed.payloads);
            so_far.cursor = committed.cursor;
        }
    }

    fn fail(&mut self, partitions: impl IntoIterator<Item = Partition>, fault: &Fault) {
        for partition in partitions {
            self.0.insert(partition, Err(fault.clone()));
        }
    }

    fn ended(self) -> BTreeMap<Partition, Result<Committed, Fault>> {
        self.0
    }
}

/// What is written of a batch none of which can be applied. What the record has of it already stays as it is.
fn given_up(batch: &Batch, facts: &Facts, reject: &Reject, form: Form) -> Changes {
    let mut changes = Changes::default();
    let mut seen = BTreeSet::new();
    for dismissal in &batch.content.dismissals {
        count_delivery(&mut changes, &dismissal.origin, dismissal.position);
        changes.dismissals.push(Dismissal { reason: "".into(), ..dismissal.clone() });
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
            changes.dismissals.push(dismissal(event, Outcome::Duplicate, String::new()));
        } else if form == Form::Bare {
            changes.dismissals.push(dismissal(event, Outcome::Dead, reject.to_string()));
        } else {
            if facts.dead.contains_key(&identity) {
                changes.revived.insert(identity);
            }
            changes.endings.push(ending(event, reject));
        }
    }
    changes
}

fn count_delivery(changes: &mut Changes, origin: &model::Origin, position: Position) {
    if position.event == 0 {
        changes.stores.entry(origin.store.clone()).or_default().ended += 1;
    }
}

fn ending(event: &Event, reject: &Reject) -> Ending {
    Ending {
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

fn dismissal(event: &Event, outcome: Outcome, reason: String) -> Dismissal {
    Dismissal {
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
