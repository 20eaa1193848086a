//! Treez' payloads in our words.

mod absent;
mod customer;
mod product;
mod ticket;

use crate::{MapContext, Mapped};
use model::{Delivery, ExternalId, Money, Patch, Quantity, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use stage::{Reject, RejectClass};

/// Quantities are floats there: what is finer than this is the float's, not the shop's.
const QUANTITY_DECIMALS: u32 = 6;

/// The events in the body of `delivery`.
pub(super) fn map(delivery: &Delivery, body: &Value, context: MapContext) -> Result<Vec<Mapped>, Reject> {
    match &*delivery.topic {
        "PRODUCT" => product::product(delivery, body, context),
        super::LEVEL_ABSENT => absent::absent(body).map(|mapped| vec![mapped]),
        "TICKET" | "TICKET_BY_STATUS" => Ok(vec![ticket::ticket(body, context)?]),
        "CUSTOMER" => Ok(vec![customer::customer(delivery, body)?]),
        _ => Ok(Vec::new()),
    }
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

/// The `data` of `body` as a `T`; says nothing of what stood there instead.
fn read<'a, T: Deserialize<'a>>(body: &'a Value) -> Result<T, Reject> {
    let wrong = |_| Reject::new(RejectClass::Schema, "a field has a value that it can't have");
    Envelope::deserialize(body).map(|envelope| envelope.data).map_err(wrong)
}

fn time(text: &str, pointer: &str) -> Result<Timestamp, Reject> {
    Timestamp::parse(text).map_err(|error| Reject::at(RejectClass::Data, pointer, error.to_string()))
}

/// For fields that tell null from missing: null is empty, missing is unsaid.
fn patch<'de, D: Deserializer<'de>, T: Deserialize<'de>>(input: D) -> Result<Patch<T>, D::Error> {
    Option::deserialize(input).map(Patch::present)
}

/// An empty text and Treez' "N/A" are both empty on purpose.
fn meant(text: Patch<String>) -> Patch<String> {
    match text {
        Patch::Set(text) if text.trim().is_empty() || text.trim().eq_ignore_ascii_case("n/a") => Patch::Clear,
        Patch::Set(text) => Patch::Set(text.trim().to_owned()),
        other => other,
    }
}

/// The text, if there is one.
fn some(text: Option<String>) -> Option<String> {
    meant(text.map_or(Patch::Keep, Patch::Set)).set().cloned()
}

/// A number that comes as a number or, from older versions, as a text; `None` if it is null or empty.
fn number(value: Option<&Value>, pointer: &str) -> Result<Option<Decimal>, Reject> {
    let text = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
        Some(Value::String(text)) => text.trim().to_owned(),
        // The shortest text that reads back as the same float: the digits that Treez wrote.
        Some(Value::Number(number)) => number.to_string(),
        Some(_) => return Err(Reject::at(RejectClass::Schema, pointer, "not a number")),
    };
    let parsed = text.parse().or_else(|_| Decimal::from_scientific(&text));
    parsed.map(Some).map_err(|_| Reject::at(RejectClass::Data, pointer, "not a decimal number"))
}

fn quantity(value: Option<&Value>, pointer: &str) -> Result<Option<Quantity>, Reject> {
    let rounded = |amount: Decimal| {
        let reject =
            |error: model::InvalidQuantity| Reject::at(RejectClass::Data, pointer, error.to_string());
        Quantity::new(amount.round_dp(QUANTITY_DECIMALS)).map_err(reject)
    };
    number(value, pointer)?.map(rounded).transpose()
}

/// Dollars, or whatever the connection's currency is: Treez never says.
fn money(value: Option<&Value>, context: MapContext, pointer: &str) -> Result<Option<Money>, Reject> {
    let Some(amount) = number(value, pointer)? else { return Ok(None) };
    let currency = context.currency.ok_or_else(|| {
        Reject::at(RejectClass::Config, pointer, "treez names no currency, and the connection has none")
    })?;
    let reject = |error: model::InvalidMoney| Reject::at(RejectClass::Data, pointer, error.to_string());
    Money::parse(&amount.to_string(), currency).map(Some).map_err(reject)
}

