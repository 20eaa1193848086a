//! Notifications of connections that are paused or refused: they wait, and none is lost.

use crate::PATIENCE;
use simulator::{Kind, NewVariant, Standing};
use std::time::Duration;
use testkit::{Account, Merchant, Program, World, eventually};

/// How long nothing must happen that shall not.
const STILL: Duration = Duration::from_secs(1);

/// How many notifications wait.
async fn parked(world: &World) -> String {
    world.sql("SELECT count(*) FROM parked_notices").await
}

/// How often the platform was asked for its catalog.
fn searches(account: &Account) -> usize {
    account.shop().calls().iter().filter(|call| call.path == "/v2/catalog/search").count()
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    eventually(PATIENCE, what, async || if is_so().await { Ok(()) } else { Err("not yet") }).await;
}

/// How many variants the store knows.
async fn variants(world: &World) -> String {
    world.sql("SELECT count(*) FROM variants").await
}

async fn square() -> (World, Merchant, Account) {
    let world = World::start(&Program::ALL).await;
    let merchant = world.merchant("shop").await;
    let account = world.simulated(&merchant, Kind::Square).await;
    (world, merchant, account)
}

fn add(account: &Account, sku: &str) {
    let shop = account.shop();
    let variant = NewVariant::stocked(sku, 950, 10, &shop.locations());
    shop.add_product(&format!("Tea {sku}"), &[variant]).expect("the shop takes it");
}

async fn set_enabled(world: &World, account: &Account, enabled: bool) {
    let found = world.store.connection(&account.connection).await.expect("the database answers");
    let mut connection = found.expect("the connection is there");
    connection.enabled = enabled;
    world.store.upsert_connection(&connection).await.expect("a connection can be changed");
}

#[tokio::test]
async fn what_a_paused_connection_tells_waits_through_a_restart_and_is_fetched_when_it_is_active_again() {
    let (mut world, merchant, account) = square().await;
    add(&account, "before");
    until("the first product", async || variants(&world).await == "1").await;

    set_enabled(&world, &account, false).await;
    let asked = searches(&account);
    add(&account, "meanwhile");
    until("a parked notification", async || parked(&world).await == "1").await;
    world.kill(Program::Poll).await;
    world.launch(&[Program::Poll]).await;
    tokio::time::sleep(STILL).await;
    assert_eq!(
        (searches(&account), parked(&world).await.as_str()),
        (asked, "1"),
        "a paused connection was called"
    );

    set_enabled(&world, &account, true).await;
    until("the second product", async || variants(&world).await == "2" && parked(&world).await == "0").await;
    world.assert_sound(&merchant).await;
}

#[tokio::test]
async fn an_account_that_refuses_us_is_asked_again_when_its_settings_are_others() {
    let (world, merchant, account) = square().await;
    account.shop().set_standing(Standing::TokenRefused);
    for sku in ["one", "two", "three"] {
        add(&account, sku);
    }
    until("one parked notification", async || {
        account.shop().webhooks_waiting() == 0 && parked(&world).await == "1"
    })
    .await;
    tokio::time::sleep(STILL).await;
    let asked = searches(&account);
    assert!(asked >= 1);
    tokio::time::sleep(STILL).await;
    assert_eq!(searches(&account), asked, "a refused account was called without a reason");
    assert_eq!(parked(&world).await, "1", "notifications that name nothing are one");

    account.shop().set_standing(Standing::Good);
    let found = world.store.connection(&account.connection).await.expect("the database answers");
    let mut connection = found.expect("the connection is there");
    "2025-08-20".clone_into(&mut connection.api_version);
    world.store.upsert_connection(&connection).await.expect("a connection can be changed");
    until("every product", async || variants(&world).await == "3" && parked(&world).await == "0").await;
    world.assert_sound(&merchant).await;
}
