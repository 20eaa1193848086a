use super::super::tests_delivery;
use super::*;
use model::{Currency, Timestamp};
use serde_json::Value;
use stage::RejectClass;

fn body(changes: Value) -> Value {
    let mut body = json!({"productId": 171_097, "sku": "BGC-35", "productName": "BG Chem-3.5g", "description": "A flower.",
        "masterCategory": "Flower", "category": "Buds", "brandName": "ACME", "isActive": true, "isCoupon": false,
        "price": 50.0, "recPrice": 50.0, "medPrice": 45.0, "isMedicalOnly": false, "upc": null, "pricingTierData": null,
        "pricingTierName": null, "tags": [], "lastModifiedDateUTC": "2021-01-05T14:22:10.12"});
    if let Value::Object(changes) = changes {
        body.as_object_mut().unwrap().extend(changes);
    }
    body
}

fn rows(changes: Value) -> Rows {
    let body = body(changes);
    let context = MapContext { currency: Some(Currency::new("USD").unwrap()) };
    product(&tests_delivery("product", &body), &Object::root(&body).unwrap(), context).unwrap()
}

fn mapped(changes: Value) -> Mapped {
    rows(changes).pop().unwrap().unwrap()
}

fn described(changes: Value) -> Product {
    let Payload::Product(product) = mapped(changes).payload else { panic!("a product expected") };
    product
}

#[test]
fn a_product_has_one_variant_of_the_same_id() {
    let product = described(json!({}));
    let [variant] = product.variants.as_slice() else { panic!("one variant expected") };
    assert_eq!((variant.external.as_str(), variant.item.as_ref()), ("171097", Some(&variant.external)));
    assert_eq!((&variant.sku, &variant.barcode), (&Patch::Set("BGC-35".to_owned()), &Patch::Clear));
    assert_eq!(variant.price.set().unwrap().to_string(), "50.00 USD");
    assert_eq!(
        (product.title.as_deref(), product.status),
        (Some("BG Chem-3.5g"), Some(ProductStatus::Active))
    );
    assert_eq!(product.vendor, Patch::Set("ACME".to_owned()));
    assert!(product.variants_complete);
}

#[test]
fn an_inactive_product_is_archived_and_a_coupon_is_none() {
    assert_eq!(described(json!({"isActive": false})).status, Some(ProductStatus::Archived));
    assert_eq!(described(json!({"isActive": null})).status, None);
    assert_eq!(rows(json!({"isCoupon": true})), Vec::new());
}

#[test]
fn the_price_is_that_of_everybody_who_may_buy() {
    let price = |changes: Value| match &described(changes).variants[0].price {
        Patch::Set(price) => price.to_string(),
        other => format!("{other:?}"),
    };
    assert_eq!(price(json!({"price": 16.033})), "16.03 USD");
    assert_eq!(price(json!({"price": null, "recPrice": "18.306636"})), "18.31 USD");
    assert_eq!(price(json!({"isMedicalOnly": true})), "45.00 USD");
    assert_eq!(price(json!({"isMedicalOnly": true, "medPrice": null})), "50.00 USD");
    assert_eq!(price(json!({"price": null, "recPrice": null})), "Clear");
    let mut unpriced = body(json!({}));
    for key in ["price", "recPrice"] {
        unpriced.as_object_mut().unwrap().remove(key);
    }
    let rows = product(
        &tests_delivery("product", &unpriced),
        &Object::root(&unpriced).unwrap(),
        MapContext { currency: None },
    );
    let Payload::Product(product) = rows.unwrap().pop().unwrap().unwrap().payload else {
        panic!("a product")
    };
    assert_eq!(product.variants[0].price, Patch::Keep);
}

#[test]
fn a_price_by_tier_is_no_price() {
    let tier = json!([{"startWeight": 0, "endWeight": 3.5, "price": 12.0, "medicalPrice": 10.0}]);
    for changes in [json!({ "pricingTierData": tier }), json!({"pricingTierName": "Top shelf"})] {
        assert_eq!(described(changes).variants[0].price, Patch::Clear);
    }
    let none = json!({"pricingTierName": "N/A", "pricingTierData": []});
    assert_eq!(described(none).variants[0].price.set().unwrap().minor, 5_000);
}

#[test]
fn an_amount_without_a_currency_is_an_error_of_the_set_up() {
    let body = body(json!({}));
    let context = MapContext { currency: None };
    let rows = product(&tests_delivery("product", &body), &Object::root(&body).unwrap(), context).unwrap();
    assert_eq!(rows[0].as_ref().unwrap_err().class, RejectClass::Config);
}

#[test]
fn placeholders_and_nulls_are_empty_and_missing_is_unsaid() {
    let product =
        described(json!({"brandName": "N/A", "description": null, "category": "n/a", "tags": null}));
    assert_eq!((product.vendor, product.description), (Patch::Clear, Patch::Clear));
    assert_eq!(product.category, Patch::Set("Flower".to_owned()));
    assert_eq!(product.tags, None);
    let tags = json!([{"tagName": "Indoor"}, {"tagName": null}, {"tagName": "Indoor"}, {"tagName": "New"}]);
    assert_eq!(described(json!({ "tags": tags })).tags, Some(vec!["Indoor".to_owned(), "New".to_owned()]));
}

#[test]
fn a_change_has_the_time_of_the_last_change_and_its_content() {
    let identity = |changes: Value| mapped(changes).identity;
    assert_eq!(identity(json!({})), identity(json!({})));
    assert_ne!(identity(json!({})), identity(json!({"price": 51.0})));
    assert_ne!(identity(json!({})), identity(json!({"lastModifiedDateUTC": "2021-01-05T14:22:11"})));
    let at = Timestamp::parse("2021-01-05T14:22:10.12Z").unwrap();
    assert_eq!(mapped(json!({})).version, Some(SourceVersion::exact(at)));
    for none in [json!(null), json!("2000-01-01T00:00:00")] {
        assert_eq!(mapped(json!({ "lastModifiedDateUTC": none })).version, None);
    }
}
