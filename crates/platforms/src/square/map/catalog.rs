//! One item of the catalog with its variations.

use super::money;
use crate::{
    MapContext, Mapped, Rows,
    details::{image, images, text},
    field::Object,
};
use model::{
    Action, EntityKind, ExternalId, Patch, Payload, Product, ProductDetails, ProductStatus, SourceVersion,
    Timestamp, Variant, VariantDetails,
};
use stage::Reject;

/// The content of a variation that the map needs.
struct Variation {
    version: Option<i64>,
    updated_at: Option<Timestamp>,
    /// `None` if it was deleted.
    variant: Option<Variant>,
}

/// The version of an item, the newest among it and its variations, or of one variation: all versions of a catalog come
/// from one counter, and a change to a variation need not change its item.
pub(super) fn version(object: &Object<'_>) -> Result<SourceVersion, Reject> {
    let own = object.integer("version")?.ok_or_else(|| object.missing("version"))?;
    let item = object.object("item_data")?;
    let variations = item.as_ref().map(|item| item.rows("variations")).transpose()?.flatten();
    let versions = variations
        .unwrap_or_default()
        .into_iter()
        .filter_map(|reported| reported.ok()?.integer("version").ok()?);
    Ok(SourceVersion::exact(versions.fold(own, i64::max)))
}

/// The product in one `ITEM` object, or its deletion; then the rejections of its unreadable variations, without which
/// its list of variants is incomplete.
pub(super) fn object(root: &Object<'_>, context: MapContext) -> Result<Rows, Reject> {
    let (external, own_version) =
        (root.text_id("id")?, root.integer("version")?.ok_or_else(|| root.missing("version"))?);
    let item = root.object("item_data")?;
    let reported =
        item.as_ref().map(|item| item.rows("variations")).transpose()?.flatten().unwrap_or_default();
    let (read, unread): (Vec<_>, Vec<_>) =
        reported.into_iter().map(|reported| variation(&reported?, context)).partition(Result::is_ok);
    let variations: Vec<Variation> = read.into_iter().flatten().collect();
    let rejected: Vec<Reject> = unread.into_iter().filter_map(Result::err).collect();

    let version = variations.iter().filter_map(|variation| variation.version).fold(own_version, i64::max);
    let changed = variations.iter().map(|variation| variation.updated_at);
    let occurred_at = changed.chain([root.time("updated_at")?]).flatten().max();
    let mut identity = vec!["product".to_owned(), external.to_string(), version.to_string()];
    let version = Some(SourceVersion::exact(version));
    if root.flag("is_deleted")? == Some(true) {
        let payload = Payload::Deleted { entity: EntityKind::Product, external };
        return Ok(vec![Ok(Mapped { action: Action::Deleted, occurred_at, version, identity, payload })]);
    }
    // When re-ingested, an item whose rejected variations have become readable is another event.
    identity.extend(rejected.iter().filter_map(|reject| reject.pointer.clone()));
    let variants_complete = !variations.is_empty() && rejected.is_empty();
    let variants = variations.into_iter().filter_map(|variation| variation.variant).collect();
    let described = Product { details: details(root)?, ..described(external, item.as_ref())? };
    let payload = Payload::Product(Product { variants, variants_complete, ..described });
    let mapped = Mapped { action: Action::Updated, occurred_at, version, identity, payload };
    Ok(std::iter::once(Ok(mapped)).chain(rejected.into_iter().map(Err)).collect())
}

/// The product without its variants.
fn described(external: ExternalId, item: Option<&Object<'_>>) -> Result<Product, Reject> {
    let mut product = Product {
        external,
        title: None,
        description: Patch::Keep,
        vendor: Patch::Keep,
        category: Patch::Keep,
        status: Some(ProductStatus::Active),
        tags: None,
        variants: Vec::new(),
        variants_complete: false,
        details: ProductDetails::default(),
    };
    let Some(item) = item else { return Ok(product) };
    product.title = item.owned("name")?;
    product.description = match item.patch("description_html")? {
        Patch::Keep => item.patch("description")?,
        html => html,
    };
    if item.flag("is_archived")? == Some(true) {
        product.status = Some(ProductStatus::Archived);
    }
    Ok(product)
}

/// The images that were read with the item; unknown without them.
fn details(root: &Object<'_>) -> Result<ProductDetails, Reject> {
    let Some(listed) = root.objects("images")? else { return Ok(ProductDetails::default()) };
    let found: Result<Vec<_>, Reject> =
        listed.iter().map(|of| Ok(image(text(of, "url"), of.owned("caption")?))).collect();
    Ok(ProductDetails { images: Some(images(found?)), attributes: None })
}

