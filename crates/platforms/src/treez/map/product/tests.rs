use super::super::tests_delivery;
use super::*;
use crate::Mapped;
use model::{Currency, EntityKind, Quantity, Source, StockedAt};
use serde_json::Value;

fn body(changes: Value) -> Value {
    let mut data = json!({"product_id": "p-1", "product_status": "ACTIVE",
        "last_updated_at": "2025-07-29T12:47:37.316-07:00", "sellable_quantity": 12, "category_type": "FLOWER",
        "product_configurable_fields": {"name": "Blue Dream", "brand": "ACME", "amount": 3.5},
        "pricing": {"price_type": "FLAT", "price_sell": 35.0, "discounted_price": 28.0}});
    if let Value::Object(changes) = changes {
        data.as_object_mut().unwrap().extend(changes);
    }
    json!({"event_type": "PRODUCT", "data": data})
}

fn mapped(changes: Value) -> Vec<Mapped> {
    let body = body(changes);
    let context = MapContext { currency: Some(Currency::new("USD").unwrap()) };
    read(&tests_delivery("PRODUCT", &body), &body, context).into_iter().map(Result::unwrap).collect()
}

fn read(delivery: &Delivery, body: &Value, context: MapContext) -> Rows {
    let root = Object::root(body).unwrap();
    let data = root.required_object("data").unwrap();
    product(delivery, &data, context).unwrap()
}

fn rows(changes: Value) -> Rows {
    let body = body(changes);
    read(&tests_delivery("PRODUCT", &body), &body, MapContext { currency: Currency::new("USD").ok() })
}

/// The complete list of locations, if one is reported.
fn stocked(changes: Value) -> Option<Vec<String>> {
    let list = |mapped: Mapped| match mapped.payload {
        Payload::Stocked(StockedAt { locations, .. }) => {
            Some(locations.iter().map(ToString::to_string).collect())
        }
        _ => None,
    };
    mapped(changes).into_iter().find_map(list)
}

fn described(changes: Value) -> Product {
    let found = mapped(changes).into_iter().find_map(|mapped| match mapped.payload {
        Payload::Product(product) => Some(product),
        _ => None,
    });
    found.unwrap()
}

fn levels(changes: Value) -> Vec<(Option<String>, String)> {
    let level = |mapped: Mapped| match mapped.payload {
        Payload::Inventory(report) => {
            assert_eq!(mapped.version, None, "no version moves with stock");
            Some((report.location.map(|id| id.to_string()), report.available.unwrap().to_string()))
        }
        _ => None,
    };
    mapped(changes).into_iter().filter_map(level).collect()
}

#[test]
fn a_product_has_one_variant_of_the_same_id() {
    let product = described(json!({}));
    let [variant] = product.variants.as_slice() else { panic!("one variant expected") };
    assert_eq!((variant.external.as_str(), variant.item.as_ref()), ("p-1", Some(&variant.external)));
    assert_eq!(variant.price.set().unwrap().to_string(), "35.00 USD");
    assert_eq!(product.vendor, Patch::Set("ACME".to_owned()));
    assert_eq!(product.description, Patch::Keep);
    assert!(product.variants_complete);
}

#[test]
fn a_list_for_levels_says_nothing_of_the_product() {
    let stock = |changes: Value| {
        let body = body(changes);
        let root = Object::root(&body).unwrap();
        let data = root.required_object("data").unwrap();
        let delivery = Delivery { source: Source::Fetch, ..tests_delivery("PRODUCT_STOCK", &body) };
        stock(&delivery, &data).unwrap().into_iter().map(|row| row.unwrap().payload).collect::<Vec<_>>()
    };
    let quantity = |payloads: &[Payload]| match payloads {
        [Payload::Inventory(level)] => level.available.map(|level| level.to_string()),
        other => panic!("one level expected: {other:?}"),
    };
    assert_eq!(quantity(&stock(json!({}))), Some("12".to_owned()));
    assert_eq!(quantity(&stock(json!({"product_status": "DEACTIVATED"}))), Some("0".to_owned()));
    assert_eq!(stock(json!({"sellable_quantity": 30})), [], "the list's limit means this or more");
    let deleted = stock(json!({"product_status": "DELETED"}));
    assert!(matches!(&deleted[..], [Payload::Stocked(stocked)] if stocked.locations.is_empty()));
}

#[test]
fn two_products_of_one_number_stay_two() {
    // Two webhooks that create a product at once make two of them: whoever links by the number sees both.
    let barcodes = json!([{"sku": "S-1", "type": "USER_DEFINED"}]);
    let one = described(json!({"product_barcodes": barcodes}));
    let other = described(json!({"product_id": "p-2", "product_barcodes": barcodes}));
    assert_ne!(one.external, other.external);
    assert_eq!(
        (&one.variants[0].sku, &other.variants[0].sku),
        (&Patch::Set("S-1".to_owned()), &Patch::Set("S-1".to_owned()))
    );
}

