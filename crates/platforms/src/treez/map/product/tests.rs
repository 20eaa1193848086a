use super::super::tests_delivery;
use super::*;
use model::Currency;

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
    product(&tests_delivery("PRODUCT", &body), &body, context).unwrap()
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
    // One that names no location makes the sum by location incomplete.
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
    assert_eq!(
        levels(json!({"product_status": "DELETED", "sellable_quantity": null})),
        [(None, "0".to_owned())]
    );
    let gone = mapped(json!({"product_status": "DELETED"}));
    let [level, gone] = gone.as_slice() else { panic!("a level and a deletion expected") };
    assert_eq!(level.payload.entity(), EntityKind::Inventory);
    assert_eq!(gone.action, Action::Deleted);
}

#[test]
fn a_change_is_told_apart_though_the_time_stands_still() {
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
        delivery.source = Source::Poll;
        delivery.received_at = model::Timestamp::from_micros(micros);
        product(&delivery, &body, context).unwrap().pop().unwrap().identity
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
        let mapped = product(&delivery, &body, context).unwrap();
        mapped.into_iter().filter(|mapped| mapped.payload.entity() == EntityKind::Inventory).count()
    };
    assert_eq!(levels(Source::Poll, json!({"sellable_quantity": 30.0})), 0);
    assert_eq!(levels(Source::Webhook, json!({"sellable_quantity": 30.0})), 1);
    assert_eq!(levels(Source::Poll, json!({"sellable_quantity": 29})), 1);
    assert_eq!(levels(Source::Poll, json!({"sellable_quantity": 30, "product_status": "DEACTIVATED"})), 1);
    let parts = json!([{"location_id": "a", "sellable_quantity": 40}]);
    assert_eq!(levels(Source::Poll, json!({"sellable_quantity": 30, "sellable_quantity_detail": parts})), 1);
}
