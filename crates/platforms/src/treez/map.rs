//! Maps Treez' payloads to the model.

mod absent;
mod customer;
mod details;
mod levels;
mod product;
mod reported;
mod settlement;
mod ticket;

use crate::{MapContext, Rows, field::Object};
use model::{Delivery, ExternalId, Patch, Timestamp};
use serde_json::Value;
use stage::{Reject, RejectClass};
use std::time::Duration;

/// Time for which deliveries with the same bytes count as retries of one delivery. Treez documents neither retries nor
/// an id of a delivery (README): long enough for a client that repeats a request at once, short compared with the
/// changes in a shop.
const RETRY_WINDOW: Duration = Duration::from_mins(10);

/// The day that stands for no time.
const NO_DAY: &str = "2000-01-01";

/// The events in the body of `delivery`.
pub(super) fn map(delivery: &Delivery, body: &Value, context: MapContext) -> Result<Rows, Reject> {
    let root = Object::root(body)?;
    let data = root.required_object("data")?;
    match delivery.kind.topic() {
        "PRODUCT" => product::product(delivery, &data, context),
        super::PRODUCT_STOCK => product::stock(delivery, &data),
        super::LEVEL_ABSENT => Ok(vec![absent::absent(&data)]),
        "TICKET" | "TICKET_BY_STATUS" => Ok(vec![ticket::ticket(&data, context)]),
        "CUSTOMER" => Ok(vec![customer::customer(delivery, &data)]),
        // Thin: the object is fetched and arrives as a delivery of its own.
        _ => Ok(Vec::new()),
    }
}

/// The window of time in which a delivery was received, counted from 1970: part of the identity of events without a
/// version, so that a retry is the same event and a change back, a window later, is another.
fn window(delivery: &Delivery) -> String {
    let length = i64::try_from(RETRY_WINDOW.as_micros()).unwrap_or(i64::MAX);
    delivery.received_at.as_micros().div_euclid(length).to_string()
}

fn is_placeholder(text: &str) -> bool {
    text.eq_ignore_ascii_case("n/a")
}

/// The text under `key`; `None` without a value or for Treez' "N/A".
fn text<'a>(of: &Object<'a>, key: &str) -> Result<Option<&'a str>, Reject> {
    Ok(of.text(key)?.filter(|text| !is_placeholder(text)))
}

/// The time under `key`; `None` without a value, for "N/A", and for the first day of 2000, which stands for none.
fn moment(of: &Object<'_>, key: &str) -> Result<Option<Timestamp>, Reject> {
    match text(of, key)? {
        Some(text) if !text.starts_with(NO_DAY) => of.time(key),
        _ => Ok(None),
    }
}

fn owned(of: &Object<'_>, key: &str) -> Result<Option<String>, Reject> {
    Ok(text(of, key)?.map(ToOwned::to_owned))
}

fn patch(of: &Object<'_>, key: &str) -> Result<Patch<String>, Reject> {
    Ok(of.patched(key, owned(of, key)?))
}

/// An id that is sent as a text or as a whole number; `None` without a value or for "N/A".
fn id(of: &Object<'_>, key: &str) -> Result<Option<ExternalId>, Reject> {
    let id = match of.value(key) {
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        Some(Value::String(_)) => owned(of, key)?,
        None => None,
        Some(_) => return Err(of.reject(RejectClass::Schema, key, "not an id")),
    };
    id.map(|id| of.external(key, &id)).transpose()
}

fn required_id(of: &Object<'_>, key: &str) -> Result<ExternalId, Reject> {
    id(of, key)?.ok_or_else(|| of.missing(key))
}

/// A delivery of `topic` with `body`.
#[cfg(test)]
pub(super) fn tests_delivery(topic: &str, body: &Value) -> Delivery {
    Delivery { source: model::Source::Webhook, ..crate::sample::delivery("treez", topic, body) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_id_is_the_same_as_a_number_and_as_a_text() {
        let read = |value: Value| id(&Object::root(&json!({ "id": value })).unwrap(), "id");
        assert_eq!(read(json!(3904)), read(json!("3904")));
        assert_eq!(read(json!("N/A")), Ok(None));
        for value in [json!(1.5), json!({}), json!(false)] {
            assert_eq!(read(value).unwrap_err().class, RejectClass::Schema);
        }
    }

    #[test]
    fn a_time_that_stands_for_none_is_none() {
        let read = |value: Value| moment(&Object::root(&json!({ "at": value })).unwrap(), "at");
        for none in ["N/A", "2000-01-01 00:00:00.000", "2000-01-01T00:00:00.000-08:00", " "] {
            assert_eq!(read(json!(none)), Ok(None), "{none}");
        }
        assert_eq!(read(json!(null)), Ok(None));
        let known = read(json!("2025-07-29T12:47:37.316-07:00")).unwrap().unwrap();
        assert_eq!(known.to_string(), "2025-07-29T19:47:37.316Z");
        assert_eq!(read(json!("2022-02-25 11:32:55.646")).unwrap_err().class, RejectClass::Data);
    }
}
