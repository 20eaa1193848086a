//! Money: minor units and a currency, never a float.

use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Error for a text that isn't a valid amount or currency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMoney {
    /// The code isn't three letters (ISO 4217).
    #[error("a currency is three letters A to Z")]
    Currency,
    /// The text isn't a decimal number, or has more digits than fit.
    #[error("an amount is a decimal number within ±92 quadrillion minor units")]
    Amount,
}

/// An ISO 4217 code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// Checks that `code` is three letters; lower case is accepted.
    pub fn new(code: &str) -> Result<Self, InvalidMoney> {
        let mut letters: [u8; 3] = code.as_bytes().try_into().map_err(|_| InvalidMoney::Currency)?;
        letters.make_ascii_uppercase();
        if letters.iter().all(u8::is_ascii_uppercase) {
            Ok(Self(letters))
        } else {
            Err(InvalidMoney::Currency)
        }
    }

    /// Returns the number of digits of the minor unit (ISO 4217, list one).
    pub fn minor_digits(self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF"
            | b"UGX" | b"UYI" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            b"CLF" | b"UYW" => 4,
            _ => 2,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|letter| write!(f, "{}", *letter as char))
    }
}
impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
impl TryFrom<String> for Currency {
    type Error = InvalidMoney;
    fn try_from(code: String) -> Result<Self, InvalidMoney> {
        Self::new(&code)
    }
}
impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.to_string()
    }
}

/// An amount in the currency's minor unit (cents).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// Number of minor units; negative for an amount owed back.
    pub minor: i64,
    /// The currency.
    pub currency: Currency,
}

impl Money {
    /// Parses a decimal text such as `199.00`. Digits beyond the minor unit are rounded half to even, because
    /// tax-inclusive prices that a platform computes back have more (`18.306636`).
    pub fn parse(text: &str, currency: Currency) -> Result<Self, InvalidMoney> {
        let amount: Decimal = text.trim().parse().map_err(|_| InvalidMoney::Amount)?;
        let scale = Decimal::from(10_i64.pow(currency.minor_digits()));
        let minor =
            amount.checked_mul(scale).and_then(|minor| minor.round().to_i64()).ok_or(InvalidMoney::Amount)?;
        Ok(Self { minor, currency })
    }

    /// Returns the amount as a decimal text with the currency's digits: `199.00`.
    pub fn decimal(&self) -> String {
        Decimal::new(self.minor, self.currency.minor_digits()).to_string()
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.decimal(), self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_their_currencys_digits() {
        let read = |text, code| Money::parse(text, Currency::new(code).unwrap());
        assert_eq!(read("199.00", "USD").unwrap().minor, 19_900);
        assert_eq!(read("18.306636", "usd").unwrap().to_string(), "18.31 USD");
        assert_eq!(read("500", "JPY").unwrap().decimal(), "500");
        assert_eq!(read("-1.5", "KWD").unwrap().minor, -1_500);
        for text in ["", "1e400", "NaN", "1,50", "99999999999999999999"] {
            assert_eq!(read(text, "USD"), Err(InvalidMoney::Amount), "{text}");
        }
        assert_eq!(Currency::new("US"), Err(InvalidMoney::Currency));
    }
}
