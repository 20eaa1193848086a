//! Cases that the examples don't show; the conformance suite maps the examples.

use super::*;
use model::{
    ConnectionId, Currency, DeliveryId, DeliveryKind, Order, OrderLine, OrderStatus, Origin, PlatformName,
    Product, ProductStatus, StoreId, TenantId, TraceParent,
};
use serde_json::json;

const AT: &str = "2026-11-01T10:00:00";

fn delivery(topic: &str, source: Source, body: &Value) -> Delivery {
    let id = DeliveryId::from_bytes([7; 16]);
    let origin = Origin {
        tenant: TenantId::new("t").unwrap(),
        store: StoreId::new("s").unwrap(),
        connection: ConnectionId::new("c").unwrap(),
        platform: PlatformName::new("woocommerce").unwrap(),
    };
    Delivery {
        id,
        origin,
        kind: DeliveryKind::Platform(topic.into()),
        received_at: Timestamp::from_micros(0),
        source,
        cause: None,
        asked_by: None,
        attempt: 0,
        currency: None,
        account: None,
        headers: Vec::new(),
        trace: TraceParent::from_delivery(id),
        body: body.to_string().into_bytes().into(),
    }
}

fn dollars() -> MapContext {
    MapContext { currency: Some(Currency::new("USD").unwrap()) }
}

fn rows(topic: &str, body: &Value) -> Rows {
    map(&delivery(topic, Source::Webhook, body), body, dollars()).unwrap()
}

fn changed(mut body: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else { panic!("fields expected") };
    body.as_object_mut().unwrap().extend(changes);
    body
}

fn simple(changes: Value) -> Value {
    let body = json!({"id": 794, "type": "simple", "status": "publish", "name": "Tea", "sku": "T-1", "price": "9.50",
        "regular_price": "9.50", "on_sale": false, "manage_stock": true, "stock_quantity": 10, "date_modified_gmt": AT,
        "variations": []});
    changed(body, changes)
}

fn product_of(changes: Value) -> Product {
    match rows("product.updated", &simple(changes)).remove(0).unwrap().payload {
        Payload::Product(product) => product,
        other => panic!("a product expected: {other:?}"),
    }
}

fn level_of(changes: Value) -> Result<Option<String>, Reject> {
    match rows("product.updated", &simple(changes)).remove(1)?.payload {
        Payload::Inventory(report) => Ok(report.available.map(|quantity| quantity.to_string())),
        other => panic!("a level expected: {other:?}"),
    }
}

#[test]
fn stock_that_is_not_counted_is_unknown_and_never_zero() {
    let level = |manage_stock: Value, stock_quantity: Value| {
        level_of(json!({"manage_stock": manage_stock, "stock_quantity": stock_quantity})).unwrap()
    };
    assert_eq!(level(json!(true), json!(0)).as_deref(), Some("0"));
    assert_eq!(level(json!(true), json!(-2)).as_deref(), Some("-2"));
    assert_eq!(level(json!(true), json!(2.5)).as_deref(), Some("2.5"));
    assert_eq!(level(json!(true), json!(0.1 + 0.2)).as_deref(), Some("0.3"));
    for (manage_stock, stock_quantity) in [
        (json!(false), json!(null)),
        (json!(false), json!(7)),
        (json!(true), json!(null)),
        (json!("parent"), json!(40)),
        (json!(null), json!(7)),
    ] {
        assert_eq!(level(manage_stock.clone(), stock_quantity), None, "{manage_stock}");
    }
    assert_eq!(level_of(json!({"stock_quantity": "many"})).unwrap_err().pointer.unwrap(), "/stock_quantity");
}

