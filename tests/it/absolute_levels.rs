//! Levels of a platform that sets them as absolute numbers and compares nothing.

use crate::{PATIENCE, intake::kept};
use model::{ConflictKind, Quantity};
use simulator::Chaos;
use store::ConflictFilter;
use testkit::{Account, Merchant, Program, World, eventually};

const TEA: &str = "tea";

fn level(account: &Account) -> Option<String> {
    account.shop().level(&account.shop().find(TEA)?.item, &account.location_id())
}

fn sell(account: &Account, quantity: &str) {
    let item = account.shop().find(TEA).expect("it is on sale").item;
    let quantity = Quantity::parse(quantity).expect("a quantity").decimal();
    account.shop().sell(&item, &account.location_id(), quantity).expect("anything may be sold");
}

async fn agree(world: &World, merchant: &Merchant, ours: &str, theirs: [(&Account, &str); 2]) {
    eventually(PATIENCE, &format!("the store has {ours}"), async || {
        let store = world.level(merchant, TEA).await.map(|level| level.to_string());
        let found = theirs.map(|(account, _)| level(account));
        let wanted = theirs.map(|(_, level)| Some(level.to_owned()));
        let is_agreed = store.as_deref() == Some(ours) && found == wanted;
        if is_agreed { Ok(()) } else { Err(format!("we have {store:?}, they have {found:?}")) }
    })
    .await;
    world.quiet(PATIENCE, &[merchant], &theirs.map(|(account, _)| account)).await;
    assert_eq!(theirs.map(|(account, _)| level(account)), theirs.map(|(_, level)| Some(level.to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn sales_of_the_same_moment_and_lost_replies_leave_the_sum() {
    let world = World::start(&Program::ALL).await;
    let (merchant, [shopify, clover]) = world.tea_shop(["shopify", "clover"], PATIENCE).await;
    for account in [&shopify, &clover] {
        account.shop().hold_webhooks(true);
        sell(account, "1");
    }
    for account in [&shopify, &clover] {
        account.shop().hold_webhooks(false);
    }
    agree(&world, &merchant, "8", [(&shopify, "8"), (&clover, "8")]).await;

    // The write has its effect, and nothing says so: it is read, and never made again.
    clover.shop().set_chaos(Chaos { reset_after_success: 0.5, ..Chaos::default() });
    for left in ["7", "6", "5"] {
        sell(&shopify, "1");
        agree(&world, &merchant, left, [(&shopify, left), (&clover, left)]).await;
    }
    clover.shop().set_chaos(Chaos::default());

    // Shopify counts pieces, and is rounded down.
    sell(&clover, "4.5");
    agree(&world, &merchant, "0.5", [(&shopify, "0"), (&clover, "0.5")]).await;
    sell(&clover, "1");
    eventually(PATIENCE, "the store is below zero", async || {
        let store = world.level(&merchant, TEA).await.map(|level| level.to_string());
        if store.as_deref() == Some("-0.5") { Ok(()) } else { Err(format!("{store:?}")) }
    })
    .await;
    world.assert_sound(&merchant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_is_an_order_and_an_item_that_is_not_counted_any_more_is_left_alone() {
    let world = World::start(&Program::ALL).await;
    let (merchant, [shopify, clover]) = world.tea_shop(["shopify", "clover"], PATIENCE).await;
    sell(&clover, "3");
    agree(&world, &merchant, "7", [(&shopify, "7"), (&clover, "7")]).await;
    let orders = world.sql("SELECT status, jsonb_array_length(body -> 'lines') FROM orders").await;
    assert_eq!(orders, "completed|3", "three lines of one piece");

    let item = clover.shop().find(TEA).expect("it is on sale").item;
    clover.shop().track(&item, false).expect("it is on sale");
    world.quiet(PATIENCE, &[&merchant], &[&shopify, &clover]).await;
    sell(&shopify, "2");
    eventually(PATIENCE, "the store has five", async || {
        let level = world.level(&merchant, TEA).await;
        if level == Some(Quantity::pieces(5)) { Ok(()) } else { Err(format!("{level:?}")) }
    })
    .await;
    world.quiet(PATIENCE, &[&merchant], &[&shopify, &clover]).await;
    assert_eq!(level(&clover).as_deref(), Some("7"), "nothing is written to what isn't counted");
    world.assert_sound(&merchant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_of_a_check_of_the_url_is_shown_and_delivers_nothing() {
    let world = World::start(&[Program::Ingest]).await;
    let merchant = world.merchant("shop").await;
    let clover = world.simulated(&merchant, "clover").await;
    for _ in 0..2 {
        clover.shop().check_webhook_url().expect("the platform checks it");
    }
    clover.shop().deliver_now().await;
    let sent = clover.shop().webhooks_sent();
    assert!(sent.iter().all(|sent| sent.status == Some(200)), "{sent:?}");
    let conflicts = eventually(PATIENCE, "the code is a conflict", async || {
        let filter = ConflictFilter { store: Some(merchant.store.clone()), ..ConflictFilter::default() };
        let rows = world.store.conflicts(&filter, 10).await.expect("the database answers");
        if rows.is_empty() { Err("there is none".to_owned()) } else { Ok(rows) }
    })
    .await;
    let [row] = conflicts.as_slice() else { panic!("one conflict expected: {conflicts:?}") };
    assert_eq!(row.conflict.kind, ConflictKind::VerificationCode);
    assert!(sent.iter().any(|sent| row.conflict.detail.ends_with(&sent.id)), "{row:?} {sent:?}");
    assert_eq!(kept(&world, &merchant).await, []);
}
