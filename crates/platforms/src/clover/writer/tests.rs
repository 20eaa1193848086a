use super::super::PLATFORM;
use super::*;
use crate::{Access, Method};
use model::{Currency, SourceVersion, Timestamp};

fn access() -> Access {
    Access {
        base_url: "https://api.clover.com".to_owned(),
        token: "token".to_owned(),
        access_token: None,
        api_version: String::new(),
        account: "M".to_owned(),
    }
}

fn level(to: &str, from: &str) -> Write {
    Write::Level {
        item: ExternalId::new("I").unwrap(),
        location: None,
        to: Quantity::parse(to).unwrap(),
        from: Quantity::parse(from).unwrap(),
    }
}

fn step(write: &Write, read: Option<&Value>) -> Result<Step, CallError> {
    let access = access();
    let context = CallContext { access: &access, idempotency_key: "key", now: Timestamp::from_micros(0) };
    let body = read.map(ToString::to_string);
    let read = body.as_ref().map(|body| HttpReply::new(200, body.as_bytes()));
    PLATFORM.step(write, &context, read.as_ref())
}

#[test]
fn a_level_is_set_only_if_it_is_the_one_that_is_replaced() {
    let write = level("160.5", "127");
    let url = "https://api.clover.com/v3/merchants/M/item_stocks/I";
    let Ok(Step::Read(read)) = step(&write, None) else { panic!("a read expected") };
    assert_eq!((read.method, &*read.url), (Method::Get, url));
    let held = json!({"item": {"id": "I"}, "stockCount": 127, "quantity": 127.0});
    let Ok(Step::Write(request)) = step(&write, Some(&held)) else { panic!("a write expected") };
    assert_eq!((request.method, &*request.url), (Method::Post, url));
    assert_eq!(request.body, r#"{"quantity":160.5}"#);
    for other in [json!(126), json!(160.5), json!(127.001)] {
        let result = step(&write, Some(&json!({"quantity": other})));
        assert_eq!(result, Err(CallError::Conflict), "{other}");
    }
}

#[test]
fn an_item_that_is_not_counted_is_no_place_for_a_level() {
    for read in [json!({"item": {"id": "I"}}), json!({"quantity": null, "stockCount": 3})] {
        assert_eq!(step(&level("3", "2"), Some(&read)), Err(CallError::Gone), "{read}");
    }
    assert!(matches!(step(&level("3", "2"), Some(&json!([]))), Err(CallError::Rejected(_))));
}

#[test]
fn a_level_may_be_negative_and_is_written_without_a_float() {
    let body = |to: &str| match step(&level(to, "1"), Some(&json!({"quantity": 1}))) {
        Ok(Step::Write(request)) => String::from_utf8(request.body.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(body("-3.25"), r#"{"quantity":-3.25}"#);
    assert_eq!(body("0"), r#"{"quantity":0}"#);
    assert_eq!(body("999999999.999"), r#"{"quantity":999999999.999}"#);
    assert!(matches!(step(&level("0.0001", "1"), None), Err(CallError::Rejected(_))));
    assert_eq!(step(&level("1", "1"), None), Ok(Step::Done(Written::default())));
}

#[test]
fn a_level_is_never_repeated_and_a_price_always_may_be() {
    let limits = |kind| PLATFORM.limits(kind).map(|limits| limits.repeatable_for);
    assert_eq!(limits(MirrorKind::Inventory), Some(Some(Duration::ZERO)));
    assert_eq!(limits(MirrorKind::Price), Some(None));
    assert_eq!(limits(MirrorKind::Product), None);
}

#[test]
fn a_price_is_set_in_minor_units_and_its_reply_shows_version_and_price() {
    let id = ExternalId::new("I").unwrap();
    let to = Money::parse("12.99", Currency::new("USD").unwrap()).unwrap();
    let write = Write::Price { product: id.clone(), variant: id, to };
    let Ok(Step::Write(request)) = step(&write, None) else { panic!("a write expected") };
    assert_eq!(request.url, "https://api.clover.com/v3/merchants/M/items/I");
    assert_eq!(request.body, r#"{"price":1299}"#);
    let reply = br#"{"id":"I","price":1299,"modifiedTime":1718153645000}"#;
    let written = PLATFORM.outcome(&write, &HttpReply::new(200, reply)).unwrap();
    assert_eq!(written.version, Some(SourceVersion::coarse(1_718_153_645_000_000)));
    assert_eq!(written.rendered, Some(MirrorValue::Price(to)));
    let written = PLATFORM.outcome(&write, &HttpReply::new(200, b"")).unwrap();
    assert_eq!(written, Written::default());
}
