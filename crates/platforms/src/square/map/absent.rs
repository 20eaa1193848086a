//! A read that found no count: the level there is unknown.

use crate::{Mapped, field::Object};
use model::{Action, ExternalId, InventoryReport, Payload};
use stage::Reject;

/// An unknown level at the requested location. It has no version, since its time is that of our own clock; each read is
/// an event of its own.
pub(super) fn absent(root: &Object<'_>) -> Result<Mapped, Reject> {
    let item = root.text_id("catalog_object_id")?;
    let location = root.optional_text_id("location_id")?;
    let at = root.time("observed_at")?.ok_or_else(|| root.missing("observed_at"))?;
    let location_id = location.as_ref().map_or("", ExternalId::as_str).to_owned();
    let identity =
        vec!["inventory".to_owned(), item.to_string(), location_id, "ABSENT".to_owned(), at.to_string()];
    Ok(Mapped {
        action: Action::Updated,
        occurred_at: Some(at),
        version: None,
        identity,
        payload: Payload::Inventory(InventoryReport { item, location, available: None }),
    })
}
