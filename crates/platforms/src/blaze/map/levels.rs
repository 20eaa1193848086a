//! Quantities of a product, by inventory.

use super::is_deleted;
use crate::{Mapped, Rows, field::Object};
use model::{Action, Delivery, ExternalId, InvalidQuantity, InventoryReport, Payload, Quantity, StockedAt};
use stage::{Reject, RejectClass};
use std::collections::BTreeMap;

/// A level; `None` if it is unknown.
type Level = Result<Option<Quantity>, Reject>;

/// One level for each inventory: the sum of its rows, which all have the product's unit. An inventory whose rows are
/// all deleted doesn't stock the product: its level is unknown. No row can be assigned to an inventory that it doesn't
/// name: it is rejected alone. A product that isn't for sale has levels of zero.
pub(super) fn levels(
    delivery: &Delivery,
    product: &ExternalId,
    root: &Object<'_>,
    is_for_sale: bool,
) -> Rows {
    let (levels, mut rejected) = match by_inventory(root) {
        Ok(found) => found,
        Err(reject) => return vec![Err(reject)],
    };
    let mut rows: Rows = Vec::new();
    for (inventory, level) in levels {
        let available = match level {
            Ok(Some(_)) if !is_for_sale => Some(Quantity::ZERO),
            Ok(available) => available,
            Err(reject) => {
                rejected.push(reject);
                continue;
            }
        };
        rows.push(Ok(mapped(delivery, product, inventory, available)));
    }
    rows.extend(rejected.into_iter().map(Err));
    rows
}

/// The levels by inventory, and the rejections of rows that name none.
fn by_inventory(root: &Object<'_>) -> Result<(BTreeMap<ExternalId, Level>, Vec<Reject>), Reject> {
    let mut levels: BTreeMap<ExternalId, Level> = BTreeMap::new();
    let mut rejected = Vec::new();
    for row in root.rows("quantities")?.unwrap_or_default() {
        let read = row.and_then(|row| Ok((row.text_id("inventoryId")?, quantity(&row))));
        match read {
            Ok((inventory, quantity)) => {
                let known = levels.remove(&inventory);
                let level = known.map_or_else(|| quantity.clone(), |known| added(known, quantity.clone()));
                levels.insert(inventory, level);
            }
            Err(reject) => rejected.push(reject),
        }
    }
    Ok((levels, rejected))
}

/// The quantity of a row; `None` for a deleted row.
fn quantity(row: &Object<'_>) -> Level {
    if is_deleted(row)? {
        return Ok(None);
    }
    row.quantity("quantity")?.map(Some).ok_or_else(|| row.missing("quantity"))
}

/// The sum of two rows of one inventory; a deleted row adds nothing, and one that can't be read makes the sum unreadable.
fn added(known: Level, row: Level) -> Level {
    let sum = |one: Quantity, other: Quantity| {
        let sum = one.plus(other).and_then(|sum| Quantity::new(sum.decimal()).ok());
        let too_much = || Reject::at(RejectClass::Data, "/quantities", InvalidQuantity.to_string());
        sum.map(Some).ok_or_else(too_much)
    };
    match (known?, row?) {
        (Some(known), Some(row)) => sum(known, row),
        (known, row) => Ok(known.or(row)),
    }
}

/// A level as a read found it. Nothing that BLAZE states is known to change with each change of a quantity: it has no
/// version, and each read is an event of its own.
fn mapped(
    delivery: &Delivery,
    product: &ExternalId,
    inventory: ExternalId,
    available: Option<Quantity>,
) -> Mapped {
    let quantity = available.map_or_else(|| "none".to_owned(), |quantity| quantity.to_string());
    let identity = vec![
        "inventory".to_owned(),
        product.to_string(),
        inventory.to_string(),
        quantity,
        delivery.received_at.to_string(),
    ];
    let report = InventoryReport { item: product.clone(), location: Some(inventory), available };
    let payload = Payload::Inventory(report);
    Mapped { action: Action::Updated, occurred_at: None, version: None, identity, payload }
}

