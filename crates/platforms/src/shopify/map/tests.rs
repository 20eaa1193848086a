//! Cases that the examples don't show; the conformance suite maps the examples.

use super::*;
use model::{
    ConnectionId, DeliveryId, DeliveryKind, Origin, Patch, PlatformName, Source, StoreId, TenantId,
    TraceParent,
};
use serde_json::json;

const NO_CURRENCY: MapContext = MapContext { currency: None };

fn delivery(topic: &str, headers: &[(&str, &str)], body: &Value) -> Delivery {
    let id = DeliveryId::from_bytes([7; 16]);
    Delivery {
        id,
        origin: Origin {
            tenant: TenantId::new("t").unwrap(),
            store: StoreId::new("s").unwrap(),
            connection: ConnectionId::new("c").unwrap(),
            platform: PlatformName::new("shopify").unwrap(),
        },
        kind: DeliveryKind::Platform(topic.into()),
        received_at: Timestamp::from_micros(0),
        source: Source::Webhook,
        cause: None,
        asked_by: None,
        attempt: 0,
        currency: None,
        account: None,
        headers: headers.iter().map(|&(name, value)| (name.into(), value.into())).collect(),
        trace: TraceParent::from_delivery(id),
        body: body.to_string().into_bytes().into(),
    }
}

fn mapped(topic: &str, headers: &[(&str, &str)], body: &Value) -> Result<Mapped, Reject> {
    rows(topic, headers, body)?.remove(0)
}

fn rows(topic: &str, headers: &[(&str, &str)], body: &Value) -> Result<Rows, Reject> {
    let context = MapContext { currency: Currency::new("USD").ok() };
    map(&delivery(topic, headers, body), body, context)
}

fn pointers(rows: &Rows) -> Vec<&str> {
    rows.iter().filter_map(|row| row.as_ref().err()?.pointer.as_deref()).collect()
}

fn product_of(body: &Value) -> Product {
    match mapped("products/update", &[], body).unwrap().payload {
        Payload::Product(product) => product,
        other => panic!("{other:?}"),
    }
}

fn order_of(change: &Value) -> Order {
    let mut body = json!({ "id": 1, "currency": "USD", "line_items": [] });
    body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    match mapped("orders/updated", &[], &body).unwrap().payload {
        Payload::Order(order) => order,
        other => panic!("{other:?}"),
    }
}

