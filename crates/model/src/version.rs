//! Versions of a platform's objects.

use crate::{CLOCK_LEAD_MAX, Timestamp};
use serde::{Deserialize, Serialize};

/// The number of a version: it only grows with the object's changes, and is either a counter or a time in microseconds.
/// Comparable only between versions of one object of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VersionNumber(pub i64);

impl VersionNumber {
    /// Returns whether the number is plausible: not a time more than [`CLOCK_LEAD_MAX`] after `received_at`. Counters
    /// are far below any time in microseconds.
    pub fn is_plausible(self, received_at: Timestamp) -> bool {
        self.0 <= received_at.after(CLOCK_LEAD_MAX).as_micros()
    }
}

impl From<i64> for VersionNumber {
    fn from(number: i64) -> Self {
        Self(number)
    }
}

impl From<Timestamp> for VersionNumber {
    fn from(time: Timestamp) -> Self {
        Self(time.as_micros())
    }
}

/// The number of states of one object that may have the same version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// One: a version names exactly one state.
    Exact,
    /// Several, as with a time in whole seconds: two different reports of one version don't show which is later.
    Coarse,
}

/// The platform's version of an object, as a report states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SourceVersion {
    /// The number, by which versions are ordered. Rows and mirrors keep it alone.
    pub number: VersionNumber,
    /// The number of states that may have it.
    pub precision: Precision,
}

impl SourceVersion {
    /// Returns a version that names exactly one state.
    pub fn exact(number: impl Into<VersionNumber>) -> Self {
        Self { number: number.into(), precision: Precision::Exact }
    }

    /// Returns a version that several states may have.
    pub fn coarse(number: impl Into<VersionNumber>) -> Self {
        Self { number: number.into(), precision: Precision::Coarse }
    }

    /// Returns whether several states may have it.
    pub const fn is_coarse(self) -> bool {
        matches!(self.precision, Precision::Coarse)
    }
}
