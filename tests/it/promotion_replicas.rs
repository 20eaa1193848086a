//! Promotions that several fetch processes watch: each begins and ends once, also when a process dies or stalls in between.

use crate::{
    PATIENCE,
    promotions::{SELDOM, announced, begins_and_ends, clock, happy_hour},
};
use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use model::{Action, StoreId, Timestamp};
use std::{collections::BTreeSet, time::Duration};
use testkit::{Account, Merchant, Program, Replica, World, WorldOptions, eventually};

/// Number of stores, each in a partition of its own.
const STORES: usize = 6;
/// Zone of the stores.
const ZONE: &str = "UTC";

/// Stores in different partitions, each with a till.
async fn open(world: &World) -> Vec<(Merchant, Account)> {
    let partitions = world.bus.partitions();
    let (mut taken, mut shops) = (BTreeSet::new(), Vec::new());
    for name in (0..).map(|index| format!("shop-{index}")) {
        if taken.insert(partitions.of(&StoreId::new(&name).expect("a store's id"))) {
            let merchant = world.merchant(&name).await;
            let till = world.simulated(&merchant, "leaflogix").await;
            shops.push((merchant, till));
        }
        if shops.len() == STORES {
            break;
        }
    }
    shops
}

/// Number of partitions that a process works on.
async fn owned(world: &World, replica: Replica) -> u64 {
    world.scrape_of(replica).await.count("tillflow_partitions_owned", &[("stage", "fetch")])
}

/// Waits until each process works on about as many partitions as the others, or one on all of them.
async fn shared(world: &World) {
    let replicas = world.replicas(Program::Fetch);
    let all = u64::from(world.bus.partitions().get());
    let share = all.div_ceil(replicas.len() as u64);
    eventually(PATIENCE, "the processes share the partitions", async || {
        let mut each = Vec::new();
        for replica in &replicas {
            each.push(owned(world, *replica).await);
        }
        let is_shared = each.iter().sum::<u64>() == all && each.iter().all(|owned| *owned <= share);
        if is_shared { Ok(()) } else { Err(format!("they own {each:?}")) }
    })
    .await;
}

fn whole(at: DateTime<Utc>) -> Timestamp {
    Timestamp::from(at.with_nanosecond(0).expect("a whole second"))
}

async fn wait_until(at: DateTime<Utc>) {
    while Utc::now() < at {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Sets up a promotion in each store, and returns its begin and its end.
fn add_everywhere(
    shops: &[(Merchant, Account)],
    in_seconds: i64,
    lasts: i64,
) -> (DateTime<Utc>, DateTime<Utc>) {
    let begins = Utc::now() + TimeDelta::seconds(in_seconds);
    let ends = begins + TimeDelta::seconds(lasts);
    for (_, till) in shops {
        let hours = (clock(begins, ZONE), clock(ends, ZONE));
        till.shop().add_promotion(happy_hour(Some(hours))).expect("a till has promotions");
    }
    (begins, ends)
}

/// Asserts that every store has these begins and ends, and no other.
async fn each_once(world: &World, shops: &[(Merchant, Account)], expected: &[(Action, Timestamp)]) {
    for (merchant, _) in shops {
        announced(world, merchant, expected.len()).await;
    }
    let merchants: Vec<&Merchant> = shops.iter().map(|(merchant, _)| merchant).collect();
    world.quiet(PATIENCE, &merchants, &[]).await;
    for merchant in merchants {
        assert_eq!(begins_and_ends(world, merchant).await, expected, "{}", merchant.store);
        world.assert_sound(merchant).await;
    }
}

async fn start() -> (World, Vec<(Merchant, Account)>) {
    let options = WorldOptions { scheduled_reads: SELDOM.to_vec(), ..WorldOptions::default() };
    let mut world = World::start_with(options, &Program::ALL).await;
    world.launch_replicas(Program::Fetch, 1).await;
    shared(&world).await;
    let shops = open(&world).await;
    (world, shops)
}

#[tokio::test(flavor = "multi_thread")]
async fn promotions_that_two_processes_watch_begin_and_end_once_though_one_is_killed_in_between() {
    let (mut world, shops) = start().await;
    let (begins, ends) = add_everywhere(&shops, 20, 25);
    for (merchant, _) in &shops {
        announced(&world, merchant, 1).await;
    }
    let victim = world.replicas(Program::Fetch)[0];
    assert!(owned(&world, victim).await > 0, "it watches some of the stores");
    world.kill_replica(victim).await;
    each_once(&world, &shops, &[(Action::Started, whole(begins)), (Action::Ended, whole(ends))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stalls_while_promotions_begin_announces_none_of_them_again() {
    let (world, shops) = start().await;
    let (begins, ends) = add_everywhere(&shops, 20, 40);
    wait_until(begins - TimeDelta::seconds(2)).await;
    let stalled = world.replicas(Program::Fetch)[0];
    let other = world.replicas(Program::Fetch)[1];
    world.replica(stalled).pause();
    eventually(PATIENCE, "the other process works on all partitions", async || {
        let owned = owned(&world, other).await;
        if owned == u64::from(world.bus.partitions().get()) {
            Ok(())
        } else {
            Err(format!("it owns {owned}"))
        }
    })
    .await;
    for (merchant, _) in &shops {
        announced(&world, merchant, 1).await;
    }
    // It goes on where it was, as if it were still the owner.
    world.replica(stalled).resume();
    each_once(&world, &shops, &[(Action::Started, whole(begins)), (Action::Ended, whole(ends))]).await;
}
