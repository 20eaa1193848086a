//! A product with its one variant.

use super::details;
use crate::{MapContext, Mapped, Rows, field::Object};
use model::{
    Action, Delivery, Money, Patch, Payload, Product, ProductStatus, RawDigest, SourceVersion, Variant,
};
use serde_json::json;
use stage::Reject;

/// The product. A coupon is a discount that the till rings up like a product: no event.
pub(super) fn product(delivery: &Delivery, root: &Object<'_>, context: MapContext) -> Result<Rows, Reject> {
    if root.flag("isCoupon")? == Some(true) {
        return Ok(Vec::new());
    }
    Ok(vec![described(root, context).and_then(|product| event(delivery, root, product))])
}

fn event(delivery: &Delivery, root: &Object<'_>, product: Product) -> Result<Mapped, Reject> {
    let at = root.utc_time("lastModifiedDateUTC")?;
    // Without a time of the last change each report is an event of its own.
    let reported = at.unwrap_or(delivery.received_at).to_string();
    Ok(Mapped {
        action: Action::Updated,
        occurred_at: at,
        version: at.map(SourceVersion::exact),
        identity: vec!["product".to_owned(), product.external.to_string(), reported, digest(&product)],
        payload: Payload::Product(product),
    })
}

fn described(root: &Object<'_>, context: MapContext) -> Result<Product, Reject> {
    let external = root.id("productId")?;
    let variant = Variant {
        external: external.clone(),
        item: Some(external.clone()),
        title: None,
        sku: root.code_patch("sku")?,
        barcode: root.code_patch("upc")?,
        price: price(root, context)?,
        compare_at_price: Patch::Keep,
        details: details::of_variant(root, context)?,
    };
    let status = |is_active| if is_active { ProductStatus::Active } else { ProductStatus::Archived };
    Ok(Product {
        external,
        title: root.stated("productName")?.map(ToOwned::to_owned),
        description: root.stated_patch("description")?,
        vendor: root.stated_patch("brandName")?,
        category: category(root)?,
        status: root.flag("isActive")?.map(status),
        tags: tags(root)?,
        variants: vec![variant],
        variants_complete: true,
        details: details::of_product(root)?,
    })
}

/// The category, or the wider one of a product that has none.
fn category(root: &Object<'_>) -> Result<Patch<String>, Reject> {
    match root.stated_patch("category")? {
        Patch::Set(category) => Ok(Patch::Set(category)),
        Patch::Clear => root.stated_patch("masterCategory").map(|wider| match wider {
            Patch::Keep => Patch::Clear,
            wider => wider,
        }),
        Patch::Keep => root.stated_patch("masterCategory"),
    }
}

/// The price: the one for everybody, or that for patients of a product for patients alone. None for a product with
/// tiers, whose price depends on the quantity that is bought.
fn price(root: &Object<'_>, context: MapContext) -> Result<Patch<Money>, Reject> {
    let has_tiers = root.objects("pricingTierData")?.is_some_and(|tiers| !tiers.is_empty());
    if has_tiers || root.stated("pricingTierName")?.is_some() {
        return Ok(Patch::Clear);
    }
    let is_medical = root.flag("isMedicalOnly")? == Some(true);
    let keys: &[&str] = if is_medical { &["medPrice", "price"] } else { &["price", "recPrice"] };
    for key in keys {
        if let Some(price) = root.amount(key, context.currency)? {
            return Ok(Patch::Set(price));
        }
    }
    Ok(if keys.iter().any(|key| root.has(key)) { Patch::Clear } else { Patch::Keep })
}

/// The names of the tags; `None` if they aren't reported.
fn tags(root: &Object<'_>) -> Result<Option<Vec<String>>, Reject> {
    let Some(reported) = root.objects("tags")? else { return Ok(None) };
    let mut tags = Vec::new();
    for tag in &reported {
        if let Some(name) = tag.stated("tagName")?
            && !tags.iter().any(|tag| tag == name)
        {
            tags.push(name.to_owned());
        }
    }
    Ok(Some(tags))
}

fn digest(product: &Product) -> String {
    let variants =
        product.variants.iter().map(|variant| json!([variant.sku, variant.barcode, variant.price]));
    let reported = json!([
        product.title,
        product.description,
        product.vendor,
        product.category,
        product.status,
        product.tags,
        variants.collect::<Vec<_>>(),
    ]);
    RawDigest::of(reported.to_string().as_bytes()).to_string()
}

#[cfg(test)]
mod tests;
