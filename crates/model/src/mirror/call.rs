//! The write from a mirror to its platform: begun before its call, ended by the reply or by a report.

use crate::{Timestamp, TraceParent, VersionNumber};
use serde::{Deserialize, Serialize};

/// A write, the same for every attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write<V> {
    /// The value that the platform should hold.
    pub value: V,
    /// The value that it held when the write was begun.
    pub from: V,
    /// The idempotency key.
    pub key: String,
    /// Start time of the first attempt; calls that contain a time contain this one.
    pub begun_at: Timestamp,
    /// Number of attempts, including this one.
    pub attempts: u32,
    /// The trace of the change that made it due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceParent>,
    /// True if an attempt was made in one request with other writes, so that the attempts may have different keys.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub batched: bool,
}

/// Reports received while a write was under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Meanwhile {
    /// No report.
    Nothing,
    /// A report of the write's value: most likely its echo. If the platform then refuses the write, it was the
    /// platform's own change.
    Echo,
    /// A report of another value: only a reading shows whether the report or the write came last.
    Other,
}

/// The progress of a write.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase<V> {
    /// No write is under way.
    #[default]
    Idle,
    /// The call is under way, or its reply was lost: the platform holds `from` or `value`.
    Writing {
        /// The write.
        write: Write<V>,
        /// Reports received since it began.
        meanwhile: Meanwhile,
    },
    /// The platform accepted the write; its report hasn't arrived yet.
    Acknowledged {
        /// The write.
        write: Write<V>,
        /// The version in the reply.
        version: Option<VersionNumber>,
    },
    /// The platform has to be read; nothing is written until the reading has arrived.
    Reading {
        /// The write whose outcome the reading has to show, if it is in doubt.
        after: Option<Write<V>>,
        /// Number of requested readings.
        attempts: u32,
    },
    /// The platform refused the value; it is tried again daily, and when the value changes.
    Refused {
        /// The write.
        write: Write<V>,
    },
}

impl<V> Phase<V> {
    /// Returns the name shown to people.
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

    /// Returns the write of the phase, if any.
    pub const fn write(&self) -> Option<&Write<V>> {
        match self {
            Self::Idle | Self::Reading { after: None, .. } => None,
            Self::Writing { write, .. }
            | Self::Acknowledged { write, .. }
            | Self::Reading { after: Some(write), .. }
            | Self::Refused { write } => Some(write),
        }
    }

    /// Notes that the write under way is made in one request with others.
    pub(super) const fn joins_batch(&mut self) {
        if let Self::Writing { write, .. } = self {
            write.batched = true;
        }
    }

    /// Returns whether the platform refused the value and nothing has changed since.
    pub const fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// Returns whether the platform has to be read.
    pub const fn is_reading(&self) -> bool {
        matches!(self, Self::Reading { .. })
    }

    /// Returns whether more than [`READINGS_MAX`](super::READINGS_MAX) readings were requested: a conflict is open
    /// until one has a result.
    pub(super) const fn is_unreadable(&self) -> bool {
        matches!(self, Self::Reading { attempts, .. } if *attempts > super::READINGS_MAX)
    }

    /// Returns whether the write with that key is under way.
    pub(super) fn is_under_way(&self, key: &str) -> bool {
        matches!(self, Self::Writing { write, .. } if write.key == key)
    }
}

/// The result of beginning a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun<V> {
    /// A new write: its call has to be made.
    New(Write<V>),
    /// A write that is under way: its call has to be repeated.
    Again(Write<V>),
    /// The write is too old to be repeated: the platform has to be read.
    TooOld,
    /// Nothing is due.
    Nothing,
}

/// The result of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallResult<V> {
    /// The platform accepted the write, or held its value already.
    Taken {
        /// The version in the reply.
        version: Option<VersionNumber>,
        /// The value as shown by the platform, if the reply contains it.
        rendered: Option<V>,
    },
    /// The platform holds another value than the one that the write replaces.
    Conflict,
    /// A temporary failure: the same write has to be repeated.
    Retry {
        /// Earliest time of the next attempt.
        at: Timestamp,
        /// The failure, without payload.
        error: String,
    },
    /// The write is too old for the platform.
    TooOld {
        /// The platform's message, without payload.
        error: String,
    },
    /// The platform refuses the account, not the write.
    AccountRefused {
        /// The platform's message, without payload.
        error: String,
    },
    /// The object of the write no longer exists on the platform.
    Gone,
    /// The platform refuses the value.
    Refused {
        /// The platform's message, without payload.
        error: String,
    },
}

/// The consequence of a call's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Nothing follows.
    Done,
    /// The platform has to be read.
    NeedsReading,
    /// The platform refused the value.
    Refused,
    /// Too many comparisons were refused within a minute: writes are stopped.
    Flapping,
    /// The write was no longer under way.
    Passed,
}
