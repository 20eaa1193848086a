//! Reads that found nothing: a product that isn't there any more, a level that is unknown.

use super::levels::nowhere;
use crate::{Mapped, Rows, field::Object};
use model::{Action, Delivery, EntityKind, ExternalId, InventoryReport, Payload};
use stage::Reject;

/// The deletion of a product that is missing in a complete list or in its read-back; it is at no location.
pub(super) fn product(delivery: &Delivery, root: &Object<'_>) -> Result<Rows, Reject> {
    let external = root.text_id("id")?;
    let at = root.time("observed_at")?.ok_or_else(|| root.missing("observed_at"))?;
    // The list of locations comes first, while the product is still known.
    let gone = super::deleted(EntityKind::Product, external.clone(), at);
    Ok(vec![Ok(nowhere(delivery, external)), Ok(gone)])
}

/// An unknown level at the requested location. Each read is an event of its own.
pub(super) fn level(root: &Object<'_>) -> Result<Mapped, Reject> {
    let (item, location) = (root.text_id("item")?, root.optional_text_id("location")?);
    let at = root.time("observed_at")?.ok_or_else(|| root.missing("observed_at"))?;
    let location_id = location.as_ref().map_or("", ExternalId::as_str).to_owned();
    let identity =
        vec!["inventory".to_owned(), item.to_string(), location_id, "absent".to_owned(), at.to_string()];
    Ok(Mapped {
        action: Action::Updated,
        occurred_at: Some(at),
        version: None,
        identity,
        payload: Payload::Inventory(InventoryReport { item, location, available: None }),
    })
}
