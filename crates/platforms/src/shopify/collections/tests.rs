use super::{super::PLATFORM, *};
use crate::{Access, MapContext, Platform as _, Validator};
use model::{Delivery, DeliveryId, DeliveryKind, Origin, Payload, Source, TraceParent};

fn access() -> Access {
    Access {
        base_url: "https://suite.myshopify.com".to_owned(),
        token: "token".to_owned(),
        access_token: None,
        api_version: String::new(),
        account: String::new(),
    }
}

fn at() -> Timestamp {
    Timestamp::parse("2026-07-02T00:00:00.5Z").unwrap()
}

fn context(access: &Access) -> CallContext<'_> {
    CallContext { access, idempotency_key: "", now: at() }
}

fn changed_since() -> Range {
    Range::Changed { since: at(), until: None }
}

fn wanted<'a>(collection: &'a str, range: Range, cursor: Option<&'a str>) -> Wanted<'a> {
    Wanted { collection, range, cursor }
}

/// The query and the variables of a request.
fn sent(wanted: &Wanted<'_>) -> (String, Value) {
    let request = Collections::request(&PLATFORM, wanted, &context(&access())).unwrap();
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    (body["query"].as_str().unwrap().to_owned(), body["variables"].clone())
}

fn replied(wanted: &Wanted<'_>, data: &Value) -> Result<ListPage, CallError> {
    let body = json!({ "data": data }).to_string();
    let access = access();
    Collections::page(&PLATFORM, wanted, &context(&access), &HttpReply::new(200, body.as_bytes()))
}

fn received(wanted: &Wanted<'_>, data: &Value) -> ListPage {
    replied(wanted, data).unwrap()
}

fn cursor(page: &ListPage) -> &str {
    page.next.as_ref().unwrap().cursor.as_str()
}

fn keys(page: &ListPage) -> Vec<&str> {
    page.objects.iter().map(|listed| listed.key.as_str()).collect()
}

fn mapped(object: &Object) -> Result<crate::Mapped, Reject> {
    let body = Validator::of(&PLATFORM).unwrap().read(object.topic, &object.body)?;
    let id = DeliveryId::from_bytes([1; 16]);
    let delivery = Delivery {
        id,
        origin: Origin {
            tenant: model::TenantId::new("t").unwrap(),
            store: model::StoreId::new("s").unwrap(),
            connection: model::ConnectionId::new("c").unwrap(),
            platform: model::PlatformName::new("shopify").unwrap(),
        },
        kind: DeliveryKind::Platform(object.topic.into()),
        received_at: at(),
        source: Source::Fetch,
        cause: None,
        asked_by: None,
        attempt: 0,
        currency: None,
        account: None,
        headers: Vec::new(),
        trace: TraceParent::from_delivery(id),
        body: object.body.clone().into(),
    };
    let context = MapContext { currency: Some(model::Currency::new("USD").unwrap()) };
    PLATFORM.map(&delivery, &body, &context)?.remove(0)
}

fn product(id: u64, has_more_variants: bool) -> Value {
    json!({
        "legacyResourceId": id.to_string(), "title": "Tea", "descriptionHtml": "<p>Black</p>", "vendor": "Acme",
        "productType": "", "status": "ACTIVE", "tags": ["a", "b"], "updatedAt": "2026-07-01T10:00:00Z",
        "variants": {
            "nodes": [{ "legacyResourceId": format!("{id}1"), "title": "Large", "sku": "T-1", "barcode": null,
                "price": "12.50", "compareAtPrice": null, "inventoryItem": { "legacyResourceId": format!("{id}2") } }],
            "pageInfo": { "hasNextPage": has_more_variants },
        },
    })
}

fn page_of(name: &str, nodes: &[Value], has_next: bool) -> Value {
    json!({ name: { "nodes": nodes, "pageInfo": { "hasNextPage": has_next } } })
}

