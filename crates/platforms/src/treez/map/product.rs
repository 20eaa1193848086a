//! A product with its one variant, and its sellable quantities.

use super::{details, levels, owned, patch, reported::Reported, required_id};
use crate::{MapContext, Rows, field::Object, text};
use model::{Action, Delivery, Money, Patch, Payload, Product, ProductStatus, RawDigest, Variant};
use serde_json::json;
use stage::{Reject, RejectClass};

/// The product and its levels. A deactivated product has levels of zero: it must not be sold anywhere else either. A
/// deleted product is at no location.
pub(super) fn product(delivery: &Delivery, data: &Object<'_>, context: MapContext) -> Result<Rows, Reject> {
    let reported = reported(delivery, data)?;
    let Some(status) = status(data)? else {
        // The list of locations comes first, while the product is still known.
        return Ok(vec![Ok(levels::nowhere(&reported)), Ok(reported.gone())]);
    };
    let product = described(&reported, status, data, context).map(|product| {
        let digest = digest(&product);
        reported.event(Action::Updated, digest, Payload::Product(product))
    });
    let levels = levels::levels(&reported, data, status == ProductStatus::Active);
    Ok([product].into_iter().chain(levels).collect())
}

/// The levels of a product that was listed for them alone.
pub(super) fn stock(delivery: &Delivery, data: &Object<'_>) -> Result<Rows, Reject> {
    let reported = reported(delivery, data)?;
    Ok(match status(data)? {
        Some(status) => levels::levels(&reported, data, status == ProductStatus::Active),
        None => vec![Ok(levels::nowhere(&reported))],
    })
}

fn reported<'a>(delivery: &'a Delivery, data: &Object<'_>) -> Result<Reported<'a>, Reject> {
    let at = data.time("last_updated_at")?.ok_or_else(|| data.missing("last_updated_at"))?;
    Ok(Reported { delivery, external: required_id(data, "product_id")?, at })
}

/// The status; `None` for a deleted product.
fn status(data: &Object<'_>) -> Result<Option<ProductStatus>, Reject> {
    match data.required_text("product_status")? {
        "ACTIVE" => Ok(Some(ProductStatus::Active)),
        "DEACTIVATED" => Ok(Some(ProductStatus::Archived)),
        "DELETED" => Ok(None),
        _ => {
            let reason = "none of the statuses that treez documents";
            Err(data.reject(RejectClass::Schema, "product_status", reason))
        }
    }
}

fn described(
    reported: &Reported<'_>,
    status: ProductStatus,
    data: &Object<'_>,
    context: MapContext,
) -> Result<Product, Reject> {
    let fields = data.object("product_configurable_fields")?;
    let (title, vendor) = match &fields {
        Some(fields) => (owned(fields, "name")?, patch(fields, "brand")?),
        None => (None, Patch::Keep),
    };
    let shop = data.object("e_commerce")?;
    let description = shop.as_ref().map_or(Ok(Patch::Keep), |shop| patch(shop, "product_description"))?;
    let pricing = data.object("pricing")?;
    let (sku, barcode) = numbers(data)?;
    let variant = Variant {
        external: reported.external.clone(),
        item: Some(reported.external.clone()),
        title: None,
        sku,
        barcode,
        price: pricing.as_ref().map_or(Ok(Patch::Keep), |pricing| price(pricing, context))?,
        compare_at_price: Patch::Keep,
        details: details::of_variant(data, context)?,
    };
    Ok(Product {
        external: reported.external.clone(),
        title,
        description,
        vendor,
        category: patch(data, "category_type")?,
        status: Some(status),
        tags: tags(data)?,
        variants: vec![variant],
        variants_complete: true,
        details: details::of_product(data)?,
    })
}

/// SKU and bar code. The SKU is the one bar code that the merchant set: with several, none of them is *the* number. The
/// bar code is the first of the list.
fn numbers(data: &Object<'_>) -> Result<(Patch<String>, Patch<String>), Reject> {
    let reported = data.objects("product_barcodes")?.unwrap_or_default();
    let (mut own, mut all) = (Vec::new(), Vec::new());
    for barcode in &reported {
        let Some(code) = barcode.code("sku")? else { continue };
        if barcode.text("type")? == Some("USER_DEFINED") {
            own.push(code.clone());
        }
        all.push(code);
    }
    let sku = own.pop().filter(|_| own.is_empty());
    Ok((sku.map_or(Patch::Keep, Patch::Set), all.into_iter().next().map_or(Patch::Keep, Patch::Set)))
}

/// The price; none for a tier, whose price depends on the quantity that is bought.
fn price(pricing: &Object<'_>, context: MapContext) -> Result<Patch<Money>, Reject> {
    if pricing.text("price_type")? == Some("TIER") {
        return Ok(Patch::Clear);
    }
    Ok(pricing.patched("price_sell", pricing.amount("price_sell", context.currency)?))
}

/// `general` and `effects`, in lower case; `None` if neither is reported.
fn tags(data: &Object<'_>) -> Result<Option<Vec<String>>, Reject> {
    let Some(attributes) = data.object("attributes")? else { return Ok(None) };
    let (mut tags, mut are_reported) = (Vec::new(), false);
    for key in ["general", "effects"] {
        let Some(list) = attributes.value(key) else { continue };
        let wrong = || attributes.reject(RejectClass::Schema, key, "not a list of texts");
        are_reported = true;
        for tag in list.as_array().ok_or_else(wrong)? {
            let tag = text::readable(tag.as_str().ok_or_else(wrong)?);
            let tag = tag.map_err(|reason| attributes.reject(RejectClass::Data, key, reason))?;
            let tag = tag.trim().to_lowercase();
            if !tag.is_empty() && !super::is_placeholder(&tag) && !tags.contains(&tag) {
                tags.push(tag);
            }
        }
    }
    Ok(are_reported.then_some(tags))
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
