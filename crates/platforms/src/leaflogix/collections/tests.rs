use super::{super::PLATFORM, *};
use crate::{Access, MapContext, Platform, Validator};
use model::{Payload, Quantity};
use serde_json::Value;

const NOW: &str = "2026-07-02T00:00:00Z";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn with<T>(api_version: &str, act: impl FnOnce(&CallContext<'_>) -> T) -> T {
    let access = Access {
        base_url: "https://pos.example".to_owned(),
        token: "key".to_owned(),
        access_token: None,
        api_version: api_version.to_owned(),
        account: "Front Street".to_owned(),
    };
    act(&CallContext { access: &access, idempotency_key: "key", now: at(NOW) })
}

fn wanted<'a>(collection: &'a str, range: Range, cursor: Option<&'a str>) -> Wanted<'a> {
    Wanted { collection, range, cursor }
}

fn since(text: &str) -> Range {
    Range::Changed { since: at(text), until: None }
}

fn url(wanted: &Wanted<'_>) -> String {
    let url = with("", |context| PLATFORM.request(wanted, context)).unwrap().url;
    url.strip_prefix("https://pos.example").unwrap().to_owned()
}

fn listed(wanted: &Wanted<'_>, body: &Value) -> ListPage {
    with("", |context| PLATFORM.page(wanted, context, &HttpReply::new(200, body.to_string().as_bytes())))
        .unwrap()
}

fn bodies(page: &ListPage) -> Vec<(&str, Value)> {
    let body = |listed: &Listed| serde_json::from_slice(&listed.object.body).unwrap();
    page.objects.iter().map(|listed| (listed.key.as_str(), body(listed))).collect()
}

#[test]
fn products_are_read_in_the_area_that_the_connection_chose() {
    let path = |version, collection, range| {
        with(version, |context| PLATFORM.request(&wanted(collection, range, None), context)).unwrap().url
    };
    assert_eq!(path("", "products", Range::Whole), "https://pos.example/reporting/products");
    assert_eq!(path("inventory", "products", Range::Whole), "https://pos.example/products");
    assert_eq!(path("", "levels", Range::Whole), "https://pos.example/reporting/inventory");
    assert_eq!(path("inventory", "levels", Range::Whole), "https://pos.example/inventory");
    assert_eq!(
        path("", "products", since("2026-07-01T12:00:00Z")),
        "https://pos.example/reporting/products?fromLastModifiedDateUTC=2026-07-01T12:00:00Z"
    );
}

#[test]
fn the_packages_of_a_product_are_one_object_whatever_their_order() {
    let package = |id: u64, product: u64, quantity: f64| {
        json!({"inventoryId": id, "productId": product, "quantityAvailable": quantity, "quantityUnits": "ea",
            "packageId": format!("1A40-{id}"), "productName": "BG Chem", "labResults": []})
    };
    let wanted = wanted("levels", Range::Whole, None);
    let page = listed(&wanted, &json!([package(2, 7, 4.0), package(3, 8, 1.0), package(1, 7, 6.0)]));
    let other = listed(&wanted, &json!([package(1, 7, 6.0), package(3, 8, 1.0), package(2, 7, 4.0)]));
    assert_eq!((&page, page.next.as_ref(), page.total), (&other, None, None));
    let bodies = bodies(&page);
    let [("7", first), ("8", _)] = bodies.as_slice() else { panic!("{bodies:?}") };
    assert_eq!(first["rows"].as_array().unwrap().len(), 2);
    assert_eq!(first["rows"][0].as_object().unwrap().len(), 5, "only what explains the quantity is kept");
    assert_eq!(available(first), Some(Quantity::pieces(10)));
}

/// The level that an object of the list of stock is mapped to.
fn available(body: &Value) -> Option<Quantity> {
    let text = body.to_string();
    let body = Validator::of(&PLATFORM).unwrap().read("inventory", text.as_bytes()).unwrap();
    let delivery = super::super::map::tests_delivery("inventory", &body);
    let mapped =
        PLATFORM.map(&delivery, &body, &MapContext { currency: None }).unwrap().pop().unwrap().unwrap();
    let Payload::Inventory(report) = mapped.payload else { panic!("a level expected") };
    report.available
}

#[test]
fn stock_that_is_not_listed_is_zero_and_a_product_that_is_not_listed_may_be_hidden() {
    let missing = PLATFORM.missing("levels", "7", at(NOW)).unwrap();
    let body: Value = serde_json::from_slice(&missing.body).unwrap();
    assert_eq!((missing.topic, available(&body)), ("inventory", Some(Quantity::ZERO)));
    for (collection, key) in
        [("products", "7"), ("customers", "7"), ("orders", "7"), ("levels", "without an id: x")]
    {
        assert_eq!(PLATFORM.missing(collection, key, at(NOW)), None, "{collection} {key}");
    }
}

#[test]
fn customers_are_asked_for_until_a_page_is_empty() {
    let first = wanted("customers", since("2026-07-01T12:00:00Z"), None);
    let path = "/customer/customers-paginated?PageNumber=0&PageSize=1000&includeAnonymous=false&\
        fromLastModifiedDateUTC=2026-07-01T12:00:00Z";
    assert_eq!(url(&first), path);
    let page = listed(
        &first,
        &json!([{"customerId": 77, "firstName": "Ada", "driversLicenseHash": "x",
        "mmjidNumber": "y", "dateOfBirth": "1980-01-01T00:00:00"}]),
    );
    assert_eq!(bodies(&page), [("77", json!({"customerId": 77, "firstName": "Ada"}))]);
    let cursor = page.next.unwrap().cursor;
    assert_eq!(cursor, "1");
    let second = Wanted { cursor: Some(&cursor), ..first };
    assert!(url(&second).contains("PageNumber=1&"));
    assert_eq!(listed(&second, &json!([])), ListPage::default());
    let until = Range::Changed { since: at("2026-07-01T12:00:00Z"), until: Some(at(NOW)) };
    assert!(url(&wanted("customers", until, None)).ends_with("&toLastModifiedDateUTC=2026-07-02T00:00:00Z"));
    assert!(!url(&wanted("customers", Range::Whole, None)).contains("LastModified"));
}

#[test]
fn transactions_are_read_day_by_day_up_to_now() {
    let range = since("2026-06-30T06:00:00Z");
    let (mut cursor, mut urls) = (None::<String>, Vec::new());
    for _ in 0..5 {
        let wanted = wanted("orders", range, cursor.as_deref());
        urls.push(url(&wanted));
        match listed(&wanted, &json!([])).next {
            Some(next) => cursor = Some(next.cursor),
            None => break,
        }
    }
    let path = |from: &str, to: &str| {
        format!(
            "/reporting/transactions?FromLastModifiedDateUTC={from}{to}&IncludeDetail=true&IncludeOrderIds=true"
        )
    };
    let expected = [
        path("2026-06-30T06:00:00Z", "&ToLastModifiedDateUTC=2026-07-01T06:00:00Z"),
        path("2026-07-01T06:00:00Z", ""),
    ];
    assert_eq!(urls, expected);
    let backfill =
        Range::Changed { since: at("2026-01-01T00:00:00Z"), until: Some(at("2026-01-01T08:00:00Z")) };
    let span = wanted("orders", backfill, None);
    assert!(url(&span).contains("&ToLastModifiedDateUTC=2026-01-01T08:00:00Z&"));
    assert_eq!(listed(&span, &json!([])).next, None);
}

#[test]
fn nothing_of_a_card_is_kept_of_a_transaction() {
    let page = listed(
        &wanted("orders", since("2026-07-01T12:00:00Z"), None),
        &json!([{"transactionId": 9, "total": 1.5, "authCode": "123456", "integratedPayments": [{"x": 1}]}]),
    );
    assert_eq!(bodies(&page), [("9", json!({"transactionId": 9, "total": 1.5}))]);
}

#[test]
fn a_row_without_an_id_becomes_a_dead_letter_and_the_others_go_on() {
    let rows = json!([{"customerId": "", "firstName": "?"}, {"customerId": 78}, 5]);
    let page = listed(&wanted("customers", Range::Whole, None), &rows);
    let validator = Validator::of(&PLATFORM).unwrap();
    let is_readable = |listed: &Listed| validator.read(listed.object.topic, &listed.object.body).is_ok();
    assert_eq!(page.objects.iter().map(is_readable).collect::<Vec<_>>(), [false, true, false]);
    let stock =
        json!([{"productId": null, "quantityAvailable": 3}, {"productId": "x\"y", "quantityAvailable": 3}]);
    let page = listed(&wanted("levels", Range::Whole, None), &stock);
    assert_eq!(page.objects.iter().map(is_readable).collect::<Vec<_>>(), [false, false]);
}

#[test]
fn no_other_collection_and_no_other_cursor_is_accepted() {
    let refused =
        |wanted: &Wanted<'_>| with("", |context| PLATFORM.request(wanted, context)).unwrap_err().class;
    assert_eq!(refused(&wanted("suppliers", Range::Whole, None)), RejectClass::Config);
    for wanted in [
        wanted("orders", Range::Whole, None),
        wanted("customers", Range::Whole, Some("x")),
        wanted("orders", since("2026-07-01T12:00:00Z"), Some("x")),
    ] {
        assert_eq!(refused(&wanted), RejectClass::Bug, "{wanted:?}");
    }
}

#[test]
fn discounts_are_listed_whether_they_are_on_or_not_and_what_is_missing_is_gone() {
    let wanted = wanted("promotions", Range::Whole, None);
    assert_eq!(url(&wanted), "/discounts/v2/list?includeInactive=true&includeInclusionExclusionData=true");
    let page = listed(&wanted, &json!([{"id": 501, "isActive": false}, {"id": null}]));
    let keys: Vec<&str> = page.objects.iter().map(|listed| listed.key.as_str()).collect();
    assert!(keys[0] == "501" && keys[1].starts_with("without an id"), "{keys:?}");
    assert_eq!(page.next, None);
    let missing = PLATFORM.missing("promotions", "501", at(NOW)).unwrap();
    let body = Validator::of(&PLATFORM).unwrap().read(missing.topic, &missing.body).unwrap();
    let delivery = super::super::map::tests_delivery(missing.topic, &body);
    let mapped =
        PLATFORM.map(&delivery, &body, &MapContext { currency: None }).unwrap().pop().unwrap().unwrap();
    let external = model::ExternalId::new("501").unwrap();
    assert_eq!(mapped.payload, Payload::Deleted { entity: model::EntityKind::Promotion, external });
    assert_eq!(mapped.occurred_at, Some(at(NOW)));
}
