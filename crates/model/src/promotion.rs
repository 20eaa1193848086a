//! Promotions: their times, the items that they are for, and the prices that result.
//!
//! A platform's own reduced price is preferred to everything that is computed here ([`price_after`]). Nothing reads a
//! clock: the caller states the instant and the zone of the shop.

mod activity;
mod price;
mod reward;
mod runs;
mod schedule;
mod targets;
mod time_of_day;

pub use activity::{Activity, EDGES_MAX, LOOK_AGAIN, MISSED_MAX, Watched, WatchedNow};
pub use price::{Combining, PriceAfter, PriceReason, price_after};
pub use reward::{Percent, Reward};
pub use runs::SEARCH_DAYS_MAX;
pub use schedule::{
    Bound, INTERVAL_MAX, PERIODS_MAX, Period, RUN_DAYS_MAX, Recurrence, Schedule, Unit, Window,
};
pub use targets::{PricedVariant, Scope, TARGETS_MAX, Target, Targets};
pub use time_of_day::{TimeOfDay, WeekDays};

use crate::{ExternalId, Timestamp, Zone};
use serde::{Deserialize, Serialize};

/// Error for a part of a promotion that can't be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPromotion {
    /// The text isn't a time of day.
    #[error("a time of day is HH:MM or HH:MM:SS, up to 24:00")]
    Time,
    /// The text isn't a date.
    #[error("a date is YYYY-MM-DD, of the years 1900 to 9999")]
    Date,
    /// The text names no day of the week, or there is none.
    #[error("a recurrence has at least one day of the week, by its English name")]
    WeekDay,
    /// The interval of a recurrence is out of range, or has no first date to be counted from.
    #[error(
        "a recurrence has an interval of 1 to {INTERVAL_MAX}, and a first date unless it is of each day or week"
    )]
    Interval,
    /// The duration of a run is out of range.
    #[error("a run lasts from one second to {RUN_DAYS_MAX} days")]
    Duration,
    /// The schedule has too many periods.
    #[error("a schedule has at most {PERIODS_MAX} periods")]
    Periods,
    /// The text isn't a share.
    #[error("a share is 0 to 100 percent, with at most 4 decimals")]
    Percent,
}

/// A promotion, as a platform states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    /// The platform's id.
    pub external: ExternalId,
    /// The name.
    pub name: Option<String>,
    /// The platform's switch; a promotion that is on has its schedule still.
    pub is_on: bool,
    /// The times at which it is active.
    pub schedule: Schedule,
    /// The reward.
    pub reward: Reward,
    /// The items that it is for.
    pub targets: Targets,
    /// Conditions beyond time and item; with any, it changes no price that every customer sees.
    pub conditions: Vec<Condition>,
    /// The promotions that it may be combined with.
    pub stacking: Stacking,
}

impl Promotion {
    /// Returns a promotion of which only the id is known: it is never active.
    pub fn bare(external: ExternalId) -> Self {
        Self {
            external,
            name: None,
            is_on: false,
            schedule: Schedule::default(),
            reward: Reward::Other,
            targets: Targets { scope: Scope::AnyOf(Vec::new()), except: Vec::new() },
            conditions: Vec::new(),
            stacking: Stacking::Alone,
        }
    }
}

/// A condition of a promotion that a price by itself doesn't fulfil.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// A code or a coupon is entered.
    Code,
    /// The customer belongs to a group, or is a new one.
    Customer,
    /// The basket has a least quantity, a least sum, or other items.
    Basket,
    /// The sale is at one of certain locations.
    Location,
    /// The order is of a certain kind, such as a delivery.
    Fulfilment,
    /// A person at the till applies it.
    ByHand,
    /// The number of uses is limited.
    Uses,
    /// Another condition, which isn't understood.
    Other,
}

/// The promotions that a promotion may be combined with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stacking {
    /// None.
    Alone,
    /// All that may be combined as well.
    Together,
    /// Those that precede it; none after it.
    Last,
}

/// The begin or the end of a promotion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It begins at this instant.
    Starts(Timestamp),
    /// It is no longer active from this instant on.
    Ends(Timestamp),
}

impl Change {
    /// The instant.
    pub const fn at(self) -> Timestamp {
        match self {
            Self::Starts(at) | Self::Ends(at) => at,
        }
    }
}

/// Returns whether a promotion is active at an instant, whatever its conditions.
pub fn is_active(promotion: &Promotion, at: Timestamp, zone: Zone) -> bool {
    promotion.is_on && promotion.schedule.is_active(at, zone)
}

/// Returns the first begin or end of a promotion after an instant; `None` if it is switched off, or changes no more
/// within [`SEARCH_DAYS_MAX`].
pub fn next_change(promotion: &Promotion, after: Timestamp, zone: Zone) -> Option<Change> {
    promotion.is_on.then(|| promotion.schedule.next_change(after, zone)).flatten()
}

#[cfg(test)]
mod tests;
