//! The whole path of one event.

use crate::PATIENCE;
use model::{Outcome, Quantity};
use serde_json::Value;
use std::time::Duration;
use testkit::{
    Account, AccountOptions, Merchant, Program, Sender, World, WorldOptions, eventually, level_body,
};
use wire::Original;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

async fn one_account(programs: &[Program]) -> (World, Merchant, Account) {
    one_account_with(WorldOptions::default(), programs).await
}

async fn one_account_with(options: WorldOptions, programs: &[Program]) -> (World, Merchant, Account) {
    let world = World::start_with(options, programs).await;
    let merchant = world.merchant("shop").await;
    let account = world.account(&merchant, "shopify", AccountOptions::silent()).await;
    (world, merchant, account)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_of_shopify_ends_in_postgres_and_at_square_and_its_echo_stops_there() {
    let world = World::start(&Program::ALL).await;
    let (merchant, [shopify, square]) = world.tea_shop(["shopify", "square"], PATIENCE).await;
    let accounts = [&shopify, &square];
    assert_eq!(world.level(&merchant, "tea").await, Some(Quantity::pieces(10)));
    let echoes_before = world.count(&merchant, Outcome::Echo).await;
    let calls_before = square.shop().calls().len();

    // The shop's own webhook of the sale is delayed; the same report arrives with a trace context.
    shopify.shop().hold_webhooks(true);
    let item = shopify.shop().find("tea").expect("it is on sale").item;
    shopify.shop().sell(&item, &shopify.location_id(), 3).expect("there are ten");
    let number = item.parse().expect("a number");
    let now = i64::from(u32::MAX);
    let body = level_body("shopify", number, Account::LOCATION, 7, now);
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let delivery = shopify.sign("inventory_levels/update", "reported-7", body).with("traceparent", &parent);
    let (id, _) = Sender::default().send_until_kept(&delivery, PATIENCE).await;

    assert_eq!(world.event_outcome(PATIENCE, &merchant, &id).await.outcome, Outcome::Applied);
    assert_eq!(world.level(&merchant, "tea").await, Some(Quantity::pieces(7)));
    let at_square = square.shop().find("tea").expect("it is on sale").item;
    eventually(PATIENCE, "Square has seven", async || {
        let level = square.shop().level(&at_square, &square.location_id());
        if level.as_deref() == Some("7") { Ok(()) } else { Err(format!("it has {level:?}")) }
    })
    .await;
    world.quiet(PATIENCE, &[&merchant], &[&square]).await;

    let calls = square.shop().calls().split_off(calls_before);
    assert_eq!(calls.len(), 1, "one change is one call: {calls:#?}");
    let sent = calls[0].traceparent.as_deref().unwrap_or_default();
    assert!(sent.contains(TRACE), "the call belongs to the delivery's trace: {sent}");
    assert!(calls[0].idempotency_key.is_some());
    assert_eq!(world.count(&merchant, Outcome::Echo).await, echoes_before + 1);
    let event_outcomes = world.event_outcomes(&merchant).await;
    let last = event_outcomes.last().expect("there are outcomes");
    assert_eq!((&last.connection, last.outcome), (&square.connection, Outcome::Echo), "{last:?}");

    // The shop's own report of the same sale changes nothing and isn't forwarded.
    let writes =
        |account: &Account| account.shop().calls().iter().filter(|call| call.method == "POST").count();
    let written = (writes(&shopify), writes(&square));
    shopify.shop().hold_webhooks(false);
    world.quiet(PATIENCE, &[&merchant], &accounts).await;
    assert_eq!((writes(&shopify), writes(&square)), written, "nothing further is written");
    assert_eq!(world.level(&merchant, "tea").await, Some(Quantity::pieces(7)));
    world.assert_sound(&merchant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_delivery_three_times_changes_one_row() {
    let (mut world, merchant, account) = one_account(&Program::ALL).await;
    let sender = Sender::default();
    sender.send_until_kept(&account.product("made", 1000, "Tea", 1, 0), PATIENCE).await;
    let level = account.level("counted", 1101, 10, 1);
    sender.send_until_kept(&level, PATIENCE).await;
    let sold = account.level("sold", 1101, 9, 2);
    let (first, _) = sender.send_until_kept(&sold, PATIENCE).await;
    world.event_outcome(PATIENCE, &merchant, &first).await;

    // The intake remembers the delivery; after a kill it doesn't, and RAW has it twice.
    let (second, _) = sender.send_until_kept(&sold, PATIENCE).await;
    world.kill(Program::Ingest).await;
    world.launch(&[Program::Ingest]).await;
    let (third, _) = sender.send_until_kept(&sold, PATIENCE).await;
    assert_eq!((&second, &third), (&first, &first));
    world.quiet(PATIENCE, &[&merchant], &[]).await;

    let duplicates =
        world.scrape().await.count("tillflow_events_total", &[("stage", "dedupe"), ("outcome", "duplicate")]);
    assert_eq!(duplicates, 1, "the third one got as far as dedupe");
    assert_eq!(world.level(&merchant, "sku-1000-1").await, Some(Quantity::pieces(9)));
    assert_eq!(world.assert_sound(&merchant).await.len(), 3);
    assert_eq!(world.event_outcomes(&merchant).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_of_what_a_new_owner_of_dedupe_did_not_read_back_is_known_to_the_record() {
    let options = WorldOptions { read_back_max: Some(1), ..WorldOptions::default() };
    let (mut world, merchant, account) = one_account_with(options, &Program::ALL).await;
    let sender = Sender::default();
    let (counted, sold) = (account.level("counted", 1101, 10, 1), account.level("sold", 1101, 9, 2));
    for delivery in [&account.product("made", 1000, "Tea", 1, 0), &counted, &sold] {
        let (id, _) = sender.send_until_kept(delivery, PATIENCE).await;
        world.event_outcome(PATIENCE, &merchant, &id).await;
    }

    for program in [Program::Ingest, Program::Dedupe] {
        world.kill(program).await;
        world.launch(&[program]).await;
    }
    for delivery in [&counted, &sold] {
        sender.send_until_kept(delivery, PATIENCE).await;
    }
    world.quiet(PATIENCE, &[&merchant], &[]).await;

    let scrape = world.scrape().await;
    for stage in ["dedupe", "apply"] {
        let duplicates = scrape.count("tillflow_events_total", &[("stage", stage), ("outcome", "duplicate")]);
        assert_eq!(duplicates, 1, "{stage}");
    }
    assert_eq!(world.level(&merchant, "sku-1000-1").await, Some(Quantity::pieces(9)));
    assert_eq!(world.assert_sound(&merchant).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_update_that_comes_after_a_newer_one_is_stale() {
    let (world, merchant, account) = one_account(&Program::ALL).await;
    let sender = Sender::default();
    let mut outcomes = Vec::new();
    for (delivery, title, second) in [("first", "Tea", 10), ("newer", "Green tea", 30), ("older", "Te", 20)] {
        let (id, _) =
            sender.send_until_kept(&account.product(delivery, 1000, title, 1, second), PATIENCE).await;
        outcomes.push(world.event_outcome(PATIENCE, &merchant, &id).await.outcome);
    }
    assert_eq!(outcomes, [Outcome::Applied, Outcome::Applied, Outcome::Stale]);
    // A level makes the store's view show the product's title.
    let (id, _) = sender.send_until_kept(&account.level("counted", 1101, 5, 40), PATIENCE).await;
    world.event_outcome(PATIENCE, &merchant, &id).await;
    let view = world.store.show_store(&merchant.store).await.expect("the database answers");
    assert_eq!(view.levels[0].product_title.as_deref(), Some("Green tea"));
    assert_eq!(world.assert_sound(&merchant).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_payload_lies_in_dead_as_it_came_and_the_next_event_goes_on() {
    let (world, merchant, account) = one_account(&Program::ALL).await;
    let sender = Sender::default();
    sender.send_until_kept(&account.product("made", 1000, "Tea", 1, 0), PATIENCE).await;
    let mut poison: Value =
        serde_json::from_slice(&level_body("shopify", 1101, Account::LOCATION, 10, 1)).expect("JSON");
    poison["available"] = "ten".into();
    let wrong_type = poison.to_string().into_bytes();
    let bodies = [wrong_type, b"{\"inventory_item_id\": 11".to_vec()];
    let mut ids = Vec::new();
    for (index, body) in bodies.iter().enumerate() {
        let delivery = account.sign("inventory_levels/update", &format!("poison-{index}"), body.clone());
        ids.push(sender.send_until_kept(&delivery, PATIENCE).await.0);
    }
    let (next, _) = sender.send_until_kept(&account.level("counted", 1101, 10, 2), PATIENCE).await;
    assert_eq!(world.event_outcome(PATIENCE, &merchant, &next).await.outcome, Outcome::Applied);
    assert_eq!(world.level(&merchant, "sku-1000-1").await, Some(Quantity::pieces(10)));

    let mut dead_letters = Vec::new();
    let mut reader = world.bus.read_dead(None).await.expect("the broker answers");
    while let Some(message) = reader.next().await.expect("the broker answers") {
        assert_eq!(message.store, merchant.store);
        dead_letters.push(wire::decode_dead(message.payload).expect("a dead letter"));
    }
    let reported: Vec<_> = dead_letters
        .iter()
        .map(|dead_letter| {
            (
                dead_letter.stage.as_str(),
                dead_letter.reject.class.as_str(),
                dead_letter.reject.pointer.as_deref(),
            )
        })
        .collect();
    assert_eq!(reported, [("normalize", "data", Some("/available")), ("normalize", "schema", None)]);
    for (dead_letter, (id, body)) in dead_letters.iter().zip(ids.iter().zip(&bodies)) {
        let Original::Delivery(delivery) = &dead_letter.original else {
            panic!("not a delivery: {dead_letter:?}")
        };
        assert_eq!(
            (&delivery.id.to_string(), &*delivery.body),
            (id, &**body),
            "the bytes are those that came"
        );
        assert_eq!(delivery.origin.connection, account.connection);
    }
    tokio::time::timeout(Duration::from_secs(10), world.assert_sound(&merchant))
        .await
        .expect("the database answers");
}
