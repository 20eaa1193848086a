//! Budget of a connection's calls, shared by all processes that call its platform.
//!
//! The budget is a value that its callers load, change and store by compare-and-set. A caller takes a lease: some calls,
//! each with the time from which it may be made. So one exchange with the record covers several calls, and whoever dies
//! with a lease leaves nothing to clean up.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Time that the calls of one lease take at the platform's rate; unused calls of a lease are void after as long again.
pub const LEASE_FOR: Duration = Duration::from_millis(500);
/// Time for which a class that waits keeps others out, after the time at which it is to ask again: it may have died.
const WAITS_FOR: Duration = Duration::from_secs(2);
/// Time for which a class that had calls keeps others out: callers that make one call after the other ask again within it.
const BUSY_FOR: Duration = Duration::from_millis(300);
/// One of that many calls goes to a class that waits, whatever other classes want.
pub const SHARE_OF_WAITING: u32 = 8;
/// One of that many calls is made while the record of the budget can't be reached. As many processes as that together
/// stay within the platform's rate.
pub const SHARE_WITHOUT_RECORD: u32 = 4;
/// Pause after a refusal that states none; it doubles with each further one.
const HOLD_FIRST: Duration = Duration::from_secs(1);
/// Longest pause after a refusal that states none.
const HOLD_LONGEST: Duration = Duration::from_mins(1);
/// Longest hold, whatever the platform says.
const HOLD_MAX: Duration = Duration::from_hours(1);
/// Time after which a refusal has nothing to do with the one before.
const REFUSALS_FORGOTTEN: Duration = Duration::from_mins(2);

/// The purpose of a call, in the order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallClass {
    /// Writes of stock, readings for them, and access tokens.
    Stock,
    /// Objects that notifications name.
    Notice,
    /// Writes of prices and texts, and readings for them.
    Price,
    /// Pages of lists.
    List,
}

impl CallClass {
    /// Every class, the first one first.
    pub const ALL: [Self; 4] = [Self::Stock, Self::Notice, Self::Price, Self::List];

    /// Returns its place in the order.
    pub const fn index(self) -> usize {
        match self {
            Self::Stock => 0,
            Self::Notice => 1,
            Self::Price => 2,
            Self::List => 3,
        }
    }
}

/// The rate at which a platform accepts calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallRate {
    period: Duration,
    burst: u32,
}

impl CallRate {
    /// Returns a rate; one that allows nothing counts as a call an hour.
    pub fn new(per_second: f64, burst: u32) -> Self {
        let period = Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(Duration::MAX);
        let period = period.clamp(Duration::from_micros(1), Duration::from_hours(1));
        Self { period, burst: burst.max(1) }
    }

    /// Returns one of `parts` equal parts of the rate, without a burst.
    #[must_use]
    pub fn part(self, parts: u32) -> Self {
        Self { period: self.period.saturating_mul(parts.max(1)), burst: 1 }
    }

    /// Returns `percent` of the rate and of the burst, at least one call and at most everything.
    #[must_use]
    pub fn percent(self, percent: u32) -> Self {
        let percent = percent.clamp(1, 100);
        Self { period: self.period * 100 / percent, burst: (self.burst * percent / 100).max(1) }
    }

    /// Returns the time between two calls.
    pub const fn period(self) -> Duration {
        self.period
    }

    /// Returns the number of calls at once.
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// Returns the largest number of calls of one lease.
    pub fn lease_max(self) -> u32 {
        let calls = LEASE_FOR.as_micros() / self.period.as_micros().max(1);
        u32::try_from(calls).unwrap_or(u32::MAX).clamp(1, self.burst)
    }

    fn times(self, calls: u32) -> i64 {
        i64::try_from(self.period.as_micros()).unwrap_or(i64::MAX).saturating_mul(i64::from(calls))
    }
}

/// A class that wants calls, as the others see it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Waiting {
    /// Calls that it wants.
    calls: u32,
    /// Time until which they are kept for it.
    until: Timestamp,
    /// True if it had to wait; false if it had calls and may want more.
    is_refused: bool,
    /// Calls of other classes since it waits.
    passed: u32,
}

/// The budget of a connection. By default all calls of the burst are available.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallBudget {
    /// Time at which all calls of the burst are available again.
    full_at: Timestamp,
    /// Time before which the platform accepts no call.
    held_until: Timestamp,
    /// Refusals in a row.
    refusals: u32,
    /// Time of the last of them.
    refused_at: Timestamp,
    /// The classes that want calls, in the order of [`CallClass::ALL`].
    waiting: [Waiting; 4],
}

/// The calls that a caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallWant {
    /// Their purpose.
    pub class: CallClass,
    /// Their number.
    pub calls: u32,
}

/// The reply to a want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallGrant {
    /// Calls that may be made: the wait before each of them.
    Lease(Vec<Duration>),
    /// None now: to be asked again after that time.
    Later(Duration),
    /// None before that time, by the platform's word.
    Held(Duration),
}

