//! Signed bodies that are sent again as something else, to another recipient, or too late: unsigned parts of a request
//! decide nothing.

use crate::{PATIENCE, command_line::tillflow};
use model::{ConflictKind, Outcome, Quantity};
use serde_json::{Value, json};
use store::{ConflictFilter, Connection, Health};
use testkit::{
    Account, AccountOptions, Merchant, Program, Sender, Signed, World, WorldOptions, eventually, product_body,
};

async fn shop() -> (World, Merchant, Account) {
    shop_with(WorldOptions::default()).await
}

async fn shop_with(options: WorldOptions) -> (World, Merchant, Account) {
    let world = World::start_with(options, &Program::ALL).await;
    let merchant = world.merchant("shop").await;
    let account = world.account(&merchant, "shopify", AccountOptions::silent()).await;
    (world, merchant, account)
}

/// Sends a delivery until it is kept, and returns its outcome.
async fn outcome(world: &World, merchant: &Merchant, delivery: &Signed) -> Outcome {
    let (id, _) = Sender::default().send_until_kept(delivery, PATIENCE).await;
    // A duplicate of another delivery also has an outcome under its own id.
    eventually(PATIENCE, &format!("delivery {id} has ended"), async || {
        let outcomes =
            tillflow(world, &["events", "--delivery", &id, "--store", merchant.store.as_str()]).await;
        let last = outcomes.lines.last().and_then(|line| line["outcome"].as_str().map(str::to_owned));
        let last = last.and_then(|text| Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == text));
        last.ok_or(outcomes.error)
    })
    .await
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn customer(id: u64) -> Vec<u8> {
    bytes(
        &json!({"id": id, "email": format!("ada{id}@example.com"), "first_name": "Ada", "updated_at": "2026-01-01T00:00:00Z"}),
    )
}

/// Number of customers with personal data.
async fn known_customers(world: &World) -> String {
    world.sql("SELECT count(*) FROM customers WHERE personal <> '{}'").await
}

