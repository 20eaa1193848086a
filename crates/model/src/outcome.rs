//! How an accepted event ends.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Every accepted event ends in exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It changed something.
    Applied,
    /// The same event was seen before.
    Duplicate,
    /// Something newer about the same object had been applied.
    Stale,
    /// It reported what was known.
    Unchanged,
    /// It reported of our own write.
    Echo,
    /// It is none that this connection takes part in.
    Filtered,
    /// It can't be applied; it is kept as a dead letter.
    Dead,
}

impl Outcome {
    /// All of them, in the order of the promise.
    pub const ALL: [Self; 7] = [
        Self::Applied,
        Self::Duplicate,
        Self::Stale,
        Self::Unchanged,
        Self::Echo,
        Self::Filtered,
        Self::Dead,
    ];

    /// The name that labels, rows and messages carry.
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