#[test]
fn a_price_by_tier_is_no_price() {
    let price = |pricing: Value| described(json!({ "pricing": pricing })).variants[0].price.clone();
    assert_eq!(price(json!({"price_type": "TIER", "price_sell": null})), Patch::Clear);
    assert_eq!(price(json!({"price_type": "TIER", "price_sell": 5})), Patch::Clear);
    assert_eq!(price(json!({"price_type": "FLAT"})), Patch::Keep);
    assert_eq!(price(json!(null)), Patch::Keep);
    assert_eq!(price(json!({"price_sell": "18.306636"})).set().unwrap().minor, 1_831);
}

#[test]
fn only_a_single_number_of_the_merchants_own_is_the_sku() {
    let variant = |barcodes: Value| described(json!({ "product_barcodes": barcodes })).variants[0].clone();
    let own = |sku: &str| json!({"sku": sku, "type": "USER_DEFINED"});
    let made = json!({"sku": "G-1", "type": "GENERATED"});
    let one = variant(json!([made, own("S-1")]));
    assert_eq!(one.sku, Patch::Set("S-1".to_owned()));
    assert_eq!(one.barcode, Patch::Set("G-1".to_owned()));
    assert_eq!(variant(json!([own("S-1"), own("S-2")])).sku, Patch::Keep);
    assert_eq!(variant(json!([made])).sku, Patch::Keep);
    assert_eq!(variant(json!([])).barcode, Patch::Keep);
}

#[test]
fn tags_are_written_small_and_once() {
    let tags = |attributes: Value| described(json!({ "attributes": attributes })).tags;
    let both = json!({"general": ["Indoor", "HAPPY"], "effects": ["Happy"], "flavors": null});
    assert_eq!(tags(both), Some(vec!["indoor".to_owned(), "happy".to_owned()]));
    assert_eq!(tags(json!({"general": [], "effects": null})), Some(Vec::new()));
    assert_eq!(tags(json!({"general": null, "effects": null})), None);
}

#[test]
fn levels_of_a_location_are_summed_over_kinds_of_inventory() {
    let part = |location: Value, amount: Value| json!({"location_id": location, "sellable_quantity": amount});
    let named =
        json!([part(json!("a"), json!(1.5)), part(json!("b"), json!("2")), part(json!("a"), json!(3))]);
    let expected = [(Some("a".to_owned()), "4.5".to_owned()), (Some("b".to_owned()), "2".to_owned())];
    assert_eq!(levels(json!({ "sellable_quantity_detail": named })), expected);
    // A part without a location makes the sum by location incomplete.
    for detail in [json!([part(json!("a"), json!(1)), part(json!(null), json!(2))]), json!([]), json!(null)] {
        assert_eq!(levels(json!({ "sellable_quantity_detail": detail })), [(None, "12".to_owned())]);
    }
}

#[test]
fn an_unknown_level_is_not_zero() {
    assert_eq!(levels(json!({"sellable_quantity": null})), []);
    assert_eq!(levels(json!({"sellable_quantity": 0})), [(None, "0".to_owned())]);
}

#[test]
fn what_is_switched_off_or_gone_has_nothing_to_sell() {
    assert_eq!(described(json!({"product_status": "DEACTIVATED"})).status, Some(ProductStatus::Archived));
    assert_eq!(levels(json!({"product_status": "DEACTIVATED"})), [(None, "0".to_owned())]);
    assert_eq!(stocked(json!({"product_status": "DELETED", "sellable_quantity": null})), Some(Vec::new()));
    let gone = mapped(json!({"product_status": "DELETED"}));
    let [nowhere, gone] = gone.as_slice() else { panic!("a list of locations and a deletion expected") };
    assert_eq!(nowhere.payload.entity(), EntityKind::Inventory);
    assert_eq!(gone.action, Action::Deleted);
}

#[test]
fn a_change_is_distinguished_though_the_time_stands_still() {
    let identities = |changes| mapped(changes).into_iter().map(|mapped| mapped.identity).collect::<Vec<_>>();
    let [before, sold] = [json!({}), json!({"sellable_quantity": 11})].map(identities);
    assert_eq!(before[0], sold[0], "the product is the same");
    assert_ne!(before[1], sold[1], "the level is another");
    let cheaper = identities(json!({"pricing": {"price_sell": 30}}));
    assert_ne!(before[0], cheaper[0]);
    assert_eq!(before, identities(json!({})));
}

#[test]
fn every_reading_of_ours_is_news_though_nothing_moved() {
    let body = body(json!({}));
    let context = MapContext { currency: Some(Currency::new("USD").unwrap()) };
    let read_at = |micros| {
        let mut delivery = tests_delivery("PRODUCT", &body);
        delivery.source = Source::Fetch;
        delivery.received_at = model::Timestamp::from_micros(micros);
        read(&delivery, &body, context).pop().unwrap().unwrap().identity
    };
    assert_eq!(read_at(1), read_at(1));
    assert_ne!(read_at(1), read_at(2));
}

