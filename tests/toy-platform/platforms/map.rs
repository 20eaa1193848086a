//! Maps Acme's payloads to the model.

use crate::{Mapped, Rows, field::Object};
use model::{Action, ExternalId, InventoryReport, Payload, SourceVersion};
use serde_json::Value;
use stage::Reject;

/// The event in the body of a webhook.
pub(super) fn map(body: &Value) -> Result<Rows, Reject> {
    Ok(vec![level(&Object::root(body)?)])
}

fn level(body: &Object<'_>) -> Result<Mapped, Reject> {
    let at = body.time("changed_at")?.ok_or_else(|| body.missing("changed_at"))?;
    let available = body.decimal("available")?;
    let item = body.text_id("item_id")?;
    let location = body.optional_text_id("location_id")?;
    let site = location.as_ref().map_or("", ExternalId::as_str);
    Ok(Mapped {
        action: Action::Updated,
        occurred_at: Some(at),
        version: Some(SourceVersion::exact(at)),
        identity: vec!["level".to_owned(), item.to_string(), site.to_owned(), at.to_string(), available.to_string()],
        payload: Payload::Inventory(InventoryReport { item, location, available: Some(available) }),
    })
}
