//! Runs a loop for each partition that this replica owns, and starts it again after an interruption.
//!
//! Two replicas may both take a partition for theirs for a moment: fences make that waste, never damage. Within one
//! process there is never more than one loop of a partition: a second one would fence off the first one's last batch,
//! and make calls to a platform beside it.

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

/// From which attempt on an interruption is worth a warning: most are over before.
const WARN_AT_ATTEMPT: u32 = 3;
/// How long a loop that was asked to stop may take to finish what it has begun. Beyond it, it is dropped where it
/// stands, which is no worse than a crash, so that the partition can be taken up again.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// How long a partition may be interrupted again and again without progress until its replica counts as not ready.
const STANDS_STILL_AFTER: Duration = Duration::from_mins(1);
/// How long a run that followed a permanent error must go without one until that counts as put right.
const SETTLED_AFTER: Duration = Duration::from_secs(5);
/// How long a run that followed an outage must go on until that counts as over, where there is nothing to do: longer
/// than any call of a run waits for its answer.
const CALM_AFTER: Duration = Duration::from_secs(30);
/// The number of times it is looked whether such a run has made progress.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// One run of a partition's loop: from what was last written down to the next interruption.
#[derive(Clone)]
pub struct PartitionRun {
    /// The partition.
    pub partition: Partition,
    /// Cancelled when another replica takes the partition over or the service stops; the loop then finishes what it has
    /// begun.
    pub stop: CancellationToken,
    progress: Arc<AtomicBool>,
}

impl PartitionRun {
    /// Says that something was done: the next interruption is then the first again, and waited out shortly.
    pub fn made_progress(&self) {
        self.progress.store(true, Ordering::Relaxed);
    }
}

/// Joins the replicas of `stage` and runs `run` for each partition while it is ours. A run that is interrupted begins
/// again, with growing delays and jitter: an outage pauses the partition and loses nothing. A run that ends well was
/// asked to. What a person has to put right is waited for with pauses of up to [`Backoff::LONGEST_OF_SETUP`], said once
/// per change, and makes the process unready.
pub async fn own_partitions<Run, Running>(
    service: &Service,
    stage: &'static str,
    run: Run,
) -> Result<(), Failure>
where
    Run: Fn(PartitionRun) -> Running + Send + Sync + 'static,
    Running: Future<Output = Result<(), Fault>> + Send + 'static,
{
    let run = Arc::new(run);
    let membership = tokio::select! {
        joined = service.bus.join(stage, &service.replica) => joined?,
        () = service.stop.cancelled() => return Ok(()),
    };
    service.readiness.set(true);
    let alerts = Alerts::new(stage, &service.metrics, Some(&service.bus));
    let begin = |partition: Partition, stop| {
        let partition_run = PartitionRun { partition, stop, progress: Arc::default() };
        let (metrics, run) = (service.metrics.clone(), Arc::clone(&run));
        let waiting = Waiting::new(stage, Some(partition), alerts.clone(), service.readiness.clone());
        async move {
            keep_running(&metrics, waiting, partition_run, &*run).await;
            metrics.forget_lag(stage, &partition.to_string());
        }
    };
    let owns = |count| service.metrics.owns(stage, count);
    let watching = tokio::spawn(print_ignored(membership.ignored(), alerts.clone()));
    follow(membership.owned(), &service.stop, owns, begin).await;
    watching.abort();
    membership.leave().await;
    Ok(())
}

/// Tells of members that don't count, whenever they change.
async fn print_ignored(mut ignored: watch::Receiver<BTreeSet<String>>, alerts: Alerts) {
    loop {
        let names = ignored.borrow_and_update().clone();
        alerts.ignores(&names);
        if ignored.changed().await.is_err() {
            return;
        }
    }
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

/// Opens what a stage needs before it can begin, once it is set up as it has to be: waits for that as a partition does.
/// None if the service is asked to stop meanwhile; an error that isn't of the set-up is the caller's.
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
                waiting.over();
                return Ok(Some(opened));
            }
            Err(fault) => fault,
        };
        if fault.blame() != Some(Blame::Setup) {
            return Err(fault);
        }
        waiting.begins(Blame::Setup.as_str(), chain(&fault));
        tokio::select! {
            () = sleep(backoff.next_delay_of_setup()) => {}
            () = service.stop.cancelled() => return Ok(None),
        }
    }
}

