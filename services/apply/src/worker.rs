//! Transactions. Each commits batches of several partitions: group commit in Postgres too.

use crate::{
    STAGE,
    batch::{Batch, Content, Spare},
    decide::{Fold, Folded, Rejected, first_keys, row_keys},
    halving::{Committed, CommittedChange},
    workers::Job,
};
use bus::Bus;
use futures::FutureExt as _;
use model::{
    MirrorKind, Outcome, Partition, PlatformName, Position,
    record::{Applied, Facts, RowKeys},
};
use runner::{Alerts, Metrics, chain, dead_letter, kill_point};
use stage::Fault;
use std::{collections::BTreeMap, panic::AssertUnwindSafe, time::Instant};
use store::{ApplyTransaction, Cursor, CursorMove, Store, StoreError};
use tokio::sync::oneshot;
use tracing::Instrument as _;
use wire::Original;

/// Upper limit of loading rounds per batch: events, the mirrors they are about, the links of items without a mirror,
/// the mirrors of those, their levels and the other platforms' mirrors.
pub(crate) const ROUNDS_MAX: usize = 7;

/// A job whose batch was moved into a transaction.
struct InTransaction {
    partition: Partition,
    from: Cursor,
    reaches: Position,
    spare: Spare,
    done: oneshot::Sender<Result<Committed, Fault>>,
}

pub(crate) struct Worker {
    pub(crate) store: Store,
    pub(crate) metrics: Metrics,
    pub(crate) alerts: Alerts,
    pub(crate) dead_letters: Option<Bus>,
}

impl Worker {
    /// Commits the batches of jobs in one transaction and reports each partition's result.
    pub(crate) async fn work(&self, jobs: Vec<Job>) {
        let began = Instant::now();
        let (mut batches, mut waiting) = (Vec::with_capacity(jobs.len()), Vec::with_capacity(jobs.len()));
        for Job { batch, spare, done } in jobs {
            let Batch { partition, from, reaches, .. } = batch;
            waiting.push(InTransaction { partition, from, reaches, spare, done });
            batches.push(batch);
        }
        let records: usize = batches.iter().map(|batch| batch.content.events.len()).sum();
        let span = tracing::debug_span!("batch", stage = STAGE, partitions = batches.len(), events = records);
        match self.transaction(batches).instrument(span).await {
            Ok(mut committed) => {
                self.metrics.batch(STAGE, records, began.elapsed());
                for InTransaction { partition, done, .. } in waiting {
                    drop(done.send(committed.remove(&partition).ok_or(Fault::Fenced)));
                }
            }
            Err(fault) if fault.is_of_input() => {
                tracing::warn!(stage = STAGE, records, error = chain(&fault), "refused: halving the batch");
                let (mut batches, mut asking) = (Vec::new(), Vec::new());
                for InTransaction { partition, from, reaches, spare, done } in waiting {
                    let content = spare.content();
                    batches.push(Batch { partition, content, from, reaches });
                    asking.push((partition, done));
                }
                let mut outcomes = self.halve(batches).await;
                for (partition, done) in asking {
                    drop(done.send(outcomes.remove(&partition).unwrap_or(Err(Fault::Fenced))));
                }
            }
            Err(fault) => {
                for InTransaction { done, .. } in waiting {
                    drop(done.send(Err(fault.clone())));
                }
            }
        }
    }

    /// Commits all batches or none: if one partition is fenced, the others are tried again without it. A panic counts
    /// as a refusal of the input, as one by the database does.
    pub(crate) async fn transaction(
        &self,
        batches: Vec<Batch>,
    ) -> Result<BTreeMap<Partition, Committed>, Fault> {
        let deciding = AssertUnwindSafe(self.decide_and_commit(batches)).catch_unwind();
        deciding
            .await
            .unwrap_or_else(|_| Err(Fault::input("the decision", "it panicked; the log says where")))
    }

