use crate::client::{call, open, open_with};
use serde_json::{Value, json};
use simulator::{Chaos, ItemIds, NewVariant, Simulator, SimulatorOptions};

const SET: &str = "mutation Set($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id createdAt changes { name delta quantityAfterChange } }
    userErrors { field message code }
  } }";

async fn graphql(simulator: &Simulator, query: &str, variables: Value) -> Value {
    let url = format!("{}/admin/api/2026-07/graphql.json", simulator.base_url());
    let body = json!({"query": query, "variables": variables}).to_string();
    let headers = [("X-Shopify-Access-Token", "the-token"), ("content-type", "application/json")];
    let (status, body) = call("POST", &url, &headers, body).await;
    assert_eq!(status, 200);
    body
}

fn stocked(simulator: &Simulator, pieces: i64) -> (ItemIds, String) {
    let shop = simulator.shop();
    let locations = shop.locations();
    let variant = NewVariant::stocked("TF-001", 899, pieces, &locations);
    (shop.add_product("Beans", &[variant]).unwrap().remove(0), locations[0].clone())
}

fn row(ids: &ItemIds, location: &str, quantity: i64, from: Value) -> Value {
    let mut row = json!({"inventoryItemId": format!("gid://shopify/InventoryItem/{}", ids.item),
        "locationId": format!("gid://shopify/Location/{location}"), "quantity": quantity});
    if from != json!("left out") {
        row["changeFromQuantity"] = from;
    }
    row
}

fn set(key: &str, row: &Value) -> Value {
    json!({"key": key, "input": {"name": "available", "reason": "correction",
        "referenceDocumentUri": "tillflow://correction/1", "quantities": [row]}})
}

