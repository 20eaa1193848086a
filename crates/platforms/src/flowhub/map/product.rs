//! A product with its variants, from the rows of the stock list.

mod price;

use super::details;
use crate::{Mapped, field::Object};
use model::{Action, Delivery, ExternalId, Patch, Payload, Product, RawDigest, Variant};
use serde_json::json;
use stage::Reject;
use std::collections::BTreeMap;

/// The product: its rows are of different variants, and each variant may have several, one for each package and location.
/// It has no version: the times in its rows are those of single variants.
pub(super) fn product(delivery: &Delivery, root: &Object<'_>) -> Result<Mapped, Reject> {
    let product = described(root)?;
    let identity = vec![
        "product".to_owned(),
        product.external.to_string(),
        delivery.received_at.to_string(),
        digest(&product),
    ];
    let payload = Payload::Product(product);
    Ok(Mapped { action: Action::Updated, occurred_at: None, version: None, identity, payload })
}

fn described(root: &Object<'_>) -> Result<Product, Reject> {
    let external = root.either_id("parentProductId")?.ok_or_else(|| root.missing("parentProductId"))?;
    let rows = root.objects("rows")?.ok_or_else(|| root.missing("rows"))?;
    let mut variants: BTreeMap<ExternalId, Vec<&Object<'_>>> = BTreeMap::new();
    for row in &rows {
        let variant = row.either_id("productId")?.ok_or_else(|| row.missing("productId"))?;
        variants.entry(variant).or_default().push(row);
    }
    let is_only = variants.len() == 1;
    let title = match first(&rows, "parentProductName")? {
        Patch::Set(title) => Some(title),
        Patch::Keep | Patch::Clear if is_only => first(&rows, "productName")?.set().cloned(),
        Patch::Keep | Patch::Clear => None,
    };
    Ok(Product {
        external,
        title,
        description: first(&rows, "productDescription")?,
        vendor: first(&rows, "brand")?,
        category: category(&rows)?,
        // The list doesn't say if a product is still sold.
        status: None,
        tags: tags(&rows)?,
        variants: variants.into_iter().map(|(id, rows)| variant(id, &rows)).collect::<Result<_, _>>()?,
        // It isn't known if a variant without packages is listed.
        variants_complete: false,
        details: details::of_product(&rows)?,
    })
}

fn variant(external: ExternalId, rows: &[&Object<'_>]) -> Result<Variant, Reject> {
    let named = first_of(rows, "variantName")?;
    let title = match named {
        Patch::Set(title) => Some(title),
        Patch::Keep | Patch::Clear => first_of(rows, "productName")?.set().cloned(),
    };
    Ok(Variant {
        item: Some(external.clone()),
        external,
        title,
        sku: agreed(rows, |row| row.code_patch("sku"))?,
        barcode: Patch::Keep,
        price: agreed(rows, price::price)?,
        compare_at_price: Patch::Keep,
        details: details::of_variant(rows)?,
    })
}

/// The value that all rows have. If they have different ones, none of them is *the* value, and the known one stays.
fn agreed<T: PartialEq>(
    rows: &[&Object<'_>],
    read: impl Fn(&Object<'_>) -> Result<Patch<T>, Reject>,
) -> Result<Patch<T>, Reject> {
    let mut values = rows.iter().map(|row| read(row));
    let Some(first) = values.next().transpose()? else { return Ok(Patch::Keep) };
    for value in values {
        if value? != first {
            return Ok(Patch::Keep);
        }
    }
    Ok(first)
}

/// The first text under `key` that a row has; empty if rows have the key alone.
fn first(rows: &[Object<'_>], key: &str) -> Result<Patch<String>, Reject> {
    first_of(&rows.iter().collect::<Vec<_>>(), key)
}

fn first_of(rows: &[&Object<'_>], key: &str) -> Result<Patch<String>, Reject> {
    let mut found = Patch::Keep;
    for row in rows {
        match row.stated_patch(key)? {
            Patch::Set(text) => return Ok(Patch::Set(text)),
            Patch::Clear => found = Patch::Clear,
            Patch::Keep => {}
        }
    }
    Ok(found)
}

/// The shop's own category, or else Flowhub's.
fn category(rows: &[Object<'_>]) -> Result<Patch<String>, Reject> {
    match first(rows, "customCategoryName")? {
        Patch::Set(category) => Ok(Patch::Set(category)),
        Patch::Keep | Patch::Clear => first(rows, "category"),
    }
}

/// The tags of all rows; `None` if none reports them.
fn tags(rows: &[Object<'_>]) -> Result<Option<Vec<String>>, Reject> {
    let mut tags: Option<Vec<String>> = None;
    for row in rows {
        let Some(names) = row.names("tags")? else { continue };
        let tags = tags.get_or_insert_default();
        for name in names {
            if !tags.contains(&name) {
                tags.push(name);
            }
        }
    }
    Ok(tags)
}

fn digest(product: &Product) -> String {
    let variants = product
        .variants
        .iter()
        .map(|variant| json!([variant.external, variant.title, variant.sku, variant.price]));
    let reported = json!([
        product.title,
        product.description,
        product.vendor,
        product.category,
        product.tags,
        variants.collect::<Vec<_>>(),
    ]);
    RawDigest::of(reported.to_string().as_bytes()).to_string()
}

#[cfg(test)]
mod tests;
