use super::{super::PLATFORM, *};
use crate::{Access, AccountRefusal, HttpRequest};
use model::{Currency, Timestamp};

const KEY: &str = "4f5b6ebf-143c-4da5-8d0f-fb8553bfd85d";

fn id(text: &str) -> ExternalId {
    ExternalId::new(text).unwrap()
}

fn set_level(to: &str, from: &str) -> Write {
    let quantity = |text| Quantity::parse(text).unwrap();
    Write::Level { item: id("11"), location: Some(id("22")), to: quantity(to), from: quantity(from) }
}

fn set_price(amount: &str, currency: &str) -> Write {
    let to = Money::parse(amount, Currency::new(currency).unwrap()).unwrap();
    Write::Price { product: id("33"), variant: id("44"), to }
}

fn set_text(title: Option<&str>, description: Option<&str>) -> Write {
    let to =
        ProductText { title: title.map(ToOwned::to_owned), description: description.map(ToOwned::to_owned) };
    Write::Text { product: id("33"), to }
}

fn planned(wanted: &Write) -> Result<Step, CallError> {
    let access = Access {
        base_url: "https://suite.myshopify.com".to_owned(),
        token: "token".to_owned(),
        access_token: None,
        api_version: String::new(),
        account: String::new(),
    };
    let context = CallContext { access: &access, idempotency_key: KEY, now: Timestamp::from_micros(0) };
    PLATFORM.step(wanted, &context, None)
}

fn written(wanted: &Write) -> (HttpRequest, Value) {
    let Ok(Step::Write(request)) = planned(wanted) else { panic!("{:?}", planned(wanted)) };
    let body = serde_json::from_slice(&request.body).unwrap();
    (request, body)
}

fn said(wanted: &Write, body: &Value) -> Result<Written, CallError> {
    PLATFORM.outcome(wanted, &HttpReply::new(200, body.to_string().as_bytes()))
}

