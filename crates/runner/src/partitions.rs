//! Runs a loop for each partition that this replica owns, and starts it again after an interruption.

use crate::{Backoff, Failure, Service, chain};
use bus::{AppendError, BusError};
use model::Partition;
use stage::Fault;
use std::{
    collections::{BTreeSet, HashMap},
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// From which attempt on an interruption is worth a warning: most are over before.
const WARN_AT_ATTEMPT: u32 = 3;

/// Why a partition has to start again from what was last written down.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// Another replica writes: it owns the partition now.
    #[error("another replica has taken the partition over")]
    Fenced,
    /// Something outside is down.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl LaneError {
    const fn cause(&self) -> &'static str {
        match self {
            Self::Fenced => "fenced",
            Self::Fault(_) => "fault",
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

struct Owned {
    stop: CancellationToken,
    task: JoinHandle<()>,
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
    let membership = service.bus.join(stage, &service.replica).await?;
    let mut assignment = membership.owned();
    service.readiness.set(true);
    let mut owned: HashMap<Partition, Owned> = HashMap::new();
    loop {
        let wanted = assignment.borrow_and_update().clone();
        give_up(&mut owned, &wanted);
        for partition in wanted.iter().copied() {
            let runs = owned.get(&partition).is_some_and(|owned| !owned.task.is_finished());
            if !runs {
                let stop = service.stop.child_token();
                let turn = Turn { partition, stop: stop.clone(), progress: Arc::default() };
                let task = tokio::spawn(keep_running(service.clone(), stage, turn, Arc::clone(&run)));
                owned.insert(partition, Owned { stop, task });
            }
        }
        service.metrics.owns(stage, wanted.len());
        tokio::select! {
            changed = assignment.changed() => if changed.is_err() { break },
            () = first_finished(&mut owned) => {}
            () = service.stop.cancelled() => break,
        }
    }
    let tasks: Vec<_> =
        owned.into_values().inspect(|owned| owned.stop.cancel()).map(|owned| owned.task).collect();
    futures::future::join_all(tasks).await;
    membership.leave().await;
    Ok(())
}

async fn keep_running<Run, Running>(service: Service, stage: &'static str, turn: Turn, run: Arc<Run>)
where
    Run: Fn(Turn) -> Running,
    Running: Future<Output = Result<(), LaneError>>,
{
    let mut backoff = Backoff::default();
    loop {
        let Err(error) = run(turn.clone()).await else { return };
        if turn.progress.swap(false, Ordering::Relaxed) {
            backoff.reset();
        }
        service.metrics.interrupted(stage, error.cause());
        let delay = backoff.next_delay();
        let (partition, error) = (turn.partition.0, chain(&error));
        if backoff.attempts() == WARN_AT_ATTEMPT {
            tracing::warn!(stage, partition, error, "paused; trying again");
        } else {
            tracing::debug!(stage, partition, error, "starting again");
        }
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = turn.stop.cancelled() => return,
        }
    }
}

/// Stops the partitions that are no longer wanted. Their last batch may still be under way: the next owner's first
/// write fences it off.
fn give_up(owned: &mut HashMap<Partition, Owned>, wanted: &BTreeSet<Partition>) {
    owned.retain(|partition, owned| {
        let keep = wanted.contains(partition);
        if !keep {
            owned.stop.cancel();
        }
        keep
    });
}

async fn first_finished(owned: &mut HashMap<Partition, Owned>) {
    let mut tasks: Vec<_> = owned.values_mut().map(|owned| &mut owned.task).collect();
    if tasks.is_empty() {
        return std::future::pending().await;
    }
    let (finished, ..) = futures::future::select_all(tasks.iter_mut()).await;
    if let Err(error) = finished {
        // A panic outside a decision is our own mistake; the partition starts again from its tail.
        tracing::error!(%error, "a partition's loop broke");
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}
