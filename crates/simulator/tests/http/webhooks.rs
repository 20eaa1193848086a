use crate::client::{account, call, open, open_with};
use crate::receiver::{Received, Receiver};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use simulator::{Chaos, ItemIds, NewVariant, Retries, Shop, Simulator, SimulatorOptions, StartError, Unfit};
use std::collections::HashSet;
use std::time::Duration;

fn hmac(parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"the-secret").unwrap();
    for part in parts {
        mac.update(part);
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

fn stocked(simulator: &Simulator) -> (ItemIds, String) {
    let shop = simulator.shop();
    let locations = shop.locations();
    let ids = shop.add_product("Beans", &[NewVariant::stocked("TF-001", 899, 10, &locations)]).unwrap();
    (ids[0].clone(), locations[0].clone())
}

fn quick(count: u32) -> SimulatorOptions {
    let pause = Duration::from_millis(5);
    SimulatorOptions {
        retries: Some(Retries { count, first: pause, ceiling: pause }),
        ..SimulatorOptions::default()
    }
}

#[tokio::test]
async fn a_sale_on_shopify_sends_signed_webhooks_with_one_event_id() {
    let mut receiver = Receiver::start(&[]).await;
    let simulator = open("shopify").await;
    let (ids, location) = stocked(&simulator);
    simulator.set_webhook(&receiver.url);
    let order = simulator.shop().sell(&ids.item, &location, 2).unwrap();
    simulator.shop().deliver_now().await;
    let webhooks = receiver.rest();
    let by_topic =
        |topic: &str| webhooks.iter().find(|each| each.header("X-Shopify-Topic") == topic).unwrap();
    let level = by_topic("inventory_levels/update");
    assert_eq!(level.json()["available"], 8);
    let item: u64 = ids.item.parse().unwrap();
    assert!(item > 1 << 53);
    assert_eq!(level.json()["inventory_item_id"], item);
    assert_eq!(by_topic("orders/create").json()["id"], order.parse::<u64>().unwrap());
    for each in &webhooks {
        assert_eq!(each.header("X-Shopify-Hmac-Sha256"), hmac(&[&each.body]));
        assert_eq!(each.header("X-Shopify-Shop-Domain"), account("shopify").account);
    }
    let distinct =
        |name: &str| webhooks.iter().map(|each| each.header(name).to_owned()).collect::<HashSet<_>>().len();
    assert_eq!(distinct("X-Shopify-Event-Id"), 1);
    assert_eq!(distinct("X-Shopify-Webhook-Id"), webhooks.len());
}

#[tokio::test]
async fn our_own_write_to_shopify_echoes() {
    let mut receiver = Receiver::start(&[]).await;
    let simulator = open("shopify").await;
    let (ids, location) = stocked(&simulator);
    simulator.set_webhook(&receiver.url);
    let query = format!(
        r#"mutation {{ inventorySetQuantities(input: {{name: "available", reason: "correction", quantities: [
            {{inventoryItemId: "gid://shopify/InventoryItem/{}", locationId: "gid://shopify/Location/{location}",
              quantity: 4, changeFromQuantity: 10}}]}}) @idempotent(key: "k") {{ userErrors {{ code }} }} }}"#,
        ids.item
    );
    let url = format!("{}/admin/api/2026-07/graphql.json", simulator.base_url());
    call("POST", &url, &[("X-Shopify-Access-Token", "the-token")], json!({"query": query}).to_string()).await;
    let echo = receiver.next().await;
    assert_eq!(echo.header("X-Shopify-Topic"), "inventory_levels/update");
    assert_eq!(echo.json()["available"], 4);
}

