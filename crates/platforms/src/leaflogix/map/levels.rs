//! The stock of a product, summed over its packages.

use crate::{
    Mapped,
    field::Object,
    packages::{self, PackageFields},
};
use model::{Action, Delivery, InventoryReport, Payload};
use stage::Reject;

const FIELDS: PackageFields = PackageFields { quantity: "quantityAvailable", unit: "quantityUnits" };

/// The level of a product at the key's only location; zero without packages. Nothing in the list moves with stock alone,
/// so each read is an event of its own.
pub(super) fn level(delivery: &Delivery, root: &Object<'_>) -> Result<Mapped, Reject> {
    let item = root.id("productId")?;
    let packages = root.objects("rows")?.ok_or_else(|| root.missing("rows"))?;
    let available = packages::sum(&packages, FIELDS)?;
    let observed_at = root.utc_time("observedAt")?;
    let identity = vec![
        "inventory".to_owned(),
        item.to_string(),
        observed_at.unwrap_or(delivery.received_at).to_string(),
        available.to_string(),
    ];
    let payload = Payload::Inventory(InventoryReport { item, location: None, available: Some(available) });
    Ok(Mapped { action: Action::Updated, occurred_at: observed_at, version: None, identity, payload })
}

#[cfg(test)]
mod tests {
    use super::super::tests_delivery;
    use super::*;
    use model::Timestamp;
    use serde_json::{Value, json};

    fn mapped(rows: &Value) -> Result<Mapped, Reject> {
        let body = json!({"productId": 171_097, "rows": rows});
        level(&tests_delivery("inventory", &body), &Object::root(&body).unwrap())
    }

    fn available(rows: &Value) -> String {
        let Payload::Inventory(report) = mapped(rows).unwrap().payload else { panic!("a level expected") };
        assert_eq!((report.item.as_str(), report.location), ("171097", None));
        report.available.unwrap().to_string()
    }

    #[test]
    fn a_level_is_the_sum_of_its_packages() {
        let package = |quantity: Value| json!({"quantityAvailable": quantity, "quantityUnits": "ea"});
        assert_eq!(available(&json!([package(json!(6.0)), package(json!(4))])), "10");
        assert_eq!(available(&json!([package(json!(0.1)), package(json!(0.2))])), "0.3");
        assert_eq!(available(&json!([])), "0", "only what has stock is listed");
    }

    #[test]
    fn a_package_that_cannot_be_read_makes_the_level_unknown() {
        let rows = json!([{"quantityAvailable": 6, "quantityUnits": "ea"},
            {"quantityAvailable": 3.5, "quantityUnits": "g"}]);
        assert_eq!(mapped(&rows).unwrap_err().pointer.unwrap(), "/rows/1/quantityUnits");
        let rows = json!([{"quantityAvailable": 6}, {"quantityAvailable": null}]);
        assert_eq!(mapped(&rows).unwrap_err().pointer.unwrap(), "/rows/1/quantityAvailable");
    }

    #[test]
    fn a_level_that_comes_back_is_another_event() {
        let body = json!({"productId": 1, "rows": [{"quantityAvailable": 9}]});
        let read_at = |micros| {
            let mut delivery = tests_delivery("inventory", &body);
            delivery.received_at = Timestamp::from_micros(micros);
            level(&delivery, &Object::root(&body).unwrap()).unwrap().identity
        };
        assert_eq!(read_at(1), read_at(1));
        assert_ne!(read_at(1), read_at(2));
    }
}
