use super::super::tests_delivery;
use super::*;
use serde_json::Value;

fn body(changes: Value) -> Value {
    let mut product = json!({"id": "p-1", "modified": 1_718_900_000_123_u64, "deleted": false, "active": true,
        "sku": "BD35", "name": "Blue Dream 3.5g", "category": {"name": "Flower"}, "brand": {"name": "ACME"},
        "unitPrice": 35.0, "quantities": [{"inventoryId": "front", "quantity": 7.0}]});
    if let Value::Object(changes) = changes {
        product.as_object_mut().unwrap().extend(changes);
    }
    product
}

fn rows(changes: Value) -> Rows {
    let body = body(changes);
    let context = MapContext { currency: Some(Currency::new("USD").unwrap()) };
    product(&tests_delivery("product", &body), &Object::root(&body).unwrap(), context).unwrap()
}

fn described(changes: Value) -> Product {
    let first = rows(changes).into_iter().next().unwrap().unwrap();
    let Payload::Product(product) = first.payload else { panic!("a product expected") };
    product
}

/// Price and former price in cents.
fn prices(changes: Value) -> (Option<i64>, Option<i64>) {
    let product = described(changes);
    let minor = |amount: &Patch<Money>| amount.set().map(|amount| amount.minor);
    (minor(&product.variants[0].price), minor(&product.variants[0].compare_at_price))
}

#[test]
fn a_product_has_one_variant_of_the_same_id_and_is_its_own_item() {
    let product = described(json!({}));
    let [variant] = product.variants.as_slice() else { panic!("one variant expected") };
    assert_eq!((variant.external.as_str(), variant.item.as_ref()), ("p-1", Some(&variant.external)));
    assert_eq!(variant.sku, Patch::Set("BD35".to_owned()));
    assert_eq!(product.vendor, Patch::Set("ACME".to_owned()));
    assert_eq!(product.category, Patch::Set("Flower".to_owned()));
    assert_eq!((product.status, product.variants_complete), (Some(ProductStatus::Active), true));
}

#[test]
fn null_is_none_and_missing_is_unsaid() {
    let cleared =
        described(json!({"brand": null, "category": null, "description": null, "sku": "", "tags": null}));
    assert_eq!((cleared.vendor, cleared.category), (Patch::Clear, Patch::Clear));
    assert_eq!((cleared.description, &cleared.variants[0].sku), (Patch::Clear, &Patch::Clear));
    assert_eq!(cleared.tags, None, "null doesn't say that there are none");
    let nothing = json!({"id": "p-1", "modified": 1});
    let context = MapContext { currency: None };
    let unsaid =
        product(&tests_delivery("product", &nothing), &Object::root(&nothing).unwrap(), context).unwrap();
    let [Ok(Mapped { payload: Payload::Product(unsaid), .. })] = unsaid.as_slice() else {
        panic!("a product without levels expected")
    };
    assert_eq!((&unsaid.vendor, &unsaid.category, unsaid.status), (&Patch::Keep, &Patch::Keep, None));
    let variant = &unsaid.variants[0];
    assert_eq!(
        (&variant.sku, &variant.price, &variant.compare_at_price),
        (&Patch::Keep, &Patch::Keep, &Patch::Keep)
    );
    assert_eq!(described(json!({"brand": {"name": null}})).vendor, Patch::Clear);
}

