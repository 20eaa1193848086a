//! Transactions. One takes the waiting batches of all partitions of its worker: group commit in Postgres too.

use crate::{
    STAGE,
    decide::{Fold, Folded, first_keys, row_keys},
};
use bus::{AppendError, Bus};
use model::{
    Dismissal, Event, Outcome, Partition, Position,
    record::{Applied, Facts, RowKeys, SendMark},
};
use runner::{Metrics, dead_letter, kill_point};
use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};
use store::{ApplyTransaction, Cursor, CursorMove, Store, StoreError};
use tokio::sync::{mpsc, oneshot};
use wire::Original;

/// How many events one transaction takes at most; a partition's batch is never split.
const EVENTS_MAX: usize = 2000;
/// How long after the begin of a transaction the next one begins at the earliest. Under load each then takes what came
/// meanwhile instead of a handful of events; one that finds the worker idle never waits.
const PACE: Duration = Duration::from_millis(4);
/// How many rounds of loading a batch takes at most: events, the links they lead to, the mirrors of those, their levels and
/// the other platforms' mirrors.
pub(crate) const ROUNDS_MAX: usize = 6;
/// How many batches may wait for a worker.
const WAITING_MAX: usize = 64;

/// A partition's batch.
pub(crate) struct Batch {
    pub(crate) partition: Partition,
    pub(crate) events: Vec<Event>,
    pub(crate) dismissals: Vec<Dismissal>,
    /// Where the record must stand.
    pub(crate) from: Cursor,
    /// How far the batch reaches, whatever its events come to.
    pub(crate) reaches: Position,
    /// What propagate made of mirrors up to there; only a replay tells.
    pub(crate) marks: Vec<SendMark>,
}

impl Batch {
    fn weight(&self) -> usize {
        self.events.len() + self.dismissals.len()
    }
}

/// What a partition's batch came to, once it is committed.
pub(crate) struct Committed {
    pub(crate) applied: Vec<Applied>,
    pub(crate) payloads: Vec<Vec<u8>>,
    pub(crate) cursor: Cursor,
}

/// Why a batch isn't committed, as far as is known.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Uncommitted {
    /// The database says so, or doesn't say.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// A dead letter can't be put down, as the broker says, or doesn't.
    #[error("a dead letter can't be put down")]
    Letter(#[source] Arc<AppendError>),
    /// The service is stopping.
    #[error("the worker has ended")]
    Stopping,
}

impl From<StoreError> for Uncommitted {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<AppendError> for Uncommitted {
    fn from(error: AppendError) -> Self {
        Self::Letter(Arc::new(error))
    }
}

struct Job {
    batch: Batch,
    done: oneshot::Sender<Result<Committed, Uncommitted>>,
}

/// The workers; dropped, they end when their queues are empty.
pub(crate) struct Workers {
    queues: Vec<mpsc::Sender<Job>>,
}

impl Workers {
    /// Starts so many.
    ///
    /// What can't be applied goes to the dead letters of `letters`; without, it is only recorded.
    pub(crate) fn start(
        count: NonZeroUsize,
        store: &Store,
        metrics: &Metrics,
        letters: Option<&Bus>,
    ) -> Self {
        let start = |_| {
            let (queue, jobs) = mpsc::channel(WAITING_MAX);
            let worker = Worker { store: store.clone(), metrics: metrics.clone(), letters: letters.cloned() };
            tokio::spawn(worker.run(jobs));
            queue
        };
        Self { queues: (0..count.get()).map(start).collect() }
    }

    /// Commits a batch, together with what else waits.
    pub(crate) async fn commit(&self, batch: Batch) -> Result<Committed, Uncommitted> {
        let (done, outcome) = oneshot::channel();
        let queue = &self.queues[usize::from(batch.partition.0) % self.queues.len()];
        queue.send(Job { batch, done }).await.map_err(|_| Uncommitted::Stopping)?;
        outcome.await.unwrap_or(Err(Uncommitted::Stopping))
    }
}

struct Worker {
    store: Store,
    metrics: Metrics,
    letters: Option<Bus>,
}

impl Worker {
    async fn run(self, mut jobs: mpsc::Receiver<Job>) {
        let mut next = tokio::time::Instant::now();
        while let Some(first) = jobs.recv().await {
            tokio::time::sleep_until(next).await;
            next = tokio::time::Instant::now() + PACE;
            let mut together = vec![first];
            let mut events = together[0].batch.weight();
            while events < EVENTS_MAX {
                let Ok(job) = jobs.try_recv() else { break };
                events += job.batch.weight();
                together.push(job);
            }
            self.work(together).await;
        }
    }

