//! Makes room: streams are purged below what is no longer needed. Nothing else ever deletes from them.

use crate::{Config, STAGE};
use bus::{BusError, Feed, Start};
use model::{Partition, Timestamp};
use runner::{Service, now};
use std::time::Duration;
use store::{Consumer, Store, StoreError};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(30);
/// How often tables are looked after.
const MAINTAIN_EVERY_ROUNDS: u32 = 120;

#[derive(Debug, thiserror::Error)]
enum Unswept {
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sweeps until the service stops. Every replica may do it: a purge twice is a purge once.
pub(crate) async fn run(service: Service, store: Store, config: Config) {
    let mut round = 0_u32;
    loop {
        for partition in service.bus.partitions().all() {
            if let Err(error) = sweep(&service, &store, &config, partition).await {
                tracing::debug!(stage = STAGE, partition = partition.0, %error, "not swept; trying again later");
            }
        }
        if round.is_multiple_of(MAINTAIN_EVERY_ROUNDS)
            && let Err(error) = store.maintain().await
        {
            tracing::warn!(stage = STAGE, %error, "tables can't be looked after");
        }
        round = round.wrapping_add(1);
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = service.stop.cancelled() => return,
        }
    }
}

/// A middle stream is needed from where the next stage stands; UNIQUE is dedupe's memory, RAW what can be replayed.
async fn sweep(
    service: &Service,
    store: &Store,
    config: &Config,
    partition: Partition,
) -> Result<(), Unswept> {
    let bus = &service.bus;
    let applied = store.cursor(Consumer::Apply, partition).await?.position;
    for (feed, next) in [(Feed::Normalized, Feed::Unique), (Feed::Unique, Feed::Enriched)] {
        let covered = bus.tail(next, partition).await?.and_then(|tail| tail.covers).unwrap_or_default();
        let done = bus.seek(feed, partition, covered.min(applied)).await?;
        let kept_for = if feed == Feed::Unique { config.dedupe_window_seconds } else { 0 };
        purge(service, feed, partition, done, kept_for).await?;
    }
    let done = bus.seek(Feed::Enriched, partition, applied).await?;
    purge(service, Feed::Enriched, partition, done, 0).await?;
    let done = bus.seek(Feed::Raw, partition, applied).await?;
    purge(service, Feed::Raw, partition, done, config.replay_window_seconds).await
}

async fn purge(
    service: &Service,
    feed: Feed,
    partition: Partition,
    done: Start,
    kept_for_seconds: u64,
) -> Result<(), Unswept> {
    let below = match done {
        Start::First => return Ok(()),
        Start::At(sequence) => sequence,
        Start::After(sequence) => sequence.saturating_add(1),
    };
    let kept_for_micros = i64::try_from(kept_for_seconds.saturating_mul(1_000_000)).unwrap_or(i64::MAX);
    let since = Timestamp::from_micros(now().as_micros().saturating_sub(kept_for_micros));
    let below = if kept_for_seconds == 0 {
        below
    } else {
        service.bus.first_since(feed, partition, since).await?.map_or(below, |first| first.min(below))
    };
    Ok(service.bus.purge_below(feed, partition, below).await?)
}