#[test]
fn a_level_is_compared_and_set_under_an_idempotency_key() {
    let (request, body) = written(&set_level("7", "9"));
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
fn what_shopify_can_not_hold_is_refused_here() {
    let class = |call: &Write| match planned(call).unwrap_err() {
        CallError::Rejected(reject) => reject.class,
        other => panic!("{other:?}"),
    };
    assert_eq!(class(&set_level("2.5", "2")), RejectClass::Data);
    assert_eq!(class(&set_level("2", "2.5")), RejectClass::Data);
    assert_eq!(class(&set_price("-0.01", "USD")), RejectClass::Data);
    assert_eq!(class(&set_text(Some(""), None)), RejectClass::Data);
    let (to, from) = (Quantity::ZERO, Quantity::pieces(1));
    let foreign = Write::Level { item: id("ABC"), location: Some(id("22")), to, from };
    assert_eq!(class(&foreign), RejectClass::Data);
    let nowhere = Write::Level { item: id("11"), location: None, to, from };
    assert_eq!(class(&nowhere), RejectClass::Config, "a matter of this location, not of the account");
    assert_eq!(PLATFORM.limits(MirrorKind::Inventory).unwrap().quantity_decimals, 0);
}

#[test]
fn a_price_is_a_decimal_text_with_its_currencys_digits() {
    let variables = |call: &Write| written(call).1["variables"].clone();
    let of = |price| json!({ "product": "gid://shopify/Product/33", "variants": [{ "id": "gid://shopify/ProductVariant/44", "price": price }] });
    assert_eq!(variables(&set_price("19.9", "USD")), of("19.90"));
    assert_eq!(variables(&set_price("500", "JPY")), of("500"));
}

#[test]
fn only_the_text_that_shall_change_is_sent() {
    let product = |call: &Write| written(call).1["variables"]["product"].clone();
    assert_eq!(
        product(&set_text(Some("T"), None)),
        json!({ "id": "gid://shopify/Product/33", "title": "T" })
    );
    assert_eq!(
        product(&set_text(None, Some(""))),
        json!({ "id": "gid://shopify/Product/33", "descriptionHtml": "" })
    );
    assert_eq!(planned(&set_text(None, None)), Ok(Step::Done(Written::default())));
}

#[test]
fn a_mutation_without_errors_is_done_and_one_that_says_nothing_is_not() {
    for (call, field) in [
        (set_level("7", "9"), "inventorySetQuantities"),
        (set_price("1", "USD"), "productVariantsBulkUpdate"),
        (set_text(Some("T"), None), "productUpdate"),
    ] {
        for body in [
            json!({ "data": { field: { "userErrors": [] } } }),
            json!({ "data": { field: { "userErrors": [] } }, "errors": [] }),
        ] {
            assert_eq!(said(&call, &body), Ok(Written::default()), "{field}");
        }
        for body in [
            json!({}),
            json!({ "data": null }),
            json!({ "data": { field: null } }),
            json!({ "data": { "x": {} } }),
        ] {
            assert!(matches!(said(&call, &body), Err(CallError::Transient { .. })), "{field} {body}");
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
        assert!(query.contains("updatedAt }"), "{query}");
        let version = |payload: Value| match said(&call, &json!({ "data": { field: payload } })) {
            Ok(Written { version, .. }) => version,
            other => panic!("{field} {other:?}"),
        };
        // The same instant as `"updated_at": "2024-07-24T07:05:37-04:00"` of a webhook.
        let at = Timestamp::parse("2024-07-24T07:05:37-04:00").unwrap();
        assert_eq!(
            version(updated(json!("2024-07-24T11:05:37Z"))),
            Some(SourceVersion::coarse(at)),
            "{field}"
        );
        for unread in [json!(null), json!("soon"), json!(7)] {
            assert_eq!(version(updated(unread.clone())), None, "{field} {unread}");
        }
        assert_eq!(version(json!({ "product": null, "userErrors": [] })), None, "{field}");
    }
}

#[test]
fn a_write_shows_what_the_platform_made_of_it() {
    let rendered = |call: &Write, field: &str, payload: Value| match said(
        call,
        &json!({ "data": { field: payload } }),
    ) {
        Ok(Written { rendered, .. }) => rendered,
        other => panic!("{other:?}"),
    };
    let product = json!({ "title": "Tea", "descriptionHtml": "<p>Black</p>\n", "updatedAt": null });
    let text = rendered(
        &set_text(Some(" Tea "), Some("Black")),
        "productUpdate",
        json!({ "product": product, "userErrors": [] }),
    );
    let expected =
        ProductText { title: Some("Tea".to_owned()), description: Some("<p>Black</p>".to_owned()) };
    assert_eq!(text, Some(MirrorValue::Text(expected)));

    let of = |gid: &str, price: &str| json!({ "id": gid, "price": price });
    let variants =
        json!([of("gid://shopify/ProductVariant/9", "1.00"), of("gid://shopify/ProductVariant/44", "19.95")]);
    let payload = json!({ "product": null, "productVariants": variants, "userErrors": [] });
    let price = rendered(&set_price("19.949", "USD"), "productVariantsBulkUpdate", payload);
    let usd = Currency::new("USD").unwrap();
    assert_eq!(price, Some(MirrorValue::Price(Money { minor: 1_995, currency: usd })));
    for unread in [json!(null), json!([]), json!([of("gid://shopify/ProductVariant/44", "soon")])] {
        let payload = json!({ "productVariants": unread, "userErrors": [] });
        assert_eq!(rendered(&set_price("1", "USD"), "productVariantsBulkUpdate", payload), None);
    }
}

#[test]
fn errors_of_the_mutation_are_distinguished_by_their_code() {
    let with = |code: Value| {
        let errors = json!([{ "code": code, "field": ["input"], "message": "about Alice's secret gift" }]);
        said(&set_level("7", "9"), &json!({ "data": { "inventorySetQuantities": { "userErrors": errors } } }))
    };
    for conflict in
        ["CHANGE_FROM_QUANTITY_STALE", "COMPARE_QUANTITY_STALE", "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"]
    {
        assert_eq!(with(json!(conflict)), Err(CallError::Conflict), "{conflict}");
    }
    assert!(matches!(with(json!("IDEMPOTENCY_CONCURRENT_REQUEST")), Err(CallError::Transient { .. })));
    for gone in ["ITEM_NOT_STOCKED_AT_LOCATION", "INVALID_INVENTORY_ITEM", "INVALID_LOCATION"] {
        assert_eq!(with(json!(gone)), Err(CallError::Gone), "{gone}");
    }
    let class = |code| match with(code) {
        Err(CallError::Rejected(reject)) => (reject.class, reject.reason),
        other => panic!("{other:?}"),
    };
    assert_eq!(class(json!("IDEMPOTENCY_KEY_PARAMETER_MISMATCH")).0, RejectClass::Bug);
    let named = class(json!("INVALID_QUANTITY_TOO_HIGH"));
    assert_eq!(
        named,
        (RejectClass::Platform, "the platform refuses the change: INVALID_QUANTITY_TOO_HIGH".to_owned())
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
        said(&set_level("7", "9"), &json!({ "errors": errors, "data": data }))
    };
    assert_eq!(with("THROTTLED"), Err(CallError::RateLimited { after: None }));
    assert!(matches!(with("INTERNAL_SERVER_ERROR"), Err(CallError::Transient { .. })));
    for (code, refusal) in
        [("ACCESS_DENIED", AccountRefusal::Unauthorized), ("SHOP_INACTIVE", AccountRefusal::Misconfigured)]
    {
        assert!(matches!(with(code), Err(CallError::AccountRefused(found, _)) if found == refusal), "{code}");
    }
    assert!(matches!(with("MAX_COST_EXCEEDED"), Err(CallError::Rejected(_))));
    let uncoded = said(&set_level("7", "9"), &json!({ "errors": "[API] Invalid API key or access token" }));
    assert!(matches!(uncoded, Err(CallError::Rejected(reject)) if !reject.reason.contains("token")));
}

#[test]
fn a_throttled_reply_says_how_long_the_bucket_takes() {
    // community.shopify.com/t/throttled/254776: the shape of a throttled reply, status 200.
    let with = |wanted: f64, available: f64, rate: f64| {
        said(
            &set_level("7", "9"),
            &json!({
                "errors": [{ "message": "Throttled", "extensions": { "code": "THROTTLED" } }],
                "extensions": { "cost": { "requestedQueryCost": wanted, "actualQueryCost": null,
                    "throttleStatus": { "maximumAvailable": 1000.0, "currentlyAvailable": available, "restoreRate": rate } } },
            }),
        )
    };
    let after = |seconds| Err(CallError::RateLimited { after: seconds });
    assert_eq!(with(752.0, 666.0, 50.0), after(Some(Duration::from_millis(1_720))));
    assert_eq!(with(10.0, 20.0, 50.0), after(Some(Duration::ZERO)));
    assert_eq!(with(1e300, 0.0, 50.0), after(None));
    assert_eq!(with(1e6, 0.0, 1.0), after(Some(Duration::from_mins(1))));
    assert_eq!(with(10.0, 0.0, 0.0), after(None));
}

#[test]
fn a_product_or_variant_that_is_missing_is_gone() {
    let missing = |code: &str| json!({ "product": null, "userErrors": [{ "code": code, "field": ["productId"], "message": "m" }] });
    for code in ["PRODUCT_DOES_NOT_EXIST", "PRODUCT_VARIANT_DOES_NOT_EXIST"] {
        let body = json!({ "data": { "productVariantsBulkUpdate": missing(code) } });
        assert_eq!(said(&set_price("1", "USD"), &body), Err(CallError::Gone), "{code}");
    }
    let update = |product: Value, field: &str| {
        let errors = json!([{ "field": [field], "message": "Product does not exist" }]);
        let body = json!({ "data": { "productUpdate": { "product": product, "userErrors": errors } } });
        said(&set_text(Some("T"), None), &body)
    };
    assert_eq!(update(json!(null), "id"), Err(CallError::Gone));
    assert!(matches!(update(json!(null), "title"), Err(CallError::Rejected(_))));
    assert!(matches!(update(json!({}), "id"), Err(CallError::Rejected(_))));
}

#[test]
fn a_status_distinguishes_the_account_from_the_value() {
    let with = |status| PLATFORM.outcome(&set_level("7", "9"), &HttpReply::new(status, b"{}"));
    for status in [401, 403] {
        let said = with(status);
        assert!(matches!(said, Err(CallError::AccountRefused(AccountRefusal::Unauthorized, _))), "{said:?}");
    }
    for status in [301, 402, 404, 423] {
        let said = with(status);
        assert!(matches!(said, Err(CallError::AccountRefused(AccountRefusal::Misconfigured, _))), "{said:?}");
    }
    for status in [408, 430, 503] {
        assert!(matches!(with(status), Err(CallError::Transient { .. })), "{status}");
    }
    assert!(matches!(with(422), Err(CallError::Rejected(_))));
}

fn level_of(item: &str) -> Write {
    let (to, from) = (Quantity::pieces(7), Quantity::pieces(9));
    Write::Level { item: id(item), location: Some(id("22")), to, from }
}

#[test]
fn several_levels_are_set_in_one_request_under_one_key() {
    let access = Access {
        base_url: "https://suite.myshopify.com".to_owned(),
        token: "token".to_owned(),
        access_token: None,
        api_version: String::new(),
        account: String::new(),
    };
    let context = CallContext { access: &access, idempotency_key: KEY, now: Timestamp::from_micros(0) };
    let writes = [level_of("11"), level_of("12")];
    let request = PLATFORM.batch(&writes, &context).unwrap();
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let items: Vec<&Value> = body["variables"]["input"]["quantities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|quantity| &quantity["inventoryItemId"])
        .collect();
    assert_eq!(items, ["gid://shopify/InventoryItem/11", "gid://shopify/InventoryItem/12"]);
    assert_eq!(body["variables"]["key"], KEY);
    let mixed = [level_of("11"), set_price("1", "USD")];
    assert!(matches!(PLATFORM.batch(&mixed, &context), Err(CallError::Rejected(_))));
}

#[test]
fn an_error_of_a_batch_is_that_of_the_level_that_it_names_or_else_of_all() {
    let writes = [level_of("11"), level_of("12"), level_of("13")];
    let results = |errors: Value| {
        let payload = json!({ "inventoryAdjustmentGroup": null, "userErrors": errors });
        let body = json!({ "data": { "inventorySetQuantities": payload } }).to_string();
        PLATFORM.outcomes(&writes, &HttpReply::new(200, body.as_bytes()))
    };
    assert_eq!(results(json!([])), [Ok(Written::default()), Ok(Written::default()), Ok(Written::default())]);
    let path = |index: &str| json!(["input", "quantities", index, "changeFromQuantity"]);
    let errors = json!([
        { "code": "CHANGE_FROM_QUANTITY_STALE", "field": path("1"), "message": "" },
        { "code": "ITEM_NOT_STOCKED_AT_LOCATION", "field": path("2"), "message": "" },
    ]);
    let named = results(errors);
    assert!(matches!(named[0], Err(CallError::Transient { .. })), "{named:?}");
    assert_eq!(named[1..], [Err(CallError::Conflict), Err(CallError::Gone)]);
    let unnamed =
        results(json!([{ "code": "IDEMPOTENCY_CONCURRENT_REQUEST", "field": null, "message": "" }]));
    assert!(unnamed.iter().all(|result| matches!(result, Err(CallError::Transient { .. }))), "{unnamed:?}");
    let limited = PLATFORM.outcomes(&writes, &HttpReply::new(429, b""));
    assert_eq!(limited, vec![Err(CallError::RateLimited { after: None }); 3]);
    let unsaid = PLATFORM.outcomes(&writes, &HttpReply::new(200, b"{\"data\":{}}"));
    assert!(unsaid.iter().all(|result| matches!(result, Err(CallError::Transient { .. }))), "{unsaid:?}");
}
