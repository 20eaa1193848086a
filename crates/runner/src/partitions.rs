//! Runs a loop for each partition that this replica owns, and restarts it after an interruption.
//!
//! Two replicas may both own a partition for a moment: because of the fences this wastes work and does no damage.
//! Within one process there is never more than one loop per partition: a second one would fence off the first one's
//! last batch, and would call a platform at the same time.

use crate::{Alerts, Backoff, Failure, Metrics, Readiness, Service, alerts::PANIC, chain};
use futures::FutureExt;
use model::Partition;
use stage::{Blame, Fault};
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
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// Number of the consecutive interruption that is logged as a warning: most outages are over before.
const WARN_AT_ATTEMPT: u32 = 3;
/// Time limit of a loop for finishing its work after it was asked to stop. After it, the loop is dropped at its present
/// step, which has the effect of a crash, so that the partition can be owned again.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Time of repeated interruptions without progress after which the partition's replica counts as not ready.
const STALLED_AFTER: Duration = Duration::from_mins(1);
/// Time without an error after which a run counts as recovered from a permanent error.
const SETTLED_AFTER: Duration = Duration::from_secs(5);
/// Time without an error after which a run counts as recovered from an outage, if there is nothing to process: longer
/// than the time limit of any call of a run.
const CALM_AFTER: Duration = Duration::from_secs(30);
/// Interval between checks of a run's progress.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// One run of a partition's loop: from the last recorded position to the next interruption.
#[derive(Clone)]
pub struct PartitionRun {
    /// The partition.
    pub partition: Partition,
    /// Cancelled when another replica takes over the partition or the service stops; the loop then finishes the work
    /// that it has begun.
    pub stop: CancellationToken,
    progress: Arc<AtomicBool>,
}

impl PartitionRun {
    /// Records progress: the next interruption then counts as the first, with a short delay.
    pub fn made_progress(&self) {
        self.progress.store(true, Ordering::Relaxed);
    }
}

/// Joins the replicas of `stage` and runs `run` for each partition while this replica owns it. An interrupted run is
/// restarted, with growing delays and jitter: an outage pauses the partition and loses nothing. A run that returns `Ok`
/// was asked to stop. An error that a person has to correct is retried with pauses of up to
/// [`Backoff::LONGEST_OF_SETUP`], logged once per change, and makes the process unready.
pub async fn own_partitions<Run, Running>(
    service: &Service,
    stage: &'static str,
    run: Run,
) -> Result<(), Failure>
where
    Run: Fn(PartitionRun) -> Running + Send + Sync + 'static,
    Running: Future<Output = Result<(), Fault>> + Send + 'static,
{
    own_partitions_of(service, stage, &[stage], run).await
}

