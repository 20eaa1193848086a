//! The broker is three servers: each may die, or be renewed, while the others go on.

use crate::{PATIENCE, crowd::Crowd};
use bus::Durability;
use std::time::{Duration, Instant};
use testkit::{Program, World, WorldOptions, eventually};

const STORES: usize = 12;
const ITEMS: u64 = 4;
/// More than fit into the test; the senders are told when it is enough.
const EACH: usize = 100_000;
/// How long each item rests between two of its levels.
const PAUSE: Duration = Duration::from_millis(100);
/// How many deliveries must be taken once all is well, to be sure that it is.
const A_GOOD_MANY: usize = 300;

/// The server that orders what is in the stream.
async fn leader(world: &World, stream: &str) -> String {
    eventually(PATIENCE, &format!("{stream} has a leader"), async || {
        let placements = world.bus.placements().await.map_err(|error| error.to_string())?;
        let found = placements.into_iter().find(|placement| placement.stream == stream);
        found.and_then(|placement| placement.leader).ok_or_else(|| "it has none".to_owned())
    })
    .await
}

/// Waits until every stream is on all servers: one of them may be lost then.
async fn whole(world: &World) {
    for server in world.servers() {
        server.caught_up().await.expect("it catches up");
    }
    eventually(PATIENCE, "all streams are whole", async || {
        let placements = world.bus.placements().await.map_err(|error| error.to_string())?;
        let lacking = placements.into_iter().find(|placement| !placement.is_whole());
        lacking.map_or(Ok(()), |placement| Err(format!("{placement:?}")))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_loses_and_repeats_nothing_while_its_servers_die_and_are_renewed_under_load() {
    let options = WorldOptions { clustered: true, ..WorldOptions::default() };
    let t = Instant::now();
    let mut world = World::start_with(options, &Program::ALL).await;
    eprintln!("started {:?}", t.elapsed());
    let profile = world.bus.check().await.expect("it is fit");
    assert_eq!(profile.durability, Durability::Replicated(3), "without syncing");
    let t = Instant::now();
    let mut crowd = Crowd::open(&world, STORES, ITEMS).await.with_pause(PAUSE);
    eprintln!("crowd {:?}", t.elapsed());
    let stream = crowd.send(EACH);
    let t = Instant::now();
    stream.reaches(A_GOOD_MANY).await;
    eprintln!("first {:?}", t.elapsed());

    let killed = leader(&world, "RAW-0").await;
    world.server_mut(&killed).kill().await.expect("it can be killed");
    let t = Instant::now();
    let before = stream.taken();
    stream.reaches(before + 50).await;
    eprintln!("50 after {:?}", t.elapsed());
    stream.reaches(before + A_GOOD_MANY).await;
    eprintln!("300 after {:?}", t.elapsed());
    assert_ne!(leader(&world, "RAW-0").await, killed, "another one leads");
    let t = Instant::now();
    world.server_mut(&killed).restart().await.expect("it comes back");
    whole(&world).await;
    eprintln!("whole {:?}", t.elapsed());

    for renewed in ["nats-1", "nats-2", "nats-3"] {
        let t = Instant::now();
        let before = stream.taken();
        world.server_mut(renewed).restart().await.expect("it can be renewed");
        eprintln!("restarted {:?}, taken {}", t.elapsed(), stream.taken() - before);
        whole(&world).await;
        eprintln!("whole {:?}, taken {}", t.elapsed(), stream.taken() - before);
    }
    let t = Instant::now();
    let before = stream.taken();
    stream.reaches(before + A_GOOD_MANY).await;
    eprintln!("300 {:?} total {} retried {}", t.elapsed(), stream.taken(), stream.retried());
    stream.end();
    crowd.finish(stream).await;
    let t = Instant::now();
    crowd.assert_all_there(&world, Duration::from_mins(1)).await;
    eprintln!("all there {:?}", t.elapsed());
}
