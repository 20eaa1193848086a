//! A product with its one variant, and how much of it can be sold.

use super::{id, meant, money, patch, quantity, read, required, some, time};
use crate::{MapContext, Mapped};
use model::{
    Action, Delivery, EntityKind, ExternalId, InventoryReport, Patch, Payload, Product, ProductStatus,
    Quantity, RawDigest, Source, SourceVersion, Variant,
};
use serde::Deserialize;
use serde_json::{Value, json};
use stage::{Reject, RejectClass};
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Data {
    product_id: Value,
    product_status: String,
    last_updated_at: String,
    sellable_quantity: Option<Value>,
    sellable_quantity_detail: Option<Vec<Part>>,
    #[serde(default, deserialize_with = "patch")]
    category_type: Patch<String>,
    product_configurable_fields: Option<Fields>,
    pricing: Option<Pricing>,
    attributes: Option<Attributes>,
    product_barcodes: Option<Vec<Barcode>>,
    e_commerce: Option<Shop>,
}

#[derive(Deserialize)]
struct Part {
    location_id: Option<Value>,
    sellable_quantity: Option<Value>,
}

#[derive(Deserialize, Default)]
struct Fields {
    name: Option<String>,
    #[serde(default, deserialize_with = "patch")]
    brand: Patch<String>,
}

#[derive(Deserialize)]
struct Pricing {
    price_type: Option<String>,
    #[serde(default, deserialize_with = "patch")]
    price_sell: Patch<Value>,
}

#[derive(Deserialize)]
struct Attributes {
    general: Option<Vec<String>>,
    effects: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Barcode {
    sku: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize, Default)]
struct Shop {
    #[serde(default, deserialize_with = "patch")]
    product_description: Patch<String>,
}

/// A product list shows at most this many (documented; whether still so isn't verified). Webhooks show more.
const LISTED_QUANTITY_LIMIT: i32 = 30;

/// The product (or that it is gone) and its levels. What is switched off or gone has a level of nothing: it must not
/// be sold anywhere else either.
pub(super) fn product(delivery: &Delivery, body: &Value, context: MapContext) -> Result<Vec<Mapped>, Reject> {
    let data: Data = read(body)?;
    let external = required(id(Some(&data.product_id), "/data/product_id")?, "/data/product_id")?;
    let for_sale = data.product_status == "ACTIVE";
    let levels = levels(delivery, &external, &data, for_sale)?;
    if data.product_status == "DELETED" {
        let payload = Payload::Deleted { entity: EntityKind::Product, external: external.clone() };
        let gone = event(&external, &data.last_updated_at, Action::Deleted, "deleted".to_owned(), payload)?;
        // The level first, while the product is still known.
        return Ok(levels.into_iter().chain([gone]).collect());
    }
    let status = if for_sale { ProductStatus::Active } else { ProductStatus::Archived };
    let last_updated_at = data.last_updated_at.clone();
    let product = described(external.clone(), status, data, context)?;
    let digest = digest(&product);
    let told = event(&external, &last_updated_at, Action::Updated, digest, Payload::Product(product))?;
    Ok([told].into_iter().chain(levels).collect())
}

/// A change to the product. `last_updated_at` doesn't move with everything, so that `told` has to tell changes apart.
fn event(
    external: &ExternalId,
    last_updated_at: &str,
    action: Action,
    told: String,
    payload: Payload,
) -> Result<Mapped, Reject> {
    let at = time(last_updated_at, "/data/last_updated_at")?;
    let identity = vec!["product".to_owned(), external.to_string(), at.to_string(), told];
    Ok(Mapped { action, occurred_at: Some(at), version: Some(SourceVersion::from(at)), identity, payload })
}

fn described(
    external: ExternalId,
    status: ProductStatus,
    data: Data,
    context: MapContext,
) -> Result<Product, Reject> {
    let fields = data.product_configurable_fields.unwrap_or_default();
    let barcodes = data.product_barcodes.unwrap_or_default();
    let variant = Variant {
        external: external.clone(),
        item: Some(external.clone()),
        title: None,
        sku: sku(&barcodes),
        barcode: barcodes.into_iter().find_map(|barcode| some(barcode.sku)).map_or(Patch::Keep, Patch::Set),
        price: data.pricing.map_or(Ok(Patch::Keep), |pricing| price(&pricing, context))?,
        compare_at_price: Patch::Keep,
    };
    Ok(Product {
        external,
        title: some(fields.name),
        description: meant(data.e_commerce.unwrap_or_default().product_description),
        vendor: meant(fields.brand),
        category: meant(data.category_type),
        status: Some(status),
        tags: data.attributes.and_then(tags),
        variants: vec![variant],
        variants_complete: true,
    })
}

