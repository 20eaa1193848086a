use crate::client::{account, call, open};
use crate::receiver::{Received, Receiver};
use chrono::{SecondsFormat, TimeDelta, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use simulator::{Impossible, ItemIds, NewVariant, Simulator, Standing};

const PLATFORMS: [&str; 8] =
    ["blaze", "clover", "flowhub", "leaflogix", "shopify", "square", "treez", "woocommerce"];

fn stocked(simulator: &Simulator, sku: &str) -> (ItemIds, String) {
    let shop = simulator.shop();
    let location = shop.locations()[0].clone();
    let variant = NewVariant::stocked(sku, 899, 10, std::slice::from_ref(&location));
    (shop.add_product("Beans", &[variant]).unwrap().remove(0), location)
}

/// Makes a call with valid credentials to an endpoint that exists.
async fn any_call(simulator: &Simulator) -> (u16, Value) {
    let (method, path, headers, body) = match simulator.shop().platform() {
        "blaze" => {
            ("GET", "/api/v1/partner/products".to_owned(), crate::blaze::CREDENTIALS.to_vec(), String::new())
        }
        "clover" => (
            "GET",
            format!("/v3/merchants/{}/items", account("clover").account),
            vec![("authorization", "Bearer the-token")],
            String::new(),
        ),
        "flowhub" => ("GET", "/v0/inventory".to_owned(), crate::flowhub::credentials(), String::new()),
        "leaflogix" => {
            ("GET", "/reporting/products".to_owned(), vec![crate::leaflogix::CREDENTIALS], String::new())
        }
        "shopify" => (
            "POST",
            "/admin/api/2026-07/graphql.json".to_owned(),
            vec![("X-Shopify-Access-Token", "the-token")],
            json!({"query": "{ locations(first: 1) { nodes { id } } }"}).to_string(),
        ),
        "square" => ("GET", "/v2/locations".to_owned(), square_headers(), String::new()),
        "treez" => (
            "POST",
            format!("/v2.0/dispensary/{}/config/api/gettokens", account("treez").account),
            Vec::new(),
            "client_id=client&apikey=the-token".to_owned(),
        ),
        "woocommerce" => (
            "GET",
            "/wp-json/wc/v3/products".to_owned(),
            vec![crate::woocommerce::CREDENTIALS],
            String::new(),
        ),
        other => panic!("no call of {other} is known"),
    };
    call(method, &format!("{}{path}", simulator.base_url()), &headers, body).await
}

fn square_headers() -> Vec<(&'static str, &'static str)> {
    vec![("authorization", "Bearer the-token"), ("Square-Version", "2026-07-15")]
}

async fn square(simulator: &Simulator, path: &str, body: &Value) -> (u16, Value) {
    let url = format!("{}{path}", simulator.base_url());
    call("POST", &url, &square_headers(), body.to_string()).await
}

async fn counts(simulator: &Simulator, ids: &ItemIds, location: &str) -> Value {
    let wanted =
        json!({"catalog_object_ids": [ids.item], "location_ids": [location], "states": ["IN_STOCK"]});
    square(simulator, "/v2/inventory/counts/batch-retrieve", &wanted).await.1["counts"].clone()
}

/// The webhooks of one act, by topic.
async fn reported(simulator: &Simulator, receiver: &mut Receiver) -> Vec<(String, Value)> {
    simulator.shop().deliver_now().await;
    let topic = |received: &Received| match received.header("X-Shopify-Topic") {
        "" => {
            let body = received.json();
            body["type"].as_str().or(body["event_type"].as_str()).unwrap().to_owned()
        }
        topic => topic.to_owned(),
    };
    receiver.rest().iter().map(|received| (topic(received), received.json())).collect()
}

async fn watched(platform: &'static str, sku: &str) -> (Simulator, Receiver, ItemIds, String) {
    let receiver = Receiver::start(&[]).await;
    let simulator = open(platform).await;
    let (ids, location) = stocked(&simulator, sku);
    simulator.set_webhook(&receiver.url);
    (simulator, receiver, ids, location)
}

#[tokio::test]
async fn an_account_that_takes_no_calls_refuses_every_one_until_it_is_good_again() {
    for platform in PLATFORMS {
        let simulator = open(platform).await;
        for (standing, status) in [
            (Standing::TokenRefused, 401),
            (Standing::Frozen, 402),
            (Standing::Closed, 404),
            (Standing::Locked, 423),
            (Standing::Good, 200),
        ] {
            simulator.shop().set_standing(standing);
            assert_eq!(any_call(&simulator).await.0, status, "{platform:?} {standing:?}");
        }
    }
}

#[tokio::test]
async fn stocking_stopped_and_started_on_shopify_is_a_disconnect_and_a_connect_with_zero() {
    let (simulator, mut receiver, ids, location) = watched("shopify", "A").await;
    let shop = simulator.shop();
    shop.stop_stocking(&ids.item, &location).unwrap();
    let pair = json!({"inventory_item_id": ids.item.parse::<u64>().unwrap(), "location_id": location.parse::<u64>().unwrap()});
    let webhooks = reported(&simulator, &mut receiver).await;
    assert_eq!(webhooks, [("inventory_levels/disconnect".to_owned(), pair)]);
    assert_eq!(shop.level(&ids.item, &location), None);
    assert_eq!(shop.stop_stocking(&ids.item, &location), Err(Impossible::NotStocked));

    shop.start_stocking(&ids.item, &location).unwrap();
    let webhooks = reported(&simulator, &mut receiver).await;
    let [(topic, body)] = webhooks.as_slice() else { panic!("{webhooks:?}") };
    assert_eq!((topic.as_str(), &body["available"]), ("inventory_levels/connect", &json!(0)));
}

#[tokio::test]
async fn what_square_does_not_stock_has_no_count() {
    let (simulator, mut receiver, ids, location) = watched("square", "A").await;
    let shop = simulator.shop();
    shop.stop_stocking(&ids.item, &location).unwrap();
    assert_eq!(counts(&simulator, &ids, &location).await, Value::Null);
    assert_eq!(reported(&simulator, &mut receiver).await, []);
    shop.start_stocking(&ids.item, &location).unwrap();
    assert_eq!(counts(&simulator, &ids, &location).await[0]["quantity"], "0");
    shop.restock(&ids.item, &location, Decimal::new(25, 1)).unwrap();
    assert_eq!(counts(&simulator, &ids, &location).await[0]["quantity"], "2.5");
}

#[tokio::test]
async fn an_item_that_is_not_tracked_has_no_number_until_it_is_again() {
    let (simulator, mut receiver, ids, location) = watched("shopify", "A").await;
    let shop = simulator.shop();
    let available = |webhooks: &[(String, Value)]| {
        let level = webhooks.iter().find(|(topic, _)| topic == "inventory_levels/update");
        level.map(|(_, body)| body["available"].clone())
    };
    shop.track(&ids.item, false).unwrap();
    assert_eq!(available(&reported(&simulator, &mut receiver).await), Some(Value::Null));
    shop.sell(&ids.item, &location, 3).unwrap();
    assert_eq!(available(&reported(&simulator, &mut receiver).await), None);
    shop.track(&ids.item, true).unwrap();
    assert_eq!(available(&reported(&simulator, &mut receiver).await), Some(json!(10)));

    let (simulator, _receiver, ids, location) = watched("square", "A").await;
    simulator.shop().track(&ids.item, false).unwrap();
    assert_eq!(counts(&simulator, &ids, &location).await, Value::Null);
}

#[tokio::test]
async fn a_product_made_anew_has_the_same_sku_and_other_ids() {
    for platform in PLATFORMS {
        let simulator = open(platform).await;
        let (ids, location) = stocked(&simulator, "A");
        let shop = simulator.shop();
        let anew = shop.recreate_product(&ids.product).unwrap().remove(0);
        assert_ne!((&anew.product, &anew.item), (&ids.product, &ids.item), "{platform:?}");
        assert_eq!(shop.find("A"), Some(anew.clone()));
        assert_eq!(shop.level(&anew.item, &location).as_deref(), Some("10"));
        assert_eq!(shop.title(&ids.product), None);
    }
}

#[tokio::test]
async fn a_variation_gets_its_sku_later() {
    let (simulator, _receiver, ids, _) = watched("square", "").await;
    let sku = async || {
        let url = format!("{}/v2/catalog/object/{}", simulator.base_url(), ids.variant);
        let (_, body) = call("GET", &url, &square_headers(), "").await;
        body["object"]["item_variation_data"].get("sku").cloned()
    };
    assert_eq!(sku().await, None);
    simulator.shop().edit_sku(&ids.variant, "LATE").unwrap();
    assert_eq!(sku().await, Some(json!("LATE")));
}

#[tokio::test]
async fn an_order_of_an_item_that_is_not_stocked_any_more_is_cancelled_and_nothing_is_restocked() {
    let simulator = open("shopify").await;
    let (ids, location) = stocked(&simulator, "A");
    let shop = simulator.shop();
    let order = shop.sell(&ids.item, &location, 4).unwrap();
    shop.stop_stocking(&ids.item, &location).unwrap();
    shop.cancel_order(&order, true).unwrap();
    assert_eq!(shop.cancel_order(&order, true), Err(Impossible::UnknownItem), "it is cancelled");
    assert_eq!(shop.level(&ids.item, &location), None);
}

#[tokio::test]
async fn a_completed_order_is_cancelled_where_the_platform_can() {
    let (simulator, mut receiver, ids, location) = watched("shopify", "A").await;
    let shop = simulator.shop();
    let order = shop.sell(&ids.item, &location, 4).unwrap();
    reported(&simulator, &mut receiver).await;
    shop.cancel_order(&order, true).unwrap();
    let webhooks = reported(&simulator, &mut receiver).await;
    let (_, cancelled) = webhooks.iter().find(|(topic, _)| topic == "orders/cancelled").unwrap();
    assert!(cancelled["cancelled_at"].is_string(), "{cancelled}");
    assert_eq!(shop.level(&ids.item, &location).as_deref(), Some("10"));
    assert_eq!(shop.cancel_order(&order, true), Err(Impossible::UnknownItem));

    let (simulator, mut receiver, ids, location) = watched("treez", "A").await;
    let order = simulator.shop().sell(&ids.item, &location, 1).unwrap();
    reported(&simulator, &mut receiver).await;
    simulator.shop().cancel_order(&order, false).unwrap();
    let webhooks = reported(&simulator, &mut receiver).await;
    let [(topic, body)] = webhooks.as_slice() else { panic!("{webhooks:?}") };
    assert_eq!((topic.as_str(), &body["data"]["order_status"]), ("TICKET_STATUS", &json!("CANCELED")));

    let square = open("square").await;
    let (ids, location) = stocked(&square, "A");
    let order = square.shop().sell(&ids.item, &location, 1).unwrap();
    assert_eq!(square.shop().cancel_order(&order, true), Err(Impossible::Unsupported));
}

#[tokio::test]
async fn a_clock_that_runs_ahead_finds_every_change_too_old() {
    let simulator = open("square").await;
    let (ids, location) = stocked(&simulator, "A");
    let change = |key: &str| {
        let at = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
        json!({"idempotency_key": key, "changes": [{"type": "ADJUSTMENT", "adjustment": {
            "catalog_object_id": ids.variant, "from_state": "IN_STOCK", "to_state": "SOLD", "location_id": location,
            "quantity": "1", "occurred_at": at}}]})
    };
    let path = "/v2/inventory/changes/batch-create";
    simulator.shop().set_clock_lead(TimeDelta::hours(25));
    let (status, body) = square(&simulator, path, &change("k1")).await;
    assert_eq!((status, &body["errors"][0]["code"]), (400, &json!("INVALID_TIME")));
    simulator.shop().set_clock_lead(TimeDelta::zero());
    assert_eq!(square(&simulator, path, &change("k2")).await.0, 200);

    let repeated = change("k3");
    square(&simulator, path, &repeated).await;
    square(&simulator, path, &repeated).await;
    assert_eq!(simulator.shop().level(&ids.item, &location).as_deref(), Some("8"));
    simulator.shop().forget_idempotency_keys();
    square(&simulator, path, &repeated).await;
    assert_eq!(simulator.shop().level(&ids.item, &location).as_deref(), Some("7"));
}

#[tokio::test]
async fn texts_come_back_as_the_platform_renders_them() {
    let simulator = open("square").await;
    let (ids, _) = stocked(&simulator, "A");
    let url = format!("{}/v2/catalog/object/{}", simulator.base_url(), ids.product);
    let (_, body) = call("GET", &url, &square_headers(), "").await;
    let mut object = body["object"].clone();
    object["item_data"]["description_html"] = json!("<p>Dark</p><table><tr><td>1</td></tr></table>");
    let write = json!({"idempotency_key": "k", "object": object});
    let (_, reply) = square(&simulator, "/v2/catalog/object", &write).await;
    assert_eq!(reply["catalog_object"]["item_data"]["description_html"], "<p>Dark</p>");
    assert_eq!(simulator.shop().description(&ids.product).as_deref(), Some("<p>Dark</p>"));

    let simulator = open("shopify").await;
    let (ids, _) = stocked(&simulator, "A");
    let query = format!(
        r#"mutation {{ productUpdate(product: {{id: "gid://shopify/Product/{}", title: " Dark ", descriptionHtml: " <p>x</p> "}})
            {{ product {{ title descriptionHtml }} userErrors {{ message }} }} }}"#,
        ids.product
    );
    let url = format!("{}/admin/api/2026-07/graphql.json", simulator.base_url());
    let headers = [("X-Shopify-Access-Token", "the-token")];
    let (_, reply) = call("POST", &url, &headers, json!({"query": query}).to_string()).await;
    let product = &reply["data"]["productUpdate"]["product"];
    assert_eq!(product, &json!({"title": "Dark", "descriptionHtml": "<p>x</p>"}));
}

#[tokio::test]
async fn lost_webhooks_are_never_sent() {
    let (simulator, mut receiver, ids, location) = watched("shopify", "A").await;
    let shop = simulator.shop();
    shop.lose_webhooks(true);
    shop.restock(&ids.item, &location, 1).unwrap();
    assert_eq!(reported(&simulator, &mut receiver).await, []);
    shop.lose_webhooks(false);
    shop.restock(&ids.item, &location, 1).unwrap();
    assert!(!reported(&simulator, &mut receiver).await.is_empty());
}