#[test]
fn a_reduced_price_is_the_price_and_the_regular_one_is_the_former() {
    let prices = |price: &str, regular: &str, on_sale: bool| {
        let changes = json!({"price": price, "regular_price": regular, "on_sale": on_sale});
        let variant = product_of(changes).variants.remove(0);
        let shown = |patch: Patch<model::Money>| match patch {
            Patch::Set(money) => money.to_string(),
            other => format!("{other:?}"),
        };
        (shown(variant.price), shown(variant.compare_at_price))
    };
    let pair = |price: &str, former: &str| (price.to_owned(), former.to_owned());
    assert_eq!(prices("8.00", "9.50", true), pair("8.00 USD", "9.50 USD"));
    assert_eq!(prices("9.50", "9.50", false), pair("9.50 USD", "Clear"));
    assert_eq!(prices("9.50", "12", false), pair("9.50 USD", "Clear"));
    assert_eq!(prices("", "", false), pair("Clear", "Clear"));
    assert_eq!(prices("0", "9.50", true), pair("0.00 USD", "9.50 USD"));
}

#[test]
fn a_product_and_its_level_are_rejected_by_themselves() {
    let rejected = rows("product.updated", &simple(json!({"price": "1,50"})));
    assert_eq!(rejected[0].as_ref().unwrap_err().pointer.as_deref(), Some("/price"));
    assert!(rejected[1].is_ok());
    let without_currency = MapContext { currency: None };
    let body = simple(json!({}));
    let rejected =
        map(&delivery("product.updated", Source::Webhook, &body), &body, without_currency).unwrap();
    assert_eq!(rejected[0].as_ref().unwrap_err().class, RejectClass::Config);
    assert!(rejected[1].is_ok());
}

#[test]
fn statuses_of_posts_are_understood_and_those_of_plugins_are_unknown() {
    for (status, expected) in [
        ("publish", Some(ProductStatus::Active)),
        ("draft", Some(ProductStatus::Draft)),
        ("pending", Some(ProductStatus::Draft)),
        ("private", Some(ProductStatus::Archived)),
        ("discontinued", None),
    ] {
        assert_eq!(product_of(json!({"status": status})).status, expected, "{status}");
    }
}

#[test]
fn a_product_in_the_trash_is_gone_whatever_topic_reports_it() {
    let mut trashed = rows("product.updated", &simple(json!({"status": "trash"})));
    let (level, gone) = (trashed.remove(0).unwrap(), trashed.remove(0).unwrap());
    assert!(matches!(level.payload, Payload::Inventory(report) if report.available.is_none()));
    assert_eq!((gone.action, gone.payload.entity()), (Action::Deleted, EntityKind::Product));
    let variable = rows("product.updated", &simple(json!({"status": "trash", "type": "variable"})));
    assert_eq!(variable.len(), 1);
}

#[test]
fn kinds_of_products_differ_in_what_they_hold() {
    assert_eq!(rows("product.updated", &simple(json!({"type": "grouped"}))), Vec::new());
    for kind in ["variable", "variable-subscription"] {
        let [Ok(mapped)] = &rows("product.updated", &simple(json!({"type": kind})))[..] else {
            panic!("{kind}")
        };
        let Payload::Product(product) = &mapped.payload else { panic!("{kind}") };
        assert!(product.variants.is_empty() && !product.variants_complete, "{kind}");
    }
    for kind in ["external", "subscription"] {
        assert_eq!(rows("product.updated", &simple(json!({"type": kind}))).len(), 2, "{kind}");
    }
    let variation = simple(json!({"type": "variation", "parent_id": 22, "id": 732}));
    let [Ok(mapped)] = &rows("product.updated", &variation)[..] else { panic!("the level alone expected") };
    assert_eq!(mapped.payload.external().as_str(), "22-732");
}

#[test]
fn one_state_is_one_event_and_each_save_another() {
    let identities = |topic: &str, changes: Value| -> Vec<Vec<String>> {
        let mapped = rows(topic, &simple(changes)).into_iter().map(Result::unwrap);
        mapped.map(|mapped| mapped.identity).collect()
    };
    let first = identities("product.updated", json!({}));
    // The list of related products is drawn anew for each payload.
    assert_eq!(identities("product.created", json!({"related_ids": [4, 7], "_links": {}})), first);
    assert_eq!(identities("product.read", json!({})), first);
    let saved = identities("product.updated", json!({"date_modified_gmt": "2026-11-01T10:00:01"}));
    assert!(saved.iter().zip(&first).all(|(saved, first)| saved != first));
    let sold = identities("product.updated", json!({"stock_quantity": 9}));
    assert_eq!((sold[0] == first[0], sold[1] == first[1]), (true, false));
    // A mirror waits for this very reading.
    let body = simple(json!({}));
    let read = map(&delivery("product.read", Source::ReadBack, &body), &body, dollars()).unwrap();
    assert!(
        read.into_iter().map(|row| row.unwrap().identity).zip(&first).all(|(read, first)| read != *first)
    );
}