/// A report that the product is at no location any more.
pub(super) fn nowhere(delivery: &Delivery, product: ExternalId) -> Mapped {
    let identity = vec!["stocked".to_owned(), product.to_string(), delivery.received_at.to_string()];
    let payload = Payload::Stocked(StockedAt { item: product, locations: Vec::new() });
    Mapped { action: Action::Updated, occurred_at: None, version: None, identity, payload }
}

#[cfg(test)]
mod tests {
    use super::super::tests_delivery;
    use super::*;
    use serde_json::{Value, json};

    fn read(quantities: &Value, is_for_sale: bool) -> Rows {
        let body = json!({ "quantities": quantities });
        let product = ExternalId::new("p").unwrap();
        levels(&tests_delivery("product", &body), &product, &Object::root(&body).unwrap(), is_for_sale)
    }

    fn shown(quantities: &Value, is_for_sale: bool) -> Vec<String> {
        let shown = |row: Result<Mapped, Reject>| match row {
            Ok(Mapped { payload: Payload::Inventory(level), .. }) => {
                let location = level.location.unwrap();
                format!("{location} {}", level.available.map_or("none".to_owned(), |level| level.to_string()))
            }
            Ok(other) => format!("{other:?}"),
            Err(reject) => format!("rejected {}", reject.pointer.unwrap_or_default()),
        };
        read(quantities, is_for_sale).into_iter().map(shown).collect()
    }

    fn row(inventory: &str, quantity: impl Into<Value>) -> Value {
        json!({"inventoryId": inventory, "quantity": quantity.into()})
    }

    #[test]
    fn rows_of_one_inventory_are_summed_and_inventories_stay_apart() {
        let rows = json!([row("front", 0.1), row("vault", 40), row("front", 0.2)]);
        assert_eq!(shown(&rows, true), ["front 0.3", "vault 40"]);
        assert_eq!(shown(&json!([row("front", "7.5")]), true), ["front 7.5"]);
        assert_eq!(shown(&json!([row("front", -2)]), true), ["front -2"]);
        for none in [json!([]), json!(null), json!("")] {
            assert_eq!(shown(&none, true), [""; 0]);
        }
    }

    #[test]
    fn a_deleted_row_counts_nothing_and_alone_makes_the_level_unknown() {
        let mut deleted = row("front", 5);
        deleted["deleted"] = true.into();
        assert_eq!(shown(&json!([deleted.clone(), row("front", 2)]), true), ["front 2"]);
        assert_eq!(shown(&json!([row("front", 2), deleted.clone()]), true), ["front 2"]);
        assert_eq!(shown(&json!([deleted, row("vault", 1)]), true), ["front none", "vault 1"]);
    }

    #[test]
    fn a_row_that_cannot_be_read_rejects_its_inventory_alone() {
        let rows = json!([row("front", Value::Null), row("front", 1), row("vault", 1)]);
        assert_eq!(shown(&rows, true), ["vault 1", "rejected /quantities/0/quantity"]);
        let rows = json!([{"quantity": 1}, row("vault", 1), 7]);
        assert_eq!(
            shown(&rows, true),
            ["vault 1", "rejected /quantities/0/inventoryId", "rejected /quantities/2"]
        );
        let too_much = json!([row("front", 900_000_000), row("front", 900_000_000)]);
        assert_eq!(shown(&too_much, true), ["rejected /quantities"]);
    }

    #[test]
    fn what_is_not_for_sale_is_zero_where_it_is_stocked() {
        let mut deleted = row("attic", 5);
        deleted["deleted"] = true.into();
        let rows = json!([row("front", 7), deleted]);
        assert_eq!(shown(&rows, false), ["attic none", "front 0"]);
    }

    #[test]
    fn each_read_is_an_event_of_its_own_and_has_no_version() {
        let body = json!({"quantities": [row("front", 7)]});
        let product = ExternalId::new("p").unwrap();
        let read = |second: i64| {
            let mut delivery = tests_delivery("product", &body);
            delivery.received_at = model::Timestamp::from_micros(second * 1_000_000);
            let rows = levels(&delivery, &product, &Object::root(&body).unwrap(), true);
            rows.into_iter().next().unwrap().unwrap()
        };
        assert_eq!(read(1), read(1));
        assert_ne!(read(1).identity, read(2).identity);
        assert_eq!(read(1).version, None);
    }
}