/// The merchant's own number: the one bar code that they set themselves. With several none is *the* number.
fn sku(barcodes: &[Barcode]) -> Patch<String> {
    let set_by_merchant = barcodes.iter().filter(|barcode| barcode.kind.as_deref() == Some("USER_DEFINED"));
    let mut own = set_by_merchant.filter_map(|barcode| some(barcode.sku.clone()));
    match (own.next(), own.next()) {
        (Some(sku), None) => Patch::Set(sku),
        _ => Patch::Keep,
    }
}

/// A tier's price depends on how much is bought: it is none.
fn price(pricing: &Pricing, context: MapContext) -> Result<Patch<model::Money>, Reject> {
    match &pricing.price_sell {
        _ if pricing.price_type.as_deref() == Some("TIER") => Ok(Patch::Clear),
        Patch::Keep => Ok(Patch::Keep),
        Patch::Clear => Ok(Patch::Clear),
        Patch::Set(amount) => money(Some(amount), context, "/data/pricing/price_sell").map(Patch::present),
    }
}

fn tags(attributes: Attributes) -> Option<Vec<String>> {
    if attributes.general.is_none() && attributes.effects.is_none() {
        return None;
    }
    let mut tags = Vec::new();
    for tag in
        attributes.general.into_iter().chain(attributes.effects).flatten().filter_map(|tag| some(Some(tag)))
    {
        let tag = tag.to_lowercase();
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Some(tags)
}

fn digest(product: &Product) -> String {
    let variants =
        product.variants.iter().map(|variant| json!([variant.sku, variant.barcode, variant.price]));
    let told = json!([
        product.title,
        product.description,
        product.vendor,
        product.category,
        product.status,
        product.tags,
        variants.collect::<Vec<_>>(),
    ]);
    RawDigest::of(told.to_string().as_bytes()).to_string()
}

/// One level for each location, or one for the connection's default location if the locations aren't named.
fn levels(
    delivery: &Delivery,
    item: &ExternalId,
    data: &Data,
    for_sale: bool,
) -> Result<Vec<Mapped>, Reject> {
    let total = quantity(data.sellable_quantity.as_ref(), "/data/sellable_quantity")?;
    let told: Vec<_> = match by_location(data.sellable_quantity_detail.as_deref().unwrap_or_default())? {
        Some(located) => {
            located.into_iter().map(|(location, amount)| (Some(location), Some(amount))).collect()
        }
        None => vec![(None, total)],
    };
    // A list's number at its limit says "this or more", which is no level; with more in the parts the limit is not in force.
    let limit = Quantity::pieces(LISTED_QUANTITY_LIMIT);
    let listed = told
        .iter()
        .filter_map(|(_, amount)| *amount)
        .try_fold(Quantity::ZERO, |sum, amount| sum.plus(amount));
    if delivery.source == Source::Poll && for_sale && total == Some(limit) && listed == Some(limit) {
        return Ok(Vec::new());
    }
    // No version moves with stock, so that a level that comes back to what it was is told apart by the rest of the body,
    // and each reading of ours is news of its own.
    let occasion = match delivery.source {
        Source::Poll => delivery.received_at.to_string(),
        Source::Webhook | Source::Publish => RawDigest::of(&delivery.body).to_string(),
    };
    let at = time(&data.last_updated_at, "/data/last_updated_at")?.to_string();
    let level = |(location, amount): (Option<ExternalId>, Option<Quantity>)| {
        let available = if for_sale { amount? } else { Quantity::ZERO };
        let place = location.as_ref().map_or("", ExternalId::as_str).to_owned();
        let identity = ["inventory", item.as_str(), &place, &at, &available.to_string(), &occasion]
            .map(str::to_owned)
            .into();
        let report = InventoryReport { item: item.clone(), location, available: Some(available) };
        let payload = Payload::Inventory(report);
        Some(Mapped { action: Action::Updated, occurred_at: None, version: None, identity, payload })
    };
    Ok(told.into_iter().filter_map(level).collect())
}

/// The sums over all kinds of inventory, if every part names its location and there is one.
fn by_location(parts: &[Part]) -> Result<Option<BTreeMap<ExternalId, Quantity>>, Reject> {
    let mut located = BTreeMap::new();
    for (index, part) in parts.iter().enumerate() {
        let pointer = |field| format!("/data/sellable_quantity_detail/{index}/{field}");
        let location = id(part.location_id.as_ref(), &pointer("location_id"))?;
        let amount = quantity(part.sellable_quantity.as_ref(), &pointer("sellable_quantity"))?;
        let (Some(location), Some(amount)) = (location, amount) else { return Ok(None) };
        let sum = located.entry(location).or_insert(Quantity::ZERO);
        *sum = sum
            .plus(amount)
            .ok_or(model::InvalidQuantity)
            .and_then(|sum| Quantity::new(sum.decimal()))
            .map_err(|error| {
                Reject::at(RejectClass::Data, pointer("sellable_quantity"), error.to_string())
            })?;
    }
    Ok(Some(located).filter(|located| !located.is_empty()))
}

#[cfg(test)]
mod tests;
