use crate::client::{call, open};
use crate::receiver::Receiver;
use serde_json::{Value, json};
use simulator::{ItemIds, NewVariant, Simulator};

/// The header with the key and the secret of the account: `ck_simulated:the-token`.
pub(crate) const CREDENTIALS: (&str, &str) = ("authorization", "Basic Y2tfc2ltdWxhdGVkOnRoZS10b2tlbg==");
/// Number of webhooks of a shop.
const WEBHOOKS: usize = 11;

async fn request(simulator: &Simulator, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let url = format!("{}/wp-json/wc/v3/{path}", simulator.base_url());
    let body = if body.is_null() { String::new() } else { body.to_string() };
    call(method, &url, &[CREDENTIALS], body).await
}

async fn get(simulator: &Simulator, path: &str) -> (u16, Value) {
    request(simulator, "GET", path, &Value::Null).await
}

/// A product with that many variants, ten of each.
fn added(simulator: &Simulator, count: usize) -> Vec<ItemIds> {
    let shop = simulator.shop();
    let place = &shop.locations()[..1];
    let variants: Vec<NewVariant> =
        (0..count).map(|number| NewVariant::stocked(&format!("S-{number}"), 950, 10, place)).collect();
    shop.add_product("Tea & Co", &variants).unwrap()
}

#[tokio::test]
async fn a_product_with_one_variant_is_simple_and_shows_its_stock() {
    let simulator = open("woocommerce").await;
    let ids = added(&simulator, 1).remove(0);
    assert_eq!((&ids.variant, &ids.item), (&ids.product, &ids.product));
    let path = format!("products/{}", ids.product);
    let (status, shown) = get(&simulator, &path).await;
    assert_eq!((status, &shown["type"], &shown["name"]), (200, &json!("simple"), &json!("Tea &amp; Co")));
    assert_eq!((&shown["manage_stock"], &shown["stock_quantity"]), (&json!(true), &json!(10)));
    assert_eq!((&shown["price"], &shown["sale_price"]), (&json!("9.50"), &json!("")));
    assert!(!shown["date_modified_gmt"].as_str().unwrap().ends_with('Z'));
    assert_eq!(shown["description"], "<p>Tea & Co, as sold in the shop.</p>\n");
    let (_, edited) = get(&simulator, &format!("{path}?context=edit")).await;
    assert_eq!(edited["description"], "Tea & Co, as sold in the shop.");
}

#[tokio::test]
async fn variations_are_listed_in_pages_and_written_under_their_product() {
    let simulator = open("woocommerce").await;
    let ids = added(&simulator, 3);
    let product = &ids[0].product;
    let (_, shown) = get(&simulator, &format!("products/{product}")).await;
    assert_eq!((&shown["type"], shown["variations"].as_array().unwrap().len()), (&json!("variable"), 3));
    let (_, listed) = get(&simulator, &format!("products/{product}/variations?per_page=2&page=2")).await;
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["sku"]), (1, &json!("S-2")));
    assert_eq!(get(&simulator, &format!("products/{product}/variations?per_page=101")).await.0, 400);
    let (_, alone) = get(&simulator, &format!("products/{}", ids[1].variant)).await;
    assert_eq!(
        (&alone["type"], &alone["parent_id"]),
        (&json!("variation"), &json!(product.parse::<u64>().unwrap()))
    );

    let path = format!("products/{product}/variations/{}", ids[1].variant);
    let (status, changed) = request(&simulator, "PUT", &path, &json!({"inventory_delta": -3})).await;
    assert_eq!((status, &changed["stock_quantity"]), (200, &json!(7)));
    let (status, refused) =
        request(&simulator, "PUT", &format!("products/{}", ids[1].variant), &json!({"inventory_delta": 1}))
            .await;
    assert_eq!((status, &refused["code"]), (404, &json!("woocommerce_rest_invalid_product_id")));
}

#[tokio::test]
async fn stock_that_is_not_counted_takes_no_number_and_no_word_is_said_about_it() {
    let simulator = open("woocommerce").await;
    let ids = added(&simulator, 1).remove(0);
    let path = format!("products/{}", ids.product);
    request(&simulator, "PUT", &path, &json!({"manage_stock": false})).await;
    let (status, shown) = request(&simulator, "PUT", &path, &json!({"inventory_delta": 5})).await;
    assert_eq!(
        (status, &shown["manage_stock"], &shown["stock_quantity"]),
        (200, &json!(false), &Value::Null)
    );
    assert_eq!(simulator.shop().level(&ids.item, &simulator.shop().locations()[0]).unwrap(), "10");
}

#[tokio::test]
async fn a_batch_refuses_each_object_by_itself() {
    let simulator = open("woocommerce").await;
    let ids = added(&simulator, 1).remove(0);
    let number = ids.product.parse::<u64>().unwrap();
    let updates = json!({"update": [{"id": 7, "inventory_delta": 1}, {"id": number, "inventory_delta": -4}]});
    let (status, reply) = request(&simulator, "POST", "products/batch", &updates).await;
    assert_eq!((status, &reply["update"][0]["id"]), (200, &json!(7)));
    assert_eq!(reply["update"][0]["error"]["code"], "woocommerce_rest_product_invalid_id");
    assert_eq!(reply["update"][1]["stock_quantity"], 6);
    let many: Vec<Value> = (0..101).map(|id| json!({"id": id})).collect();
    assert_eq!(request(&simulator, "POST", "products/batch", &json!({"update": many})).await.0, 413);
}

