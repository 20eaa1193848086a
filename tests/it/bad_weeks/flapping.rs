//! Another program that writes the same level at a platform: it and Tillflow would overwrite each other without end.

use super::{STILL, Shop, level, sell, until};
use crate::command_line::tillflow;
use model::{BaselineRule, ConflictKind, Quantity, ROUNDS_MAX};
use store::ConflictFilter;
use testkit::{Program, World};

impl Shop<'_> {
    /// Number of pieces at Shopify.
    fn at_shopify(&self) -> i32 {
        level(&self.shopify).and_then(|level| level.parse().ok()).expect("a whole number")
    }

    /// Resolves the one open conflict of that kind, as a person would.
    async fn is_seen_to(&self, kind: ConflictKind) {
        let filter = ConflictFilter {
            store: Some(self.merchant.store.clone()),
            kind: Some(kind),
            ..ConflictFilter::default()
        };
        let rows = self.world.store.conflicts(&filter, 2).await.expect("the database answers");
        let [row] = &rows[..] else { panic!("{rows:?}") };
        let arguments =
            ["conflicts", "resolve", &row.id.to_string(), "--note", "the other program is switched off"];
        tillflow(self.world, &arguments).await.well();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_another_program_answers_each_time_stop_until_a_person_has_seen_to_it() {
    let world = World::start(&Program::ALL).await;
    let shop = Shop::with_tea(&world, "flapping", BaselineRule::Store, 10).await;
    let shopify = shop.shopify.shop();
    shopify.restock_before_writes(true);
    sell(&shop.square, 2);
    shop.has_conflicts(&[(ConflictKind::Flapping, &shop.shopify)]).await;
    shop.quiet().await;
    // The other program added one piece after each refused write, and each counts in the store.
    let restocked = shop.at_shopify() - 10;
    let rounds = i32::try_from(ROUNDS_MAX).expect("a few");
    assert!(restocked > rounds, "{restocked} rounds");
    let stands = (8 + restocked).to_string();
    shop.holds(&stands, &(10 + restocked).to_string(), &stands).await;

    // The writes of that level have stopped; other writes, and movements in the store, continue.
    sell(&shop.square, 1);
    let left = 7 + restocked;
    until("the store has it", async || {
        world.level(&shop.merchant, "tea").await == Some(Quantity::pieces(left))
    })
    .await;
    let calls = shop.calls().shopify;
    tokio::time::sleep(STILL).await;
    assert_eq!((shop.calls().shopify, shop.at_shopify()), (calls, 10 + restocked), "its writes have stopped");
    shop.has_conflicts(&[(ConflictKind::Flapping, &shop.shopify)]).await;

    shopify.restock_before_writes(false);
    shop.is_seen_to(ConflictKind::Flapping).await;
    shop.agrees(&left.to_string()).await;
    shop.has_conflicts(&[]).await;
    shop.is_at_rest().await;
}