fn code(reply: &Value) -> &str {
    reply["data"]["inventorySetQuantities"]["userErrors"][0]["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_set_against_what_is_there_takes_effect() {
    let simulator = open("shopify").await;
    let (ids, location) = stocked(&simulator, 10);
    let reply = graphql(&simulator, SET, set("k1", &row(&ids, &location, 8, json!(10)))).await;
    let payload = &reply["data"]["inventorySetQuantities"];
    assert_eq!(payload["userErrors"], json!([]));
    assert_eq!(payload["inventoryAdjustmentGroup"]["changes"][0]["delta"], -2);
    assert_eq!(simulator.shop().level(&ids.item, &location).unwrap(), "8");
    assert!(reply["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"].is_number());
}

#[tokio::test]
async fn a_set_against_something_else_is_refused_as_stale() {
    let simulator = open("shopify").await;
    let (ids, location) = stocked(&simulator, 10);
    simulator.shop().sell(&ids.item, &location, 1).unwrap();
    let reply = graphql(&simulator, SET, set("k1", &row(&ids, &location, 8, json!(10)))).await;
    assert_eq!(code(&reply), "CHANGE_FROM_QUANTITY_STALE");
    assert_eq!(
        reply["data"]["inventorySetQuantities"]["userErrors"][0]["field"],
        json!(["input", "quantities", "0", "changeFromQuantity"])
    );
    assert_eq!(simulator.shop().level(&ids.item, &location).unwrap(), "9");
}

#[tokio::test]
async fn a_null_skips_the_comparison_and_nothing_at_all_is_an_error() {
    let simulator = open("shopify").await;
    let (ids, location) = stocked(&simulator, 10);
    let reply = graphql(&simulator, SET, set("k1", &row(&ids, &location, 3, json!("left out")))).await;
    assert_eq!(reply["errors"][0]["extensions"]["code"], "INVALID_FIELD_ARGUMENTS");
    assert_eq!(simulator.shop().level(&ids.item, &location).unwrap(), "10");
    graphql(&simulator, SET, set("k2", &row(&ids, &location, 3, Value::Null))).await;
    assert_eq!(simulator.shop().level(&ids.item, &location).unwrap(), "3");
}

#[tokio::test]
async fn the_same_key_replays_the_first_reply_without_effect() {
    let simulator = open("shopify").await;
    let (ids, location) = stocked(&simulator, 10);
    let variables = set("k1", &row(&ids, &location, 8, json!(10)));
    let first = graphql(&simulator, SET, variables.clone()).await;
    simulator.shop().sell(&ids.item, &location, 1).unwrap();
    let second = graphql(&simulator, SET, variables).await;
    assert_eq!(first["data"], second["data"]);
    assert_eq!(simulator.shop().level(&ids.item, &location).unwrap(), "7");
    let other = graphql(&simulator, SET, set("k1", &row(&ids, &location, 5, json!(7)))).await;
    assert_eq!(code(&other), "IDEMPOTENCY_KEY_PARAMETER_MISMATCH");
}

#[tokio::test]
async fn a_key_whose_attempt_failed_is_spent() {
    let simulator = open("shopify").await;
    let (ids, location) = stocked(&simulator, 10);
    let variables = set("k1", &row(&ids, &location, 8, json!(99)));
    assert_eq!(code(&graphql(&simulator, SET, variables.clone()).await), "CHANGE_FROM_QUANTITY_STALE");
    assert_eq!(code(&graphql(&simulator, SET, variables).await), "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED");
}

#[tokio::test]
async fn a_set_without_the_directive_is_an_error() {
    let simulator = open("shopify").await;
    let (ids, location) = stocked(&simulator, 10);
    let query = SET.replace("@idempotent(key: $key)", "");
    let reply = graphql(&simulator, &query, set("k1", &row(&ids, &location, 8, json!(10)))).await;
    assert_eq!(reply["errors"][0]["extensions"]["code"], "BAD_REQUEST");
    assert_eq!(reply["data"]["inventorySetQuantities"], Value::Null);
    assert_eq!(simulator.shop().level(&ids.item, &location).unwrap(), "10");
}

#[tokio::test]
async fn selecting_what_does_not_exist_is_an_error_without_effect() {
    let simulator = open("shopify").await;
    let (ids, location) = stocked(&simulator, 10);
    let query = SET.replace("quantityAfterChange", "quantityAfter");
    let reply = graphql(&simulator, &query, set("k1", &row(&ids, &location, 8, json!(10)))).await;
    assert_eq!(reply["errors"][0]["extensions"]["code"], "undefinedField");
    assert_eq!(simulator.shop().level(&ids.item, &location).unwrap(), "10");
}

#[tokio::test]
async fn levels_are_read_back() {
    let simulator = open("shopify").await;
    let (ids, location) = stocked(&simulator, 10);
    let query = "query($id: ID!, $at: ID!) { inventoryItem(id: $id) { inventoryLevel(locationId: $at) {
        quantities(names: [\"available\"]) { name quantity } updatedAt } } }";
    let variables = |at: &str| json!({"id": format!("gid://shopify/InventoryItem/{}", ids.item), "at": format!("gid://shopify/Location/{at}")});
    let reply = graphql(&simulator, query, variables(&location)).await;
    let level = &reply["data"]["inventoryItem"]["inventoryLevel"];
    assert_eq!(level["quantities"], json!([{"name": "available", "quantity": 10}]));
    assert!(level["updatedAt"].is_string());
    let elsewhere = graphql(&simulator, query, variables("1")).await;
    assert_eq!(elsewhere["data"]["inventoryItem"]["inventoryLevel"], Value::Null);
}

#[tokio::test]
async fn prices_and_titles_are_set_and_unknown_ids_refused() {
    let simulator = open("shopify").await;
    let (ids, _) = stocked(&simulator, 10);
    let price = "mutation($product: ID!, $variants: [ProductVariantsBulkInput!]!) {
        productVariantsBulkUpdate(productId: $product, variants: $variants) {
            productVariants { id price } userErrors { field message code } } }";
    let variables = |variant: &str| {
        json!({"product": format!("gid://shopify/Product/{}", ids.product),
            "variants": [{"id": format!("gid://shopify/ProductVariant/{variant}"), "price": "12.50"}]})
    };
    let reply = graphql(&simulator, price, variables(&ids.variant)).await;
    assert_eq!(reply["data"]["productVariantsBulkUpdate"]["productVariants"][0]["price"], "12.50");
    assert_eq!(simulator.shop().price(&ids.variant), Some(1_250));
    let reply = graphql(&simulator, price, variables("1")).await;
    let errors = &reply["data"]["productVariantsBulkUpdate"]["userErrors"];
    assert_eq!(errors[0]["code"], "PRODUCT_VARIANT_DOES_NOT_EXIST");

    let title = "mutation($product: ProductUpdateInput!) { productUpdate(product: $product) {
        product { id title } userErrors { field message } } }";
    let product = json!({"id": format!("gid://shopify/Product/{}", ids.product), "title": "Better beans"});
    graphql(&simulator, title, json!({"product": product})).await;
    assert_eq!(simulator.shop().title(&ids.product).unwrap(), "Better beans");
}

#[tokio::test]
async fn products_come_in_pages() {
    let simulator = open("shopify").await;
    for index in 0..5 {
        let variant = NewVariant { sku: format!("S{index}"), price_minor: 100, stock: Vec::new() };
        simulator.shop().add_product(&format!("P{index}"), &[variant]).unwrap();
    }
    let query = "query($after: String) { products(first: 2, after: $after) {
        nodes { title variants(first: 10) { nodes { sku } } } pageInfo { hasNextPage endCursor } } }";
    let (mut after, mut skus, mut pages) = (Value::Null, Vec::new(), 0);
    loop {
        let reply = graphql(&simulator, query, json!({"after": after})).await;
        let page = &reply["data"]["products"];
        for node in page["nodes"].as_array().unwrap() {
            skus.push(node["variants"]["nodes"][0]["sku"].as_str().unwrap().to_owned());
        }
        pages += 1;
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
    }
    skus.sort();
    assert_eq!((pages, skus), (3, ["S0", "S1", "S2", "S3", "S4"].map(str::to_owned).to_vec()));
}