    async fn work(&self, jobs: Vec<Job>) {
        let began = Instant::now();
        let (batches, done): (Vec<Batch>, Vec<_>) = jobs.into_iter().map(|job| (job.batch, job.done)).unzip();
        let records = batches.iter().map(|batch| batch.events.len()).sum();
        let outcome = self.transaction(batches).await;
        if outcome.is_ok() {
            self.metrics.batch(STAGE, records, began.elapsed());
        }
        match outcome {
            Ok(committed) => {
                for (done, committed) in done.into_iter().zip(committed) {
                    drop(done.send(Ok(committed)));
                }
            }
            Err(error) => {
                for done in done {
                    drop(done.send(Err(error.clone())));
                }
            }
        }
    }

    /// All or nothing: if one partition is fenced, the others try again without it.
    async fn transaction(&self, mut batches: Vec<Batch>) -> Result<Vec<Committed>, Uncommitted> {
        let mut transaction = self.store.begin_apply().await?;
        kill_point(STAGE, "begun");
        let facts = facts(&mut transaction, &mut batches).await?;
        let events = || batches.iter().flat_map(|batch| &batch.events);
        kill_point(STAGE, "loaded");

        let spans: Vec<(Partition, Cursor, Position)> =
            batches.iter().map(|batch| (batch.partition, batch.from, batch.reaches)).collect();
        let taken_up = events().count();
        let folded = fold(facts, batches);
        let payloads: Vec<Vec<u8>> = folded
            .changes
            .applied
            .iter()
            .map(|(_, applied)| wire::encode_applied(applied).to_vec())
            .collect();
        let steps: Vec<CursorMove> = spans
            .iter()
            .map(|(partition, from, reaches)| CursorMove {
                partition: *partition,
                from: *from,
                position: *reaches,
                number: folded.numbers.get(partition).copied().unwrap_or(from.number),
            })
            .collect();
        kill_point(STAGE, "folded");
        // Before the commit: afterwards nobody would know that a letter is missing. If the commit fails, the same letter
        // comes again.
        if let Some(bus) = &self.letters {
            for (_, event, reject) in &folded.rejected {
                let original = Original::Event(Box::new(event.clone()));
                dead_letter(bus, &self.metrics, STAGE, event.position, original, reject).await?;
            }
        }
        kill_point(STAGE, "dead_lettered");
        transaction.commit(&folded.changes, &payloads, &steps).await?;
        kill_point(STAGE, "committed");
        self.count(taken_up, &folded);
        Ok(share_out(&steps, folded, payloads))
    }

    fn count(&self, taken_up: usize, folded: &Folded) {
        self.metrics.taken_up(STAGE, taken_up);
        let duplicates =
            folded.changes.dismissals.iter().filter(|dismissal| dismissal.stage == STAGE).count();
        self.metrics.ended(STAGE, Outcome::Duplicate.as_str(), duplicates);
        for outcome in Outcome::ALL {
            let count = folded.changes.endings.iter().filter(|ending| ending.outcome == outcome).count();
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
    for batch in batches.iter_mut().filter(|batch| !batch.marks.is_empty()) {
        facts.marks.insert(batch.partition, std::mem::take(&mut batch.marks).into());
    }
    let events = || batches.iter().flat_map(|batch| &batch.events);
    let dismissals = batches.iter().flat_map(|batch| &batch.dismissals);
    transaction.first(&first_keys(events(), dismissals), &mut facts).await?;
    let mut asked = RowKeys::default();
    for _ in 0..ROUNDS_MAX {
        let mut keys = row_keys(events(), &facts);
        keys.mirrors.extend(facts.marks.values().flatten().map(|mark| mark.mirror.key()));
        let more = keys.without(&asked);
        if more.is_empty() {
            break;
        }
        transaction.rows(&more, &mut facts).await?;
        asked = keys;
    }
    Ok(facts)
}

pub(crate) fn fold(facts: Facts, batches: Vec<Batch>) -> Folded {
    let numbers = batches.iter().map(|batch| (batch.partition, batch.from.number)).collect();
    let mut fold = Fold::new(facts, numbers);
    for batch in batches {
        batch.dismissals.into_iter().for_each(|dismissal| fold.dismissal(dismissal));
        batch.events.into_iter().for_each(|event| fold.event(batch.partition, event));
    }
    fold.finish()
}

/// Gives each partition what is its own, in the order of `steps`.
fn share_out(steps: &[CursorMove], folded: Folded, payloads: Vec<Vec<u8>>) -> Vec<Committed> {
    let mut shares: BTreeMap<Partition, Committed> = steps
        .iter()
        .map(|step| {
            let empty = Committed { applied: Vec::new(), payloads: Vec::new(), cursor: step.to() };
            (step.partition, empty)
        })
        .collect();
    for ((partition, applied), payload) in folded.changes.applied.into_iter().zip(payloads) {
        if let Some(share) = shares.get_mut(&partition) {
            share.applied.push(applied);
            share.payloads.push(payload);
        }
    }
    steps.iter().filter_map(|step| shares.remove(&step.partition)).collect()
}
