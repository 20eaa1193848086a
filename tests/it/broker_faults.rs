//! Crashes and restarts of the broker.

use crate::crowd::Crowd;
use std::time::Duration;
use testkit::{Program, World};

const STORES: usize = 25;
const ITEMS: u64 = 4;
const EACH: usize = 100;
const DELIVERIES: usize = 10_000;
/// Number of deliveries before each kill of the broker, and its downtime: once so short that the intake lets its
/// senders wait, once so long that it turns them away.
const FAULTS: [(usize, Duration); 2] = [(3_000, Duration::from_secs(1)), (7_000, Duration::from_secs(12))];

/// Time limit for responses that were sent before the broker was killed.
const ON_THE_WAY: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_killed_twice_amid_ten_thousand_deliveries_loses_and_repeats_none_and_keeps_their_order() {
    let mut world = World::start(&Program::ALL).await;
    let mut crowd = Crowd::open(&world, STORES, ITEMS).await;
    let stream = crowd.send(EACH);
    for (taken, away) in FAULTS {
        stream.reaches(taken).await;
        world.nats.kill().await.expect("the broker can be killed");
        tokio::time::sleep(ON_THE_WAY).await;
        let taken = stream.taken();
        assert!(taken < DELIVERIES, "there is still something to come");
        tokio::time::sleep(away).await;
        assert_eq!(stream.taken(), taken, "nothing is taken while there is no broker to keep it");
        world.nats.restart().await.expect("the broker comes back");
    }
    stream.reaches(DELIVERIES).await;
    let retried = stream.retried();
    crowd.finish(stream).await;
    crowd.assert_all_there(&world, Duration::from_mins(1)).await;
    assert!(retried > 0, "some were sent away meanwhile");
}
