use super::*;
use crate::{Access, HttpRequest};
use model::{Currency, ExternalId, ProductText, Timestamp};
use std::time::Duration;

const KEY: &str = "4f5b6ebf-143c-4da5-8d0f-fb8553bfd85d";

fn id(text: &str) -> ExternalId {
    ExternalId::new(text).unwrap()
}

fn set_level(to: &str, from: Option<&str>) -> Call {
    let quantity = |text| Quantity::parse(text).unwrap();
    Call::SetLevel { item: id("11"), location: Some(id("22")), to: quantity(to), from: from.map(quantity) }
}

fn set_price(amount: &str, currency: &str) -> Call {
    let to = Money::parse(amount, Currency::new(currency).unwrap()).unwrap();
    Call::SetPrice { product: id("33"), variant: id("44"), to }
}

fn set_text(title: Option<&str>, description: Option<&str>) -> Call {
    let to =
        ProductText { title: title.map(ToOwned::to_owned), description: description.map(ToOwned::to_owned) };
    Call::SetText { product: id("33"), to }
}

fn step(wanted: &Call) -> Result<Step, Reject> {
    let access = Access {
        base_url: "https://suite.myshopify.com".to_owned(),
        token: "token".to_owned(),
        api_version: String::new(),
        account: String::new(),
    };
    call(wanted, &CallContext { access: &access, idempotency_key: KEY, now: Timestamp::from_micros(0) })
}

fn written(wanted: &Call) -> (HttpRequest, Value) {
    let Ok(Step::Write(request)) = step(wanted) else { panic!("{:?}", step(wanted)) };
    let body = serde_json::from_slice(&request.body).unwrap();
    (request, body)
}

fn said(wanted: &Call, body: &Value) -> Reply {
    outcome(wanted, &HttpReply { status: 200, retry_after: None, body: body.to_string().as_bytes() })
}

#[test]
fn a_level_is_compared_and_set_under_an_idempotency_key() {
    let (request, body) = written(&set_level("7", Some("9")));
    assert_eq!(request.url, "https://suite.myshopify.com/admin/api/2026-07/graphql.json");
    let query = body["query"].as_str().unwrap();
    assert!(query.contains("inventorySetQuantities(input: $input) @idempotent(key: $key)"), "{query}");
    let quantity = json!({
        "inventoryItemId": "gid://shopify/InventoryItem/11",
        "locationId": "gid://shopify/Location/22",
        "quantity": 7,
        "changeFromQuantity": 9,
    });
    let input = json!({
        "name": "available",
        "reason": "correction",
        "referenceDocumentUri": format!("tillflow://{KEY}"),
        "quantities": [quantity],
    });
    assert_eq!(body["variables"], json!({ "input": input, "key": KEY }));
}

#[test]
fn a_level_that_may_be_overwritten_says_so_with_an_explicit_null() {
    let (_, body) = written(&set_level("7", None));
    let quantity = &body["variables"]["input"]["quantities"][0];
    assert_eq!(quantity.get("changeFromQuantity"), Some(&Value::Null));
}

#[test]
fn what_shopify_can_not_hold_is_refused_here() {
    let class = |call: &Call| step(call).unwrap_err().class;
    assert_eq!(class(&set_level("2.5", None)), RejectClass::Data);
    assert_eq!(class(&set_level("2", Some("2.5"))), RejectClass::Data);
    assert_eq!(class(&set_price("-0.01", "USD")), RejectClass::Data);
    assert_eq!(class(&set_text(Some(""), None)), RejectClass::Data);
    let nowhere = Call::SetLevel { item: id("11"), location: None, to: Quantity::ZERO, from: None };
    assert_eq!(class(&nowhere), RejectClass::Config);
    let foreign =
        Call::SetLevel { item: id("ABC"), location: Some(id("22")), to: Quantity::ZERO, from: None };
    assert_eq!(class(&foreign), RejectClass::Data);
}

#[test]
fn a_price_is_a_decimal_text_with_its_currencys_digits() {
    let variables = |call: &Call| written(call).1["variables"].clone();
    let of = |price| json!({ "product": "gid://shopify/Product/33", "variants": [{ "id": "gid://shopify/ProductVariant/44", "price": price }] });
    assert_eq!(variables(&set_price("19.9", "USD")), of("19.90"));
    assert_eq!(variables(&set_price("500", "JPY")), of("500"));
}

#[test]
fn only_the_text_that_shall_change_is_sent() {
    let product = |call: &Call| written(call).1["variables"]["product"].clone();
    assert_eq!(
        product(&set_text(Some("T"), None)),
        json!({ "id": "gid://shopify/Product/33", "title": "T" })
    );
    assert_eq!(
        product(&set_text(None, Some(""))),
        json!({ "id": "gid://shopify/Product/33", "descriptionHtml": "" })
    );
    assert_eq!(step(&set_text(None, None)), Ok(Step::Done { version: None }));
}

