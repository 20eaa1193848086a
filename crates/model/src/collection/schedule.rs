//! Times and ranges of scheduled reads.

use super::{CollectionState, ListRead, ReadRange};
use crate::{ConnectionId, Timestamp};
use std::time::Duration;

/// Time before the first read of changes from which changes are read, where there is no complete list.
const FIRST_CHANGES: Duration = Duration::from_hours(24);
/// One of that many whole reads reports every object, changed or not.
const REPORTS_ALL_EVERY: u64 = 7;
/// Time after which a scheduled read that didn't end begins anew.
const SCHEDULED_OUTDATED: Duration = Duration::from_hours(24);
/// Time after which a requested read that didn't end is given up for the schedule.
const REQUESTED_OUTDATED: Duration = Duration::from_hours(24 * 7);

/// The schedule of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadPlan {
    /// If changes can be read: the time by which the platform's list may lag behind.
    pub changes: Option<Duration>,
    /// True if everything can be read.
    pub whole: bool,
    /// Interval between two reads.
    pub every: Duration,
    /// Interval between two whole reads where changes can be read too, unless there are times for them.
    pub whole_every: Duration,
    /// If whole reads have times: the first of them after the last whole read began.
    pub whole_due: Option<Timestamp>,
}

/// A number that differs between collections and is always the same for one, so that their reads are spread over time
/// without chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread(u64);

impl Spread {
    /// Returns the spread of a connection's collection: FNV-1a (64 bits) of both names.
    pub fn of(connection: &ConnectionId, collection: &str) -> Self {
        let bytes = connection.as_str().bytes().chain([0]).chain(collection.bytes());
        Self(hash(0xcbf2_9ce4_8422_2325, bytes))
    }

    /// Returns a duration below `within` that depends on `salt`; zero if `within` is.
    pub fn within(self, within: Duration, salt: u64) -> Duration {
        let micros = u64::try_from(within.as_micros()).unwrap_or(u64::MAX);
        let number = hash(self.0, salt.to_le_bytes());
        number.checked_rem(micros).map_or(Duration::ZERO, Duration::from_micros)
    }
}

fn hash(basis: u64, bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(basis, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl ReadPlan {
    /// Returns the range of the next scheduled read: changes since the last one, begun earlier by the lag of the
    /// platform's list; everything where changes can't be read, where nothing was read yet, and when a whole read
    /// is due.
    pub fn next_range(&self, state: &CollectionState, now: Timestamp) -> ReadRange {
        let Some(overlap) = self.changes else { return ReadRange::Whole };
        let is_due = |at: Timestamp| self.whole_due.unwrap_or(at.after(self.whole_every)) <= now;
        if self.whole && state.whole_at.is_none_or(is_due) {
            return ReadRange::Whole;
        }
        let since = match state.changes_since {
            Some(since) => before(since, overlap),
            None => state.first_since.unwrap_or_else(|| before(now, FIRST_CHANGES)),
        };
        ReadRange::Changed { since, until: None }
    }

    /// Returns the time from which the changes of a collection that is new are read, if they can be read.
    pub(super) fn first_since(&self, now: Timestamp) -> Option<Timestamp> {
        self.changes.map(|_| before(now, FIRST_CHANGES))
    }

    /// Returns the time at which a collection is due: when its state says, and when a whole read is. A list that has times
    /// and can only be read whole is read at these alone. What failed waits as it was decided then.
    pub fn due_at(&self, state: &CollectionState) -> Timestamp {
        let is_as_stored = state.read.is_some() || state.given_up > 0 || state.whole_at.is_none();
        match self.whole_due {
            Some(due) if !is_as_stored && self.changes.is_none() => due,
            Some(due) if !is_as_stored => state.due_at.min(due),
            _ => state.due_at,
        }
    }

    /// Returns the time of the next read: after the interval and up to a tenth of it.
    pub(super) fn next_due(&self, spread: Spread, number: u64, now: Timestamp) -> Timestamp {
        now.after(self.every + spread.within(self.every / 10, number))
    }
}

/// Returns whether a scheduled read reports objects that haven't changed since the former one.
pub(super) const fn reports_all(range: ReadRange, wholes: u64) -> bool {
    match range {
        ReadRange::Whole => wholes.is_multiple_of(REPORTS_ALL_EVERY),
        ReadRange::Changed { .. } => true,
    }
}

/// Returns whether a read that is under way is so old that another one takes its place.
pub(super) fn is_outdated(read: &ListRead, now: Timestamp) -> bool {
    let limit = if read.is_requested { REQUESTED_OUTDATED } else { SCHEDULED_OUTDATED };
    read.began_at.after(limit) < now
}

fn before(at: Timestamp, by: Duration) -> Timestamp {
    let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(at.as_micros().saturating_sub(by).max(0))
}
