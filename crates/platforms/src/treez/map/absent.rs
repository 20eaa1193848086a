//! A read-back that found no level: it is unknown.

use super::{id, read, required, time};
use crate::Mapped;
use model::{Action, ExternalId, InventoryReport, Payload};
use serde::Deserialize;
use serde_json::Value;
use stage::Reject;

#[derive(Deserialize)]
struct Absent {
    product_id: Value,
    location_id: Option<Value>,
    observed_at: String,
}

/// An unknown level at the location that was asked about. Each reading is news of its own.
pub(super) fn absent(body: &Value) -> Result<Mapped, Reject> {
    let absent: Absent = read(body)?;
    let item = required(id(Some(&absent.product_id), "/data/product_id")?, "/data/product_id")?;
    let location = id(absent.location_id.as_ref(), "/data/location_id")?;
    let at = time(&absent.observed_at, "/data/observed_at")?;
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
