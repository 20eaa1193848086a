//! Output for people: logs without contents of deliveries, and command output in which no foreign text controls a
//! terminal.

use crate::{PATIENCE, command_line};
use model::is_hidden;
use serde_json::{Value, json};
use simulator::NewVariant;
use testkit::{Account, AccountOptions, Merchant, Program, Sender, Signed, World, WorldOptions, eventually};

/// A text with terminal commands, in both forms that terminals accept, and a change of the text direction.
const HOSTILE: &str =
    "\u{1b}[31mred\u{1b}]0;title\u{7}\u{9b}2J\u{202e}gpj\u{2066}\u{2028}\r\ntillflow: all is well";

/// Sends a delivery until it is kept, and waits for its outcome; returns its id.
async fn end(world: &World, merchant: &Merchant, delivery: &Signed) -> String {
    let (id, _) = Sender::default().send_until_kept(delivery, PATIENCE).await;
    world.event_outcome(PATIENCE, merchant, &id).await;
    id
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// Collects every marked text in a JSON value, which can only come from it.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.contains("-marked") => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(fields) => fields.values().for_each(|value| texts(value, found)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn customer(id: u64) -> Value {
    json!({
        "id": id, "email": format!("ada{id}-marked@example.com"), "first_name": "Ada-marked",
        "last_name": "Lovelace-marked", "phone": "+15550100-marked", "note": "likes tea-marked",
        "updated_at": "2026-01-01T00:00:00Z", "created_at": "2026-01-01T00:00:00Z",
    })
}

