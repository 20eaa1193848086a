use crate::client::{account, call, open};
use crate::receiver::Receiver;
use serde_json::{Value, json};
use simulator::{Chaos, Impossible, ItemIds, NewVariant, Simulator};
use std::collections::BTreeSet;

const BASE: &str = "/v3/merchants/XYZVJT2ZRRRSC";

async fn get(simulator: &Simulator, path: &str) -> (u16, Value) {
    request(simulator, "GET", path, "").await
}

async fn request(simulator: &Simulator, method: &str, path: &str, body: &str) -> (u16, Value) {
    let url = format!("{}{BASE}/{path}", simulator.base_url());
    call(method, &url, &[("authorization", "Bearer the-token")], body.to_owned()).await
}

fn beer(simulator: &Simulator, sku: &str) -> ItemIds {
    let shop = simulator.shop();
    let location = shop.locations().remove(0);
    shop.add_product("Beer", &[NewVariant::stocked(sku, 1_099, 10, &[location])]).unwrap().remove(0)
}

fn updates(request: &Value) -> Vec<(String, String)> {
    let updates = request["merchants"]["XYZVJT2ZRRRSC"].as_array().unwrap().iter();
    let text = |update: &Value, name: &str| update[name].as_str().unwrap().to_owned();
    updates.map(|update| (text(update, "objectId"), text(update, "type"))).collect()
}

#[tokio::test]
async fn an_item_shows_related_objects_only_if_they_are_expanded_and_no_more_than_three() {
    let simulator = open("clover").await;
    let ids = beer(&simulator, "A");
    assert_eq!((ids.product.len(), &ids.variant, &ids.item), (13, &ids.product, &ids.product));
    let (_, item) = get(&simulator, &format!("items/{}", ids.item)).await;
    assert_eq!((&item["price"], &item["sku"], item.get("itemStock")), (&json!(1099), &json!("A"), None));
    let (_, item) = get(&simulator, &format!("items/{}?expand=itemStock%2Coptions", ids.item)).await;
    assert_eq!((&item["itemStock"]["quantity"], &item["options"]["elements"]), (&json!(10), &json!([])));
    let path = format!("items/{}?expand=itemStock,categories,options,tags", ids.item);
    assert_eq!(get(&simulator, &path).await.0, 400);
    simulator.shop().delete_product(&ids.product).unwrap();
    let (status, reply) = get(&simulator, &format!("items/{}", ids.item)).await;
    assert_eq!((status, reply), (404, json!({"message": "Not Found"})));
}

