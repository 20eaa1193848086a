use super::{super::PLATFORM, *};
use crate::{Access, HttpRequest, Method};
use model::{SourceVersion, Timestamp};

const READ: &str = r#"{"object":{"type":"ITEM_VARIATION","id":"V","version":7,"custom_attribute_values":{"a":{"n":1.5}},
    "item_variation_data":{"item_id":"I","pricing_type":"FIXED_PRICING","sku":"S",
    "price_money":{"amount":150,"currency":"USD"},"location_overrides":[{"location_id":"L","sold_out":true}]}}}"#;

fn id(text: &str) -> ExternalId {
    ExternalId::new(text).unwrap()
}

fn run(call: &Write, read: Option<&str>) -> Result<Step, CallError> {
    let access = Access {
        base_url: "https://square.example".to_owned(),
        token: "token".to_owned(),
        access_token: None,
        api_version: "2024-01-18".to_owned(),
        account: String::new(),
    };
    let now = Timestamp::parse("2025-01-02T03:04:05Z").unwrap();
    let context = CallContext { access: &access, idempotency_key: "write-1", now };
    let reply = read.map(|body| HttpReply::new(200, body.as_bytes()));
    PLATFORM.step(call, &context, reply.as_ref())
}

fn written(call: &Write, read: Option<&str>) -> (HttpRequest, Value) {
    let Step::Write(request) = run(call, read).unwrap() else { panic!("a write is expected") };
    let body = serde_json::from_slice(&request.body).unwrap();
    (request, body)
}

fn level(to: &str, from: &str) -> Write {
    let quantity = |text| Quantity::parse(text).unwrap();
    Write::Level { item: id("V"), location: Some(id("L")), to: quantity(to), from: quantity(from) }
}

fn rejected(call: &Write, read: Option<&str>) -> RejectClass {
    match run(call, read) {
        Err(CallError::Rejected(reject)) => reject.class,
        other => panic!("{other:?}"),
    }
}

fn usd(minor: i64) -> MirrorValue {
    MirrorValue::Price(Money { minor, currency: Currency::new("USD").unwrap() })
}

fn price(minor: i64) -> Write {
    let to = Money { minor, currency: Currency::new("USD").unwrap() };
    Write::Price { product: id("I"), variant: id("V"), to }
}

#[test]
fn a_level_moves_by_the_difference() {
    let cases = [("12", "9.5", "NONE", "IN_STOCK", "2.5"), ("7", "9.5", "IN_STOCK", "SOLD", "2.5")];
    for (to, from, before, after, quantity) in cases {
        let (request, body) = written(&level(to, from), None);
        assert_eq!(request.url, "https://square.example/v2/inventory/changes/batch-create");
        let adjustment = json!({"catalog_object_id": "V", "location_id": "L", "from_state": before,
            "to_state": after, "quantity": quantity, "occurred_at": "2025-01-02T03:04:05Z", "reference_id": "write-1"});
        let expected = json!({"idempotency_key": "write-1", "ignore_unchanged_counts": true,
            "changes": [{"type": "ADJUSTMENT", "adjustment": adjustment}]});
        assert_eq!(body, expected);
    }
    assert_eq!(run(&level("9.50", "9.5"), None), Ok(Step::Done(Written::default())));
}

#[test]
fn what_square_cannot_count_is_refused_before_it_is_sent() {
    let (to, from) = (Quantity::ZERO, Quantity::pieces(1));
    let nowhere = Write::Level { item: id("V"), location: None, to, from };
    assert_eq!(
        rejected(&nowhere, None),
        RejectClass::Config,
        "a matter of this location, not of the account"
    );
    assert_eq!(rejected(&level("0.000001", "0"), None), RejectClass::Data);
    assert_eq!(PLATFORM.limits(MirrorKind::Inventory).unwrap().quantity_decimals, 5);
}

#[test]
fn a_price_is_written_into_the_whole_object() {
    let Step::Read(read) = run(&price(199), None).unwrap() else { panic!("a read is expected") };
    assert_eq!((read.method, &*read.url), (Method::Get, "https://square.example/v2/catalog/object/V"));
    assert!(read.headers.contains(&("square-version", "2024-01-18".to_owned())));

    let (request, body) = written(&price(199), Some(READ));
    assert_eq!(request.url, "https://square.example/v2/catalog/object");
    let mut expected: Value = serde_json::from_str(READ).unwrap();
    expected["object"]["item_variation_data"]["price_money"]["amount"] = 199.into();
    assert_eq!(body["object"], expected["object"]);
    assert_eq!(body["idempotency_key"], "write-1-7");
}

#[test]
fn a_price_that_stands_there_already_is_not_written() {
    let done = Written { version: Some(SourceVersion::exact(7)), rendered: Some(usd(150)) };
    assert_eq!(run(&price(150), Some(READ)), Ok(Step::Done(done)));
}

