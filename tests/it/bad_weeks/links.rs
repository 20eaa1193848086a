//! SKUs that are set later, products that are created again, SKUs of two variants, accounts that are connected twice.

use super::{Shop, add, connection, level, sell, tea};
use crate::{PATIENCE, command_line::tillflow};
use model::{BaselineRule, ConflictKind, ConnectionId};
use testkit::{Account, Program, World, eventually};

impl Shop<'_> {
    /// The store's variant that the platform's variant is linked to; empty if there is none.
    pub(super) async fn linked(&self, account: &Account, variant: &str) -> String {
        let statement = format!(
            "SELECT internal FROM links WHERE connection = '{}' AND kind = 'variant' AND external = '{variant}' \
             AND retired_at IS NULL",
            account.connection
        );
        self.world.sql(&statement).await
    }

    async fn are_linked(&self) -> String {
        let name = &self.merchant.store;
        eventually(PATIENCE, &format!("{name}: both are one variant"), async || {
            let shopify = self.linked(&self.shopify, &tea(&self.shopify).variant).await;
            let square = self.linked(&self.square, &tea(&self.square).variant).await;
            if !shopify.is_empty() && shopify == square {
                Ok(shopify)
            } else {
                Err(format!("{shopify} {square}"))
            }
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_given_later_links_and_so_does_a_product_that_is_made_again() {
    let world = World::start(&Program::ALL).await;

    let later = async |name: &str, rule: BaselineRule| {
        let shop = Shop::open(&world, name, rule).await;
        add(&shop.shopify, "tea", 10);
        let without = add(&shop.square, "", 4);
        shop.quiet().await;
        assert_eq!(level(&shop.shopify).as_deref(), Some("10"));
        let own = shop.linked(&shop.square, &without.variant).await;
        assert_ne!(own, shop.linked(&shop.shopify, &tea(&shop.shopify).variant).await);
        shop.square.shop().edit_sku(&without.variant, "tea").expect("it is on sale");
        shop.are_linked().await;
        if rule == BaselineRule::Store {
            shop.agrees("10").await;
            shop.has_conflicts(&[]).await;
        } else {
            shop.holds("10", "10", "4").await;
            shop.has_conflicts(&[(ConflictKind::FirstContact, &shop.square)]).await;
        }
        shop.is_at_rest().await;
    };
    tokio::join!(
        later("later-store", BaselineRule::Store),
        later("later-ask", BaselineRule::Ask),
        made_again(&world)
    );
}

async fn made_again(world: &World) {
    let shop = Shop::with_tea(world, "again", BaselineRule::Store, 10).await;
    let (variant, before) = (shop.are_linked().await, tea(&shop.shopify));
    let made = shop.shopify.shop().recreate_product(&before.product).expect("it is on sale");
    assert_ne!(made[0].variant, before.variant);
    assert_eq!(shop.are_linked().await, variant, "the same variant of the store");
    assert_eq!(shop.linked(&shop.shopify, &before.variant).await, "", "the old link is retired");
    shop.agrees("10").await;
    sell(&shop.square, 2);
    shop.agrees("8").await;
    sell(&shop.shopify, 1);
    shop.agrees("7").await;
    shop.has_conflicts(&[]).await;
    shop.is_at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_two_variants_have_matches_neither_and_an_account_is_connected_once() {
    let world = World::start(&Program::ALL).await;
    let shop = Shop::open(&world, "ambiguous", BaselineRule::Store).await;
    let (first, second) = (add(&shop.shopify, "tea", 10), add(&shop.shopify, "tea", 20));
    shop.quiet().await;
    let third = add(&shop.square, "tea", 5);
    shop.has_conflicts(&[(ConflictKind::SkuAmbiguous, &shop.square)]).await;
    shop.is_at_rest().await;
    let linked = [
        shop.linked(&shop.shopify, &first.variant).await,
        shop.linked(&shop.shopify, &second.variant).await,
        shop.linked(&shop.square, &third.variant).await,
    ];
    assert!(linked.iter().all(|variant| !variant.is_empty()), "{linked:?}");
    assert!(linked[0] != linked[1] && linked[1] != linked[2] && linked[0] != linked[2], "{linked:?}");
    for (account, ids, pieces) in
        [(&shop.shopify, &first, "10"), (&shop.shopify, &second, "20"), (&shop.square, &third, "5")]
    {
        let held = account.shop().level(&ids.item, &account.location_id());
        assert_eq!(held.as_deref(), Some(pieces), "nobody's stock is another's");
    }

    let mut twice = connection(&world, &shop.square).await;
    twice.id = ConnectionId::new("ambiguous-again").expect("an id");
    let refused = world.store.upsert_connection(&twice).await.expect_err("it is connected already");
    assert!(refused.to_string().contains("another connection of the store has this account"), "{refused}");
    assert!(world.store.connection(&twice.id).await.expect("the database answers").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_that_nobody_linked_is_read_once_it_is_linked_by_hand() {
    let world = World::start(&Program::ALL).await;
    let shop = Shop::open(&world, "unlinked", BaselineRule::Store).await;
    let mut square = connection(&world, &shop.square).await;
    square.default_location = None;
    world.store.upsert_connection(&square).await.expect("a connection can be changed");
    world.sql(&format!("DELETE FROM links WHERE connection = '{}' AND kind = 'location'", square.id)).await;

    add(&shop.shopify, "tea", 10);
    shop.quiet().await;
    add(&shop.square, "tea", 4);
    shop.has_conflicts(&[(ConflictKind::UnlinkedLocation, &shop.square)]).await;
    shop.is_at_rest().await;
    assert_eq!(level(&shop.square).as_deref(), Some("4"), "nobody knows where that is");

    let (location, to) = (shop.square.location_id(), shop.merchant.location.to_string());
    let link = ["link-location", "--connection", square.id.as_str(), "--location", &location, "--to"];
    let nowhere = tillflow(&world, &[&link[..], &["nowhere"]].concat()).await;
    assert!(nowhere.code == 1 && nowhere.error.contains("has no location nowhere"), "{nowhere:?}");
    let by_hand = [&link[..], &[to.as_str()]].concat();
    let preview = tillflow(&world, &[&by_hand[..], &["--dry-run"]].concat()).await.well();
    assert_eq!(preview[0]["items_to_read"].as_u64(), Some(1), "{preview:?}");
    shop.has_conflicts(&[(ConflictKind::UnlinkedLocation, &shop.square)]).await;
    let linked = tillflow(&world, &by_hand).await.well();
    assert_eq!(linked[0]["outcome"], "applied", "{linked:?}");
    shop.agrees("10").await;
    shop.has_conflicts(&[]).await;
    let again = tillflow(&world, &by_hand).await.well();
    assert_eq!(again[0]["outcome"], "unchanged", "{again:?}");
    let elsewhere = ["link-location", "--connection", square.id.as_str(), "--location", "L9", "--to", &to];
    let refused = tillflow(&world, &elsewhere).await;
    assert!(refused.code == 1 && refused.error.contains("is linked to"), "{refused:?}");

    sell(&shop.square, 1);
    shop.agrees("9").await;
    shop.is_at_rest().await;
}
