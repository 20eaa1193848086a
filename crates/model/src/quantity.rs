//! Quantities: decimals, never floats.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    ops::{Add, Neg, Sub},
};

/// Why a text can't be a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a quantity is a decimal number within ±1 billion and at most 6 decimals")]
pub struct InvalidQuantity;

/// How much of a variant there is, in the variant's own unit (pieces, grams, …): within ±10⁹, at most six decimals,
/// without trailing zeros, so that equal quantities are written alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quantity(Decimal);

impl Quantity {
    /// Nothing at all, which is not the same as unknown.
    pub const ZERO: Self = Self(Decimal::ZERO);
    const LIMIT: i64 = 1_000_000_000;
    const DECIMALS: u32 = 6;

    /// Checks the bounds.
    pub fn new(amount: Decimal) -> Result<Self, InvalidQuantity> {
        let amount = amount.normalize();
        if amount.abs() <= Decimal::from(Self::LIMIT) && amount.scale() <= Self::DECIMALS {
            Ok(Self(amount))
        } else {
            Err(InvalidQuantity)
        }
    }

    /// Reads a decimal text such as `10` or `2.5`.
    pub fn parse(text: &str) -> Result<Self, InvalidQuantity> {
        Self::new(text.trim().parse().map_err(|_| InvalidQuantity)?)
    }

    /// A whole number of pieces.
    pub fn pieces(count: i32) -> Self {
        Self(Decimal::from(count))
    }

    /// The decimal.
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// Whether it is exactly nothing.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// Whether it is a whole number: some platforms take no other.
    pub fn is_whole(self) -> bool {
        self.0.is_integer()
    }
}

// Sums of quantities within ±10⁹ stay far inside a decimal's 28 digits.
impl Add for Quantity {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self((self.0 + other.0).normalize())
    }
}
impl Sub for Quantity {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self((self.0 - other.0).normalize())
    }
}
impl Neg for Quantity {
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
        Self::parse(&text)
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
        assert_eq!((Quantity::pieces(9) - Quantity::pieces(10)).to_string(), "-1");
        for text in ["", "1e30", "0.1234567", "1000000001", "ten"] {
            assert_eq!(Quantity::parse(text), Err(InvalidQuantity), "{text}");
        }
    }
}