#[test]
fn a_list_is_read_by_ascending_ids() {
    let first = wanted("products", Range::Whole, None);
    let (query, variables) = sent(&first);
    assert!(query.contains("products(first: 10, query: $filter, sortKey: ID)"), "{query}");
    assert_eq!(variables["filter"], Value::Null);
    let page = received(&first, &page_of("products", &[product(5, false), product(9, false)], true));
    assert_eq!(keys(&page), ["5", "9"]);
    let (_, variables) = sent(&wanted("products", Range::Whole, Some(cursor(&page))));
    assert_eq!(variables["filter"], "id:>=10");
    let (_, variables) = sent(&wanted("products", changed_since(), Some(cursor(&page))));
    assert_eq!(variables["filter"], "updated_at:>='2026-07-02T00:00:00Z' AND id:>=10", "whole seconds");
    let last = received(&first, &page_of("products", &[product(11, false)], false));
    assert_eq!(last.next, None);
    for (nodes, has_next) in [(vec![product(9, false), product(5, false)], false), (Vec::new(), true)] {
        let wrong = replied(&first, &page_of("products", &nodes, has_next));
        assert!(matches!(wrong, Err(CallError::Transient { .. })), "{wrong:?}");
    }
}

#[test]
fn a_product_with_many_variants_is_asked_for_alone() {
    let first = wanted("products", Range::Whole, None);
    let page = received(
        &first,
        &page_of("products", &[product(5, false), product(9, true), product(12, false)], true),
    );
    assert_eq!(keys(&page), ["5"], "the page ends before it");
    let alone = wanted("products", Range::Whole, Some(cursor(&page)));
    let (query, variables) = sent(&alone);
    assert!(query.contains("products(first: 1,") && query.contains("variants(first: 250)"), "{query}");
    assert_eq!(variables["filter"], "id:>=6");
    let page = received(&alone, &page_of("products", &[product(9, false)], true));
    let (query, variables) = sent(&wanted("products", Range::Whole, Some(cursor(&page))));
    assert!(query.contains("products(first: 10,"), "{query}");
    assert_eq!(variables["filter"], "id:>=10");
}

