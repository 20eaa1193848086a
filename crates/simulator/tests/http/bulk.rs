use crate::client::open;
use serde_json::{Value, json};
use simulator::{BulkTrouble, NewVariant, Simulator};
use std::time::Duration;

const BEGIN: &str = "mutation($query: String!, $grouped: Boolean!) { \
    bulkOperationRunQuery(query: $query, groupObjects: $grouped) { bulkOperation { id status } userErrors { code } } }";
const LOOK: &str = "query($id: ID!) { node(id: $id) { ... on BulkOperation { status errorCode objectCount \
    rootObjectCount url partialDataUrl } } }";
const PRODUCTS: &str = "{ products { edges { node { id title variants { edges { node { id sku } } } } } } }";

async fn post(simulator: &Simulator, query: &str, variables: Value) -> Value {
    let url = format!("{}/admin/api/2026-07/graphql.json", simulator.base_url());
    let body = json!({"query": query, "variables": variables}).to_string();
    let headers = [("X-Shopify-Access-Token", "the-token"), ("content-type", "application/json")];
    crate::client::call("POST", &url, &headers, body).await.1
}

/// The status and the text of a part of a file.
async fn part(url: &str, headers: &[(&str, &str)]) -> (u16, Option<String>, String) {
    let client = https::client().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
    let request =
        headers.iter().fold(client.get(url), |request, (name, value)| request.header(*name, *value));
    let response = request.send().await.unwrap();
    let range = response.headers().get("content-range").map(|range| range.to_str().unwrap().to_owned());
    (response.status().as_u16(), range, response.text().await.unwrap())
}

async fn shop() -> Simulator {
    let simulator = open("shopify").await;
    let locations = simulator.shop().locations();
    for number in 0..3 {
        let variants: Vec<_> =
            (0..2).map(|of| NewVariant::stocked(&format!("sku-{number}-{of}"), 950, 4, &locations)).collect();
        simulator.shop().add_product(&format!("Tea {number}"), &variants).unwrap();
    }
    simulator
}

async fn begun(simulator: &Simulator, query: &str, grouped: bool) -> Value {
    let reply = post(simulator, BEGIN, json!({"query": query, "grouped": grouped})).await;
    reply["data"]["bulkOperationRunQuery"].clone()
}

/// The operation once it has ended.
async fn ended(simulator: &Simulator, id: &Value) -> Value {
    let mut states = Vec::new();
    for _ in 0..5 {
        let state = post(simulator, LOOK, json!({"id": id})).await["data"]["node"].clone();
        let status = state["status"].as_str().unwrap().to_owned();
        if !["CREATED", "RUNNING"].contains(&status.as_str()) {
            assert_eq!(states, ["CREATED", "RUNNING"]);
            return state;
        }
        states.push(status);
    }
    panic!("it never ends: {states:?}")
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn an_operation_makes_a_file_of_lines_that_is_read_in_parts() {
    let simulator = shop().await;
    let id = begun(&simulator, PRODUCTS, true).await["bulkOperation"]["id"].clone();
    // What changes afterwards isn't in it.
    simulator.shop().add_product("Later", &[]).ok();
    let state = ended(&simulator, &id).await;
    assert_eq!((&state["objectCount"], &state["rootObjectCount"]), (&json!("9"), &json!("3")));
    let url = state["url"].as_str().unwrap();
    let (status, _, whole) = part(url, &[]).await;
    let found = lines(&whole);
    assert_eq!((status, found.len()), (200, 9));
    assert_eq!(found[1]["__parentId"], found[0]["id"]);
    assert_eq!(found[2]["__parentId"], found[0]["id"]);
    assert_eq!(found[3].get("__parentId"), None);
    let (status, range, text) = part(url, &[("range", "bytes=10-29")]).await;
    assert_eq!((status, text.as_str()), (206, &whole[10..30]));
    assert_eq!(range, Some(format!("bytes 10-29/{}", whole.len())));
    let end = whole.len() - 5;
    assert_eq!(part(url, &[("range", &format!("bytes={end}-{}", end + 99))]).await.2, &whole[end..]);
    assert_eq!(part(url, &[("range", &format!("bytes={}-{}", whole.len(), whole.len()))]).await.0, 416);
    assert_eq!(
        part(url, &[("x-shopify-access-token", "the-token")]).await.0,
        403,
        "a token for another host"
    );
    assert_eq!(part(url.split('?').next().unwrap(), &[]).await.0, 403, "without a signature");
}

#[tokio::test]
async fn lines_are_grouped_on_request_only_and_items_have_levels() {
    let simulator = shop().await;
    let id = begun(&simulator, PRODUCTS, false).await["bulkOperation"]["id"].clone();
    let state = ended(&simulator, &id).await;
    let apart = lines(&part(state["url"].as_str().unwrap(), &[]).await.2);
    assert!(apart[..3].iter().all(|line| line.get("__parentId").is_none()));
    assert!(apart[3..].iter().all(|line| line.get("__parentId").is_some()));
    let levels = "{ inventoryItems { edges { node { id tracked inventoryLevels { edges { node { id \
        quantities(names: [\"available\"]) { name quantity } location { legacyResourceId } } } } } } } }";
    let id = begun(&simulator, levels, true).await["bulkOperation"]["id"].clone();
    let state = ended(&simulator, &id).await;
    let found = lines(&part(state["url"].as_str().unwrap(), &[]).await.2);
    assert_eq!((&state["rootObjectCount"], found.len()), (&json!("6"), 18));
    assert_eq!(found[1]["quantities"][0], json!({"name": "available", "quantity": 4}));
}

#[tokio::test]
async fn operations_that_are_busy_fail_or_expire_say_so() {
    let simulator = shop().await;

    for _ in 0..5 {
        assert_eq!(begun(&simulator, PRODUCTS, true).await["userErrors"], json!([]));
    }
    assert_eq!(begun(&simulator, PRODUCTS, true).await["userErrors"][0]["code"], "OPERATION_IN_PROGRESS");
    let simulator = self::shop().await;
    assert_eq!(
        begun(&simulator, "{ products { nodes { id } } }", true).await["userErrors"][0]["code"],
        "INVALID"
    );

    simulator.shop().trouble_bulk_operations(Some(BulkTrouble::Busy));
    assert_eq!(begun(&simulator, PRODUCTS, true).await["userErrors"][0]["code"], "OPERATION_IN_PROGRESS");
    simulator.shop().trouble_bulk_operations(Some(BulkTrouble::Fails));
    let id = begun(&simulator, PRODUCTS, true).await["bulkOperation"]["id"].clone();
    let state = ended(&simulator, &id).await;
    assert_eq!((&state["status"], &state["url"]), (&json!("FAILED"), &Value::Null));
    assert!(state["partialDataUrl"].is_string() && state["errorCode"] == "INTERNAL_SERVER_ERROR");
    simulator.shop().trouble_bulk_operations(Some(BulkTrouble::Expires));
    let id = begun(&simulator, PRODUCTS, true).await["bulkOperation"]["id"].clone();
    assert_eq!(ended(&simulator, &id).await["status"], "COMPLETED");
    let state = post(&simulator, LOOK, json!({"id": id})).await["data"]["node"].clone();
    assert_eq!((&state["status"], &state["url"]), (&json!("EXPIRED"), &Value::Null));
    let unknown = post(&simulator, LOOK, json!({"id": "gid://shopify/BulkOperation/999"})).await;
    assert_eq!(unknown["data"]["node"], Value::Null);
}