#[tokio::test]
async fn a_sale_on_square_sends_counts_and_a_thin_order_signed_with_the_url() {
    let mut receiver = Receiver::start(&[]).await;
    let simulator = open("square").await;
    let (ids, location) = stocked(&simulator);
    simulator.set_webhook(&receiver.url);
    let order = simulator.shop().sell(&ids.item, &location, 2).unwrap();
    let (counts, created) = (receiver.next().await, receiver.next().await);
    for each in [&counts, &created] {
        let signature = hmac(&[receiver.url.as_bytes(), &each.body]);
        assert_eq!(each.header("x-square-hmacsha256-signature"), signature);
    }
    let rows = &counts.json()["data"]["object"]["inventory_counts"];
    assert_eq!((&rows[0]["state"], &rows[0]["quantity"]), (&json!("IN_STOCK"), &json!("8")));
    assert_eq!((&rows[1]["state"], &rows[1]["quantity"]), (&json!("SOLD"), &json!("2")));
    assert_eq!(created.json()["type"], "order.created");
    assert_eq!(created.json()["data"]["object"]["order_created"]["order_id"], order.as_str());
    simulator.shop().edit_title(&ids.product, "Better beans").unwrap();
    let ping = receiver.next().await.json();
    assert_eq!((&ping["type"], &ping["data"]["id"]), (&json!("catalog.version.updated"), &json!("")));
}

#[tokio::test]
async fn a_sale_on_treez_sends_a_ticket_and_the_product_with_the_bearer_token() {
    let mut receiver = Receiver::start(&[]).await;
    let simulator = open("treez").await;
    let (ids, location) = stocked(&simulator);
    simulator.set_webhook(&receiver.url);
    simulator.shop().sell(&ids.item, &location, 2).unwrap();
    let (ticket, product) = (receiver.next().await, receiver.next().await);
    assert_eq!(ticket.header("authorization"), "Bearer the-secret");
    assert_eq!(ticket.json()["event_type"], "TICKET");
    assert_eq!(ticket.json()["data"]["order_status"], "COMPLETED");
    assert_eq!(product.json()["event_type"], "PRODUCT");
    assert_eq!(product.json()["data"]["sellable_quantity"], 18);
    assert_eq!(product.json()["dispensary_short_name"], "partnersandbox3");
}

#[tokio::test]
async fn held_webhooks_wait_and_go_in_their_order() {
    let mut receiver = Receiver::start(&[]).await;
    let simulator = open("treez").await;
    let (ids, location) = stocked(&simulator);
    simulator.set_webhook(&receiver.url);
    let shop = simulator.shop();
    shop.hold_webhooks(true);
    shop.sell(&ids.item, &location, 1).unwrap();
    shop.sell(&ids.item, &location, 1).unwrap();
    // Another shop's webhook is sent meanwhile, so these could have been sent too.
    let other = open("treez").await;
    other.set_webhook(&receiver.url);
    other.shop().add_customer("Ada", "Lovelace", "ada@example.com").unwrap();
    other.shop().deliver_now().await;
    let arrived: Vec<_> = receiver.rest().iter().map(|each| each.json()["event_type"].clone()).collect();
    assert_eq!(arrived, ["CUSTOMER"]);
    assert_eq!((shop.webhooks_waiting(), shop.webhooks_sent().len()), (4, 0));
    assert_eq!(shop.level(&ids.item, &location).unwrap(), "8");
    shop.deliver_now().await;
    let levels: Vec<_> =
        receiver.rest().iter().map(|each| each.json()["data"]["sellable_quantity"].clone()).collect();
    assert_eq!(levels, [json!(null), json!(19), json!(null), json!(18)]);
    shop.sell(&ids.item, &location, 1).unwrap();
    assert_eq!(shop.webhooks_waiting(), 2);
    shop.hold_webhooks(false);
    shop.deliver_now().await;
    assert_eq!(receiver.rest().len(), 2);
}

#[tokio::test]
async fn a_webhook_that_is_refused_comes_again_with_the_same_id_and_body() {
    let mut receiver = Receiver::start(&[503, 302]).await;
    let simulator = open_with("square", quick(5)).await;
    simulator.set_webhook(&receiver.url);
    simulator.shop().add_customer("Ada", "Lovelace", "ada@example.com").unwrap();
    let attempts: Vec<Received> = vec![receiver.next().await, receiver.next().await, receiver.next().await];
    assert!(attempts.iter().all(|each| each.body == attempts[0].body));
    let numbers: Vec<_> = attempts.iter().map(|each| each.header("square-retry-number")).collect();
    assert_eq!(numbers, ["", "1", "2"]);
    assert_eq!(attempts[1].header("square-retry-reason"), "http_error");
    simulator.shop().deliver_now().await;
    let sent = simulator.shop().webhooks_sent();
    let statuses: Vec<_> = sent.iter().map(|each| each.status).collect();
    assert_eq!(statuses, [Some(503), Some(302), Some(200)]);
    assert!(sent.iter().all(|each| each.id == sent[0].id));
}

