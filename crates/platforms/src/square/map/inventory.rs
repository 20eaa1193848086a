//! Counts. Only `IN_STOCK` is a level; stock that is sold, reserved or in transit is reported in rows of its own.

use crate::{Mapped, Rows, field::Object};
use model::{Action, ExternalId, InventoryReport, Payload, SourceVersion};
use stage::Reject;

/// The levels in a webhook, each row by itself.
pub(super) fn updated(root: &Object<'_>) -> Result<Rows, Reject> {
    let data = root.required_object("data")?;
    let object = data.required_object("object")?;
    let counts = object.rows("inventory_counts")?.ok_or_else(|| object.missing("inventory_counts"))?;
    Ok(counts.into_iter().filter_map(|row| row.and_then(|row| count(&row)).transpose()).collect())
}

/// The level in one row of a webhook or of a read-back; both give the same event. `None` if the row isn't a level:
/// another state, or a count of something that isn't a variation.
pub(super) fn count(row: &Object<'_>) -> Result<Option<Mapped>, Reject> {
    let of_variation = row.text("catalog_object_type")?.is_none_or(|kind| kind == "ITEM_VARIATION");
    let state = row.required_text("state")?;
    if !of_variation || state != "IN_STOCK" {
        return Ok(None);
    }
    let at = row.time("calculated_at")?.ok_or_else(|| row.missing("calculated_at"))?;
    let quantity = row.decimal("quantity")?;
    let item = row.text_id("catalog_object_id")?;
    let location = row.optional_text_id("location_id")?;
    let location_id = location.as_ref().map_or("", ExternalId::as_str);
    let identity = vec![
        "inventory".to_owned(),
        item.to_string(),
        location_id.to_owned(),
        state.to_owned(),
        at.to_string(),
        quantity.to_string(),
    ];
    Ok(Some(Mapped {
        action: Action::Updated,
        occurred_at: Some(at),
        version: Some(SourceVersion::exact(at)),
        identity,
        payload: Payload::Inventory(InventoryReport { item, location, available: Some(quantity) }),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Quantity;
    use serde_json::{Value, json};
    use stage::RejectClass;

    fn row(state: &str, quantity: &str, at: &str) -> Value {
        json!({"catalog_object_id": "V", "catalog_object_type": "ITEM_VARIATION", "location_id": "L",
            "state": state, "quantity": quantity, "calculated_at": at})
    }

    fn rows(rows: &[Value]) -> Rows {
        let body = json!({"data": {"object": {"inventory_counts": rows}}});
        updated(&Object::root(&body).unwrap()).unwrap()
    }

    fn webhook(reported: &[Value]) -> Result<Vec<Mapped>, Reject> {
        rows(reported).into_iter().collect()
    }

    fn reread(row: &Value) -> Vec<Mapped> {
        vec![count(&Object::root(row).unwrap()).unwrap().unwrap()]
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
        assert_eq!(mapped.version.unwrap().number.0, 1_572_374_325_102_960);
    }

    #[test]
    fn counts_of_other_states_alone_concern_nobody() {
        assert_eq!(webhook(&[row("SOLD", "2", "2019-10-29T18:38:45Z")]), Ok(Vec::new()));
        let mut of_item = row("IN_STOCK", "2", "2019-10-29T18:38:45Z");
        of_item["catalog_object_type"] = "ITEM".into();
        assert_eq!(webhook(&[of_item]), Ok(Vec::new()));
    }

    #[test]
    fn a_webhook_and_a_read_back_report_the_same_event() {
        let reported = webhook(&[row("IN_STOCK", "10", "2019-10-29T18:38:45.100Z")]).unwrap();
        let again = reread(&row("IN_STOCK", "10.0", "2019-10-29T18:38:45.1Z"));
        assert_eq!(reported, again);
        let later = reread(&row("IN_STOCK", "10", "2019-10-29T18:38:45.2Z"));
        assert_ne!(reported[0].identity, later[0].identity);
    }

    #[test]
    fn a_count_that_is_no_number_or_time_is_refused_without_being_quoted() {
        for bad in [row("IN_STOCK", "ten", "2019-10-29T18:38:45Z"), row("IN_STOCK", "10", "today")] {
            let reject = webhook(&[bad]).unwrap_err();
            assert_eq!(reject.class, RejectClass::Data);
            assert!(!reject.to_string().contains("ten") && !reject.to_string().contains("today"), "{reject}");
        }
    }

    #[test]
    fn a_bad_row_is_rejected_alone_and_a_row_that_is_none_of_ours_may_be_anything() {
        let at = "2019-10-29T18:38:45Z";
        let mut nameless = row("IN_STOCK", "1", at);
        nameless["catalog_object_id"] = Value::Null;
        let mut elsewhere = row("WASTE", "a lot", "some day");
        elsewhere["location_id"] = 7.into();
        let reported = [row("IN_STOCK", "3", at), nameless, json!("row"), elsewhere, row("IN_STOCK", "", at)];
        let rows = rows(&reported);
        assert!(rows[0].is_ok());
        let pointers: Vec<_> = rows.iter().filter_map(|row| row.as_ref().err()?.pointer.clone()).collect();
        let counts = "/data/object/inventory_counts";
        let expected =
            [format!("{counts}/1/catalog_object_id"), format!("{counts}/2"), format!("{counts}/4/quantity")];
        assert_eq!(pointers, expected);
    }
}