impl CallBudget {
    /// Takes a lease of at most [`CallRate::lease_max`] calls: those that are available and not kept for others. Where
    /// none is kept, the next ones too; of these a list gets only one, so that it holds up nobody.
    pub fn take(&mut self, rate: CallRate, want: CallWant, now: Timestamp) -> CallGrant {
        let index = want.class.index();
        self.correct(rate, now);
        if self.held_until > now {
            let wait = Duration::from_micros(self.held_until.micros_since(now));
            self.wait(want, wait, now);
            return CallGrant::Held(wait);
        }
        let wanted = want.calls.clamp(1, rate.lease_max());
        let (kept, available) = (self.kept_from(want.class, rate, now), self.available(rate, now));
        let free = available.saturating_sub(kept);
        let granted = match (free, kept) {
            (_, 0) if want.class != CallClass::List => wanted,
            (0, 0) => 1,
            (free, _) => free.min(wanted),
        };
        let from = self.full_at.max(now).as_micros();
        let nth = |calls: u32| {
            let at = from.saturating_add(rate.times(calls)).saturating_sub(rate.times(rate.burst));
            Duration::from_micros(Timestamp::from_micros(at).micros_since(now))
        };
        // A lease never reaches further ahead than the next one would begin.
        if granted == 0 || nth(1) > LEASE_FOR.max(rate.period) {
            let wait = nth(kept.saturating_add(1).min(rate.burst)).max(rate.period.min(LEASE_FOR));
            self.wait(want, wait, now);
            return CallGrant::Later(wait);
        }
        let waits: Vec<Duration> = (1..=granted).map(nth).collect();
        self.full_at = Timestamp::from_micros(from.saturating_add(rate.times(granted)));
        let until = now.after(nth(granted) + BUSY_FOR);
        self.waiting[index] = Waiting { calls: want.calls, until, is_refused: false, passed: 0 };
        for other in self.waiting.iter_mut().skip(index + 1).filter(|other| other.is_refused) {
            other.passed = other.passed.saturating_add(granted);
        }
        CallGrant::Lease(waits)
    }

    /// Takes the platform's word that it accepts no more calls now: nobody calls it for `after`, or for a pause that
    /// doubles with each refusal in a row.
    pub fn refuse(&mut self, rate: CallRate, after: Option<Duration>, now: Timestamp) {
        let is_in_a_row = self.refused_at.after(REFUSALS_FORGOTTEN) > now;
        self.refusals = if is_in_a_row { self.refusals.saturating_add(1) } else { 0 };
        self.refused_at = now;
        let doubled = HOLD_FIRST.saturating_mul(1 << self.refusals.min(10)).min(HOLD_LONGEST);
        self.held_until = self.held_until.max(now.after(after.unwrap_or(doubled)));
        let empty = Timestamp::from_micros(now.as_micros().saturating_add(rate.times(rate.burst)));
        self.full_at = self.full_at.max(empty);
    }

    /// Returns the time for which the platform accepts no call.
    pub fn held_for(&self, now: Timestamp) -> Duration {
        Duration::from_micros(self.held_until.micros_since(now))
    }

    /// Shortens what reaches further ahead than it can, after the clock was set back.
    fn correct(&mut self, rate: CallRate, now: Timestamp) {
        let ahead = rate.times(rate.burst.saturating_mul(2));
        let longest = now.after(LEASE_FOR.max(rate.period));
        self.full_at = self.full_at.min(Timestamp::from_micros(longest.as_micros().saturating_add(ahead)));
        self.held_until = self.held_until.min(now.after(HOLD_MAX));
        for waiting in &mut self.waiting {
            waiting.until = waiting.until.min(now.after(HOLD_MAX + WAITS_FOR));
        }
    }

    /// Returns the number of calls that could be made at once.
    fn available(&self, rate: CallRate, now: Timestamp) -> u32 {
        let missing = i64::try_from(self.full_at.micros_since(now)).unwrap_or(i64::MAX);
        let left = rate.times(rate.burst).saturating_sub(missing).max(0);
        u32::try_from(left / rate.times(1).max(1)).unwrap_or(u32::MAX).min(rate.burst)
    }

    /// Returns the number of available calls that are kept for other classes: what those before it want, unless this
    /// class has waited for its share; and one for a later class that has. A full budget has one for everybody.
    fn kept_from(&self, class: CallClass, rate: CallRate, now: Timestamp) -> u32 {
        let index = class.index();
        let wants = |waiting: &&Waiting| waiting.until > now && waiting.calls > 0;
        let has_waited = |waiting: &&Waiting| {
            wants(waiting) && waiting.is_refused && waiting.passed >= SHARE_OF_WAITING - 1
        };
        let before = self.waiting[..index].iter().filter(wants);
        let before: u32 = if has_waited(&&self.waiting[index]) {
            0
        } else {
            before.fold(0, |sum, other| sum.saturating_add(other.calls.min(rate.lease_max())))
        };
        let later = self.waiting[index + 1..].iter().any(|other| has_waited(&other));
        before.min((rate.burst - 1).max(1)).saturating_add(u32::from(later))
    }

    fn wait(&mut self, want: CallWant, wait: Duration, now: Timestamp) {
        let own = &mut self.waiting[want.class.index()];
        let passed = if own.is_refused && own.until > now { own.passed } else { 0 };
        *own = Waiting { calls: want.calls, until: now.after(wait + WAITS_FOR), is_refused: true, passed };
    }
}

#[cfg(test)]
mod tests;
