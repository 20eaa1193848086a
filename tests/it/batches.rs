//! Writes that a platform accepts several of in one request.

use crate::PATIENCE;
use simulator::NewVariant;
use testkit::{Account, Program, World, eventually};

/// Number of products that change at once.
const PRODUCTS: i64 = 40;
/// Upper limit of requests for them; each alone would take forty.
const REQUESTS_MAX: usize = 12;

fn sku(number: i64) -> String {
    format!("tea-{number}")
}

fn level(account: &Account, number: i64) -> Option<String> {
    let shop = account.shop();
    shop.level(&shop.find(&sku(number))?.item, &account.location_id())
}

/// Number of requests that set levels.
fn writes(account: &Account) -> usize {
    account.shop().calls().iter().filter(|call| call.operation == "inventorySetQuantities").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_levels_that_change_at_once_are_set_in_few_requests_and_each_has_its_own_result() {
    let world = World::start(&Program::ALL).await;
    let merchant = world.merchant("batches").await;
    let (shopify, square) =
        (world.simulated(&merchant, "shopify").await, world.simulated(&merchant, "square").await);
    for account in [&shopify, &square] {
        for number in 0..PRODUCTS {
            let variant = NewVariant::stocked(&sku(number), 950, 10, &account.shop().locations());
            account.shop().add_product(&sku(number), &[variant]).expect("the shop takes it");
        }
        world.quiet(PATIENCE, &[&merchant], &[&shopify, &square]).await;
    }
    let before = writes(&shopify);

    // While the connection is paused, one of the items changes unseen and another one goes.
    let mut paused =
        world.store.connection(&shopify.connection).await.expect("the database answers").expect("it exists");
    paused.enabled = false;
    world.store.upsert_connection(&paused).await.expect("a connection can be paused");
    let shop = shopify.shop();
    shop.lose_webhooks(true);
    let item = shop.find(&sku(1)).expect("it is on sale").item;
    shop.restock(&item, &shopify.location_id(), 5).expect("it is on sale");
    shop.delete_product(&shop.find(&sku(2)).expect("it is on sale").product).expect("it is on sale");
    shop.lose_webhooks(false);
    for number in 0..PRODUCTS {
        let till = square.shop();
        let item = till.find(&sku(number)).expect("it is on sale").item;
        till.sell(&item, &square.location_id(), 3).expect("it is on sale");
    }
    square.shop().deliver_now().await;
    eventually(PATIENCE, "the store has all sales", async || {
        let last = world.level(&merchant, &sku(PRODUCTS - 1)).await;
        if last == Some(model::Quantity::pieces(7)) { Ok(()) } else { Err(format!("{last:?}")) }
    })
    .await;
    assert_eq!(writes(&shopify), before, "paused");
    paused.enabled = true;
    world.store.upsert_connection(&paused).await.expect("a connection can be resumed");

    eventually(PATIENCE, "both hold the same", async || {
        let wanted = |number| match number {
            1 => Some("12".to_owned()),
            2 => None,
            _ => Some("7".to_owned()),
        };
        let wrong: Vec<_> = (0..PRODUCTS)
            .map(|number| (number, level(&shopify, number)))
            .filter(|(number, level)| *level != wanted(*number))
            .collect();
        if wrong.is_empty() { Ok(()) } else { Err(format!("{wrong:?}")) }
    })
    .await;
    // The reports of these writes are still on their way.
    world.quiet(PATIENCE, &[&merchant], &[&shopify, &square]).await;
    let requests = writes(&shopify) - before;
    assert!(requests <= REQUESTS_MAX, "{requests} requests");
    world.assert_sound(&merchant).await;
}