#[tokio::test]
async fn a_sale_price_lasts_until_it_is_emptied_or_no_longer_below() {
    let simulator = open("woocommerce").await;
    let ids = added(&simulator, 1).remove(0);
    let path = format!("products/{}", ids.product);
    let set = async |fields: Value| {
        let (_, shown) = request(&simulator, "PUT", &path, &fields).await;
        [&shown["price"], &shown["regular_price"], &shown["on_sale"]].map(ToString::to_string).join(" ")
    };
    assert_eq!(set(json!({"sale_price": "8.00"})).await, r#""8.00" "9.50" true"#);
    assert_eq!(set(json!({"regular_price": "12.00"})).await, r#""8.00" "12.00" true"#);
    assert_eq!(set(json!({"regular_price": "7.00"})).await, r#""7.00" "7.00" false"#);
    assert_eq!(set(json!({"sale_price": "6.00"})).await, r#""6.00" "7.00" true"#);
    assert_eq!(set(json!({"sale_price": ""})).await, r#""7.00" "7.00" false"#);
    assert_eq!(request(&simulator, "PUT", &path, &json!({"regular_price": "x"})).await.0, 400);
}

#[tokio::test]
async fn unauthenticated_clients_and_unknown_routes_are_turned_away() {
    let simulator = open("woocommerce").await;
    let url = format!("{}/wp-json/wc/v3/products", simulator.base_url());
    for credentials in ["", "Basic dGhlLXRva2Vu", "Bearer the-token"] {
        let (status, reply) = call("GET", &url, &[("authorization", credentials)], "").await;
        assert_eq!((status, &reply["data"]["status"]), (401, &json!(401)), "{credentials}");
    }
    let (status, reply) = get(&simulator, "nothing").await;
    assert_eq!((status, &reply["code"]), (404, &json!("rest_no_route")));
    let (status, reply) = get(&simulator, "products/7").await;
    assert_eq!((status, &reply["code"]), (404, &json!("woocommerce_rest_product_invalid_id")));
}

#[tokio::test]
async fn a_url_is_pinged_by_each_webhook_before_it_gets_any() {
    let mut receiver = Receiver::start(&[]).await;
    let simulator = open("woocommerce").await;
    simulator.set_webhook(&receiver.url);
    let ids = added(&simulator, 1).remove(0);
    let shop = simulator.shop();
    let order = shop.sell(&ids.item, &shop.locations()[0], 2).unwrap();
    shop.delete_product(&ids.product).unwrap();
    shop.deliver_now().await;
    let received = receiver.rest();
    let (pings, webhooks) = received.split_at(WEBHOOKS);
    for (index, ping) in pings.iter().enumerate() {
        assert_eq!(ping.header("content-type"), "application/x-www-form-urlencoded");
        assert_eq!(ping.header("x-wc-webhook-signature"), "");
        assert_eq!(ping.body, format!("webhook_id={}", index + 1));
    }
    let topics: Vec<&str> = webhooks.iter().map(|webhook| webhook.header("x-wc-webhook-topic")).collect();
    assert_eq!(topics, ["product.created", "order.created", "product.updated", "product.deleted"]);
    assert_eq!(webhooks[0].header("x-wc-webhook-source"), "https://shop.example/");
    assert_eq!(webhooks[1].json()["id"], order.parse::<u64>().unwrap());
    assert_eq!(webhooks[2].json()["stock_quantity"], 8);
    assert_eq!(webhooks[3].json(), json!({"id": ids.product.parse::<u64>().unwrap()}));
}

#[tokio::test]
async fn a_change_of_a_variation_is_reported_by_it_and_by_its_product() {
    let mut receiver = Receiver::start(&[]).await;
    let simulator = open("woocommerce").await;
    let ids = added(&simulator, 2);
    simulator.set_webhook(&receiver.url);
    let shop = simulator.shop();
    shop.restock(&ids[1].item, &shop.locations()[0], 5).unwrap();
    shop.edit_price(&ids[0].variant, 800).unwrap();
    shop.deliver_now().await;
    let received = receiver.rest();
    let shown = received[WEBHOOKS..].iter().map(|webhook| (webhook.json()["id"].to_string(), webhook.json()));
    let shown: Vec<(String, Value)> = shown.collect();
    let reported: Vec<&String> = shown.iter().map(|(id, _)| id).collect();
    assert_eq!(reported, [&ids[1].variant, &ids[1].product, &ids[0].product, &ids[0].variant]);
    assert_eq!((&shown[0].1["stock_quantity"], &shown[3].1["price"]), (&json!(15), &json!("8.00")));
}

#[tokio::test]
async fn a_product_is_saved_when_its_stock_is_no_longer_counted() {
    let simulator = open("woocommerce").await;
    let ids = added(&simulator, 1).remove(0);
    let path = format!("products/{}", ids.product);
    let (_, counted) = get(&simulator, &path).await;
    // Times are of whole seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let shop = simulator.shop();
    shop.stop_stocking(&ids.item, &shop.locations()[0]).unwrap();
    let (_, uncounted) = get(&simulator, &path).await;
    assert_eq!((&uncounted["manage_stock"], &uncounted["stock_quantity"]), (&json!(false), &Value::Null));
    let saved = |shown: &Value| shown["date_modified_gmt"].as_str().unwrap().to_owned();
    assert!(saved(&uncounted) > saved(&counted), "{uncounted}");
}
