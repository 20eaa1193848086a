//! Reads that a person requests.

use super::{CollectionState, ReadPlan, ReadRange};
use crate::Timestamp;
use serde::{Deserialize, Serialize};

/// The objects that a person wants read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requested {
    /// Those that the schedule would read next.
    Due,
    /// All of them, where the platform lists all.
    Whole,
    /// Those that changed in a range of time, where the platform lists changes.
    Between {
        /// The first moment.
        since: Timestamp,
        /// The moment after the last.
        until: Timestamp,
    },
}

/// A read that a person requested. It takes the place of the one under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadRequest {
    /// The objects to read.
    pub requested: Requested,
    /// True if any number of objects may be missing.
    pub accepts_missing: bool,
}

impl ReadRequest {
    /// Returns the range of the read. A collection that has no such range is read as its schedule would.
    pub fn range(&self, state: &CollectionState, plan: &ReadPlan, now: Timestamp) -> ReadRange {
        match self.requested {
            Requested::Whole if plan.whole => ReadRange::Whole,
            Requested::Between { since, until } if plan.changes.is_some() => {
                ReadRange::Changed { since, until: Some(until) }
            }
            Requested::Due | Requested::Whole | Requested::Between { .. } => plan.next_range(state, now),
        }
    }

    /// Returns whether a collection with that plan has the requested range.
    pub const fn suits(&self, plan: &ReadPlan) -> bool {
        match self.requested {
            Requested::Due => true,
            Requested::Whole => plan.whole,
            Requested::Between { .. } => plan.changes.is_some(),
        }
    }
}
