use crate::client::{call, open};
use chrono::{SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use simulator::{NewVariant, Simulator};

const BASE: &str = "/v2.0/dispensary/partnersandbox3";

async fn token(simulator: &Simulator) -> String {
    let url = format!("{}{BASE}/config/api/gettokens", simulator.base_url());
    let (status, reply) = call("POST", &url, &[], "client_id=tillflow&apikey=the-token").await;
    assert_eq!(status, 200);
    reply["access_token"].as_str().unwrap().to_owned()
}

async fn get(simulator: &Simulator, token: &str, path: &str) -> (u16, Value) {
    let headers = [("authorization", token), ("client_id", "tillflow")];
    call("GET", &format!("{}{BASE}{path}", simulator.base_url()), &headers, "").await
}

#[tokio::test]
async fn products_are_listed_with_a_token_that_was_issued() {
    let simulator = open("treez").await;
    let shop = simulator.shop();
    let variants = ["A", "B", "C"].map(|sku| NewVariant::stocked(sku, 3_500, 6, &shop.locations()));
    let ids = shop.add_product("Grinder", &variants).unwrap();
    let token = token(&simulator).await;
    let (_, reply) = get(&simulator, &token, "/product/product_list?page=2&pagesize=2").await;
    assert_eq!((&reply["data"]["page_count"], &reply["data"]["total_count"]), (&json!(1), &json!(3)));
    shop.delete_product(&ids[1].product).unwrap();
    let path = format!("/product/product_list?active=ALL&id={},{}", ids[0].product, ids[1].product);
    let (_, reply) = get(&simulator, &token, &path).await;
    let list = reply["data"]["product_list"].as_array().unwrap();
    let shown = |id: &str| list.iter().find(|product| product["product_id"] == id).unwrap();
    assert_eq!(shown(&ids[1].product)["product_status"], "DEACTIVATED");
    let active = shown(&ids[0].product);
    assert_eq!((&active["sellable_quantity"], &active["pricing"]["price_sell"]), (&json!(12), &json!(35)));
    let (_, reply) = get(&simulator, &token, "/product/product_list").await;
    assert_eq!(reply["data"]["total_count"], 2);
}

#[tokio::test]
async fn a_sale_is_a_ticket_and_does_not_move_the_products_time() {
    let simulator = open("treez").await;
    let shop = simulator.shop();
    let location = shop.locations().remove(0);
    let before = (Utc::now() - TimeDelta::minutes(1)).to_rfc3339_opts(SecondsFormat::Millis, true);
    let ids = shop.add_product("Grinder", &[NewVariant::stocked("A", 3_500, 6, &shop.locations())]).unwrap();
    let token = token(&simulator).await;
    let list = format!("/product/product_list?id={}", ids[0].product);
    let product = async || get(&simulator, &token, &list).await.1["data"]["product_list"][0].clone();
    let first = product().await;
    let ticket = shop.sell(&ids[0].item, &location, 2).unwrap();
    let second = product().await;
    assert_eq!(first["last_updated_at"], second["last_updated_at"]);
    assert_eq!(second["sellable_quantity"], 10);
    let path = format!("/ticket/lastUpdated/after/{before}/page/1/pagesize/25");
    let (_, reply) = get(&simulator, &token, &path).await;
    assert_eq!(reply["ticketList"][0]["ticket_id"], ticket.as_str());
    assert_eq!(reply["ticketList"][0]["items"][0]["quantity"], 2);
    let (_, reply) = get(&simulator, &token, &format!("/ticket/{ticket}")).await;
    assert_eq!(reply["ticketList"][0]["total"], 70);
}

#[tokio::test]
async fn tickets_are_listed_by_the_day_on_which_they_were_closed() {
    let simulator = open("treez").await;
    let shop = simulator.shop();
    let location = shop.locations().remove(0);
    let ids = shop.add_product("Grinder", &[NewVariant::stocked("A", 3_500, 6, &shop.locations())]).unwrap();
    let ticket = shop.sell(&ids[0].item, &location, 2).unwrap();
    let token = token(&simulator).await;
    let closed = async |days: i64| {
        let day = (Utc::now() - TimeDelta::hours(7) - TimeDelta::days(days)).format("%Y-%m-%d");
        get(&simulator, &token, &format!("/ticket/closedate/{day}/page/1/pagesize/25")).await.1
    };
    assert_eq!(closed(0).await["ticketList"][0]["ticket_id"], ticket.as_str());
    assert_eq!(closed(1).await["ticketList"], json!([]));
    assert_eq!(get(&simulator, &token, "/ticket/closedate/today/page/1/pagesize/25").await.0, 400);
}

#[tokio::test]
async fn unauthenticated_clients_are_turned_away() {
    let simulator = open("treez").await;
    let (status, reply) = get(&simulator, "wrong", "/product/product_list").await;
    assert_eq!((status, &reply["resultCode"]), (401, &json!("FAIL")));
    assert_eq!(get(&simulator, "the-token", "/product/product_list").await.0, 401, "a key is no token");
    let issued = token(&simulator).await;
    assert_eq!(get(&simulator, &issued, "/product/product_list").await.0, 200);
    simulator.shop().revoke_access_tokens();
    assert_eq!(get(&simulator, &issued, "/product/product_list").await.0, 401);
    let url = format!("{}{BASE}/config/api/gettokens", simulator.base_url());
    assert_eq!(call("POST", &url, &[], "client_id=tillflow&apikey=wrong").await.0, 401);
    let url = format!("{}/v2.0/dispensary/other/product/product_list", simulator.base_url());
    assert_eq!(call("GET", &url, &[], "").await.0, 404);
}
