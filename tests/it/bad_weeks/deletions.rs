//! A product that is deleted at its platform while one of its variants is linked by hand to another product's.

use super::{PRICE, Shop, add, level, sell, tea, until};
use crate::command_line::tillflow;
use model::BaselineRule;
use simulator::NewVariant;
use testkit::{Program, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_variant_that_was_linked_by_hand_is_retired_with_its_own_product_and_written_no_more() {
    let world = World::start(&Program::ALL).await;
    let shop = Shop::open(&world, "by-hand", BaselineRule::Store).await;
    let shopify = shop.shopify.shop();
    add(&shop.square, "tea", 10);
    shop.quiet().await;
    let variant = |sku: &str| NewVariant::stocked(sku, PRICE - 100, 4, &shopify.locations());
    let sencha =
        shopify.add_product("Sencha", &[variant("loose"), variant("bags")]).expect("the shop takes it");
    shop.quiet().await;
    let (loose, bags) = (&sencha[0], &sencha[1]);
    let to = shop.linked(&shop.square, &tea(&shop.square).variant).await;
    let connection = shop.shopify.connection.as_str();
    let link = ["link", "--connection", connection, "--variant", &loose.variant, "--to", &to];
    assert_eq!(tillflow(&world, &link).await.well()[0]["outcome"], "applied");
    let held = |item: &str| shopify.level(item, &shop.shopify.location_id());
    // The product at the platform has another variant, so the price is written with the id of that product.
    until("the linked variant has the store's values", async || {
        held(&loose.item).as_deref() == Some("10") && shopify.price(&loose.variant) == Some(PRICE)
    })
    .await;
    shop.is_at_rest().await;
    shop.has_conflicts(&[]).await;
    assert_eq!(held(&bags.item).as_deref(), Some("4"), "the other variant is one of its own");

    shopify.delete_product(&loose.product).expect("it is on sale");
    shop.quiet().await;
    for of in [loose, bags] {
        assert_eq!(shop.linked(&shop.shopify, &of.variant).await, "", "{of:?}");
    }
    let retired = format!(
        "SELECT count(*) FROM links WHERE connection = '{connection}' AND product = '{}' AND retired_at IS NOT NULL",
        loose.product
    );
    assert_eq!(world.sql(&retired).await, "4", "both variants and both items, each with its date");
    let before = shop.calls();
    sell(&shop.square, 1);
    shop.square.shop().edit_price(&tea(&shop.square).variant, PRICE + 50).expect("it is on sale");
    shop.is_at_rest().await;
    assert_eq!(shop.calls().shopify, before.shopify, "nothing is written or read there");
    assert_eq!(world.level(&shop.merchant, "tea").await, super::pieces(9));
    assert_eq!(tillflow(&world, &link).await.well()[0]["outcome"], "unchanged", "it was deleted");

    add(&shop.shopify, "tea", 3);
    shop.agrees("9").await;
    assert_eq!(shop.linked(&shop.shopify, &tea(&shop.shopify).variant).await, to, "the same variant again");
    assert_eq!(level(&shop.shopify).as_deref(), Some("9"));
    shop.has_conflicts(&[]).await;
    shop.is_at_rest().await;
}