#[tokio::test]
async fn an_empty_budget_throttles_with_status_200() {
    let options = SimulatorOptions { points_per_second: Some(1.0), ..SimulatorOptions::default() };
    let simulator = open_with("shopify", options).await;
    let (ids, location) = stocked(&simulator, 10);
    for key in ["k1", "k2"] {
        let reply = graphql(&simulator, SET, set(key, &row(&ids, &location, 8, Value::Null))).await;
        assert!(reply.get("errors").is_none());
    }
    let reply = graphql(&simulator, SET, set("k3", &row(&ids, &location, 5, Value::Null))).await;
    assert_eq!(reply["errors"][0]["extensions"]["code"], "THROTTLED");
    assert_eq!(reply["extensions"]["cost"]["throttleStatus"]["maximumAvailable"], 20.0);
    assert_eq!(simulator.shop().level(&ids.item, &location).unwrap(), "8");
}

#[tokio::test]
async fn chaos_loses_the_reply_but_not_the_effect() {
    let options = SimulatorOptions::default();
    let chaos = Chaos { error_after_success: 1.0, ..Chaos::default() };
    let simulator = open_with("shopify", SimulatorOptions { chaos, ..options }).await;
    let (ids, location) = stocked(&simulator, 10);
    let url = format!("{}/admin/api/2026-07/graphql.json", simulator.base_url());
    let body = json!({"query": SET, "variables": set("k1", &row(&ids, &location, 8, json!(10)))}).to_string();
    let headers = [("X-Shopify-Access-Token", "the-token"), ("traceparent", "00-aa-bb-01")];
    assert_eq!(call("POST", &url, &headers, body.clone()).await.0, 500);
    assert_eq!(simulator.shop().level(&ids.item, &location).unwrap(), "8");
    simulator.set_chaos(Chaos::default());
    let (status, replay) = call("POST", &url, &headers, body).await;
    assert_eq!((status, code(&replay)), (200, ""));
    let calls = simulator.shop().calls();
    assert_eq!(calls.iter().map(|call| call.status).collect::<Vec<_>>(), [500, 200]);
    assert_eq!(calls[1].operation, "inventorySetQuantities");
    assert_eq!(calls[1].idempotency_key.as_deref(), Some("k1"));
    assert_eq!(calls[1].traceparent.as_deref(), Some("00-aa-bb-01"));
}

#[tokio::test]
async fn unauthenticated_clients_and_unknown_paths_are_turned_away() {
    let simulator = open("shopify").await;
    let url = format!("{}/admin/api/2026-07/graphql.json", simulator.base_url());
    assert_eq!(call("POST", &url, &[("X-Shopify-Access-Token", "wrong")], "{}").await.0, 401);
    let url = format!("{}/admin/api/soon/graphql.json", simulator.base_url());
    assert_eq!(call("POST", &url, &[("X-Shopify-Access-Token", "the-token")], "{}").await.0, 404);
}

#[tokio::test]
async fn lists_are_limited_by_id_and_by_the_time_of_change() {
    let simulator = open("shopify").await;
    let (ids, location) = stocked(&simulator, 10);
    let shop = simulator.shop();
    shop.sell(&ids.item, &location, 1).unwrap();
    shop.add_customer("Ada", "Lovelace", "ada@example.com").unwrap();
    let listed = async |name: &str, filter: &str| {
        let query = format!(
            "query($filter: String) {{ {name}(first: 5, query: $filter, sortKey: ID) {{ nodes {{ legacyResourceId }} }} }}"
        );
        let reply = graphql(&simulator, &query, json!({"filter": filter})).await;
        reply["data"][name]["nodes"].as_array().unwrap().len()
    };
    for name in ["products", "orders", "customers"] {
        assert_eq!(listed(name, "updated_at:>='2020-01-01T00:00:00Z' AND id:>=1").await, 1, "{name}");
        assert_eq!(listed(name, "updated_at:>='2999-01-01T00:00:00Z'").await, 0, "{name}");
        assert_eq!(listed(name, "id:>=18446744073709551615").await, 0, "{name}");
    }
    let levels =
        "query($id: ID!, $filter: String) { location(id: $id) { inventoryLevels(first: 5, query: $filter) {
        nodes { item { legacyResourceId tracked } quantities(names: [\"available\"]) { quantity } } } } }";
    let levels = async |filter: &str| {
        let variables = json!({"id": format!("gid://shopify/Location/{location}"), "filter": filter});
        graphql(&simulator, levels, variables).await["data"]["location"]["inventoryLevels"]["nodes"].clone()
    };
    let found = levels("updated_at:>='2020-01-01T00:00:00Z'").await;
    assert_eq!(found[0]["item"], json!({"legacyResourceId": ids.item, "tracked": true}));
    assert_eq!(found[0]["quantities"][0]["quantity"], 9);
    assert_eq!(levels("updated_at:>='2999-01-01T00:00:00Z'").await, json!([]));
}
