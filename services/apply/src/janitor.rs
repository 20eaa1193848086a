//! Purges streams below the first message still needed. Nothing else deletes from them.

use crate::{Config, STAGE, dead_letters::DeadLetters};
use bus::{Bus, BusError, Feed, Start};
use model::{Partition, Timestamp};
use prometheus::IntGauge;
use runner::{Alerts, Metrics, Service, chain, now};
use stage::Fault;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use store::{Consumer, Store};

/// Interval between sweeps.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// Interval between checks of whether a stream is nearly full. While one is, each check also sweeps: writers that wait
/// for room wait for the sweep.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Fill share from which a stream is purged of all messages kept beyond need: room for new messages has priority over
/// replay, and Postgres has the applied changes.
const PRESSED_FROM: f64 = 0.7;
/// The kind of the alert about streams that are nearly full.
const NEARLY_FULL: &str = "nearly_full";
/// Interval between maintenance runs of the tables.
const MAINTAIN_EVERY: Duration = Duration::from_hours(1);

/// Sweeps until the service stops. Every replica may sweep: repeating a purge has no effect.
pub(crate) async fn run(
    service: Service,
    store: Store,
    config: Config,
    in_flight: IntGauge,
    mut dead_letters: DeadLetters,
) {
    let (mut maintained, mut swept): (Option<Instant>, Option<Instant>) = (None, None);
    let alerts = Alerts::new(STAGE, &service.metrics, Some(&service.bus));
    let is_due = |last: Option<Instant>, every| last.is_none_or(|at| at.elapsed() >= every);
    loop {
        let pressed = pressed(&service.bus).await.unwrap_or_else(|error| {
            tracing::debug!(stage = STAGE, %error, "how full streams are isn't known");
            Pressed::default()
        });
        alerts.holds(None, NEARLY_FULL, pressed.text().as_deref());
        // Before bodies are copied into DEAD, which may need the room.
        if let Err(error) = dead_letters.sweep().await {
            tracing::debug!(stage = STAGE, %error, "dead letters can't be looked at");
        }
        if is_due(swept, SWEEP_EVERY) || pressed.any() {
            swept = Some(Instant::now());
            match store.in_flight().await {
                Ok(count) => in_flight.set(count),
                Err(error) => tracing::debug!(stage = STAGE, %error, "what is under way can't be counted"),
            }
            sweep_all(&service, &store, &config, &pressed, &dead_letters).await;
        }
        if is_due(maintained, MAINTAIN_EVERY) {
            maintained = Some(Instant::now());
            if let Err(error) = store.maintain().await {
                tracing::warn!(stage = STAGE, %error, "tables can't be looked after");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = service.stop.cancelled() => return,
        }
    }
}

/// The gauge of deliveries accepted and not yet done, over all partitions; every replica reports the same value.
pub(crate) fn in_flight(metrics: &Metrics) -> Result<IntGauge, prometheus::Error> {
    let gauge = IntGauge::new(
        "tillflow_in_flight_deliveries",
        "Deliveries that RAW has taken and that have not come to an end, by two counts that are kept apart",
    )?;
    metrics.registry().register(Box::new(gauge.clone())).map(|()| gauge)
}

/// Retention of processed messages of a feed.
struct KeptFor {
    raw_seconds: u64,
    unique_seconds: u64,
}

/// The streams that are nearly full.
#[derive(Default)]
struct Pressed {
    feeds: BTreeSet<&'static str>,
    applied: bool,
    dead: bool,
}

impl Pressed {
    /// Returns whether the janitor can purge one of the streams.
    fn any(&self) -> bool {
        self.applied || !self.feeds.is_empty()
    }

    /// The text of the alert; none while all have room.
    fn text(&self) -> Option<String> {
        let others = [("applied", self.applied), ("dead", self.dead)];
        let others = others.into_iter().filter_map(|(name, is_pressed)| is_pressed.then_some(name));
        let names: Vec<&str> = self.feeds.iter().copied().chain(others).collect();
        let share = PRESSED_FROM * 100.0;
        (!names.is_empty())
            .then(|| format!("streams are filled to more than {share:.0} %: {}", names.join(", ")))
    }
}

async fn pressed(bus: &Bus) -> Result<Pressed, BusError> {
    let mut pressed = Pressed::default();
    for feed in [Feed::Raw, Feed::Normalized, Feed::Unique, Feed::Enriched] {
        if bus.usage(feed).await? > PRESSED_FROM {
            let feed = feed.as_str();
            tracing::warn!(stage = STAGE, feed, "nearly full: what is done is purged before its time");
            pressed.feeds.insert(feed);
        }
    }
    pressed.applied = bus.applied_usage().await? > PRESSED_FROM;
    pressed.dead = bus.dead_usage().await? > PRESSED_FROM;
    Ok(pressed)
}

async fn sweep_all(
    service: &Service,
    store: &Store,
    config: &Config,
    pressed: &Pressed,
    dead_letters: &DeadLetters,
) {
    let unless_pressed =
        |feed: Feed, seconds| if pressed.feeds.contains(feed.as_str()) { 0 } else { seconds };
    let kept_for = KeptFor {
        raw_seconds: unless_pressed(Feed::Raw, config.replay_window_seconds),
        unique_seconds: unless_pressed(Feed::Unique, config.dedupe_window_seconds),
    };
    for partition in service.bus.partitions().all() {
        // One partition that can't be swept must not fill the streams of all.
        if let Err(error) = sweep(service, store, &kept_for, pressed.applied, dead_letters, partition).await {
            let (partition, permanent, error) = (partition.0, error.blame().is_some(), chain(&error));
            if permanent {
                tracing::error!(stage = STAGE, partition, error, "not swept, and won't be: streams fill up");
            } else {
                tracing::debug!(stage = STAGE, partition, error, "not swept; trying again later");
            }
        }
    }
}

/// Purges the streams of a partition. A middle stream is needed from the position of the next stage; UNIQUE also for
/// dedupe's window; RAW also for the replay window and for messages that fetch hasn't read yet.
async fn sweep(
    service: &Service,
    store: &Store,
    kept_for: &KeptFor,
    applied_pressed: bool,
    dead_letters: &DeadLetters,
    partition: Partition,
) -> Result<(), Fault> {
    let bus = &service.bus;
    if applied_pressed {
        let read = store.cursor(Consumer::Propagate, partition).await?.number;
        bus.purge_applied_to(partition, read).await?;
    }
    let applied = store.cursor(Consumer::Apply, partition).await?.position;
    for (feed, next, kept_for) in
        [(Feed::Normalized, Feed::Unique, 0), (Feed::Unique, Feed::Enriched, kept_for.unique_seconds)]
    {
        let covered = bus.tail(next, partition).await?.and_then(|tail| tail.covers).unwrap_or_default();
        let done = bus.seek(feed, partition, covered.min(applied)).await?;
        purge(bus, feed, partition, below(bus, feed, partition, done, kept_for).await?).await?;
    }
    let done = bus.seek(Feed::Enriched, partition, applied).await?;
    purge(bus, Feed::Enriched, partition, below(bus, Feed::Enriched, partition, done, 0).await?).await?;
    let fetched = store.cursor(Consumer::Fetch, partition).await?.position;
    let done = bus.seek(Feed::Raw, partition, applied.min(fetched)).await?;
    let below = below(bus, Feed::Raw, partition, done, kept_for.raw_seconds).await?;
    if let Some(below) = below {
        dead_letters.take_bodies_over(partition, below).await?;
    }
    purge(bus, Feed::Raw, partition, below).await
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
    kept_for_seconds: u64,
) -> Result<Option<u64>, Fault> {
    let below = match done {
        Start::First => return Ok(None),
        Start::At(sequence) => sequence,
        Start::After(sequence) => sequence.saturating_add(1),
    };
    if kept_for_seconds == 0 {
        return Ok(Some(below));
    }
    let kept_for_micros = i64::try_from(kept_for_seconds.saturating_mul(1_000_000)).unwrap_or(i64::MAX);
    let since = Timestamp::from_micros(now().as_micros().saturating_sub(kept_for_micros));
    let first = bus.first_since(feed, partition, since).await?;
    Ok(Some(first.map_or(below, |first| first.min(below))))
}