fn order(id: u64) -> Value {
    json!({
        "id": id, "name": format!("#{id}"), "total_price": "10.00", "financial_status": "paid",
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "currency": "USD",
        "email": "eve-marked@example.com", "customer": customer(7), "note": "ring twice-marked",
        "shipping_address": {"address1": "1 Main Street-marked"},
        "line_items": [{"id": id * 10, "quantity": 1, "price": "10.00", "variant_id": null, "title": "Cup-marked"}],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_nothing_of_a_delivery_is_in_a_log_at_any_level() {
    let everything =
        "trace,async_nats=trace,sqlx=trace,hyper=trace,hyper_util=trace,reqwest=trace,rustls=trace";
    let options = WorldOptions { log_filter: Some(everything.to_owned()), ..WorldOptions::default() };
    let world = World::start_with(options, &Program::ALL).await;
    let (merchant, [shopify, square]) = world.tea_shop(["shopify", "square"], PATIENCE).await;
    let mut marks = Vec::new();

    // Accepted: people, orders, a title and a price that are written to the other platform.
    for (topic, body) in
        [("customers/create", customer(5)), ("customers/update", customer(5)), ("orders/create", order(6))]
    {
        texts(&body, &mut marks);
        end(&world, &merchant, &shopify.sign(topic, topic, bytes(&body))).await;
    }
    let tea = shopify.shop().find("tea").expect("tea is on sale");
    shopify.shop().edit_title(&tea.product, "Blacker tea-marked").expect("it is on sale");
    shopify.shop().edit_price(&tea.variant, 1_250).expect("it is on sale");
    square
        .shop()
        .add_customer("Grace-marked", "Hopper-marked", "grace-marked@example.com")
        .expect("it is taken");
    let cup = NewVariant::stocked("cup-marked", 950, 10, &square.shop().locations());
    square.shop().add_product("Cup-marked", &[cup]).expect("the shop takes it");
    world.quiet(PATIENCE, &[&merchant], &[&shopify, &square]).await;
    assert_eq!(
        square.shop().title(&square.shop().find("tea").expect("tea is on sale").product).as_deref(),
        Some("Blacker tea-marked")
    );

    // Refused: a body against the schema, an invalid number, invalid JSON, an unsigned body, an unknown topic.
    let misplaced = json!({"id": "mallory-marked@example.com", "email": {"trent-marked@example.com": 1}});
    let no_number = json!({"id": 8, "total_price": "peggy-marked@example.com", "line_items": []});
    for (number, (topic, body)) in [
        ("customers/create", bytes(&misplaced)),
        ("orders/create", bytes(&no_number)),
        ("customers/update", b"{\"email\": \"victor-marked@example.com\"".to_vec()),
    ]
    .into_iter()
    .enumerate()
    {
        Sender::default()
            .send_until_kept(&shopify.sign(topic, &format!("refused-{number}"), body), PATIENCE)
            .await;
    }
    let sender = Sender::default();
    let body = bytes(&json!({"email": "walter-marked@example.com"}));
    let unsigned = shopify.missign(testkit::Missigned::Absent, "customers/create", "unsigned", body.clone());
    assert_eq!(sender.send(&unsigned).await.map(|response| response.status), Some(401));
    let unknown = shopify.sign("walter-marked@example.com", "unknown", body);
    assert!(sender.send(&unknown).await.is_some());
    eventually(PATIENCE, "what is refused is a dead letter", async || {
        let dead_letters = command_line::tillflow(&world, &["dlq", "ls", "--dead-letters"]).await.well();
        if dead_letters.len() >= 3 { Ok(()) } else { Err(format!("{dead_letters:?}")) }
    })
    .await;

    marks.extend(
        ["Blacker tea-marked", "Grace-marked", "Hopper-marked", "grace-marked@example.com", "Cup-marked"]
            .map(str::to_owned),
    );
    marks.extend(
        ["mallory-marked", "trent-marked", "peggy-marked", "victor-marked", "walter-marked"]
            .map(str::to_owned),
    );
    marks.extend([&shopify, &square].map(|account| account.secret.clone()));
    marks.extend(
        [&shopify, &square].map(|account| format!("token-of-{}-{}", merchant.store, account.platform)),
    );
    marks.extend(["0707070707070707".to_owned(), "-marked".to_owned()]);
    for program in Program::ALL {
        let log = world.process(program).log();
        assert!(log.contains("\"level\":\"INFO\""), "{} logs", program.name());
        assert!(!log.contains(|character| is_hidden(character) && character != '\n'));
        for mark in &marks {
            let found = log.lines().find(|line| line.contains(mark));
            assert_eq!(found, None, "{mark} is in the log of {}", program.name());
        }
    }
}

/// The output of a verb, both streams.
async fn written(world: &World, arguments: &[&str]) -> String {
    let output = command_line::run(world, arguments).await;
    String::from_utf8([output.stdout, output.stderr].concat()).expect("it writes UTF-8")
}

/// A shop in which every foreign text contains terminal commands.
async fn hostile_shop(world: &World) -> (Merchant, Account, String) {
    let merchant = world.merchant("shop").await;
    let account = world.account(&merchant, "shopify", AccountOptions::silent()).await;
    let square = world
        .account(&merchant, "square", AccountOptions { locations: Vec::new(), ..AccountOptions::silent() })
        .await;
    let product = json!({
        "id": 1000, "title": format!("Tea {HOSTILE}"), "body_html": HOSTILE, "vendor": HOSTILE, "status": "active",
        "updated_at": "2026-01-01T00:00:00Z",
        "variants": [{"id": 1001, "product_id": 1000, "title": HOSTILE, "price": "9.50", "sku": format!("sku{HOSTILE}"),
            "inventory_item_id": 1101}],
    });
    end(world, &merchant, &account.sign("products/create", "product", bytes(&product))).await;
    let id = end(world, &merchant, &account.level("level", 1101, 5, 1)).await;
    // Square's ids are texts: this one is a valid id, but reverses the text direction.
    let count = json!({
        "merchant_id": "tests", "type": "inventory.count.updated", "event_id": "e1", "created_at": "2026-01-01T00:00:00Z",
        "data": {"type": "inventory_counts", "id": "x", "object": {"inventory_counts": [{
            "calculated_at": "2026-01-01T00:00:00Z", "catalog_object_id": "V\u{202e}1", "catalog_object_type": "ITEM_VARIATION",
            "location_id": "L\u{202e}\u{2066}X", "quantity": "5", "state": "IN_STOCK"}]}},
    });
    end(world, &merchant, &square.sign("inventory.count.updated", "count", bytes(&count))).await;
    let broken = json!({"id": 1002, "title": HOSTILE, "variants": [{"id": HOSTILE, HOSTILE: 1}]});
    Sender::default()
        .send_until_kept(&account.sign("products/update", "broken", bytes(&broken)), PATIENCE)
        .await;
    world.quiet(PATIENCE, &[&merchant], &[]).await;
    // As a platform or a person could have written it.
    let hostile = HOSTILE.replace('\'', "''");
    world.sql(&format!("UPDATE connections SET health = 'misconfigured', health_since = now(), health_reason = '{hostile}'")).await;
    world.sql(&format!("UPDATE conflicts SET detail = detail || '{hostile}'")).await;
    world.sql(&format!("UPDATE locations SET name = '{hostile}'")).await;
    (merchant, account, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_output_of_the_command_line_acts_on_a_terminal() {
    let world = World::start(&Program::ALL).await;
    let (merchant, account, id) = hostile_shop(&world).await;
    let (store, connection) = (merchant.store.as_str(), account.connection.as_str());
    let dead_letters = command_line::tillflow(&world, &["dlq", "ls", "--dead-letters"]).await.well();
    let dead_letter = dead_letters[0]["dead_letter"].to_string();
    let conflicts = command_line::tillflow(&world, &["conflicts", "ls", "--store", store]).await.well();
    let conflict = conflicts[0]["conflict"].to_string();
    let verbs: &[&[&str]] = &[
        &["show", "store", store],
        &["events", "--store", store],
        &["events", "--delivery", &id],
        &["conflicts", "ls", "--all"],
        &["conflicts", "show", &conflict],
        &["connection", "ls"],
        &["connection", "show", connection],
        &["dlq", "ls"],
        &["dlq", "ls", "--dead-letters"],
        &["dlq", "show", &dead_letter],
        &["dlq", "show", &dead_letter, "--bytes"],
        &["dlq", "discard", &dead_letter, "--note", HOSTILE, "--dry-run"],
        &["audit"],
        &["doctor"],
        &["rebuild", "--dry-run"],
        &["replay"],
        // Arguments typed or pasted by a person.
        &["show", "store", HOSTILE],
        &["show", HOSTILE],
        &["connection", "show", HOSTILE],
        &["conflicts", "ls", "--kind", HOSTILE],
        &["events", "--delivery", HOSTILE],
        &[HOSTILE],
    ];
    let mut all = String::new();
    for verb in verbs {
        for output in ["text", "json"] {
            let written = written(&world, &[&["--output", output], *verb].concat()).await;
            let acts: Vec<&str> = written
                .lines()
                .filter(|line| line.contains(is_hidden) || line.starts_with("tillflow: all is well"))
                .collect();
            assert_eq!(acts, Vec::<&str>::new(), "{verb:?}, {output}");
            assert!(!written.contains('\r'), "{verb:?}, {output}");
            all.push_str(&written);
        }
    }
    for shown in
        ["\\u{1b}[31m", "\\u001b[31m", "\\u{9b}", "\\u009b", "\\u{202e}", "\\u202e", "\\u{2066}", "\\u2028"]
    {
        assert!(all.contains(shown), "{shown} isn't shown anywhere");
    }
}
