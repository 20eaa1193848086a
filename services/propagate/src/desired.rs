//! Sets the desired values of platforms, for all partitions of this process in one transaction.

use model::Timestamp;
use runner::TokenBucket;
use stage::Fault;
use std::time::Duration;
use store::{CursorMove, DesiredChanges, Store, Writes};
use tokio::sync::{mpsc, oneshot};

/// Number of transactions after a quiet time that wait for nothing.
const WRITES_SAVED_MAX: u32 = 8;
/// Interval of transactions under load: each then includes the changes that arrived meanwhile in all partitions.
const WRITE_INTERVAL: Duration = Duration::from_millis(40);
/// Upper limit of waiting partitions.
const WAITING_MAX: usize = 1024;
/// Upper limit of changes per transaction; a partition's are never split.
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
    /// Starts the only worker; it ends with the last clone.
    pub(crate) fn start(store: Store, writes: Writes, now: fn() -> Timestamp) -> Self {
        let (queue, jobs) = mpsc::channel(WAITING_MAX);
        tokio::spawn(run(store, writes, now, jobs));
        Self { queue }
    }

    /// Waits until a partition's changes are set and its cursor has moved, together with those of others. If one
    /// partition of a transaction is fenced, all of them are refused as fenced.
    pub(crate) async fn set(&self, changes: DesiredChanges, step: CursorMove) -> Result<(), Fault> {
        let (done, outcome) = oneshot::channel();
        let ended = || Fault::transient("the worker", "it has ended");
        self.queue.send(Job { changes, step, done }).await.map_err(|_| ended())?;
        outcome.await.unwrap_or_else(|_| Err(ended()))
    }
}

async fn run(store: Store, writes: Writes, now: fn() -> Timestamp, mut jobs: mpsc::Receiver<Job>) {
    let mut bucket = TokenBucket::new(WRITES_SAVED_MAX, WRITE_INTERVAL);
    while let Some(first) = jobs.recv().await {
        bucket.take().await;
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
            // A partition that was released meanwhile no longer waits for the result.
            done.send(outcome.clone()).ok();
        }
    }
}
