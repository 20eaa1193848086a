//! Dates in 2099, and sales beyond the stock.

use super::{PRICE, Shop, TITLE, level, sell, tea, until};
use crate::PATIENCE;
use model::{BaselineRule, ConflictKind};
use serde_json::{Value, json};
use testkit::{Account, Program, Sender, World};

const FAR_AHEAD: &str = "2099-01-01T00:00:00Z";
/// Upper limit of calls for one edit at each platform: a read and a write, and a read for the write's report.
const CALLS_PER_EDIT: usize = 6;

fn number(id: &str) -> Value {
    id.parse::<u64>().expect("Shopify's ids are numbers").into()
}

fn level_far_ahead(account: &Account, available: i64) -> Value {
    json!({
        "inventory_item_id": number(&tea(account).item),
        "location_id": Account::LOCATION,
        "available": available,
        "updated_at": FAR_AHEAD,
    })
}

fn product_far_ahead(account: &Account, price: &str) -> Value {
    let ids = tea(account);
    let description = account.shop().description(&ids.product).expect("it is on sale");
    let variant = json!({
        "id": number(&ids.variant), "product_id": number(&ids.product), "title": "Regular", "price": price,
        "sku": "tea", "inventory_item_id": number(&ids.item),
    });
    json!({
        "id": number(&ids.product), "title": TITLE, "body_html": description, "vendor": "Tillflow demo",
        "status": "active", "updated_at": FAR_AHEAD, "variants": [variant],
    })
}

impl Shop<'_> {
    /// Sends a report of Shopify, and waits until it has an outcome and nothing is due.
    async fn reports(&self, topic: &str, body: &Value) {
        let delivery =
            self.shopify.sign(topic, &format!("{}-{topic}", self.merchant.store), body.to_string().into());
        let (delivery, _) = Sender::default().send_until_kept(&delivery, PATIENCE).await;
        self.world.event_outcome(PATIENCE, &self.merchant, &delivery).await;
        self.quiet().await;
    }

    fn prices(&self) -> [Option<i64>; 2] {
        [&self.shopify, &self.square].map(|account| account.shop().price(&tea(account).variant))
    }

    async fn costs(&self, minor: i64) {
        until(&format!("both ask {minor}"), async || self.prices() == [Some(minor); 2]).await;
        self.quiet().await;
        assert_eq!(self.prices(), [Some(minor); 2], "and it stays so");
        let statement = format!("SELECT price_minor FROM variants WHERE store = '{}'", self.merchant.store);
        assert_eq!(self.world.sql(&statement).await, minor.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_in_2099_does_not_outlive_what_is_reported_after_it() {
    let world = World::start(&Program::ALL).await;

    let shop = Shop::with_tea(&world, "level", BaselineRule::Store, 10).await;
    let (shopify, square) = (shop.shopify.shop(), shop.square.shop());
    shopify.lose_webhooks(true);
    sell(&shop.shopify, 2);
    shopify.lose_webhooks(false);
    shop.reports("inventory_levels/update", &level_far_ahead(&shop.shopify, 8)).await;
    shop.agrees("8").await;
    shop.has_conflicts(&[(ConflictKind::ClockSkew, &shop.shopify)]).await;
    for left in [7, 6] {
        sell(&shop.shopify, 1);
        shop.agrees(&left.to_string()).await;
    }
    sell(&shop.square, 1);
    shop.agrees("5").await;

    shopify.lose_webhooks(true);
    shopify.edit_price(&tea(&shop.shopify).variant, 1_111).expect("it is on sale");
    shopify.lose_webhooks(false);
    shop.reports("products/update", &product_far_ahead(&shop.shopify, "11.11")).await;
    shop.costs(1_111).await;
    for price in [1_222, 1_333] {
        let before = shop.calls();
        square.edit_price(&tea(&shop.square).variant, price).expect("it is on sale");
        shop.costs(price).await;
        let after = shop.calls();
        assert!(after.shopify - before.shopify <= CALLS_PER_EDIT, "{before:?} {after:?}");
        assert!(after.square - before.square <= CALLS_PER_EDIT, "{before:?} {after:?}");
    }
    shopify.edit_price(&tea(&shop.shopify).variant, PRICE).expect("it is on sale");
    shop.costs(PRICE).await;
    // Shopify has since reported times that are accepted, so that no conflict is open.
    shop.has_conflicts(&[]).await;
    shop.is_at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_one_sold_twice_is_an_open_conflict_until_there_is_enough_again() {
    let world = World::start(&Program::ALL).await;
    let shop = Shop::with_tea(&world, "oversold", BaselineRule::Store, 1).await;
    let accounts = [&shop.shopify, &shop.square];
    for account in accounts {
        account.shop().hold_webhooks(true);
    }
    for account in accounts {
        sell(account, 1);
        assert_eq!(level(account).as_deref(), Some("0"), "neither knows of the other's sale");
    }
    for account in accounts {
        account.shop().hold_webhooks(false);
    }
    until("the store has one less than nothing", async || {
        world.level(&shop.merchant, "tea").await == super::pieces(-1)
    })
    .await;
    // The oversold conflict is of the sale that was decided last; and Shopify accepts no number below zero.
    until("both are open conflicts", async || {
        let mut kinds: Vec<_> = shop.conflicts().await.into_iter().map(|(kind, _)| kind).collect();
        kinds.sort_unstable();
        kinds == [ConflictKind::Oversold, ConflictKind::WriteRefused]
    })
    .await;
    shop.is_at_rest().await;
    shop.square
        .shop()
        .restock(&tea(&shop.square).item, &shop.square.location_id(), 5)
        .expect("it is on sale");
    shop.agrees("4").await;
    shop.has_conflicts(&[]).await;
    shop.is_at_rest().await;
}