#[test]
fn a_listed_level_at_the_limit_of_lists_is_unknown() {
    let context = MapContext { currency: Some(Currency::new("USD").unwrap()) };
    let levels = |source, changes: Value| {
        let body = body(changes);
        let mut delivery = tests_delivery("PRODUCT", &body);
        delivery.source = source;
        let mapped = read(&delivery, &body, context).into_iter().map(Result::unwrap);
        mapped.filter(|mapped| mapped.payload.entity() == EntityKind::Inventory).count()
    };
    assert_eq!(levels(Source::Fetch, json!({"sellable_quantity": 30.0})), 0);
    assert_eq!(levels(Source::Webhook, json!({"sellable_quantity": 30.0})), 1);
    assert_eq!(levels(Source::Fetch, json!({"sellable_quantity": 29})), 1);
    assert_eq!(levels(Source::Fetch, json!({"sellable_quantity": 30, "product_status": "DEACTIVATED"})), 1);
    let parts = json!([{"location_id": "a", "sellable_quantity": 40}]);
    assert_eq!(levels(Source::Fetch, json!({"sellable_quantity": 30, "sellable_quantity_detail": parts})), 1);
}

#[test]
fn locations_that_sum_up_to_the_whole_are_all_there_are() {
    let part = |location: &str, amount: Value| json!({"location_id": location, "sellable_quantity": amount});
    let detail =
        |total: Value, parts: Value| json!({"sellable_quantity": total, "sellable_quantity_detail": parts});
    let both = json!([part("a", json!(1.5)), part("b", json!("2"))]);
    assert_eq!(stocked(detail(json!(3.5), both.clone())), Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(stocked(detail(json!(4), both.clone())), None, "something is missing");
    assert_eq!(stocked(detail(json!(null), both)), None);
    assert_eq!(stocked(detail(json!(1), json!([part("a", json!(1)), part("b", json!(null))]))), None);
    assert_eq!(stocked(detail(json!(0), json!([]))), Some(Vec::new()), "sold out everywhere");
    assert_eq!(stocked(detail(json!(0), json!(null))), None, "no list at all");
    let last = mapped(detail(json!(1), json!([part("a", json!(1))]))).pop().unwrap();
    assert!(matches!(last.payload, Payload::Stocked(_)), "the list comes after its levels");
}

#[test]
fn a_bad_row_leaves_the_others_as_they_are() {
    let part = |location: &str, amount: Value| json!({"location_id": location, "sellable_quantity": amount});
    let parts =
        json!([part("a", json!(1)), part("b", json!("some")), part("c", json!(null)), part("d", json!(2))]);
    let reported = rows(json!({"sellable_quantity_detail": parts, "category_type": "FL\u{0}"}));
    let pointers: Vec<_> = reported.iter().filter_map(|row| row.as_ref().err()?.pointer.clone()).collect();
    assert_eq!(pointers, ["/data/category_type", "/data/sellable_quantity_detail/1/sellable_quantity"]);
    let locations: Vec<_> = reported
        .iter()
        .flatten()
        .filter_map(|mapped| match &mapped.payload {
            Payload::Inventory(report) => report.location.as_ref().map(ToString::to_string),
            _ => None,
        })
        .collect();
    assert_eq!(locations, ["a", "d"], "an unknown level is not zero");
}

#[test]
fn a_level_that_comes_back_counts_and_a_retry_does_not() {
    let level = |quantity: i32, received: &str| {
        let body = body(json!({ "sellable_quantity": quantity }));
        let mut delivery = tests_delivery("PRODUCT", &body);
        delivery.received_at = model::Timestamp::parse(received).unwrap();
        let context = MapContext { currency: Currency::new("USD").ok() };
        let reported = read(&delivery, &body, context).into_iter().flatten();
        let mapped =
            reported.filter(|mapped| matches!(mapped.payload, Payload::Inventory(_))).last().unwrap();
        assert!(
            matches!(&mapped.payload, Payload::Inventory(report) if report.available == Some(Quantity::pieces(quantity)))
        );
        mapped.identity
    };
    let first = level(9, "2026-07-01T10:00:01Z");
    assert_eq!(first, level(9, "2026-07-01T10:00:31Z"), "a retry");
    assert_ne!(first, level(11, "2026-07-01T10:05:00Z"));
    assert_ne!(first, level(9, "2026-07-01T10:12:00Z"), "it is 9 again");
}

#[test]
fn a_status_that_nobody_documents_is_refused_and_takes_no_stock_away() {
    let body = body(json!({"product_status": "PAUSED"}));
    let root = Object::root(&body).unwrap();
    let data = root.required_object("data").unwrap();
    let reject =
        product(&tests_delivery("PRODUCT", &body), &data, MapContext { currency: None }).unwrap_err();
    assert_eq!(reject.pointer.as_deref(), Some("/data/product_status"));
}
