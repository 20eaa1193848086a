use super::*;
use model::{Currency, SourceVersion};
use serde_json::Value;
use stage::RejectClass;

const DOLLARS: fn() -> MapContext = || MapContext { currency: Some(Currency::new("USD").unwrap()) };

fn rows(changes: Value) -> Rows {
    let mut body = json!({"id": "I", "name": "Craft Beer", "sku": "SKU-1", "code": "0246", "price": 1099,
        "priceType": "FIXED", "modifiedTime": 1_718_153_645_000_i64, "itemStock": {"quantity": 12}});
    if let Value::Object(changes) = changes {
        body.as_object_mut().unwrap().extend(changes);
    }
    item(&Object::root(&body).unwrap(), DOLLARS()).unwrap()
}

fn product_of(changes: Value) -> Product {
    let Payload::Product(product) = rows(changes).remove(0).unwrap().payload else { panic!("a product") };
    product
}

fn level_of(changes: Value) -> Option<String> {
    let Payload::Inventory(report) = rows(changes).remove(1).unwrap().payload else { panic!("a level") };
    assert_eq!((report.item.as_str(), report.location), ("I", None));
    report.available.map(|available| available.to_string())
}

#[test]
fn an_item_is_a_product_with_one_variant_that_is_counted_itself() {
    let options = json!({"elements": [{"id": "a", "name": "Red"}, {"id": "b", "name": "Large"}]});
    let categories = json!({"elements": [{"id": "c", "name": "Drinks"}, {"id": "d", "name": "Beer"}]});
    let group = json!({"id": "G", "name": "Beers"});
    let product = product_of(json!({"options": options, "categories": categories, "itemGroup": group}));
    assert_eq!((product.external.as_str(), product.title.as_deref()), ("I", Some("Craft Beer")));
    assert_eq!(product.category, Patch::Set("Drinks".to_owned()));
    let [variant] = product.variants.as_slice() else { panic!("one variant expected") };
    assert_eq!((variant.external.as_str(), variant.item.as_ref().unwrap().as_str()), ("I", "I"));
    assert_eq!(variant.title.as_deref(), Some("Red / Large"));
    assert_eq!(variant.sku, Patch::Set("SKU-1".to_owned()));
    assert_eq!(variant.price.set().unwrap().to_string(), "10.99 USD");
}

#[test]
fn a_price_that_the_till_asks_for_is_no_price() {
    let price = |changes| product_of(changes).variants[0].price.clone();
    assert_eq!(price(json!({"priceType": "VARIABLE", "price": 0})), Patch::Clear);
    assert_eq!(price(json!({"price": null})), Patch::Clear);
    assert!(price(json!({"priceType": "PER_UNIT"})).set().is_some());
    assert!(price(json!({"price": 0})).set().is_some(), "a gift costs nothing");
}

#[test]
fn a_stock_may_be_a_fraction_or_negative_and_none_is_unknown() {
    let stock = |stock: Value| level_of(json!({"itemStock": stock}));
    assert_eq!(stock(json!({"quantity": 2.5, "stockCount": 3})).as_deref(), Some("2.5"));
    assert_eq!(stock(json!({"quantity": -4})).as_deref(), Some("-4"));
    assert_eq!(stock(json!({"quantity": 0})).as_deref(), Some("0"));
    assert_eq!(stock(json!({"stockCount": 3})), None);
    assert_eq!((stock(json!({})), stock(json!(null))), (None, None));
    assert_eq!(level_of(json!({"stockCount": 0, "itemStock": null})), None);
}

#[test]
fn a_level_has_no_version_and_a_product_a_coarse_one() {
    let rows = rows(json!({}));
    assert_eq!(rows[0].as_ref().unwrap().version, Some(SourceVersion::coarse(1_718_153_645_000_000)));
    assert_eq!(rows[1].as_ref().unwrap().version, None);
}

#[test]
fn two_states_of_one_millisecond_are_two_events() {
    let identity = |changes| rows(changes).remove(0).unwrap().identity;
    assert_eq!(identity(json!({})), identity(json!({})));
    assert_ne!(identity(json!({})), identity(json!({"price": 1100})));
}

#[test]
fn a_deleted_item_is_not_counted_and_gone() {
    let rows = rows(json!({"deletedTime": 1_718_153_645_001_i64}));
    let [level, end] = rows.as_slice() else { panic!("two events expected") };
    let Payload::Inventory(report) = &level.as_ref().unwrap().payload else { panic!("a level") };
    assert_eq!(report.available, None);
    let end = end.as_ref().unwrap();
    assert_eq!(end.version, Some(SourceVersion::coarse(1_718_153_645_001_000)));
    assert!(matches!(end.payload, Payload::Deleted { entity: EntityKind::Product, .. }));
}

#[test]
fn a_product_that_cannot_be_read_leaves_its_level_and_the_other_way_round() {
    let bad = rows(json!({"price": "12.50"}));
    assert_eq!(bad[0].as_ref().unwrap_err().pointer.as_deref(), Some("/price"));
    assert!(bad[1].is_ok());
    let bad = rows(json!({"itemStock": {"quantity": "many"}}));
    assert!(bad[0].is_ok());
    assert_eq!(bad[1].as_ref().unwrap_err().pointer.as_deref(), Some("/itemStock/quantity"));
    let body = json!({"id": "I", "price": 5});
    let foreign = item(&Object::root(&body).unwrap(), MapContext { currency: None }).unwrap();
    assert_eq!(foreign[0].as_ref().unwrap_err().class, RejectClass::Config);
}

#[test]
fn a_hidden_item_is_archived_and_an_unavailable_one_is_not() {
    assert_eq!(product_of(json!({"hidden": true})).status, Some(ProductStatus::Archived));
    assert_eq!(
        product_of(json!({"available": false, "autoManage": true})).status,
        Some(ProductStatus::Active)
    );
}
