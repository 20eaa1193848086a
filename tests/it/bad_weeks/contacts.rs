//! First numbers: of a new shop, and of an item that is stocked or tracked again.

use super::{Shop, add, level, sell, tea};
use crate::command_line::tillflow;
use model::{
    BaselineRule::{self, Ask, Store},
    ConflictKind::FirstContact,
};
use testkit::{Program, World};

/// Square has 40 that weren't reported; Shopify begins with a zero; then Square reports a change of its catalog.
async fn a_new_shop_at_zero<'a>(world: &'a World, name: &str, rule: BaselineRule) -> Shop<'a> {
    let shop = Shop::open(world, name, rule).await;
    shop.square.shop().lose_webhooks(true);
    add(&shop.square, "tea", 40);
    shop.square.shop().lose_webhooks(false);
    add(&shop.shopify, "tea", 0);
    shop.quiet().await;
    assert_eq!(level(&shop.square).as_deref(), Some("40"));
    let square = shop.square.shop();
    square.edit_title(&tea(&shop.square).product, "Green tea, loose").expect("it is on sale");
    shop
}

/// Both have ten; Shopify stops stocking the tea, then stocks it again, with a zero.
async fn stocked_anew<'a>(world: &'a World, name: &str, rule: BaselineRule) -> Shop<'a> {
    let shop = Shop::with_tea(world, name, rule, 10).await;
    let (shopify, item, location) =
        (shop.shopify.shop(), tea(&shop.shopify).item, shop.shopify.location_id());
    shopify.stop_stocking(&item, &location).expect("it is stocked");
    shop.quiet().await;
    shop.is_known_by_square_alone().await;
    shopify.start_stocking(&item, &location).expect("it is on sale");
    shop
}

/// Both have ten; Shopify stops tracking the tea, then tracks it again, with a zero.
async fn tracked_anew<'a>(world: &'a World, name: &str, rule: BaselineRule) -> Shop<'a> {
    let shop = Shop::with_tea(world, name, rule, 10).await;
    let (shopify, item, location) =
        (shop.shopify.shop(), tea(&shop.shopify).item, shop.shopify.location_id());
    shopify.track(&item, false).expect("it is on sale");
    shop.quiet().await;
    shop.is_known_by_square_alone().await;
    shopify.stop_stocking(&item, &location).expect("it is stocked");
    shopify.start_stocking(&item, &location).expect("it is on sale");
    shop.quiet().await;
    shop.is_known_by_square_alone().await;
    shopify.track(&item, true).expect("it is on sale");
    shop
}

impl Shop<'_> {
    async fn is_known_by_square_alone(&self) {
        let store = self.world.level(&self.merchant, "tea").await;
        assert_eq!(store, super::pieces(10), "{}: nothing moves", self.merchant.store);
        assert_eq!(level(&self.square).as_deref(), Some("10"), "{}", self.merchant.store);
        assert_eq!(self.conflicts().await, [], "{}", self.merchant.store);
    }

    /// Resolves the only open conflict by the command line.
    async fn resolve(&self, take: &str) {
        let store = self.merchant.store.as_str();
        let listed = tillflow(self.world, &["conflicts", "ls", "--store", store]).await.well();
        assert_eq!(listed.len(), 1, "{listed:?}");
        let number = listed[0]["conflict"].to_string();
        let by = ["conflicts", "resolve", &number, "--take", take, "--by", "ada"];
        let resolved = tillflow(self.world, &by).await.well();
        assert_eq!(resolved[0]["resolved"], true, "{resolved:?}");
        let shown = tillflow(self.world, &["conflicts", "show", &number]).await.well();
        assert_eq!(shown[0]["resolved_by"], "ada", "{shown:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zero_that_nothing_stands_behind_takes_no_stock_away() {
    let world = World::start(&Program::ALL).await;

    let by_rule = async {
        let shop = a_new_shop_at_zero(&world, "new-store", Store).await;
        shop.agrees("40").await;
        shop.has_conflicts(&[]).await;
        shop.is_at_rest().await;
    };
    let by_answer = async {
        let shop = a_new_shop_at_zero(&world, "new-ask", Ask).await;
        shop.holds("40", "0", "40").await;
        shop.has_conflicts(&[(FirstContact, &shop.shopify)]).await;
        shop.is_at_rest().await;
        shop.resolve("store").await;
        shop.agrees("40").await;
        shop.has_conflicts(&[]).await;
    };
    Box::pin(futures::future::join(by_rule, by_answer)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stocking_or_tracking_that_is_switched_off_and_on_is_a_first_contact_and_no_sale() {
    let world = World::start(&Program::ALL).await;

    let by_rule = async |shop: Shop<'_>| {
        shop.agrees("10").await;
        shop.has_conflicts(&[]).await;
        shop.is_at_rest().await;
    };
    let by_answer = async |shop: Shop<'_>, take: &str, level: &str| {
        shop.has_conflicts(&[(FirstContact, &shop.shopify)]).await;
        shop.holds("10", "0", "10").await;
        // While the conflict is open, sales elsewhere change the store's level, and nothing is written to Shopify.
        sell(&shop.square, 3);
        shop.holds("7", "0", "7").await;
        shop.has_conflicts(&[(FirstContact, &shop.shopify)]).await;
        shop.resolve(take).await;
        shop.agrees(level).await;
        shop.has_conflicts(&[]).await;
        shop.is_at_rest().await;
    };
    tokio::join!(
        async { by_rule(stocked_anew(&world, "stocked-store", Store).await).await },
        async { by_rule(tracked_anew(&world, "tracked-store", Store).await).await },
        async { by_answer(stocked_anew(&world, "stocked-ask", Ask).await, "platform", "0").await },
        async { by_answer(tracked_anew(&world, "tracked-ask", Ask).await, "store", "7").await },
    );
}
