//! Bodies of the maximum size, through every stage and back.

use crate::{
    PATIENCE,
    clients::{administrator, partner},
    command_line::tillflow,
};
use async_nats::Client;
use bytes_of::Noise;
use model::{Delivery, DeliveryId, DeliveryKind, Outcome, Source, Timestamp, TraceParent};
use serde_json::{Value, json};
use testkit::{Account, AccountOptions, Merchant, Program, Sender, World, eventually};

/// Maximum body size for Shopify, in bytes.
const LARGEST: usize = 4 * 1024 * 1024;
/// Maximum body size for platforms that aren't known to send more, in bytes.
const DEFAULT: usize = 1024 * 1024;
const ORDER: &str = "orders/create";

/// Incompressible text.
mod bytes_of {
    /// xorshift64 (Marsaglia, 2003).
    pub(super) struct Noise(pub(super) u64);

    impl Noise {
        pub(super) fn letters(&mut self, count: usize) -> String {
            const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let mut letter = || {
                self.0 ^= self.0 << 13;
                self.0 ^= self.0 >> 7;
                self.0 ^= self.0 << 17;
                char::from(LETTERS[(self.0 % 64) as usize])
            };
            (0..count).map(|_| letter()).collect()
        }
    }
}

/// A placed order of exactly `bytes` bytes, with as many lines as that takes.
fn order(id: u64, bytes: usize) -> Vec<u8> {
    let mut noise = Noise(id);
    let mut line = |number: u64| {
        json!({
            "id": id * 100_000 + number, "quantity": 1, "price": "1.00", "variant_id": null,
            "title": noise.letters(200),
        })
    };
    let line_bytes = line(0).to_string().len() + 8;
    let lines: Vec<Value> = (1..).take((bytes - 1024) / line_bytes).map(&mut line).collect();
    let order = json!({
        "id": id, "name": format!("#{id}"), "currency": "USD", "total_price": "10.00",
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
        "financial_status": "paid", "line_items": lines,
    });
    let mut body = order.to_string().into_bytes();
    assert!(body.len() <= bytes && body.len() > bytes * 9 / 10, "{} bytes", body.len());
    body.resize(bytes, b' ');
    body
}

async fn shop() -> (World, Merchant, Account) {
    let world = World::start(&Program::ALL).await;
    let merchant = world.merchant("shop").await;
    let account = world.account(&merchant, "shopify", AccountOptions::silent()).await;
    (world, merchant, account)
}

async fn assert_applied(world: &World, merchant: &Merchant, delivery: &str) {
    let event_outcome = world.event_outcome(PATIENCE, merchant, delivery).await;
    assert_eq!(event_outcome.outcome, Outcome::Applied, "{event_outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_the_largest_size_is_applied_and_a_poisoned_one_comes_back_from_the_dead_letters() {
    let (world, merchant, account) = shop().await;
    let sender = Sender::default();
    let (applied, _) =
        sender.send_until_kept(&account.sign(ORDER, "large", order(1, LARGEST)), PATIENCE).await;
    assert_applied(&world, &merchant, &applied).await;

    let mut body = order(2, LARGEST - 2);
    body.extend_from_slice(b"no");
    let (dead, _) = sender.send_until_kept(&account.sign(ORDER, "poison", body.clone()), PATIENCE).await;
    for attempts in [1, 2] {
        let dead_letter = eventually(PATIENCE, &format!("it has died {attempts} times"), async || {
            let mut listed = tillflow(&world, &["dlq", "ls", "--dead-letters"]).await.well();
            let said: Vec<_> = listed.iter().map(|listed| listed["attempts"].as_u64()).collect();
            if said == [Some(attempts)] { Ok(listed.remove(0)) } else { Err(format!("{said:?}")) }
        })
        .await;
        let number = dead_letter["dead_letter"].to_string();
        let shown = tillflow(&world, &["dlq", "show", &number, "--bytes"]).await.well().remove(0);
        assert_eq!(shown["delivery_id"].as_str(), Some(&*dead));
        assert!(shown["original"].as_str().map(str::as_bytes) == Some(&body[..]), "it is shown as it came");
        if attempts == 1 {
            let again = tillflow(&world, &["dlq", "replay", &number]).await.well();
            assert_eq!(again[0]["done"].as_u64(), Some(1));
        }
    }
    world.quiet(PATIENCE, &[&merchant], &[]).await;
    assert_eq!(world.assert_sound(&merchant).await.len(), 1);
}

/// Sends a request; returns the error's code, if there is one.
async fn asked(client: &Client, subject: String, payload: Vec<u8>) -> Option<u64> {
    let response = client.request(subject, payload.into()).await.expect("ingest answers");
    let response: Value = serde_json::from_slice(&response.payload).expect("JSON");
    response["error"]["code"].as_u64()
}

fn fetched(account: &Account, merchant: &Merchant, topic: &str, attempt: u32, body: Vec<u8>) -> Vec<u8> {
    let id = DeliveryId::derive(&account.connection, topic, &[attempt.to_le_bytes(), [7; 4]].concat());
    let delivery = Delivery {
        id,
        origin: model::Origin {
            tenant: model::TenantId::new("tests").expect("a token"),
            store: merchant.store.clone(),
            connection: account.connection.clone(),
            platform: model::PlatformName::new(account.platform).expect("a platform's name"),
        },
        kind: DeliveryKind::Platform(topic.into()),
        received_at: Timestamp::from_micros(0),
        source: Source::Fetch,
        cause: None,
        asked_by: None,
        attempt,
        currency: None,
        account: None,
        headers: Vec::new(),
        trace: TraceParent::from_delivery(id),
        body: body.into(),
    };
    wire::encode_delivery(&delivery).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_and_what_is_fetched_obeys_the_limit_of_its_platform() {
    let (world, merchant, shopify) = shop().await;
    let square = world.account(&merchant, "square", AccountOptions::silent()).await;
    let client = administrator(&world).await;
    let publish = async |account: &Account, topic: &str, body: Vec<u8>| {
        let partner = partner(&world, &merchant, account).await;
        let subject = format!("pos.in.{}.{}.{topic}", merchant.store, account.connection);
        asked(&partner, subject, body).await
    };
    assert_eq!(publish(&shopify, ORDER, order(1, LARGEST)).await, None);
    assert_eq!(publish(&shopify, ORDER, order(2, LARGEST + 1)).await, Some(413));
    assert_eq!(publish(&square, "inventory.count.updated", vec![b' '; DEFAULT + 1]).await, Some(413));
    assert_eq!(publish(&square, "inventory.count.updated", vec![b' '; DEFAULT]).await, None);

    let accept = async |account: &Account, topic: &str, attempt: u32, body: Vec<u8>| {
        let payload = fetched(account, &merchant, topic, attempt, body);
        asked(&client, "pos.accept".to_owned(), payload).await
    };
    assert_eq!(accept(&shopify, ORDER, 0, order(3, LARGEST)).await, None);
    assert_eq!(accept(&shopify, ORDER, 0, order(4, LARGEST + 1)).await, Some(413));
    assert_eq!(accept(&square, "inventory.count.updated", 0, vec![b' '; DEFAULT + 1]).await, Some(413));
    // Re-ingested: it was within its limit when it was first received.
    assert_eq!(accept(&square, "inventory.count.updated", 1, vec![b' '; DEFAULT + 1]).await, None);
    world.quiet(PATIENCE, &[&merchant], &[]).await;
    assert_eq!(world.count(&merchant, Outcome::Applied).await, 2, "two orders");
}
