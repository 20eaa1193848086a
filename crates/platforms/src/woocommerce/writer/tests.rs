use super::super::PLATFORM;
use super::*;
use crate::{Access, AccountRefusal};
use rust_decimal::Decimal;

fn access() -> Access {
    Access {
        base_url: "https://shop.example".to_owned(),
        token: "ck_1:cs_2".to_owned(),
        access_token: None,
        api_version: String::new(),
        account: "shop.example".to_owned(),
    }
}

fn id(text: &str) -> ExternalId {
    ExternalId::new(text).unwrap()
}

fn level(item: &str, from: i32, to: i32) -> Write {
    Write::Level { item: id(item), location: None, to: Quantity::pieces(to), from: Quantity::pieces(from) }
}

fn dollars(text: &str) -> Money {
    Money::parse(text, Currency::new("USD").unwrap()).unwrap()
}

fn price(product: &str, variant: &str, to: &str) -> Write {
    Write::Price { product: id(product), variant: id(variant), to: dollars(to) }
}

fn step(write: &Write, read: Option<&str>) -> Result<Step, CallError> {
    let access = access();
    let context = CallContext { access: &access, idempotency_key: "key", now: Timestamp::from_micros(0) };
    let reply = read.map(|body| HttpReply::new(200, body.as_bytes()));
    PLATFORM.step(write, &context, reply.as_ref())
}

/// Method, path and body of the request of a write.
fn written_by(write: &Write, read: Option<&str>) -> (&'static str, String, Value) {
    let Step::Write(request) = step(write, read).unwrap() else { panic!("a write expected") };
    let path = request.url.strip_prefix("https://shop.example/wp-json/wc/v3/").unwrap().to_owned();
    (request.method.as_str(), path, serde_json::from_slice(&request.body).unwrap())
}

fn outcome(write: &Write, body: &Value) -> Result<Written, CallError> {
    PLATFORM.outcome(write, &HttpReply::new(200, body.to_string().as_bytes()))
}

#[test]
fn a_level_is_changed_by_its_difference_under_its_own_path() {
    let expected = ("PUT", "products/794".to_owned(), json!({"inventory_delta": -2}));
    assert_eq!(written_by(&level("794", 10, 8), None), expected);
    let expected = ("PUT", "products/22/variations/732".to_owned(), json!({"inventory_delta": 5}));
    assert_eq!(written_by(&level("22-732", -1, 4), None), expected);
    assert_eq!(step(&level("794", 7, 7), None), Ok(Step::Done(Written::default())));
    let half = Quantity::new(Decimal::new(25, 1)).unwrap();
    let fraction = Write::Level { item: id("794"), location: None, to: Quantity::pieces(2), from: half };
    assert!(matches!(step(&fraction, None), Err(CallError::Rejected(_))));
    assert!(matches!(step(&level("22/732", 1, 2), None), Err(CallError::Rejected(_))));
}

#[test]
fn a_difference_whose_reply_was_lost_is_never_sent_again() {
    assert_eq!(PLATFORM.limits(MirrorKind::Inventory).unwrap().repeatable_for, Some(Duration::ZERO));
    for kind in [MirrorKind::Price, MirrorKind::Product] {
        assert_eq!(PLATFORM.limits(kind).unwrap().repeatable_for, None);
    }
}

#[test]
fn a_level_of_a_product_that_counts_none_was_not_changed() {
    let write = level("794", 10, 8);
    let shown = |manage_stock: Value| json!({"id": 794, "manage_stock": manage_stock, "stock_quantity": 8, "date_modified_gmt": "2026-11-01T10:00:00"});
    let written = outcome(&write, &shown(json!(true))).unwrap();
    assert_eq!(
        written.version,
        Some(SourceVersion::coarse(Timestamp::parse("2026-11-01T10:00:00Z").unwrap()))
    );
    for other in [json!(false), json!("parent"), json!(null)] {
        assert_eq!(outcome(&write, &shown(other.clone())), Err(CallError::Gone), "{other}");
    }
    for body in [json!({}), json!([]), json!({"id": 795, "manage_stock": true}), json!({"id": "794"})] {
        assert!(matches!(outcome(&write, &body), Err(CallError::Transient { .. })), "{body}");
    }
}

