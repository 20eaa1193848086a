//! Products with their one variant and their levels.

use super::{deleted, details, is_deleted, levels, required_instant};
use crate::{MapContext, Mapped, Rows, field::Object, text};
use model::{
    Action, Currency, Delivery, EntityKind, ExternalId, Money, Patch, Payload, Product, ProductStatus,
    RawDigest, SourceVersion, Timestamp, Variant,
};
use rust_decimal::Decimal;
use serde_json::json;
use stage::{Reject, RejectClass};

/// The product and its levels. A deleted product is at no location.
pub(super) fn product(delivery: &Delivery, root: &Object<'_>, context: MapContext) -> Result<Rows, Reject> {
    let (external, at) = (root.text_id("id")?, required_instant(root, "modified")?);
    if is_deleted(root)? {
        return Ok(gone(delivery, external, at));
    }
    let status = status(root)?;
    let product = described(&external, status, root, context.currency)
        .map(|product| stated(delivery, at, &external, product));
    let levels = levels::levels(delivery, &external, root, status != Some(ProductStatus::Archived));
    Ok([product].into_iter().chain(levels).collect())
}

/// The levels of a product that is read for them alone.
pub(super) fn stock(delivery: &Delivery, root: &Object<'_>) -> Result<Rows, Reject> {
    let external = root.text_id("id")?;
    if is_deleted(root)? {
        return Ok(vec![Ok(levels::nowhere(delivery, external))]);
    }
    let is_for_sale = status(root)? != Some(ProductStatus::Archived);
    Ok(levels::levels(delivery, &external, root, is_for_sale))
}

fn gone(delivery: &Delivery, external: ExternalId, at: Timestamp) -> Rows {
    // The list of locations comes first, while the product is still known.
    let nowhere = levels::nowhere(delivery, external.clone());
    vec![Ok(nowhere), Ok(deleted(EntityKind::Product, external, at))]
}

fn status(root: &Object<'_>) -> Result<Option<ProductStatus>, Reject> {
    let of = |is_active| if is_active { ProductStatus::Active } else { ProductStatus::Archived };
    Ok(root.flag("active")?.map(of))
}

/// The product as a read found it. Names of its brand and category change without it, so that `modified` may be that of
/// two states: each read is an event of its own, and the later one stands.
fn stated(delivery: &Delivery, at: Timestamp, external: &ExternalId, product: Product) -> Mapped {
    let identity = vec![
        "product".to_owned(),
        external.to_string(),
        at.to_string(),
        digest(&product),
        delivery.received_at.to_string(),
    ];
    Mapped {
        action: Action::Updated,
        occurred_at: Some(at),
        version: Some(SourceVersion::exact(at)),
        identity,
        payload: Payload::Product(product),
    }
}

fn described(
    external: &ExternalId,
    status: Option<ProductStatus>,
    root: &Object<'_>,
    currency: Option<Currency>,
) -> Result<Product, Reject> {
    let (price, compare_at_price) = prices(root, currency)?;
    let variant = Variant {
        external: external.clone(),
        item: Some(external.clone()),
        title: None,
        sku: root.code_patch("sku")?,
        barcode: Patch::Keep,
        price,
        compare_at_price,
        details: details::of_variant(root, currency)?,
    };
    Ok(Product {
        external: external.clone(),
        title: root.owned("name")?,
        description: root.patch("description")?,
        vendor: name_of(root, "brand")?,
        category: name_of(root, "category")?,
        status,
        tags: tags(root)?,
        variants: vec![variant],
        variants_complete: true,
        details: details::of_product(root)?,
    })
}

/// The name of the object under `key`; null is none.
fn name_of(root: &Object<'_>, key: &'static str) -> Result<Patch<String>, Reject> {
    match root.object(key)? {
        Some(object) => object.patch("name"),
        None => Ok(root.patched(key, None)),
    }
}

/// The price, and the former price while it is reduced. The price break of one unit may reduce the price; zero stands
/// for no price, as in prices by weight, which depend on the quantity that is bought.
fn prices(root: &Object<'_>, currency: Option<Currency>) -> Result<(Patch<Money>, Patch<Money>), Reject> {
    let one = single_unit(root)?;
    let positive = |amount: Option<Money>| amount.filter(|amount| amount.minor > 0);
    let in_break = |key: &str| match &one {
        Some(row) => Ok(positive(row.amount(key, currency)?)),
        None => Ok(None),
    };
    let unit = positive(root.amount("unitPrice", currency)?);
    let (reduced, regular) = (in_break("salePrice")?, in_break("price")?);
    if !root.has("unitPrice") && one.is_none() {
        return Ok((Patch::Keep, Patch::Keep));
    }
    let former = regular.or(unit);
    Ok(match reduced {
        Some(reduced) => {
            let former = former.filter(|former| former.minor > reduced.minor);
            (Patch::Set(reduced), Patch::present(former))
        }
        None => (Patch::present(unit.or(regular)), Patch::Clear),
    })
}

/// The active price break of one unit; `None` if there is none.
fn single_unit<'a>(root: &'a Object<'_>) -> Result<Option<Object<'a>>, Reject> {
    for row in root.objects("priceBreaks")?.unwrap_or_default() {
        let is_active = row.flag("active")? != Some(false);
        if is_active && row.number("quantity")? == Some(Decimal::ONE) {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// The tags; `None` for null, which doesn't distinguish no tags from unknown ones.
fn tags(root: &Object<'_>) -> Result<Option<Vec<String>>, Reject> {
    let Some(list) = root.value("tags") else { return Ok(None) };
    let wrong = || root.reject(RejectClass::Schema, "tags", "not a list of texts");
    let mut tags: Vec<String> = Vec::new();
    for tag in list.as_array().ok_or_else(wrong)? {
        let tag = text::readable(tag.as_str().ok_or_else(wrong)?);
        let tag = tag.map_err(|reason| root.reject(RejectClass::Data, "tags", reason))?.trim();
        if !tag.is_empty() && !tags.iter().any(|known| known == tag) {
            tags.push(tag.to_owned());
        }
    }
    Ok(Some(tags))
}

fn digest(product: &Product) -> String {
    let variants =
        product.variants.iter().map(|variant| json!([variant.sku, variant.price, variant.compare_at_price]));
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
