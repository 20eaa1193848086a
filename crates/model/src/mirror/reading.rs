//! Readings that mirrors ask for, and the waitings that they end.

use super::MirrorKey;
use serde::{Deserialize, Serialize};

/// The number of a mirror's waiting for a reading: each that begins has the next one. Zero stands for the waitings and the
/// readings of before they were numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Waiting(pub u32);

impl Waiting {
    /// The number of the waiting after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
    pub(super) fn is_unnumbered(&self) -> bool {
        *self == Self::default()
    }
}

/// The mirror that asked for a reading, and in which of its waitings. One reading may show what other mirrors reflect, too
/// (a product has a text and prices): to those it is a report like any other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AskedBy {
    /// The mirror.
    pub mirror: MirrorKey,
    /// Its waiting when the reading was asked for.
    pub waiting: Waiting,
}

/// A reading that is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The waiting that it is to end.
    pub waiting: Waiting,
    /// True if more were asked for than should be needed.
    pub is_stuck: bool,
}
