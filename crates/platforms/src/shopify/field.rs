//! Reads fields of a payload with their types: a value of another type is a rejection that says where it stands.

use model::{Currency, ExternalId, Money, Patch, Quantity, Timestamp};
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use stage::{Reject, RejectClass};

/// An object of the payload and how it was reached.
pub(super) struct Object<'a> {
    fields: &'a Map<String, Value>,
    reached: Reached<'a>,
}

#[derive(Clone, Copy)]
enum Reached<'a> {
    Root,
    Under(&'a Object<'a>, &'static str),
    Element(&'a Object<'a>, &'static str, usize),
}

impl<'a> Object<'a> {
    /// The payload itself.
    pub(super) fn root(body: &'a Value) -> Result<Self, Reject> {
        let Value::Object(fields) = body else {
            return Err(Reject::at(RejectClass::Schema, "", "not an object"));
        };
        Ok(Self { fields, reached: Reached::Root })
    }

    /// Whether the key is there, be it null.
    pub(super) fn has(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    /// A rejection of what stands under `key`.
    pub(super) fn reject(&self, class: RejectClass, key: &str, reason: &'static str) -> Reject {
        Reject::at(class, format!("{}/{key}", self.pointer()), reason)
    }

    /// The id under `key`. Ids go beyond 2^53: a number that was read as a float has lost digits and is refused.
    pub(super) fn id(&self, key: &str) -> Result<ExternalId, Reject> {
        self.optional_id(key)?.ok_or_else(|| self.reject(RejectClass::Schema, key, "an id is missing"))
    }

    /// The id under `key`; `None` if it is null or missing.
    pub(super) fn optional_id(&self, key: &str) -> Result<Option<ExternalId>, Reject> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let number = value.as_u64().filter(|&number| number > 0);
        let number =
            number.ok_or_else(|| self.reject(RejectClass::Data, key, "an id is a positive whole number"))?;
        let id = ExternalId::new(&number.to_string());
        id.map(Some).map_err(|_| self.reject(RejectClass::Data, key, "an id is out of bounds"))
    }

    /// The text under `key`; `None` if it is null or missing.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, Reject> {
        let Some(value) = self.value(key) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.reject(RejectClass::Schema, key, "not a text"))
    }

    /// The text under `key` as a patch: Shopify writes what is empty as null or as `""`.
    pub(super) fn patch(&self, key: &str) -> Result<Patch<String>, Reject> {
        if !self.has(key) {
            return Ok(Patch::Keep);
        }
        Ok(Patch::present(self.text(key)?.filter(|text| !text.is_empty()).map(ToOwned::to_owned)))
    }

    /// The time under `key`; `None` if it is null or missing.
    pub(super) fn time(&self, key: &str) -> Result<Option<Timestamp>, Reject> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        Timestamp::parse(text).map(Some).map_err(|_| self.reject(RejectClass::Data, key, "not a time"))
    }

    /// The whole number under `key` as a quantity; `None` if it is null or missing.
    pub(super) fn pieces(&self, key: &str) -> Result<Option<Quantity>, Reject> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let wrong = || self.reject(RejectClass::Data, key, "not a whole number within ±1 billion");
        let count = value.as_i64().ok_or_else(wrong)?;
        Quantity::new(Decimal::from(count)).map(Some).map_err(|_| wrong())
    }

    /// The amount under `key`; `None` if it is null or missing. It carries no currency of its own, and without one
    /// it can't be read.
    pub(super) fn money(&self, key: &str, currency: Option<Currency>) -> Result<Option<Money>, Reject> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let currency = currency
            .ok_or_else(|| self.reject(RejectClass::Config, key, "the connection has no currency"))?;
        Money::parse(text, currency)
            .map(Some)
            .map_err(|_| self.reject(RejectClass::Data, key, "not an amount"))
    }

    /// The amount under `key` as a patch.
    pub(super) fn money_patch(&self, key: &str, currency: Option<Currency>) -> Result<Patch<Money>, Reject> {
        if self.has(key) { Ok(Patch::present(self.money(key, currency)?)) } else { Ok(Patch::Keep) }
    }

    /// The currency under `key`; `None` if it is null or missing.
    pub(super) fn currency(&self, key: &str) -> Result<Option<Currency>, Reject> {
        let Some(code) = self.text(key)? else { return Ok(None) };
        Currency::new(code).map(Some).map_err(|_| self.reject(RejectClass::Data, key, "not a currency"))
    }

    /// The comma-separated texts under `key`; `None` if it is null or missing.
    pub(super) fn tags(&self, key: &str) -> Result<Option<Vec<String>>, Reject> {
        let tags = |text: &str| {
            text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(ToOwned::to_owned).collect()
        };
        Ok(self.text(key)?.map(tags))
    }

    /// The object under `key`; `None` if it is null or missing.
    pub(super) fn object<'b>(&'b self, key: &'static str) -> Result<Option<Object<'b>>, Reject> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Object(fields)) => Ok(Some(Object { fields, reached: Reached::Under(self, key) })),
            Some(_) => Err(self.reject(RejectClass::Schema, key, "not an object")),
        }
    }

    /// The objects in the list under `key`; `None` if it is null or missing.
    pub(super) fn objects<'b>(&'b self, key: &'static str) -> Result<Option<Vec<Object<'b>>>, Reject> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let wrong = || self.reject(RejectClass::Schema, key, "not a list of objects");
        let elements = value.as_array().ok_or_else(wrong)?.iter().enumerate();
        elements
            .map(|(index, element)| {
                let fields = element.as_object().ok_or_else(wrong)?;
                Ok(Object { fields, reached: Reached::Element(self, key, index) })
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    fn value(&self, key: &str) -> Option<&'a Value> {
        self.fields.get(key).filter(|value| !value.is_null())
    }

    fn pointer(&self) -> String {
        match self.reached {
            Reached::Root => String::new(),
            Reached::Under(parent, key) => format!("{}/{key}", parent.pointer()),
            Reached::Element(parent, key, index) => format!("{}/{key}/{index}", parent.pointer()),
        }
    }
}