/// The reply in the specification of `UpsertCatalogObject` (`api.json` @5733f662), shortened to the relevant fields.
#[test]
fn a_write_says_which_version_and_value_it_made_as_the_report_of_it_will() {
    let said = |call: &Write, body: &Value| {
        PLATFORM.outcome(call, &HttpReply::new(200, body.to_string().as_bytes()))
    };
    let text = Write::Text { product: id("I"), to: ProductText::default() };
    let done =
        |version: i64, rendered| Ok(Written { version: Some(SourceVersion::exact(version)), rendered });
    let cocoa = || {
        let title = Some("Cocoa".to_owned());
        Some(MirrorValue::Text(ProductText { title, description: Some("<p>Hot</p>".to_owned()) }))
    };
    let variation = json!({"type": "ITEM_VARIATION", "id": "NS77DKEIQ3AEQTCP727DSA7U", "version": 1_623_685_899_021_i64,
        "updated_at": "2021-06-14T15:51:39.021Z", "item_variation_data": {"item_id": "R2TA2FOBUGCJZNIWJSOSNAI4",
        "name": "Large", "ordinal": 1, "pricing_type": "FIXED_PRICING", "price_money": {"amount": 400, "currency": "USD"}}});
    let item = json!({"type": "ITEM", "id": "R2TA2FOBUGCJZNIWJSOSNAI4", "version": 1_623_685_899_021_i64,
        "updated_at": "2021-06-14T15:51:39.021Z", "item_data": {"name": " Cocoa", "description_html": "<p>Hot</p>\n", "description": "Hot",
        "variations": [variation]}});
    assert_eq!(
        said(&text, &json!({"catalog_object": item, "id_mappings": []})),
        done(1_623_685_899_021, cocoa())
    );
    let priced = said(&price(400), &json!({"catalog_object": variation}));
    assert_eq!(priced, done(1_623_685_899_021, Some(usd(400))));
    // A report of the item has the newest version among it and its variations.
    let mut older = item;
    older["version"] = 5.into();
    assert_eq!(said(&text, &json!({"catalog_object": older})), done(1_623_685_899_021, cocoa()));
    for body in [json!({}), json!({"catalog_object": null}), json!({"catalog_object": {"id": "I"}})] {
        assert_eq!(said(&price(400), &body), Ok(Written::default()), "{body}");
    }
    assert_eq!(
        said(&level("7", "6"), &json!({"counts": [], "catalog_object": older})),
        Ok(Written::default())
    );
}

#[test]
fn a_price_asked_at_the_till_becomes_a_fixed_one() {
    let read = r#"{"object":{"version":7,"item_variation_data":{"pricing_type":"VARIABLE_PRICING"}}}"#;
    let (_, body) = written(&price(150), Some(read));
    let expected =
        json!({"pricing_type": "FIXED_PRICING", "price_money": {"amount": 150, "currency": "USD"}});
    assert_eq!(body["object"]["item_variation_data"], expected);
}

#[test]
fn a_text_replaces_only_what_was_said() {
    let read = r#"{"object":{"type":"ITEM","id":"I","version":9,"item_data":{"name":"Tea","description":"Old",
        "description_html":"<p>Old</p>","description_plaintext":"Old","tax_ids":["T"],"variations":[{"id":"V","version":3}]}}}"#;
    let text = |title: Option<&str>, description: Option<&str>| Write::Text {
        product: id("I"),
        to: ProductText { title: title.map(str::to_owned), description: description.map(str::to_owned) },
    };
    let (_, body) = written(&text(Some("Green tea"), None), Some(read));
    assert_eq!(body["object"]["item_data"]["name"], "Green tea");
    assert_eq!(body["object"]["item_data"]["description_html"], "<p>Old</p>");
    let (_, body) = written(&text(None, Some("New")), Some(read));
    let expected = json!({"name": "Tea", "description_html": "New", "tax_ids": ["T"],
        "variations": [{"id": "V", "version": 3}]});
    assert_eq!(body["object"]["item_data"], expected);
    let held = run(&text(Some("Tea"), Some("<p>Old</p>")), Some(read));
    let shown = ProductText { title: Some("Tea".to_owned()), description: Some("<p>Old</p>".to_owned()) };
    let done = Written { version: Some(SourceVersion::exact(9)), rendered: Some(MirrorValue::Text(shown)) };
    assert_eq!(held, Ok(Step::Done(done)));
    assert_eq!(rejected(&text(Some(""), None), Some(read)), RejectClass::Data);
}

#[test]
fn an_object_that_cannot_be_written_back_is_refused_and_a_deleted_one_is_gone() {
    let deleted = r#"{"object":{"version":7,"is_deleted":true,"item_variation_data":{}}}"#;
    assert_eq!(run(&price(1), Some(deleted)), Err(CallError::Gone));
    for read in ["", "{}", r#"{"object":{}}"#, r#"{"object":{"version":7}}"#] {
        assert_eq!(rejected(&price(1), Some(read)), RejectClass::Platform, "{read}");
    }
}
