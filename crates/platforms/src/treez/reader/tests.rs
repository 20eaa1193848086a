use super::{super::PLATFORM, *};
use crate::{Access, AccountRefusal, MapContext, Validator};
use model::{Payload, Timestamp};

fn access(token: &str) -> Access {
    Access {
        base_url: "https://treez.example".to_owned(),
        token: token.to_owned(),
        access_token: Some("issued".to_owned()),
        api_version: String::new(),
        account: "partner sandbox".to_owned(),
    }
}

fn asked(token: &str, wanted: &Fetch<'_>) -> Result<Option<HttpRequest>, Reject> {
    let access = access(token);
    let context = CallContext { access: &access, idempotency_key: "key", now: Timestamp::from_micros(0) };
    PLATFORM.request(wanted, &context)
}

fn received(wanted: &Fetch<'_>, status: u16, body: &[u8]) -> Result<Page, CallError> {
    let access = access("client:token");
    let now = Timestamp::parse("2026-07-02T00:00:00Z").unwrap();
    let context = CallContext { access: &access, idempotency_key: "key", now };
    PLATFORM.page(wanted, &context, &HttpReply::new(status, body))
}

fn objects(fetched: Result<Page, CallError>) -> Vec<(&'static str, Value)> {
    let Ok(Page { objects, next: None }) = fetched else { panic!("{fetched:?}") };
    objects.into_iter().map(|object| (object.topic, serde_json::from_slice(&object.body).unwrap())).collect()
}

#[test]
fn a_level_is_read_with_its_product_even_if_that_was_switched_off() {
    let item = ExternalId::new("p-1&active=TRUE").unwrap();
    let level = Fetch::Level { item: &item, location: None };
    let request = asked("client:key", &level).unwrap().unwrap();
    let url = "https://treez.example/v2.0/dispensary/partner%20sandbox/product/product_list?id=p-1%26active%3DTRUE&active=ALL";
    assert_eq!(request.url, url);
    let headers = [("authorization", "issued".to_owned()), ("client_id", "client".to_owned())];
    assert_eq!(request.headers, headers);
    assert_eq!(asked("token", &level).unwrap_err().class, RejectClass::Config);
}

#[test]
fn a_status_makes_us_read_the_ticket() {
    let body =
        json!({"event_type": "TICKET_STATUS", "data": {"ticket_id": "t/1", "order_status": "CANCELED"}});
    let wanted = Fetch::Notified { topic: "TICKET_STATUS", body: &body, since: None };
    let request = asked("client:token", &wanted).unwrap().unwrap();
    assert_eq!(request.url, "https://treez.example/v2.0/dispensary/partner%20sandbox/ticket/t%2F1");
    let reply =
        json!({"resultCode": "SUCCESS", "ticketList": [{"ticket_id": "t/1", "order_status": "CANCELED"}]});
    let reply = received(&wanted, 200, reply.to_string().as_bytes());
    let expected = json!({"event_type": "TICKET", "data": {"ticket_id": "t/1", "order_status": "CANCELED"}});
    let objects = vec![Object { topic: "TICKET", body: expected.to_string().into_bytes() }];
    assert_eq!(reply, Ok(Page { objects, next: None }));

    let nameless = json!({"data": {"ticket_id": null}});
    let nameless = Fetch::Notified { topic: "TICKET_STATUS", body: &nameless, since: None };
    assert_eq!(asked("client:token", &nameless).unwrap_err().class, RejectClass::Schema);
    let whole = Fetch::Notified { topic: "PRODUCT", body: &body, since: None };
    assert_eq!(asked("client:token", &whole), Ok(None));
}

#[test]
fn the_reply_is_read_as_the_webhook_of_the_product() {
    let item = ExternalId::new("p-1").unwrap();
    let wanted = Fetch::Level { item: &item, location: None };
    let read = |body: Value| received(&wanted, 200, body.to_string().as_bytes());
    let list = json!({"resultCode": "SUCCESS", "data": {"page_count": 2, "product_list": [
        {"product_id": "p-0"}, {"product_id": "p-1", "product_status": "ACTIVE", "sellable_quantity": 3}]}});
    let expected = json!({"event_type": "PRODUCT",
        "data": {"product_id": "p-1", "product_status": "ACTIVE", "sellable_quantity": 3}});
    let objects = vec![Object { topic: "PRODUCT", body: expected.to_string().into_bytes() }];
    assert_eq!(read(list), Ok(Page { objects, next: None }));
    let ran_out = read(json!({"resultCode": "FAIL"}));
    assert!(
        matches!(&ran_out, Err(CallError::AccountRefused(AccountRefusal::Unauthorized, _))),
        "{ran_out:?}"
    );
    let half = received(&wanted, 200, b"{\"data\":");
    assert!(matches!(half, Err(CallError::Transient { .. })));
}

/// The absent levels that a read of a level reports besides the product.
fn absent(location: Option<&str>, products: &Value) -> Vec<(&'static str, Value)> {
    let (item, location) = (ExternalId::new("p-1").unwrap(), location.map(|id| ExternalId::new(id).unwrap()));
    let wanted = Fetch::Level { item: &item, location: location.as_ref() };
    let reply = json!({"data": {"product_list": products}}).to_string();
    let reported = objects(received(&wanted, 200, reply.as_bytes()));
    reported.into_iter().filter(|(topic, _)| *topic == LEVEL_ABSENT).collect()
}