#[test]
fn ids_beyond_2_to_the_53_keep_every_digit() {
    for (text, exact) in
        [("9007199254740993", true), ("18446744073709551615", true), ("18446744073709551616", false)]
    {
        let body: Value = serde_json::from_str(&format!(r#"{{"id":{text}}}"#)).unwrap();
        let mapped = mapped("products/delete", &[], &body);
        let external = mapped.map(|mapped| mapped.payload.external().to_string());
        assert_eq!(external.ok().as_deref(), exact.then_some(text));
    }
    for id in [json!(0), json!(-1), json!(1.0), json!("1")] {
        let reject = mapped("products/delete", &[], &json!({ "id": id })).unwrap_err();
        assert_eq!((reject.class, reject.pointer.as_deref()), (RejectClass::Data, Some("/id")), "{id}");
    }
}

#[test]
fn a_price_without_a_currency_is_a_matter_of_configuration() {
    let body = json!({ "id": 1, "variants": [{ "id": 2 }, { "id": 3, "price": "1.00" }] });
    let rows = map(&delivery("products/update", &[], &body), &body, NO_CURRENCY).unwrap();
    assert_eq!(pointers(&rows), ["/variants/1/price"]);
    assert_eq!(rows[1].as_ref().unwrap_err().class, RejectClass::Config);
    let without = json!({ "id": 1, "variants": [{ "id": 2, "compare_at_price": null }] });
    assert!(map(&delivery("products/update", &[], &without), &without, NO_CURRENCY).unwrap()[0].is_ok());
}

#[test]
fn a_variant_that_cannot_be_read_is_rejected_alone_and_is_not_gone() {
    let body = json!({ "id": 1, "title": "Tea", "variants": [
        { "id": 2, "sku": "A" }, { "id": null, "sku": "B" }, { "id": 4, "sku": "C\u{0}D" }, 5, { "id": 6, "price": "1,5" },
    ] });
    let rows = rows("products/update", &[], &body).unwrap();
    let expected = ["/variants/1/id", "/variants/2/sku", "/variants/3", "/variants/4/price"];
    assert_eq!(pointers(&rows), expected);
    let first = rows[0].as_ref().unwrap();
    let Payload::Product(product) = &first.payload else { panic!("a product expected") };
    assert_eq!((product.variants.len(), product.variants_complete), (1, false));
    let repaired = mapped("products/update", &[], &json!({ "id": 1, "variants": [{ "id": 2 }] })).unwrap();
    assert_eq!(first.identity.len(), repaired.identity.len() + expected.len(), "re-ingested it is news");
}

#[test]
fn an_empty_text_is_nothing_whatever_the_type_of_the_field() {
    let product = product_of(&json!({ "id": 1, "variants": [
        { "id": 2, "inventory_item_id": "", "price": "", "compare_at_price": "", "sku": " ", "barcode": "\u{a0}" },
    ] }));
    let variant = &product.variants[0];
    assert_eq!(
        (&variant.item, &variant.price, &variant.compare_at_price),
        (&None, &Patch::Clear, &Patch::Clear)
    );
    assert_eq!((&variant.sku, &variant.barcode), (&Patch::Clear, &Patch::Clear));
    let order = order_of(&json!({ "total_price": "", "location_id": "", "closed_at": "", "customer": "" }));
    assert_eq!((order.total, order.location, order.closed_at, order.customer), (None, None, None, None));
}

#[test]
fn numbers_are_trimmed_and_texts_keep_their_lines() {
    let product = product_of(&json!({ "id": 1, "title": " Kit ", "body_html": "In the box:\r\n- a pot\n",
        "variants": [{ "id": 2, "sku": "SP-1 \u{a0}", "barcode": "N/A" }] }));
    assert_eq!(product.title.as_deref(), Some("Kit"));
    assert_eq!(product.description, Patch::Set("In the box:\r\n- a pot".to_owned()));
    assert_eq!(product.variants[0].sku, Patch::Set("SP-1".to_owned()));
    assert_eq!(product.variants[0].barcode, Patch::Set("N/A".to_owned()), "a placeholder is a text");
}

#[test]
fn a_variant_in_the_place_of_a_product_is_refused() {
    let mut body =
        json!({ "id": 1, "product_id": 2, "title": "Default Title", "price": "10.00", "position": 1 });
    let reject = mapped("products/update", &[], &body).unwrap_err();
    assert_eq!(reject.class, RejectClass::Schema);
    body["handle"] = "tea".into();
    assert!(mapped("products/update", &[], &body).is_ok());
}

#[test]
fn a_test_order_says_so_in_the_body_and_the_unsigned_header_counts_for_nothing() {
    assert!(order_of(&json!({ "test": true })).is_test);
    for change in [json!({ "test": false }), json!({ "test": null }), json!({})] {
        assert!(!order_of(&change).is_test, "{change}");
    }
    let body = json!({ "id": 1, "currency": "USD", "line_items": [] });
    let mapped = mapped("orders/create", &[("x-shopify-test", "true")], &body).unwrap();
    assert!(matches!(mapped.payload, Payload::Order(Order { is_test: false, .. })));
}

#[test]
fn a_line_without_a_quantity_rejects_its_order() {
    let body = json!({ "id": 1, "currency": "USD", "line_items": [{ "id": 1, "quantity": 1 }, { "id": 2, "quantity": null }] });
    let reject = mapped("orders/create", &[], &body).unwrap_err();
    assert_eq!(reject.pointer.as_deref(), Some("/line_items/1/quantity"));
}

#[test]
fn a_duty_names_whom_it_concerns_and_a_retry_is_the_same_event() {
    let shop = json!({ "shop_id": 9, "shop_domain": "s.myshopify.com", "customer": { "id": 7, "email": "a@example.com" }, "id": 9 });
    for (topic, duty, external) in [
        ("customers/redact", Duty::EraseCustomer, "7"),
        ("customers/data_request", Duty::ReportCustomer, "7"),
        ("shop/redact", Duty::EraseAccount, "9"),
        ("app/uninstalled", Duty::AccessRevoked, "9"),
    ] {
        let event = |webhook: &str| mapped(topic, &[("x-shopify-webhook-id", webhook)], &shop).unwrap();
        let Payload::Account(notice) = event("w-1").payload else { panic!("{topic}: a notice expected") };
        assert_eq!((&notice.duty, notice.external.as_str()), (&duty, external), "{topic}");
        assert_eq!(event("w-1").identity, event("w-1").identity, "{topic}");
        let is_another = event("w-1").identity != event("w-2").identity;
        assert_eq!(
            is_another,
            duty != Duty::AccessRevoked,
            "{topic}: a second request is another, a second loss has its time"
        );
    }
    let nobody =
        mapped("customers/redact", &[], &json!({ "customer": { "email": "a@example.com" } })).unwrap_err();
    assert_eq!(nobody.pointer.as_deref(), Some("/customer/id"));
}

#[test]
fn a_missing_field_stays_and_an_empty_one_is_cleared() {
    let product = product_of(
        &json!({ "id": 1, "body_html": null, "vendor": "", "variants": [{ "id": 2, "sku": "" }] }),
    );
    assert_eq!((product.title, product.tags, product.status), (None, None, None));
    assert_eq!(
        (product.description, product.vendor, product.category),
        (Patch::Clear, Patch::Clear, Patch::Keep)
    );
    let variant = product.variants.first().unwrap();
    assert_eq!((&variant.sku, &variant.barcode), (&Patch::Clear, &Patch::Keep));
    assert_eq!((&variant.price, &variant.compare_at_price), (&Patch::Keep, &Patch::Keep));
}

#[test]
fn variants_are_complete_only_if_none_of_the_list_is_missing() {
    let gid = |id: u64| json!({ "admin_graphql_api_id": format!("gid://shopify/ProductVariant/{id}") });
    let complete = |body: Value| product_of(&body).variants_complete;
    assert!(complete(
        json!({ "id": 1, "variants": [{ "id": 2 }, { "id": 3 }], "variant_gids": [gid(3), gid(2)] })
    ));
    assert!(!complete(json!({ "id": 1, "variants": [{ "id": 2 }], "variant_gids": [gid(3), gid(2)] })));
    assert!(!complete(json!({ "id": 1, "variants": [{ "id": 2 }], "variant_gids": [{}] })));
    assert!(!complete(json!({ "id": 1, "variant_gids": [] })), "variants were not reported at all");
    let many = |count: u64| (1..=count).map(|id| json!({ "id": id })).collect::<Vec<_>>();
    assert!(complete(json!({ "id": 1, "variants": many(99) })));
    assert!(!complete(json!({ "id": 1, "variants": many(100) })), "may have been cut");
}

#[test]
fn one_id_for_two_variants_is_refused() {
    let reject = mapped("products/update", &[], &json!({ "id": 1, "variants": [{ "id": 2 }, { "id": 2 }] }))
        .unwrap_err();
    assert_eq!((reject.class, reject.pointer.as_deref()), (RejectClass::Data, Some("/variants")));
}

#[test]
fn a_level_that_is_missing_is_neither_zero_nor_untracked() {
    let level = |body: Value| mapped("inventory_levels/update", &[], &body).map(|mapped| mapped.payload);
    let reported = |available| json!({ "inventory_item_id": 1, "location_id": 2, "available": available });
    assert!(level(json!({ "inventory_item_id": 1, "location_id": 2 })).is_err());
    for (available, expected) in [(json!(null), None), (json!(-3), Some("-3")), (json!(0), Some("0"))] {
        let Payload::Inventory(report) = level(reported(available)).unwrap() else { panic!("not a level") };
        assert_eq!(report.available.map(|quantity| quantity.to_string()).as_deref(), expected);
    }
    assert!(level(reported(json!(1_000_000_001))).is_err() && level(reported(json!(1.5))).is_err());
}

#[test]
fn an_order_ends_by_cancellation_by_closing_or_by_payment_and_delivery() {
    let at = "2026-07-01T10:00:00Z";
    let status = |change: Value| order_of(&change).status;
    assert_eq!(status(json!({})), OrderStatus::Open);
    assert_eq!(status(json!({ "financial_status": "paid" })), OrderStatus::Open);
    assert_eq!(status(json!({ "fulfillment_status": "fulfilled" })), OrderStatus::Open);
    for paid in ["paid", "partially_refunded", "refunded"] {
        let change = json!({ "financial_status": paid, "fulfillment_status": "fulfilled" });
        assert_eq!(status(change), OrderStatus::Completed, "{paid}");
    }
    assert_eq!(
        status(json!({ "financial_status": "pending", "fulfillment_status": "fulfilled" })),
        OrderStatus::Open
    );
    assert_eq!(
        status(json!({ "financial_status": "paid", "fulfillment_status": "partial" })),
        OrderStatus::Open
    );
    assert_eq!(status(json!({ "closed_at": at })), OrderStatus::Completed);
    assert_eq!(status(json!({ "closed_at": at, "cancelled_at": at })), OrderStatus::Cancelled);
}

#[test]
fn a_line_is_priced_in_the_shops_money_not_the_buyers() {
    let set = json!({
        "shop_money": { "amount": "10.00", "currency_code": "EUR" },
        "presentment_money": { "amount": "1700", "currency_code": "JPY" },
    });
    let line = |line: Value| order_of(&json!({ "line_items": [line] })).lines.remove(0);
    let both = line(json!({ "id": 1, "quantity": 2, "price": "11.00", "price_set": set, "sku": "" }));
    assert_eq!(both.unit_price.unwrap().to_string(), "10.00 EUR");
    assert_eq!((both.sku, both.variant), (None, None));
    let plain = line(json!({ "id": 1, "quantity": 2, "price": "11.00" }));
    assert_eq!(plain.unit_price.unwrap().to_string(), "11.00 USD");
}

#[test]
fn the_version_is_the_objects_time_or_else_that_of_the_delivery() {
    let trigger = ("x-shopify-triggered-at", "2026-07-01T10:00:01.5Z");
    let version = |headers: &[(&str, &str)], body: Value| {
        let mapped = mapped("customers/delete", headers, &body).unwrap();
        (mapped.version.map(|version| version.number.0), mapped.occurred_at.map(|time| time.to_string()))
    };
    let both = version(&[trigger], json!({ "id": 1, "updated_at": "2026-07-01T12:00:00+02:00" }));
    assert_eq!(both, (Some(1_782_900_000_000_000), Some("2026-07-01T10:00:00Z".to_owned())));
    let header = version(&[trigger], json!({ "id": 1, "updated_at": null }));
    assert_eq!(header, (Some(1_782_900_001_500_000), Some("2026-07-01T10:00:01.500Z".to_owned())));
    assert_eq!(version(&[("shopify-triggered-at", trigger.1)], json!({ "id": 1 })), header);
    assert_eq!(version(&[("x-shopify-triggered-at", "soon")], json!({ "id": 1 })), (None, None));
    let reject =
        mapped("customers/delete", &[trigger], &json!({ "id": 1, "updated_at": "soon" })).unwrap_err();
    assert_eq!((reject.class, reject.pointer.as_deref()), (RejectClass::Data, Some("/updated_at")));
}

#[test]
fn a_creation_is_the_first_state_of_its_second() {
    let version = |topic, body: Value| mapped(topic, &[], &body).unwrap().version.unwrap().number;
    let order = json!({ "id": 1, "total_price": "1.00", "currency": "USD", "created_at": "2026-07-01T10:00:00Z",
        "updated_at": "2026-07-01T10:00:00Z", "line_items": [] });
    assert!(version("orders/create", order.clone()) < version("orders/updated", order));
    let level = json!({ "inventory_item_id": 1, "location_id": 2, "available": 3,
        "updated_at": "2026-07-01T10:00:00Z" });
    assert_eq!(version("inventory_levels/connect", level.clone()), version("inventory_levels/update", level));
}

#[test]
fn a_place_that_comes_in_the_second_in_which_it_went_is_not_older() {
    let trigger = ("x-shopify-triggered-at", "2026-07-01T10:00:00.411Z");
    let went = json!({ "inventory_item_id": 1, "location_id": 2 });
    let went = mapped("inventory_levels/disconnect", &[trigger], &went).unwrap();
    let came = json!({ "inventory_item_id": 1, "location_id": 2, "available": 0, "updated_at": "2026-07-01T10:00:00Z" });
    let came = mapped("inventory_levels/connect", &[], &came).unwrap();
    assert_eq!(went.version, came.version);
}

#[test]
fn events_differ_by_object_version_and_delivery() {
    let reported = |location: u64, available: i64| json!({ "inventory_item_id": 1, "location_id": location, "available": available, "updated_at": "2026-07-01T10:00:00Z" });
    let identity = |webhook: &str, body: &Value| {
        mapped("inventory_levels/update", &[("x-shopify-webhook-id", webhook)], body).unwrap().identity
    };
    let first = identity("w-1", &reported(2, 5));
    assert_eq!(first, ["inventory", "1", "2", "2026-07-01T10:00:00Z", "w-1"]);
    assert_eq!(identity("w-1", &reported(2, 5)), first);
    assert_ne!(identity("w-2", &reported(2, 5)), first, "two changes within one second");
    assert_ne!(identity("w-1", &reported(3, 5)), first);
    let read = |body: &Value| mapped(LEVEL_READ, &[], body).unwrap().identity;
    assert_eq!(read(&reported(2, 5)), read(&reported(2, 5)));
    assert_ne!(read(&reported(2, 5)), read(&reported(2, 6)));
}

#[test]
fn a_deletion_is_never_the_event_that_came_before_it() {
    let identity = |topic: &str, body: Value| mapped(topic, &[], &body).unwrap().identity;
    assert_ne!(
        identity("products/delete", json!({ "id": 1 })),
        identity("products/update", json!({ "id": 1 }))
    );
    assert_ne!(
        identity("products/delete", json!({ "id": 1 })),
        identity("orders/delete", json!({ "id": 1 }))
    );
}
