//! The contract of a stage: one verdict for every input.
//!
//! A stage decides; it does not wait, read a clock, draw a random number or see bytes. What it needs to know comes
//! in as the partition's state, which the runner loads; what it says goes out as a verdict, which the runner carries
//! out. The same inputs in the same order always give the same verdicts.

mod fault;
mod window;

use model::{Outcome, Position};
use std::fmt;

pub use fault::{Blame, Fault};
pub use window::Window;

/// A stage of the pipeline.
pub trait Stage: Send + Sync + 'static {
    /// Its name in subjects, labels and logs.
    const NAME: &'static str;
    /// What comes in.
    type In: Send + Sync;
    /// What goes on.
    type Out: Send + Sync;
    /// What the stage must be reported, per partition: loaded before a batch is decided, changed by what is decided.
    type PartitionState: Send + Sync;

    /// Decides about one input, which stands `at` that place of the partition. Inputs of a store come in the order in
    /// which they were accepted.
    fn decide(&self, at: Position, input: Self::In, state: &mut Self::PartitionState) -> Verdict<Self::Out>;
}

/// What becomes of one input.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<Out> {
    /// It goes on, as these; never empty.
    Emit(Vec<Out>),
    /// Nothing is to be done, and that is fine.
    Skip(Skip),
    /// It can never be done: it becomes a dead letter.
    Reject(Reject),
    /// It holds several rows, and each goes its own way: on, or to a dead letter of its own. Row n stands at event n of
    /// the input's position. Never empty.
    Rows(Vec<Result<Out, Reject>>),
}

/// Why an input ends here without being wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Skip {
    /// The same event went by before.
    Duplicate,
    /// Something newer about the same object went by before.
    Stale,
    /// It tells what is known.
    Unchanged,
    /// It tells of our own write.
    Echo,
    /// A thin notification: what it speaks of is being fetched.
    Thin,
    /// A topic that this connection takes no part in.
    Unsubscribed,
    /// The connection is switched off.
    Disabled,
}

impl Skip {
    /// The outcome it counts as.
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Duplicate => Outcome::Duplicate,
            Self::Stale => Outcome::Stale,
            Self::Unchanged => Outcome::Unchanged,
            Self::Echo => Outcome::Echo,
            Self::Thin | Self::Unsubscribed | Self::Disabled => Outcome::Filtered,
        }
    }

    /// The name that labels and rows carry.
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

/// Whose fault a rejection is, and so who has to act before a replay can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectClass {
    /// The payload isn't what the platform documents.
    Schema,
    /// The payload is well-formed but can't be true.
    Data,
    /// Something isn't set up on our side.
    Config,
    /// We aren't allowed.
    Auth,
    /// The platform refused for good.
    Platform,
    /// Our own mistake.
    Bug,
}

impl RejectClass {
    /// The name that subjects, labels and rows carry.
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

    /// Reads the name that subjects, labels and rows carry.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Schema, Self::Data, Self::Config, Self::Auth, Self::Platform, Self::Bug]
            .into_iter()
            .find(|class| class.as_str() == text)
    }
}

/// Why an input can't be done: for people. Says what was wrong and where; never quotes the payload, which may hold
/// personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Reject {
    /// Whose fault.
    pub class: RejectClass,
    /// What was wrong.
    pub reason: String,
    /// Where in the payload, as a JSON pointer (RFC 6901).
    pub pointer: Option<String>,
}

impl Reject {
    /// A rejection with no place in the payload.
    pub fn new(class: RejectClass, reason: impl Into<String>) -> Self {
        Self { class, reason: reason.into(), pointer: None }
    }

    /// A rejection of what stands at `pointer`.
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
