//! Variations, as they are read: one of them, or a page of a product's.
//!
//! A part of a product has no version: the times of the variations and of their product don't order the product's states.
//! A later reading stands, and fields are compared by the time of their change.

use super::{Reported, code_patch, details, entities, level, product, time};
use crate::{Mapped, Rows, field::Object, text, woocommerce::item};
use model::{ExternalId, Patch, Payload, Product, ProductDetails, Timestamp, Variant};
use stage::{Reject, RejectClass};
use std::collections::BTreeSet;

/// The id of the item that a variation's level is counted under.
pub(super) fn item(root: &Object<'_>) -> Result<ExternalId, Reject> {
    item::variation(&root.id("parent_id")?, &root.id("id")?)
}

/// A variation that was read by itself, and its level. One in the trash has neither price nor number.
pub(super) fn read(reported: &Reported<'_>, root: &Object<'_>) -> Result<Rows, Reject> {
    let (parent, item) = (root.id("parent_id")?, item(root)?);
    if root.text("status")? == Some("trash") {
        return Ok(vec![Ok(level::none(reported, item))]);
    }
    let product = variant(reported, root, &parent, None).map(|variant| {
        let mut identity = vec!["product".to_owned(), parent.to_string(), variant.external.to_string()];
        let product = part(parent, vec![variant], false);
        identity.push(product::digest(&product));
        identity.extend(reported.occasion());
        reported.state(identity, None, Payload::Product(product))
    });
    Ok(vec![product, level::level(reported, root, item)])
}

/// A page of the variations of a product, and their levels. An unreadable variation is rejected by itself, and makes the
/// list incomplete.
pub(super) fn page(reported: &Reported<'_>, root: &Object<'_>) -> Result<Rows, Reject> {
    let parent = root.id("parent_id")?;
    let inherited = root.text("parent_sku")?;
    let rows = root.rows("variations")?.ok_or_else(|| root.missing("variations"))?;
    let (mut variants, mut rejected, mut levels) = (Vec::new(), Vec::new(), Vec::new());
    let mut at = reported.at;
    for row in rows {
        match row.and_then(|of| listed(reported, &of, &parent, inherited)) {
            Ok(row) => {
                at = at.max(row.at);
                variants.push(row.variant);
                levels.push(row.level);
            }
            Err(reject) => rejected.push(reject),
        }
    }
    let ids: BTreeSet<&ExternalId> = variants.iter().map(|variant| &variant.external).collect();
    if ids.len() < variants.len() {
        return Err(root.reject(RejectClass::Data, "variations", "two variations have one id"));
    }
    let is_complete = rejected.is_empty() && root.flag("is_complete")? == Some(true);
    let mut identity = vec!["product".to_owned(), parent.to_string(), "variations".to_owned()];
    let product = part(parent, variants, is_complete);
    identity.push(product::digest(&product));
    // A price may have changed later than the product that the list belongs to.
    let latest = Reported { at, ..*reported };
    identity.extend(latest.occasion());
    // When re-ingested, a page whose rejected variations have become readable is another event.
    identity.extend(rejected.iter().filter_map(|reject: &Reject| reject.pointer.clone()));
    let product = latest.state(identity, None, Payload::Product(product));
    Ok(std::iter::once(Ok(product)).chain(levels).chain(rejected.into_iter().map(Err)).collect())
}

/// One row of a page.
struct Listed {
    variant: Variant,
    /// The level, which has the variation's own time.
    level: Result<Mapped, Reject>,
    at: Option<Timestamp>,
}

fn listed(
    reported: &Reported<'_>,
    of: &Object<'_>,
    parent: &ExternalId,
    inherited: Option<&str>,
) -> Result<Listed, Reject> {
    let own = Reported { at: time(of, "date_modified_gmt")?, ..*reported };
    let variant = variant(&own, of, parent, inherited)?;
    let item = item::variation(parent, &variant.external)?;
    Ok(Listed { variant, level: level::level(&own, of, item), at: own.at })
}

/// A variation. A list shows the product's SKU where a variation has none: that number is not its own.
fn variant(
    reported: &Reported<'_>,
    of: &Object<'_>,
    parent: &ExternalId,
    inherited: Option<&str>,
) -> Result<Variant, Reject> {
    let external = of.id("id")?;
    let is_own = inherited.is_none() || of.text("sku")? != inherited;
    let (price, compare_at_price) = product::prices(reported, of)?;
    Ok(Variant {
        item: Some(item::variation(parent, &external)?),
        external,
        title: title(of)?,
        sku: if is_own { code_patch(of, "sku")? } else { Patch::Clear },
        barcode: code_patch(of, "global_unique_id")?,
        price,
        compare_at_price,
        details: details::of_variation(of)?,
    })
}

/// The options that make the variation, such as `Black, M`.
fn title(of: &Object<'_>) -> Result<Option<String>, Reject> {
    let attributes = of.objects("attributes")?.unwrap_or_default();
    let options = attributes.iter().map(|attribute| attribute.text("option"));
    let options: Vec<&str> = options.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    let title = options.iter().map(|option| entities::decoded(option)).collect::<Vec<_>>().join(", ");
    Ok(Some(title).filter(|title| text::readable(title).is_ok() && !title.is_empty()))
}

/// A product of which only variants are known.
fn part(external: ExternalId, variants: Vec<Variant>, variants_complete: bool) -> Product {
    Product {
        external,
        title: None,
        description: Patch::Keep,
        vendor: Patch::Keep,
        category: Patch::Keep,
        status: None,
        tags: None,
        variants,
        variants_complete,
        details: ProductDetails::default(),
    }
}
