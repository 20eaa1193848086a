//! Rebuilds of the current state from the event store.

use crate::{
    PATIENCE,
    command_line::{Said, tillflow},
    replay::lived,
};
use model::{Quantity, StoreId};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use testkit::{AccountOptions, Program, Sender, World};

/// Id of the product; its first variant has the next number, and that variant's item one that is a hundred higher.
const PRODUCT: u64 = 1000;
/// Services that bring events into the record.
const STAGES: [Program; 5] =
    [Program::Ingest, Program::Normalize, Program::Dedupe, Program::Enrich, Program::Apply];
const STORES: [&str; 2] = ["shop", "silent"];

async fn digests(world: &World) -> Vec<BTreeMap<String, String>> {
    let mut digests = Vec::new();
    for store in STORES {
        let store = StoreId::new(store).expect("a store's id");
        digests.push(world.store.digest(&store).await.expect("a digest"));
    }
    digests
}

/// The differences found, as table and kind, and the summary.
fn found(said: &Said) -> (BTreeSet<(String, String)>, Value) {
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let differences = said.lines.iter().filter(|line| line["kind"] == "difference");
    let found = differences.map(|line| (text(line, "table"), text(line, "what"))).collect();
    (found, said.lines.last().expect("there is a summary").clone())
}

fn expected(found: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    found.iter().map(|(table, what)| ((*table).to_owned(), (*what).to_owned())).collect()
}

/// Damage that services can't cause: rows of all kinds are missing or differ; one can't even be parsed any more.
const DAMAGE: &str = "
UPDATE inventory_levels SET quantity = quantity + 7
    WHERE (variant, location) IN (SELECT variant, location FROM inventory_levels WHERE store = 'shop' LIMIT 1);
