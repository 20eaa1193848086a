//! Runs a loop for each partition that this replica owns, and starts it again after an interruption.
//!
//! Two replicas may both take a partition for theirs for a moment: fences make that waste, never damage. Within one
//! process there is never more than one loop of a partition: a second one would fence off the first one's last batch,
//! and make calls to a platform beside it.

use crate::{Backoff, Failure, Metrics, Service, chain};
use bus::{AppendError, BusError};
use futures::FutureExt;
use model::Partition;
use stage::Fault;
use std::{
    collections::{BTreeSet, HashMap},
    future::Future,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

/// From which attempt on an interruption is worth a warning: most are over before.
const WARN_AT_ATTEMPT: u32 = 3;
/// How long a loop that was asked to stop may take to finish what it has begun. Beyond it, it is dropped where it stands,
/// which is no worse than a crash, so that the partition can be taken up again.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Why a partition has to start again from what was last written down.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// Another replica writes: it owns the partition now.
    #[error("another replica has taken the partition over")]
    Fenced,
    /// Something outside is down.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The loop itself broke: a mistake in this repository.
    #[error("the loop panicked; the log says where")]
    Panicked,
}

impl LaneError {
    const fn cause(&self) -> &'static str {
        match self {
            Self::Fenced => "fenced",
            Self::Fault(_) => "fault",
            Self::Panicked => "panic",
        }
    }
}

impl From<BusError> for LaneError {
    fn from(error: BusError) -> Self {
        Self::Fault(Fault::new("the broker", error))
    }
}

impl From<AppendError> for LaneError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Fenced => Self::Fenced,
            other => Self::Fault(Fault::new("the broker", other)),
        }
    }
}

/// One run of a partition's loop: from what was last written down to the next interruption.
#[derive(Clone)]
pub struct Turn {
    /// The partition.
    pub partition: Partition,
    /// Cancelled when another replica takes the partition over or the service stops; the loop then finishes what it has
    /// begun.
    pub stop: CancellationToken,
    progress: Arc<AtomicBool>,
}

impl Turn {
    /// Says that something was done: the next interruption is then the first again, and waited out shortly.
    pub fn made_progress(&self) {
        self.progress.store(true, Ordering::Relaxed);
    }
}

/// Joins the replicas of `stage` and runs `run` for each partition while it is ours. A run that is interrupted begins
/// again, with growing delays and jitter: an outage pauses the partition and loses nothing. A run that ends well was
/// asked to.
pub async fn own_partitions<Run, Running>(
    service: &Service,
    stage: &'static str,
    run: Run,
) -> Result<(), Failure>
where
    Run: Fn(Turn) -> Running + Send + Sync + 'static,
    Running: Future<Output = Result<(), LaneError>> + Send + 'static,
{
    let run = Arc::new(run);
    let membership = tokio::select! {
        joined = service.bus.join(stage, &service.replica) => joined?,
        () = service.stop.cancelled() => return Ok(()),
    };
    service.readiness.set(true);
    let begin = |partition: Partition, stop| {
        let turn = Turn { partition, stop, progress: Arc::default() };
        let (metrics, run) = (service.metrics.clone(), Arc::clone(&run));
        async move {
            keep_running(&metrics, stage, turn, &*run).await;
            metrics.forget_lag(stage, &partition.to_string());
        }
    };
    let owns = |count| service.metrics.owns(stage, count);
    follow(membership.owned(), &service.stop, owns, begin).await;
    membership.leave().await;
    Ok(())
}

/// Has a loop begin for every partition that becomes ours and asks it to stop when it no longer is; one that is given
/// back begins when the loop before has ended. Until `stop`, and until every loop has ended then.
async fn follow<Running>(
    mut assignment: watch::Receiver<Arc<BTreeSet<Partition>>>,
    stop: &CancellationToken,
    owns: impl Fn(usize),
    begin: impl Fn(Partition, CancellationToken) -> Running,
) where
    Running: Future<Output = ()> + Send + 'static,
{
    let mut stops: HashMap<Partition, CancellationToken> = HashMap::new();
    let mut loops = JoinSet::new();
    loop {
        let wanted = Arc::clone(&assignment.borrow_and_update());
        for (_, stop) in stops.iter().filter(|(partition, _)| !wanted.contains(partition)) {
            stop.cancel();
        }
        for partition in wanted.iter().copied() {
            stops.entry(partition).or_insert_with(|| {
                let stop = stop.child_token();
                let running = begin(partition, stop.clone());
                loops.spawn(async move {
                    running.await;
                    partition
                });
                stop
            });
        }
        owns(wanted.len());
        tokio::select! {
            changed = assignment.changed() => if changed.is_err() { break },
            Some(ended) = loops.join_next() => drop(ended.ok().and_then(|partition| stops.remove(&partition))),
            () = stop.cancelled() => break,
        }
    }
    stops.values().for_each(CancellationToken::cancel);
    while loops.join_next().await.is_some() {}
}

/// Runs a partition's loop until it has stopped, in time or not.
async fn keep_running<Run, Running>(metrics: &Metrics, stage: &'static str, turn: Turn, run: &Run)
where
    Run: Fn(Turn) -> Running,
    Running: Future<Output = Result<(), LaneError>>,
{
    let mut backoff = Backoff::default();
    loop {
        // What a broken run leaves behind is dropped with it; the next one begins at the tail.
        let running = AssertUnwindSafe(async { run(turn.clone()).await }).catch_unwind();
        let outcome = tokio::select! {
            outcome = running => outcome.unwrap_or(Err(LaneError::Panicked)),
            () = overdue(&turn.stop) => {
                tracing::warn!(stage, partition = turn.partition.0, limit = ?STOP_LIMIT, "dropped: did not stop");
                return;
            }
        };
        let Err(error) = outcome else { return };
        if turn.progress.swap(false, Ordering::Relaxed) {
            backoff.reset();
        }
        metrics.interrupted(stage, error.cause());
        let delay = backoff.next_delay();
        let (partition, error) = (turn.partition.0, chain(&error));
        if backoff.attempts() == WARN_AT_ATTEMPT {
            tracing::warn!(stage, partition, error, "paused; trying again");
        } else {
            tracing::debug!(stage, partition, error, "starting again");
        }
        tokio::select! {
            () = sleep(delay) => {}
            () = turn.stop.cancelled() => return,
        }
    }
}

async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(STOP_LIMIT).await;
}

#[cfg(test)]
mod tests;
