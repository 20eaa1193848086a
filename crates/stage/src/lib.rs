//! The contract of a stage: one verdict for every input.
//!
//! A stage decides; it does not wait, read a clock, draw a random number or see bytes. The facts that it needs are in
//! the partition's state, which the runner loads; its decision is a verdict, which the runner carries out. The same
//! inputs in the same order always give the same verdicts.

mod fault;
mod window;

use model::{Outcome, Position};
use std::fmt;

pub use fault::{Blame, Fault};
pub use window::Window;

/// A stage of the pipeline.
pub trait Stage: Send + Sync + 'static {
    /// The stage's name in subjects, labels and logs.
    const NAME: &'static str;
    /// The type of inputs.
    type In: Send + Sync;
    /// The type of outputs.
    type Out: Send + Sync;
    /// The state that decisions depend on, per partition: loaded before a batch is decided, changed by the decisions.
    type PartitionState: Send + Sync;

    /// Decides about one input at the position `at` of the partition. Inputs of one store are decided in the order in
    /// which they were accepted.
    fn decide(&self, at: Position, input: Self::In, state: &mut Self::PartitionState) -> Verdict<Self::Out>;
}

/// The decision about one input.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<Out> {
    /// The input is passed on as these outputs; never empty.
    Emit(Vec<Out>),
    /// Nothing has to be done, which is no error.
    Skip(Skip),
    /// The input can never be processed: it becomes a dead letter.
    Reject(Reject),
    /// The input contains several rows, each of which is passed on or becomes a dead letter of its own. Row n has event
    /// index n of the input's position. Never empty.
    Rows(Vec<Result<Out, Reject>>),
}

/// The reason why a valid input ends here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Skip {
    /// The same event was processed before.
    Duplicate,
    /// A newer event about the same object was processed before.
    Stale,
    /// The input reports a known state.
    Unchanged,
    /// The input reports our own write.
    Echo,
    /// The input is a thin notification: the object that it names is fetched.
    Thin,
    /// The input is of a topic that this connection doesn't process.
    Unsubscribed,
    /// The connection is switched off.
    Disabled,
}

impl Skip {
    /// Returns the outcome that it counts as.
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Duplicate => Outcome::Duplicate,
            Self::Stale => Outcome::Stale,
            Self::Unchanged => Outcome::Unchanged,
            Self::Echo => Outcome::Echo,
            Self::Thin | Self::Unsubscribed | Self::Disabled => Outcome::Filtered,
        }
    }

    /// Returns the name used in labels and rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Stale => "stale",
            Self::Unchanged => "unchanged",
            Self::Echo => "echo",
            Self::Thin => "thin",
            Self::Unsubscribed => "unsubscribed",
            Self::Disabled => "disabled",
        }
    }
}

/// The cause of a rejection, which determines who has to act before a replay can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectClass {
    /// The payload doesn't match the platform's documentation.
    Schema,
    /// The payload is well-formed but can't be true.
    Data,
    /// The set-up on our side is incomplete.
    Config,
    /// Authorisation is missing.
    Auth,
    /// The platform refused permanently.
    Platform,
    /// Our own code is wrong.
    Bug,
}

impl RejectClass {
    /// Returns the name used in subjects, labels and rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Data => "data",
            Self::Config => "config",
            Self::Auth => "auth",
            Self::Platform => "platform",
            Self::Bug => "bug",
        }
    }

    /// Parses the name used in subjects, labels and rows.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Schema, Self::Data, Self::Config, Self::Auth, Self::Platform, Self::Bug]
            .into_iter()
            .find(|class| class.as_str() == text)
    }
}

/// The rejection of an input, for people: the error and its location in the payload. Never quotes the payload, which
/// may contain personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Reject {
    /// The cause.
    pub class: RejectClass,
    /// The error.
    pub reason: String,
    /// The location in the payload, as a JSON pointer (RFC 6901).
    pub pointer: Option<String>,
}

impl Reject {
    /// Returns a rejection without a location in the payload.
    pub fn new(class: RejectClass, reason: impl Into<String>) -> Self {
        Self { class, reason: reason.into(), pointer: None }
    }

    /// Returns a rejection of the value at `pointer`.
    pub fn at(class: RejectClass, pointer: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { class, reason: reason.into(), pointer: Some(pointer.into()) }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pointer {
            Some(pointer) => write!(f, "{}: {} at {pointer}", self.class.as_str(), self.reason),
            None => write!(f, "{}: {}", self.class.as_str(), self.reason),
        }
    }
}
