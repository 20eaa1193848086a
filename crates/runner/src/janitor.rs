//! Purges streams below the first message that a reader still needs. Nothing else deletes from them.
//!
//! The janitor serves the streams of all stages and decides about no event, so it belongs to no stage. One service runs
//! it: the one whose user may purge, and which knows from the database how far the readers are ([`Readers`]).

use crate::{Alerts, Service, chain, now};
use bus::{Bus, BusError, Feed, Start};
use model::{Partition, Position, Timestamp};
use stage::Fault;
use std::{
    collections::BTreeSet,
    future::Future,
    time::{Duration, Instant},
};

/// Interval between sweeps.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// Interval between checks of whether a stream is nearly full. While one is, each check also sweeps: writers that wait
/// for room wait for the sweep.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Fill share from which a stream is purged of all messages kept beyond need: room for new messages has priority over
/// replay, and Postgres has the applied changes.
const PRESSURE_FROM: f64 = 0.7;
/// The kind of the alert about streams that are nearly full.
const NEARLY_FULL: &str = "nearly_full";

/// Time for which messages are kept that every reader has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Of RAW, after an event was applied: limits what can be replayed.
    pub raw: Duration,
    /// Of UNIQUE and ENRICHED, which have the events that dedupe has passed on: the span over which it recognizes
    /// duplicates.
    pub unique: Duration,
}

/// The progress of a partition's readers that keep their cursors in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Position up to which every event is committed.
    pub applied: Position,
    /// Position up to which every notification is fetched.
    pub fetched: Position,
    /// Number of the last change of APPLIED that propagate has taken over.
    pub propagated: i64,
}

/// The readers of the streams, and those whom a purge concerns otherwise.
pub trait Readers: Send + Sync {
    /// Prepares for a sweep; called at each check of the streams, before anything is purged. `is_sweep` is true if a
    /// sweep follows.
    fn prepare(&mut self, is_sweep: bool) -> impl Future<Output = ()> + Send;

    /// Returns the progress of a partition's readers.
    fn progress(&self, partition: Partition) -> impl Future<Output = Result<Progress, Fault>> + Send;