/// An id that comes as a text or as a whole number; `None` if it is null, empty or "N/A".
fn id(value: Option<&Value>, pointer: &str) -> Result<Option<ExternalId>, Reject> {
    let text = match value {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => some(Some(text.clone())),
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        Some(_) => return Err(Reject::at(RejectClass::Schema, pointer, "not an id")),
    };
    let read = |text: String| {
        ExternalId::new(&text).map_err(|error| Reject::at(RejectClass::Data, pointer, error.to_string()))
    };
    text.map(read).transpose()
}

fn required(id: Option<ExternalId>, pointer: &str) -> Result<ExternalId, Reject> {
    id.ok_or_else(|| Reject::at(RejectClass::Schema, pointer, "no id"))
}

/// A delivery of `topic` with `body`.
#[cfg(test)]
pub(super) fn tests_delivery(topic: &str, body: &Value) -> Delivery {
    let id = model::DeliveryId::from_bytes([1; 16]);
    let origin = model::Origin {
        tenant: model::TenantId::new("tenant").unwrap(),
        store: model::StoreId::new("store").unwrap(),
        connection: model::ConnectionId::new("connection").unwrap(),
        platform: model::PlatformName::new("treez").unwrap(),
    };
    Delivery {
        id,
        origin,
        topic: topic.into(),
        received_at: Timestamp::from_micros(0),
        source: model::Source::Webhook,
        cause: None,
        hops: 0,
        attempt: 0,
        headers: Vec::new(),
        trace: model::TraceParent::from_delivery(id),
        body: body.to_string().into_bytes().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Currency;
    use serde_json::json;

    #[test]
    fn numbers_come_as_numbers_and_as_texts() {
        let read = |value: Value| {
            quantity(Some(&value), "/n").map(|found| found.map(|quantity| quantity.to_string()))
        };
        for (value, expected) in [
            (json!(12), Some("12")),
            (json!(35.0), Some("35")),
            (json!(0.1 + 0.2), Some("0.3")),
            (json!(1e-7), Some("0")),
            (json!("1000"), Some("1000")),
            (json!(" 3.5 "), Some("3.5")),
            (json!(-3), Some("-3")),
            (json!(""), None),
            (json!(null), None),
        ] {
            assert_eq!(read(value.clone()), Ok(expected.map(str::to_owned)), "{value}");
        }
        for value in [json!("3 g"), json!(true), json!([1]), json!(1e30), json!("NaN")] {
            assert!(read(value.clone()).is_err(), "{value}");
        }
    }

    #[test]
    fn dollars_with_too_many_digits_are_rounded_to_cents() {
        let context = MapContext { currency: Some(Currency::new("USD").unwrap()) };
        let read = |value: Value| money(Some(&value), context, "/m").unwrap().unwrap().to_string();
        assert_eq!(read(json!(16.033)), "16.03 USD");
        assert_eq!(read(json!("18.306636")), "18.31 USD");
        let nothing_known = MapContext { currency: None };
        assert_eq!(money(Some(&json!(1)), nothing_known, "/m").unwrap_err().class, RejectClass::Config);
        assert_eq!(money(Some(&json!(null)), nothing_known, "/m"), Ok(None));
    }

    #[test]
    fn an_id_is_the_same_as_a_number_and_as_a_text() {
        let read = |value: Value| id(Some(&value), "/id");
        assert_eq!(read(json!(3904)), read(json!("3904")));
        assert_eq!(read(json!("N/A")), Ok(None));
        for value in [json!(1.5), json!({}), json!(false)] {
            assert_eq!(read(value).unwrap_err().class, RejectClass::Schema);
        }
    }
}