#[test]
fn times_name_no_zone_and_are_utc() {
    let at = |text: Value| {
        let changes = json!({"date_modified_gmt": text, "date_created_gmt": null});
        rows("product.updated", &simple(changes)).remove(0).map(|mapped| mapped.occurred_at)
    };
    let instant = Timestamp::parse("2026-11-01T10:00:00Z").unwrap();
    for text in [AT, "2026-11-01T10:00:00Z", "2026-11-01T07:00:00-03:00"] {
        assert_eq!(at(json!(text)), Ok(Some(instant)), "{text}");
    }
    for nothing in [json!(null), json!(""), json!("0000-00-00T00:00:00")] {
        assert_eq!(at(nothing.clone()), Ok(None), "{nothing}");
    }
    let body = simple(json!({"date_modified_gmt": "yesterday"}));
    let reject = map(&delivery("product.updated", Source::Webhook, &body), &body, dollars()).unwrap_err();
    assert_eq!(reject.pointer.as_deref(), Some("/date_modified_gmt"));
}

#[test]
fn the_version_is_coarse_and_a_part_of_a_product_has_none() {
    let mapped = rows("product.updated", &simple(json!({})));
    assert!(mapped.iter().all(|row| row.as_ref().unwrap().version.unwrap().is_coarse()));
    let read = changed(simple(json!({"type": "variation", "parent_id": 22})), json!({"id": 732}));
    let mapped = rows("variation.read", &read);
    let versions: Vec<_> = mapped.iter().map(|row| row.as_ref().unwrap().version.is_some()).collect();
    assert_eq!(versions, [false, true]);
}

fn listed(id: u64, changes: Value) -> Value {
    let row = json!({"id": id, "sku": format!("S-{id}"), "price": "5", "regular_price": "5", "manage_stock": true,
        "stock_quantity": 3, "attributes": [{"option": "Black"}, {"option": "M &amp; L"}], "date_modified_gmt": AT});
    changed(row, changes)
}

#[test]
fn a_page_of_variations_keeps_its_good_rows_and_is_complete_only_with_all_of_them() {
    let page = |variations: Value| {
        json!({"parent_id": 22, "parent_sku": "SHIP", "is_complete": true, "variations": variations,
            "date_modified_gmt": AT})
    };
    let product = |rows: &Rows| match &rows[0].as_ref().unwrap().payload {
        Payload::Product(product) => product.clone(),
        other => panic!("a product expected: {other:?}"),
    };
    let whole =
        rows("variations.read", &page(json!([listed(1, json!({})), listed(2, json!({"sku": "SHIP"}))])));
    let held = product(&whole);
    let late =
        page(json!([listed(1, json!({})), listed(2, json!({"date_modified_gmt": "2026-11-01T10:00:09"}))]));
    let at = rows("variations.read", &late).remove(0).unwrap().occurred_at;
    assert_eq!(
        at,
        Some(Timestamp::parse("2026-11-01T10:00:09Z").unwrap()),
        "a price may be later than its product"
    );
    assert!(held.variants_complete && whole.len() == 3);
    assert_eq!(held.variants[0].title.as_deref(), Some("Black, M & L"));
    assert_eq!(held.variants[0].sku, Patch::Set("S-1".to_owned()));
    assert_eq!(held.variants[1].sku, Patch::Clear, "the number of the product is none of the variation's");
    let torn =
        rows("variations.read", &page(json!([listed(1, json!({"price": "x"})), 7, listed(2, json!({}))])));
    assert_eq!((product(&torn).variants.len(), product(&torn).variants_complete), (1, false));
    let pointers: Vec<_> = torn.iter().filter_map(|row| row.as_ref().err()?.pointer.clone()).collect();
    assert_eq!(pointers, ["/variations/0/price", "/variations/1"]);
    let twice = page(json!([listed(1, json!({})), listed(1, json!({}))]));
    assert!(map(&delivery("variations.read", Source::Fetch, &twice), &twice, dollars()).is_err());
}

