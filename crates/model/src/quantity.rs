//! Quantities: decimals, never floats.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Error for a text that isn't a valid quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a quantity is a decimal number within ±1 billion and at most 6 decimals")]
pub struct InvalidQuantity;

/// An amount of a variant, in the variant's own unit (pieces, grams, …): at most six decimals, without trailing zeros,
/// so that equal quantities are written alike.
///
/// A platform reports within ±10⁹ ([`Quantity::new`]); sums and differences of reports may reach ±10¹²
/// ([`Quantity::recorded`]), so that every computed quantity can be stored, encoded and read again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quantity(Decimal);

impl Quantity {
    /// Zero, which is not the same as unknown.
    pub const ZERO: Self = Self(Decimal::ZERO);
    /// Upper limit of a reported amount, positive or negative.
    const REPORTED_MAX: i64 = 1_000_000_000;
    /// Upper limit of a sum of reported amounts, positive or negative.
    const RECORDED_MAX: i64 = 1_000_000_000_000;
    const DECIMALS: u32 = 6;

    /// Builds a reported quantity: checks the limits of a report.
    pub fn new(amount: Decimal) -> Result<Self, InvalidQuantity> {
        Self::within(amount, Self::REPORTED_MAX)
    }

    /// Parses a reported quantity, a decimal text such as `10` or `2.5`.
    pub fn parse(text: &str) -> Result<Self, InvalidQuantity> {
        Self::new(text.trim().parse().map_err(|_| InvalidQuantity)?)
    }

    /// Builds a quantity that was computed from reports: checks the wider limits of a sum.
    pub fn recorded(amount: Decimal) -> Result<Self, InvalidQuantity> {
        Self::within(amount, Self::RECORDED_MAX)
    }

    /// Parses a quantity that was computed from reports.
    pub fn parse_recorded(text: &str) -> Result<Self, InvalidQuantity> {
        Self::recorded(text.trim().parse().map_err(|_| InvalidQuantity)?)
    }

    fn within(amount: Decimal, max: i64) -> Result<Self, InvalidQuantity> {
        let amount = amount.normalize();
        if amount.abs() <= Decimal::from(max) && amount.scale() <= Self::DECIMALS {
            Ok(Self(amount))
        } else {
            Err(InvalidQuantity)
        }
    }

    /// Returns a whole number of pieces.
    pub fn pieces(count: i32) -> Self {
        Self(Decimal::from(count))
    }

    /// The decimal.
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// Returns whether it is exactly zero.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// Returns whether it is a whole number: some platforms accept no other.
    pub fn is_whole(self) -> bool {
        self.0.is_integer()
    }

    /// Returns the sum; `None` beyond the limits of [`Quantity::recorded`].
    pub fn plus(self, other: Self) -> Option<Self> {
        Self::recorded(self.0.checked_add(other.0)?).ok()
    }

    /// Returns the difference; `None` beyond the limits of [`Quantity::recorded`].
    pub fn minus(self, other: Self) -> Option<Self> {
        Self::recorded(self.0.checked_sub(other.0)?).ok()
    }

    /// Rounds down to at most `decimals` decimals: 3.5 at 0 decimals is 3, -3.5 is -4.
    #[must_use]
    pub fn floored(self, decimals: u32) -> Self {
        let shift = Decimal::from(10_i64.pow(decimals.min(Self::DECIMALS)));
        let scaled = self.0.checked_mul(shift).and_then(|scaled| scaled.floor().checked_div(shift));
        Self(scaled.unwrap_or(self.0).normalize())
    }
}

impl std::ops::Neg for Quantity {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl TryFrom<String> for Quantity {
    type Error = InvalidQuantity;
    fn try_from(text: String) -> Result<Self, InvalidQuantity> {
        Self::parse_recorded(&text)
    }
}
impl From<Quantity> for String {
    fn from(quantity: Quantity) -> String {
        quantity.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_quantities_are_written_alike() {
        assert_eq!(Quantity::parse("2.50").unwrap().to_string(), "2.5");
        assert_eq!(Quantity::parse("10").unwrap(), Quantity::pieces(10));
        assert_eq!(Quantity::pieces(9).minus(Quantity::pieces(10)).unwrap().to_string(), "-1");
        for text in ["", "1e30", "0.1234567", "1000000001", "ten"] {
            assert_eq!(Quantity::parse(text), Err(InvalidQuantity), "{text}");
        }
    }

    #[test]
    fn a_sum_of_reports_may_be_larger_than_a_report_and_has_bounds_of_its_own() {
        let most = Quantity::parse("1000000000").unwrap();
        let twice = most.plus(most).unwrap();
        assert_eq!(Quantity::parse(&twice.to_string()), Err(InvalidQuantity));
        assert_eq!(Quantity::parse_recorded(&twice.to_string()), Ok(twice));
        let limit = Quantity::parse_recorded("1000000000000").unwrap();
        assert_eq!(limit.plus(Quantity::pieces(1)), None);
        assert_eq!((-limit).minus(Quantity::pieces(1)), None);
    }

    #[test]
    fn flooring_never_promises_more_than_there_is() {
        for (amount, decimals, floored) in [
            ("3.5", 0, "3"),
            ("-3.5", 0, "-4"),
            ("3.456", 2, "3.45"),
            ("7", 3, "7"),
            ("0.999999", 5, "0.99999"),
        ] {
            assert_eq!(Quantity::parse(amount).unwrap().floored(decimals).to_string(), floored, "{amount}");
        }
    }
}
