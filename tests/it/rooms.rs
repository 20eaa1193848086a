//! DEAD and RAW are shared by all tenants: a tenant that fills them obstructs only itself.

use crate::{PATIENCE, clients::partner, command_line::tillflow};
use async_nats::jetstream;
use bus::Feed;
use model::{ConflictKind, Outcome, Partition, Quantity};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use store::ConflictFilter;
use testkit::{Account, AccountOptions, Merchant, Program, Sender, World, WorldOptions, eventually};

const ITEM: u64 = 1101;
const LEVEL: &str = "inventory_levels/update";
/// Small enough that a shop's invalid deliveries of a minute exceed it.
const DEAD_BYTES: u64 = 512 << 10;
/// Share of it for one connection.
const SHARE_BYTES: u64 = DEAD_BYTES / 16;
/// Small enough that some dozen long bodies fill RAW.
const RAW_BYTES: u64 = 1 << 20;
/// Size of a body that is too long to be stored in its dead letter.
const LONG_BYTES: usize = 64 << 10;
const GARBAGE_BYTES: usize = 4 << 10;
const GARBAGE: usize = 200;

/// A signed, incompressible body that no platform sends.
fn garbage(seed: usize, bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed as u64 + 1);
    let mut digit = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[(state % 64) as usize])
    };
    let text: String = (0..bytes).map(|_| digit()).collect();
    format!("{{\"available\": \"{text}\"}}").into_bytes()
}

async fn shop(world: &World, name: &str) -> (Merchant, Account) {
    let merchant = world.merchant(name).await;
    stocked(world, merchant, AccountOptions::silent()).await
}

async fn stocked(world: &World, merchant: Merchant, options: AccountOptions) -> (Merchant, Account) {
    let account = world.account(&merchant, "shopify", options).await;
    Sender::default().send_until_kept(&account.product("made", 1000, "Tea", 1, 0), PATIENCE).await;
    (merchant, account)
}

async fn dead_letters(world: &World) -> Vec<Value> {
    tillflow(world, &["dlq", "ls", "--dead-letters", "--limit", "10000"]).await.well()
}

