//! Outcomes of accepted events.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The outcome of an accepted event; every event has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The event changed something.
    Applied,
    /// The same event was seen before.
    Duplicate,
    /// A newer event about the same object had been applied.
    Stale,
    /// The event reported a known state.
    Unchanged,
    /// The event reported our own write.
    Echo,
    /// The event is of a kind that this connection doesn't process.
    Filtered,
    /// The event can't be applied; it is kept as a dead letter.
    Dead,
}

impl Outcome {
    /// Every outcome, in the order of the README's list.
    pub const ALL: [Self; 7] = [
        Self::Applied,
        Self::Duplicate,
        Self::Stale,
        Self::Unchanged,
        Self::Echo,
        Self::Filtered,
        Self::Dead,
    ];

    /// Returns the name used in labels, rows and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Duplicate => "duplicate",
            Self::Stale => "stale",
            Self::Unchanged => "unchanged",
            Self::Echo => "echo",
            Self::Filtered => "filtered",
            Self::Dead => "dead",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
