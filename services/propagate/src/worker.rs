//! What platforms should hold, set for all partitions of this process in one transaction.

use model::Timestamp;
use stage::Fault;
use std::time::Duration;
use store::{CursorMove, Store, Wants, Writes};
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
    wants: Wants,
    step: CursorMove,
    done: oneshot::Sender<Result<(), Fault>>,
}

/// Sets what is wanted; cheap to clone.
#[derive(Clone)]
pub(crate) struct Desires {
    queue: mpsc::Sender<Job>,
}

impl Desires {
    /// Starts the one worker; it ends with the last clone.
    pub(crate) fn start(store: Store, writes: Writes, now: fn() -> Timestamp) -> Self {
        let (queue, jobs) = mpsc::channel(WAITING_MAX);
        tokio::spawn(run(store, writes, now, jobs));
        Self { queue }
    }

    /// Waits until what a partition wants is set and its cursor has moved, together with what others want. If one
    /// partition of a transaction is fenced, all of it is refused so.
    pub(crate) async fn set(&self, wants: Wants, step: CursorMove) -> Result<(), Fault> {
        let (done, outcome) = oneshot::channel();
        let ended = || Fault::transient("the worker", "it has ended");
        self.queue.send(Job { wants, step, done }).await.map_err(|_| ended())?;
        outcome.await.unwrap_or_else(|_| Err(ended()))
    }
}

async fn run(store: Store, writes: Writes, now: fn() -> Timestamp, mut jobs: mpsc::Receiver<Job>) {
    let mut next = Instant::now();
    while let Some(first) = jobs.recv().await {
        sleep_until(next).await;
        next = Instant::now() + PACE;
        let (mut wants, mut steps, mut waiting) = (first.wants, vec![first.step], vec![first.done]);
        let mut changes = first.step.number - first.step.from.number;
        while changes < CHANGES_MAX {
            let Ok(job) = jobs.try_recv() else { break };
            changes += job.step.number - job.step.from.number;
            wants.extend(job.wants);
            steps.push(job.step);
            waiting.push(job.done);
        }
        let outcome = store.set_desired(&wants, &writes, now(), &steps).await;
        let outcome = outcome.map_err(Fault::from);
        for done in waiting {
            // A partition that was given up meanwhile asks no more.
            done.send(outcome.clone()).ok();
        }
    }
}
