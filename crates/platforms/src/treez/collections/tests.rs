use super::super::PLATFORM;
use super::*;
use crate::{Access, AccountRefusal};
use serde_json::json;

const NOW: &str = "2026-07-02T10:00:00Z";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn access() -> Access {
    Access {
        base_url: "https://treez.example".to_owned(),
        token: "client:key".to_owned(),
        access_token: Some("issued".to_owned()),
        api_version: String::new(),
        account: "shop".to_owned(),
    }
}

fn wanted<'a>(collection: &'a str, range: Range, cursor: Option<&'a str>) -> Wanted<'a> {
    Wanted { collection, range, cursor }
}

fn since(text: &str) -> Range {
    Range::Changed { since: at(text), until: None }
}

fn path(wanted: &Wanted<'_>) -> String {
    let access = access();
    let context = CallContext { access: &access, idempotency_key: "", now: at(NOW) };
    let request = Collections::request(&PLATFORM, wanted, &context).unwrap();
    assert!(request.headers.contains(&("authorization", "issued".to_owned())));
    request.url.strip_prefix("https://treez.example/v2.0/dispensary/shop/").unwrap().to_owned()
}

fn page(wanted: &Wanted<'_>, status: u16, body: &Value) -> Result<ListPage, CallError> {
    let access = access();
    let context = CallContext { access: &access, idempotency_key: "", now: at(NOW) };
    let body = body.to_string();
    Collections::page(&PLATFORM, wanted, &context, &HttpReply::new(status, body.as_bytes()))
}

/// The reply to a page of `count` objects of a collection.
fn reply(collection: &str, count: usize, total: Option<usize>) -> Value {
    let objects = |key: &str| (0..count).map(|number| json!({ key: number })).collect::<Vec<_>>();
    match collection {
        "orders" => json!({"resultCode": "SUCCESS", "ticketList": objects("ticket_id")}),
        "customers" => json!({"resultCode": "SUCCESS", "data": objects("customer_id")}),
        _ => {
            json!({"data": {"page_count": count, "total_count": total, "product_list": objects("product_id")}})
        }
    }
}

/// The requests of a list whose pages have `counts` objects.
fn walk(collection: &str, range: Range, counts: &[usize], total: Option<usize>) -> Vec<String> {
    let (mut paths, mut cursor) = (Vec::new(), None::<String>);
    for count in counts {
        let wanted = wanted(collection, range, cursor.as_deref());
        paths.push(path(&wanted));
        cursor = page(&wanted, 200, &reply(collection, *count, total)).unwrap().next.map(|next| next.cursor);
        if cursor.is_none() {
            return paths;
        }
    }
    panic!("the list has no end: {paths:?}")
}

#[test]
fn all_products_are_listed_deactivated_ones_too() {
    let query = "active=ALL&include_discounts=FALSE&page";
    let paths = walk("products", Range::Whole, &[200, 1], Some(201));
    assert_eq!(
        paths,
        [
            format!("product/product_list?{query}=1&pagesize=200"),
            format!("product/product_list?{query}=2&pagesize=200"),
        ]
    );
    assert_eq!(walk("levels", Range::Whole, &[1], Some(1)), paths[..1]);
    let changed = walk("products", since("2026-07-02T09:00:00.5Z"), &[0], Some(0));
    let expected =
        format!("product/product_list/lastUpdated/after/2026-07-02T09:00:00.500Z?{query}=1&pagesize=200");
    assert_eq!(changed, [expected]);
}

#[test]
fn a_list_that_accepts_smaller_pages_only_is_read_to_its_end() {
    assert_eq!(walk("products", Range::Whole, &[50, 50, 7], Some(107)).len(), 3);
    assert_eq!(walk("products", Range::Whole, &[200, 199], None).len(), 2, "without a total");
    assert_eq!(walk("products", Range::Whole, &[50, 0], Some(107)).len(), 2, "an empty page is the last");
}

#[test]
fn tickets_and_customers_are_paged_in_the_path_until_a_page_is_short() {
    let paths = walk("orders", since("2026-07-02T09:00:00Z"), &[25, 24], None);
    let after = "ticket/lastUpdated/after/2026-07-02T09:00:00.000Z";
    assert_eq!(paths, [format!("{after}/page/1/pagesize/25"), format!("{after}/page/2/pagesize/25")]);
    let paths = walk("customers", since("2026-07-02T09:00:00Z"), &[50, 0], None);
    let after = "customer/lastUpdated/after/2026-07-02T09:00:00.000Z";
    assert_eq!(paths, [format!("{after}/page/1/pagesize/50"), format!("{after}/page/2/pagesize/50")]);
    let whole = walk("customers", Range::Whole, &[1], None);
    assert_eq!(whole, ["customer/lastUpdated/after/2000-01-01T00:00:00.000Z/page/1/pagesize/50"]);
}