#[test]
fn a_price_is_read_first_and_keeps_a_sale_that_it_is_below_of() {
    let write = price("22", "732", "8.00");
    let Step::Read(request) = step(&write, None).unwrap() else { panic!("a read expected") };
    assert!(request.url.ends_with("products/22/variations/732"), "{}", request.url);
    let with = |price: &str, regular: &str, on_sale: bool| {
        json!({"id": 732, "price": price, "regular_price": regular, "on_sale": on_sale}).to_string()
    };
    let body = |read: String| written_by(&write, Some(&read)).2;
    assert_eq!(body(with("9.00", "9.00", false)), json!({"regular_price": "8.00"}));
    assert_eq!(body(with("7.00", "9.00", true)), json!({"sale_price": "8.00"}));
    assert_eq!(body(with("7.00", "7.50", true)), json!({"regular_price": "8.00", "sale_price": ""}));
    assert_eq!(body(with("", "", false)), json!({"regular_price": "8.00"}));
    assert!(matches!(step(&write, Some(&with("8.00", "9.00", true))), Ok(Step::Done(_))));
    assert!(matches!(step(&price("22", "732", "-1"), None), Err(CallError::Rejected(_))));
}

#[test]
fn a_price_is_reported_as_the_shop_shows_it() {
    let shown = json!({"id": 794, "price": "8", "date_modified_gmt": "2026-11-01T10:00:00"});
    let written = outcome(&price("794", "794", "8.00"), &shown).unwrap();
    assert_eq!(written.rendered, Some(MirrorValue::Price(dollars("8.00"))));
    assert!(written.version.is_some());
    let of_variation = outcome(&price("22", "794", "8.00"), &shown).unwrap();
    assert_eq!(of_variation.version, None, "its report has none either");
}

#[test]
fn a_text_is_sent_as_it_is_and_recognized_as_it_is_shown() {
    let text = |title: Option<&str>, description: Option<&str>| Write::Text {
        product: id("794"),
        to: ProductText { title: title.map(str::to_owned), description: description.map(str::to_owned) },
    };
    let write = text(Some("Tea & Co"), Some("Fine.\n\nVery\ngreen."));
    let expected = json!({"name": "Tea & Co", "description": "Fine.\n\nVery\ngreen."});
    assert_eq!(written_by(&write, None), ("PUT", "products/794".to_owned(), expected));
    let reply = json!({"id": 794, "name": "Tea &amp; Co", "description": "Fine.\r\n\r\nVery\r\ngreen."});
    let shown = ProductText {
        title: Some("Tea & Co".to_owned()),
        description: Some(spaced("<p>Fine.</p>\n<p>Very<br />\ngreen.</p>\n")),
    };
    assert_eq!(outcome(&write, &reply).unwrap().rendered, Some(MirrorValue::Text(shown)));
    assert_eq!(paragraphs("<p>Fine.</p>"), "<p>Fine.</p>");
    assert_eq!(paragraphs(""), "");
    assert!(matches!(step(&text(Some(""), None), None), Err(CallError::Rejected(_))));
    assert_eq!(step(&text(None, None), None), Ok(Step::Done(Written::default())));
}

#[test]
fn a_batch_is_of_one_collection_and_each_object_has_its_own_result() {
    let access = access();
    let context = CallContext { access: &access, idempotency_key: "key", now: Timestamp::from_micros(0) };
    let writes =
        [level("22-732", 10, 8), level("22-733", 1, 4), level("22-734", 2, 3), level("22-735", 2, 1)];
    let request = PLATFORM.batch(&writes, &context).unwrap();
    assert!(request.url.ends_with("products/22/variations/batch"), "{}", request.url);
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["update"][0], json!({"id": 732, "inventory_delta": -2}));
    let mixed = [level("22-732", 10, 8), level("794", 10, 8)];
    assert!(matches!(PLATFORM.batch(&mixed, &context), Err(CallError::Rejected(_))));
    let reply = json!({"update": [
        {"id": 733, "error": {"code": "woocommerce_rest_product_variation_invalid_id", "data": {"status": 400}}},
        {"id": 732, "manage_stock": true},
        {"id": 734, "error": {"code": "woocommerce_rest_cannot_edit", "data": {"status": 401}}},
    ]});
    let outcomes = PLATFORM.outcomes(&writes, &HttpReply::new(200, reply.to_string().as_bytes()));
    assert_eq!((outcomes[0].is_ok(), &outcomes[1]), (true, &Err(CallError::Gone)));
    assert!(matches!(outcomes[2], Err(CallError::Rejected(_))), "{:?}", outcomes[2]);
    assert!(matches!(outcomes[3], Err(CallError::Transient { .. })), "{:?}", outcomes[3]);
    let refused = PLATFORM.outcomes(&writes, &HttpReply::new(401, b"{}"));
    let is_refused = |it: &Result<Written, CallError>| {
        matches!(it, Err(CallError::AccountRefused(AccountRefusal::Unauthorized, _)))
    };
    assert!(refused.len() == writes.len() && refused.iter().all(is_refused));
}
