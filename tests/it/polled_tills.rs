//! Tills that answer questions and send nothing: the store follows them, and other platforms follow the store.

use crate::PATIENCE;
use model::Quantity;
use simulator::{ItemIds, NewVariant};
use testkit::{Account, Merchant, Program, World, WorldOptions, eventually};

/// Every list is read each second.
const OFTEN: [&str; 1] = ["every_seconds = 1"];

/// Every list is read each five seconds: often enough, and seldom enough for a till that takes one call a second.
const SELDOM: [&str; 1] = ["every_seconds = 5"];

async fn open(till: &'static str) -> (World, Merchant, Account) {
    open_and_read(till, OFTEN).await
}

async fn open_and_read(till: &'static str, reads: [&'static str; 1]) -> (World, Merchant, Account) {
    let options = WorldOptions { scheduled_reads: reads.to_vec(), ..WorldOptions::default() };
    let world = World::start_with(options, &Program::ALL).await;
    let merchant = world.merchant("shop").await;
    let account = world.simulated(&merchant, till).await;
    account.shop().lose_webhooks(true);
    (world, merchant, account)
}

fn add(account: &Account, pieces: i64) -> ItemIds {
    let shop = account.shop();
    let tea = NewVariant::stocked("tea", 950, pieces, &shop.locations());
    shop.add_product("Green tea", &[tea]).expect("the shop takes it").remove(0)
}

async fn has_level(world: &World, merchant: &Merchant, pieces: i32) {
    let what = format!("the store has {pieces}");
    eventually(PATIENCE, &what, async || {
        let level = world.level(merchant, "tea").await;
        if level == Some(Quantity::pieces(pieces)) { Ok(()) } else { Err(format!("{level:?}")) }
    })
    .await;
}

/// Waits until a query has that result.
async fn finds(world: &World, query: &str, expected: &str) {
    eventually(PATIENCE, query, async || {
        let found = world.sql(query).await;
        if found == expected { Ok(()) } else { Err(found) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_at_a_till_without_webhooks_reaches_the_shop_on_the_web() {
    let (world, merchant, till) = open("blaze").await;
    let sold = add(&till, 10);
    has_level(&world, &merchant, 10).await;
    let web = world.simulated(&merchant, "square").await;
    let listed = add(&web, 10);
    finds(&world, "SELECT count(DISTINCT internal) FROM links WHERE kind = 'variant'", "1").await;

    let shop = till.shop();
    let sale = shop.sell(&sold.item, &till.location_id(), 3).expect("there is enough");
    has_level(&world, &merchant, 7).await;
    eventually(PATIENCE, "the shop on the web has 7", async || {
        let level = web.shop().level(&listed.item, &web.location_id());
        if level.as_deref() == Some("7") { Ok(()) } else { Err(format!("{level:?}")) }
    })
    .await;
    finds(&world, "SELECT string_agg(status, ',') FROM orders", "completed").await;

    shop.refund_order(&sale).expect("a sale can be refunded");
    finds(&world, "SELECT count(*) FROM orders WHERE is_refund", "1").await;
    shop.add_customer("Ada", "Sample", "ada@example.com").expect("anybody is a customer");
    finds(&world, "SELECT count(*) FROM customers", "1").await;
    world.assert_sound(&merchant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_whose_webhooks_were_lost_is_read_completed_and_cancelled() {
    let (world, merchant, till) = open("treez").await;
    let sold = add(&till, 10);
    has_level(&world, &merchant, 10).await;
    let shop = till.shop();
    let ticket = shop.sell(&sold.item, &till.location_id(), 3).expect("there is enough");
    has_level(&world, &merchant, 7).await;
    finds(&world, "SELECT string_agg(status, ',') FROM orders", "completed").await;
    shop.cancel_order(&ticket, true).expect("a ticket can be cancelled");
    has_level(&world, &merchant, 10).await;
    finds(&world, "SELECT string_agg(status, ',') FROM orders", "cancelled").await;
    world.assert_sound(&merchant).await;
}

/// Products besides the one that is sold out: a list without any object counts for nothing.
const OTHERS: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn stock_that_a_till_lists_no_more_is_sold_out_everywhere() {
    for till in ["flowhub", "leaflogix"] {
        let (world, merchant, till) = open_and_read(till, SELDOM).await;
        let sold = add(&till, 10);
        let shop = till.shop();
        for number in 0..OTHERS {
            let other = NewVariant::stocked(&format!("other-{number}"), 950, 5, &shop.locations());
            shop.add_product("Something else", &[other]).expect("the shop takes it");
        }
        has_level(&world, &merchant, 10).await;
        let web = world.simulated(&merchant, "square").await;
        let listed = add(&web, 10);
        let (linked, all) = ("SELECT count(DISTINCT internal) FROM links WHERE kind = 'variant'", OTHERS + 1);
        finds(&world, linked, &all.to_string()).await;
        shop.sell(&sold.item, &till.location_id(), 10).expect("there is enough");
        has_level(&world, &merchant, 0).await;
        eventually(PATIENCE, "the shop on the web has none", async || {
            let level = web.shop().level(&listed.item, &web.location_id());
            if level.as_deref() == Some("0") { Ok(()) } else { Err(format!("{level:?}")) }
        })
        .await;
        shop.restock(&sold.item, &till.location_id(), 4).expect("goods arrive");
        has_level(&world, &merchant, 4).await;
        world.assert_sound(&merchant).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_at_a_till_is_an_order_and_its_cancellation_and_its_return_are_read() {
    for till in ["flowhub", "leaflogix"] {
        let (world, merchant, till) = open_and_read(till, SELDOM).await;
        let sold = add(&till, 10);
        has_level(&world, &merchant, 10).await;
        let shop = till.shop();
        let sale = shop.sell(&sold.item, &till.location_id(), 3).expect("there is enough");
        finds(&world, "SELECT string_agg(status, ',') FROM orders", "completed").await;
        has_level(&world, &merchant, 7).await;
        shop.cancel_order(&sale, true).expect("a sale can be voided");
        finds(&world, "SELECT string_agg(status, ',') FROM orders", "cancelled").await;
        has_level(&world, &merchant, 10).await;
        let sale = shop.sell(&sold.item, &till.location_id(), 1).expect("there is enough");
        if shop.refund_order(&sale).is_ok() {
            finds(&world, "SELECT count(*) FROM orders WHERE is_refund", "1").await;
        }
        shop.add_customer("Ada", "Sample", "ada@example.com").expect("anybody is a customer");
        finds(&world, "SELECT count(*) FROM customers", "1").await;
        world.assert_sound(&merchant).await;
    }
}