#[test]
fn a_mutation_without_errors_is_done_and_one_that_says_nothing_is_not() {
    for (call, field) in [
        (set_level("7", None), "inventorySetQuantities"),
        (set_price("1", "USD"), "productVariantsBulkUpdate"),
        (set_text(Some("T"), None), "productUpdate"),
    ] {
        assert_eq!(
            said(&call, &json!({ "data": { field: { "userErrors": [] } } })),
            Reply::Done { version: None },
            "{field}"
        );
        assert_eq!(
            said(&call, &json!({ "data": { field: { "userErrors": [] } }, "errors": [] })),
            Reply::Done { version: None }
        );
        for body in [
            json!({}),
            json!({ "data": null }),
            json!({ "data": { field: null } }),
            json!({ "data": { "x": {} } }),
        ] {
            assert!(matches!(said(&call, &body), Reply::Retry { .. }), "{field} {body}");
        }
    }
}

#[test]
fn a_write_says_which_version_it_made_as_the_report_of_it_will() {
    let updated = |at: Value| json!({ "product": { "updatedAt": at }, "userErrors": [] });
    for (call, field) in
        [(set_price("1", "USD"), "productVariantsBulkUpdate"), (set_text(Some("T"), None), "productUpdate")]
    {
        let query = written(&call).1["query"].as_str().unwrap().to_owned();
        assert!(query.contains("product { updatedAt }"), "{query}");
        let reply = |payload: Value| said(&call, &json!({ "data": { field: payload } }));
        // The same instant as `"updated_at": "2024-07-24T07:05:37-04:00"` of a webhook.
        let at = Timestamp::parse("2024-07-24T07:05:37-04:00").unwrap();
        let done = Reply::Done { version: Some(at.into()) };
        assert_eq!(reply(updated(json!("2024-07-24T11:05:37Z"))), done, "{field}");
        for unread in [json!(null), json!("soon"), json!(7)] {
            assert_eq!(reply(updated(unread.clone())), Reply::Done { version: None }, "{field} {unread}");
        }
        assert_eq!(
            reply(json!({ "product": null, "userErrors": [] })),
            Reply::Done { version: None },
            "{field}"
        );
    }
}

#[test]
fn errors_of_the_mutation_are_told_apart_by_their_code() {
    let with = |code: Value| {
        let errors = json!([{ "code": code, "field": ["input"], "message": "about Alice's secret gift" }]);
        said(
            &set_level("7", Some("9")),
            &json!({ "data": { "inventorySetQuantities": { "userErrors": errors } } }),
        )
    };
    assert_eq!(with(json!("CHANGE_FROM_QUANTITY_STALE")), Reply::Stale);
    assert_eq!(with(json!("COMPARE_QUANTITY_STALE")), Reply::Stale);
    assert!(matches!(with(json!("IDEMPOTENCY_CONCURRENT_REQUEST")), Reply::Retry { .. }));
    let class = |code| match with(code) {
        Reply::Refused(reject) => (reject.class, reject.reason),
        other => panic!("{other:?}"),
    };
    assert_eq!(class(json!("IDEMPOTENCY_KEY_PARAMETER_MISMATCH")).0, RejectClass::Bug);
    let named = class(json!("ITEM_NOT_STOCKED_AT_LOCATION"));
    assert_eq!(
        named,
        (RejectClass::Platform, "the platform refuses the change: ITEM_NOT_STOCKED_AT_LOCATION".to_owned())
    );
    for code in [json!(null), json!("about Alice")] {
        let (class, reason) = class(code);
        assert_eq!(class, RejectClass::Platform);
        assert!(!reason.contains("Alice"), "{reason}");
    }
}

#[test]
fn errors_of_graphql_are_read_before_any_data() {
    let with = |code: &str| {
        let errors = json!([{ "message": "m", "extensions": { "code": code } }]);
        let data = json!({ "inventorySetQuantities": { "userErrors": [] } });
        said(&set_level("7", None), &json!({ "errors": errors, "data": data }))
    };
    assert_eq!(with("THROTTLED"), Reply::Throttled { after: None });
    assert!(matches!(with("INTERNAL_SERVER_ERROR"), Reply::Retry { .. }));
    for (code, class) in [("ACCESS_DENIED", RejectClass::Auth), ("MAX_COST_EXCEEDED", RejectClass::Platform)]
    {
        assert!(matches!(with(code), Reply::Refused(reject) if reject.class == class), "{code}");
    }
    let uncoded = said(&set_level("7", None), &json!({ "errors": "[API] Invalid API key or access token" }));
    assert!(matches!(uncoded, Reply::Refused(reject) if !reject.reason.contains("token")));
}

#[test]
fn a_throttled_reply_says_how_long_the_bucket_takes() {
    // community.shopify.com/t/throttled/254776: the shape of a throttled reply, status 200.
    let with = |wanted: f64, available: f64, rate: f64| {
        said(
            &set_level("7", None),
            &json!({
                "errors": [{ "message": "Throttled", "extensions": { "code": "THROTTLED" } }],
                "extensions": { "cost": { "requestedQueryCost": wanted, "actualQueryCost": null,
                    "throttleStatus": { "maximumAvailable": 1000.0, "currentlyAvailable": available, "restoreRate": rate } } },
            }),
        )
    };
    let after = |seconds| Reply::Throttled { after: seconds };
    assert_eq!(with(752.0, 666.0, 50.0), after(Some(Duration::from_millis(1_720))));
    assert_eq!(with(10.0, 20.0, 50.0), after(Some(Duration::ZERO)));
    assert_eq!(with(1e300, 0.0, 50.0), after(None));
    assert_eq!(with(1e6, 0.0, 1.0), after(Some(Duration::from_mins(1))));
    assert_eq!(with(10.0, 0.0, 0.0), after(None));
}
