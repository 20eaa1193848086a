//! Formats of money, time and quantities on the platforms.

use crate::ledger::Instant;
use chrono::{FixedOffset, SecondsFormat, Timelike, Utc};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::Value;
use std::str::FromStr;

/// Number of decimal digits of the currency's smallest unit (ISO 4217).
fn exponent(currency: &str) -> u32 {
    match currency {
        "JPY" | "KRW" | "VND" | "CLP" | "ISK" | "XAF" | "XOF" => 0,
        "KWD" | "BHD" | "JOD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// An amount as a decimal, "19.90".
pub(crate) fn amount(minor: i64, currency: &str) -> String {
    Decimal::new(minor, exponent(currency)).to_string()
}

/// An amount as a JSON number, 19.9.
pub(crate) fn amount_number(minor: i64, currency: &str) -> Value {
    number(Decimal::new(minor, exponent(currency)))
}

/// Parses "19.90" or 19.9; returns `None` if it isn't an amount of the currency.
pub(crate) fn minor(value: &Value, currency: &str) -> Option<i64> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let scaled = Decimal::from_str(&text).ok()? * Decimal::from(10_u32.pow(exponent(currency)));
    if scaled.fract().is_zero() { scaled.to_i64() } else { None }
}

/// A decimal as a JSON number.
pub(crate) fn number(decimal: Decimal) -> Value {
    match decimal.to_i64().filter(|_| decimal.fract().is_zero()) {
        Some(whole) => Value::from(whole),
        None => decimal.to_f64().map_or(Value::Null, Value::from),
    }
}

/// A time in RFC 3339, with the offset of a time zone `hours` west of Greenwich.
pub(crate) fn local(at: Instant, hours: i32, digits: SecondsFormat) -> String {
    match FixedOffset::west_opt(hours * 3_600) {
        Some(offset) => at.with_timezone(&offset).to_rfc3339_opts(digits, false),
        None => at.to_rfc3339_opts(digits, true),
    }
}

/// A time in UTC in RFC 3339, with as many fractional digits as needed.
pub(crate) fn utc(at: Instant) -> String {
    let whole = at.format("%Y-%m-%dT%H:%M:%S");
    let digits = format!("{:09}", at.nanosecond() % 1_000_000_000);
    match digits.trim_end_matches('0') {
        "" => format!("{whole}Z"),
        digits => format!("{whole}.{digits}Z"),
    }
}

/// Parses RFC 3339.
pub(crate) fn instant(text: &str) -> Option<Instant> {
    chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn amounts_keep_the_digits_of_their_currency() {
        assert_eq!(amount(1_990, "USD"), "19.90");
        assert_eq!(amount(1_990, "JPY"), "1990");
        assert_eq!(minor(&json!("19.9"), "USD"), Some(1_990));
        assert_eq!(minor(&json!("19.999"), "USD"), None);
        assert_eq!(amount_number(1_990, "USD"), json!(19.9));
    }

    #[test]
    fn times_have_as_many_digits_as_they_need() {
        for text in ["2022-11-09T21:38:29Z", "2019-10-29T17:26:16.53Z", "2019-10-29T18:38:45.10296Z"] {
            assert_eq!(utc(instant(text).unwrap()), text);
        }
        let at = instant("2020-09-03T12:44:10.9Z").unwrap();
        assert_eq!(local(at, 4, SecondsFormat::Secs), "2020-09-03T08:44:10-04:00");
    }
}
