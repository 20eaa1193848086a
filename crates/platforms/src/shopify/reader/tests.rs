use super::{super::PLATFORM, *};
use crate::{Access, Object};
use std::time::Duration;

fn id(text: &str) -> ExternalId {
    ExternalId::new(text).unwrap()
}

fn read(item: &str, location: Option<&str>) -> Result<Option<HttpRequest>, Reject> {
    let access = Access {
        base_url: "https://suite.myshopify.com".to_owned(),
        token: "token".to_owned(),
        access_token: None,
        api_version: "2026-04".to_owned(),
        account: String::new(),
    };
    let context = context(&access);
    let (item, location) = (id(item), location.map(id));
    PLATFORM.request(&Fetch::Level { item: &item, location: location.as_ref() }, &context)
}

fn found(body: &Value) -> Result<Page, CallError> {
    let (item, location) = (id("271878346596884015"), id("53716844710"));
    let body = body.to_string();
    let reply = HttpReply::new(200, body.as_bytes());
    let access = access();
    PLATFORM.page(&Fetch::Level { item: &item, location: Some(&location) }, &context(&access), &reply)
}

fn access() -> Access {
    Access {
        base_url: "https://suite.myshopify.com".to_owned(),
        token: "token".to_owned(),
        access_token: None,
        api_version: String::new(),
        account: String::new(),
    }
}

fn context(access: &Access) -> CallContext<'_> {
    let now = Timestamp::parse("2026-07-02T00:00:00Z").unwrap();
    CallContext { access, idempotency_key: "", now }
}

