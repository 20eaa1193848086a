//! Tests against three real nats-servers.
#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what it is made of")]

use bus::{AppendError, Bus, BusConfig, BusError, Durability, Feed, Start};
use bytes::Bytes;
use model::{Partition, PartitionCount, Position};
use sandbox::{Nats, NatsCluster, NatsOptions, Scratch};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};

const HERE: Partition = Partition(3);
/// Time limit of a step that needs an election.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(100);

fn config(servers: Vec<String>) -> BusConfig {
    BusConfig {
        servers,
        replicas: 3,
        partitions: PartitionCount::new(4).unwrap(),
        feed_max_bytes: 64 << 20,
        applied_max_bytes: 64 << 20,
        dead_max_bytes: 1 << 20,
        ..BusConfig::default()
    }
}

fn position(raw_sequence: u64) -> Position {
    Position { raw_sequence, delivery: 0, event: 0 }
}

async fn declared(cluster: &NatsCluster) -> Bus {
    let bus = Bus::connect(&config(cluster.urls())).await.unwrap();
    bus.declare().await.unwrap();
    bus
}

async fn kill_leader(cluster: &mut NatsCluster, bus: &Bus, stream: &str) {
    let placements = until_done(async || bus.placements().await).await;
    let leader = placements.into_iter().find(|it| it.stream == stream).and_then(|it| it.leader).unwrap();
    cluster.servers.iter_mut().find(|server| server.name() == leader).unwrap().kill().await.unwrap();
}

/// Repeats `act` until it succeeds, as every user of the bus does.
async fn until_done<T, E: std::fmt::Debug>(mut act: impl AsyncFnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match act().await {
            Ok(done) => return done,
            Err(error) => assert!(Instant::now() < deadline, "not done in time: {error:?}"),
        }
        sleep(PAUSE).await;
    }
}

/// Waits until every stream is on three servers that are in sync.
async fn whole(bus: &Bus) {
    until_done(async || {
        let placements = bus.placements().await.map_err(|error| error.to_string())?;
        assert_eq!(placements.len(), 9, "four feeds, APPLIED, DEAD, ALERTS, FOREIGN, MEMBERS");
        let lacking = placements.into_iter().find(|it| !it.is_whole() || it.followers.len() != 2);
        lacking.map_or(Ok(()), |placement| Err(format!("{placement:?}")))
    })
    .await;
}

#[tokio::test]
async fn a_cluster_is_fit_without_syncing_and_gives_everything_back_to_a_server_without_a_disk() {
    let scratch = Scratch::new().unwrap();
    let mut cluster = NatsCluster::start(scratch.path(), None).await.unwrap();
    let bus = declared(&cluster).await;
    let profile = bus.check().await.unwrap();
    assert_eq!(profile.durability, Durability::Replicated(3));
    bus.declare().await.unwrap();
    whole(&bus).await;

    bus.append_raw(HERE, Bytes::from_static(b"kept"), "batch", 1).await.unwrap();
    cluster.servers[0].kill().await.unwrap();
    std::fs::remove_dir_all(scratch.path().join("nats-1/jetstream")).unwrap();
    cluster.servers[0].restart().await.unwrap();
    cluster.agreed().await.unwrap();
    whole(&bus).await;
    cluster.servers[1].kill().await.unwrap();
    // The first server has got its data back from the others, so there is a majority.
    until_done(async || bus.append_raw(HERE, Bytes::from_static(b"too"), "another", 1).await).await;
    let mut reader = until_done(async || bus.read(Feed::Raw, HERE, Start::First).await).await;
    let mut read = Vec::new();
    while read.len() < 2 {
        let messages = timeout(PATIENCE, reader.waiting(64)).await.unwrap().unwrap();
        read.extend(messages.into_iter().map(|message| message.payload));
    }
    assert_eq!(read, [&b"kept"[..], b"too"]);

    let one = BusConfig { replicas: 1, ..config(cluster.urls()) };
    let refused = Bus::connect(&one).await.unwrap().check().await.unwrap_err().to_string();
    assert!(refused.contains("monitoring_url"), "one replica has to be synced: {refused}");
    let refused = Bus::connect(&one).await.unwrap().declare().await.unwrap_err();
    assert!(matches!(refused, BusError::Different { .. }), "what is there has three: {refused}");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_single_server_is_refused_for_three_replicas_with_the_fix() {
    let scratch = Scratch::new().unwrap();
    let nats = Nats::start(NatsOptions::new(scratch.path())).await.unwrap();
    let bus = Bus::connect(&config(vec![nats.url()])).await.unwrap();
    let refused = bus.check().await.unwrap_err().to_string();
    assert!(refused.contains("single server") && refused.contains("replicas = 1"), "{refused}");
    assert!(bus.placements().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_leader_that_dies_takes_nothing_along_repeats_nothing_and_lets_no_second_owner_in() {
    let scratch = Scratch::new().unwrap();
    let mut cluster = NatsCluster::start(scratch.path(), None).await.unwrap();
    let bus = declared(&cluster).await;
    let membership = bus.join("normalize", "one").await.unwrap();
    let all: BTreeSet<Partition> = bus.partitions().all().collect();
    assert_eq!(**membership.owned().borrow(), all);

    let mut late = bus.appender(Feed::Normalized, HERE, None);
    let mut appender = bus.appender(Feed::Normalized, HERE, None);
    appender.append(Bytes::new(), position(1), 1, 0).await.unwrap();
    for number in 1..=20 {
        bus.append_raw(HERE, Bytes::from(number.to_string()), &format!("batch-{number}"), 1).await.unwrap();
    }
    let mut reader = bus.read(Feed::Raw, HERE, Start::First).await.unwrap();
    kill_leader(&mut cluster, &bus, "RAW-0").await;
    for number in 20..=40 {
        // The twentieth is sent again, to another leader than the one that stored it.
        let (payload, id) = (Bytes::from(number.to_string()), format!("batch-{number}"));
        until_done(async || bus.append_raw(HERE, payload.clone(), &id, 1).await).await;
    }
    let mut read = Vec::new();
    while read.last().is_none_or(|last: &String| last != "40") {
        let messages = timeout(PATIENCE, reader.waiting(64)).await.unwrap().unwrap();
        read.extend(messages.into_iter().map(|it| String::from_utf8_lossy(&it.payload).into_owned()));
    }
    assert_eq!(read, (1..=40).map(|number| number.to_string()).collect::<Vec<_>>(), "each once, in order");

    // An appender that begins at the tail continues; one that began before it is refused, by the next leader too.
    let tail = until_done(async || bus.tail(Feed::Normalized, HERE).await).await.unwrap();
    assert_eq!(tail.covers, Some(position(1)));
    until_done(async || {
        let mut next = bus.appender(Feed::Normalized, HERE, Some(&tail));
        next.append(Bytes::new(), position(2), 2, 0).await
    })
    .await;
    assert!(matches!(late.append(Bytes::new(), position(1), 1, 0).await, Err(AppendError::Fenced)));
    assert_eq!(**membership.owned().borrow(), all, "nobody else took anything");
    membership.leave().await;
    cluster.stop().await.unwrap();
}
