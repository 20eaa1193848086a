use crate::client::{call, open};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use simulator::{Chaos, NewVariant, Simulator};

pub(crate) const CREDENTIALS: [(&str, &str); 2] = [("authorization", "the-token"), ("x-api-key", "partner")];

async fn get(simulator: &Simulator, path: &str) -> (u16, Value) {
    call("GET", &format!("{}/api/v1/partner/{path}", simulator.base_url()), &CREDENTIALS, "").await
}

fn stocked(simulator: &Simulator, skus: &[&str]) -> Vec<simulator::ItemIds> {
    let shop = simulator.shop();
    let variants: Vec<_> =
        skus.iter().map(|sku| NewVariant::stocked(sku, 3_500, 6, &shop.locations())).collect();
    shop.add_product("Grinder", &variants).unwrap()
}

#[tokio::test]
async fn products_are_listed_with_the_quantity_of_each_inventory() {
    let simulator = open("blaze").await;
    let ids = stocked(&simulator, &["A", "B", "C"]);
    simulator.shop().delete_product(&ids[1].product).unwrap();
    let (status, reply) = get(&simulator, "products?skip=1&limit=1&omitTaxTables=true").await;
    assert_eq!((status, &reply["total"], &reply["skip"]), (200, &json!(2), &json!(1)));
    let [product] = reply["values"].as_array().unwrap().as_slice() else { panic!("one product expected") };
    assert_eq!((&product["unitPrice"], &product["taxTables"]), (&json!(35), &json!(null)));
    let quantities = product["quantities"].as_array().unwrap();
    assert_eq!(quantities.len(), 2);
    assert_eq!(
        (&quantities[0]["quantity"], &quantities[0]["inventoryId"]),
        (&json!(6), &json!("5e0000000000000000000f01"))
    );
    let (_, reply) = get(&simulator, "products?limit=500").await;
    assert_eq!(reply["limit"], 100, "a page has no more, whatever is asked for");
    let (_, reply) = get(&simulator, "store/inventory/inventories").await;
    assert_eq!(reply["values"][1]["id"], "5e0000000000000000000f02");
}

#[tokio::test]
async fn changed_products_include_deleted_ones_and_a_sale_changes_none() {
    let simulator = open("blaze").await;
    let ids = stocked(&simulator, &["A", "B"]);
    let shop = simulator.shop();
    let since = (Utc::now() + TimeDelta::milliseconds(1)).timestamp_millis();
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    shop.sell(&ids[0].item, &shop.locations()[0], 2).unwrap();
    shop.delete_product(&ids[1].product).unwrap();
    let (_, reply) = get(&simulator, &format!("store/inventory/products/dates?startDate={since}")).await;
    let [changed] = reply["values"].as_array().unwrap().as_slice() else { panic!("one product expected") };
    assert_eq!((&changed["id"], &changed["deleted"]), (&json!(ids[1].product), &json!(true)));
    let (status, _) = get(&simulator, "store/inventory/products/dates?startDate=yesterday").await;
    assert_eq!(status, 400);
    let (_, sold) = get(&simulator, &format!("store/inventory/products/{}", ids[0].product)).await;
    assert_eq!(sold["quantities"][0]["quantity"], 4);
    assert_eq!(get(&simulator, "store/inventory/products/nobody").await.0, 404);
}

#[tokio::test]
async fn a_refund_is_a_transaction_of_its_own() {
    let simulator = open("blaze").await;
    let ids = stocked(&simulator, &["A"]);
    let shop = simulator.shop();
    let sale = shop.sell(&ids[0].item, &shop.locations()[0], 2).unwrap();
    shop.refund_order(&sale).unwrap();
    let days = |from: i64, to: i64| {
        let day = |days: i64| (Utc::now() + TimeDelta::days(days)).format("%m/%d/%Y");
        format!("transactions?startDate={}&endDate={}", day(from), day(to))
    };
    let (_, reply) = get(&simulator, &days(-1, 1)).await;
    let [refund, completed] = reply["values"].as_array().unwrap().as_slice() else { panic!("two expected") };
    assert_eq!((&refund["transType"], &refund["parentTransactionId"]), (&json!("Refund"), &json!(sale)));
    assert_eq!((&completed["id"], &completed["cart"]["total"]), (&json!(sale), &json!(70)));
    assert_eq!(get(&simulator, &days(-9, -3)).await.1["total"], 0);
    assert_eq!(get(&simulator, &days(-9, 1)).await.0, 400, "more than seven days");
}

#[tokio::test]
async fn members_are_listed_by_the_time_of_their_change() {
    let simulator = open("blaze").await;
    let id = simulator.shop().add_customer("Ada", "Sample", "ada@example.com").unwrap();
    let (_, reply) = get(&simulator, "members").await;
    assert_eq!((&reply["values"][0]["id"], &reply["total"]), (&json!(id), &json!(1)));
    let before = (Utc::now() - TimeDelta::days(1)).timestamp_millis();
    assert_eq!(get(&simulator, &format!("members?startDate=0&endDate={before}")).await.1["total"], 0);
}

#[tokio::test]
async fn a_wrong_key_and_too_many_calls_are_refused() {
    let simulator = open("blaze").await;
    let url = format!("{}/api/v1/partner/products", simulator.base_url());
    for headers in [&[][..], &CREDENTIALS[..1], &[("authorization", "wrong"), ("partner_key", "partner")]] {
        let (status, reply) = call("GET", &url, headers, "").await;
        assert_eq!(status, 401, "{headers:?}");
        assert!(reply["message"].as_str().unwrap().contains("Invalid PARTNER or Developer API"));
    }
    let older = [("authorization", "the-token"), ("partner_key", "partner")];
    assert_eq!(call("GET", &url, &older, "").await.0, 200, "the header of older clients");
    assert_eq!(call("POST", &url, &CREDENTIALS, "{}").await.0, 405);
    simulator.set_chaos(Chaos { throttle_429: 1.0, ..Chaos::default() });
    assert_eq!(get(&simulator, "products").await.0, 429);
}
