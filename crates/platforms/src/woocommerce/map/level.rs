//! Levels: the stock of a product, or of a variation.

use super::Reported;
use crate::{Mapped, field::Object};
use model::{ExternalId, InventoryReport, Payload, Quantity, RawDigest, SourceVersion};
use serde_json::Value;
use stage::Reject;

/// The level of `item`. It is unknown unless the object itself counts its stock: `false` counts nothing, and `"parent"`
/// shows the number that all variations of a product share, which no one of them has.
pub(super) fn level(reported: &Reported<'_>, of: &Object<'_>, item: ExternalId) -> Result<Mapped, Reject> {
    if !of.has("manage_stock") {
        return Err(of.missing("manage_stock"));
    }
    let is_counted = of.value("manage_stock") == Some(&Value::Bool(true));
    let available = if is_counted { of.quantity("stock_quantity")? } else { None };
    Ok(stated(reported, item, available))
}

/// A level that isn't there any more: of an object in the trash.
pub(super) fn none(reported: &Reported<'_>, item: ExternalId) -> Mapped {
    stated(reported, item, None)
}

/// A level as the object states it. The time of its last change is the version: each change of stock is a save.
fn stated(reported: &Reported<'_>, item: ExternalId, available: Option<Quantity>) -> Mapped {
    let quantity = available.map_or("none".to_owned(), |quantity| quantity.to_string());
    let mut identity = vec!["inventory".to_owned(), item.to_string(), quantity];
    identity.extend(reported.occasion());
    let payload = Payload::Inventory(InventoryReport { item, location: None, available });
    reported.state(identity, reported.version(), payload)
}

/// A read-back that found no such object: the level is unknown. It has no version, since its time is that of our own
/// clock; each read is an event of its own.
pub(super) fn absent(reported: &Reported<'_>, root: &Object<'_>) -> Result<Mapped, Reject> {
    let item = root.text_id("item")?;
    let at = root.time("observed_at")?.ok_or_else(|| root.missing("observed_at"))?;
    let identity = vec![
        "inventory".to_owned(),
        item.to_string(),
        "absent".to_owned(),
        at.to_string(),
        RawDigest::of(&reported.delivery.body).to_string(),
        reported.delivery.id.to_string(),
    ];
    let payload = Payload::Inventory(InventoryReport { item, location: None, available: None });
    Ok(Mapped { occurred_at: Some(at), ..reported.state(identity, None::<SourceVersion>, payload) })
}
