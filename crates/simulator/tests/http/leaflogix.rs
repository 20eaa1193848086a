use crate::client::{account, call, open, open_with};
use serde_json::{Value, json};
use simulator::{Chaos, NewVariant, Simulator, SimulatorOptions};

/// The key of the location, without an integrator's.
pub(crate) const CREDENTIALS: (&str, &str) = ("authorization", "Basic dGhlLXRva2VuOg==");

async fn get(simulator: &Simulator, path: &str) -> (u16, Value) {
    call("GET", &format!("{}{path}", simulator.base_url()), &[CREDENTIALS], "").await
}

#[tokio::test]
async fn stock_is_listed_package_by_package_and_only_where_there_is_some() {
    let simulator = open("leaflogix").await;
    let shop = simulator.shop();
    let variants = [NewVariant::stocked("A", 3_550, 6, &shop.locations())];
    let ids = shop.add_product("Grinder", &variants).unwrap().remove(0);
    shop.add_product("Tray", &[NewVariant::stocked("B", 900, 0, &shop.locations())]).unwrap();
    let (_, products) = get(&simulator, "/reporting/products").await;
    assert_eq!(products.as_array().unwrap().len(), 2);
    let (_, packages) = get(&simulator, "/reporting/inventory").await;
    let quantities: Vec<_> =
        packages.as_array().unwrap().iter().map(|row| &row["quantityAvailable"]).collect();
    assert_eq!(quantities, [&json!(1), &json!(5)]);
    assert_eq!(packages[0]["productId"].to_string(), ids.product);
    shop.delete_product(&ids.product).unwrap();
    assert_eq!(get(&simulator, "/products").await.1.as_array().unwrap().len(), 1);
    let (_, products) = get(&simulator, "/reporting/products").await;
    let held = products
        .as_array()
        .unwrap()
        .iter()
        .find(|held| held["productId"].as_u64() == ids.product.parse().ok());
    assert_eq!(held.unwrap()["isActive"], false);
}

#[tokio::test]
async fn a_sale_is_a_transaction_and_its_refund_another() {
    let simulator = open("leaflogix").await;
    let shop = simulator.shop();
    let variants = [NewVariant::stocked("A", 3_550, 6, &shop.locations())];
    let ids = shop.add_product("Grinder", &variants).unwrap().remove(0);
    let sale = shop.sell(&ids.item, &shop.locations()[0], 2).unwrap();
    let path = "/reporting/transactions?FromLastModifiedDateUTC=2020-01-01T00:00:00Z&IncludeDetail=true";
    let (_, listed) = get(&simulator, path).await;
    assert_eq!((&listed[0]["total"], &listed[0]["items"][0]["quantity"]), (&json!(71), &json!(2)));
    shop.refund_order(&sale).unwrap();
    let (_, listed) = get(&simulator, path).await;
    assert_eq!(listed[1]["returnOnTransactionId"].to_string(), sale);
    assert_eq!((&listed[1]["total"], &listed[1]["isReturn"]), (&json!(-71), &json!(true)));
    for refused in
        ["/reporting/transactions", &format!("{path}&TransactionId=1"), &format!("{path}&FromDateUTC=x")]
    {
        assert_eq!(get(&simulator, refused).await.0, 400, "{refused}");
    }
    let long = "/reporting/transactions?FromLastModifiedDateUTC=2020-01-01T00:00:00Z&ToLastModifiedDateUTC=2020-06-01T00:00:00Z";
    assert_eq!(get(&simulator, long).await.0, 400);
}

#[tokio::test]
async fn customers_come_in_pages_counted_from_zero() {
    let simulator = open("leaflogix").await;
    for name in ["Ada", "Alan", "Grace"] {
        simulator.shop().add_customer(name, "X", "x@example.com").unwrap();
    }
    let page = async |page: u32| {
        let path = format!("/customer/customers-paginated?PageNumber={page}&PageSize=2");
        get(&simulator, &path).await.1.as_array().unwrap().len()
    };
    assert_eq!((page(0).await, page(1).await, page(2).await), (2, 1, 0));
    assert_eq!(get(&simulator, "/customer/customers-paginated?PageSize=10001").await.0, 400);
}

#[tokio::test]
async fn unauthenticated_and_throttled_calls_are_turned_away() {
    let simulator = open("leaflogix").await;
    let url = format!("{}/reporting/products", simulator.base_url());
    assert_eq!(call("GET", &url, &[], "").await.0, 401);
    assert_eq!(call("GET", &url, &[("authorization", "Basic b3RoZXI6")], "").await.0, 401);
    assert_eq!(get(&simulator, "/whoami").await.1["locationName"], account("leaflogix").account);
    assert_eq!(get(&simulator, "/elsewhere").await.0, 404);
    let chaos = Chaos { throttle_429: 1.0, ..Chaos::default() };
    let busy = open_with("leaflogix", SimulatorOptions { chaos, ..SimulatorOptions::default() }).await;
    assert_eq!(get(&busy, "/reporting/products").await.0, 429);
}
