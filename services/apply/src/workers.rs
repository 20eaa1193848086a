//! The queue of batches, and the transactions that commit them: one at a time, several only while a backlog waits.

use crate::{
    STAGE,
    batch::{Batch, Spare},
    halving::Committed,
    worker::Worker,
};
use bus::Bus;
use futures::future::OptionFuture;
use runner::{Alerts, Metrics, TokenBucket};
use stage::Fault;
use std::{num::NonZeroUsize, sync::Arc, time::Duration};
use store::Store;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// Upper limit of events per transaction; a partition's batch is never split.
const EVENTS_MAX: usize = 2000;
/// Number of waiting events from which a transaction begins beside another one. Below it, two would each commit half as
/// many events for the same cost.
const BACKLOG_EVENTS: usize = 500;
/// Time that a batch waits from which a transaction begins beside another one: that one may wait for a lock, or halve a
/// refused batch.
const WAIT_MAX: Duration = Duration::from_millis(50);
/// Number of transactions after a quiet time that wait for nothing.
const COMMITS_SAVED_MAX: u32 = 16;
/// Interval of transactions under load: each then commits all batches that arrived meanwhile instead of a handful of
/// events.
const COMMIT_INTERVAL: Duration = Duration::from_millis(4);
/// Upper limit of batches that wait for a transaction.
const WAITING_MAX: usize = 64;

/// A batch to commit.
pub(crate) struct Job {
    pub(crate) batch: Batch,
    pub(crate) spare: Spare,
    pub(crate) done: oneshot::Sender<Result<Committed, Fault>>,
}

/// Commits batches in concurrent transactions. After a drop the transactions end once the queue is empty.
pub(crate) struct Workers {
    queue: mpsc::Sender<Job>,
}

impl Workers {
    /// Starts with at most `transactions_max` concurrent transactions.
    ///
    /// Events that can't be applied are dead-lettered through `dead_letters`; without it, they are only recorded.
    pub(crate) fn start(
        transactions_max: NonZeroUsize,
        store: &Store,
        metrics: &Metrics,
        dead_letters: Option<&Bus>,
    ) -> Self {
        let (queue, jobs) = mpsc::channel(WAITING_MAX);
        let alerts = Alerts::new(STAGE, metrics, dead_letters);
        let (store, metrics) = (store.clone(), metrics.clone());
        let worker = Worker { store, metrics, alerts, dead_letters: dead_letters.cloned() };
        tokio::spawn(run(Arc::new(worker), transactions_max.get(), jobs));
        Self { queue }
    }

    /// Commits a batch, together with other waiting ones. A partition may have one batch at a time here. If the database
    /// refuses events for good, only these are discarded; to find them, the batch's content is built again from
    /// `spare`.
    pub(crate) async fn commit(&self, batch: Batch, spare: Spare) -> Result<Committed, Fault> {
        let (done, outcome) = oneshot::channel();
        let ended = || Fault::transient("the worker", "it has ended");
        self.queue.send(Job { batch, spare, done }).await.map_err(|_| ended())?;
        outcome.await.unwrap_or_else(|_| Err(ended()))
    }
}

async fn run(worker: Arc<Worker>, transactions_max: usize, mut jobs: mpsc::Receiver<Job>) {
    let mut bucket = TokenBucket::new(COMMITS_SAVED_MAX, COMMIT_INTERVAL);
    let (mut running, mut waiting) = (JoinSet::new(), Waiting::default());
    loop {
        tokio::select! {
            Some(_) = running.join_next() => {}
            job = jobs.recv(), if !waiting.is_full() => match job {
                Some(job) => waiting.push(job, Instant::now()),
                None => break,
            },
            Some(()) = OptionFuture::from(waiting.waits_too_long_at().map(sleep_until)),
                if running.len() < transactions_max => {}
        }
        if waiting.may_begin(running.len(), transactions_max, Instant::now()) {
            bucket.take().await;
            let together = waiting.gather(&mut jobs);
            let worker = Arc::clone(&worker);
            running.spawn(async move { worker.work(together).await });
        }
    }
    while running.join_next().await.is_some() {}
    if !waiting.jobs.is_empty() {
        worker.work(waiting.jobs).await;
    }
}

/// Batches that wait for a transaction.
#[derive(Default)]
struct Waiting {
    jobs: Vec<Job>,
    events: usize,
    /// The time since which the first of them waits.
    since: Option<Instant>,
}

impl Waiting {
    fn push(&mut self, job: Job, now: Instant) {
        self.since.get_or_insert(now);
        self.events += job.batch.content.weight();
        self.jobs.push(job);
    }

    const fn is_full(&self) -> bool {
        self.events >= EVENTS_MAX
    }

    /// The time from which the first of them waits too long.
    fn waits_too_long_at(&self) -> Option<Instant> {
        self.since.map(|since| since + WAIT_MAX)
    }

    /// Returns whether a transaction may begin beside `running` others.
    fn may_begin(&self, running: usize, transactions_max: usize, now: Instant) -> bool {
        let waits_too_long = self.waits_too_long_at().is_some_and(|at| at <= now);
        let is_pressing = self.events >= BACKLOG_EVENTS || waits_too_long;
        !self.jobs.is_empty() && (running == 0 || (running < transactions_max && is_pressing))
    }

    /// Takes all that waits here and in the queue, up to the limit of a transaction.
    fn gather(&mut self, queue: &mut mpsc::Receiver<Job>) -> Vec<Job> {
        while !self.is_full() {
            let Ok(job) = queue.try_recv() else { break };
            self.push(job, Instant::now());
        }
        std::mem::take(self).jobs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Content;
    use model::{Partition, Position};
    use store::Cursor;

    fn waiting(events: usize, since: Instant) -> Waiting {
        let (partition, from, reaches) = (Partition(0), Cursor::default(), Position::default());
        let batch = Batch { partition, content: Content::default(), from, reaches };
        let job = Job { batch, spare: Spare::Content(Content::default()), done: oneshot::channel().0 };
        Waiting { jobs: vec![job], events, since: Some(since) }
    }

    #[test]
    fn a_transaction_begins_beside_others_only_while_a_backlog_waits_or_one_waits_too_long() {
        let now = Instant::now();
        let may_begin = |events, running| waiting(events, now).may_begin(running, 2, now);
        assert!(may_begin(0, 0), "a batch may move only its cursor");
        assert!(may_begin(1, 0));
        assert!(!may_begin(BACKLOG_EVENTS - 1, 1));
        assert!(may_begin(BACKLOG_EVENTS, 1));
        assert!(!may_begin(EVENTS_MAX, 2), "never more than the limit");
        assert!(!Waiting::default().may_begin(0, 2, now), "none without a batch");

        let later = |running| waiting(1, now).may_begin(running, 2, now + WAIT_MAX);
        assert!(later(1) && !later(2), "what waits too long doesn't wait for the other transaction");
    }
}
