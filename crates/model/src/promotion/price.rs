//! The price of a variant after the promotions that are active.

use super::{PricedVariant, Promotion, Stacking, is_active};
use crate::{ExternalId, Money, Timestamp, Zone};

/// The rule by which a platform or a shop combines promotions for one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Combining {
    /// One promotion, or those together that may be combined, whichever gives the lowest price; combined, shares
    /// precede amounts, each of the price so far.
    #[default]
    Compounding,
    /// The same, with each of those that may be combined counted off the price without promotions.
    Cumulative,
    /// The one promotion that gives the lowest price.
    LowestOnly,
    /// The one promotion that gives the highest price.
    HighestOnly,
    /// In the order of the list, each of the price so far: one that stands alone only as the first, and none after it.
    InOrder,
}

/// The price of a variant at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceAfter {
    /// The price: from zero up to the price without promotions.
    pub price: Money,
    /// The reason for it.
    pub reason: PriceReason,
}

/// The reason for a price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PriceReason {
    /// No promotion reduces the price.
    Unreduced,
    /// The platform states this reduced price.
    Platform,
    /// These promotions, in the order in which they were applied.
    Promotions(Vec<ExternalId>),
}

/// Promotions that are applied one after another, with the price after them.
#[derive(Clone, Default)]
struct Stack<'a> {
    minor: i64,
    applied: Vec<&'a Promotion>,
}

/// Returns the price of a variant at an instant. The reduced price that the platform states is preferred; else the
/// active promotions that are for the variant and have no further condition are combined by the rule. Each reduction is
/// rounded to the minor unit, half to even. Only rewards of one item count: the price of a bundle isn't one.
pub fn price_after(
    promotions: &[Promotion],
    combining: Combining,
    variant: &PricedVariant,
    at: Timestamp,
    zone: Zone,
) -> PriceAfter {
    let price = Money { minor: variant.price.minor.max(0), ..variant.price };
    let stated = variant.discounted.filter(|stated| stated.currency == price.currency);
    if let Some(stated) = stated.filter(|stated| (0..price.minor).contains(&stated.minor)) {
        return PriceAfter { price: stated, reason: PriceReason::Platform };
    }
    let applies = |promotion: &&Promotion| {
        variant.takes_promotions
            && promotion.conditions.is_empty()
            && promotion.reward.minor_off(price).is_some()
            && promotion.targets.cover(variant)
            && is_active(promotion, at, zone)
    };
    let candidates: Vec<&Promotion> = promotions.iter().filter(applies).collect();
    let stack = combine(&candidates, combining, price);
    let lowest = variant.lowest.filter(|lowest| lowest.currency == price.currency);
    let lowest = lowest.map_or(0, |lowest| lowest.minor.clamp(0, price.minor));
    if stack.minor.max(lowest) == price.minor {
        return PriceAfter { price, reason: PriceReason::Unreduced };
    }
    let ids = stack.applied.iter().map(|promotion| promotion.external.clone()).collect();
    let reduced = Money { minor: stack.minor.max(lowest), ..price };
    PriceAfter { price: reduced, reason: PriceReason::Promotions(ids) }
}

fn combine<'a>(candidates: &[&'a Promotion], combining: Combining, price: Money) -> Stack<'a> {
    let none = Stack { minor: price.minor, applied: Vec::new() };
    let singles = candidates.iter().map(|promotion| none.with(promotion, price, price));
    let together = || candidates.iter().copied().filter(|promotion| promotion.stacking != Stacking::Alone);
    match combining {
        Combining::LowestOnly => singles.min_by_key(|stack| stack.minor).unwrap_or(none),
        Combining::HighestOnly => singles.max_by_key(|stack| stack.minor).unwrap_or(none),
        Combining::Compounding => {
            let (shares, others): (Vec<_>, Vec<_>) =
                together().partition(|promotion| promotion.reward.is_share());
            let stack = none.clone().with_all(shares.into_iter().chain(others), price, Base::SoFar);
            lower(singles, stack)
        }
        Combining::Cumulative => lower(singles, none.clone().with_all(together(), price, Base::Unreduced)),
        Combining::InOrder => in_order(candidates, none, price),
    }
}

/// The price that a reduction is counted off.
#[derive(Clone, Copy)]
enum Base {
    SoFar,
    Unreduced,
}

impl<'a> Stack<'a> {
    /// The stack with one more promotion, whose reduction is counted off `base`.
    fn with(&self, promotion: &'a Promotion, base: Money, price: Money) -> Stack<'a> {
        let off = promotion.reward.minor_off(base).unwrap_or(0);
        let minor = self.minor.saturating_sub(off).clamp(0, price.minor);
        let mut applied = self.applied.clone();
        if off > 0 {
            applied.push(promotion);
        }
        Stack { minor, applied }
    }

    /// The stack with more promotions, up to the first that is the last.
    fn with_all(
        self,
        promotions: impl Iterator<Item = &'a Promotion>,
        price: Money,
        base: Base,
    ) -> Stack<'a> {
        let mut stack = self;
        for promotion in promotions {
            let minor = match base {
                Base::SoFar => stack.minor,
                Base::Unreduced => price.minor,
            };
            stack = stack.with(promotion, Money { minor, ..price }, price);
            if promotion.stacking == Stacking::Last {
                break;
            }
        }
        stack
    }
}

/// The lowest of the single promotions and the combined ones; a single one if they are equal.
fn lower<'a>(singles: impl Iterator<Item = Stack<'a>>, combined: Stack<'a>) -> Stack<'a> {
    singles.chain([combined]).min_by_key(|stack| stack.minor).unwrap_or_default()
}

fn in_order<'a>(candidates: &[&'a Promotion], none: Stack<'a>, price: Money) -> Stack<'a> {
    let mut stack = none;
    for promotion in candidates {
        if promotion.stacking == Stacking::Alone && !stack.applied.is_empty() {
            continue;
        }
        let next = stack.with(promotion, Money { minor: stack.minor, ..price }, price);
        let was_applied = next.applied.len() > stack.applied.len();
        stack = next;
        if was_applied && promotion.stacking != Stacking::Together {
            break;
        }
    }
    stack
}
