//! The write between a mirror and its platform: begun before its call, ended by the reply or by a report.

use crate::{SourceVersion, Timestamp, TraceParent};
use serde::{Deserialize, Serialize};

/// A write, the same for every attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write<V> {
    /// What the platform shall hold.
    pub value: V,
    /// What it held when the write was begun.
    pub from: V,
    /// The idempotency key.
    pub key: String,
    /// When the first attempt began; calls that carry a time carry this one.
    pub begun_at: Timestamp,
    /// The number of attempts, this one included.
    pub attempts: u32,
    /// The trace of the change that made it due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceParent>,
}

/// What was reported while a write was under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Meanwhile {
    /// Nothing.
    Nothing,
    /// The value of the write: most likely its echo. If the platform then refuses the write, it was a change of its own.
    Echo,
    /// Something else: which of the two came last is known once the platform was read.
    Other,
}

/// How far a write has come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase<V> {
    /// None is under way.
    #[default]
    Idle,
    /// The call is under way, or its reply was lost: the platform holds `from` or `value`.
    Writing {
        /// The write.
        write: Write<V>,
        /// What was reported since it began.
        meanwhile: Meanwhile,
    },
    /// The platform took it; its report hasn't come yet.
    Acknowledged {
        /// The write.
        write: Write<V>,
        /// The version that the reply named.
        version: Option<SourceVersion>,
    },
    /// The platform is to be read; nothing is written until that report has come.
    Reading {
        /// The write whose outcome the reading has to show, if it is in question.
        after: Option<Write<V>>,
        /// The number of readings that were asked for.
        attempts: u32,
    },
    /// The platform refused the value; it is tried again when the value changes, and daily.
    Refused {
        /// The write.
        write: Write<V>,
    },
}

impl<V> Phase<V> {
    /// The name that people read.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Writing { meanwhile: Meanwhile::Nothing, .. } => "pending",
            Self::Writing { meanwhile: Meanwhile::Echo, .. } => "echoed",
            Self::Writing { meanwhile: Meanwhile::Other, .. } => "contested",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Reading { .. } => "reading",
            Self::Refused { .. } => "refused",
        }
    }

    /// The write that it is about, if any.
    pub const fn write(&self) -> Option<&Write<V>> {
        match self {
            Self::Idle | Self::Reading { after: None, .. } => None,
            Self::Writing { write, .. }
            | Self::Acknowledged { write, .. }
            | Self::Reading { after: Some(write), .. }
            | Self::Refused { write } => Some(write),
        }
    }

    /// Returns whether the platform refused the value and nothing has changed since.
    pub const fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// Returns whether the platform is to be read.
    pub const fn is_reading(&self) -> bool {
        matches!(self, Self::Reading { .. })
    }

    /// Returns whether more readings were asked for than should be needed: a conflict is open until one says something.
    pub(super) const fn is_unreadable(&self) -> bool {
        matches!(self, Self::Reading { attempts, .. } if *attempts > super::READINGS_MAX)
    }

    /// Returns whether it is the one of that key and under way.
    pub(super) fn is_under_way(&self, key: &str) -> bool {
        matches!(self, Self::Writing { write, .. } if write.key == key)
    }
}

/// What came of beginning a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun<V> {
    /// A new write: its call is to be made.
    New(Write<V>),
    /// A write that is under way: its call is to be made again.
    Again(Write<V>),
    /// The write is too old to be repeated: the platform is to be read.
    TooOld,
    /// Nothing is due.
    Nothing,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallResult<V> {
    /// The platform took the write, or held its value already.
    Taken {
        /// The version that the reply named.
        version: Option<SourceVersion>,
        /// The value as the platform shows it, where the reply does.
        rendered: Option<V>,
    },
    /// The platform holds something else than what the write replaces.
    Conflict,
    /// Not now; the same write again.
    Retry {
        /// When, at the earliest.
        at: Timestamp,
        /// How it showed, without payload.
        error: String,
    },
    /// The write is too old for the platform.
    TooOld {
        /// The platform's words, without payload.
        error: String,
    },
    /// The platform refuses the account, not the write.
    AccountRefused {
        /// The platform's words, without payload.
        error: String,
    },
    /// The platform no longer has what was written to.
    Gone,
    /// The platform refuses the value.
    Refused {
        /// The platform's words, without payload.
        error: String,
    },
}

/// What follows from how a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Nothing.
    Done,
    /// The platform has to be read.
    NeedsReading,
    /// The value was refused.
    Refused,
    /// Too many comparisons were refused within a minute: writes stopped.
    Flapping,
    /// The write wasn't under way any more.
    Passed,
}