/// What waits for a person, and what was said about it.
struct Waiting {
    stage: &'static str,
    partition: Option<Partition>,
    alerts: Alerts,
    readiness: Readiness,
    said: Option<(&'static str, String)>,
    /// Since when it has been interrupted without progress.
    interrupted_since: Option<Instant>,
}

impl Waiting {
    fn new(stage: &'static str, partition: Option<Partition>, alerts: Alerts, readiness: Readiness) -> Self {
        Self { stage, partition, alerts, readiness, said: None, interrupted_since: None }
    }

    fn who(&self) -> String {
        match self.partition {
            Some(partition) => format!("{}, partition {partition}", self.stage),
            None => self.stage.to_owned(),
        }
    }

    /// Says what it waits for: in the log once per change.
    fn begins(&mut self, kind: &'static str, error: String) {
        self.alerts.waits(self.partition, kind, &error);
        self.readiness.waits_for(&self.who(), &error);
        let now = Some((kind, error));
        if self.said != now {
            let (who, error) = (self.who(), now.as_ref().map(|(_, error)| error.as_str()));
            tracing::error!(stage = self.stage, kind, error, "{who} can't go on until this is put right");
            self.said = now;
        }
    }

    /// Says that an outage interrupts it: after a while without progress its replica isn't ready.
    fn interrupted(&mut self, error: &str) {
        let since = *self.interrupted_since.get_or_insert_with(Instant::now);
        if self.said.is_none() && since.elapsed() >= STANDS_STILL_AFTER {
            self.readiness.waits_for(&self.who(), error);
        }
    }

    /// Says that it made progress, or that it goes on.
    fn progressed(&mut self) {
        if self.interrupted_since.take().is_some() && self.said.is_none() {
            self.readiness.goes_on(&self.who());
        }
    }

    /// Takes it back.
    fn over(&mut self) {
        let Some((kind, _)) = self.said.take() else { return };
        self.readiness.goes_on(&self.who());
        self.alerts.goes_on(self.partition, kind);
        tracing::info!(stage = self.stage, "{} goes on", self.who());
    }
}

impl Drop for Waiting {
    /// The partition is someone else's now, and so is what it waits for.
    fn drop(&mut self) {
        self.readiness.goes_on(&self.who());
    }
}

/// Why a run ended.
enum Stopped {
    Fault(Fault),
    /// The loop itself broke: a mistake in this repository.
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

/// Runs a partition's loop until it has stopped, in time or not.
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
            waiting.begins(stopped.cause(), stopped.text());
            backoff.next_delay_of_setup()
        } else {
            waiting.interrupted(&stopped.text());
            // What waits for a person goes on waiting: an outage meanwhile says nothing about it.
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

/// One run, to its end; one that doesn't stop in time ends well. What was waited for is over once it works again.
async fn attempt<Run, Running>(
    waiting: &mut Waiting,
    partition_run: &PartitionRun,
    run: &Run,
) -> Result<(), Stopped>
where
    Run: Fn(PartitionRun) -> Running,
    Running: Future<Output = Result<(), Fault>>,
{
    // What a broken run leaves behind is dropped with it; the next one begins at the tail.
    let running = AssertUnwindSafe(async { run(partition_run.clone()).await }).catch_unwind();
    tokio::pin!(running);
    loop {
        tokio::select! {
            outcome = &mut running => {
                return outcome.map_or(Err(Stopped::Panicked), |outcome| outcome.map_err(Stopped::Fault));
            }
            () = settled(partition_run, SETTLED_AFTER), if waiting.said.is_some() => waiting.over(),
            () = settled(partition_run, CALM_AFTER), if waiting.interrupted_since.is_some() => waiting.progressed(),
            () = overdue(&partition_run.stop) => {
                let (stage, partition) = (waiting.stage, partition_run.partition.0);
                tracing::warn!(stage, partition, limit = ?STOP_LIMIT, "dropped: did not stop");
                return Ok(());
            }
        }
    }
}

/// Until the run has done something, or has gone on so long.
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
