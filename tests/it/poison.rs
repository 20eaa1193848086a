//! Invalid payloads end alone, with their reason and bytes, and never stop the deliveries behind them.

use crate::PATIENCE;
use model::{Outcome, Quantity};
use serde_json::{Value, json};
use testkit::{Account, AccountOptions, Program, Sender, World, level_body, product_body};
use wire::Original;

const ITEM: u64 = 1101;
const LEVEL: &str = "inventory_levels/update";
const PRODUCT: &str = "products/update";

/// Name of the fault, topic, body, and class of the rejection.
type Poison = (&'static str, &'static str, Vec<u8>, &'static str);

/// A level whose `field` has `text` as its raw JSON.
fn level_with(field: &str, text: &str) -> Vec<u8> {
    const MARK: &str = "\"what is replaced\"";
    let mut body: Value = body(&level_body("shopify", ITEM, Account::LOCATION, 1, 1));
    body[field] = json!("what is replaced");
    body.to_string().replace(MARK, text).into_bytes()
}

fn product_with(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut body = body(&product_body("shopify", 2000, "Poisoned", 1, 1));
    change(&mut body);
    body.to_string().into_bytes()
}

fn body(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

fn nested(levels: usize) -> Vec<u8> {
    level_with("deep", &format!("{}{}", "[".repeat(levels), "]".repeat(levels)))
}

fn poisons() -> Vec<Poison> {
    let variant =
        |field: &'static str, value: Value| product_with(move |body| body["variants"][0][field] = value);
    vec![
        ("nothing but a blank", LEVEL, b" ".to_vec(), "schema"),
        ("cut off", LEVEL, level_with("available", "1")[..20].to_vec(), "schema"),
        ("no text", LEVEL, b"{\"inventory_item_id\": \"\xff\xfe\"}".to_vec(), "schema"),
        (
            "two values",
            LEVEL,
            [level_with("available", "1"), level_with("available", "2")].concat(),
            "schema",
        ),
        ("another type at the top", LEVEL, b"[]".to_vec(), "schema"),
        ("a list for a number", LEVEL, level_with("available", "[1]"), "schema"),
        ("a text for a number", LEVEL, level_with("inventory_item_id", "\"1101\""), "schema"),
        ("128 levels deep", LEVEL, nested(128), "schema"),
        ("100,000 levels deep", LEVEL, nested(100_000), "schema"),
        (
            "the character that Postgres can't keep",
            PRODUCT,
            product_with(|body| body["title"] = json!("a\0b")),
            "data",
        ),
        ("a number beyond any", LEVEL, level_with("available", "1e400"), "schema"),
        ("a number of 30 digits", LEVEL, level_with("available", &"9".repeat(30)), "data"),
        ("an id of 30 digits", LEVEL, level_with("inventory_item_id", &"9".repeat(30)), "data"),
        ("half a piece", LEVEL, level_with("available", "0.5"), "schema"),
        ("a negative id", LEVEL, level_with("location_id", "-1"), "data"),
        ("a price that is none", PRODUCT, variant("price", json!("9.5.0")), "data"),
        ("a price of 30 digits", PRODUCT, variant("price", json!("9".repeat(30))), "data"),
        ("a variant without an id", PRODUCT, variant("id", Value::Null), "schema"),
        ("a time that is none", LEVEL, level_with("updated_at", "\"yesterday\""), "data"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_poison_ends_as_its_class_with_its_bytes_and_the_next_event_of_the_store_goes_on() {
    let mut world = World::start(&Program::ALL).await;
    let merchant = world.merchant("shop").await;
    let account = world.account(&merchant, "shopify", AccountOptions::silent()).await;
    let sender = Sender::default();
    sender.send_until_kept(&account.product("made", 1000, "Tea", 1, 0), PATIENCE).await;

    // Every second delivery is valid. All arrive while normalize is stopped, so that both kinds share batches.
    assert!(world.terminate(Program::Normalize).await.success());
    let poisons = poisons();
    let mut poisoned = Vec::new();
    let mut sound = Vec::new();
    for ((what, topic, body, _), level) in poisons.iter().zip(1..) {
        let delivery = account.sign(topic, what, body.clone());
        poisoned.push(sender.send_until_kept(&delivery, PATIENCE).await.0);
        let delivery = account.level(&format!("level-{level}"), ITEM, level, level);
        sound.push(sender.send_until_kept(&delivery, PATIENCE).await.0);
    }
    world.launch(&[Program::Normalize]).await;
    world.quiet(PATIENCE, &[&merchant], &[]).await;

    let mut dead_letters = Vec::new();
    let mut reader = world.bus.read_dead(None).await.expect("the broker answers");
    while let Some(message) = reader.next().await.expect("the broker answers") {
        dead_letters.push(wire::decode_dead(message.payload).expect("a dead letter"));
    }
    let ended: Vec<_> = dead_letters
        .iter()
        .map(|dead_letter| (&*dead_letter.stage, dead_letter.reject.class.as_str()))
        .collect();
    let expected: Vec<_> = poisons.iter().map(|(_, _, _, class)| ("normalize", *class)).collect();
    assert_eq!(
        ended,
        expected,
        "{:#?}",
        dead_letters.iter().map(|dead_letter| &dead_letter.reject).collect::<Vec<_>>()
    );
    for (dead_letter, (id, (what, _, body, _))) in dead_letters.into_iter().zip(poisoned.iter().zip(&poisons))
    {
        let dead_letter = if dead_letter.body_in_raw.is_some() {
            let found = runner::delivery_in_raw(&world.bus, &merchant.store, dead_letter.position).await;
            dead_letter
                .with_body_of(&found.expect("the broker answers").expect("RAW has it"))
                .expect("its body")
        } else {
            dead_letter
        };
        let Original::Delivery(delivery) = &dead_letter.original else { panic!("{what}: not a delivery") };
        assert_eq!(&delivery.id.to_string(), id, "{what}: in the order of acceptance");
        assert_eq!(&delivery.body, body, "{what}: the bytes are those that came");
    }

    let event_outcomes = world.event_outcomes(&merchant).await;
    let applied: Vec<String> = event_outcomes
        .iter()
        .filter(|event_outcome| event_outcome.outcome == Outcome::Applied)
        .map(|event_outcome| event_outcome.delivery.to_string())
        // A rejected variant leaves its product, which is applied.
        .filter(|delivery| !poisoned.contains(delivery))
        .collect();
    assert_eq!(applied[1..], sound[..], "each sound one behind a poison is applied, in order");
    let last = i32::try_from(sound.len()).expect("few");
    assert_eq!(world.level(&merchant, "sku-1000-1").await, Some(Quantity::pieces(last)));
    world.assert_sound(&merchant).await;
}
