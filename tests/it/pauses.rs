//! Notifications of paused or refused connections: they are parked, and none is lost.

use crate::{PATIENCE, intake::kept};
use simulator::{NewVariant, Standing};
use std::{collections::BTreeSet, time::Duration};
use testkit::{Account, Merchant, Program, World, eventually};

/// Time for which the absence of an event is checked.
const STILL: Duration = Duration::from_secs(1);

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    eventually(PATIENCE, what, async || if is_so().await { Ok(()) } else { Err("not yet") }).await;
}

/// Number of parked notifications.
async fn parked(world: &World) -> String {
    world.sql("SELECT count(*) FROM parked_notices").await
}

/// Number of requests for the platform's catalog.
fn searches(account: &Account) -> usize {
    account.shop().calls().iter().filter(|call| call.path == "/v2/catalog/search").count()
}

/// The ids of the catalog's items that were fetched into RAW.
async fn items(world: &World, merchant: &Merchant) -> BTreeSet<String> {
    let kept = kept(world, merchant).await;
    let items = kept.iter().filter(|delivery| delivery.kind.topic() == "catalog.object");
    items
        .map(|item| serde_json::from_slice::<serde_json::Value>(&item.body).expect("JSON"))
        .map(|item| item["id"].as_str().expect("an id").to_owned())
        .collect()
}

async fn square() -> (World, Merchant, Account) {
    let world = World::start(&[Program::Ingest, Program::Fetch]).await;
    let merchant = world.merchant("shop").await;
    let account = world.simulated(&merchant, "square").await;
    (world, merchant, account)
}

/// Puts a product on sale, and waits until its webhooks were accepted.
async fn add(account: &Account, sku: &str) -> String {
    let shop = account.shop();
    let variant = NewVariant::stocked(sku, 950, 10, &shop.locations());
    let ids = shop.add_product(&format!("Tea {sku}"), &[variant]).expect("the shop takes it").remove(0);
    shop.deliver_now().await;
    ids.product
}

async fn change(world: &World, account: &Account, change: impl FnOnce(&mut store::Connection)) {
    let found = world.store.connection(&account.connection).await.expect("the database answers");
    let mut connection = found.expect("the connection is there");
    change(&mut connection);
    world.store.upsert_connection(&connection).await.expect("a connection can be changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_paused_connection_reports_waits_through_a_restart_and_is_fetched_when_it_is_active_again() {
    let (mut world, merchant, account) = square().await;
    change(&world, &account, |connection| connection.enabled = false).await;
    let product = add(&account, "meanwhile").await;
    until("a parked notification", async || parked(&world).await == "1").await;
    world.kill(Program::Fetch).await;
    world.launch(&[Program::Fetch]).await;
    tokio::time::sleep(STILL).await;
    assert_eq!(
        (searches(&account), parked(&world).await.as_str()),
        (0, "1"),
        "a paused connection was called"
    );

    change(&world, &account, |connection| connection.enabled = true).await;
    until("nothing parked", async || parked(&world).await == "0").await;
    assert_eq!(items(&world, &merchant).await, BTreeSet::from([product]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_refuses_us_is_asked_again_when_its_settings_are_others() {
    let (world, merchant, account) = square().await;
    account.shop().set_standing(Standing::TokenRefused);
    let mut products = BTreeSet::new();
    for sku in ["one", "two", "three"] {
        products.insert(add(&account, sku).await);
    }
    until("a parked notification", async || parked(&world).await == "1").await;
    tokio::time::sleep(STILL).await;
    let asked = searches(&account);
    assert!(asked >= 1, "the account was never asked");
    tokio::time::sleep(STILL).await;
    assert_eq!(searches(&account), asked, "a refused account was called without a reason");
    assert_eq!(parked(&world).await, "1", "notifications that name nothing are one");

    account.shop().set_standing(Standing::Good);
    change(&world, &account, |connection| "2025-08-20".clone_into(&mut connection.api_version)).await;
    until("nothing parked", async || parked(&world).await == "0").await;
    assert_eq!(items(&world, &merchant).await, products);
}
