use super::{super::PLATFORM, *};
use crate::{Method, Platform as _, Validator};

/// 2026-07-02T00:00:00.5Z
const NOW_MICROS: i64 = 1_782_950_400_500_000;

fn access() -> Access {
    Access {
        base_url: "https://square.example".to_owned(),
        token: "token".to_owned(),
        access_token: None,
        api_version: String::new(),
        account: String::new(),
    }
}

fn context(access: &Access) -> CallContext<'_> {
    CallContext { access, idempotency_key: "key", now: Timestamp::from_micros(NOW_MICROS) }
}

fn sent(wanted: &Fetch<'_>) -> (HttpRequest, Value) {
    let request = PLATFORM.request(wanted, &context(&access())).unwrap().unwrap();
    let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    (request, body)
}

fn received(wanted: &Fetch<'_>, body: &Value) -> Result<Page, CallError> {
    let body = body.to_string();
    let reply = HttpReply::new(200, body.as_bytes());
    PLATFORM.page(wanted, &context(&access()), &reply)
}

#[test]
fn a_catalog_notification_asks_for_what_changed_page_by_page() {
    let since = Some(Timestamp::parse("2019-10-29T17:26:16.53Z").unwrap());
    let wanted = Fetch::Notified { topic: "catalog.version.updated", body: &Value::Null, since };
    let (request, body) = sent(&wanted);
    assert_eq!((request.method, &*request.url), (Method::Post, "https://square.example/v2/catalog/search"));
    assert!(request.headers.contains(&("square-version", "2025-08-20".to_owned())));
    assert!(request.headers.contains(&("authorization", "Bearer token".to_owned())));
    assert_eq!(body["begin_time"], "2019-10-29T17:26:16.530Z");
    assert_eq!(body["include_deleted_objects"], true);

    let item = json!({"type": "ITEM", "id": "I", "version": 1});
    let reply = json!({
        "objects": [{"type": "ITEM_VARIATION", "id": "V", "version": 2}, item],
        "related_objects": [item, {"type": "ITEM", "id": "J", "version": 1}, {"type": "TAX", "id": "T"}],
        "cursor": "more",
    });
    let Ok(Page { objects, next }) = received(&wanted, &reply) else { panic!("objects expected") };
    let ids: Vec<Value> =
        objects.iter().map(|object| serde_json::from_slice(&object.body).unwrap()).collect();
    assert_eq!(ids.iter().map(|object| &object["id"]).collect::<Vec<_>>(), ["I", "J"]);
    let next: Value = serde_json::from_slice(&next.unwrap().body).unwrap();
    assert_eq!((&next["cursor"], &next["begin_time"]), (&json!("more"), &body["begin_time"]));

    let last = received(&wanted, &json!({"cursor": ""}));
    assert_eq!(last, Ok(Page { objects: Vec::new(), next: None }));
}

#[test]
fn the_whole_catalog_is_asked_for_without_a_time_and_without_lone_variations() {
    let wanted = Fetch::Notified { topic: "catalog.version.updated", body: &Value::Null, since: None };
    let (_, body) = sent(&wanted);
    assert_eq!(body["object_types"], json!(["ITEM"]));
    assert_eq!(body.get("begin_time"), None);
}

