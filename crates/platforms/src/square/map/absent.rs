//! A read-back that found no count: the level there is unknown.

use super::{read, time};
use crate::Mapped;
use model::{Action, ExternalId, InventoryReport, Payload};
use serde::Deserialize;
use serde_json::Value;
use stage::Reject;

#[derive(Deserialize)]
struct Absent {
    catalog_object_id: ExternalId,
    location_id: Option<ExternalId>,
    observed_at: String,
}

/// An unknown level at the location that was asked about. It has no version, since it is our clock that tells when; each
/// reading is news of its own.
pub(super) fn absent(body: &Value) -> Result<Mapped, Reject> {
    let Absent { catalog_object_id: item, location_id: location, observed_at } = read(body)?;
    let at = time(&observed_at, "/observed_at")?;
    let place = location.as_ref().map_or("", ExternalId::as_str).to_owned();
    let identity = vec!["inventory".to_owned(), item.to_string(), place, "ABSENT".to_owned(), at.to_string()];
    Ok(Mapped {
        action: Action::Updated,
        occurred_at: Some(at),
        version: None,
        identity,
        payload: Payload::Inventory(InventoryReport { item, location, available: None }),
    })
}
