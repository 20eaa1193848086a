//! Matches between the items of two shops: proposed, made without a person, accepted, rejected, undone.

use crate::{
    PATIENCE,
    command_line::{Said, tillflow},
};
use serde_json::Value;
use simulator::{ItemIds, NewVariant};
use std::{os::unix::process::ExitStatusExt as _, time::Duration};
use testkit::{Account, Merchant, Program, World, WorldOptions, eventually};

/// Signal number of SIGABRT.
const ABORTED: Option<i32> = Some(6);
/// Bar codes that are the same everywhere.
const CODES: [&str; 2] = ["4006381333931", "3017620422003"];

/// Two shops of one store, the first of them connected first, and the store.
struct Shops {
    merchant: Merchant,
    first: Account,
    second: Account,
}

async fn open(programs: &[Program]) -> (World, Shops) {
    let options = WorldOptions { matching: vec!["every_seconds = 1"], ..WorldOptions::default() };
    let world = World::start_with(options, programs).await;
    let merchant = world.merchant("shop").await;
    let first = world.simulated(&merchant, "shopify").await;
    let second = world.simulated(&merchant, "square").await;
    (world, Shops { merchant, first, second })
}

/// Puts an item on sale, with a bar code.
fn add(account: &Account, title: &str, sku: &str, cents: i64, pieces: i64, code: &str) -> ItemIds {
    let shop = account.shop();
    let variant = NewVariant::stocked(sku, cents, pieces, &shop.locations());
    let ids = shop.add_product(title, &[variant]).expect("the shop takes it").remove(0);
    shop.edit_barcode(&ids.variant, code).expect("it is on sale");
    ids
}

async fn until(what: &str, mut found: impl AsyncFnMut() -> Result<(), String>) {
    eventually(PATIENCE, what, async || found().await).await;
}

async fn listed(world: &World, state: &str) -> Vec<Value> {
    tillflow(world, &["matches", "ls", "--store", "shop", "--state", state]).await.well()
}

/// Waits until there are that many matches in a state, and returns them.
async fn matches(world: &World, state: &str, count: usize) -> Vec<Value> {
    until(&format!("{count} {state}"), async || {
        let found = listed(world, state).await;
        if found.len() == count { Ok(()) } else { Err(format!("{:?}", listed(world, "all").await)) }
    })
    .await;
    listed(world, state).await
}

/// Waits until every variant was compared, and every link of a match is made.
async fn compared(world: &World) {
    let waiting = "SELECT (SELECT count(*) FROM match_due)
                   + (SELECT count(*) FROM match_candidates WHERE state IN ('automatic', 'accepted') AND linked_at IS NULL)";
    until("everything is compared", async || {
        let count = world.sql(waiting).await;
        if count == "0" { Ok(()) } else { Err(count) }
    })
    .await;
}

async fn quiet(world: &World, shops: &Shops) {
    world.quiet(PATIENCE, &[&shops.merchant], &[&shops.first, &shops.second]).await;
    compared(world).await;
    world.quiet(PATIENCE, &[&shops.merchant], &[&shops.first, &shops.second]).await;
}

/// The title, price and level that a shop shows of an item.
fn shown(account: &Account, ids: &ItemIds) -> (Option<String>, Option<i64>, Option<String>) {
    let shop = account.shop();
    let level = shop.level(&ids.item, &account.location_id());
    (shop.title(&ids.product), shop.price(&ids.variant), level)
}

fn values(title: &str, cents: i64, pieces: &str) -> (Option<String>, Option<i64>, Option<String>) {
    (Some(title.to_owned()), Some(cents), Some(pieces.to_owned()))
}