fn body_of(fetched: Result<Page, CallError>) -> Value {
    match fetched {
        Ok(Page { objects, next: None }) => match objects.as_slice() {
            [Object { topic: LEVEL_READ, body }] => serde_json::from_slice(body).unwrap(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_level_is_asked_for_by_global_ids_in_the_version_of_the_connection() {
    let request = read("271878346596884015", Some("53716844710")).unwrap().unwrap();
    assert_eq!(request.url, "https://suite.myshopify.com/admin/api/2026-04/graphql.json");
    assert!(request.headers.contains(&("x-shopify-access-token", "token".to_owned())));
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let variables = json!({ "item": "gid://shopify/InventoryItem/271878346596884015", "location": "gid://shopify/Location/53716844710" });
    assert_eq!(body["variables"], variables);
}

#[test]
fn an_id_that_is_none_of_shopifys_is_never_asked_for() {
    for item in ["", "0", "-1", "+1", "01", "1/../2", "18446744073709551616", "gid://shopify/InventoryItem/1"]
    {
        let Ok(item) = ExternalId::new(item) else { continue };
        assert_eq!(read(item.as_str(), Some("1")).unwrap_err().class, RejectClass::Data, "{item}");
    }
    assert_eq!(read("1", None).unwrap_err().class, RejectClass::Config);
}

#[test]
fn a_level_comes_back_in_the_shape_of_the_webhook() {
    let body = body_of(found(&json!({ "data": { "inventoryItem": { "tracked": true, "inventoryLevel": {
        "updatedAt": "2026-07-01T10:00:00Z",
        "quantities": [{ "name": "on_hand", "quantity": 9 }, { "name": "available", "quantity": 7 }],
    } } } })));
    let expected = json!({
        "inventory_item_id": 271_878_346_596_884_015_u64,
        "location_id": 53_716_844_710_u64,
        "available": 7,
        "updated_at": "2026-07-01T10:00:00Z",
    });
    assert_eq!(body, expected);
}

#[test]
fn a_product_comes_back_in_the_shape_of_the_webhook_with_the_price_that_was_asked_for() {
    let access = access();
    let context = context(&access);
    let (product, variant) = (id("788032119674292922"), id("642667041472713922"));
    let read = |variant, data: Value| {
        let wanted = Fetch::Product { product: &product, variant };
        let request = PLATFORM.request(&wanted, &context).unwrap().unwrap();
        let asked: Value = serde_json::from_slice(&request.body).unwrap();
        let body = json!({ "data": data }).to_string();
        let reply = HttpReply::new(200, body.as_bytes());
        (asked["variables"].clone(), PLATFORM.page(&wanted, &context, &reply))
    };
    let body = |fetched| match fetched {
        Ok(Page { objects, next: None }) => {
            let [Object { topic, body }] = objects.as_slice() else { panic!("{objects:?}") };
            (*topic, serde_json::from_slice::<Value>(body).unwrap())
        }
        other => panic!("{other:?}"),
    };
    let reported = json!({ "title": "Tea", "descriptionHtml": "", "updatedAt": "2026-07-01T10:00:00Z" });
    let text = json!({ "id": 788_032_119_674_292_922_u64, "title": "Tea", "body_html": "",
        "updated_at": "2026-07-01T10:00:00Z" });
    let (asked, found) = read(None, json!({ "product": reported }));
    assert_eq!(asked, json!({ "product": "gid://shopify/Product/788032119674292922" }));
    assert_eq!(body(found), (PRODUCT_READ, text.clone()));

    let (asked, found) =
        read(Some(&variant), json!({ "product": reported, "productVariant": { "price": "12.50" } }));
    assert_eq!(asked["variant"], "gid://shopify/ProductVariant/642667041472713922");
    let mut with_price = text;
    with_price["variants"] = json!([{ "id": 642_667_041_472_713_922_u64, "price": "12.50" }]);
    assert_eq!(body(found), (PRODUCT_READ, with_price));

    let (_, gone) = read(Some(&variant), json!({ "product": null, "productVariant": null }));
    let deleted = json!({ "id": 788_032_119_674_292_922_u64, "updated_at": "2026-07-02T00:00:00Z" });
    assert_eq!(body(gone), (PRODUCT_DELETED, deleted));
    let (_, gone) = read(Some(&variant), json!({ "product": reported, "productVariant": null }));
    assert_eq!(gone, Err(CallError::Gone));
    let (_, half) = read(Some(&variant), json!({ "product": reported }));
    assert!(matches!(half, Err(CallError::Transient { .. })), "{half:?}");
}

#[test]
fn what_is_not_tracked_or_not_stocked_there_has_no_level() {
    let level = json!({ "updatedAt": null, "quantities": [{ "name": "available", "quantity": 7 }] });
    for item in [
        json!({ "tracked": true, "inventoryLevel": null }),
        json!({ "tracked": false, "inventoryLevel": level }),
    ] {
        let body = body_of(found(&json!({ "data": { "inventoryItem": item } })));
        assert_eq!((&body["available"], &body["updated_at"]), (&Value::Null, &Value::Null));
    }
}

#[test]
fn an_item_that_is_not_there_has_no_level_and_a_broken_reply_says_nothing() {
    let gone = body_of(found(&json!({ "data": { "inventoryItem": null } })));
    let absent = json!({ "inventory_item_id": 271_878_346_596_884_015_u64,
        "location_id": 53_716_844_710_u64, "available": null });
    assert_eq!(gone, absent);
    let none = found(&json!({ "data": {} }));
    assert!(matches!(none, Err(CallError::Transient { .. })), "{none:?}");
    let partial = found(&json!({ "data": { "inventoryItem": { "inventoryLevel": { "quantities": [] } } } }));
    assert!(matches!(partial, Err(CallError::Transient { .. })), "{partial:?}");
    let throttled = json!({
        "errors": [{ "message": "Throttled", "extensions": { "code": "THROTTLED" } }],
        "extensions": { "cost": { "requestedQueryCost": 752, "actualQueryCost": null, "throttleStatus":
            { "maximumAvailable": 1000.0, "currentlyAvailable": 652, "restoreRate": 50.0 } } },
    });
    assert_eq!(found(&throttled), Err(CallError::RateLimited { after: Some(Duration::from_secs(2)) }));
}
