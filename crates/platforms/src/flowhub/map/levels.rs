//! The stock of a product at each location, summed over its packages.

use crate::{
    Mapped, Rows,
    field::Object,
    packages::{self, PackageFields},
};
use model::{Action, Delivery, ExternalId, InventoryReport, Payload, Quantity, StockedAt, Timestamp};
use stage::Reject;
use std::collections::BTreeMap;

const FIELDS: PackageFields = PackageFields { quantity: "quantity", unit: "inventoryUnitOfMeasure" };

/// The level at each location, and the list of these locations, which is complete. A package that names no location
/// could be at any: it rejects all. Nothing in the list moves with stock alone, so each read is an event of its own.
pub(super) fn levels(delivery: &Delivery, root: &Object<'_>) -> Result<Rows, Reject> {
    let item = root.either_id("productId")?.ok_or_else(|| root.missing("productId"))?;
    let packages = root.objects("rows")?.ok_or_else(|| root.missing("rows"))?;
    let mut located: BTreeMap<ExternalId, Vec<&Object<'_>>> = BTreeMap::new();
    for package in &packages {
        let location = package.either_id("locationId")?.ok_or_else(|| package.missing("locationId"))?;
        located.entry(location).or_default().push(package);
    }
    let observed_at = root.utc_time("observedAt")?;
    let reported = Reported { item, read_at: observed_at.unwrap_or(delivery.received_at), observed_at };
    let levels = located.iter().map(|(location, packages)| {
        let available = packages::sum(packages.iter().copied(), FIELDS)?;
        Ok(reported.level(location.clone(), available))
    });
    let mut rows: Rows = levels.collect();
    rows.push(Ok(reported.stocked(located.into_keys().collect())));
    Ok(rows)
}

/// The data that all events of one read of an item share.
struct Reported {
    item: ExternalId,
    read_at: Timestamp,
    observed_at: Option<Timestamp>,
}

impl Reported {
    fn level(&self, location: ExternalId, available: Quantity) -> Mapped {
        let of = [location.to_string(), available.to_string()];
        let payload = Payload::Inventory(InventoryReport {
            item: self.item.clone(),
            location: Some(location),
            available: Some(available),
        });
        self.event("inventory", of, payload)
    }

    fn stocked(&self, locations: Vec<ExternalId>) -> Mapped {
        let of: Vec<String> = locations.iter().map(ToString::to_string).collect();
        self.event("stocked", of, Payload::Stocked(StockedAt { item: self.item.clone(), locations }))
    }

    fn event(&self, kind: &str, of: impl IntoIterator<Item = String>, payload: Payload) -> Mapped {
        let known = [kind.to_owned(), self.item.to_string(), self.read_at.to_string()];
        Mapped {
            action: Action::Updated,
            occurred_at: self.observed_at,
            version: None,
            identity: known.into_iter().chain(of).collect(),
            payload,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests_delivery;
    use super::*;
    use serde_json::{Value, json};

    fn rows(packages: &Value) -> Result<Rows, Reject> {
        let body = json!({"productId": "b19211ed", "rows": packages});
        levels(&tests_delivery("inventory", &body), &Object::root(&body).unwrap())
    }

    /// Location and level of each event, and the list of locations.
    fn said(packages: &Value) -> Vec<String> {
        let one = |row: Result<Mapped, Reject>| match row.map(|mapped| mapped.payload) {
            Ok(Payload::Inventory(report)) => {
                format!("{}: {}", report.location.unwrap(), report.available.unwrap())
            }
            Ok(Payload::Stocked(stocked)) => format!("{:?}", stocked.locations),
            Ok(other) => panic!("{other:?}"),
            Err(reject) => reject.pointer.unwrap(),
        };
        rows(packages).unwrap().into_iter().map(one).collect()
    }

    fn package(location: &str, quantity: &Value, unit: &str) -> Value {
        json!({"locationId": location, "quantity": quantity, "inventoryUnitOfMeasure": unit})
    }

    #[test]
    fn a_level_is_the_sum_of_a_locations_packages_and_the_list_is_complete() {
        let packages = json!([
            package("a", &json!(45), "grams"),
            package("b", &json!(1), "grams"),
            package("a", &json!(0.5), "Grams")
        ]);
        assert_eq!(said(&packages), ["a: 45.5", "b: 1", r#"["a", "b"]"#]);
        assert_eq!(said(&json!([])), ["[]"], "only what has stock is listed: it is nowhere");
        let sold = json!([package("a", &json!(10), "each"), package("a", &json!(-2), "each")]);
        assert_eq!(said(&sold), ["a: 8", r#"["a"]"#]);
    }

    #[test]
    fn a_package_that_cannot_be_read_leaves_other_locations_as_they_are() {
        let packages = json!([
            package("a", &json!(null), "each"),
            package("b", &json!(1), "each"),
            package("c", &json!(1), "each"),
            package("c", &json!(1), "grams")
        ]);
        let found = said(&packages);
        let expected = ["/rows/0/quantity", "b: 1", "/rows/3/inventoryUnitOfMeasure", r#"["a", "b", "c"]"#];
        assert_eq!(found, expected, "a location whose level is unknown isn't emptied");
    }

    #[test]
    fn a_package_that_is_nowhere_could_be_anywhere() {
        let packages = json!([package("a", &json!(1), "each"), {"quantity": 4}]);
        assert_eq!(rows(&packages).unwrap_err().pointer.unwrap(), "/rows/1/locationId");
    }

    #[test]
    fn a_level_that_comes_back_is_another_event() {
        let body = json!({"productId": 1_510_664, "rows": [package("a", &json!(9), "each")]});
        let read_at = |micros| {
            let mut delivery = tests_delivery("inventory", &body);
            delivery.received_at = Timestamp::from_micros(micros);
            let rows = levels(&delivery, &Object::root(&body).unwrap()).unwrap();
            rows.into_iter().map(|row| row.unwrap().identity).collect::<Vec<_>>()
        };
        assert_eq!(read_at(1), read_at(1));
        assert_ne!(read_at(1)[0], read_at(2)[0]);
        assert_eq!(read_at(1)[0][1], "1510664", "ids were whole numbers once");
    }
}
