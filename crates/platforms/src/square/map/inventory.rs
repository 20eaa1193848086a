//! Counts. Only `IN_STOCK` is a level; what is sold, reserved or on its way comes in rows of its own.

use super::{read, time};
use crate::Mapped;
use model::{Action, ExternalId, InventoryReport, Payload, Quantity};
use serde::Deserialize;
use serde_json::Value;
use stage::{Reject, RejectClass};

#[derive(Deserialize)]
struct Updated {
    data: UpdatedData,
}

#[derive(Deserialize)]
struct UpdatedData {
    object: UpdatedObject,
}

#[derive(Deserialize)]
struct UpdatedObject {
    inventory_counts: Vec<Count>,
}

/// One row of a webhook or of a read-back: both have the same shape.
#[derive(Deserialize)]
pub(super) struct Count {
    catalog_object_id: ExternalId,
    catalog_object_type: Option<String>,
    location_id: Option<ExternalId>,
    state: String,
    quantity: String,
    calculated_at: String,
}

/// The levels in a webhook.
pub(super) fn updated(body: &Value) -> Result<Vec<Mapped>, Reject> {
    counts(read::<Updated>(body)?.data.object.inventory_counts)
}

/// The levels among `counts`. A row is the same event whether a webhook or a read-back brought it.
pub(super) fn counts(counts: impl IntoIterator<Item = Count>) -> Result<Vec<Mapped>, Reject> {
    counts.into_iter().filter(is_level).map(level).collect()
}

fn is_level(count: &Count) -> bool {
    let of_variation = count.catalog_object_type.as_deref().is_none_or(|kind| kind == "ITEM_VARIATION");
    of_variation && count.state == "IN_STOCK"
}

fn level(count: Count) -> Result<Mapped, Reject> {
    let at = time(&count.calculated_at, "/calculated_at")?;
    let quantity = Quantity::parse(&count.quantity)
        .map_err(|error| Reject::at(RejectClass::Data, "/quantity", error.to_string()))?;
    let place = count.location_id.as_ref().map_or("", ExternalId::as_str);
    let identity = vec![
        "inventory".to_owned(),
        count.catalog_object_id.to_string(),
        place.to_owned(),
        count.state,
        at.to_string(),
        quantity.to_string(),
    ];
    Ok(Mapped {
        action: Action::Updated,
        occurred_at: Some(at),
        version: Some(at.into()),
        identity,
        payload: Payload::Inventory(InventoryReport {
            item: count.catalog_object_id,
            location: count.location_id,
            available: Some(quantity),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(state: &str, quantity: &str, at: &str) -> Value {
        json!({"catalog_object_id": "V", "catalog_object_type": "ITEM_VARIATION", "location_id": "L",
            "state": state, "quantity": quantity, "calculated_at": at})
    }

    fn webhook(rows: &[Value]) -> Result<Vec<Mapped>, Reject> {
        updated(&json!({"data": {"object": {"inventory_counts": rows}}}))
    }

    #[test]
    fn only_stock_that_can_be_sold_is_a_level() {
        let at = "2019-10-29T18:38:45.10296Z";
        let mapped = webhook(&[
            row("WASTE", "2", at),
            row("IN_STOCK", "10.50", at),
            row("RESERVED_FOR_SALE", "1", at),
        ])
        .unwrap();
        let [mapped] = mapped.as_slice() else { panic!("one level expected") };
        let Payload::Inventory(report) = &mapped.payload else { panic!("a level expected") };
        assert_eq!(report.available, Some(Quantity::parse("10.5").unwrap()));
        assert_eq!(mapped.version.unwrap().0, 1_572_374_325_102_960);
    }

    #[test]
    fn counts_of_other_states_alone_concern_nobody() {
        assert_eq!(webhook(&[row("SOLD", "2", "2019-10-29T18:38:45Z")]), Ok(Vec::new()));
        let mut of_item = row("IN_STOCK", "2", "2019-10-29T18:38:45Z");
        of_item["catalog_object_type"] = "ITEM".into();
        assert_eq!(webhook(&[of_item]), Ok(Vec::new()));
    }

    #[test]
    fn a_webhook_and_a_read_back_tell_the_same_event() {
        let told = webhook(&[row("IN_STOCK", "10", "2019-10-29T18:38:45.100Z")]).unwrap();
        let reread = counts([read(&row("IN_STOCK", "10.0", "2019-10-29T18:38:45.1Z")).unwrap()]).unwrap();
        assert_eq!(told, reread);
        let later = counts([read(&row("IN_STOCK", "10", "2019-10-29T18:38:45.2Z")).unwrap()]).unwrap();
        assert_ne!(told[0].identity, later[0].identity);
    }

    #[test]
    fn a_count_that_is_no_number_or_time_is_refused_without_being_quoted() {
        for bad in [row("IN_STOCK", "ten", "2019-10-29T18:38:45Z"), row("IN_STOCK", "10", "today")] {
            let reject = webhook(&[bad]).unwrap_err();
            assert_eq!(reject.class, RejectClass::Data);
            assert!(!reject.to_string().contains("ten") && !reject.to_string().contains("today"), "{reject}");
        }
    }
}
