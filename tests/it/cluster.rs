//! A broker of three servers: each may fail or be replaced while the others continue.

use crate::{PATIENCE, command_line::tillflow, crowd::Crowd};
use std::time::Duration;
use testkit::{Program, World, WorldOptions, eventually};

const STORES: usize = 12;
const ITEMS: u64 = 4;
/// More deliveries than fit into the test; the senders are stopped earlier.
const EACH: usize = 100_000;
/// Pause between two levels of an item.
const PAUSE: Duration = Duration::from_millis(100);
/// Number of accepted deliveries that shows that the cluster works.
const A_GOOD_MANY: usize = 300;

/// Two of three: the one left is no majority.
const TWO: [&str; 2] = ["nats-1", "nats-3"];
/// Enough for each sender to be accepted many times, if anything accepted it.
const WITHOUT_MAJORITY: Duration = Duration::from_secs(5);

/// The leader of a stream.
async fn leader(world: &World, stream: &str) -> String {
    eventually(PATIENCE, &format!("{stream} has a leader"), async || {
        let placements = world.bus.placements().await.map_err(|error| error.to_string())?;
        let found = placements.into_iter().find(|placement| placement.stream == stream);
        found.and_then(|placement| placement.leader).ok_or_else(|| "it has none".to_owned())
    })
    .await
}

/// Waits until every stream is on all servers, so that one of them may be lost.
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
    let mut world = World::start_with(options, &Program::ALL).await;
    let mut crowd = Crowd::open(&world, STORES, ITEMS).await.with_pause(PAUSE);
    let stream = crowd.send(EACH);
    stream.reaches(A_GOOD_MANY).await;

    whole(&world).await;
    let killed = leader(&world, "RAW-0").await;
    let before = stream.taken();
    world.server_mut(&killed).kill().await.expect("it can be killed");
    stream.reaches(before + A_GOOD_MANY).await;
    world.server_mut(&killed).restart().await.expect("it comes back");

    whole(&world).await;
    for killed in TWO {
        world.server_mut(killed).kill().await.expect("it can be killed");
    }
    let taken = stream.taken();
    tokio::time::sleep(WITHOUT_MAJORITY).await;
    // What two servers had stored before they died may be accepted late: each sender has one delivery under way.
    let late = stream.taken() - taken;
    let senders = STORES * usize::try_from(ITEMS).expect("few");
    assert!(late <= senders, "one server alone keeps nothing, but accepted {late} of {senders} senders");
    for killed in TWO {
        world.server_mut(killed).restart().await.expect("it comes back");
    }
    stream.reaches(stream.taken() + A_GOOD_MANY).await;

    for renewed in ["nats-1", "nats-2", "nats-3"] {
        whole(&world).await;
        world.server_mut(renewed).restart().await.expect("it can be renewed");
    }
    stream.reaches(stream.taken() + A_GOOD_MANY).await;
    stream.end();
    crowd.finish(stream).await;
    crowd.assert_all_there(&world, Duration::from_mins(1)).await;

    whole(&world).await;
    let said = tillflow(&world, &["doctor"]).await.well();
    let broker = &said[0]["broker"];
    assert_eq!(broker["durability"], "Replicated(3)", "{said:?}");
    let streams = broker["streams"].as_array().expect("a list");
    assert_eq!(streams.len(), 9, "{streams:?}");
    assert!(streams.iter().all(|stream| stream["leader"].is_string()), "{streams:?}");
}