async fn shows(account: &Account, ids: &ItemIds, title: &str, cents: i64, pieces: &str) {
    until("the shop agrees", async || {
        let found = shown(account, ids);
        if found == values(title, cents, pieces) { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}

async fn decide(world: &World, arguments: &[&str]) -> Said {
    tillflow(world, &[&["matches"], arguments].concat()).await
}

async fn linked_by_matches(world: &World) -> String {
    world.sql("SELECT count(*) FROM event_outcomes WHERE outcome = 'applied' AND reason LIKE '%match%'").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_match_that_is_accepted_makes_two_shops_agree_and_undoing_it_parts_them() {
    let (world, shops) = open(&Program::ALL).await;
    decide(&world, &["limit", "--store", "shop", "--score", "off"]).await.well();
    add(&shops.first, "Green tea", "T-1", 950, 10, CODES[0]);
    let tea = add(&shops.second, "Sencha loose", "GT", 800, 4, CODES[0]);
    let found = matches(&world, "proposed", 1).await.remove(0);
    assert_eq!(found["connection"], shops.second.connection.as_str(), "the one that was connected later");
    assert_eq!(
        (&found["item"], &found["variant_title"]),
        (&"Sencha loose / Regular".into(), &"Green tea / Regular".into())
    );
    assert!(found["why"].as_str().is_some_and(|why| why.contains("the same GTIN")), "{found}");
    quiet(&world, &shops).await;
    let number = found["match"].to_string();
    decide(&world, &["accept", &number, "--dry-run"]).await.well();
    assert_eq!(shown(&shops.second, &tea), values("Sencha loose", 800, "4"), "it was a preview");

    let accepted = decide(&world, &["accept", &number, "--by", "ada"]).await.well().remove(0);
    assert_eq!(
        (&accepted["outcome"], &accepted["reason"]),
        (&"applied".into(), &"a match that was accepted".into())
    );
    shows(&shops.second, &tea, "Green tea", 950, "10").await;
    assert_eq!(matches(&world, "accepted", 1).await[0]["decided_by"], "ada");
    let again = decide(&world, &["accept", &number]).await;
    assert!(again.code == 1 && again.error.contains("is accepted"), "{again:?}");
    assert_eq!(decide(&world, &["reject", &number]).await.code, 1);
    shops.second.shop().sell(&tea.item, &shops.second.location_id(), 3).expect("there is enough");
    quiet(&world, &shops).await;

    decide(&world, &["undo", &number, "--note", "another tea"]).await.well();
    // Its own values are due again; its stock is what its shop has.
    shows(&shops.second, &tea, "Sencha loose", 800, "7").await;
    quiet(&world, &shops).await;
    let rejected = matches(&world, "rejected", 1).await.remove(0);
    assert_eq!((&rejected["note"], &rejected["is_linked"]), (&"another tea".into(), &false.into()));
    shops.second.shop().edit_title(&tea.product, "Sencha in leaves").expect("it is on sale");
    quiet(&world, &shops).await;
    assert_eq!(listed(&world, "proposed").await.len(), 0, "it was rejected, and no more speaks for it");

    decide(&world, &["limit", "--store", "shop", "--score", "0.9"]).await.well();
    shops.second.shop().edit_title(&tea.product, "Green tea").expect("it is on sale");
    matches(&world, "proposed", 1).await;
    quiet(&world, &shops).await;
    assert_eq!(listed(&world, "automatic").await.len(), 0, "a person has rejected that pair");
    world.assert_sound(&shops.merchant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_new_links_what_has_the_same_gtin_once_whatever_is_killed() {
    let others: Vec<_> = Program::ALL.into_iter().filter(|program| *program != Program::Fetch).collect();
    let (mut world, shops) = open(&others).await;
    let steps = ["fetch.variants_compared:1", "fetch.match_stored:1", "fetch.match_instructed:1"];
    let mut doomed = world.launch_to_die(Program::Fetch, steps[0]);
    add(&shops.first, "Green tea", "T-1", 950, 10, CODES[0]);
    let tea = add(&shops.second, "Sencha loose", "GT", 800, 4, CODES[0]);
    for next in &steps[1..] {
        let (status, said) = world.death(doomed, Duration::from_mins(1)).await;
        assert_eq!(status.signal(), ABORTED, "before {next}: {said}");
        doomed = world.launch_to_die(Program::Fetch, next);
    }
    let (status, said) = world.death(doomed, Duration::from_mins(1)).await;
    assert_eq!(status.signal(), ABORTED, "{said}");
    world.launch(&[Program::Fetch]).await;
    shows(&shops.second, &tea, "Green tea", 950, "10").await;
    let made = matches(&world, "automatic", 1).await.remove(0);
    assert!(made["score"].as_f64().is_some_and(|score| score >= 0.9), "{made}");
    // The platforms tell the same again.
    shops.first.shop().edit_price(&shops.first.shop().items()[0].variant, 975).expect("it is on sale");
    quiet(&world, &shops).await;
    assert_eq!(linked_by_matches(&world).await, "1");
    let delivery = made["delivery_id"].as_str().expect("it names its instruction");
    let events = tillflow(&world, &["events", "--store", "shop", "--delivery", delivery]).await.well();
    assert!(events.iter().any(|event| event["reason"] == "matched without a person"), "{events:?}");
    world.assert_sound(&shops.merchant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_store_is_asked_and_a_limit_links_what_waits_but_not_what_was_rejected_or_has_a_double() {
    let (world, shops) = open(&Program::ALL).await;
    // As the migration leaves a store that was there before.
    world.sql("UPDATE stores SET match_limit = NULL, is_matched = false").await;
    for (index, code) in CODES.iter().enumerate() {
        add(&shops.first, &format!("Tea {index}"), &format!("T-{index}"), 950, 10, code);
        add(&shops.second, &format!("Infusion {index}"), &format!("I-{index}"), 800, 4, code);
    }
    // One bar code on two items of one shop.
    let double = "96385074";
    add(&shops.first, "Kettle", "K-1", 5000, 1, double);
    for name in ["Cauldron", "Boiler"] {
        add(&shops.second, name, name, 4000, 1, double);
    }
    let found = matches(&world, "proposed", 4).await;
    quiet(&world, &shops).await;
    assert_eq!(linked_by_matches(&world).await, "0", "nobody was asked");
    let rejected = found.iter().find(|found| found["item"] == "Infusion 0 / Regular").expect("it is listed");
    decide(&world, &["reject", &rejected["match"].to_string(), "--note", "cold"]).await.well();

    let preview = decide(&world, &["limit", "--store", "shop", "--score", "0.9", "--dry-run"]).await.well();
    assert_eq!((&preview[0]["waiting"], &preview[0]["reach_it"]), (&3.into(), &3.into()), "{preview:?}");
    decide(&world, &["limit", "--store", "shop", "--score", "0.9"]).await.well();
    let made = matches(&world, "automatic", 1).await.remove(0);
    assert_eq!(made["item"], "Infusion 1 / Regular");
    quiet(&world, &shops).await;
    assert_eq!(listed(&world, "proposed").await.len(), 2, "nobody knows which of the two is the kettle");
    assert_eq!(linked_by_matches(&world).await, "1");

    // What is linked otherwise, or off sale, waits for nobody.
    let boiler = shops.second.shop().find("Boiler").expect("it is on sale");
    shops.second.shop().delete_product(&boiler.product).expect("it is on sale");
    let cauldron = matches(&world, "automatic", 2).await.remove(0);
    assert_eq!(cauldron["item"], "Cauldron / Regular", "there is only one left");
    assert_eq!(listed(&world, "proposed").await, Vec::<Value>::new());
    for unknown in
        [&["accept", "4711"][..], &["reject", "4711"], &["undo", "4711"], &["limit", "--store", "nowhere"]]
    {
        assert_eq!(decide(&world, unknown).await.code, 1, "{unknown:?}");
    }
    assert_eq!(decide(&world, &["limit", "--store", "shop", "--score", "90"]).await.code, 2);
    world.assert_sound(&shops.merchant).await;
}