#[test]
fn tickets_older_than_a_month_are_listed_by_the_day_of_their_end() {
    let range = Range::Changed { since: at("2026-01-05T12:00:00Z"), until: Some(at("2026-01-06T12:00:00Z")) };
    let paths = walk("orders", range, &[25, 3, 0, 1, 0], None);
    assert_eq!(
        paths,
        [
            "ticket/closedate/2026-01-04/page/1/pagesize/25",
            "ticket/closedate/2026-01-04/page/2/pagesize/25",
            "ticket/closedate/2026-01-05/page/1/pagesize/25",
            "ticket/closedate/2026-01-06/page/1/pagesize/25",
            "ticket/closedate/2026-01-07/page/1/pagesize/25",
        ]
    );
}

#[test]
fn objects_are_those_of_the_webhooks_without_what_is_not_kept() {
    for (collection, body, topic, expected) in [
        (
            "products",
            json!({"data": {"total_count": 1, "product_list": [{"product_id": "p", "lab_results": []}]}}),
            "PRODUCT",
            json!({"product_id": "p", "lab_results": []}),
        ),
        (
            "levels",
            json!({"data": {"total_count": 1, "product_list": [{"product_id": "p", "sellable_quantity": 2, "pricing": {}}]}}),
            "PRODUCT_STOCK",
            json!({"product_id": "p", "sellable_quantity": 2}),
        ),
        (
            "customers",
            json!({"data": [{"customer_id": 7, "first_name": "Ada", "drivers_license": "x", "birthday": "1980-01-01"}]}),
            "CUSTOMER",
            json!({"customer_id": 7, "first_name": "Ada"}),
        ),
        (
            "orders",
            json!({"ticketList": [{"ticket_id": "t", "items": [], "delivery_address": {}, "purchase_limit": {}}]}),
            "TICKET",
            json!({"ticket_id": "t", "items": []}),
        ),
    ] {
        let range = since("2026-07-02T09:00:00Z");
        let page = page(&wanted(collection, range, None), 200, &body).unwrap();
        let [Listed { object, .. }] = page.objects.as_slice() else { panic!("one object expected") };
        assert_eq!(object.topic, topic);
        let body: Value = serde_json::from_slice(&object.body).unwrap();
        assert_eq!(body, json!({"event_type": topic, "data": expected}));
        assert_eq!(page.total, None, "{collection}");
    }
    let whole = page(&wanted("products", Range::Whole, None), 200, &reply("products", 2, Some(2))).unwrap();
    assert_eq!(whole.total, Some(2));
    assert_eq!(whole.objects[1].key, "1");
}

#[test]
fn a_reply_without_its_list_is_a_token_that_ran_out_and_never_an_empty_list() {
    for collection in ["products", "levels", "customers", "orders"] {
        let wanted = wanted(collection, since("2026-07-02T09:00:00Z"), None);
        for body in [json!({}), json!({"resultCode": "FAIL"}), json!({"data": {}, "ticketList": null})] {
            let error = page(&wanted, 200, &body).unwrap_err();
            assert!(error.is_unauthorized(), "{collection} {body}: {error:?}");
        }
        let unnamed = json!({"data": {"product_list": [{}]}, "ticketList": [{}]});
        let unnamed = if collection == "customers" { json!({"data": [{}]}) } else { unnamed };
        assert_eq!(page(&wanted, 200, &unnamed).unwrap().objects[0].key, "", "{collection}");
        for no_object in [json!(7), json!(null), json!([]), json!("x")] {
            assert!(
                matches!(page(&wanted, 200, &no_object), Err(CallError::Transient { .. })),
                "{no_object}"
            );
        }
        let error = page(&wanted, 404, &json!({}));
        let is_setting = matches!(error, Err(CallError::AccountRefused(AccountRefusal::Misconfigured, _)));
        assert!(is_setting, "{error:?}");
    }
}

#[test]
fn a_list_that_does_not_exist_is_refused() {
    let access = access();
    let context = CallContext { access: &access, idempotency_key: "", now: at(NOW) };
    for wanted in [wanted("promotions", Range::Whole, None), wanted("orders", Range::Whole, None)] {
        assert!(Collections::request(&PLATFORM, &wanted, &context).is_err(), "{wanted:?}");
    }
}

#[test]
fn only_a_missing_product_is_a_deletion() {
    let object = PLATFORM.missing("products", "p-1", at(NOW)).unwrap();
    let body: Value = serde_json::from_slice(&object.body).unwrap();
    let data = json!({"product_id": "p-1", "product_status": "DELETED", "last_updated_at": NOW});
    assert_eq!((object.topic, body), ("PRODUCT", json!({"event_type": "PRODUCT", "data": data})));
    for collection in ["levels", "customers", "orders"] {
        assert_eq!(PLATFORM.missing(collection, "x", at(NOW)), None, "{collection}");
    }
}
