//! Products: their texts, and the one variant of a product without variations.

use super::{Reported, code_patch, details, level, name, names, variation};
use crate::{Mapped, Rows, field::Object, woocommerce::kind::Kind};
use model::{
    Action, EntityKind, ExternalId, Money, Patch, Payload, Product, ProductStatus, RawDigest, SourceVersion,
    Variant, VariantDetails,
};
use serde_json::json;
use stage::Reject;

/// The slug of the category that products without one are in.
const NO_CATEGORY: &str = "uncategorized";

/// The product and its level, each rejected by itself. A variation is reported like a product: its level is taken, and the
/// rest comes with the reading that it leads to. A group of products is none itself.
pub(super) fn product(reported: &Reported<'_>, root: &Object<'_>) -> Result<Rows, Reject> {
    let external = root.id("id")?;
    let is_trashed = root.text("status")? == Some("trash");
    let kind = Kind::of(root.value("type"), root.value("variations"));
    let item = match kind {
        Kind::Simple => Some(external.clone()),
        Kind::Variation => Some(variation::item(root)?),
        Kind::WithVariations | Kind::Group => None,
    };
    let level = item.map(|item| {
        if is_trashed { Ok(level::none(reported, item)) } else { level::level(reported, root, item) }
    });
    Ok(match kind {
        Kind::Variation => level.into_iter().collect(),
        // The level comes first, while the product is still known.
        _ if is_trashed => {
            level.into_iter().chain([Ok(reported.trashed(EntityKind::Product, external))]).collect()
        }
        Kind::Group => Vec::new(),
        Kind::Simple | Kind::WithVariations => {
            let product = described(reported, root, &external, kind).map(|product| {
                let mut identity = vec!["product".to_owned(), external.to_string(), digest(&product)];
                identity.extend(reported.occasion());
                reported.state(identity, reported.version(), Payload::Product(product))
            });
            std::iter::once(product).chain(level).collect()
        }
    })
}

/// A read-back that found no such product: it was deleted for good, which no webhook reports.
pub(super) fn absent(reported: &Reported<'_>, root: &Object<'_>) -> Result<Mapped, Reject> {
    let external = root.text_id("id")?;
    let at = root.time("observed_at")?.ok_or_else(|| root.missing("observed_at"))?;
    let entity = EntityKind::Product;
    let identity = vec![
        format!("{entity}/deleted"),
        external.to_string(),
        at.to_string(),
        reported.delivery.id.to_string(),
    ];
    let (occurred_at, version) = (Some(at), Some(SourceVersion::coarse(at)));
    let payload = Payload::Deleted { entity, external };
    Ok(Mapped { action: Action::Deleted, occurred_at, version, identity, payload })
}

fn described(
    reported: &Reported<'_>,
    root: &Object<'_>,
    external: &ExternalId,
    kind: Kind,
) -> Result<Product, Reject> {
    let has_variations = kind == Kind::WithVariations;
    let variants = if has_variations { Vec::new() } else { vec![only_variant(reported, root, external)?] };
    let brands = names(root, "brands")?;
    Ok(Product {
        external: external.clone(),
        title: name(root, "name")?,
        description: root.patch("description")?,
        vendor: root.patched("brands", brands.and_then(|brands| brands.into_iter().next())),
        category: category(root)?,
        status: root.text("status")?.and_then(status),
        tags: names(root, "tags")?,
        variants,
        // The list of ids in a product shows no SKUs: the reading that it leads to names the variations.
        variants_complete: !has_variations,
        details: details::of_product(root)?,
    })
}

fn only_variant(
    reported: &Reported<'_>,
    root: &Object<'_>,
    external: &ExternalId,
) -> Result<Variant, Reject> {
    let (price, compare_at_price) = prices(reported, root)?;
    Ok(Variant {
        external: external.clone(),
        item: Some(external.clone()),
        title: None,
        sku: code_patch(root, "sku")?,
        barcode: code_patch(root, "global_unique_id")?,
        price,
        compare_at_price,
        // A product without variations has its images itself.
        details: VariantDetails::default(),
    })
}

/// The price that is asked now, and the regular one while it is a higher one. A future sale price is none yet.
pub(super) fn prices(
    reported: &Reported<'_>,
    of: &Object<'_>,
) -> Result<(Patch<Money>, Patch<Money>), Reject> {
    let price = of.amount("price", reported.context.currency)?;
    let regular = of.amount("regular_price", reported.context.currency)?;
    let is_reduced = of.flag("on_sale")? == Some(true);
    let former =
        regular.filter(|regular| is_reduced && price.is_some_and(|price| price.minor < regular.minor));
    Ok((of.patched("price", price), of.patched("regular_price", former)))
}

/// The first category. Products without one are in one called that.
fn category(root: &Object<'_>) -> Result<Patch<String>, Reject> {
    let categories = root.objects("categories")?.unwrap_or_default();
    for category in &categories {
        if category.text("slug")? != Some(NO_CATEGORY) {
            return Ok(root.patched("categories", name(category, "name")?));
        }
    }
    Ok(root.patched("categories", None))
}

/// Maps a status; one that a plugin defines gives `None` rather than a wrong one.
fn status(text: &str) -> Option<ProductStatus> {
    match text {
        "publish" => Some(ProductStatus::Active),
        "draft" | "pending" | "future" | "auto-draft" => Some(ProductStatus::Draft),
        "private" => Some(ProductStatus::Archived),
        _ => None,
    }
}

/// The digest of the mapped fields: a webhook and a reading of the same state are one event, though the links and the
/// random list of related products in them differ.
pub(super) fn digest(product: &Product) -> String {
    let variants = product.variants.iter().map(|variant| {
        let Variant { external, title, sku, barcode, price, compare_at_price, .. } = variant;
        json!([external, title, sku, barcode, price, compare_at_price])
    });
    let reported = json!([
        product.title,
        product.description,
        product.vendor,
        product.category,
        product.status,
        product.tags,
        variants.collect::<Vec<_>>(),
        product.variants_complete,
    ]);
    RawDigest::of(reported.to_string().as_bytes()).to_string()
}
