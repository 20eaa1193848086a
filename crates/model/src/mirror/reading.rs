//! Readings requested by mirrors, and the waits that they end.

use super::MirrorKey;
use serde::{Deserialize, Serialize};

/// The number of a mirror's wait for a reading; each wait has the next number. Zero stands for waits and readings from
/// before they were numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Waiting(pub u32);

impl Waiting {
    /// Returns the number of the next wait.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
    pub(super) fn is_unnumbered(&self) -> bool {
        *self == Self::default()
    }
}

/// The mirror that requested a reading, and the wait that it was requested for. One reading may also show values of
/// other mirrors (a product has a text and prices): for those it is an ordinary report.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AskedBy {
    /// The mirror.
    pub mirror: MirrorKey,
    /// The mirror's wait at the time of the request.
    pub waiting: Waiting,
}

/// A reading that has to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The wait that it ends.
    pub waiting: Waiting,
    /// True if more than [`READINGS_MAX`](super::READINGS_MAX) readings were requested in the wait.
    pub is_stuck: bool,
}
