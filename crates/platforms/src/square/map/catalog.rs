//! One item of the catalog with its variations.

use super::{Amount, patch, read, time, trimmed};
use crate::{MapContext, Mapped};
use model::{Action, EntityKind, ExternalId, Patch, Payload, Product, ProductStatus, SourceVersion, Variant};
use serde::Deserialize;
use serde_json::Value;
use stage::Reject;

#[derive(Deserialize)]
pub(super) struct Object {
    id: ExternalId,
    version: i64,
    updated_at: Option<String>,
    is_deleted: Option<bool>,
    item_data: Option<Item>,
}

#[derive(Deserialize, Default)]
struct Item {
    name: Option<String>,
    #[serde(default, deserialize_with = "patch")]
    description_html: Patch<String>,
    #[serde(default, deserialize_with = "patch")]
    description: Patch<String>,
    is_archived: Option<bool>,
    variations: Option<Vec<Variation>>,
}

#[derive(Deserialize)]
struct Variation {
    id: ExternalId,
    version: Option<i64>,
    updated_at: Option<String>,
    is_deleted: Option<bool>,
    item_variation_data: Option<VariationData>,
}

#[derive(Deserialize, Default)]
struct VariationData {
    name: Option<String>,
    #[serde(default, deserialize_with = "patch")]
    sku: Patch<String>,
    #[serde(default, deserialize_with = "patch")]
    upc: Patch<String>,
    pricing_type: Option<String>,
    #[serde(default, deserialize_with = "patch")]
    price_money: Patch<Amount>,
}

/// The version of an item, the newest among it and its variations, or of one variation: all versions of a catalog come
/// from one counter, and a change to a variation need not touch its item.
pub(super) fn version(object: &Object) -> SourceVersion {
    let variations = object.item_data.iter().filter_map(|item| item.variations.as_ref()).flatten();
    SourceVersion(variations.filter_map(|variation| variation.version).fold(object.version, i64::max))
}

/// The product in one `ITEM` object, or that it is gone.
pub(super) fn object(body: &Value, context: MapContext) -> Result<Mapped, Reject> {
    let object: Object = read(body)?;
    let gone = object.is_deleted == Some(true);
    let version = version(&object);
    let item = object.item_data.unwrap_or_default();
    let variations = item.variations.unwrap_or_default();
    let changed =
        [&object.updated_at].into_iter().chain(variations.iter().map(|variation| &variation.updated_at));
    let changed = changed.flatten().map(|text| time(text, "/updated_at")).collect::<Result<Vec<_>, _>>()?;
    let occurred_at = changed.into_iter().max();
    let identity = vec!["product".to_owned(), object.id.to_string(), version.0.to_string()];
    let mapped = |action, payload| Mapped { action, occurred_at, version: Some(version), identity, payload };
    if gone {
        let payload = Payload::Deleted { entity: EntityKind::Product, external: object.id };
        return Ok(mapped(Action::Deleted, payload));
    }
    let variants_complete = !variations.is_empty();
    let present = variations.into_iter().filter(|variation| variation.is_deleted != Some(true));
    let variants = present.map(|variation| variant(variation, context)).collect::<Result<_, _>>()?;
    let description =
        if item.description_html == Patch::Keep { item.description } else { item.description_html };
    let product = Product {
        external: object.id,
        title: trimmed(item.name.map_or(Patch::Keep, Patch::Set)).set().cloned(),
        description: trimmed(description),
        vendor: Patch::Keep,
        category: Patch::Keep,
        status: Some(if item.is_archived == Some(true) {
            ProductStatus::Archived
        } else {
            ProductStatus::Active
        }),
        tags: None,
        variants,
        variants_complete,
    };
    Ok(mapped(Action::Updated, Payload::Product(product)))
}