#[test]
fn a_product_comes_in_the_shape_of_its_webhook_and_a_cut_list_of_variants_is_not_all() {
    let whole =
        received(&wanted("products", Range::Whole, None), &page_of("products", &[product(5, false)], false));
    let Payload::Product(found) = mapped(&whole.objects[0].object).unwrap().payload else {
        panic!("a product")
    };
    assert_eq!((found.title.as_deref(), found.variants_complete), (Some("Tea"), true));
    assert_eq!(found.tags, Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(found.variants[0].price.set().unwrap().to_string(), "12.50 USD");
    assert_eq!(found.variants[0].item.as_ref().unwrap().as_str(), "52");
    let place = serde_json::to_string(&Place { after: 4, alone: true }).unwrap();
    let cut = wanted("products", Range::Whole, Some(&place));
    let cut = received(&cut, &page_of("products", &[product(5, true)], false));
    let Payload::Product(found) = mapped(&cut.objects[0].object).unwrap().payload else {
        panic!("a product")
    };
    assert!(!found.variants_complete, "what isn't listed isn't gone");
}

#[test]
fn levels_are_read_location_by_location() {
    let first = wanted("levels", changed_since(), None);
    let location = |id: &str| json!({ "legacyResourceId": id });
    let page = received(&first, &page_of("locations", &[location("7"), location("8")], false));
    let second = wanted("levels", changed_since(), Some(cursor(&page)));
    let (_, variables) = sent(&second);
    assert_eq!(variables["location"], "gid://shopify/Location/7");
    assert_eq!(variables["filter"], "updated_at:>='2026-07-02T00:00:00Z'");
    let level = |item: &str, tracked: bool| {
        json!({ "updatedAt": "2026-07-01T10:00:00Z",
        "quantities": [{ "name": "available", "quantity": 3 }], "item": { "legacyResourceId": item, "tracked": tracked } })
    };
    let levels = |nodes: &[Value], has_next: bool| {
        json!({ "location": { "inventoryLevels": { "nodes": nodes,
        "pageInfo": { "hasNextPage": has_next, "endCursor": "x" } } } })
    };
    let page = received(&second, &levels(&[level("1", true), level("2", false)], true));
    assert_eq!(keys(&page), ["1/7", "2/7"]);
    let reported = |index: usize| match mapped(&page.objects[index].object).unwrap().payload {
        Payload::Inventory(report) => report.available.map(|available| available.to_string()),
        other => panic!("{other:?}"),
    };
    assert_eq!((reported(0), reported(1)), (Some("3".to_owned()), None), "untracked is unknown");
    let (_, variables) = sent(&wanted("levels", changed_since(), Some(cursor(&page))));
    assert_eq!(
        (&variables["after"], &variables["location"]),
        (&json!("x"), &json!("gid://shopify/Location/7"))
    );
    let page = received(&second, &levels(&[], false));
    let (_, variables) = sent(&wanted("levels", changed_since(), Some(cursor(&page))));
    assert_eq!(
        (&variables["after"], &variables["location"]),
        (&Value::Null, &json!("gid://shopify/Location/8"))
    );
    let last = wanted("levels", changed_since(), Some(cursor(&page)));
    assert_eq!(received(&last, &json!({ "location": null })).next, None, "a location that is gone");
    assert!(matches!(replied(&last, &json!({})), Err(CallError::Transient { .. })));
}

#[test]
fn an_order_comes_in_the_shape_of_its_webhook_and_never_without_a_line() {
    let money = |amount: &str| json!({ "shopMoney": { "amount": amount, "currencyCode": "USD" } });
    let order = |has_more_lines: bool| {
        json!({
            "legacyResourceId": "450789469", "name": "#1001", "test": false, "currencyCode": "USD",
            "createdAt": "2026-07-01T09:00:00Z", "updatedAt": "2026-07-01T10:00:00Z", "cancelledAt": null, "closedAt": null,
            "displayFinancialStatus": "PAID", "displayFulfillmentStatus": "FULFILLED", "totalPriceSet": money("19.00"),
            "totalTaxSet": money("1.00"), "totalDiscountsSet": money("0.0"), "customer": { "legacyResourceId": "3" },
            "retailLocation": null,
            "lineItems": { "nodes": [{ "id": "gid://shopify/LineItem/466157049", "title": "Tea", "sku": "T-1", "quantity": 2,
                "variant": { "legacyResourceId": "51" }, "originalUnitPriceSet": money("9.50") }],
                "pageInfo": { "hasNextPage": has_more_lines } },
        })
    };
    let page = received(&wanted("orders", changed_since(), None), &page_of("orders", &[order(false)], false));
    let Payload::Order(found) = mapped(&page.objects[0].object).unwrap().payload else { panic!("an order") };
    assert_eq!(
        (found.status, found.total.unwrap().to_string()),
        (model::OrderStatus::Completed, "19.00 USD".to_owned())
    );
    assert_eq!(
        (found.lines[0].external.as_str(), found.lines[0].variant.as_ref().unwrap().as_str()),
        ("466157049", "51")
    );
    assert_eq!(found.customer.unwrap().as_str(), "3");
    let place = serde_json::to_string(&Place { after: 4, alone: true }).unwrap();
    let page =
        received(&wanted("orders", changed_since(), Some(&place)), &page_of("orders", &[order(true)], false));
    assert_eq!(mapped(&page.objects[0].object).unwrap_err().class, RejectClass::Schema, "a dead letter");
}

#[test]
fn a_customer_comes_in_the_shape_of_its_webhook() {
    let customer = json!({ "legacyResourceId": "207119551", "firstName": "Ada", "lastName": null, "tags": [],
        "updatedAt": "2026-07-01T10:00:00Z", "defaultEmailAddress": { "emailAddress": "ada@example.com" },
        "defaultPhoneNumber": null });
    let page = received(&wanted("customers", Range::Whole, None), &page_of("customers", &[customer], false));
    let Payload::Customer(found) = mapped(&page.objects[0].object).unwrap().payload else {
        panic!("a customer")
    };
    assert_eq!(found.email, model::Patch::Set("ada@example.com".to_owned()));
    assert_eq!((found.last_name, found.tags), (model::Patch::Clear, Some(Vec::new())));
}

#[test]
fn what_is_gone_is_a_deletion_or_a_level_of_null_of_the_time_of_the_list() {
    let deleted = mapped(&PLATFORM.missing("products", "5", at()).unwrap()).unwrap();
    assert!(matches!(deleted.payload, Payload::Deleted { .. }));
    let absent = mapped(&PLATFORM.missing("levels", "1/7", at()).unwrap()).unwrap();
    assert!(matches!(absent.payload, Payload::Inventory(report) if report.available.is_none()));
    assert_eq!(PLATFORM.missing("products", "gid://5", at()), None);
    assert_eq!(PLATFORM.missing("levels", "1", at()), None);
    assert_eq!(PLATFORM.missing("orders", "5", at()), None);
}
