use crate::client::{call, open, open_with};
use chrono::{SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use simulator::{ChangedLevel, Chaos, ItemIds, NewVariant, Simulator, SimulatorOptions};

const HEADERS: [(&str, &str); 2] = [("authorization", "Bearer the-token"), ("Square-Version", "2026-07-15")];

async fn post(simulator: &Simulator, path: &str, body: Value) -> (u16, Value) {
    call("POST", &format!("{}{path}", simulator.base_url()), &HEADERS, body.to_string()).await
}

async fn get(simulator: &Simulator, path: &str) -> (u16, Value) {
    call("GET", &format!("{}{path}", simulator.base_url()), &HEADERS, "").await
}

fn stocked(simulator: &Simulator, pieces: i64) -> (ItemIds, String) {
    let shop = simulator.shop();
    let locations = shop.locations();
    let variant = NewVariant::stocked("TF-001", 899, pieces, &locations);
    (shop.add_product("Beans", &[variant]).unwrap().remove(0), locations[0].clone())
}

fn ago(seconds: i64) -> String {
    (Utc::now() - TimeDelta::seconds(seconds)).to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn count(key: &str, ids: &ItemIds, location: &str, quantity: &str, at: &str) -> Value {
    json!({"idempotency_key": key, "changes": [{"type": "PHYSICAL_COUNT", "physical_count": {
        "catalog_object_id": ids.variant, "state": "IN_STOCK", "location_id": location, "quantity": quantity,
        "occurred_at": at}}]})
}

fn adjust(key: &str, ids: &ItemIds, location: &str, states: (&str, &str), quantity: &str, at: &str) -> Value {
    json!({"idempotency_key": key, "changes": [{"type": "ADJUSTMENT", "adjustment": {
        "catalog_object_id": ids.variant, "from_state": states.0, "to_state": states.1, "location_id": location,
        "quantity": quantity, "occurred_at": at}}]})
}

const CHANGES: &str = "/v2/inventory/changes/batch-create";

#[tokio::test]
async fn an_adjustment_adds_to_a_sale_and_a_count_overrides_what_was_before_it() {
    let simulator = open("square").await;
    let (ids, location) = stocked(&simulator, 10);
    let shop = simulator.shop();
    shop.sell(&ids.item, &location, 1).unwrap();
    let body = adjust("k1", &ids, &location, ("IN_STOCK", "SOLD"), "2", &ago(0));
    let (status, reply) = post(&simulator, CHANGES, body).await;
    assert_eq!((status, &reply["counts"][0]["quantity"]), (200, &json!("7")));
    let body = adjust("k2", &ids, &location, ("NONE", "IN_STOCK"), "2.5", &ago(0));
    post(&simulator, CHANGES, body).await;
    assert_eq!(shop.level(&ids.item, &location).unwrap(), "9.5");
    let (_, reply) =
        post(&simulator, "/v2/inventory/batch-change", count("k3", &ids, &location, "53", &ago(0))).await;
    assert_eq!(reply["counts"][0]["quantity"], "53");
    assert_eq!(shop.level(&ids.item, &location).unwrap(), "53");
}

#[tokio::test]
async fn a_count_from_before_a_sale_does_not_undo_the_sale() {
    let simulator = open("square").await;
    let (ids, location) = stocked(&simulator, 10);
    let counted_at = ago(0);
    simulator.shop().sell(&ids.item, &location, 1).unwrap();
    post(&simulator, CHANGES, count("k1", &ids, &location, "20", &counted_at)).await;
    assert_eq!(simulator.shop().level(&ids.item, &location).unwrap(), "19");
}

#[tokio::test]
async fn changes_from_the_future_or_from_long_ago_are_refused() {
    let simulator = open("square").await;
    let (ids, location) = stocked(&simulator, 10);
    for seconds in [-3_600, 25 * 3_600] {
        let (status, reply) =
            post(&simulator, CHANGES, count("k", &ids, &location, "1", &ago(seconds))).await;
        assert_eq!((status, &reply["errors"][0]["code"]), (400, &json!("INVALID_TIME")));
    }
    assert_eq!(simulator.shop().level(&ids.item, &location).unwrap(), "10");
}

#[tokio::test]
async fn the_same_key_replays_and_with_another_body_is_refused() {
    let simulator = open("square").await;
    let (ids, location) = stocked(&simulator, 10);
    let body = adjust("k1", &ids, &location, ("IN_STOCK", "WASTE"), "1", &ago(0));
    let first = post(&simulator, CHANGES, body.clone()).await;
    let second = post(&simulator, CHANGES, body).await;
    assert_eq!(first, second);
    assert_eq!(simulator.shop().level(&ids.item, &location).unwrap(), "9");
    let (status, reply) = post(&simulator, CHANGES, count("k1", &ids, &location, "5", &ago(0))).await;
    assert_eq!((status, &reply["errors"][0]["code"]), (400, &json!("IDEMPOTENCY_KEY_REUSED")));
    assert_eq!(simulator.shop().level(&ids.item, &location).unwrap(), "9");
}

#[tokio::test]
async fn an_object_is_replaced_only_against_its_version_and_then_as_a_whole() {
    let simulator = open("square").await;
    let (ids, _) = stocked(&simulator, 10);
    let path = format!("/v2/catalog/object/{}", ids.product);
    let (_, reply) = get(&simulator, &path).await;
    let mut object = reply["object"].clone();
    assert_eq!(object["item_data"]["abbreviation"], "TF");
    object["item_data"]["name"] = json!("Better beans");
    object["item_data"]["description_html"] = json!("<p>Best</p>");
    object["item_data"].as_object_mut().unwrap().remove("abbreviation");
    let write = |key: &str, object: &Value| json!({"idempotency_key": key, "object": object});
    let (status, reply) = post(&simulator, "/v2/catalog/object", write("k1", &object)).await;
    assert_eq!(status, 200);
    assert!(reply["catalog_object"]["version"].as_i64() > object["version"].as_i64());
    assert_eq!(simulator.shop().title(&ids.product).unwrap(), "Better beans");
    let (_, reply) = get(&simulator, &path).await;
    assert!(reply["object"]["item_data"].get("abbreviation").is_none());
    assert_eq!(reply["object"]["item_data"]["description"], "<p>Best</p>");

    let (status, reply) = post(&simulator, "/v2/catalog/object", write("k2", &object)).await;
    assert_eq!((status, &reply["errors"][0]["code"]), (400, &json!("VERSION_MISMATCH")));
}

#[tokio::test]
async fn a_price_is_set_on_the_variation_alone() {
    let simulator = open("square").await;
    let (ids, _) = stocked(&simulator, 10);
    let (_, item) = get(&simulator, &format!("/v2/catalog/object/{}", ids.product)).await;
    let (_, reply) = get(&simulator, &format!("/v2/catalog/object/{}", ids.variant)).await;
    let mut object = reply["object"].clone();
    object["item_variation_data"]["price_money"]["amount"] = json!(1_250);
    post(&simulator, "/v2/catalog/object", json!({"idempotency_key": "k1", "object": object})).await;
    assert_eq!(simulator.shop().price(&ids.variant), Some(1_250));
    let (_, after) = get(&simulator, &format!("/v2/catalog/object/{}", ids.product)).await;
    assert_eq!(item["object"]["version"], after["object"]["version"]);
    let begin = item["object"]["updated_at"].clone();
    let search = json!({"begin_time": begin, "include_related_objects": true});
    let (_, found) = post(&simulator, "/v2/catalog/search", search).await;
    let objects = found["objects"].as_array().unwrap();
    assert_eq!((objects.len(), &objects[0]["id"]), (1, &json!(ids.variant)));
    assert_eq!(found["related_objects"][0]["id"], ids.product.as_str());
}

#[tokio::test]
async fn a_search_finds_what_changed_after_a_moment_deleted_things_included() {
    let simulator = open("square").await;
    let shop = simulator.shop();
    let (kept, _) = stocked(&simulator, 1);
    let (gone, _) = stocked(&simulator, 1);
    let (_, reply) = post(&simulator, "/v2/catalog/search", json!({})).await;
    assert_eq!(reply["objects"].as_array().unwrap().len(), 4);
    let begin = reply["latest_time"].clone();
    let (_, reply) = post(&simulator, "/v2/catalog/search", json!({"begin_time": begin})).await;
    assert!(reply.get("objects").is_none());

    shop.edit_price(&kept.variant, 100).unwrap();
    shop.delete_product(&gone.product).unwrap();
    let search = json!({"begin_time": begin, "include_deleted_objects": true, "limit": 3});
    let (_, first) = post(&simulator, "/v2/catalog/search", search.clone()).await;
    let mut next = search;
    next["cursor"] = first["cursor"].clone();
    let (_, second) = post(&simulator, "/v2/catalog/search", next).await;
    assert!(second.get("cursor").is_none());
    let objects =
        [first["objects"].as_array().unwrap().as_slice(), second["objects"].as_array().unwrap()].concat();
    let deleted: Vec<_> = objects.iter().filter(|object| object["is_deleted"] == json!(true)).collect();
    assert_eq!((objects.len(), deleted.len()), (4, 2));
    assert!(deleted.iter().any(|object| object["id"] == gone.product.as_str()));
    let (_, list) = get(&simulator, "/v2/catalog/list?types=ITEM").await;
    assert_eq!(list["objects"].as_array().unwrap().len(), 1);
    assert_eq!(get(&simulator, &format!("/v2/catalog/object/{}", gone.product)).await.0, 404);
}

#[tokio::test]
async fn counts_orders_and_customers_are_read() {
    let simulator = open("square").await;
    let (ids, location) = stocked(&simulator, 10);
    let order = simulator.shop().sell(&ids.item, &location, 3).unwrap();
    let body =
        json!({"catalog_object_ids": [ids.variant], "location_ids": [location], "states": ["IN_STOCK"]});
    let (_, reply) = post(&simulator, "/v2/inventory/counts/batch-retrieve", body).await;
    assert_eq!(reply["counts"].as_array().unwrap().len(), 1);
    assert_eq!(reply["counts"][0]["quantity"], "7");
    let (_, reply) = get(&simulator, &format!("/v2/orders/{order}")).await;
    assert_eq!(reply["order"]["line_items"][0]["quantity"], "3");
    assert_eq!(reply["order"]["total_money"], json!({"amount": 2_697, "currency": "USD"}));
    let id = simulator.shop().add_customer("Ada", "Lovelace", "ada@example.com").unwrap();
    let (_, reply) = get(&simulator, "/v2/customers").await;
    assert_eq!(reply["customers"][0]["id"], id.as_str());
}

#[tokio::test]
async fn calls_without_token_or_version_and_too_many_calls_are_refused() {
    let chaos = Chaos { throttle_429: 1.0, ..Chaos::default() };
    let simulator = open_with("square", SimulatorOptions { chaos, ..SimulatorOptions::default() }).await;
    let (status, reply) = get(&simulator, "/v2/customers").await;
    assert_eq!((status, &reply["errors"][0]["code"]), (429, &json!("RATE_LIMITED")));
    simulator.set_chaos(Chaos::default());
    let url = format!("{}/v2/customers", simulator.base_url());
    assert_eq!(call("GET", &url, &HEADERS[1..], "").await.0, 401);
    assert_eq!(call("GET", &url, &HEADERS[..1], "").await.0, 400);
    assert_eq!(get(&simulator, "/v2/nothing").await.0, 404);
}

#[tokio::test]
async fn a_connection_that_is_closed_instead_of_an_answer_has_had_its_effect() {
    let chaos = Chaos { reset_after_success: 1.0, response_ms_max: 5, ..Chaos::default() };
    let simulator = open_with("square", SimulatorOptions { chaos, ..SimulatorOptions::default() }).await;
    let (ids, location) = stocked(&simulator, 10);
    let client = https::client().no_proxy().build().unwrap();
    let mut request = client.post(format!("{}{CHANGES}", simulator.base_url()));
    for (name, value) in HEADERS {
        request = request.header(name, value);
    }
    let body = adjust("k1", &ids, &location, ("IN_STOCK", "SOLD"), "2", &ago(0));
    let failed = request.body(body.to_string()).send().await.unwrap_err();
    assert!(failed.status().is_none(), "{failed}");
    assert_eq!(simulator.shop().level(&ids.item, &location).unwrap(), "8");
    let calls = simulator.shop().calls();
    assert_eq!(calls.last().map(|call| call.status), Some(0));
}

#[tokio::test]
async fn a_call_is_recorded_with_its_arrival_and_the_levels_that_it_changed_but_a_repetition_with_none() {
    let chaos = Chaos { response_ms_max: 5, ..Chaos::default() };
    let simulator = open_with("square", SimulatorOptions { chaos, ..SimulatorOptions::default() }).await;
    let (ids, location) = stocked(&simulator, 10);
    let before = Utc::now();
    let body = adjust("k1", &ids, &location, ("IN_STOCK", "SOLD"), "2.50", &ago(0));
    for _ in 0..2 {
        assert_eq!(post(&simulator, CHANGES, body.clone()).await.0, 200);
    }
    let calls = simulator.shop().calls();
    let changed = ChangedLevel { item: ids.item, location, quantity: "7.5".to_owned() };
    assert_eq!(calls.iter().map(|call| &call.levels[..]).collect::<Vec<_>>(), [&[changed][..], &[]]);
    for call in calls {
        assert!(before <= call.arrived_at && call.arrived_at <= call.at, "{call:?}");
    }
}

#[tokio::test]
async fn orders_and_customers_are_searched_by_the_time_of_their_change() {
    let simulator = open("square").await;
    let (ids, location) = stocked(&simulator, 10);
    let shop = simulator.shop();
    shop.sell(&ids.item, &location, 1).unwrap();
    shop.add_customer("Ada", "Lovelace", "ada@example.com").unwrap();
    let orders = async |from: &str, sorted_by: &str, locations: &[&str]| {
        let filter = json!({"date_time_filter": {"updated_at": {"start_at": from}}});
        let query = json!({"filter": filter, "sort": {"sort_field": sorted_by}});
        post(&simulator, "/v2/orders/search", json!({"location_ids": locations, "query": query})).await
    };
    let (_, found) = orders(&ago(60), "UPDATED_AT", &[&location]).await;
    assert_eq!(found["orders"].as_array().unwrap().len(), 1);
    let (_, found) = orders(&ago(-60), "UPDATED_AT", &[&location]).await;
    assert_eq!(found, json!({}), "empty lists are left out");
    assert_eq!(orders(&ago(60), "CREATED_AT", &[&location]).await.0, 400, "the filter's own field");
    assert_eq!(orders(&ago(60), "UPDATED_AT", &[]).await.0, 400, "locations have to be named");
    let customers = async |from: &str| {
        let query = json!({"filter": {"updated_at": {"start_at": from}}});
        post(&simulator, "/v2/customers/search", json!({"query": query})).await.1
    };
    assert_eq!(customers(&ago(60)).await["customers"].as_array().unwrap().len(), 1);
    assert_eq!(customers(&ago(-60)).await, json!({}));
}

#[tokio::test]
async fn a_product_that_lists_leave_out_exists_nevertheless() {
    let simulator = open("square").await;
    let (ids, _) = stocked(&simulator, 10);
    let listed = async || post(&simulator, "/v2/catalog/search", json!({"object_types": ["ITEM"]})).await.1;
    assert_eq!(listed().await["objects"].as_array().unwrap().len(), 1);
    simulator.shop().leave_out_of_lists(std::slice::from_ref(&ids.product));
    assert_eq!(listed().await["objects"], Value::Null);
    assert_eq!(get(&simulator, &format!("/v2/catalog/object/{}", ids.product)).await.0, 200);
    simulator.shop().leave_out_of_lists(&[]);
    assert_eq!(listed().await["objects"].as_array().unwrap().len(), 1);
}
