use crate::client::{call, open, open_with};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use simulator::{Chaos, NewVariant, Simulator, SimulatorOptions};

pub(crate) fn credentials() -> Vec<(&'static str, &'static str)> {
    vec![("clientId", "0d702b0b-d88f-486d-a1fc-81b8497f72c6"), ("key", "the-token")]
}

async fn get(simulator: &Simulator, path: &str) -> (u16, Value) {
    call("GET", &format!("{}{path}", simulator.base_url()), &credentials(), "").await
}

#[tokio::test]
async fn stock_is_listed_package_by_package_and_location_by_location() {
    let simulator = open("flowhub").await;
    let shop = simulator.shop();
    let variants = ["A", "B"].map(|sku| NewVariant::stocked(sku, 3_550, 6, &shop.locations()));
    let ids = shop.add_product("Grinder", &variants).unwrap();
    let (_, reply) = get(&simulator, "/v0/inventoryNonZero").await;
    let rows = reply["data"].as_array().unwrap();
    assert_eq!(rows.len(), 8, "two variants, two locations, two packages");
    assert!(rows.iter().all(|row| row["parentProductId"] == ids[0].product.as_str()));
    shop.sell(&ids[0].item, &shop.locations()[0], 6).unwrap();
    let count = async |path: &str| get(&simulator, path).await.1["data"].as_array().unwrap().len();
    assert_eq!((count("/v0/inventoryNonZero").await, count("/v0/inventory").await), (6, 7));
    let path = format!("/v0/locations/{}/inventory", shop.locations()[1]);
    assert_eq!(count(&path).await, 4);
}

#[tokio::test]
async fn orders_are_listed_by_import_id_and_by_the_stores_days() {
    let simulator = open("flowhub").await;
    let shop = simulator.shop();
    let variants = [NewVariant::stocked("A", 3_550, 600, &shop.locations())];
    let ids = shop.add_product("Grinder", &variants).unwrap().remove(0);
    let here = shop.locations().remove(0);
    let sold = shop.sell(&ids.item, &here, 2).unwrap();
    shop.sell(&ids.item, &shop.locations()[1], 1).unwrap();
    let (_, locations) = get(&simulator, "/v0/clientsLocations").await;
    let import_id = locations["data"][0]["importId"].as_str().unwrap();
    let day = |days: i64| (Utc::now() - TimeDelta::hours(7) + TimeDelta::days(days)).date_naive().to_string();
    let listed =
        async |query: &str| get(&simulator, &format!("/v1/orders/findByLocationId/{import_id}{query}")).await;
    let (_, orders) = listed(&format!("?created_after={}&created_before={}", day(-1), day(1))).await;
    assert_eq!((&orders["total"], &orders["orders"][0]["id"]), (&json!(1), &json!(sold)));
    assert_eq!(orders["orders"][0]["totals"]["FinalTotal"], 7_100);
    assert_eq!(listed(&format!("?created_after={}", day(2))).await.1["total"], 0);
    let (status, refused) = listed("?created_after=2026-07-01T00:00:00Z").await;
    assert_eq!((status, &refused["message"]), (404, &json!("created_after must be in format yyyy-mm-dd")));
    assert_eq!(
        get(&simulator, &format!("/v1/orders/findByLocationId/{here}")).await.0,
        404,
        "not the location's id"
    );
    shop.cancel_order(&sold, true).unwrap();
    assert_eq!(listed("").await.1["orders"][0]["voided"], true);
}

#[tokio::test]
async fn pages_count_from_one_and_hold_less_than_was_asked_for() {
    let simulator = open("flowhub").await;
    for index in 0..101 {
        simulator.shop().add_customer("Ada", &index.to_string(), "ada@example.com").unwrap();
    }
    let count = async |query: &str| {
        let (_, customers) = get(&simulator, &format!("/v1/customers/?{query}")).await;
        customers.as_array().unwrap().len()
    };
    assert_eq!((count("page_size=500").await, count("page_size=500&page=2").await), (100, 1));
    assert_eq!((count("page=3").await, count("updated_after=2000-01-01&page=3").await), (1, 1));
    assert_eq!(get(&simulator, "/v1/customers/?page=0").await.0, 400);
}

#[tokio::test]
async fn unauthenticated_and_throttled_calls_are_turned_away() {
    let simulator = open("flowhub").await;
    let url = format!("{}/v0/inventory", simulator.base_url());
    assert_eq!(call("GET", &url, &[], "").await.0, 401);
    assert_eq!(call("GET", &url, &[("clientId", "other"), ("key", "the-token")], "").await.0, 401);
    assert_eq!(get(&simulator, "/v0/elsewhere").await.0, 404);
    let chaos = Chaos { throttle_429: 1.0, ..Chaos::default() };
    let busy = open_with("flowhub", SimulatorOptions { chaos, ..SimulatorOptions::default() }).await;
    assert_eq!(get(&busy, "/v0/inventory").await.0, 429);
}