/// The same for a run that measures the lag of all `stages`, of which `stage` is one.
pub(crate) async fn own_partitions_of<Run, Running>(
    service: &Service,
    stage: &'static str,
    stages: &[&'static str],
    run: Run,
) -> Result<(), Failure>
where
    Run: Fn(PartitionRun) -> Running + Send + Sync + 'static,
    Running: Future<Output = Result<(), Fault>> + Send + 'static,
{
    let (run, stages) = (Arc::new(run), Arc::<[_]>::from(stages));
    let membership = tokio::select! {
        joined = service.bus.join(stage, &service.replica) => joined?,
        () = service.stop.cancelled() => return Ok(()),
    };
    service.readiness.set(true);
    let alerts = Alerts::new(stage, &service.metrics, Some(&service.bus));
    let begin = |partition: Partition, stop| {
        let partition_run = PartitionRun { partition, stop, progress: Arc::default() };
        let (metrics, run, stages) = (service.metrics.clone(), Arc::clone(&run), Arc::clone(&stages));
        let waiting = Waiting::new(stage, Some(partition), alerts.clone(), service.readiness.clone());
        async move {
            keep_running(&metrics, waiting, partition_run, &*run).await;
            for stage in stages.iter() {
                metrics.forget_lag(stage, &partition.to_string());
            }
        }
    };
    let owns = |count| service.metrics.owns(stage, count);
    let watching = tokio::spawn(report_ignored(membership.ignored(), alerts.clone()));
    follow(membership.owned(), &service.stop, owns, begin).await;
    watching.abort();
    membership.leave().await;
    Ok(())
}

/// Reports the members that are ignored, whenever they change.
async fn report_ignored(mut ignored: watch::Receiver<BTreeSet<String>>, alerts: Alerts) {
    loop {
        let names = ignored.borrow_and_update().clone();
        alerts.report_ignored(&names);
        if ignored.changed().await.is_err() {
            return;
        }
    }
}

/// Starts a loop for every partition that becomes ours and asks it to stop when the partition no longer is. A partition
/// that returns to this replica starts again only after its former loop has ended. Returns after `stop`, once every
/// loop has ended.
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

/// Opens what a stage needs before it can begin, and retries while the set-up has to be corrected, with the pauses and
/// reports of a partition. Returns `None` if the service is asked to stop meanwhile; returns errors other than those
/// of the set-up.
pub async fn until_set_up<T, E: Into<Fault>>(
    service: &Service,
    stage: &'static str,
    open: impl AsyncFn() -> Result<T, E>,
) -> Result<Option<T>, Fault> {
    let alerts = Alerts::new(stage, &service.metrics, Some(&service.bus));
    let mut waiting = Waiting::new(stage, None, alerts, service.readiness.clone());
    let mut backoff = Backoff::default();
    loop {
        let fault = match open().await.map_err(Into::into) {
            Ok(opened) => {
                waiting.clear();
                return Ok(Some(opened));
            }
            Err(fault) => fault,
        };
        if fault.blame() != Some(Blame::Setup) {
            return Err(fault);
        }
        waiting.raise(Blame::Setup.as_str(), chain(&fault));
        tokio::select! {
            () = sleep(backoff.next_delay_of_setup()) => {}
            () = service.stop.cancelled() => return Ok(None),
        }
    }
}

/// An error that waits for a person, and its last report.
struct Waiting {
    stage: &'static str,
    partition: Option<Partition>,
    alerts: Alerts,
    readiness: Readiness,
    reported: Option<(&'static str, String)>,
    /// Start of the interruptions without progress.
    interrupted_since: Option<Instant>,
}

impl Waiting {
    fn new(stage: &'static str, partition: Option<Partition>, alerts: Alerts, readiness: Readiness) -> Self {
        Self { stage, partition, alerts, readiness, reported: None, interrupted_since: None }
    }

    fn name(&self) -> String {
        match self.partition {
            Some(partition) => format!("{}, partition {partition}", self.stage),
            None => self.stage.to_owned(),
        }
    }

    /// Reports the error that it waits for; logs it once per change.
    fn raise(&mut self, kind: &'static str, error: String) {
        self.alerts.raise(self.partition, kind, &error);
        self.readiness.block(&self.name(), &error);
        let now = Some((kind, error));
        if self.reported != now {
            let (name, error) = (self.name(), now.as_ref().map(|(_, error)| error.as_str()));
            tracing::error!(stage = self.stage, kind, error, "{name} can't go on until this is corrected");
            self.reported = now;
        }
    }

    /// Records an interruption by an outage: after a time without progress the replica isn't ready.
    fn interrupted(&mut self, error: &str) {
        let since = *self.interrupted_since.get_or_insert_with(Instant::now);
        if self.reported.is_none() && since.elapsed() >= STALLED_AFTER {
            self.readiness.block(&self.name(), error);
        }
    }

    /// Records progress, or the end of the outage.
    fn progressed(&mut self) {
        if self.interrupted_since.take().is_some() && self.reported.is_none() {
            self.readiness.unblock(&self.name());
        }
    }

    /// Withdraws the report.
    fn clear(&mut self) {
        let Some((kind, _)) = self.reported.take() else { return };
        self.readiness.unblock(&self.name());
        self.alerts.clear(self.partition, kind);
        tracing::info!(stage = self.stage, "{} goes on", self.name());
    }
}

impl Drop for Waiting {
    /// Another replica owns the partition now, and reports its state.
    fn drop(&mut self) {
        self.readiness.unblock(&self.name());
    }
}

/// Cause of the end of a run.
enum Stopped {
    Fault(Fault),
    /// The loop itself panicked: a bug in this repository.
    Panicked,
}

impl Stopped {
    const fn cause(&self) -> &'static str {
        match self {
            Self::Fault(Fault::Fenced) => "fenced",
            Self::Fault(Fault::Transient { .. }) => "fault",
            Self::Fault(Fault::Permanent { blame, .. }) => blame.as_str(),
            Self::Panicked => PANIC,
        }
    }

    const fn is_permanent(&self) -> bool {
        matches!(self, Self::Fault(Fault::Permanent { .. }) | Self::Panicked)
    }

    fn text(&self) -> String {
        match self {
            Self::Fault(fault) => chain(fault),
            Self::Panicked => "the loop panicked; the log says where".to_owned(),
        }
    }
}

/// Runs a partition's loop, restarting it until it has stopped, in time or not.
async fn keep_running<Run, Running>(
    metrics: &Metrics,
    mut waiting: Waiting,
    partition_run: PartitionRun,
    run: &Run,
) where
    Run: Fn(PartitionRun) -> Running,
    Running: Future<Output = Result<(), Fault>>,
{
    let mut backoff = Backoff::default();
    loop {
        let Err(stopped) = attempt(&mut waiting, &partition_run, run).await else { return };
        if partition_run.progress.swap(false, Ordering::Relaxed) {
            backoff.reset();
            waiting.progressed();
        }
        metrics.interrupted(waiting.stage, stopped.cause());
        let delay = if stopped.is_permanent() {
            waiting.raise(stopped.cause(), stopped.text());
            backoff.next_delay_of_setup()
        } else {
            waiting.interrupted(&stopped.text());
            // A reported permanent error stays reported: an outage meanwhile is no sign that it was corrected.
            backoff.next_delay()
        };
        let (stage, partition, error) = (waiting.stage, partition_run.partition.0, stopped.text());
        if backoff.attempts() == WARN_AT_ATTEMPT && !stopped.is_permanent() {
            tracing::warn!(stage, partition, error, "paused; trying again");
        } else {
            tracing::debug!(stage, partition, error, "starting again");
        }
        tokio::select! {
            () = sleep(delay) => {}
            () = partition_run.stop.cancelled() => return,
        }
    }
}

/// Completes one run; a run that doesn't stop in time is dropped and counts as stopped. Withdraws reports once
/// the run works.
async fn attempt<Run, Running>(
    waiting: &mut Waiting,
    partition_run: &PartitionRun,
    run: &Run,
) -> Result<(), Stopped>
where
    Run: Fn(PartitionRun) -> Running,
    Running: Future<Output = Result<(), Fault>>,
{
    // A panicked run is dropped with its state; the next one begins at the tail.
    let running = AssertUnwindSafe(async { run(partition_run.clone()).await }).catch_unwind();
    tokio::pin!(running);
    loop {
        tokio::select! {
            outcome = &mut running => {
                return outcome.map_or(Err(Stopped::Panicked), |outcome| outcome.map_err(Stopped::Fault));
            }
            () = settled(partition_run, SETTLED_AFTER), if waiting.reported.is_some() => waiting.clear(),
            () = settled(partition_run, CALM_AFTER), if waiting.interrupted_since.is_some() => waiting.progressed(),
            () = overdue(&partition_run.stop) => {
                let (stage, partition) = (waiting.stage, partition_run.partition.0);
                tracing::warn!(stage, partition, limit = ?STOP_LIMIT, "dropped: did not stop");
                return Ok(());
            }
        }
    }
}

/// Waits until the run has made progress, or has gone on for that time.
async fn settled(partition_run: &PartitionRun, after: Duration) {
    let progress = async {
        while !partition_run.progress.load(Ordering::Relaxed) {
            sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        () = progress => {}
        () = sleep(after) => {}
    }
}

async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(STOP_LIMIT).await;
}

#[cfg(test)]
mod tests;