    /// Saves what is needed of a partition's messages of RAW below that sequence; called before they are purged.
    fn before_purge(
        &self,
        partition: Partition,
        below: u64,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// Sweeps the streams; see the module.
pub struct Janitor {
    service: Service,
    stage: &'static str,
    retention: Retention,
    alerts: Alerts,
}

impl Janitor {
    /// A janitor that is run by the service `stage`.
    pub fn new(service: &Service, stage: &'static str, retention: Retention) -> Self {
        let alerts = Alerts::new(stage, &service.metrics, Some(&service.bus));
        Self { service: service.clone(), stage, retention, alerts }
    }

    /// Sweeps until the service stops. Every replica may sweep: repeating a purge has no effect.
    pub async fn run(self, mut readers: impl Readers) {
        let (bus, stage) = (&self.service.bus, self.stage);
        let mut swept: Option<Instant> = None;
        loop {
            let pressure = pressure(bus, stage).await.unwrap_or_else(|error| {
                tracing::debug!(stage, %error, "how full streams are isn't known");
                Pressure::default()
            });
            self.alerts.holds(None, NEARLY_FULL, pressure.text().as_deref());
            let is_sweep = pressure.any() || swept.is_none_or(|at| at.elapsed() >= SWEEP_EVERY);
            readers.prepare(is_sweep).await;
            if is_sweep {
                swept = Some(Instant::now());
                self.sweep_all(&readers, &pressure).await;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.service.stop.cancelled() => return,
            }
        }
    }

    async fn sweep_all(&self, readers: &impl Readers, pressure: &Pressure) {
        let unless_under_pressure =
            |feed: Feed, kept| if pressure.feeds.contains(feed.as_str()) { Duration::ZERO } else { kept };
        let retention = Retention {
            raw: unless_under_pressure(Feed::Raw, self.retention.raw),
            unique: unless_under_pressure(Feed::Unique, self.retention.unique)
                .min(unless_under_pressure(Feed::Enriched, self.retention.unique)),
        };
        for partition in self.service.bus.partitions().all() {
            // One partition that can't be swept must not fill the streams of all.
            let swept = sweep(&self.service.bus, readers, retention, pressure.applied, partition).await;
            if let Err(error) = swept {
                let (stage, partition) = (self.stage, partition.0);
                let (permanent, error) = (error.blame().is_some(), chain(&error));
                if permanent {
                    tracing::error!(stage, partition, error, "not swept, and won't be: streams fill up");
                } else {
                    tracing::debug!(stage, partition, error, "not swept; trying again later");
                }
            }
        }
    }
}

/// The streams that are nearly full.
#[derive(Default)]
struct Pressure {
    feeds: BTreeSet<&'static str>,
    applied: bool,
    dead: bool,
}

impl Pressure {
    /// Returns whether the janitor can purge one of the streams.
    fn any(&self) -> bool {
        self.applied || !self.feeds.is_empty()
    }

    /// The text of the alert; none while all have room.
    fn text(&self) -> Option<String> {
        let others = [("applied", self.applied), ("dead", self.dead)];
        let others =
            others.into_iter().filter_map(|(name, is_under_pressure)| is_under_pressure.then_some(name));
        let names: Vec<&str> = self.feeds.iter().copied().chain(others).collect();
        let share = PRESSURE_FROM * 100.0;
        (!names.is_empty())
            .then(|| format!("streams are filled to more than {share:.0} %: {}", names.join(", ")))
    }
}

async fn pressure(bus: &Bus, stage: &'static str) -> Result<Pressure, BusError> {
    let mut pressure = Pressure::default();
    for feed in [Feed::Raw, Feed::Normalized, Feed::Unique, Feed::Enriched] {
        if bus.usage(feed).await? > PRESSURE_FROM {
            let feed = feed.as_str();
            tracing::warn!(stage, feed, "nearly full: what is done is purged before its time");
            pressure.feeds.insert(feed);
        }
    }
    pressure.applied = bus.applied_usage().await? > PRESSURE_FROM;
    pressure.dead = bus.dead_usage().await? > PRESSURE_FROM;
    Ok(pressure)
}

/// Purges the streams of a partition. A middle stream is needed from the position of the next stage; UNIQUE and ENRICHED
/// also for dedupe's window; RAW also for the replay window and for messages that fetch hasn't read yet. Stages in one
/// pass leave NORMALIZED and UNIQUE out: what ENRICHED covers needs neither.
async fn sweep(
    bus: &Bus,
    readers: &impl Readers,
    retention: Retention,
    applied_pressure: bool,
    partition: Partition,
) -> Result<(), Fault> {
    let Progress { applied, fetched, propagated } = readers.progress(partition).await?;
    if applied_pressure {
        bus.purge_applied_to(partition, propagated).await?;
    }
    let enriched = bus.covered(Feed::Enriched, partition).await?;
    let unique = bus.covered(Feed::Unique, partition).await?.max(enriched);
    for (feed, done, kept_for) in [
        (Feed::Normalized, unique, Duration::ZERO),
        (Feed::Unique, enriched, retention.unique),
        (Feed::Enriched, applied, retention.unique),
    ] {
        let done = bus.seek(feed, partition, done.min(applied)).await?;
        purge(bus, feed, partition, below(bus, feed, partition, done, kept_for).await?).await?;
    }
    let done = bus.seek(Feed::Raw, partition, applied.min(fetched)).await?;
    let raw = below(bus, Feed::Raw, partition, done, retention.raw).await?;
    if let Some(below) = raw {
        readers.before_purge(partition, below).await?;
    }
    purge(bus, Feed::Raw, partition, raw).await
}

async fn purge(bus: &Bus, feed: Feed, partition: Partition, below: Option<u64>) -> Result<(), Fault> {
    match below {
        Some(below) => Ok(bus.purge_below(feed, partition, below).await?),
        None => Ok(()),
    }
}

/// Returns the sequence below which a feed is purged: the end of the processed messages, less those within retention.
async fn below(
    bus: &Bus,
    feed: Feed,
    partition: Partition,
    done: Start,
    kept_for: Duration,
) -> Result<Option<u64>, Fault> {
    let below = match done {
        Start::First => return Ok(None),
        Start::At(sequence) => sequence,
        Start::After(sequence) => sequence.saturating_add(1),
    };
    if kept_for.is_zero() {
        return Ok(Some(below));
    }
    let kept_for_micros = i64::try_from(kept_for.as_micros()).unwrap_or(i64::MAX);
    let since = Timestamp::from_micros(now().as_micros().saturating_sub(kept_for_micros));
    let first = bus.first_since(feed, partition, since).await?;
    Ok(Some(first.map_or(below, |first| first.min(below))))
}
