//! Platforms that publish to the broker themselves, with stock clients.

use crate::{
    PATIENCE,
    clients::{client_of, partner},
};
use async_nats::jetstream::{self, context::PublishErrorKind, message::PublishMessage};
use bus::User;
use model::{
    Action, DeliveryId, DeliveryKind, ExternalId, InventoryReport, Outcome, Payload, Quantity, SourceVersion,
    Timestamp,
};
use serde_json::Value;
use testkit::{
    Account, AccountOptions, Merchant, PASSWORD, PASSWORD_USER, Program, Sender, World, WorldOptions,
    level_body, python_with_nats,
};

const TOPIC: &str = "inventory_levels/update";
const ITEM: u64 = 1101;
const SKU: &str = "sku-1000-1";

const PUBLISH: &str = r#"
import asyncio, json, sys
import nats, nats.js.errors

async def main():
    url, subject, message_id, user, password, inboxes = sys.argv[1:7]
    connection = await nats.connect(url, user=user, password=password, inbox_prefix=inboxes.encode())
    jetstream = connection.jetstream()
    payload = sys.stdin.buffer.read()
    try:
        ack = await jetstream.publish(subject, payload, timeout=10, headers={"Nats-Msg-Id": message_id})
        print(json.dumps({"stream": ack.stream, "seq": ack.seq, "duplicate": ack.duplicate}))
    except nats.js.errors.APIError as error:
        print(json.dumps({"code": error.code, "description": error.description}))
    await connection.close()

asyncio.run(main())
"#;

async fn one_product() -> (World, Merchant, Account) {
    let world = World::start(&Program::ALL).await;
    let merchant = world.merchant("shop").await;
    let account = world.account(&merchant, "shopify", AccountOptions::silent()).await;
    Sender::default().send_until_kept(&account.product("made", 1000, "Tea", 1, 0), PATIENCE).await;
    (world, merchant, account)
}

fn subject(merchant: &Merchant, account: &Account, topic: &str) -> String {
    format!("pos.in.{}.{}.{topic}", merchant.store, account.connection)
}

async fn assert_level(
    world: &World,
    merchant: &Merchant,
    account: &Account,
    topic: &str,
    id: &str,
    level: i32,
) {
    let delivery = DeliveryId::derive(&account.connection, topic, id.as_bytes()).to_string();
    let event_outcome = world.event_outcome(PATIENCE, merchant, &delivery).await;
    assert_eq!(event_outcome.outcome, Outcome::Applied, "{event_outcome:?}");
    assert_eq!(world.level(merchant, SKU).await, Some(Quantity::pieces(level)));
}