/// Number of dead letters, and total bytes of their bodies, by store.
fn of_stores(dead_letters: &[Value]) -> BTreeMap<String, (u64, u64)> {
    let mut of_stores = BTreeMap::<_, (u64, u64)>::new();
    for dead_letter in dead_letters {
        let (store, bytes) = (dead_letter["store"].as_str(), dead_letter["original_bytes"].as_u64());
        let of = of_stores.entry(store.expect("a store").to_owned()).or_default();
        *of = (of.0 + 1, of.1 + bytes.expect("a number"));
    }
    of_stores
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_sends_garbage_takes_no_other_shops_room_and_stops_nobody() {
    let options = WorldOptions { dead_max_bytes: Some(DEAD_BYTES), ..WorldOptions::default() };
    let world = World::start_with(options, &Program::ALL).await;
    let (honest, honest_account) = shop(&world, "honest").await;
    // In the partition of the honest shop.
    let partition = world.bus.partitions().of(&honest.store);
    let (mut noisy, mut noisy_account) = shop(&world, "noisy-0").await;
    for number in 1.. {
        if world.bus.partitions().of(&noisy.store) == partition {
            break;
        }
        (noisy, noisy_account) = shop(&world, &format!("noisy-{number}")).await;
    }
    let sender = Sender::default();
    sender.send_until_kept(&honest_account.sign(LEVEL, "odd", garbage(0, 100)), PATIENCE).await;
    let mut sent = Vec::new();
    for number in 1..=GARBAGE {
        let body = garbage(number, GARBAGE_BYTES);
        let delivery = noisy_account.sign(LEVEL, &format!("garbage-{number}"), body);
        sent.push(sender.send_until_kept(&delivery, PATIENCE).await.0);
    }
    assert!((GARBAGE * GARBAGE_BYTES) as u64 > DEAD_BYTES, "more than there is room for");
    let (level, _) = sender.send_until_kept(&honest_account.level("level", ITEM, 7, 1), PATIENCE).await;
    assert_eq!(world.event_outcome(PATIENCE, &honest, &level).await.outcome, Outcome::Applied);
    assert_eq!(world.level(&honest, "sku-1000-1").await, Some(Quantity::pieces(7)));

    eventually(PATIENCE, "the noisy one has lost what is too much", async || {
        let there = of_stores(&dead_letters(&world).await);
        let (count, bytes) = there.get(noisy.store.as_str()).copied().unwrap_or_default();
        if count > 0 && bytes <= SHARE_BYTES { Ok(()) } else { Err(format!("{there:?}")) }
    })
    .await;
    let there = dead_letters(&world).await;
    assert_eq!(of_stores(&there)[honest.store.as_str()].0, 1, "the honest one's dead letter stays");
    assert_eq!(
        there.last().expect("dead_letters")["delivery_id"].as_str(),
        sent.last().map(String::as_str),
        "the newest stay"
    );
    world.quiet(PATIENCE, &[&honest, &noisy], &[]).await;
    let outcomes = world.outcomes().await;
    for delivery in &sent {
        let ended: Vec<&str> = outcomes.of(delivery).iter().map(|ended| ended.outcome.as_str()).collect();
        assert_eq!(ended, ["dead"], "each has its outcome in the record");
    }
    let discarded =
        world.scrape().await.count("tillflow_dead_letters_discarded_total", &[("room", "connection")]);
    assert_eq!(discarded, (GARBAGE + 1 - there.len()) as u64);
}

/// The first dead letter, with its original's bytes.
async fn first(world: &World) -> Value {
    let number = dead_letters(world).await[0]["dead_letter"].to_string();
    tillflow(world, &["dlq", "show", &number, "--bytes"]).await.well().remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_body_stays_in_raw_and_comes_into_dead_before_raw_gives_it_up() {
    let options = WorldOptions { feed_max_bytes: Some(RAW_BYTES), ..WorldOptions::default() };
    let world = World::start_with(options, &Program::ALL).await;
    let (merchant, account) = shop(&world, "shop").await;
    let sender = Sender::default();
    let body = garbage(0, LONG_BYTES);
    let (delivery, _) = sender.send_until_kept(&account.sign(LEVEL, "long", body.clone()), PATIENCE).await;
    eventually(PATIENCE, "there is a dead letter", async || match dead_letters(&world).await.len() {
        1 => Ok(()),
        count => Err(format!("there are {count}")),
    })
    .await;
    let dead_letter = first(&world).await;
    assert_eq!(dead_letter["original_in"], "raw", "{}", dead_letter["reason"]);
    assert_eq!(dead_letter["original"].as_str().map(str::as_bytes), Some(&body[..]));

    let partition = world.bus.partitions().of(&merchant.store);
    let mut number = 0;
    let taken_over = async || {
        let mut dead_letters = dead_letters(&world).await.into_iter();
        dead_letters.find(|dead_letter| {
            dead_letter["delivery_id"] == delivery.as_str() && dead_letter["original_in"] == "dead"
        })
    };
    while taken_over().await.is_none() {
        number += 1;
        assert!(number < 60, "RAW gives nothing up");
        let delivery = account.sign(LEVEL, &format!("long-{number}"), garbage(number, LONG_BYTES));
        sender.send_until_kept(&delivery, PATIENCE).await;
    }
    eventually(PATIENCE, "RAW has given the body up", async || {
        let first = world.bus.message_at(Feed::Raw, partition, 2).await.map_err(|error| error.to_string())?;
        if first.is_none() { Ok(()) } else { Err("it is there".to_owned()) }
    })
    .await;
    let dead_letter = taken_over().await.expect("it is there");
    let shown =
        tillflow(&world, &["dlq", "show", &dead_letter["dead_letter"].to_string(), "--bytes"]).await.well();
    assert_eq!(shown[0]["original"].as_str().map(str::as_bytes), Some(&body[..]));
    let again = tillflow(&world, &["dlq", "replay", &dead_letter["dead_letter"].to_string()]).await.well();
    assert_eq!(again[0]["done"].as_u64(), Some(1));
}

/// The pause between two deliveries of the tenant that fills RAW; the fill level is read once a second.
const FILLS_EVERY: Duration = Duration::from_millis(50);
/// Number of long bodies that exceed RAW's size.
const FILLING: usize = 60;

/// A shop of another tenant, in that partition.
async fn neighbour(world: &World, name: &str, partition: Partition) -> (Merchant, Account) {
    let options = || AccountOptions { requests_per_minute: 1_600, ..AccountOptions::silent() };
    for number in 0.. {
        let merchant = world.merchant_of(name, &format!("{name}-{number}")).await;
        if world.bus.partitions().of(&merchant.store) == partition {
            return stocked(world, merchant, options()).await;
        }
    }
    unreachable!("there are many names")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_holds_its_share_of_raw_is_turned_away_at_both_intakes_and_no_other_notices() {
    let options = WorldOptions { feed_max_bytes: Some(RAW_BYTES), ..WorldOptions::default() };
    let world = World::start_with(options, &Program::ALL).await;
    let (honest, honest_account) = shop(&world, "honest").await;
    let partition = world.bus.partitions().of(&honest.store);
    let first = world.bus.tail(Feed::Raw, partition).await.expect("it answers").expect("there is one");
    let (noisy, noisy_account) = neighbour(&world, "noisy", partition).await;
    let sender = Sender::default();

    let mut kept = Vec::new();
    let refused = loop {
        let number = kept.len();
        assert!(number < FILLING, "it is never turned away");
        let delivery = noisy_account.sign(LEVEL, &format!("long-{number}"), garbage(number, LONG_BYTES));
        let response = sender.send(&delivery).await.expect("the intake answers");
        match response.delivery() {
            Some(id) => kept.push(id),
            None => break response,
        }
        tokio::time::sleep(FILLS_EVERY).await;
    };
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("300")), "{refused:?}");
    let detail = refused.body["detail"].as_str().unwrap_or_default();
    assert!(detail.starts_with("the tenant of this connection holds more"), "{refused:?}");
    let publisher = jetstream::new(partner(&world, &noisy, &noisy_account).await);
    let to = format!("pos.in.{}.{}.{LEVEL}", noisy.store, noisy_account.connection);
    let published = publisher.publish(to, garbage(0, 100).into()).await.expect("it is sent").await;
    let refused = format!("{:?}", published.expect_err("the other intake refuses it too"));
    assert!(refused.contains("429"), "{refused}");

    // The other shop continues, and RAW keeps its history.
    for (level, second) in [(7, 1), (6, 2), (5, 3)] {
        let delivery = honest_account.level(&format!("level-{level}"), ITEM, level, second);
        let response = sender.send(&delivery).await.expect("the intake answers");
        assert_eq!(response.status, 200, "{response:?}");
        let id = response.delivery().expect("it is kept");
        assert_eq!(world.event_outcome(PATIENCE, &honest, &id).await.outcome, Outcome::Applied);
    }
    assert_eq!(world.level(&honest, "sku-1000-1").await, Some(Quantity::pieces(5)));
    let usage = world.bus.usage(Feed::Raw).await.expect("the broker answers");
    assert!((0.4..0.7).contains(&usage), "what came in the last second may count twice: {usage}");
    let still = world.bus.message_at(Feed::Raw, partition, first.sequence).await.expect("it answers");
    assert!(still.is_some(), "nothing was discarded");

    let reported = eventually(PATIENCE, "the doctor reports who holds so much", async || {
        let doctor = tillflow(&world, &["doctor"]).await;
        let alerts = doctor.lines[0]["alerts"].as_array().cloned().unwrap_or_default();
        let alert = alerts.iter().find(|alert| alert["error"] == "raw_share").map(ToString::to_string);
        alert.filter(|_| doctor.code == 1).ok_or_else(|| format!("{doctor:?}"))
    })
    .await;
    assert!(reported.contains("tenant noisy (") && !reported.contains("tests"), "{reported}");
    let conflicts = eventually(PATIENCE, "it is a conflict of the connection", async || {
        let filter = ConflictFilter { kind: Some(ConflictKind::HoldsTooMuch), ..ConflictFilter::default() };
        let rows = world.store.conflicts(&filter, 10).await.expect("the database answers");
        if rows.is_empty() { Err("there is none") } else { Ok(rows) }
    })
    .await;
    let of: Vec<&str> = conflicts.iter().map(|row| row.conflict.connection.as_str()).collect();
    assert_eq!(of, [noisy_account.connection.as_str()]);
    let scrape = world.scrape().await;
    assert_eq!(scrape.count("tillflow_held_too_much_total", &[("holder", "tenant")]), 2);
    world.quiet(PATIENCE, &[&honest, &noisy], &[]).await;
    let outcomes = world.outcomes().await;
    for delivery in &kept {
        let ended: Vec<&str> = outcomes.of(delivery).iter().map(|ended| ended.outcome.as_str()).collect();
        assert_eq!(ended, ["dead"], "what was kept has its end");
    }
}
