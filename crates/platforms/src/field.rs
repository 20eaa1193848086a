//! Reads fields of a payload with their types: a value of another type is a rejection with its JSON pointer. Null, a
//! missing key and an empty or blank text are no value, whatever the field's type.

use crate::text;
use model::{Currency, ExternalId, Money, Patch, Quantity, Timestamp};
use rust_decimal::{
    Decimal,
    prelude::{FromPrimitive, ToPrimitive},
};
use serde_json::{Map, Value};
use stage::{Reject, RejectClass};

/// Decimals of a quantity that a platform sends as a float: finer digits are rounding errors, not the shop's.
const QUANTITY_DECIMALS: u32 = 6;

/// The dates that programs write where they have none.
const NO_DATES: [&str; 3] = ["0001-01-01", "1900-01-01", "2000-01-01"];

/// An object of the payload, with its path.
pub(crate) struct Object<'a> {
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
    pub(crate) fn root(body: &'a Value) -> Result<Self, Reject> {
        let Value::Object(fields) = body else {
            return Err(Reject::at(RejectClass::Schema, "", "not an object"));
        };
        Ok(Self { fields, reached: Reached::Root })
    }

    /// Returns true if the key exists, even with null.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    /// The value under `key`; `None` if it is null, missing or blank.
    pub(crate) fn value(&self, key: &str) -> Option<&'a Value> {
        self.fields.get(key).filter(|value| match value {
            Value::Null => false,
            Value::String(text) => !text.trim().is_empty(),
            _ => true,
        })
    }

    /// A rejection of the value under `key`.
    pub(crate) fn reject(&self, class: RejectClass, key: &str, reason: impl Into<String>) -> Reject {
        Reject::at(class, self.pointer(key), reason)
    }

    /// A rejection because there is no value under `key`.
    pub(crate) fn missing(&self, key: &str) -> Reject {
        self.reject(RejectClass::Schema, key, "a required value is missing")
    }

    /// The JSON pointer to `key`.
    pub(crate) fn pointer(&self, key: &str) -> String {
        format!("{}/{key}", self.path())
    }

    /// The whole number under `key` as an id. Ids go beyond 2^53: a number that was parsed as a float has lost digits
    /// and is rejected.
    pub(crate) fn id(&self, key: &str) -> Result<ExternalId, Reject> {
        self.optional_id(key)?.ok_or_else(|| self.missing(key))
    }

    /// The whole number under `key` as an id; `None` without a value.
    pub(crate) fn optional_id(&self, key: &str) -> Result<Option<ExternalId>, Reject> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let number = value.as_u64().filter(|&number| number > 0);
        let number =
            number.ok_or_else(|| self.reject(RejectClass::Data, key, "an id is a positive whole number"))?;
        self.external(key, &number.to_string()).map(Some)
    }

    /// The text under `key` as an id.
    pub(crate) fn text_id(&self, key: &str) -> Result<ExternalId, Reject> {
        self.optional_text_id(key)?.ok_or_else(|| self.missing(key))
    }

    /// The text under `key` as an id; `None` without a value.
    pub(crate) fn optional_text_id(&self, key: &str) -> Result<Option<ExternalId>, Reject> {
        self.text(key)?.map(|text| self.external(key, text)).transpose()
    }

    /// `text`, the value under `key`, as an id.
    pub(crate) fn external(&self, key: &str, text: &str) -> Result<ExternalId, Reject> {
        ExternalId::new(text).map_err(|error| self.reject(RejectClass::Data, key, error.to_string()))
    }

    /// The trimmed text under `key`; `None` without a value.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&'a str>, Reject> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| self.reject(RejectClass::Schema, key, "not a text"))?;
        let text = text::readable(text).map_err(|reason| self.reject(RejectClass::Data, key, reason))?;
        Ok(Some(text.trim()))
    }

    /// The text under `key`, which is required.
    pub(crate) fn required_text(&self, key: &str) -> Result<&'a str, Reject> {
        self.text(key)?.ok_or_else(|| self.missing(key))
    }

    /// The text under `key`, owned.
    pub(crate) fn owned(&self, key: &str) -> Result<Option<String>, Reject> {
        Ok(self.text(key)?.map(ToOwned::to_owned))
    }

    /// The text under `key` as a patch.
    pub(crate) fn patch(&self, key: &str) -> Result<Patch<String>, Reject> {
        Ok(self.patched(key, self.owned(key)?))
    }

    /// The text under `key`; `None` without a value or for a placeholder such as "N/A".
    pub(crate) fn stated(&self, key: &str) -> Result<Option<&'a str>, Reject> {
        Ok(self.text(key)?.filter(|text| !text::is_placeholder(text)))
    }

    /// The text under `key` as a patch that a placeholder clears.
    pub(crate) fn stated_patch(&self, key: &str) -> Result<Patch<String>, Reject> {
        Ok(self.patched(key, self.stated(key)?.map(ToOwned::to_owned)))
    }

    /// The name in the texts under `keys`, in their order, as a patch; `Keep` if all of them are missing.
    pub(crate) fn full_name(&self, keys: &[&str]) -> Result<Patch<String>, Reject> {
        if !keys.iter().any(|key| self.has(key)) {
            return Ok(Patch::Keep);
        }
        let mut parts = Vec::new();
        for key in keys {
            parts.extend(self.stated(key)?);
        }
        Ok(Patch::present((!parts.is_empty()).then(|| parts.join(" "))))
    }

    /// The id under `key`, sent as a text or as a whole number; `None` without a value or for a placeholder.
    pub(crate) fn either_id(&self, key: &str) -> Result<Option<ExternalId>, Reject> {
        let id = match self.value(key) {
            Some(Value::Number(number)) if number.is_u64() => Some(number.to_string()),
            Some(Value::String(_)) => self.stated(key)?.map(ToOwned::to_owned),
            None => None,
            Some(_) => return Err(self.reject(RejectClass::Schema, key, "not an id")),
        };
        id.map(|id| self.external(key, &id)).transpose()
    }

    /// The texts in the list under `key`, without blanks and placeholders; `None` without a value.
    pub(crate) fn names(&self, key: &str) -> Result<Option<Vec<String>>, Reject> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let wrong = || self.reject(RejectClass::Schema, key, "not a list of texts");
        let mut names = Vec::new();
        for element in value.as_array().ok_or_else(wrong)? {
            let name = text::readable(element.as_str().ok_or_else(wrong)?);
            let name = name.map_err(|reason| self.reject(RejectClass::Data, key, reason))?.trim();
            if !name.is_empty() && !text::is_placeholder(name) {
                names.push(name.to_owned());
            }
        }
        Ok(Some(names))
    }

    /// The merchant's number (SKU, bar code) under `key`; `None` if nothing is left of it.
    pub(crate) fn code(&self, key: &str) -> Result<Option<String>, Reject> {
        Ok(self.text(key)?.and_then(text::code))
    }

    /// The merchant's number under `key` as a patch.
    pub(crate) fn code_patch(&self, key: &str) -> Result<Patch<String>, Reject> {
        Ok(self.patched(key, self.code(key)?))
    }

    /// Returns `Keep` if the key is missing, else a patch with `value`.
    pub(crate) fn patched<T>(&self, key: &str, value: Option<T>) -> Patch<T> {
        if self.has(key) { Patch::present(value) } else { Patch::Keep }
    }

    /// The boolean under `key`; `None` without a value.
    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, Reject> {
        let Some(value) = self.value(key) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| self.reject(RejectClass::Schema, key, "not true or false"))
    }

    /// The whole number under `key`; `None` without a value.
    pub(crate) fn integer(&self, key: &str) -> Result<Option<i64>, Reject> {
        let Some(value) = self.value(key) else { return Ok(None) };
        whole(value).map(Some).ok_or_else(|| self.reject(RejectClass::Schema, key, "not a whole number"))
    }

    /// The time under `key`; `None` without a value.
    pub(crate) fn time(&self, key: &str) -> Result<Option<Timestamp>, Reject> {
        let read = |text| {
            Timestamp::parse(text).map_err(|error| self.reject(RejectClass::Data, key, error.to_string()))
        };
        self.text(key)?.map(read).transpose()
    }

    /// The time under `key`, which is in UTC if it names no offset; `None` without a value or for a date that stands for
    /// none.
    pub(crate) fn utc_time(&self, key: &str) -> Result<Option<Timestamp>, Reject> {
        let Some(text) = self.stated(key)? else { return Ok(None) };
        if NO_DATES.iter().any(|date| text.starts_with(date)) {
            return Ok(None);
        }
        let read = Timestamp::parse(text).or_else(|_| Timestamp::parse(&format!("{text}Z")));
        read.map(Some).map_err(|error| self.reject(RejectClass::Data, key, error.to_string()))
    }

    /// The whole number under `key` as an amount in the minor unit of its currency; `None` without a value. The field has
    /// no currency of its own; without `currency` it can't be read.
    pub(crate) fn minor_amount(
        &self,
        key: &str,
        currency: Option<Currency>,
    ) -> Result<Option<Money>, Reject> {
        let Some(minor) = self.integer(key)? else { return Ok(None) };
        let currency = currency.ok_or_else(|| self.no_currency(key))?;
        Ok(Some(Money { minor, currency }))
    }

    /// The whole number under `key` as a quantity; `None` without a value.
    pub(crate) fn pieces(&self, key: &str) -> Result<Option<Quantity>, Reject> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let wrong = || self.reject(RejectClass::Data, key, "not a whole number within ±1 billion");
        let count = whole(value).ok_or_else(wrong)?;
        Quantity::new(Decimal::from(count)).map(Some).map_err(|_| wrong())
    }

    /// The decimal text under `key` as a quantity, which is required.
    pub(crate) fn decimal(&self, key: &str) -> Result<Quantity, Reject> {
        Quantity::parse(self.required_text(key)?)
            .map_err(|error| self.reject(RejectClass::Data, key, error.to_string()))
    }

    /// The number under `key`, sent as a number or as a text; `None` without a value.
    pub(crate) fn number(&self, key: &str) -> Result<Option<Decimal>, Reject> {
        let text = match self.value(key) {
            None => return Ok(None),
            Some(Value::String(text)) => text.trim().to_owned(),
            // The shortest text that parses to the same float: the digits that the platform wrote.
            Some(Value::Number(number)) => number.to_string(),
            Some(_) => return Err(self.reject(RejectClass::Schema, key, "not a number")),
        };
        let parsed = text.parse().or_else(|_| Decimal::from_scientific(&text));
        parsed.map(Some).map_err(|_| self.reject(RejectClass::Data, key, "not a decimal number"))
    }

    /// The number under `key` as a quantity, rounded to [`QUANTITY_DECIMALS`]; `None` without a value.
    pub(crate) fn quantity(&self, key: &str) -> Result<Option<Quantity>, Reject> {
        let rounded = |number: Decimal| {
            Quantity::new(number.round_dp(QUANTITY_DECIMALS))
                .map_err(|error| self.reject(RejectClass::Data, key, error.to_string()))
        };
        self.number(key)?.map(rounded).transpose()
    }

    /// The number under `key` as an amount, rounded to the minor unit of its currency; `None` without a value. The field
    /// has no currency of its own; without `currency` it can't be read.
    pub(crate) fn amount(&self, key: &str, currency: Option<Currency>) -> Result<Option<Money>, Reject> {
        let Some(number) = self.number(key)? else { return Ok(None) };
        let currency = currency.ok_or_else(|| self.no_currency(key))?;
        Money::parse(&number.to_string(), currency)
            .map(Some)
            .map_err(|error| self.reject(RejectClass::Data, key, error.to_string()))
    }

    /// The decimal text under `key` as an amount; `None` without a value. The field has no currency of its own; without `currency` it
    /// can't be read.
    pub(crate) fn money(&self, key: &str, currency: Option<Currency>) -> Result<Option<Money>, Reject> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let currency = currency.ok_or_else(|| self.no_currency(key))?;
        Money::parse(text, currency)
            .map(Some)
            .map_err(|_| self.reject(RejectClass::Data, key, "not an amount"))
    }

    /// A rejection because the amount under `key` has no currency, and the connection has none either.
    pub(crate) fn no_currency(&self, key: &str) -> Reject {
        self.reject(RejectClass::Config, key, "an amount without a currency, and the connection has none")
    }

    /// The amount under `key` as a patch.
    pub(crate) fn money_patch(&self, key: &str, currency: Option<Currency>) -> Result<Patch<Money>, Reject> {
        Ok(self.patched(key, self.money(key, currency)?))
    }

    /// The currency under `key`; `None` without a value.
    pub(crate) fn currency(&self, key: &str) -> Result<Option<Currency>, Reject> {
        let Some(code) = self.text(key)? else { return Ok(None) };
        Currency::new(code).map(Some).map_err(|_| self.reject(RejectClass::Data, key, "not a currency"))
    }

    /// The comma-separated texts under `key`; `None` if the key is missing or null. A blank text gives an empty list.
    pub(crate) fn tags(&self, key: &str) -> Result<Option<Vec<String>>, Reject> {
        let Some(value) = self.fields.get(key).filter(|value| !value.is_null()) else { return Ok(None) };
        if value.as_str().is_some_and(|text| text.trim().is_empty()) {
            return Ok(Some(Vec::new()));
        }
        let tags = |text: &str| {
            text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(ToOwned::to_owned).collect()
        };
        Ok(self.text(key)?.map(tags))
    }

    /// The object under `key`; `None` without a value.
    pub(crate) fn object<'b>(&'b self, key: &'static str) -> Result<Option<Object<'b>>, Reject> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Object(fields)) => Ok(Some(Object { fields, reached: Reached::Under(self, key) })),
            Some(_) => Err(self.reject(RejectClass::Schema, key, "not an object")),
        }
    }

    /// The object under `key`, which is required.
    pub(crate) fn required_object<'b>(&'b self, key: &'static str) -> Result<Object<'b>, Reject> {
        self.object(key)?.ok_or_else(|| self.missing(key))
    }

    /// The elements of the list under `key`, each an object or a rejection of its own; `None` without a value.
    pub(crate) fn rows<'b>(
        &'b self,
        key: &'static str,
    ) -> Result<Option<Vec<Result<Object<'b>, Reject>>>, Reject> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let wrong = || self.reject(RejectClass::Schema, key, "not a list");
        let elements = value.as_array().ok_or_else(wrong)?.iter().enumerate();
        let row = |(index, element): (usize, &'b Value)| match element {
            Value::Object(fields) => Ok(Object { fields, reached: Reached::Element(self, key, index) }),
            _ => Err(self.reject(RejectClass::Schema, &format!("{key}/{index}"), "not an object")),
        };
        Ok(Some(elements.map(row).collect()))
    }

    /// The elements of the list under `key`, all of which must be objects; `None` without a value.
    pub(crate) fn objects<'b>(&'b self, key: &'static str) -> Result<Option<Vec<Object<'b>>>, Reject> {
        self.rows(key)?.map(|rows| rows.into_iter().collect()).transpose()
    }

    fn path(&self) -> String {
        match self.reached {
            Reached::Root => String::new(),
            Reached::Under(parent, key) => format!("{}/{key}", parent.path()),
            Reached::Element(parent, key, index) => format!("{}/{key}/{index}", parent.path()),
        }
    }
}