fn level(available: i64, second: i64) -> Vec<u8> {
    level_body("shopify", ITEM, Account::LOCATION, available, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_publish_of_a_stock_client_is_acknowledged_by_raw_and_applied() {
    let (world, merchant, account) = one_product().await;
    let client = partner(&world, &merchant, &account).await;
    let stock = jetstream::new(client);
    let publish = async |topic: &str, id: &str, payload: Vec<u8>| {
        let message = PublishMessage::build().message_id(id).payload(payload.into());
        let sent =
            stock.send_publish(subject(&merchant, &account, topic), message).await.expect("it is sent");
        sent.await
    };

    let first = publish(TOPIC, "one", level(10, 1)).await.expect("an acknowledgement");
    assert_eq!((first.stream.as_str(), first.duplicate), ("RAW", false));
    assert!(first.sequence > 0);
    assert_level(&world, &merchant, &account, TOPIC, "one", 10).await;
    let again = publish(TOPIC, "one", level(10, 1)).await.expect("an acknowledgement");
    assert_eq!((again.sequence, again.duplicate), (first.sequence, true));

    let event = wire::PublishedEvent {
        action: Action::Updated,
        occurred_at: Timestamp::parse("2026-01-01T00:00:05Z").ok(),
        version: Some(SourceVersion::exact(Timestamp::parse("2026-01-01T00:00:05Z").expect("a time"))),
        payload: Payload::Inventory(InventoryReport {
            item: ExternalId::new(&ITEM.to_string()).expect("an id"),
            location: ExternalId::new(&Account::LOCATION.to_string()).ok(),
            available: Some(Quantity::pieces(7)),
        }),
    };
    let canonical = DeliveryKind::Canonical;
    let topic = canonical.topic();
    publish(topic, "two", wire::encode_published(&event).to_vec()).await.expect("an acknowledgement");
    assert_level(&world, &merchant, &account, topic, "two", 7).await;

    // A client that the broker permits, which no partner is.
    let inboxes = world.partner(&merchant.store, &account.connection).await.inbox_prefix();
    let foreign_client = jetstream::new(client_of(&world, &User::Administrator, &inboxes).await);
    let foreign_client =
        foreign_client.publish(format!("pos.in.elsewhere.{}.{TOPIC}", account.connection), "{}".into()).await;
    let refused = foreign_client.expect("it is sent").await.expect_err("the connection is of another store");
    assert_eq!(refused.kind(), PublishErrorKind::Other, "{refused}");
    let refused = publish("carts/update", "three", b"{}".to_vec()).await;
    refused.expect_err("the platform has no such topic");
    let refused = publish("inventory_level/read", "four", level(9, 9)).await;
    refused.expect_err("what we read ourselves comes from nobody else");
    for kind in [DeliveryKind::Reentry, DeliveryKind::Instruction] {
        let refused = publish(kind.topic(), kind.topic(), wire::encode_published(&event).to_vec()).await;
        refused.expect_err("what our services say to each other comes from nobody else");
    }
    world.quiet(PATIENCE, &[&merchant], &[]).await;
    assert_eq!(world.assert_sound(&merchant).await.len(), 3, "the product and two levels");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_publish_of_a_client_in_python_is_acknowledged_by_raw_and_applied() {
    let (world, merchant, account) = one_product().await;
    let partner = world.partner(&merchant.store, &account.connection).await;
    let block = world.users.authorization_with_password(&partner);
    world.nats.reload(block).await.expect("the broker reads its users anew");
    let inboxes = partner.inbox_prefix();
    let publish = |subject: &str, id: &str, payload: &[u8]| {
        let mut command = python_with_nats();
        command.args(["-c", PUBLISH, &world.nats.url(), subject, id, PASSWORD_USER, PASSWORD, &inboxes]);
        run(command, payload)
    };
    let to = subject(&merchant, &account, TOPIC);
    let first = publish(&to, "one", &level(10, 1));
    assert_eq!(first["stream"], "RAW", "{first}");
    assert_ne!(first["duplicate"], true);
    assert_level(&world, &merchant, &account, TOPIC, "one", 10).await;
    let again = publish(&to, "one", &level(10, 1));
    assert_eq!((&again["seq"], &again["duplicate"]), (&first["seq"], &true.into()), "{again}");
    let refused = publish(&to.replace(TOPIC, "carts/update"), "two", &level(9, 2));
    assert_eq!(refused["code"], 400, "{refused}");
    world.quiet(PATIENCE, &[&merchant], &[]).await;
    assert_eq!(world.assert_sound(&merchant).await.len(), 2, "the product and one level");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_shares_the_room_for_bodies_and_is_asked_to_come_again_where_it_finds_none() {
    let options =
        WorldOptions { ingest_settings: vec!["body_bytes_in_flight_max = 16384"], ..WorldOptions::default() };
    let world = World::start_with(options, &Program::ALL).await;
    let merchant = world.merchant("shop").await;
    let account = world.account(&merchant, "shopify", AccountOptions::silent()).await;
    Sender::default().send_until_kept(&account.product("made", 1000, "Tea", 1, 0), PATIENCE).await;
    let client = partner(&world, &merchant, &account).await;
    let publish = async |id: &str, payload: Vec<u8>| {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Msg-Id", id);
        let to = subject(&merchant, &account, TOPIC);
        let response = client.request_with_headers(to, headers, payload.into()).await.expect("a response");
        serde_json::from_slice::<Value>(&response.payload).expect("it is JSON")
    };
    // With white space around it, so that it is the same report.
    let large = [level(10, 1), vec![b' '; 20_000]].concat();
    for number in 0..3 {
        let refused = publish(&format!("large {number}"), large.clone()).await;
        assert_eq!(refused["error"]["code"], 503, "{refused}");
    }
    let kept = publish("small", level(9, 2)).await;
    assert_eq!(kept["stream"], "RAW", "what was refused holds no room: {kept}");
    assert_level(&world, &merchant, &account, TOPIC, "small", 9).await;
    Sender::default().send_until_kept(&account.level("webhook", ITEM, 8, 3), PATIENCE).await;
    let count =
        world.scrape().await.count("tillflow_events_total", &[("stage", "ingest"), ("outcome", "no_room")]);
    assert_eq!(count, 3);
}

/// Passes `input` to the program and parses the one line of JSON that it prints.
fn run(mut command: std::process::Command, input: &[u8]) -> Value {
    use std::{io::Write as _, process::Stdio};
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("python3 can be run");
    child.stdin.take().expect("a pipe").write_all(input).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON; it says:\n{said}"))
}