#[tokio::test]
async fn a_webhook_is_given_up_after_its_retries_and_the_next_one_goes() {
    let mut receiver = Receiver::start(&[500, 500, 500]).await;
    let simulator = open_with("square", quick(2)).await;
    simulator.set_webhook(&receiver.url);
    simulator.shop().add_customer("Ada", "Lovelace", "ada@example.com").unwrap();
    simulator.shop().add_customer("Alan", "Turing", "alan@example.com").unwrap();
    simulator.shop().deliver_now().await;
    let statuses: Vec<_> = simulator.shop().webhooks_sent().iter().map(|each| each.status).collect();
    assert_eq!(statuses, [Some(500), Some(500), Some(500), Some(200)]);
    assert_eq!(receiver.rest().len(), 4);
}

#[tokio::test]
async fn chaos_duplicates_webhooks_with_their_ids() {
    let mut receiver = Receiver::start(&[]).await;
    let chaos = Chaos { duplicate: 1.0, ..Chaos::default() };
    let simulator = open_with("square", SimulatorOptions { chaos, ..SimulatorOptions::default() }).await;
    simulator.set_webhook(&receiver.url);
    simulator.shop().add_customer("Ada", "Lovelace", "ada@example.com").unwrap();
    let (first, second) = (receiver.next().await, receiver.next().await);
    assert_eq!(first.body, second.body);
    simulator.shop().deliver_now().await;
    let sent: Vec<_> = simulator.shop().webhooks_sent().iter().map(|each| each.duplicate).collect();
    assert_eq!(sent, [false, true]);
}

#[tokio::test]
async fn chaos_lets_webhooks_overtake_each_other() {
    let mut receiver = Receiver::start(&[]).await;
    let chaos = Chaos { reorder: 1.0, ..Chaos::default() };
    let simulator = open_with("square", SimulatorOptions { chaos, ..SimulatorOptions::default() }).await;
    simulator.set_webhook(&receiver.url);
    let shop = simulator.shop();
    shop.hold_webhooks(true);
    let ids = [("Ada", "1"), ("Alan", "2")].map(|(name, email)| shop.add_customer(name, "X", email).unwrap());
    shop.deliver_now().await;
    let arrived: Vec<_> = receiver.rest().iter().map(|each| each.json()["data"]["id"].clone()).collect();
    assert_eq!(arrived, [json!(ids[1]), json!(ids[0])]);
}

#[tokio::test]
async fn chaos_loses_webhooks_and_counts_them() {
    let mut receiver = Receiver::start(&[]).await;
    let chaos = Chaos { lost: 1.0, duplicate: 1.0, ..Chaos::default() };
    let simulator = open_with("square", SimulatorOptions { chaos, ..SimulatorOptions::default() }).await;
    simulator.set_webhook(&receiver.url);
    let shop = simulator.shop();
    shop.add_customer("Ada", "X", "1").unwrap();
    shop.deliver_now().await;
    simulator.set_chaos(Chaos::default());
    let alan = shop.add_customer("Alan", "X", "2").unwrap();
    shop.deliver_now().await;
    let arrived: Vec<_> = receiver.rest().iter().map(|each| each.json()["data"]["id"].clone()).collect();
    assert_eq!((arrived, shop.webhooks_lost()), (vec![json!(alan)], 1));
}

#[tokio::test]
async fn a_platform_that_the_registry_lacks_is_refused() {
    let shop = Shop { platform: "nobody", ..account("square") };
    let started = Simulator::start(SimulatorOptions::default(), shop).await;
    assert!(matches!(started, Err(StartError::Unfit(Unfit::UnknownPlatform))));
    assert!(simulator::find("nobody").is_none());
}

#[tokio::test]
async fn the_same_seed_makes_the_same_shop() {
    let (one, two) = (open("shopify").await, open("shopify").await);
    assert_eq!(stocked(&one), stocked(&two));
}

#[tokio::test]
async fn a_stopped_simulator_answers_no_more() {
    let simulator = open("square").await;
    let url = format!("{}/v2/customers", simulator.base_url());
    simulator.stop().await;
    let client = https::client().no_proxy().build().unwrap();
    assert!(client.get(url).send().await.is_err());
}