#[test]
fn a_level_that_is_not_listed_ends_the_reading_as_unknown_at_that_location() {
    let product = |quantity: Value, parts: Value| {
        json!([{"product_id": "p-1", "product_status": "ACTIVE", "sellable_quantity": quantity,
            "sellable_quantity_detail": parts}])
    };
    let part = |id: &str, quantity: i64| json!({"location_id": id, "sellable_quantity": quantity});
    assert_eq!(absent(None, &product(json!(3), json!(null))), []);
    assert_eq!(absent(Some("A"), &product(json!(3), json!([part("A", 3)]))), []);
    for (location, products) in [
        (None, json!([])),
        (None, product(json!(null), json!([]))),
        (None, product(json!(30), json!(null))),
        (Some("B"), product(json!(3), json!([part("A", 3)]))),
    ] {
        let reported = absent(location, &products);
        let [(topic, body)] = reported.as_slice() else { panic!("{products}: {reported:?}") };
        let validator = Validator::of(&PLATFORM).unwrap();
        let body = validator.read(topic, body.to_string().as_bytes()).unwrap();
        let delivery = super::super::map::tests_delivery(topic, &body);
        let mapped = super::super::map::map(&delivery, &body, MapContext { currency: None }).unwrap();
        let Payload::Inventory(report) = &mapped[0].as_ref().unwrap().payload else {
            panic!("a level expected")
        };
        assert_eq!(report.available, None);
        assert_eq!(report.location.as_ref().map(ExternalId::as_str), location);
    }
}

#[test]
fn a_product_that_is_not_listed_ends_the_reading_as_a_deletion() {
    let product = ExternalId::new("p-1").unwrap();
    let wanted = Fetch::Product { product: &product, variant: None };
    let reported = objects(received(&wanted, 200, br#"{"data":{"product_list":[]}}"#));
    let [("PRODUCT", body)] = reported.as_slice() else { panic!("{reported:?}") };
    assert_eq!(body["data"]["product_status"], "DELETED");
    assert!(Validator::of(&PLATFORM).unwrap().read("PRODUCT", body.to_string().as_bytes()).is_ok());
}

#[test]
fn a_sale_or_a_change_of_stock_makes_us_read_the_products() {
    let ticket = |status: &str| {
        json!({"event_type": "TICKET", "data": {"ticket_id": "t", "order_status": status,
            "items": [{"product_id": "b&c"}, {"product_id": 7}, {"product_id": "b&c"}, {"product_id": null}]}})
    };
    let url = |topic, body: &Value| {
        let wanted = Fetch::Notified { topic, body, since: None };
        asked("client:token", &wanted).unwrap().map(|request| request.url)
    };
    let listed = |ids: &str| {
        let base = "https://treez.example/v2.0/dispensary/partner%20sandbox/product/product_list";
        Some(format!("{base}?id={ids}&active=ALL"))
    };
    for status in ["COMPLETED", "canceled", "CANCELLED"] {
        assert_eq!(url("TICKET", &ticket(status)), listed("7,b%26c"), "{status}");
    }
    assert_eq!(url("TICKET", &ticket("IN_PROCESS")), None);
    assert_eq!(url("INVENTORY", &json!({"data": {"productId": "p-1"}})), listed("p-1"));

    let body = ticket("COMPLETED");
    let wanted = Fetch::Notified { topic: "TICKET", body: &body, since: None };
    let list = br#"{"data":{"product_list":[{"product_id":"other"},{"product_id":"7"}]}}"#;
    let reported = objects(received(&wanted, 200, list));
    let [("PRODUCT", product)] = reported.as_slice() else { panic!("{reported:?}") };
    assert_eq!(product["data"]["product_id"], "7");
}

#[test]
fn a_ticket_with_many_products_reads_no_more_than_one_list_takes() {
    let items: Vec<Value> = (0..200).map(|id| json!({"product_id": id})).collect();
    let body = json!({"data": {"order_status": "COMPLETED", "items": items}});
    let wanted = Fetch::Notified { topic: "TICKET", body: &body, since: None };
    let url = asked("client:token", &wanted).unwrap().unwrap().url;
    assert_eq!(url.matches(',').count(), TICKET_PRODUCTS_MAX - 1);

    let lines: Vec<Value> = (0..200).map(|line| json!({"product_id": 100 + line / 100})).collect();
    let body = json!({"data": {"order_status": "COMPLETED", "items": lines}});
    let wanted = Fetch::Notified { topic: "TICKET", body: &body, since: None };
    let url = asked("client:token", &wanted).unwrap().unwrap().url;
    assert!(url.contains("100,101") || url.contains("100%2C101"), "a product counts once: {url}");
}

#[test]
fn a_status_says_whether_to_come_again() {
    let error = |status| check(&HttpReply::new(status, b"")).unwrap_err();
    assert_eq!(check(&HttpReply::new(200, b"")), Ok(()));
    assert_eq!(error(429), CallError::RateLimited { after: None });
    for status in [408, 500, 503] {
        assert!(matches!(error(status), CallError::Transient { .. }), "{status}");
    }
    for (status, refusal) in [
        (302, AccountRefusal::Misconfigured),
        (402, AccountRefusal::Misconfigured),
        (404, AccountRefusal::Misconfigured),
        (401, AccountRefusal::Unauthorized),
        (403, AccountRefusal::Unauthorized),
    ] {
        assert!(matches!(error(status), CallError::AccountRefused(said, _) if said == refusal), "{status}");
    }
    assert!(matches!(error(400), CallError::Rejected(_)));
}
