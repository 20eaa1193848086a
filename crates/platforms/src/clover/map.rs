//! Maps what was fetched from Clover to the model.

mod customer;
mod employee;
mod item;
mod order;
mod settlement;

use crate::{MapContext, Mapped, Rows, field::Object};
use model::{Delivery, Money, Payload, Quantity, SourceVersion, Timestamp};
use serde_json::Value;
use stage::{Reject, RejectClass};

const MICROS_PER_MILLISECOND: i64 = 1_000;

/// The events in the body of a delivery.
pub(super) fn map(delivery: &Delivery, body: &Value, context: MapContext) -> Result<Rows, Reject> {
    let root = Object::root(body)?;
    let rows = match delivery.kind.topic() {
        "item" => item::item(&root, context)?,
        "item_stock" => vec![item::stock(&root)],
        "order" => vec![order::order(&root, context)],
        "customer" => vec![customer::customer(&root)],
        "employee" => vec![employee::employee(&root)],
        // Thin: the object is fetched and arrives as a delivery of its own.
        _ => Vec::new(),
    };
    let read = |row: Result<Mapped, Reject>| row.map(|mapped| read_at(mapped, delivery.received_at));
    Ok(rows.into_iter().map(read).collect())
}

/// The event of a level or an employee with the time of its reading: neither has a version, and each read is an event of
/// its own.
fn read_at(mut mapped: Mapped, received_at: Timestamp) -> Mapped {
    if matches!(mapped.payload, Payload::Inventory(_) | Payload::Employee(_)) {
        mapped.identity.push(received_at.to_string());
    }
    mapped
}

/// The quantity in a reply about the stock of one item; `None` if Clover doesn't count it.
pub(super) fn stock(body: &Value) -> Result<Option<Quantity>, Reject> {
    Object::root(body)?.quantity("quantity")
}

/// The version of an item; `None` if it has none.
pub(super) fn item_version(item: &Value) -> Option<SourceVersion> {
    Some(version(time(&Object::root(item).ok()?, "modifiedTime").ok()??))
}

/// A time in milliseconds, at which an object may have had several states.
fn version(at: Timestamp) -> SourceVersion {
    SourceVersion::coarse(at)
}

/// The time under `key`, in milliseconds since 1970; `None` without a value.
fn time(of: &Object<'_>, key: &str) -> Result<Option<Timestamp>, Reject> {
    let Some(milliseconds) = of.integer(key)? else { return Ok(None) };
    let micros = milliseconds.checked_mul(MICROS_PER_MILLISECOND);
    let micros = micros.ok_or_else(|| of.reject(RejectClass::Data, key, "a time beyond the calendar"))?;
    Ok(Some(Timestamp::from_micros(micros)))
}

/// The time of deletion, under either of its names; `None` if the object exists. Zero is no time.
fn deleted(of: &Object<'_>) -> Result<Option<Timestamp>, Reject> {
    let at = time(of, "deletedTime")?.or(time(of, "deletedTimestamp")?);
    Ok(at.filter(|at| *at > Timestamp::default()))
}

/// The amount under `key`, in minor units of `context`'s currency; `None` without a value.
fn money(of: &Object<'_>, key: &str, context: MapContext) -> Result<Option<Money>, Reject> {
    let Some(minor) = of.integer(key)? else { return Ok(None) };
    let currency = context.currency.ok_or_else(|| of.no_currency(key))?;
    Ok(Some(Money { minor, currency }))
}

/// The first row of the list of related objects under `key`; `None` if the list is empty or wasn't read.
fn first<T>(
    of: &Object<'_>,
    key: &'static str,
    read: impl FnOnce(&Object<'_>) -> Result<T, Reject>,
) -> Result<Option<T>, Reject> {
    let Some(list) = of.object(key)? else { return Ok(None) };
    let Some(row) = list.rows("elements")?.and_then(|rows| rows.into_iter().next()) else { return Ok(None) };
    row.and_then(|row| read(&row)).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quantities_are_floats_and_may_be_fractions_or_negative() {
        let read =
            |value: Value| stock(&json!({"quantity": value})).map(|found| found.map(|it| it.to_string()));
        for (value, expected) in [
            (json!(127), Some("127")),
            (json!(160.5), Some("160.5")),
            (json!(-3), Some("-3")),
            (json!(-2.25), Some("-2.25")),
            (json!(-0.0), Some("0")),
            (json!(0.1 + 0.2), Some("0.3")),
            (json!(null), None),
        ] {
            assert_eq!(read(value.clone()), Ok(expected.map(str::to_owned)), "{value}");
        }
        assert_eq!(stock(&json!({"stockCount": 161})), Ok(None), "a rounded count is no quantity");
        for value in [json!("12 lb"), json!(true), json!(1e30), json!([])] {
            assert!(read(value.clone()).is_err(), "{value}");
        }
    }

    #[test]
    fn times_are_milliseconds() {
        let read = |value: Value| {
            let body = json!({"at": value});
            time(&Object::root(&body).unwrap(), "at").map(|at| at.map(|at| at.to_string()))
        };
        assert_eq!(read(json!(1_546_559_370_001_i64)), Ok(Some("2019-01-03T23:49:30.001Z".to_owned())));
        assert_eq!(read(json!(null)), Ok(None));
        assert_eq!(read(json!(i64::MAX)).unwrap_err().class, RejectClass::Data);
        assert_eq!(read(json!("today")).unwrap_err().class, RejectClass::Schema);
        let is_deleted = |body: Value| deleted(&Object::root(&body).unwrap()).unwrap().is_some();
        assert!(is_deleted(json!({"deletedTime": 1})) && is_deleted(json!({"deletedTimestamp": 1})));
        assert!(!is_deleted(json!({"deletedTime": 0})) && !is_deleted(json!({})));
    }
}
