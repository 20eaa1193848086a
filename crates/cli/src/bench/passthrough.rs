//! Measures the same number of streams without stages: the throughput of the transport alone.

use crate::{dev::dev_users, environment::as_user, failure::Failed};
use bus::{Bus, BusConfig, Feed, Start, User};
use bytes::Bytes;
use model::{Partition, PartitionCount, Position};
use sandbox::{Nats, NatsOptions};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::Semaphore, task::JoinSet};

/// Size of an event in bytes; about that of a level's event.
const EVENT_BYTES: usize = 350;
/// Number of events of a batch.
const BATCH_EVENTS: u64 = 256;
/// Upper limit of waiting messages that are read at once.
const MESSAGES_MAX: usize = 8;
/// The streams of stages that run apart.
pub(crate) const ALL: &[Feed] = &Feed::ALL;
/// The streams of stages that run in one pass.
pub(crate) const OF_ONE_PASS: &[Feed] = &[Feed::Raw, Feed::Enriched];

/// Passes `events` through these streams, of which the first is RAW, and counts them at the end; returns events per
/// second.
pub(crate) async fn run(
    dir: &Path,
    partitions: PartitionCount,
    events: u64,
    sync_delay: Option<Duration>,
    streams: &[Feed],
) -> Result<f64, Failed> {
    let users = dir.join("plain-users");
    let authorization = Some(dev_users(&users)?);
    let options = NatsOptions { authorization, sync_delay, ..NatsOptions::new(dir.join("plain")) };
    let nats = Nats::start(options).await?;
    let config = BusConfig {
        servers: vec![nats.url()],
        monitoring_url: Some(nats.monitoring_url()),
        partitions,
        ..BusConfig::default()
    };
    let config = as_user(config, &users, &User::Administrator);
    let outcome = pass(&config, partitions, events, streams).await;
    nats.stop().await?;
    outcome
}

async fn pass(
    config: &BusConfig,
    partitions: PartitionCount,
    events: u64,
    streams: &[Feed],
) -> Result<f64, Failed> {
    let first = runner::connect(config).await?;
    first.check().await?;
    first.declare().await?;
    let batches = events.div_ceil(u64::from(partitions.get()) * BATCH_EVENTS);
    let arrived = Arc::new(Semaphore::new(0));
    let mut hops: JoinSet<Result<(), Failed>> = JoinSet::new();
    let behind = streams.iter().skip(1).copied().map(Some).chain([None]);
    for (from, to) in streams.iter().copied().zip(behind) {
        let bus = runner::connect(config).await?;
        for partition in partitions.all() {
            hops.spawn(hop(bus.clone(), from, to, partition, Arc::clone(&arrived)));
        }
    }
    let began = Instant::now();
    let mut producers: JoinSet<Result<(), Failed>> = JoinSet::new();
    for partition in partitions.all() {
        producers.spawn(produce(first.clone(), partition, batches));
    }
    while let Some(produced) = producers.join_next().await {
        produced.map_err(|error| Failed::Other(error.to_string()))??;
    }
    let all = batches * u64::from(partitions.get());
    let all = u32::try_from(all).map_err(|_| Failed::Other("too many batches".to_owned()))?;
    tokio::select! {
        done = arrived.acquire_many(all) => done.map(drop).map_err(|error| Failed::Other(error.to_string()))?,
        Some(ended) = hops.join_next() => ended.map_err(|error| Failed::Other(error.to_string()))??,
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
    let per_second = f64::from(all) * BATCH_EVENTS as f64 / began.elapsed().as_secs_f64();
    hops.abort_all();
    Ok(per_second)
}

async fn produce(bus: Bus, partition: Partition, batches: u64) -> Result<(), Failed> {
    let payload = Bytes::from(vec![b'x'; EVENT_BYTES * usize::try_from(BATCH_EVENTS).unwrap_or(256)]);
    for index in 0..batches {
        let appended = bus.append_raw(partition, payload.clone(), &format!("{partition}-{index}"), 1).await;
        appended.map_err(|error| Failed::Other(error.to_string()))?;
    }
    Ok(())
}

async fn hop(
    bus: Bus,
    from: Feed,
    to: Option<Feed>,
    partition: Partition,
    arrived: Arc<Semaphore>,
) -> Result<(), Failed> {
    let mut reader = bus.read(from, partition, Start::First).await?;
    let mut appender = to.map(|to| bus.appender(to, partition, None));
    loop {
        for message in reader.waiting(MESSAGES_MAX).await? {
            let Some(appender) = &mut appender else {
                arrived.add_permits(1);
                continue;
            };
            let covers = Position { raw_sequence: message.sequence, delivery: 0, event: 0 };
            let appended = appender.append(message.payload, covers, message.sequence, 1).await;
            appended.map_err(|error| Failed::Other(error.to_string()))?;
        }
    }
}
