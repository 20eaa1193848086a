//! Square's payloads in our words.

mod absent;
mod catalog;
mod inventory;
mod people;
mod sales;

use crate::{MapContext, Mapped};
use model::{Currency, Money, Patch, SourceVersion, Timestamp};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use stage::{Reject, RejectClass};

/// The events in the body of a delivery of `topic`.
pub(super) fn map(topic: &str, body: &Value, context: MapContext) -> Result<Vec<Mapped>, Reject> {
    match topic {
        "catalog.object" => Ok(vec![catalog::object(body, context)?]),
        "inventory.count" => inventory::counts([read(body)?]),
        super::COUNT_ABSENT => absent::absent(body).map(|mapped| vec![mapped]),
        "inventory.count.updated" => inventory::updated(body),
        "order.object" => Ok(vec![sales::order(body, context)?]),
        "customer.created" | "customer.updated" | "customer.deleted" => {
            Ok(vec![people::customer(topic, body)?])
        }
        // Thin: what they speak of comes as an object of its own.
        _ => Ok(Vec::new()),
    }
}

/// `body` as a `T`; says nothing of what stood there instead.
fn read<'a, T: Deserialize<'a>>(body: &'a Value) -> Result<T, Reject> {
    T::deserialize(body)
        .map_err(|_| Reject::new(RejectClass::Schema, "a field has a value that it can't have"))
}

/// The version of a catalog object, be it an item or a variation; `None` if it tells none.
pub(super) fn catalog_version(object: &Value) -> Option<SourceVersion> {
    read(object).ok().map(|object| catalog::version(&object))
}

fn time(text: &str, pointer: &str) -> Result<Timestamp, Reject> {
    Timestamp::parse(text).map_err(|error| Reject::at(RejectClass::Data, pointer, error.to_string()))
}

/// For fields that tell null from missing: null is empty, missing is unsaid.
fn patch<'de, D: Deserializer<'de>, T: Deserialize<'de>>(input: D) -> Result<Patch<T>, D::Error> {
    Option::deserialize(input).map(Patch::present)
}

/// White space around a text is none of it, and an empty text is empty on purpose.
fn trimmed(text: Patch<String>) -> Patch<String> {
    match text {
        Patch::Set(text) if text.trim().is_empty() => Patch::Clear,
        Patch::Set(text) => Patch::Set(text.trim().to_owned()),
        other => other,
    }
}

#[derive(Deserialize)]
struct Amount {
    amount: Option<i64>,
    currency: Option<String>,
}

impl Amount {
    /// The money; `None` if the amount is null.
    fn money(self, context: MapContext, pointer: &str) -> Result<Option<Money>, Reject> {
        let Some(minor) = self.amount else { return Ok(None) };
        let currency = match self.currency {
            Some(code) => Currency::new(&code)
                .map_err(|error| Reject::at(RejectClass::Data, pointer, error.to_string()))?,
            None => context.currency.ok_or_else(|| {
                Reject::at(
                    RejectClass::Config,
                    pointer,
                    "an amount without a currency, and the connection has none",
                )
            })?,
        };
        Ok(Some(Money { minor, currency }))
    }
}

fn money(amount: Option<Amount>, context: MapContext, pointer: &str) -> Result<Option<Money>, Reject> {
    amount.map_or(Ok(None), |amount| amount.money(context, pointer))
}