#[test]
fn an_order_notification_asks_for_the_order_by_its_id() {
    let body = json!({"data": {"id": "eA3v/../x"}});
    let wanted = Fetch::Notified { topic: "order.updated", body: &body, since: None };
    let (request, _) = sent(&wanted);
    assert_eq!(request.url, "https://square.example/v2/orders/eA3v%2F%2E%2E%2Fx");
    let order = json!({"order": {"id": "eA3v"}});
    let expected = vec![Object { topic: "order.object", body: br#"{"id":"eA3v"}"#.to_vec() }];
    assert_eq!(received(&wanted, &order), Ok(Page { objects: expected, next: None }));
    assert!(matches!(received(&wanted, &json!({})), Err(CallError::Rejected(_))));
}

#[test]
fn a_level_read_back_is_the_sellable_count_at_one_location() {
    let (item, location) = (ExternalId::new("V").unwrap(), ExternalId::new("L").unwrap());
    let wanted = Fetch::Level { item: &item, location: Some(&location) };
    let (_, body) = sent(&wanted);
    let expected = json!({"catalog_object_ids": ["V"], "location_ids": ["L"], "states": ["IN_STOCK"]});
    assert_eq!(body, expected);
    let count = json!({"catalog_object_id": "V", "catalog_object_type": "ITEM_VARIATION", "state": "IN_STOCK",
        "location_id": "L", "quantity": "79", "calculated_at": "2016-11-16T22:28:01.223Z"});
    let Ok(Page { objects, .. }) = received(&wanted, &json!({"counts": [count], "errors": []})) else {
        panic!("objects expected")
    };
    let Object { topic, body } = &objects[0];
    assert!(Validator::of(&PLATFORM).unwrap().read(topic, body).is_ok());
    assert!(PLATFORM.topic(topic).is_some());

    let nowhere = Fetch::Level { item: &item, location: None };
    assert_eq!(PLATFORM.request(&nowhere, &context(&access())).unwrap_err().class, RejectClass::Config);
}

fn replied(wanted: &Fetch<'_>, status: u16, body: &Value) -> (&'static str, Value) {
    let body = body.to_string();
    let reply = HttpReply::new(status, body.as_bytes());
    let Ok(Page { objects, next: None }) = PLATFORM.page(wanted, &context(&access()), &reply) else {
        panic!("{status} {body}: no objects")
    };
    let [Object { topic, body }] = objects.as_slice() else { panic!("{objects:?}") };
    (*topic, serde_json::from_slice(body).unwrap())
}

fn mapped(topic: &str, body: &Value) -> model::Payload {
    let body = Validator::of(&PLATFORM).unwrap().read(topic, body.to_string().as_bytes());
    let context = crate::MapContext { currency: None };
    super::super::map::map(topic, &body.unwrap(), context).unwrap().remove(0).unwrap().payload
}

#[test]
fn a_count_that_is_not_there_ends_the_reading_as_an_unknown_level_at_that_location() {
    let (item, location) = (ExternalId::new("V").unwrap(), ExternalId::new("L").unwrap());
    let wanted = Fetch::Level { item: &item, location: Some(&location) };
    let not_found = json!({"errors": [{"code": "NOT_FOUND"}]});
    for (status, reply) in [(200, json!({})), (200, json!({"counts": []})), (404, not_found)] {
        let (topic, body) = replied(&wanted, status, &reply);
        let model::Payload::Inventory(report) = mapped(topic, &body) else { panic!("a level expected") };
        assert_eq!(
            (report.item, report.location, report.available),
            (item.clone(), Some(location.clone()), None)
        );
    }
}

#[test]
fn an_item_that_is_not_there_ends_the_reading_as_a_deletion_of_this_moment() {
    let product = ExternalId::new("I").unwrap();
    let wanted = Fetch::Product { product: &product, variant: None };
    let (topic, body) = replied(&wanted, 404, &json!({"errors": [{"code": "NOT_FOUND"}]}));
    assert_eq!((topic, body["version"].as_i64()), ("catalog.object", Some(NOW_MICROS / 1_000)));
    assert!(matches!(mapped(topic, &body), model::Payload::Deleted { external, .. } if external == product));
    let html = HttpReply::new(404, b"<html>");
    let wrong_url = PLATFORM.page(&wanted, &context(&access()), &html);
    assert!(matches!(wrong_url, Err(CallError::AccountRefused(..))), "{wrong_url:?}");
}

#[test]
fn a_product_read_back_is_the_whole_item() {
    let (product, variant) = (ExternalId::new("I").unwrap(), ExternalId::new("V").unwrap());
    let wanted = Fetch::Product { product: &product, variant: Some(&variant) };
    let (request, _) = sent(&wanted);
    let url = "https://square.example/v2/catalog/object/I?include_related_objects=true";
    assert_eq!((request.method, &*request.url), (Method::Get, url));
    let item = json!({"type": "ITEM", "id": "I", "version": 3});
    let expected = vec![Object { topic: "catalog.object", body: item.to_string().into_bytes() }];
    assert_eq!(received(&wanted, &json!({"object": item})), Ok(Page { objects: expected, next: None }));
    assert!(matches!(received(&wanted, &json!({})), Err(CallError::Rejected(_))));
}

#[test]
fn what_names_no_object_fetches_nothing() {
    let wanted = Fetch::Notified { topic: "customer.updated", body: &Value::Null, since: None };
    assert_eq!(PLATFORM.request(&wanted, &context(&access())), Ok(None));
}

#[test]
fn an_outage_or_half_a_reply_is_tried_again() {
    let wanted = Fetch::Notified { topic: "catalog.version.updated", body: &Value::Null, since: None };
    let access = access();
    let meaning =
        |status, body: &[u8]| PLATFORM.page(&wanted, &context(&access), &HttpReply::new(status, body));
    assert!(matches!(meaning(503, b""), Err(CallError::Transient { .. })));
    assert!(matches!(meaning(200, b"{\"objects\":["), Err(CallError::Transient { .. })));
    assert!(matches!(meaning(429, b""), Err(CallError::RateLimited { .. })));
}
