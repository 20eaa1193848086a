//! The units of potencies.

use super::InvalidPotency;
use rust_decimal::Decimal;
use std::fmt;

/// The unit of an amount of a cannabinoid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PotencyUnit {
    /// Percent of the weight.
    Percent,
    /// Milligrams in the package or the portion.
    Milligrams,
    /// Milligrams in a gram.
    MilligramsPerGram,
    /// Milligrams in a milliliter.
    MilligramsPerMilliliter,
}

impl PotencyUnit {
    pub(super) const DECIMALS: u32 = 6;

    /// Parses a unit as platforms write it: `%`, `PERCENTAGE`, `mg`, `Milligrams`, `mg/g`, …, in any case.
    pub fn parse(text: &str) -> Result<Self, InvalidPotency> {
        match text.trim().to_lowercase().as_str() {
            "%" | "%r" | "percent" | "percentage" => Ok(Self::Percent),
            "mg" | "milligram" | "milligrams" => Ok(Self::Milligrams),
            "mg/g" => Ok(Self::MilligramsPerGram),
            "mg/ml" => Ok(Self::MilligramsPerMilliliter),
            _ => Err(InvalidPotency::Unit),
        }
    }

    /// The largest amount in this unit.
    fn max(self) -> Decimal {
        match self {
            Self::Percent => Decimal::ONE_HUNDRED,
            Self::Milligrams => Decimal::from(1_000_000),
            Self::MilligramsPerGram | Self::MilligramsPerMilliliter => Decimal::ONE_THOUSAND,
        }
    }

    /// Checks an amount against what the unit allows.
    pub(super) fn checked(self, amount: Decimal) -> Result<Decimal, InvalidPotency> {
        let amount = amount.normalize();
        let fits = (Decimal::ZERO..=self.max()).contains(&amount) && amount.scale() <= Self::DECIMALS;
        if fits { Ok(amount) } else { Err(InvalidPotency::Range) }
    }
}

impl fmt::Display for PotencyUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Percent => "%",
            Self::Milligrams => "mg",
            Self::MilligramsPerGram => "mg/g",
            Self::MilligramsPerMilliliter => "mg/ml",
        })
    }
}
