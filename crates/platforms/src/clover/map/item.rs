//! One item: a product with its one variant, and its level.

use super::{deleted, first, money, time, version};
use crate::{MapContext, Mapped, Rows, field::Object};
use model::{
    Action, EntityKind, ExternalId, InventoryReport, Money, Patch, Payload, Product, ProductDetails,
    ProductStatus, Quantity, RawDigest, Variant, VariantDetails,
};
use serde_json::json;
use stage::Reject;

/// The product and its level, or their end. An item without stock isn't counted: its level is unknown, not zero.
pub(super) fn item(root: &Object<'_>, context: MapContext) -> Result<Rows, Reject> {
    let external = root.text_id("id")?;
    if let Some(at) = deleted(root)? {
        let end = Mapped {
            action: Action::Deleted,
            occurred_at: Some(at),
            version: Some(version(at)),
            identity: vec!["product".to_owned(), external.to_string(), "deleted".to_owned(), at.to_string()],
            payload: Payload::Deleted { entity: EntityKind::Product, external: external.clone() },
        };
        // The level comes first, while the product is still known.
        return Ok(vec![Ok(level(external, None)), Ok(end)]);
    }
    let product = product(root, external.clone(), context);
    Ok(vec![product, available(root).map(|available| level(external, available))])
}

/// The level alone, as the list of stocks has it.
pub(super) fn stock(root: &Object<'_>) -> Result<Mapped, Reject> {
    let item = root.object("item")?.ok_or_else(|| root.missing("item"))?;
    Ok(level(item.text_id("id")?, root.quantity("quantity")?))
}

/// The quantity, without which the item isn't counted.
fn available(root: &Object<'_>) -> Result<Option<Quantity>, Reject> {
    root.object("itemStock")?.map_or(Ok(None), |stock| stock.quantity("quantity"))
}

/// The level at the merchant's one location. It has no version: nothing shows that an item's time changes with its stock.
fn level(item: ExternalId, available: Option<Quantity>) -> Mapped {
    let reported = available.map_or_else(|| "ABSENT".to_owned(), |available| available.to_string());
    Mapped {
        action: Action::Updated,
        occurred_at: None,
        version: None,
        identity: vec!["inventory".to_owned(), item.to_string(), reported],
        payload: Payload::Inventory(InventoryReport { item, location: None, available }),
    }
}

fn product(root: &Object<'_>, external: ExternalId, context: MapContext) -> Result<Mapped, Reject> {
    let at = time(root, "modifiedTime")?;
    let is_hidden = root.flag("hidden")? == Some(true);
    let product = Product {
        title: root.owned("name")?,
        description: Patch::Keep,
        vendor: Patch::Keep,
        category: category(root)?,
        status: Some(if is_hidden { ProductStatus::Archived } else { ProductStatus::Active }),
        tags: None,
        variants: vec![variant(root, external.clone(), context)?],
        variants_complete: true,
        // Items have no images in the API, and attributes are the options in the title.
        details: ProductDetails::default(),
        external,
    };
    let reported = at.map_or_else(String::new, |at| at.to_string());
    Ok(Mapped {
        action: Action::Updated,
        occurred_at: at,
        version: at.map(version),
        identity: vec!["product".to_owned(), product.external.to_string(), reported, digest(&product)],
        payload: Payload::Product(product),
    })
}

fn variant(root: &Object<'_>, external: ExternalId, context: MapContext) -> Result<Variant, Reject> {
    Ok(Variant {
        item: Some(external.clone()),
        external,
        title: options(root)?,
        sku: root.code_patch("sku")?,
        barcode: root.code_patch("code")?,
        price: price(root, context)?,
        compare_at_price: Patch::Keep,
        details: VariantDetails::default(),
    })
}

/// The price of one piece, or of one unit of an item that is weighed; none if the till asks for it.
fn price(root: &Object<'_>, context: MapContext) -> Result<Patch<Money>, Reject> {
    if root.text("priceType")? == Some("VARIABLE") {
        return Ok(Patch::Clear);
    }
    Ok(root.patched("price", money(root, "price", context)?))
}

/// The first category; `Keep` if the item was read without its categories.
fn category(root: &Object<'_>) -> Result<Patch<String>, Reject> {
    let name = first(root, "categories", |category| category.owned("name"))?.flatten();
    Ok(root.patched("categories", name))
}

/// The values of the attributes by which the item differs from others of its group; `None` if it has none.
fn options(root: &Object<'_>) -> Result<Option<String>, Reject> {
    let Some(list) = root.object("options")? else { return Ok(None) };
    let mut names = Vec::new();
    for option in list.objects("elements")?.unwrap_or_default() {
        names.extend(option.owned("name")?);
    }
    Ok(Some(names.join(" / ")).filter(|names| !names.is_empty()))
}

/// Distinguishes two states of one millisecond.
fn digest(product: &Product) -> String {
    let variants = product.variants.iter();
    let variants =
        variants.map(|variant| json!([variant.title, variant.sku, variant.barcode, variant.price]));
    let reported = json!([product.title, product.category, product.status, variants.collect::<Vec<_>>()]);
    RawDigest::of(reported.to_string().as_bytes()).to_string()
}

#[cfg(test)]
mod tests;
