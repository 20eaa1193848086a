//! The values that platforms should hold, set for all partitions of this process in one transaction.

use model::Timestamp;
use stage::Fault;
use std::time::Duration;
use store::{CursorMove, DesiredChanges, Store, Writes};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};

/// How long after the begin of a transaction the next one begins at the earliest: it then takes what changed meanwhile
/// in all partitions. A transaction that finds nobody waiting never waits.
const PACE: Duration = Duration::from_millis(40);
/// How many partitions may wait.
const WAITING_MAX: usize = 1024;
/// How many changes one transaction takes at most; a partition's are never split.
const CHANGES_MAX: i64 = 4000;

struct Job {
    changes: DesiredChanges,
    step: CursorMove,
    done: oneshot::Sender<Result<(), Fault>>,
}

/// Writes desired values; cheap to clone.
#[derive(Clone)]
pub(crate) struct DesiredWriter {
    queue: mpsc::Sender<Job>,
}

impl DesiredWriter {
    /// Starts the one worker; it ends with the last clone.
    pub(crate) fn start(store: Store, writes: Writes, now: fn() -> Timestamp) -> Self {
        let (queue, jobs) = mpsc::channel(WAITING_MAX);
        tokio::spawn(run(store, writes, now, jobs));
        Self { queue }
    }

    /// Waits until a partition's changes are set and its cursor has moved, together with those of others. If one
    /// partition of a transaction is fenced, all of it is refused so.
    pub(crate) async fn set(&self, changes: DesiredChanges, step: CursorMove) -> Result<(), Fault> {
        let (done, outcome) = oneshot::channel();
        let ended = || Fault::transient("the worker", "it has ended");
        self.queue.send(Job { changes, step, done }).await.map_err(|_| ended())?;
        outcome.await.unwrap_or_else(|_| Err(ended()))
    }
}

async fn run(store: Store, writes: Writes, now: fn() -> Timestamp, mut jobs: mpsc::Receiver<Job>) {
    let mut next = Instant::now();
    while let Some(first) = jobs.recv().await {
        sleep_until(next).await;
        next = Instant::now() + PACE;
        let (mut changes, mut steps, mut waiting) = (first.changes, vec![first.step], vec![first.done]);
        let mut count = first.step.number - first.step.from.number;
        while count < CHANGES_MAX {
            let Ok(job) = jobs.try_recv() else { break };
            count += job.step.number - job.step.from.number;
            changes.extend(job.changes);
            steps.push(job.step);
            waiting.push(job.done);
        }
        let outcome = store.set_desired(&changes, &writes, now(), &steps).await;
        let outcome = outcome.map_err(Fault::from);
        for done in waiting {
            // A partition that was given up meanwhile asks no more.
            done.send(outcome.clone()).ok();
        }
    }
}