DELETE FROM inventory_levels WHERE store = 'silent';
DELETE FROM inventory_movements WHERE store = 'shop' AND sequence % 3 = 0;
UPDATE products SET title = 'Poor tea', deleted_at = now() WHERE title = 'Fine tea';
UPDATE products SET vendor = NULL, title_at = NULL WHERE store = 'silent';
DELETE FROM variants WHERE sku = 'mug';
UPDATE variants SET price_minor = 1, sku_at = sku_at - interval '1 day' WHERE sku = 'tea';
DELETE FROM orders WHERE id = (SELECT min(id) FROM orders);
UPDATE orders SET status = 'open', body = '{}' WHERE id = (SELECT max(id) FROM orders)";
const DAMAGED: [(&str, &str); 9] = [
    ("inventory_levels", "differs"),
    ("inventory_levels", "missing"),
    ("inventory_movements", "missing"),
    ("products", "differs"),
    ("variants", "missing"),
    ("variants", "differs"),
    ("orders", "missing"),
    ("orders", "differs"),
    ("orders", "differs"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_names_what_differs_from_the_events_and_puts_it_right_while_services_run() {
    let world = World::start(&Program::ALL).await;
    let (merchant, shopify, square) = lived(&world).await;
    let before = digests(&world).await;
    let clean = tillflow(&world, &["rebuild", "--dry-run"]).await.well();
    assert_eq!(clean.len(), 1, "nothing differs: {clean:?}");
    assert!(clean[0]["changes"].as_u64() > Some(50) && clean[0]["stores"] == 2, "{clean:?}");

    world.sql(DAMAGE).await;
    let damaged = digests(&world).await;
    let looked = tillflow(&world, &["rebuild", "--dry-run"]).await;
    assert_eq!((looked.code, found(&looked).0), (1, expected(&DAMAGED)), "{looked:?}");
    assert_eq!(digests(&world).await, damaged, "nothing was written");
    let title = looked.lines.iter().find(|line| line["columns"].to_string().contains("\"title\""));
    let title = title.expect("the product is named");
    assert_eq!((title["store"].as_str(), title["columns"].as_array().map(Vec::len)), (Some("shop"), Some(2)));

    let rebuilt = tillflow(&world, &["rebuild"]).await;
    assert_eq!((rebuilt.code, found(&rebuilt).0), (0, expected(&DAMAGED)), "{rebuilt:?}");
    assert_eq!(found(&rebuilt).1["corrected"], found(&looked).1["corrected"]);
    assert_eq!(digests(&world).await, before, "all is as it was");
    let again = tillflow(&world, &["rebuild"]).await.well();
    assert_eq!((again.len(), again[0]["corrected"].as_u64()), (1, Some(0)), "{again:?}");
    world.quiet(PATIENCE, &[&merchant], &[&shopify, &square]).await;
    world.assert_sound(&merchant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_over_damaged_rows_counts_and_so_does_what_happens_while_they_are_put_right() {
    let world = World::start(&STAGES).await;
    let merchant = world.merchant("shop").await;
    let account = world.account(&merchant, "shopify", AccountOptions::silent()).await;
    let sender = Sender::default();
    let left = async |left: u64| {
        let second = 100 - i64::try_from(left).expect("small");
        let level = account.level(&format!("left-{left}"), PRODUCT + 101, 100 - second, second);
        sender.send_until_kept(&level, PATIENCE).await
    };
    let sku = format!("sku-{PRODUCT}-1");
    sender.send_until_kept(&account.product("made", PRODUCT, "Tea", 1, 0), PATIENCE).await;
    left(100).await;
    world.quiet(PATIENCE, &[&merchant], &[]).await;
    world.sql("UPDATE inventory_levels SET quantity = 0; UPDATE products SET title = 'Poor tea'").await;
    left(99).await;
    world.quiet(PATIENCE, &[&merchant], &[]).await;
    assert_eq!(world.level(&merchant, &sku).await, Some(Quantity::pieces(-1)));

    let living = async {
        for now in (40..99).rev() {
            left(now).await;
        }
    };
    let (rebuilt, ()) = tokio::join!(tillflow(&world, &["rebuild"]), living);
    let differ = expected(&[("inventory_levels", "differs"), ("products", "differs")]);
    assert_eq!((rebuilt.code, found(&rebuilt).0), (0, differ), "{rebuilt:?}");
    world.quiet(PATIENCE, &[&merchant], &[]).await;
    assert_eq!(world.level(&merchant, &sku).await, Some(Quantity::pieces(40)));
    let clean = tillflow(&world, &["rebuild", "--dry-run"]).await.well();
    assert_eq!(clean.len(), 1, "{clean:?}");
    world.assert_sound(&merchant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_goes_on_where_it_was_cut_short_and_leaves_alone_what_no_event_changed() {
    let world = World::start(&Program::ALL).await;
    lived(&world).await;
    let before = digests(&world).await;

    // As if it had been killed between the two stores.
    tillflow(&world, &["rebuild"]).await.well();
    world.sql("UPDATE rebuilds SET finished_at = NULL WHERE store = 'silent'").await;
    world.sql("UPDATE inventory_levels SET quantity = 0").await;
    let resumed = tillflow(&world, &["rebuild"]).await.well();
    let summary = resumed.last().expect("there is a summary");
    assert_eq!((summary["stores"].as_u64(), summary["stores_done_before"].as_u64()), (Some(1), Some(1)));
    assert_eq!(digests(&world).await[1], before[1]);
    assert_ne!(digests(&world).await[0], before[0], "it was done before");
    world.sql("UPDATE rebuilds SET finished_at = NULL WHERE store = 'silent'").await;
    let anew = tillflow(&world, &["rebuild", "--restart"]).await.well();
    assert_eq!(anew.last().map(|line| line["stores"].as_u64()), Some(Some(2)));
    assert_eq!(digests(&world).await, before);

    world
        .sql(
            "UPDATE inventory_movements SET delta = delta + 1
                 WHERE store = 'shop' AND sequence = (SELECT max(sequence) FROM inventory_movements WHERE store = 'shop');
             INSERT INTO orders SELECT 'made_up', tenant, store, connection, external, version, status, total_minor,
                 total_currency, is_refund, placed_at, closed_at, body FROM orders LIMIT 1;
             UPDATE stores SET last_sequence = last_sequence + 1 WHERE id = 'silent';
             UPDATE products SET title = 'Poor' WHERE store = 'silent'",
        )
        .await;
    let rebuilt = tillflow(&world, &["rebuild"]).await;
    let left = [("inventory_movements", "differs"), ("orders", "without_event")];
    assert_eq!((rebuilt.code, found(&rebuilt).0), (1, expected(&left)), "{rebuilt:?}");
    assert_eq!(found(&rebuilt).1["left_alone"], 3);
    let broken = rebuilt.lines.iter().find(|line| line["kind"] == "broken").expect("a change is missing");
    assert_eq!(broken["store"], "silent");
    assert_eq!(
        world.sql("SELECT count(*) FROM products WHERE title = 'Poor'").await,
        "1",
        "it was left alone"
    );
    assert_eq!(world.sql("SELECT count(*) FROM orders WHERE id = 'made_up'").await, "1");

    let one = tillflow(&world, &["rebuild", "--store", "shop"]).await;
    assert_eq!((one.code, found(&one).1["stores"].as_u64()), (1, Some(1)));
    let unknown = tillflow(&world, &["rebuild", "--store", "nobody"]).await;
    assert_eq!(unknown.code, 1);
    assert!(unknown.error.contains("there is no store nobody"), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_longer_than_one_page_is_rebuilt_whole() {
    const ITEMS: u64 = 100;
    const ROUNDS: i64 = 12;
    let world = World::start(&STAGES).await;
    let merchant = world.merchant("shop").await;
    let account = world.account(&merchant, "shopify", AccountOptions::silent()).await;
    let sender = Sender::default();
    sender.send_until_kept(&account.product("made", PRODUCT, "Tea", ITEMS, 0), PATIENCE).await;
    for round in 1..=ROUNDS {
        let reported = (1..=ITEMS).map(|item| {
            let level = account.level(&format!("{item}-{round}"), PRODUCT + item + 100, 2 * round, round);
            let sender = &sender;
            async move { sender.send_until_kept(&level, PATIENCE).await }
        });
        futures::future::join_all(reported).await;
    }
    world.quiet(PATIENCE, &[&merchant], &[]).await;
    let before = world.store.digest(&merchant.store).await.expect("a digest");
    world.sql("TRUNCATE inventory_levels, inventory_movements, products, variants").await;
    let rebuilt = tillflow(&world, &["rebuild"]).await;
    assert_eq!(rebuilt.code, 0, "{}", rebuilt.error);
    assert_eq!(found(&rebuilt).1["changes"], 1 + ITEMS * ROUNDS.unsigned_abs());
    assert_eq!(world.store.digest(&merchant.store).await.expect("a digest"), before);
    let clean = tillflow(&world, &["rebuild", "--dry-run"]).await;
    assert_eq!(clean.well().len(), 1);
}