#[tokio::test]
async fn stock_is_set_whatever_it_was_and_only_as_stock() {
    let simulator = open("clover").await;
    let ids = beer(&simulator, "A");
    let path = format!("item_stocks/{}", ids.item);
    let (_, stock) = request(&simulator, "POST", &path, r#"{"quantity":160.5}"#).await;
    assert_eq!(stock, json!({"item": {"id": ids.item}, "stockCount": 160, "quantity": 160.5}));
    let location = simulator.shop().locations().remove(0);
    simulator.shop().sell(&ids.item, &location, 161).unwrap();
    assert_eq!(get(&simulator, &path).await.1["quantity"], -0.5);
    request(&simulator, "POST", &format!("items/{}", ids.item), r#"{"price":999,"stockCount":7}"#).await;
    assert_eq!(get(&simulator, &path).await.1["quantity"], -0.5);
    assert_eq!(simulator.shop().price(&ids.variant), Some(999));
    assert_eq!(request(&simulator, "POST", &path, r#"{"quantity":"7"}"#).await.0, 400);
    assert_eq!(request(&simulator, "POST", "item_stocks/NOBODY", r#"{"quantity":7}"#).await.0, 404);
}

#[tokio::test]
async fn an_item_that_is_not_counted_has_no_stock() {
    let simulator = open("clover").await;
    let ids = beer(&simulator, "A");
    simulator.shop().track(&ids.item, false).unwrap();
    let (_, item) = get(&simulator, &format!("items/{}?expand=itemStock", ids.item)).await;
    assert_eq!(item.get("itemStock"), None);
    assert_eq!(get(&simulator, &format!("item_stocks/{}", ids.item)).await.0, 404);
}

#[tokio::test]
async fn lists_have_pages_and_are_filtered_by_ids_and_time() {
    let simulator = open("clover").await;
    let all: Vec<ItemIds> = ["A", "B", "C"].map(|sku| beer(&simulator, sku)).into();
    let ids = async |path: &str| -> BTreeSet<String> {
        let (_, reply) = get(&simulator, path).await;
        reply["elements"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
    };
    let (first, second) = (ids("items?limit=2").await, ids("items?limit=2&offset=2").await);
    assert_eq!((first.len(), second.len()), (2, 1));
    let wanted = format!("items?filter=id%20in%20('{}','{}')", all[0].item, all[2].item);
    assert_eq!(ids(&wanted).await, BTreeSet::from([all[0].item.clone(), all[2].item.clone()]));
    assert_eq!(ids("items?filter=modifiedTime%3E%3D99999999999999").await.len(), 0);
    assert_eq!(get(&simulator, "items?filter=name%3D'x'").await.0, 400);
    let (_, stocks) = get(&simulator, "item_stocks?limit=1000").await;
    assert_eq!(stocks["elements"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn an_order_has_a_line_for_each_piece_and_is_paid_until_it_is_refunded() {
    let simulator = open("clover").await;
    let (ids, shop) = (beer(&simulator, "A"), simulator.shop());
    let location = shop.locations().remove(0);
    let order = shop.sell(&ids.item, &location, 3).unwrap();
    let path = format!("orders/{order}?expand=lineItems%2Cpayments%2Ccustomers");
    let (_, shown) = get(&simulator, &path).await;
    let lines = shown["lineItems"]["elements"].as_array().unwrap();
    assert_eq!((lines.len(), &lines[0]["item"]["id"]), (3, &json!(ids.item)));
    assert!(lines.iter().all(|line| line.get("unitQty").is_none()));
    assert_eq!((&shown["paymentState"], &shown["total"]), (&json!("PAID"), &json!(3_297)));
    shop.refund_order(&order).unwrap();
    assert_eq!(get(&simulator, &path).await.1["paymentState"], "REFUNDED");
    assert_eq!(shop.cancel_order(&order, false), Err(Impossible::Unsupported));
    let many = shop.sell(&ids.item, &location, 101).unwrap();
    let (_, shown) = get(&simulator, &format!("orders/{many}?expand=lineItems")).await;
    assert_eq!(shown["lineItems"]["elements"].as_array().unwrap().len(), 100);
    let half = "0.5".parse::<rust_decimal::Decimal>().unwrap();
    let weighed = shop.sell(&ids.item, &location, half).unwrap();
    let (_, shown) = get(&simulator, &format!("orders/{weighed}?expand=lineItems")).await;
    assert_eq!(shown["lineItems"]["elements"][0]["unitQty"], 500);
}

#[tokio::test]
async fn what_an_act_changes_is_one_request_with_the_code_and_no_content() {
    let mut receiver = Receiver::start(&[]).await;
    let simulator = open("clover").await;
    let ids = beer(&simulator, "A");
    simulator.set_webhook(&receiver.url);
    let location = simulator.shop().locations().remove(0);
    let order = simulator.shop().sell(&ids.item, &location, 2).unwrap();
    let request = receiver.next().await;
    assert_eq!(request.header("X-Clover-Auth"), account("clover").webhook_secret);
    let sold = updates(&request.json());
    assert!(sold.contains(&(format!("O:{order}"), "CREATE".to_owned())));
    assert!(sold.contains(&(format!("I:{}", ids.item), "UPDATE".to_owned())));
    assert!(request.json()["merchants"]["XYZVJT2ZRRRSC"][0]["ts"].is_i64());
    simulator.shop().delete_product(&ids.product).unwrap();
    let gone = updates(&receiver.next().await.json());
    assert_eq!(gone, [(format!("I:{}", ids.item), "DELETE".to_owned())]);
    let customer = simulator.shop().add_customer("Ada", "Example", "ada@example.com").unwrap();
    assert_eq!(updates(&receiver.next().await.json()), [(format!("C:{customer}"), "CREATE".to_owned())]);
    let (_, shown) = get(&simulator, &format!("customers/{customer}?expand=emailAddresses")).await;
    assert_eq!(shown["emailAddresses"]["elements"][0]["emailAddress"], "ada@example.com");
}

#[tokio::test]
async fn the_check_of_the_url_has_a_code_and_no_header() {
    let mut receiver = Receiver::start(&[]).await;
    let simulator = open("clover").await;
    assert_eq!(simulator.shop().check_webhook_url(), Err(Impossible::Unsupported), "there is no URL yet");
    simulator.set_webhook(&receiver.url);
    simulator.shop().check_webhook_url().unwrap();
    let request = receiver.next().await;
    assert_eq!(request.header("x-clover-auth"), "");
    assert_eq!(request.json()["verificationCode"].as_str().unwrap().len(), 36);
    let other = open("square").await;
    other.set_webhook(&receiver.url);
    assert_eq!(other.shop().check_webhook_url(), Err(Impossible::Unsupported));
}

#[tokio::test]
async fn other_tokens_other_merchants_and_too_many_calls_are_refused() {
    let simulator = open("clover").await;
    let url = format!("{}{BASE}/items", simulator.base_url());
    assert_eq!(call("GET", &url, &[("authorization", "Bearer wrong")], "").await.0, 401);
    assert_eq!(call("GET", &url, &[], "").await.0, 401);
    let other = format!("{}/v3/merchants/OTHER/items", simulator.base_url());
    assert_eq!(call("GET", &other, &[("authorization", "Bearer the-token")], "").await.0, 401);
    simulator.set_chaos(Chaos { throttle_429: 1.0, ..Chaos::default() });
    assert_eq!(get(&simulator, "items").await.0, 429);
}
