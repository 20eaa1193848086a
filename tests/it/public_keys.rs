//! A platform that signs with private keys, checks the URL of its webhooks, and puts several events into one request.
//! The intake that is shipped serves it, in this process.

mod key_server;
mod platform;

use crate::{PATIENCE, intake::kept};
use key_server::KeyServer;
use model::{BaselineRule, ConnectionId, DeliveryKind, PlatformName};
use platform::{ACME, Key};
use platforms::Platform;
use runner::{Metrics, Readiness, Service};
use serde_json::{Value, json};
use std::{collections::BTreeSet, net::SocketAddr};
use store::{Connection, Health, Rules};
use testkit::{Merchant, Response, Sender, Signed, World, eventually};
use tokio_util::sync::CancellationToken;

const SECRET: &str = "the token of the webhook";
const PLATFORMS: &[&dyn Platform] = &[&ACME];
/// Upper limit of fetches of keys that were never known, per address and minute.
const UNKNOWN_MAX: usize = 20;

/// A world with a connection of the platform, and an intake in this process.
struct Shop {
    world: World,
    merchant: Merchant,
    keys: KeyServer,
    url: String,
    stop: CancellationToken,
}

impl Shop {
    /// Starts everything; the intake may fetch keys from this machine.
    async fn open() -> Self {
        Self::open_with(json!({"calls": {"allow": ["http://127.0.0.1:*"]}})).await
    }

    /// Starts everything, with this configuration of the intake.
    async fn open_with(config: Value) -> Self {
        let world = World::start(&[]).await;
        let merchant = world.merchant("shop").await;
        let keys = KeyServer::start().await;
        let listener = ingest::listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let url = format!("http://{address}/webhook/acme/shop-acme");
        world.store.upsert_connection(&connection(&merchant, &keys, &url)).await.expect("it can be made");
        let stop = CancellationToken::new();
        let service = Service {
            bus: world.bus.clone(),
            metrics: Metrics::new().expect("metrics can be made"),
            readiness: Readiness::default(),
            stop: stop.clone(),
            replica: "test".into(),
        };
        let config = serde_json::from_value(config).expect("a configuration");
        tokio::spawn(ingest::serve_platforms(service, world.store.clone(), config, listener, PLATFORMS));
        Self { world, merchant, keys, url, stop }
    }

    async fn send(&self, delivery: &Signed) -> Response {
        Sender::default().send(delivery).await.expect("the intake responds")
    }

    async fn get(&self, url: &str) -> (u16, String, String) {
        let client = https::client().no_proxy().timeout(PATIENCE).build().expect("a client");
        let response = client.get(url).send().await.expect("the intake responds");
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let (status, seen) = (response.status().as_u16(), [header("allow"), header("content-type")].concat());
        (status, seen, response.text().await.expect("a body"))
    }

