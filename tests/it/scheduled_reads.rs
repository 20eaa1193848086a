//! Lists that are read on a schedule: they make up for lost webhooks, retire only what complete lists lack, and go on after
//! a crash.

use crate::{PATIENCE, command_line::tillflow};
use chrono::Timelike as _;
use model::{ConflictKind, Quantity, Timestamp, Zone};
use simulator::{Chaos, NewVariant};
use std::{os::unix::process::ExitStatusExt as _, time::Duration};
use store::{CollectionRow, ConflictFilter};
use testkit::{Account, Merchant, Program, World, WorldOptions, eventually};

/// Signal number of SIGABRT.
const ABORTED: Option<i32> = Some(6);
/// Number of whole reads after which nothing that would be retired is still there.
const READS: u64 = 3;

async fn open(
    platform: &'static str,
    programs: &[Program],
    scheduled_reads: &[&'static str],
) -> (World, Merchant, Account) {
    let options = WorldOptions { scheduled_reads: scheduled_reads.to_vec(), ..WorldOptions::default() };
    let world = World::start_with(options, programs).await;
    let merchant = world.merchant("shop").await;
    let account = world.simulated(&merchant, platform).await;
    (world, merchant, account)
}

/// Puts products with one piece each on sale without a webhook; returns the platform's ids.
fn add(account: &Account, count: usize) -> Vec<String> {
    let shop = account.shop();
    shop.lose_webhooks(true);
    let add = |number: usize| {
        let variant = NewVariant::stocked(&format!("sku-{number}"), 950, 1, &shop.locations());
        let ids = shop.add_product(&format!("Tea {number}"), &[variant]).expect("the shop takes it");
        ids[0].product.clone()
    };
    (0..count).map(add).collect()
}

async fn until(what: &str, mut found: impl AsyncFnMut() -> Result<(), String>) {
    eventually(PATIENCE, what, async || found().await).await;
}

async fn products(world: &World) -> usize {
    world.sql("SELECT count(*) FROM products WHERE deleted_at IS NULL").await.parse().expect("a number")
}

async fn has_products(world: &World, count: usize) {
    until(&format!("{count} products"), async || {
        let found = products(world).await;
        if found == count { Ok(()) } else { Err(format!("there are {found}")) }
    })
    .await;
}

async fn collection(world: &World, account: &Account, name: &str) -> CollectionRow {
    let rows = world.store.collections(&account.connection).await.expect("the database answers");
    rows.into_iter().find(|row| row.collection == name).expect("it was read")
}

/// Waits until that many more whole reads of products have ended.
async fn reads_more(world: &World, account: &Account, more: u64) {
    let before = collection(world, account, "products").await.state.wholes;
    until("more whole reads", async || {
        let wholes = collection(world, account, "products").await.state.wholes;
        if wholes >= before + more { Ok(()) } else { Err(format!("{} more", wholes - before)) }
    })
    .await;
}

async fn many_missing(world: &World) -> usize {
    let filter = ConflictFilter { kind: Some(ConflictKind::ManyMissing), ..ConflictFilter::default() };
    world.store.conflicts(&filter, 10).await.expect("the database answers").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_webhook_is_made_up_for_by_the_next_scheduled_read() {
    makes_up_for_lost_webhooks("square", "every_seconds = 1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_carried_the_object_is_made_up_for_too() {
    // Its queries cost points, of which a shop has no more every second.
    makes_up_for_lost_webhooks("shopify", "every_seconds = 15").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_webhook_of_clover_is_made_up_for_by_the_next_read_of_its_lists() {
    makes_up_for_lost_webhooks("clover", "every_seconds = 1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_webhook_of_woocommerce_is_made_up_for_by_the_next_read_of_its_lists() {
    makes_up_for_lost_webhooks("woocommerce", "every_seconds = 4").await;
}

async fn makes_up_for_lost_webhooks(platform: &'static str, every: &'static str) {
    let (world, merchant, account) = open(platform, &Program::ALL, &[every]).await;
    let shop = account.shop();
    let tea = NewVariant::stocked("tea", 950, 10, &shop.locations());
    let ids = shop.add_product("Green tea", &[tea]).expect("the shop takes it").remove(0);
    let has = async |pieces: i32| {
        until(&format!("the store has {pieces}"), async || {
            let level = world.level(&merchant, "tea").await;
            if level == Some(Quantity::pieces(pieces)) { Ok(()) } else { Err(format!("{level:?}")) }
        })
        .await;
    };
    has(10).await;
    shop.deliver_now().await;
    shop.lose_webhooks(true);
    shop.sell(&ids.item, &account.location_id(), 3).expect("there is enough");
    shop.edit_title(&ids.product, "Sencha").expect("it is on sale");
    shop.edit_price(&ids.variant, 1_050).expect("it is on sale");
    has(7).await;
    until("the title", async || {
        let title = world.sql("SELECT title FROM products").await;
        if title == "Sencha" { Ok(()) } else { Err(title) }
    })
    .await;
    until("the price", async || {
        let price = world.sql("SELECT price_minor FROM variants").await;
        if price == "1050" { Ok(()) } else { Err(price) }
    })
    .await;
    until("the order", async || {
        let orders = world.sql("SELECT count(*) FROM orders").await;
        if orders == "1" { Ok(()) } else { Err(orders) }
    })
    .await;
    world.assert_sound(&merchant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_list_retires_nothing_and_what_two_lists_lack_is_gone() {
    retires_what_two_lists_lack("square", "every_seconds = 1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_list_of_clover_retires_nothing_and_what_two_lists_lack_is_gone() {
    retires_what_two_lists_lack("clover", "every_seconds = 1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_list_of_woocommerce_retires_nothing_and_what_two_lists_lack_is_gone() {
    retires_what_two_lists_lack("woocommerce", "every_seconds = 4").await;
}

async fn retires_what_two_lists_lack(platform: &'static str, every: &'static str) {
    let every_read_is_whole = [every, "whole_every_seconds = 0"];
    let (world, merchant, account) = open(platform, &Program::ALL, &every_read_is_whole).await;
    let ids = add(&account, 12);
    has_products(&world, 12).await;
    account.shop().leave_out_of_lists(&ids[..6]);
    until(
        "a conflict",
        // Where levels are listed by item, their list lacks as many.
        async || if many_missing(&world).await > 0 { Ok(()) } else { Err("none".to_owned()) },
    )
    .await;
    reads_more(&world, &account, READS).await;
    assert_eq!(products(&world).await, 12, "half a list retired something");

    account.shop().leave_out_of_lists(&ids[..2]);
    has_products(&world, 10).await;
    reads_more(&world, &account, READS).await;
    assert_eq!(many_missing(&world).await, 0, "the lists are plausible again");
    assert_eq!(products(&world).await, 10);
    world.assert_sound(&merchant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_was_killed_goes_on_with_the_page_that_was_under_way() {
    let others: Vec<_> = Program::ALL.into_iter().filter(|program| *program != Program::Fetch).collect();
    let (mut world, merchant, account) = open("square", &others, &["every_seconds = 20"]).await;
    // Seven pages: the sixth page of any list is one of these.
    add(&account, 620);
    let doomed = world.launch_to_die(Program::Fetch, "fetch.page_accepted:6");
    let (status, said) = world.death(doomed, Duration::from_mins(1)).await;
    assert_eq!(status.signal(), ABORTED, "{said}");
    let read = collection(&world, &account, "products").await.state.read.expect("it is under way");
    assert!(read.number == 1 && read.pages < 6, "{read:?}");
    world.launch(&[Program::Fetch]).await;
    has_products(&world, 620).await;
    until("the end of the read", async || {
        let state = collection(&world, &account, "products").await.state;
        let last = state.last.ok_or("it hasn't ended")?.read;
        assert_eq!((last.number, last.pages, last.seen, last.is_shifted), (1, 7, 620, false));
        Ok(())
    })
    .await;
    until("the levels", async || {
        let levels = world.sql("SELECT count(*) FROM inventory_levels").await;
        if levels == "620" { Ok(()) } else { Err(levels) }
    })
    .await;
    let repeated =
        world.sql("SELECT count(*) FROM (SELECT FROM events GROUP BY event_id HAVING count(*) > 1) AS x");
    assert_eq!(repeated.await, "0");
    world.assert_sound(&merchant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_connection_is_not_listed_and_its_window_is_read_when_it_is_active_again() {
    let (world, merchant, account) = open("square", &Program::ALL, &["every_seconds = 1"]).await;
    add(&account, 2);
    has_products(&world, 2).await;
    world.store.set_enabled(&account.connection, false).await.expect("the database answers");
    // A page that was under way may end.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = (account.shop().calls().len(), collection(&world, &account, "products").await.state);
    let shop = account.shop();
    let variant = NewVariant::stocked("meanwhile", 950, 5, &shop.locations());
    shop.add_product("Meanwhile", &[variant]).expect("the shop takes it");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = (shop.calls().len(), collection(&world, &account, "products").await.state);
    assert_eq!(before, after, "a paused connection was called");
    world.store.set_enabled(&account.connection, true).await.expect("the database answers");
    has_products(&world, 3).await;
    until("its level", async || {
        let level = world.level(&merchant, "meanwhile").await;
        if level == Some(Quantity::pieces(5)) { Ok(()) } else { Err(format!("{level:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_while_missing_objects_are_counted_or_retired_changes_nothing() {
    let every_read_is_whole = ["every_seconds = 1", "whole_every_seconds = 0"];
    let (mut world, merchant, account) = open("square", &Program::ALL, &every_read_is_whole).await;
    let ids = add(&account, 12);
    has_products(&world, 12).await;
    world.kill(Program::Fetch).await;
    account.shop().leave_out_of_lists(&ids[..2]);
    for point in ["fetch.compared:1", "fetch.gone_accepted:1"] {
        let doomed = world.launch_to_die(Program::Fetch, point);
        let (status, said) = world.death(doomed, Duration::from_mins(1)).await;
        assert_eq!(status.signal(), ABORTED, "{point}: {said}");
    }
    world.launch(&[Program::Fetch]).await;
    has_products(&world, 10).await;
    reads_more(&world, &account, READS).await;
    assert_eq!(products(&world).await, 10);
    let deletions =
        world.sql("SELECT count(*) FROM events WHERE entity = 'product' AND action = 'deleted'").await;
    assert_eq!(deletions, "2", "each was deleted once");
    world.assert_sound(&merchant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_has_lists_read_at_once_accepts_what_is_missing_and_fills_gaps() {
    // No list is due by itself while the test runs: the first ones are spread over six minutes.
    let (world, merchant, account) = open("square", &Program::ALL, &["every_seconds = 3600"]).await;
    let connection = account.connection.as_str();
    let ids = add(&account, 5);
    let run = async |more: &[&str]| {
        let arguments =
            [&["sync", "run", "--connection", connection, "--collection", "products"], more].concat();
        tillflow(&world, &arguments).await
    };
    let lines = run(&["--whole"]).await.well();
    assert_eq!((&lines[0]["outcome"], &lines[0]["seen"]), (&"complete".into(), &5.into()), "{lines:?}");
    has_products(&world, 5).await;

    account.shop().leave_out_of_lists(&ids);
    for _ in 0..3 {
        let lines = run(&["--whole"]).await.well();
        assert_eq!((&lines[0]["missing"], &lines[0]["gone"]), (&5.into(), &0.into()), "{lines:?}");
    }
    assert_eq!((products(&world).await, many_missing(&world).await), (5, 1));
    let lines = run(&["--whole", "--accept-missing"]).await.well();
    assert_eq!(lines[0]["gone"], 5, "{lines:?}");
    has_products(&world, 0).await;
    assert_eq!(many_missing(&world).await, 0);

    let shop = account.shop();
    let item = shop.items().remove(0).item;
    shop.sell(&item, &account.location_id(), 1).expect("there is one");
    let backfill = ["backfill", "--connection", connection, "--since", "2020-01-01T00:00:00Z"];
    let lines = tillflow(&world, &[&backfill[..], &["--collection", "orders"]].concat()).await.well();
    assert_eq!((&lines[0]["outcome"], &lines[0]["seen"]), (&"complete".into(), &1.into()), "{lines:?}");
    let status = tillflow(&world, &["sync", "status", "--connection", connection]).await.well();
    let orders = status.iter().find(|line| line["collection"] == "orders").expect("it was read");
    assert_eq!(orders["last"]["outcome"], "complete");

    assert_eq!(run(&["--collection", "nothing"]).await.code, 1);
    assert_eq!(
        tillflow(&world, &[&backfill[..], &["--until", "2019-01-01T00:00:00Z"]].concat()).await.code,
        2
    );
    assert_eq!(tillflow(&world, &["sync", "status", "--connection", "nobody"]).await.code, 1);
    world.assert_sound(&merchant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_reads_have_the_times_of_the_stores_clock_that_a_person_chose() {
    let (world, _, account) = open("square", &Program::ALL, &["every_seconds = 3600"]).await;
    world.sql("UPDATE stores SET timezone = 'America/Denver'").await;
    let connection = account.connection.as_str();
    let run = ["sync", "run", "--connection", connection, "--whole"];
    tillflow(&world, &run).await.well();
    let times = async |more: &[&str]| {
        tillflow(&world, &[&["sync", "times", "--connection", connection][..], more].concat()).await
    };
    let shown = async |pattern: Option<&str>, hour: u32| {
        until("the next whole read", async || {
            let lines = tillflow(&world, &["sync", "status", "--connection", connection]).await.well();
            let line = lines.iter().find(|line| line["collection"] == "products").expect("it was read");
            let due = line["whole_due_at"].as_str().ok_or_else(|| line.to_string())?;
            let due = Timestamp::parse(due).expect("a time");
            let local = Zone::parse("America/Denver").expect("a zone").local(due);
            if line["whole_times"].as_str() == pattern && local.hour() == hour {
                Ok(())
            } else {
                Err(line.to_string())
            }
        })
        .await;
    };
    shown(None, 3).await;
    times(&["--collection", "products", "--at", "0 4 * * *"]).await.well();
    shown(Some("0 4 * * *"), 4).await;
    times(&["--default"]).await.well();
    shown(None, 3).await;
    for wrong in ["04:00", "0 0 31 2 *", "0 0 4 * * *"] {
        assert_eq!(times(&["--at", wrong]).await.code, 2, "{wrong}");
    }
    assert_eq!(times(&["--collection", "nothing", "--default"]).await.code, 1);
    assert_eq!(times(&[]).await.code, 2, "neither times nor the default");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_after_a_limit_of_calls_outlives_the_process() {
    let (mut world, _, account) = open("square", &Program::ALL, &["every_seconds = 1"]).await;
    add(&account, 2);
    has_products(&world, 2).await;
    account.shop().set_chaos(Chaos { throttle_429: 1.0, ..Chaos::default() });
    until("a limited list", async || {
        let rows = world.store.collections(&account.connection).await.expect("the database answers");
        limited(&rows).map(drop).ok_or("none".to_owned())
    })
    .await;
    world.kill(Program::Fetch).await;
    let rows = world.store.collections(&account.connection).await.expect("the database answers");
    let before = limited(&rows).expect("it still is");
    account.shop().set_chaos(Chaos::default());
    let seen = account.shop().calls_since(0).1;
    world.launch(&[Program::Fetch]).await;
    until("the list is read again", async || {
        let state = collection(&world, &account, &before.collection).await.state;
        if state.complete_at > before.state.complete_at { Ok(()) } else { Err(format!("{:?}", state.due_at)) }
    })
    .await;
    let path = path(&before).expect("it has one of its own");
    let calls = account.shop().calls_since(seen).0;
    let first = calls.iter().find(|call| call.path.starts_with(path)).expect("it was read");
    let (first, due_at) = (Timestamp::from(first.arrived_at), before.state.due_at);
    assert!(first >= due_at, "{} was read at {first}, and wasn't due before {due_at}", before.collection);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_intake_did_not_accept_is_not_remembered_as_reported() {
    // Only what differs from the former list is reported.
    let every_read_is_whole = ["every_seconds = 1", "whole_every_seconds = 0"];
    let (mut world, merchant, account) = open("square", &Program::ALL, &every_read_is_whole).await;
    add(&account, 2);
    has_products(&world, 2).await;
    reads_more(&world, &account, 1).await;
    world.kill(Program::Ingest).await;
    let shop = account.shop();
    let variant = NewVariant::stocked("meanwhile", 950, 5, &shop.locations());
    shop.add_product("Meanwhile", &[variant]).expect("the shop takes it");
    until("a page that nobody takes", async || {
        let state = collection(&world, &account, "products").await.state;
        if state.failure.is_some() { Ok(()) } else { Err(format!("{state:?}")) }
    })
    .await;
    world.launch(&[Program::Ingest]).await;
    has_products(&world, 3).await;
    world.assert_sound(&merchant).await;
}

/// The path of a list's calls; `None` if another list has the same: products and promotions are parts of one catalog.
fn path(row: &CollectionRow) -> Option<&'static str> {
    match row.collection.as_str() {
        "levels" => Some("/v2/inventory"),
        "customers" => Some("/v2/customers"),
        "orders" => Some("/v2/orders"),
        _ => None,
    }
}

/// The list with a path of its own whose next attempt after a limit of calls is the last.
fn limited(rows: &[CollectionRow]) -> Option<CollectionRow> {
    let attempts = |row: &CollectionRow| row.state.read.as_ref().map_or(0, |read| read.attempts);
    let is_limited = |row: &&CollectionRow| path(row).is_some() && attempts(row) > 0;
    rows.iter().filter(is_limited).max_by_key(|row| row.state.due_at).cloned()
}