async fn title(world: &World) -> String {
    world.sql("SELECT title, deleted_at IS NULL FROM products").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_sent_again_as_a_deletion_or_as_a_loss_of_access_does_neither() {
    let (world, merchant, account) = shop().await;
    let update = product_body("shopify", 1000, "Tea", 1, 10);
    assert_eq!(
        outcome(&world, &merchant, &account.sign("products/update", "1", update.clone())).await,
        Outcome::Applied
    );
    let before = title(&world).await;
    for topic in ["products/delete", "orders/delete", "customers/delete", "app/uninstalled", "shop/redact"] {
        let again = account.sign(topic, &format!("as {topic}"), update.clone());
        let again = again.with("x-shopify-triggered-at", "2026-11-01T00:00:00Z");
        assert_eq!(outcome(&world, &merchant, &again).await, Outcome::Dead, "{topic}");
    }
    assert_eq!(title(&world).await, before);
    let connection =
        world.store.connection(&account.connection).await.expect("it answers").expect("it is there");
    assert_eq!(connection.health, Health::Ok);
    // A genuine deletion of Shopify is accepted.
    let real = account.sign("products/delete", "real", bytes(&json!({"id": 1000})));
    assert_eq!(outcome(&world, &merchant, &real).await, Outcome::Applied);
    assert_ne!(title(&world).await, before);
    world.assert_sound(&merchant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_of_one_customer_or_of_another_shop_erases_no_one_else() {
    let (world, merchant, account) = shop().await;
    for id in [5, 6] {
        let made = account.sign("customers/create", &format!("made {id}"), customer(id));
        assert_eq!(outcome(&world, &merchant, &made).await, Outcome::Applied);
    }
    let notice = |shop: &str, id: u64| json!({"shop_id": 1, "shop_domain": shop, "customer": {"id": id, "email": "x@example.com"}, "orders_to_redact": []});
    let asked = json!({"shop_id": 1, "shop_domain": "tests.myshopify.com", "customer": {"id": 5}, "orders_requested": [], "data_request": {"id": 9}});
    let refused = [
        // One customer's erasure sent as that of all, and a data request sent as an erasure.
        ("shop/redact", notice("tests.myshopify.com", 5)),
        ("customers/redact", asked),
        // Another shop's notices, under any header: the secret is the app's.
        ("shop/redact", json!({"shop_id": 2, "shop_domain": "other.myshopify.com"})),
        ("customers/redact", notice("other.myshopify.com", 5)),
    ];
    for (number, (topic, body)) in refused.into_iter().enumerate() {
        let delivery = account.sign(topic, &format!("refused {number}"), bytes(&body));
        assert_eq!(outcome(&world, &merchant, &delivery).await, Outcome::Dead, "{topic} {body}");
    }
    assert_eq!(known_customers(&world).await, "2");
    let real = account.sign("customers/redact", "real", bytes(&notice("tests.myshopify.com", 5)));
    assert_eq!(outcome(&world, &merchant, &real).await, Outcome::Applied);
    assert_eq!(known_customers(&world).await, "1");
    let kinds = world.store.conflicts(&ConflictFilter::default(), 100).await.expect("the database answers");
    let kinds: Vec<ConflictKind> = kinds.iter().map(|row| row.conflict.kind).collect();
    assert_eq!(kinds, [ConflictKind::EraseCustomer]);
}

/// Square's report of a count, with that merchant id.
fn count(merchant_id: &str, event: &str, quantity: &str) -> Vec<u8> {
    bytes(&json!({
        "merchant_id": merchant_id, "type": "inventory.count.updated", "event_id": event, "created_at": "2026-01-01T00:00:00Z",
        "data": {"type": "inventory_counts", "id": "x", "object": {"inventory_counts": [{
            "calculated_at": "2026-01-01T00:00:00Z", "catalog_object_id": "V1", "catalog_object_type": "ITEM_VARIATION",
            "location_id": "LMAINSTREET01", "quantity": quantity, "state": "IN_STOCK"}]}},
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_of_another_account_is_set_aside_until_the_connection_says_that_it_is_its_own() {
    let (world, merchant, account) = shop().await;
    let options = AccountOptions {
        locations: vec!["LMAINSTREET01".to_owned()],
        name: "MOWN".to_owned(),
        ..AccountOptions::silent()
    };
    let square = world.account(&merchant, "square", options).await;
    let foreign = square.sign("", "", count("MOTHER", "e-1", "9"));
    assert_eq!(outcome(&world, &merchant, &foreign).await, Outcome::Dead);
    let thin = json!({"merchant_id": "MOTHER", "type": "catalog.version.updated", "event_id": "e-2", "created_at": "2026-01-01T00:00:00Z",
        "data": {"type": "catalog", "id": "", "object": {"catalog_version": {"updated_at": "2026-01-01T00:00:00Z"}}}});
    assert_eq!(outcome(&world, &merchant, &square.sign("", "", bytes(&thin))).await, Outcome::Dead);
    let misrouted =
        account.level("misrouted", 1101, 5, 1).with("x-shopify-shop-domain", "other.myshopify.com");
    assert_eq!(outcome(&world, &merchant, &misrouted).await, Outcome::Dead);
    assert_eq!(world.sql("SELECT count(*) FROM inventory_movements").await, "0");
    // Nothing is fetched for another seller's notification: no connection could be used for it.
    world.quiet(PATIENCE, &[&merchant], &[]).await;
    let dead_letters = tillflow(&world, &["dlq", "ls"]).await.well();
    let classes: Vec<_> =
        dead_letters.iter().filter_map(|dead_letter| dead_letter["class"].as_str()).collect();
    assert_eq!(classes, vec!["config"; dead_letters.len()], "{dead_letters:?}");

    let own = square.sign("", "", count("MOWN", "e-3", "7"));
    assert_eq!(outcome(&world, &merchant, &own).await, Outcome::Applied);
    let found = world.store.connection(&square.connection).await.expect("it answers").expect("it is there");
    world
        .store
        .upsert_connection(&Connection { account: "MOTHER".to_owned(), ..found })
        .await
        .expect("it can be changed");
    let replayed = async || {
        let dead_letters = tillflow(&world, &["dlq", "ls", "--dead-letters"]).await.well();
        let of_square =
            dead_letters.iter().filter(|dead_letter| dead_letter["topic"] == "inventory.count.updated");
        let numbers: Vec<String> =
            of_square.map(|dead_letter| dead_letter["dead_letter"].to_string()).collect();
        for number in &numbers {
            tillflow(&world, &["dlq", "replay", number]).await.well();
        }
        world.quiet(PATIENCE, &[&merchant], &[]).await;
        if numbers.is_empty() { Ok(()) } else { Err(format!("{numbers:?} are dead letters")) }
    };
    eventually(PATIENCE, "the first delivery is replayed", replayed).await;
    world.assert_sound(&merchant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_body_sent_again_undoes_nothing_newer() {
    // A new owner of dedupe has an empty window, as after a week: the record has to recognise the repeats.
    let options = WorldOptions { read_back_max: Some(1), ..WorldOptions::default() };
    let (mut world, merchant, account) = shop_with(options).await;
    let old = product_body("shopify", 1000, "Tea", 1, 10);
    let of = |topic, delivery: &str, body: &[u8]| account.sign(topic, delivery, body.to_vec());
    assert_eq!(outcome(&world, &merchant, &of("products/create", "p1", &old)).await, Outcome::Applied);
    assert_eq!(
        outcome(
            &world,
            &merchant,
            &of("products/update", "p2", &product_body("shopify", 1000, "Better tea", 1, 20))
        )
        .await,
        Outcome::Applied
    );
    assert_eq!(outcome(&world, &merchant, &account.level("l1", 1101, 9, 10)).await, Outcome::Applied);
    assert_eq!(outcome(&world, &merchant, &account.level("l2", 1101, 4, 20)).await, Outcome::Applied);
    let order = |status: &str, second: u32| {
        bytes(
            &json!({"id": 7, "name": "#7", "currency": "USD", "total_price": "9.50", "financial_status": status,
            "updated_at": format!("2026-01-01T00:00:{second:02}Z"), "line_items": []}),
        )
    };
    assert_eq!(
        outcome(&world, &merchant, &of("orders/create", "o1", &order("pending", 10))).await,
        Outcome::Applied
    );
    outcome(&world, &merchant, &of("orders/updated", "o2", &order("paid", 20))).await;

    // The old bodies under new delivery ids, with a header that claims that they were sent just now.
    let late = |signed: Signed| signed.with("x-shopify-triggered-at", "2026-11-01T00:00:00Z");
    for (what, signed) in [
        ("product", of("products/update", "r1", &old)),
        ("level", account.level("r2", 1101, 9, 10)),
        ("order", of("orders/updated", "r3", &order("pending", 10))),
    ] {
        assert_eq!(outcome(&world, &merchant, &late(signed)).await, Outcome::Stale, "{what}");
    }
    assert_eq!(title(&world).await, "Better tea|t");
    assert_eq!(world.level(&merchant, "sku-1000-1").await, Some(Quantity::pieces(4)));

    // A deletion, and then the product again: the deletion's body has no time of its own.
    let gone = bytes(&json!({"id": 1000}));
    let deletion =
        |delivery: &str, at: &str| of("products/delete", delivery, &gone).with("x-shopify-triggered-at", at);
    assert_eq!(outcome(&world, &merchant, &deletion("d1", "2026-01-01T00:00:30Z")).await, Outcome::Applied);
    assert_eq!(
        outcome(
            &world,
            &merchant,
            &of("products/update", "p3", &product_body("shopify", 1000, "Tea again", 1, 40))
        )
        .await,
        Outcome::Applied
    );
    let again = title(&world).await;
    assert!(again.ends_with("|t"), "{again}");
    for (delivery, at) in [("d2", "2026-01-01T00:00:30Z"), ("d3", "2026-11-01T00:00:00Z")] {
        assert!(world.terminate(Program::Dedupe).await.success());
        world.launch(&[Program::Dedupe]).await;
        // Only the newest event is read back.
        let other = account.level(&format!("between {delivery}"), 1101, 4, 60);
        outcome(&world, &merchant, &other).await;
        assert_eq!(outcome(&world, &merchant, &deletion(delivery, at)).await, Outcome::Duplicate, "{at}");
    }
    assert_eq!(title(&world).await, again);
    world.assert_sound(&merchant).await;
}
