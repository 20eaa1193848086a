//! Cannabinoids as platforms and laboratories state them: percent or milligrams, numbers or ranges, or a word that there
//! is nothing to measure.
//!
//! Both ends of a range and the unit are kept as they are. *Unknown is not zero*: a text that stands for no value, and a
//! zero without a unit, are no measurement.

mod parse;
mod unit;

pub use unit::PotencyUnit;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Upper limit of characters in the text of a measurement.
pub const POTENCY_CHARS_MAX: usize = 64;

/// Error for a text or number that isn't a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPotency {
    /// The text has none of the known forms.
    #[error("a potency is a number or a range with a unit, such as 18-22 %, or a word such as n.d.")]
    Form,
    /// The unit isn't a known one, or the text has another than its field.
    #[error("a potency is in %, mg, mg/g or mg/ml")]
    Unit,
    /// A number other than zero has no unit.
    #[error("a potency other than zero has a unit")]
    NoUnit,
    /// The number is below zero, above what the unit allows, or has more than six decimals.
    #[error("a potency is from zero to 100 %, 1000 mg/g or a million mg, with at most 6 decimals")]
    Range,
}

/// The amount of one cannabinoid in a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Potency {
    /// An amount, or a range of amounts where batches or analyses differ.
    Measured(PotencyRange),
    /// The analysis found none.
    NotDetected,
    /// The analysis found less than it can count; with the limit if it is stated.
    BelowLimit(Option<PotencyLimit>),
}

/// A range of amounts in one unit; its ends are equal where one number is stated.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PotencyRange {
    low: Decimal,
    high: Decimal,
    unit: PotencyUnit,
}

impl PotencyRange {
    /// Builds a range from its ends, in either order. Refuses an end beyond what the unit allows.
    pub fn new(one: Decimal, other: Decimal, unit: PotencyUnit) -> Result<Self, InvalidPotency> {
        let (one, other) = (unit.checked(one)?, unit.checked(other)?);
        Ok(Self { low: one.min(other), high: one.max(other), unit })
    }

    /// The lower end.
    pub fn low(self) -> Decimal {
        self.low
    }

    /// The higher end.
    pub fn high(self) -> Decimal {
        self.high
    }

    /// The unit.
    pub fn unit(self) -> PotencyUnit {
        self.unit
    }

    /// Returns the range in percent of the weight; `None` for amounts of which the weight they are in isn't known.
    pub fn percent(self) -> Option<Self> {
        match self.unit {
            PotencyUnit::Percent => Some(self),
            PotencyUnit::MilligramsPerGram => {
                let percent = |amount: Decimal| (amount / Decimal::TEN).normalize();
                Self::new(percent(self.low), percent(self.high), PotencyUnit::Percent).ok()
            }
            PotencyUnit::Milligrams | PotencyUnit::MilligramsPerMilliliter => None,
        }
    }

    /// Returns the total of a cannabinoid and its acid: the cannabinoid plus 0.877 of the acid, which is what heat makes
    /// of it. `None` if their units differ, or the sum isn't possible.
    pub fn with_acid(self, acid: Self) -> Option<Self> {
        let total = |neutral: Decimal, acid: Decimal| {
            let converted = acid.checked_mul(Decimal::new(877, 3))?;
            neutral.checked_add(converted).map(|total| total.round_dp(PotencyUnit::DECIMALS))
        };
        let (low, high) = (total(self.low, acid.low)?, total(self.high, acid.high)?);
        (self.unit == acid.unit).then(|| Self::new(low, high, self.unit).ok()).flatten()
    }
}

impl fmt::Display for PotencyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.low == self.high {
            write!(f, "{} {}", self.low, self.unit)
        } else {
            write!(f, "{}-{} {}", self.low, self.high, self.unit)
        }
    }
}
impl fmt::Debug for PotencyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The limit below which an analysis doesn't count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PotencyLimit {
    /// The amount.
    pub amount: Decimal,
    /// The unit.
    pub unit: PotencyUnit,
}

impl fmt::Display for Potency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measured(range) => range.fmt(f),
            Self::NotDetected => f.write_str("n.d."),
            Self::BelowLimit(None) => f.write_str("<LOQ"),
            Self::BelowLimit(Some(limit)) => write!(f, "<{} {}", limit.amount, limit.unit),
        }
    }
}

impl Potency {
    /// Parses a text such as `18.2%`, `14.75 - 28.31 %R`, `100 mg`, `n.d.`, `<LOQ` or `<0.1 mg/g`. `unit` is the unit
    /// that the field has beside the text; a text with another one is refused. `None` stands for no value: an empty
    /// text, a placeholder, or a zero without a unit.
    ///
    /// # Errors
    ///
    /// Refuses whatever has none of these forms, never a guess: `18` without a unit, `18,2%`, `high`.
    pub fn parse(text: &str, unit: Option<PotencyUnit>) -> Result<Option<Self>, InvalidPotency> {
        parse::text(text, unit)
    }

    /// Builds a measurement from numbers as a payload has them, `None` for a null, and the unit's own text. One end
    /// stands for both. `None` if there is no number, or zeros without a unit; a unit that says that nothing was found,
    /// such as `n.d.`, is that, whatever the number.
    pub fn from_numbers(
        low: Option<Decimal>,
        high: Option<Decimal>,
        unit: Option<&str>,
    ) -> Result<Option<Self>, InvalidPotency> {
        parse::numbers(low, high, unit)
    }
}

#[cfg(test)]
mod tests;