fn variant(variation: Variation, context: MapContext) -> Result<Variant, Reject> {
    let data = variation.item_variation_data.unwrap_or_default();
    let at_the_till = data.pricing_type.as_deref() == Some("VARIABLE_PRICING");
    let price = match data.price_money {
        Patch::Set(amount) => Patch::present(amount.money(context, "/item_data/variations")?),
        Patch::Clear => Patch::Clear,
        Patch::Keep if at_the_till => Patch::Clear,
        Patch::Keep => Patch::Keep,
    };
    Ok(Variant {
        item: Some(variation.id.clone()),
        external: variation.id,
        title: trimmed(data.name.map_or(Patch::Keep, Patch::Set)).set().cloned(),
        sku: trimmed(data.sku),
        barcode: trimmed(data.upc),
        price,
        compare_at_price: Patch::Keep,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Currency;
    use serde_json::json;
    use stage::RejectClass;

    const NO_CURRENCY: MapContext = MapContext { currency: None };

    fn item(variations: &Value) -> Value {
        json!({"type": "ITEM", "id": "I", "version": 5, "updated_at": "2017-10-26T15:41:32.337Z",
            "item_data": {"name": " Tea ", "description": "Black", "variations": variations}})
    }

    fn product(body: &Value) -> Product {
        let Payload::Product(product) = object(body, NO_CURRENCY).unwrap().payload else {
            panic!("a product")
        };
        product
    }

    #[test]
    fn the_newest_version_and_time_of_an_item_and_its_variations_count() {
        let at = "2024-03-08T09:26:40.123Z";
        let version = |of_variation: i64| {
            let body = item(&json!([{"id": "V", "version": of_variation, "updated_at": at}]));
            object(&body, NO_CURRENCY).unwrap()
        };
        assert_eq!(version(3).version, Some(SourceVersion(5)));
        assert_eq!(version(8).version, Some(SourceVersion(8)));
        assert_eq!(version(8).identity, ["product", "I", "8"]);
        assert_eq!(version(8).occurred_at.unwrap().to_string(), at);
    }

    #[test]
    fn a_variation_is_what_is_sold_and_what_is_counted() {
        let data = json!({"name": "Large", "sku": " T-1 ", "upc": null, "pricing_type": "FIXED_PRICING",
            "price_money": {"amount": 225, "currency": "USD"}, "location_overrides": [{"price_money": {"amount": 1}}]});
        let product = product(&item(&json!([{"id": "V", "item_variation_data": data}])));
        assert_eq!(
            (product.title.as_deref(), product.description),
            (Some("Tea"), Patch::Set("Black".to_owned()))
        );
        let [variant] = product.variants.as_slice() else { panic!("one variant expected") };
        assert_eq!(variant.item.as_ref(), Some(&variant.external));
        assert_eq!(variant.sku, Patch::Set("T-1".to_owned()));
        assert_eq!(variant.barcode, Patch::Clear);
        assert_eq!(variant.price.set().unwrap().to_string(), "2.25 USD");
        assert_eq!(variant.compare_at_price, Patch::Keep);
    }

    #[test]
    fn a_price_that_the_till_asks_for_is_no_price() {
        let price = |data: &Value| {
            let body = item(&json!([{"id": "V", "item_variation_data": data}]));
            product(&body).variants[0].price.clone()
        };
        assert_eq!(price(&json!({"pricing_type": "VARIABLE_PRICING"})), Patch::Clear);
        assert_eq!(price(&json!({"pricing_type": "FIXED_PRICING", "price_money": null})), Patch::Clear);
        assert_eq!(price(&json!({"pricing_type": "FIXED_PRICING"})), Patch::Keep);
    }

    #[test]
    fn an_amount_without_a_currency_needs_the_connections() {
        let body = item(&json!([{"id": "V", "item_variation_data": {"price_money": {"amount": 5}}}]));
        assert_eq!(object(&body, NO_CURRENCY).unwrap_err().class, RejectClass::Config);
        let currency = Some(Currency::new("CAD").unwrap());
        assert!(object(&body, MapContext { currency }).is_ok());
    }

    #[test]
    fn a_deleted_item_is_gone_and_a_deleted_variation_is_missing() {
        let gone = json!({"type": "ITEM", "id": "I", "version": 6, "is_deleted": true});
        let gone = object(&gone, NO_CURRENCY).unwrap();
        assert_eq!(gone.action, Action::Deleted);
        assert!(matches!(gone.payload, Payload::Deleted { entity: EntityKind::Product, .. }));

        let product = product(&item(&json!([{"id": "V", "is_deleted": true, "version": 6}, {"id": "W"}])));
        assert_eq!(product.variants.len(), 1);
        assert!(product.variants_complete);
    }

    #[test]
    fn an_item_without_its_variations_says_nothing_about_them() {
        let product =
            product(&json!({"id": "I", "version": 5, "item_data": {"name": "Tea", "is_archived": true}}));
        assert!(product.variants.is_empty() && !product.variants_complete);
        assert_eq!(product.status, Some(ProductStatus::Archived));
        assert_eq!(product.description, Patch::Keep);
    }
}