#[test]
fn a_deletion_may_be_repeated_unless_it_is_a_customers() {
    let identity = |topic: &str, header: &str| {
        let body = json!({"id": 794});
        let mut delivery = delivery(topic, Source::Webhook, &body);
        delivery.headers.push((DELIVERY_ID.into(), header.into()));
        map(&delivery, &body, dollars()).unwrap().remove(0).unwrap().identity
    };
    for topic in ["product.deleted", "order.deleted"] {
        assert_eq!(identity(topic, "d1"), identity(topic, "d1"));
        assert_ne!(identity(topic, "d1"), identity(topic, "d2"), "{topic}");
    }
    assert_eq!(identity("customer.deleted", "d1"), identity("customer.deleted", "d2"));
}

fn order_of(changes: Value) -> Result<Order, Reject> {
    let body = json!({"id": 727, "number": "727", "status": "processing", "currency": "USD", "total": "29.35",
        "total_tax": "1.35", "discount_total": "0.00", "customer_id": 0, "date_modified_gmt": AT, "line_items": []});
    let body = changed(body, changes);
    match map(&delivery("order.updated", Source::Webhook, &body), &body, dollars())?.remove(0)?.payload {
        Payload::Order(order) => Ok(order),
        other => panic!("an order expected: {other:?}"),
    }
}

#[test]
fn an_order_ends_when_the_merchant_ends_it() {
    let status = |status: &str, completed: Value| {
        order_of(json!({"status": status, "date_completed_gmt": completed})).unwrap().status
    };
    for open in ["pending", "processing", "on-hold", "awaiting-pickup", "Completed"] {
        assert_eq!(status(open, json!(null)), OrderStatus::Open, "{open}");
    }
    for cancelled in ["cancelled", "failed", "refunded"] {
        assert_eq!(status(cancelled, json!(null)), OrderStatus::Cancelled, "{cancelled}");
    }
    for completed in ["completed", "refunded"] {
        assert_eq!(status(completed, json!(AT)), OrderStatus::Completed, "{completed}");
    }
}

#[test]
fn a_cart_is_no_order_yet_and_an_order_in_the_trash_is_gone() {
    let body = |status: &str| json!({"id": 7, "status": status, "line_items": [], "date_modified_gmt": AT});
    assert_eq!(rows("order.created", &body("checkout-draft")), Vec::new());
    let gone = rows("order.updated", &body("trash")).remove(0).unwrap();
    assert!(matches!(gone.payload, Payload::Deleted { entity: EntityKind::Order, .. }));
}

#[test]
fn a_guest_is_no_customer_and_a_line_is_of_a_variation_or_of_a_product() {
    assert_eq!(order_of(json!({})).unwrap().customer, None);
    assert_eq!(order_of(json!({"customer_id": 25})).unwrap().customer.unwrap().as_str(), "25");
    let line = |product: u64, variation: u64| {
        let line = json!({"id": 1, "product_id": product, "variation_id": variation, "quantity": 1.5, "price": 3.333_333,
            "total": "5.00", "sku": "A &amp; B", "name": "Tea &ndash; 100 g"});
        order_of(json!({"line_items": [line]})).unwrap().lines.remove(0)
    };
    let of = |line: OrderLine| line.variant.map(|variant| variant.to_string());
    assert_eq!(of(line(22, 732)).as_deref(), Some("732"));
    assert_eq!(of(line(93, 0)).as_deref(), Some("93"));
    assert_eq!(of(line(0, 0)), None);
    let shown = line(93, 0);
    assert_eq!((shown.title.as_deref(), shown.sku.as_deref()), (Some("Tea – 100 g"), Some("A & B")));
    assert_eq!((shown.quantity.to_string(), shown.unit_price.unwrap().minor), ("1.5".to_owned(), 333));
    let reject = order_of(json!({"line_items": [{"id": 1}]})).unwrap_err();
    assert_eq!(reject.pointer.as_deref(), Some("/line_items/0/quantity"));
}