#[test]
fn the_price_is_that_of_one_unit_and_zero_is_none() {
    let one =
        |price: Value, sale: Value| json!({"quantity": 1, "price": price, "salePrice": sale, "active": true});
    for (name, changes, expected) in [
        ("a unit price", json!({}), (Some(3_500), None)),
        ("digits of a float", json!({"unitPrice": 18.3}), (Some(1_830), None)),
        ("a text", json!({"unitPrice": "18.306636"}), (Some(1_831), None)),
        ("zero", json!({"unitPrice": 0.0}), (None, None)),
        ("null", json!({"unitPrice": null}), (None, None)),
        ("below zero", json!({"unitPrice": -1}), (None, None)),
        (
            "a break without a sale",
            json!({"priceBreaks": [one(json!(35), json!(null))]}),
            (Some(3_500), None),
        ),
        ("a sale of zero", json!({"priceBreaks": [one(json!(35), json!(0))]}), (Some(3_500), None)),
        ("a sale", json!({"priceBreaks": [one(json!(35), json!(28))]}), (Some(2_800), Some(3_500))),
        (
            "a sale of another price",
            json!({"priceBreaks": [one(json!(30), json!(28))]}),
            (Some(2_800), Some(3_000)),
        ),
        ("a sale above the price", json!({"priceBreaks": [one(json!(35), json!(36))]}), (Some(3_600), None)),
        (
            "a sale and no price",
            json!({"unitPrice": 0, "priceBreaks": [one(json!(0), json!(28))]}),
            (Some(2_800), None),
        ),
        (
            "a break and no unit price",
            json!({"unitPrice": 0, "priceBreaks": [one(json!(35), json!(null))]}),
            (Some(3_500), None),
        ),
        (
            "the break of two units",
            json!({"priceBreaks": [{"quantity": 2, "price": 60, "salePrice": 50, "active": true}]}),
            (Some(3_500), None),
        ),
        (
            "a break that isn't active",
            json!({"priceBreaks": [{"quantity": 1, "price": 35, "salePrice": 28, "active": false}]}),
            (Some(3_500), None),
        ),
        (
            "prices by weight",
            json!({"unitPrice": 0.0, "priceRanges": [{"price": 35.0, "salePrice": 28.0}]}),
            (None, None),
        ),
    ] {
        assert_eq!(prices(changes), expected, "{name}");
    }
}

#[test]
fn a_price_without_a_currency_rejects_the_product_and_no_level() {
    let body = body(json!({}));
    let context = MapContext { currency: None };
    let rows = product(&tests_delivery("product", &body), &Object::root(&body).unwrap(), context).unwrap();
    assert_eq!(rows[0].as_ref().unwrap_err().class, RejectClass::Config);
    assert!(rows[1].is_ok());
}

#[test]
fn tags_are_trimmed_and_named_once() {
    let tags = |value: Value| described(json!({ "tags": value })).tags;
    assert_eq!(tags(json!([" Indoor", "Indoor", ""])), Some(vec!["Indoor".to_owned()]));
    assert_eq!(tags(json!([])), Some(Vec::new()));
    assert!(rows(json!({"tags": [7]}))[0].is_err());
}

#[test]
fn what_is_not_active_is_archived_with_a_level_of_zero() {
    let rows = rows(json!({"active": false}));
    let [
        Ok(Mapped { payload: Payload::Product(product), .. }),
        Ok(Mapped { payload: Payload::Inventory(level), .. }),
    ] = rows.as_slice()
    else {
        panic!("a product and a level expected")
    };
    assert_eq!(product.status, Some(ProductStatus::Archived));
    assert!(level.available.unwrap().is_zero());
}

#[test]
fn a_deleted_product_is_nowhere_and_then_gone() {
    let rows = rows(json!({"deleted": true}));
    let [Ok(first), Ok(second)] = rows.as_slice() else { panic!("two events expected") };
    assert!(matches!(&first.payload, Payload::Stocked(stocked) if stocked.locations.is_empty()));
    assert_eq!(second.action, Action::Deleted);
    assert_eq!(second.version, Some(SourceVersion::exact(Timestamp::from_micros(1_718_900_000_123_000))));
}

#[test]
fn a_read_for_levels_says_nothing_of_the_product() {
    let read = |changes: Value| {
        let body = body(changes);
        stock(&tests_delivery("product.stock", &body), &Object::root(&body).unwrap()).unwrap()
    };
    let [Ok(Mapped { payload: Payload::Inventory(level), .. })] = &read(json!({}))[..] else {
        panic!("one level expected")
    };
    assert_eq!(level.available.unwrap().to_string(), "7");
    let [Ok(Mapped { payload: Payload::Inventory(level), .. })] = &read(json!({"active": false}))[..] else {
        panic!("one level expected")
    };
    assert!(level.available.unwrap().is_zero());
    assert!(matches!(&read(json!({"deleted": true}))[..], [Ok(Mapped { payload: Payload::Stocked(_), .. })]));
}

#[test]
fn another_name_of_the_brand_is_another_event_of_the_same_version() {
    let first = |changes: Value| rows(changes).into_iter().next().unwrap().unwrap();
    let (before, after) = (first(json!({})), first(json!({"brand": {"name": "Other"}})));
    assert_eq!(before.version, after.version);
    assert_ne!(before.identity, after.identity);
}
