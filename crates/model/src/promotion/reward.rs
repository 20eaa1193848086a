//! The rewards of promotions: shares, amounts and prices, and their effect on one price.

use super::InvalidPromotion;
use crate::Money;
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A share of a price, from 0 to 100 percent with at most four decimals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Percent(Decimal);

impl Percent {
    const DECIMALS: u32 = 4;

    /// Builds a share from a number of percent.
    pub fn new(percent: Decimal) -> Result<Self, InvalidPromotion> {
        let percent = percent.normalize();
        let fits =
            (Decimal::ZERO..=Decimal::ONE_HUNDRED).contains(&percent) && percent.scale() <= Self::DECIMALS;
        if fits { Ok(Self(percent)) } else { Err(InvalidPromotion::Percent) }
    }

    /// Parses a number of percent, such as `7.5` or `30.0000`.
    pub fn parse(text: &str) -> Result<Self, InvalidPromotion> {
        Self::new(text.trim().parse().map_err(|_| InvalidPromotion::Percent)?)
    }

    /// Parses a share of one: `0.3` is 30 percent.
    pub fn parse_fraction(text: &str) -> Result<Self, InvalidPromotion> {
        let fraction: Decimal = text.trim().parse().map_err(|_| InvalidPromotion::Percent)?;
        Self::new(fraction.checked_mul(Decimal::ONE_HUNDRED).ok_or(InvalidPromotion::Percent)?)
    }

    /// Returns the number of percent.
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// Returns this share of a number of minor units, rounded half to even.
    fn of(self, minor: i64) -> i64 {
        let share = Decimal::from(minor).checked_mul(self.0).map(|share| share / Decimal::ONE_HUNDRED);
        // A share of at most one fits wherever the whole does; only its digits may not.
        share.and_then(|share| share.round().to_i64()).unwrap_or(minor)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.0)
    }
}
impl TryFrom<String> for Percent {
    type Error = InvalidPromotion;
    fn try_from(text: String) -> Result<Self, InvalidPromotion> {
        Self::parse(&text)
    }
}
impl From<Percent> for String {
    fn from(percent: Percent) -> String {
        percent.0.to_string()
    }
}
impl fmt::Debug for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The reward of a promotion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reward {
    /// A share off the price of each item.
    PercentOff {
        /// The share.
        percent: Percent,
        /// The largest amount off one item, if there is one.
        at_most: Option<Money>,
    },
    /// An amount off the price of each item.
    AmountOff(Money),
    /// A new price of each item.
    PriceTo(Money),
    /// A price of several items together; the price of one stays.
    Bundle {
        /// Number of items.
        quantity: u32,
        /// The price of them together.
        total: Money,
    },
    /// Another reward, such as an item for free or a price above cost: known to exist, never computed.
    Other,
}

impl Reward {
    /// Returns whether it changes the price of a single item.
    pub fn is_of_one_item(self) -> bool {
        matches!(self, Self::PercentOff { .. } | Self::AmountOff(_) | Self::PriceTo(_))
    }

    /// Returns whether it is a share: those precede amounts wherever promotions compound.
    pub(super) fn is_share(self) -> bool {
        matches!(self, Self::PercentOff { .. })
    }

    /// Returns the minor units that it takes off a price, from 0 to all of it; `None` if it says nothing of one price
    /// of that currency.
    pub(super) fn minor_off(self, price: Money) -> Option<i64> {
        let same = |money: Money| (money.currency == price.currency).then_some(money.minor);
        let off = match self {
            Self::PercentOff { percent, at_most } => {
                let limit = at_most.map_or(Some(i64::MAX), same)?;
                percent.of(price.minor).min(limit)
            }
            Self::AmountOff(amount) => same(amount)?,
            Self::PriceTo(to) => price.minor.saturating_sub(same(to)?),
            Self::Bundle { .. } | Self::Other => return None,
        };
        Some(off.clamp(0, price.minor.max(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Currency;

    fn usd(text: &str) -> Money {
        Money::parse(text, Currency::new("USD").unwrap()).unwrap()
    }

    #[test]
    fn a_share_is_exact_and_bounded() {
        assert_eq!(Percent::parse("7.5").unwrap().to_string(), "7.5 %");
        assert_eq!(Percent::parse("30.0000").unwrap(), Percent::parse_fraction("0.3").unwrap());
        for text in ["", "-1", "100.01", "1e400", "7.50001", "7,5", "7.5%"] {
            assert_eq!(Percent::parse(text), Err(InvalidPromotion::Percent), "{text}");
        }
    }

    #[test]
    fn a_share_is_rounded_half_to_even() {
        let off = |percent: &str, price: &str| {
            let reward = Reward::PercentOff { percent: Percent::parse(percent).unwrap(), at_most: None };
            reward.minor_off(usd(price)).unwrap()
        };
        assert_eq!(off("10", "0.25"), 2, "2.5 is rounded to 2");
        assert_eq!(off("10", "0.35"), 4, "3.5 is rounded to 4");
        assert_eq!(off("33.3333", "9.99"), 333);
        assert_eq!(off("100", "9.99"), 999);
    }

    #[test]
    fn no_reward_takes_more_than_the_price_or_adds_to_it() {
        assert_eq!(Reward::AmountOff(usd("20")).minor_off(usd("5")), Some(500));
        assert_eq!(Reward::AmountOff(usd("-1")).minor_off(usd("5")), Some(0));
        assert_eq!(Reward::PriceTo(usd("6")).minor_off(usd("5")), Some(0));
        assert_eq!(Reward::PriceTo(usd("-6")).minor_off(usd("5")), Some(500));
        assert_eq!(Reward::AmountOff(usd("1")).minor_off(usd("-5")), Some(0));
    }

    #[test]
    fn an_amount_in_another_currency_says_nothing() {
        let euros = Money::parse("1", Currency::new("EUR").unwrap()).unwrap();
        let half = Reward::PercentOff { percent: Percent::parse("50").unwrap(), at_most: Some(euros) };
        for reward in [Reward::AmountOff(euros), Reward::PriceTo(euros), half, Reward::Other] {
            assert_eq!(reward.minor_off(usd("5")), None, "{reward:?}");
        }
    }
}
