use super::*;
use model::Currency;
use serde_json::{Value, json};

const NO_CURRENCY: MapContext = MapContext { currency: None };

fn mapped(changes: Value) -> Result<Mapped, Reject> {
    let mut body = json!({"id": "O", "currency": "USD", "total": 1545, "state": "locked", "paymentState": "PAID",
        "testMode": false, "createdTime": 1_546_559_371_000_i64, "clientCreatedTime": 1_546_559_370_000_i64,
        "modifiedTime": 1_546_559_372_000_i64});
    if let Value::Object(changes) = changes {
        body.as_object_mut().unwrap().extend(changes);
    }
    order(&Object::root(&body).unwrap(), NO_CURRENCY)
}

fn order_of(changes: Value) -> Order {
    let Payload::Order(order) = mapped(changes).unwrap().payload else { panic!("an order expected") };
    order
}

#[test]
fn an_order_is_placed_when_the_device_made_it() {
    let order = order_of(json!({"employee": {"id": "E"}, "customers": {"elements": [{"id": "C"}]}}));
    assert_eq!(order.placed_at.unwrap().to_string(), "2019-01-03T23:49:30Z");
    assert_eq!(order.total.unwrap().to_string(), "15.45 USD");
    assert_eq!((order.employee.unwrap().as_str(), order.customer.unwrap().as_str()), ("E", "C"));
    let mapped = mapped(json!({"clientCreatedTime": null})).unwrap();
    assert_eq!(mapped.version, Some(SourceVersion::coarse(1_546_559_372_000_000)));
    let Payload::Order(order) = mapped.payload else { panic!("an order expected") };
    assert_eq!(order.placed_at.unwrap().to_string(), "2019-01-03T23:49:31Z");
}

#[test]
fn the_payments_decide_whatever_the_state_says() {
    for (payment_state, expected) in [
        (json!("PAID"), OrderStatus::Completed),
        (json!("REFUNDED"), OrderStatus::Completed),
        (json!("PARTIALLY_REFUNDED"), OrderStatus::Completed),
        (json!("CREDITED"), OrderStatus::Completed),
        (json!("OPEN"), OrderStatus::Open),
        (json!("PARTIALLY_PAID"), OrderStatus::Open),
        (json!("SOMETHING NEW"), OrderStatus::Open),
        (json!(null), OrderStatus::Open),
    ] {
        for state in [json!(null), json!("open"), json!("OPEN"), json!("locked"), json!("table 7")] {
            let order = order_of(json!({"state": state, "paymentState": payment_state}));
            assert_eq!(order.status, expected, "{payment_state} {state}");
        }
    }
}

#[test]
fn a_test_order_is_marked() {
    assert!(order_of(json!({"testMode": true})).is_test);
    assert!(!order_of(json!({"testMode": null})).is_test);
}

#[test]
fn a_line_is_one_piece_or_so_many_thousandths_of_a_unit() {
    let elements = json!([
        {"id": "1", "item": {"id": "I"}, "name": "Steak", "price": 1295},
        {"id": "2", "item": {"id": "I"}, "name": "Steak", "price": 1295},
        {"id": "3", "name": "By hand", "price": 250},
        {"id": "4", "item": {"id": "W"}, "name": "Beans", "price": 800, "unitQty": 1500, "unitName": "kg"},
    ]);
    let order = order_of(json!({"lineItems": {"elements": elements}}));
    let lines: Vec<_> = order
        .lines
        .iter()
        .map(|line| (line.variant.as_ref().map_or("", ExternalId::as_str), line.quantity.to_string()))
        .collect();
    let expected =
        [("I", "1"), ("I", "1"), ("", "1"), ("W", "1.5")].map(|(id, count)| (id, count.to_owned()));
    assert_eq!(lines, expected);
    assert_eq!(order.lines[3].unit_price.unwrap().minor, 800);
    assert_eq!(order.lines[3].total, None);
}

#[test]
fn lines_that_may_be_cut_off_are_not_taken_for_all() {
    let lines = |count: usize| {
        let elements: Vec<Value> = (0..count).map(|n| json!({"id": n.to_string(), "price": 1})).collect();
        mapped(json!({"lineItems": {"elements": elements}}))
    };
    assert!(lines(99).is_ok());
    let reject = lines(100).unwrap_err();
    assert_eq!(reject.class, RejectClass::Platform);
    assert_eq!(reject.pointer.as_deref(), Some("/lineItems/elements"));
}

#[test]
fn the_tax_is_that_of_the_payments_that_succeeded() {
    let tax = |elements: Value| order_of(json!({"payments": {"elements": elements}})).tax;
    let paid = json!([{"amount": 1000, "taxAmount": 80, "tipAmount": 100, "result": "SUCCESS"},
        {"amount": 545, "taxAmount": 20}, {"amount": 545, "taxAmount": 20, "result": "FAIL"}]);
    assert_eq!(tax(paid).unwrap().to_string(), "1.00 USD");
    assert_eq!(tax(json!([{"amount": 1000, "taxAmount": 80}, {"amount": 5}])), None);
    assert_eq!(tax(json!([])), None);
    let beyond = json!({"payments": {"elements": [{"taxAmount": i64::MAX}, {"taxAmount": 1}]}});
    assert_eq!(mapped(beyond).unwrap_err().class, RejectClass::Data);
}

#[test]
fn an_order_without_a_currency_has_the_connections() {
    let body = json!({"id": "O", "total": 5});
    let with = |currency| order(&Object::root(&body).unwrap(), MapContext { currency });
    assert_eq!(with(None).unwrap_err().class, RejectClass::Config);
    assert!(with(Currency::new("CAD").ok()).is_ok());
}

#[test]
fn a_deleted_order_is_gone_under_either_name_of_the_time() {
    for name in ["deletedTime", "deletedTimestamp"] {
        let mapped = mapped(json!({name: 1_546_559_373_000_i64})).unwrap();
        assert!(matches!(mapped.payload, Payload::Deleted { entity: EntityKind::Order, .. }), "{name}");
        assert_eq!(mapped.version, Some(SourceVersion::coarse(1_546_559_373_000_000)), "{name}");
    }
}