    /// A request without a signature.
    fn unsigned(&self, body: impl Into<Vec<u8>>) -> Signed {
        Signed { url: self.url.clone(), headers: Vec::new(), body: body.into() }
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn connection(of: &Merchant, keys: &KeyServer, url: &str) -> Connection {
    Connection {
        tenant: of.tenant.clone(),
        store: of.store.clone(),
        id: ConnectionId::new("shop-acme").expect("a connection's id"),
        platform: PlatformName::new("acme").expect("a platform's name"),
        enabled: true,
        base_url: keys.url.clone(),
        account: String::new(),
        api_version: String::new(),
        token: "token".to_owned(),
        secrets: vec![SECRET.to_owned()],
        notification_url: url.to_owned(),
        default_location: Some(of.location.clone()),
        requests_per_minute: None,
        rules: Rules { propagate_inventory: false, propagate_prices: false, propagate_products: false },
        currency: None,
        health: Health::Ok,
        health_reason: None,
        health_since: None,
        probe_at: None,
        baseline: BaselineRule::Store,
        ignored_locations: BTreeSet::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_several_events_is_verified_with_the_key_that_it_names() {
    let shop = Shop::open().await;
    let (key, other) = (Key::new("key-1"), Key::new("key-1"));
    shop.keys.publish(&key);
    let body = r#"[{"topic":"level","id":"a"},{"topic":"level","id":"b"},{"topic":"unknown","id":"c"}]"#;
    for _ in 0..2 {
        assert_eq!(shop.send(&key.sign(&shop.url, body)).await.status, 200);
    }
    let kept = kept(&shop.world, &shop.merchant).await;
    let bodies: Vec<_> = kept.iter().map(|delivery| String::from_utf8_lossy(&delivery.body)).collect();
    assert_eq!(bodies, [r#"{"id":"a","topic":"level"}"#, r#"{"id":"b","topic":"level"}"#]);
    assert!(kept.iter().all(|delivery| delivery.kind == DeliveryKind::Platform("level".into())));
    assert_eq!(shop.keys.fetched(), ["/keys/key-1"], "a key is fetched once");

    assert_eq!(shop.send(&other.sign(&shop.url, body)).await.status, 401, "another key of that name");
    let mut changed = key.sign(&shop.url, body);
    changed.body.push(b' ');
    assert_eq!(shop.send(&changed).await.status, 401);
    let recorded = key.sign_at(runner::now().as_micros() / 1_000_000 - 310, &shop.url, body);
    assert_eq!(shop.send(&recorded).await.status, 401, "a recorded request is refused");
    assert_eq!(shop.keys.fetched().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_keys_cost_the_platform_little_and_no_honest_sender_anything() {
    let shop = Shop::open().await;
    let honest = Key::new("honest");
    shop.keys.publish(&honest);
    let body = |id: usize| format!(r#"[{{"topic":"level","id":"{id}"}}]"#);
    assert_eq!(shop.send(&honest.sign(&shop.url, &body(0))).await.status, 200);

    for id in ["../secrets", "a/b", "a?b=c", "a%2e", ""] {
        let strange = shop.send(&Key::new(id).sign(&shop.url, &body(1))).await;
        assert_eq!(strange.status, 401, "{id}");
    }
    assert_eq!(shop.keys.fetched().len(), 1, "an id with another form is never asked for");

    let mut statuses = Vec::new();
    for number in 0..UNKNOWN_MAX + 5 {
        let made_up = Key::new(&format!("made-up-{number}"));
        for _ in 0..2 {
            statuses.push(shop.send(&made_up.sign(&shop.url, &body(1))).await.status);
        }
    }
    let count = |status| statuses.iter().filter(|found| **found == status).count();
    // The honest key was an unknown one too, once.
    assert_eq!((count(401), count(429)), (2 * (UNKNOWN_MAX - 1), 2 * 6));
    assert_eq!(shop.keys.fetched().len(), UNKNOWN_MAX, "each made-up key is asked for once");
    assert_eq!(shop.send(&honest.sign(&shop.url, &body(2))).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_is_asked_to_retry_while_its_key_cannot_be_fetched() {
    let shop = Shop::open().await;
    let key = Key::new("key-1");
    let request = key.sign(&shop.url, r#"[{"topic":"level","id":"a"}]"#);
    shop.keys.publish(&key);
    shop.keys.fail(true);
    let refused = shop.send(&request).await;
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    shop.keys.fail(false);
    assert_eq!(shop.send(&request).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_waits_for_its_key_gives_way_to_another() {
    let config = json!({"calls": {"allow": ["http://127.0.0.1:*"]}, "requests_in_flight_max": 1});
    let shop = Shop::open_with(config).await;
    let (cached, slow) = (Key::new("cached"), Key::new("slow"));
    let body = |id: &str| format!(r#"[{{"topic":"level","id":"{id}"}}]"#);
    shop.keys.publish(&cached);
    assert_eq!(shop.send(&cached.sign(&shop.url, &body("a"))).await.status, 200);
    shop.keys.hold(true);
    let (waiting, other) = (slow.sign(&shop.url, &body("b")), cached.sign(&shop.url, &body("c")));
    let later = async {
        let asked = async || if shop.keys.fetched().len() == 2 { Ok(()) } else { Err("not yet") };
        eventually(PATIENCE, "the request for the key", asked).await;
        shop.send(&other).await.status
    };
    let (waited, kept) = tokio::join!(shop.send(&waiting), later);
    assert_eq!((waited.status, kept), (503, 200));
    assert_eq!(waited.body["detail"], "too many requests are under way", "it gave way before the key came");
    shop.keys.hold(false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_never_fetched_from_an_address_that_is_not_public() {
    let shop = Shop::open_with(json!({})).await;
    let key = Key::new("key-1");
    shop.keys.publish(&key);
    assert_eq!(shop.send(&key.sign(&shop.url, r#"[{"topic":"level","id":"a"}]"#)).await.status, 503);
    assert_eq!(shop.keys.fetched(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platform_checks_the_url_by_a_challenge_or_a_ping() {
    let shop = Shop::open().await;
    let url = &shop.url;
    let expected = json!({"response": platform::response("x<1>", SECRET, url)}).to_string();
    let (status, seen, body) = shop.get(&format!("{url}?challenge=x%3C1%3E")).await;
    assert_eq!((status, &*seen, body), (200, "application/json", expected));
    assert_eq!(shop.get(&format!("{url}?other=x")).await.0, 401, "no challenge");
    assert_eq!(shop.get(url).await.0, 401);
    assert_eq!(shop.get(&url.replace("shop-acme", "none")).await.0, 404);
    let (status, seen, _) = shop.get(&url.replace("/acme/", "/shopify/")).await;
    assert_eq!(status, 405);
    assert!(seen.starts_with("POST"), "{seen}");

    assert_eq!(shop.send(&shop.unsigned("ping=1")).await.status, 200);
    assert_eq!(shop.send(&shop.unsigned("pong=1")).await.status, 401);
    assert_eq!(shop.send(&shop.unsigned(format!("ping={}", "1".repeat(100)))).await.status, 401, "too large");
    assert_eq!(kept(&shop.world, &shop.merchant).await.len(), 0, "a handshake delivers nothing");
}
