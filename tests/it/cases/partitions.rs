//! A store in every partition, to check that each partition makes progress.

use super::{
    case::{Expect, OneOf},
    play::Player,
    shop::{Platforms, Shop},
};
use crate::PATIENCE;
use futures::future;
use model::StoreId;
use std::time::Instant;
use testkit::{Program, Scrape, World};

/// Causes of a partition's stop by itself; another owner's claim is none of them.
const CAUSES: [&str; 2] = ["fault", "panic"];

/// The stores, and the services' counts before anything was sent to the stores.
pub(super) struct Partitions {
    shops: Vec<Shop>,
    interrupted: Vec<u64>,
}

impl Partitions {
    /// Makes a store in every partition.
    pub(super) async fn open(world: &World, platforms: &Platforms) -> Self {
        let mut shops = Vec::new();
        for partition in world.bus.partitions().all() {
            let names = (0..).map(|number| format!("p{}-{number}", partition.0));
            let lies_there = |name: &String| {
                StoreId::new(name).is_ok_and(|store| world.bus.partitions().of(&store) == partition)
            };
            let name = names.into_iter().find(lies_there).expect("every partition has some store");
            shops.push(Shop::open(world, platforms, &name).await);
        }
        Self { shops, interrupted: interruptions(&world.scrape().await) }
    }

    /// The stores, one for each partition.
    pub(super) fn shops(&self) -> &[Shop] {
        &self.shops
    }

    /// Present faults: a partition that doesn't apply, a consumer that lags behind, a partition that has stopped since,
    /// a delivery without an outcome or with two.
    pub(super) async fn complaints(&self, player: &Player<'_>) -> Vec<String> {
        let moves = self.shops.iter().map(|shop| moves(player, shop));
        let mut complaints: Vec<String> = future::join_all(moves).await.into_iter().flatten().collect();
        for consumer in ["propagate", "fetch"] {
            complaints.extend(player.keeps_up(consumer, None).await);
        }
        complaints.extend(unbalanced(player.world).await);
        let now = interruptions(&player.world.scrape().await);
        for (program, (now, before)) in Program::ALL.iter().zip(now.iter().zip(&self.interrupted)) {
            if now > before {
                let (name, times) = (program.name(), now - before);
                complaints.push(format!("partitions of {name} have stopped by themselves {times} times"));
            }
        }
        complaints
    }
}

/// Sends a valid product and waits until it is applied.
async fn moves(player: &Player<'_>, shop: &Shop) -> Option<String> {
    const PRODUCT: u64 = 77_000_000_000;
    /// Later than any other report in these tests.
    const SECOND: i64 = 30_000_000;
    let product = shop.account("shopify").product("sound", PRODUCT, "Sound", 1, SECOND);
    let store = &shop.merchant.store;
    let Some(delivery) = player.sender.send(&product).await.and_then(|response| response.delivery()) else {
        return Some(format!("store {store}: a sound product isn't kept"));
    };
    let expect = Expect { outcome: Some(OneOf::One("applied".to_owned())), ..Expect::default() };
    let ended = player.ended(&delivery, &expect).await;
    match ended.as_slice() {
        [one] if one.outcome == "applied" => None,
        [] => Some(format!("store {store}: the partition doesn't move")),
        other => Some(format!("store {store}: a sound product ended {other:?}")),
    }
}

/// The stores that after a while still have events in flight, or have more outcomes than accepted events.
async fn unbalanced(world: &World) -> Option<String> {
    const QUERY: &str = "SELECT coalesce(string_agg(store || ' ' || in_flight, ', '), '') FROM conservation \
        WHERE in_flight <> 0";
    let deadline = Instant::now() + PATIENCE;
    loop {
        let unbalanced = world.sql(QUERY).await;
        if unbalanced.is_empty() {
            return None;
        }
        if Instant::now() > deadline {
            return Some(format!("in flight: {unbalanced}"));
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// Number of times that partitions of each service have stopped by themselves.
fn interruptions(scrape: &Scrape) -> Vec<u64> {
    let of =
        |stage, cause| scrape.count("tillflow_interruptions_total", &[("stage", stage), ("cause", cause)]);
    Program::ALL.iter().map(|program| CAUSES.iter().map(|cause| of(program.name(), cause)).sum()).collect()
}