fn variation(reported: &Object<'_>, context: MapContext) -> Result<Variation, Reject> {
    let variant =
        if reported.flag("is_deleted")? == Some(true) { None } else { Some(variant(reported, context)?) };
    Ok(Variation { version: reported.integer("version")?, updated_at: reported.time("updated_at")?, variant })
}

fn variant(reported: &Object<'_>, context: MapContext) -> Result<Variant, Reject> {
    let external = reported.text_id("id")?;
    let mut variant = Variant {
        item: Some(external.clone()),
        external,
        title: None,
        sku: Patch::Keep,
        barcode: Patch::Keep,
        price: Patch::Keep,
        compare_at_price: Patch::Keep,
        details: VariantDetails::default(),
    };
    let Some(data) = reported.object("item_variation_data")? else { return Ok(variant) };
    variant.title = data.owned("name")?;
    variant.sku = data.code_patch("sku")?;
    variant.barcode = data.code_patch("upc")?;
    let at_the_till = data.text("pricing_type")? == Some("VARIABLE_PRICING");
    variant.price = match data.patched("price_money", money(&data, "price_money", context)?) {
        Patch::Keep if at_the_till => Patch::Clear,
        price => price,
    };
    Ok(variant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Currency;
    use serde_json::{Value, json};
    use stage::RejectClass;

    fn mapped(body: &Value, context: MapContext) -> Result<Mapped, Reject> {
        object(&Object::root(body).unwrap(), context).unwrap().swap_remove(0)
    }

    fn rejected(body: &Value, context: MapContext) -> Vec<Reject> {
        object(&Object::root(body).unwrap(), context).unwrap().into_iter().filter_map(Result::err).collect()
    }

    const NO_CURRENCY: MapContext = MapContext { currency: None };

    fn item(variations: &Value) -> Value {
        json!({"type": "ITEM", "id": "I", "version": 5, "updated_at": "2017-10-26T15:41:32.337Z",
            "item_data": {"name": " Tea ", "description": "Black", "variations": variations}})
    }

    fn product(body: &Value) -> Product {
        let Payload::Product(product) = mapped(body, NO_CURRENCY).unwrap().payload else {
            panic!("a product")
        };
        product
    }

    #[test]
    fn the_newest_version_and_time_of_an_item_and_its_variations_count() {
        let at = "2024-03-08T09:26:40.123Z";
        let version = |of_variation: i64| {
            let body = item(&json!([{"id": "V", "version": of_variation, "updated_at": at}]));
            mapped(&body, NO_CURRENCY).unwrap()
        };
        assert_eq!(version(3).version, Some(SourceVersion::exact(5)));
        assert_eq!(version(8).version, Some(SourceVersion::exact(8)));
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
        let [reject] = rejected(&body, NO_CURRENCY).try_into().unwrap();
        assert_eq!(reject.class, RejectClass::Config);
        assert_eq!(reject.pointer.unwrap(), "/item_data/variations/0/item_variation_data/price_money");
        let currency = Some(Currency::new("CAD").unwrap());
        assert_eq!(rejected(&body, MapContext { currency }), []);
    }

    #[test]
    fn a_deleted_item_is_gone_and_a_deleted_variation_is_missing() {
        let gone = json!({"type": "ITEM", "id": "I", "version": 6, "is_deleted": true});
        let gone = mapped(&gone, NO_CURRENCY).unwrap();
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

    #[test]
    fn a_variation_that_cannot_be_read_is_rejected_alone() {
        let bad = json!({"id": "B", "version": 9, "item_variation_data": {"name": "Te\u{0}a"}});
        let body = item(&json!([{"id": "A"}, bad, 7, {"version": 3}]));
        let product = product(&body);
        assert_eq!(product.variants.len(), 1);
        assert!(!product.variants_complete, "what was rejected is not gone");
        let pointers: Vec<_> =
            rejected(&body, NO_CURRENCY).into_iter().filter_map(|reject| reject.pointer).collect();
        let variations = "/item_data/variations";
        let expected = [
            format!("{variations}/1/item_variation_data/name"),
            format!("{variations}/2"),
            format!("{variations}/3/id"),
        ];
        assert_eq!(pointers, expected);
        let repaired = item(&json!([{"id": "A"}]));
        let identity = |body: &Value| mapped(body, NO_CURRENCY).unwrap().identity;
        assert_ne!(identity(&body), identity(&repaired), "re-ingested it is news");
    }
}