/// The whole number that a value represents in any JSON spelling: also `-0`, `5.0` and `1e3`.
fn whole(value: &Value) -> Option<i64> {
    let spelled = || Decimal::from_f64(value.as_f64().filter(|number| number.fract() == 0.0)?)?.to_i64();
    value.as_i64().or_else(spelled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_come_as_numbers_and_as_texts() {
        let read = |value: Value| {
            let body = json!({ "n": value });
            Object::root(&body).unwrap().quantity("n").map(|found| found.map(|quantity| quantity.to_string()))
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
    fn placeholders_are_no_values() {
        let body = json!({"a": "N/A", "b": " n.d. ", "c": "Tea", "d": "", "e": 7, "f": "b-7", "l": ["x", "N/A", " "]});
        let root = Object::root(&body).unwrap();
        assert_eq!(["a", "b", "d", "z"].map(|key| root.stated(key).unwrap()), [None; 4]);
        assert_eq!(root.stated_patch("a"), Ok(Patch::Clear));
        assert_eq!(root.stated_patch("z"), Ok(Patch::Keep));
        assert_eq!(root.stated_patch("c"), Ok(Patch::Set("Tea".to_owned())));
        let id = |key| root.either_id(key).unwrap().map(|id| id.to_string());
        assert_eq!(["a", "e", "f"].map(id), [None, Some("7".to_owned()), Some("b-7".to_owned())]);
        assert_eq!(root.names("l"), Ok(Some(vec!["x".to_owned()])));
        assert!(root.names("c").is_err() && root.either_id("l").is_err());
    }

    #[test]
    fn a_time_without_an_offset_is_in_utc_and_some_dates_stand_for_none() {
        let read = |text: &str| {
            let body = json!({ "t": text });
            Object::root(&body).unwrap().utc_time("t").map(|time| time.map(|time| time.to_string()))
        };
        for (text, expected) in [
            ("2021-01-05T14:22:10.12", Some("2021-01-05T14:22:10.120Z")),
            ("2021-01-05T14:22:10Z", Some("2021-01-05T14:22:10Z")),
            ("2021-01-05T14:22:10-05:00", Some("2021-01-05T19:22:10Z")),
            ("2000-01-01T00:00:00", None),
            ("0001-01-01T00:00:00", None),
            ("N/A", None),
        ] {
            assert_eq!(read(text), Ok(expected.map(str::to_owned)), "{text}");
        }
        assert!(read("1/5/2021 2:22:10 PM").is_err());
    }

    #[test]
    fn dollars_with_too_many_digits_are_rounded_to_cents() {
        let read = |value: Value, currency: Option<Currency>| {
            let body = json!({ "m": value });
            let money = Object::root(&body).unwrap().amount("m", currency);
            money.map(|money| money.map(|money| money.to_string()))
        };
        let dollars = Some(Currency::new("USD").unwrap());
        assert_eq!(read(json!(16.033), dollars), Ok(Some("16.03 USD".to_owned())));
        assert_eq!(read(json!("18.306636"), dollars), Ok(Some("18.31 USD".to_owned())));
        assert_eq!(read(json!(1), None).unwrap_err().class, RejectClass::Config);
        assert_eq!(read(json!(null), None), Ok(None));
    }
}