    async fn decide_and_commit(
        &self,
        mut batches: Vec<Batch>,
    ) -> Result<BTreeMap<Partition, Committed>, Fault> {
        let mut transaction = self.store.begin_apply().await?;
        kill_point(STAGE, "begun");
        let facts = facts(&mut transaction, &mut batches).await?;
        let events = || batches.iter().flat_map(|batch| &batch.content.events);
        kill_point(STAGE, "loaded");

        let step = |batch: &Batch| CursorMove {
            partition: batch.partition,
            from: batch.from,
            position: batch.reaches,
            number: batch.from.number,
        };
        let mut steps: Vec<CursorMove> = batches.iter().map(step).collect();
        let consumed = events().count();
        let folded = fold(facts, batches);
        let payloads = folded.changes.applied.iter().map(|(_, applied)| payload(applied));
        let payloads: Vec<Vec<u8>> = payloads.collect::<Result<_, _>>()?;
        for step in &mut steps {
            step.number = folded.numbers.get(&step.partition).copied().unwrap_or(step.number);
        }
        kill_point(STAGE, "folded");
        // Before the commit: after it, a missing dead letter could not be detected. If the commit fails, the same dead
        // letter is published again.
        if let Some(bus) = &self.dead_letters {
            for Rejected { event, reject } in &folded.rejected {
                let original = Original::Event(Box::new(event.clone()));
                dead_letter(bus, &self.metrics, STAGE, event.position, original, reject).await?;
            }
        }
        kill_point(STAGE, "dead_lettered");
        transaction.commit(&folded.changes, &payloads, &steps).await?;
        kill_point(STAGE, "committed");
        self.count(consumed, &folded);
        Ok(share_out(&steps, folded, payloads))
    }

    fn count(&self, consumed: usize, folded: &Folded) {
        self.metrics.consumed(STAGE, consumed);
        let duplicates =
            folded.changes.dropped_inputs.iter().filter(|dropped_input| dropped_input.stage == STAGE).count();
        self.metrics.ended(STAGE, Outcome::Duplicate.as_str(), duplicates);
        for outcome in Outcome::ALL {
            let count = folded
                .changes
                .event_outcomes
                .iter()
                .filter(|event_outcome| event_outcome.outcome == outcome)
                .count();
            if count > 0 {
                self.metrics.ended(STAGE, outcome.as_str(), count);
            }
        }
        self.metrics.passed_on(STAGE, folded.changes.applied.len());
    }
}

/// Loads and locks what the batches may touch.
pub(crate) async fn facts(
    transaction: &mut ApplyTransaction,
    batches: &mut [Batch],
) -> Result<Facts, StoreError> {
    let mut facts = Facts::default();
    for batch in batches.iter_mut().filter(|batch| !batch.content.write_log.is_empty()) {
        facts.write_log.insert(batch.partition, std::mem::take(&mut batch.content.write_log).into());
    }
    let events = || batches.iter().flat_map(|batch| &batch.content.events);
    let dropped_inputs = batches.iter().flat_map(|batch| &batch.content.dropped_inputs);
    transaction.first(&first_keys(events(), dropped_inputs), &mut facts).await?;
    for connection in facts.connections.values_mut() {
        connection.decimals = connection.platform.as_ref().and_then(decimals);
    }
    let mut asked = RowKeys::default();
    for _ in 0..ROUNDS_MAX {
        let mut keys = row_keys(events(), &facts, &asked);
        keys.mirrors.extend(facts.write_log.values().flatten().map(|entry| entry.mirror.key()));
        let mut more = keys.without(&asked);
        // Loading mirrors also loads their levels.
        more.levels.retain(|level| !facts.levels.contains_key(level));
        if more.is_empty() {
            break;
        }
        transaction.rows(&more, &mut facts).await?;
        asked = keys;
    }
    Ok(facts)
}

/// The number of decimals that quantities have on a platform; `None` if it isn't known or accepts no levels.
fn decimals(platform: &PlatformName) -> Option<u32> {
    let limits = platforms::find(platform.as_str())?.write_limits(MirrorKind::Inventory)?;
    Some(limits.quantity_decimals)
}

pub(crate) fn fold(facts: Facts, batches: Vec<Batch>) -> Folded {
    let numbers = batches.iter().map(|batch| (batch.partition, batch.from.number)).collect();
    let mut fold = Fold::new(facts, numbers);
    for batch in batches {
        let Content { events, dropped_inputs, .. } = batch.content;
        for dropped_input in dropped_inputs {
            fold.dropped_input(dropped_input);
        }
        for event in events {
            fold.event(batch.partition, event);
        }
    }
    fold.finish()
}

/// The wire form of a change. A change that couldn't be decoded again is never committed: every reader of APPLIED would
/// stop at it for ever.
fn payload(applied: &Applied) -> Result<Vec<u8>, Fault> {
    wire::encode_applied(applied).map(Vec::from).map_err(|error| Fault::input("whoever reads APPLIED", error))
}

/// Assigns to each partition its own changes.
fn share_out(steps: &[CursorMove], folded: Folded, payloads: Vec<Vec<u8>>) -> BTreeMap<Partition, Committed> {
    let mut shares: BTreeMap<Partition, Committed> =
        steps.iter().map(|step| (step.partition, Committed::nothing(step.to()))).collect();
    for ((partition, applied), payload) in folded.changes.applied.into_iter().zip(payloads) {
        if let Some(share) = shares.get_mut(&partition) {
            share.changes.push(CommittedChange { applied, payload });
        }
    }
    shares
}
