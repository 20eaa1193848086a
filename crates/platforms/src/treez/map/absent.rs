//! A read that found no level: it is unknown.

use super::{id, required_id};
use crate::{Mapped, field::Object};
use model::{Action, ExternalId, InventoryReport, Payload};
use stage::Reject;

/// An unknown level at the requested location. Each read is an event of its own.
pub(super) fn absent(data: &Object<'_>) -> Result<Mapped, Reject> {
    let (item, location) = (required_id(data, "product_id")?, id(data, "location_id")?);
    let at = data.time("observed_at")?.ok_or_else(|| data.missing("observed_at"))?;
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
