//! Decimal quantities and texts that a platform shows in another form: mirrors come to rest, and the parts that the
//! platform can't show are kept.

use super::{Shop, add, level, sell, tea, until};
use model::{BaselineRule, Quantity};
use simulator::NewVariant;
use std::str::FromStr;
use testkit::{Program, World};

const TABLE: &str = "<p>Black tea</p><table><tr><td>25 g</td></tr></table>";
const WITHOUT: &str = "<p>Black tea</p>";

impl Shop<'_> {
    /// The product's description at Shopify, at Square and in the record.
    async fn descriptions(&self) -> [String; 3] {
        let shown = |account: &testkit::Account| {
            account.shop().description(&tea(account).product).expect("it is on sale")
        };
        let recorded = format!("SELECT description FROM products WHERE store = '{}'", self.merchant.store);
        [shown(&self.shopify), shown(&self.square), self.world.sql(&recorded).await]
    }

    async fn keeps_the_table(&self) {
        let wanted = [TABLE, WITHOUT, TABLE].map(str::to_owned);
        until("each has the description as it can", async || self.descriptions().await == wanted).await;
        self.is_at_rest().await;
        assert_eq!(self.descriptions().await, wanted, "and it stays so");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_pieces_and_tables_come_to_rest_where_a_platform_cannot_show_them() {
    let world = World::start(&Program::ALL).await;

    let shop = Shop::open(&world, "halves", BaselineRule::Store).await;
    let stock = vec![(shop.square.location_id(), FromStr::from_str("3.5").expect("a number"))];
    let variant = NewVariant { sku: "tea".to_owned(), price_minor: super::PRICE, stock };
    shop.square.shop().add_product(super::TITLE, &[variant]).expect("the shop takes it");
    shop.quiet().await;
    add(&shop.shopify, "tea", 10);
    shop.holds("3.5", "3", "3.5").await;
    shop.has_conflicts(&[]).await;
    shop.is_at_rest().await;
    sell(&shop.square, 1);
    shop.holds("2.5", "2", "2.5").await;
    shop.is_at_rest().await;
    // A sale in whole pieces keeps the half.
    sell(&shop.shopify, 1);
    shop.holds("1.5", "1", "1.5").await;
    shop.is_at_rest().await;
    assert_eq!(world.level(&shop.merchant, "tea").await, Quantity::parse("1.5").ok());
    assert_eq!(level(&shop.square).as_deref(), Some("1.5"));

    let shop = Shop::with_tea(&world, "table", BaselineRule::Store, 10).await;
    let (shopify, square) = (shop.shopify.shop(), shop.square.shop());
    shopify.edit_description(&tea(&shop.shopify).product, TABLE).expect("it is on sale");
    shop.keeps_the_table().await;
    // An edit of the title at the platform that has no tables doesn't concern them.
    square.edit_title(&tea(&shop.square).product, "Black tea").expect("it is on sale");
    until("Shopify has the name", async || {
        shopify.title(&tea(&shop.shopify).product).as_deref() == Some("Black tea")
    })
    .await;
    shop.keeps_the_table().await;
    assert_eq!(square.title(&tea(&shop.square).product).as_deref(), Some("Black tea"));
}
