use super::super::tests_delivery;
use super::*;
use model::Timestamp;
use serde_json::Value;

fn row(changes: Value) -> Value {
    let mut row = json!({"productId": "p-1", "parentProductId": "e2", "parentProductName": "Afghani Shake",
        "productName": "Afghani Shake - One Gram", "variantName": "One", "brand": "ACME", "category": "Flower",
        "customCategoryName": null, "productDescription": "", "tags": ["indoor"], "sku": "h5aPEEmD8L",
        "priceInMinorUnits": 100, "currencyCode": "USD", "weightTierInformation": null});
    if let Value::Object(changes) = changes {
        row.as_object_mut().unwrap().extend(changes);
    }
    row
}

fn read(rows: &[Value]) -> Result<Mapped, Reject> {
    let body = json!({"parentProductId": "e2", "rows": rows});
    product(&tests_delivery("product", &body), &Object::root(&body).unwrap())
}

fn described(rows: &[Value]) -> Product {
    let Payload::Product(product) = read(rows).unwrap().payload else { panic!("a product expected") };
    product
}

#[test]
fn rows_of_several_packages_are_one_variant_and_of_several_products_several() {
    let product = described(&[
        row(json!({})),
        row(json!({})),
        row(
            json!({"productId": "p-2", "variantName": "", "productName": "Afghani Shake - Eighth", "sku": "x"}),
        ),
    ]);
    assert_eq!((product.external.as_str(), product.title.as_deref()), ("e2", Some("Afghani Shake")));
    let variants: Vec<_> = product
        .variants
        .iter()
        .map(|variant| (variant.external.as_str(), variant.title.as_deref().unwrap()))
        .collect();
    assert_eq!(variants, [("p-1", "One"), ("p-2", "Afghani Shake - Eighth")]);
    assert!(!product.variants_complete && product.status.is_none(), "what isn't listed may still be there");
}

#[test]
fn a_number_or_a_price_that_packages_disagree_about_is_unsaid() {
    let one = |changes: Value| described(&[row(json!({})), row(changes)]).variants.remove(0);
    let same = one(json!({}));
    assert_eq!(same.sku, Patch::Set("h5aPEEmD8L".to_owned()));
    assert_eq!(same.price.set().unwrap().to_string(), "1.00 USD");
    assert_eq!(one(json!({"sku": "other"})).sku, Patch::Keep);
    assert_eq!(one(json!({"sku": null})).sku, Patch::Keep);
    assert_eq!(one(json!({"priceInMinorUnits": 90})).price, Patch::Keep);
}

#[test]
fn what_one_row_says_is_said_and_what_none_has_is_empty() {
    let product = described(&[
        row(json!({"brand": null})),
        row(json!({"customCategoryName": "Shake", "tags": ["new", "indoor"]})),
    ]);
    assert_eq!(product.vendor, Patch::Set("ACME".to_owned()));
    assert_eq!(product.category, Patch::Set("Shake".to_owned()));
    assert_eq!(product.description, Patch::Clear);
    assert_eq!(product.tags, Some(vec!["indoor".to_owned(), "new".to_owned()]));
    assert_eq!(described(&[row(json!({"brand": "N/A"}))]).vendor, Patch::Clear);
    assert_eq!(described(&[row(json!({"tags": null}))]).tags, None);
}

#[test]
fn without_a_parent_the_only_variant_names_the_product() {
    let alone = row(json!({"parentProductName": null}));
    assert_eq!(described(std::slice::from_ref(&alone)).title.as_deref(), Some("Afghani Shake - One Gram"));
    assert_eq!(described(&[alone, row(json!({"productId": "p-2", "parentProductName": ""}))]).title, None);
}

#[test]
fn a_row_of_no_product_rejects_the_whole() {
    let reject = read(&[row(json!({})), row(json!({"productId": null}))]).unwrap_err();
    assert_eq!(reject.pointer.as_deref(), Some("/rows/1/productId"));
}

#[test]
fn a_product_is_an_event_of_its_own_at_each_read_and_has_no_version() {
    let body = json!({"parentProductId": "e2", "rows": [row(json!({}))]});
    let read_at = |micros| {
        let mut delivery = tests_delivery("product", &body);
        delivery.received_at = Timestamp::from_micros(micros);
        product(&delivery, &Object::root(&body).unwrap()).unwrap()
    };
    assert_eq!(read_at(1).identity, read_at(1).identity);
    assert_ne!(read_at(1).identity, read_at(2).identity);
    assert_eq!((read_at(1).version, read_at(1).occurred_at), (None, None));
}
