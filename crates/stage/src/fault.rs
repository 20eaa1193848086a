//! Failures that stop work, classified by the required reaction.

use std::{error::Error, fmt, sync::Arc};

type Source = Arc<dyn Error + Send + Sync>;

/// A failure that stops work. Its class decides the reaction, and its message states only the class: a transient
/// failure is "not available", and no permanent one is ever called so.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// An external system is down or unreachable: the partition pauses and retries. Nothing is dead-lettered
    /// because of it.
    #[error("{what} is not available")]
    Transient {
        /// The system that is down.
        what: &'static str,
        /// The underlying error.
        #[source]
        source: Source,
    },
    /// A retry fails in the same way, after any pause.
    #[error("{what} {blame}")]
    Permanent {
        /// The part that has to change.
        blame: Blame,
        /// The system that refuses.
        what: &'static str,
        /// The underlying error.
        #[source]
        source: Source,
    },
    /// Another owner has the partition. Nothing was changed; the work of other owners continues.
    #[error("another owner has the partition")]
    Fenced,
}

/// The part that has to change before a permanent error ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Blame {
    /// The input: it alone is dead-lettered, and later inputs continue.
    Input,
    /// The set-up: a person has to correct it; the partition waits with growing pauses.
    Setup,
}

impl Blame {
    /// Returns the name used in labels and subjects.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Setup => "setup",
        }
    }
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "refuses this input for good",
            Self::Setup => "is not set up as it has to be",
        })
    }
}

impl Fault {
    /// Returns a set-up fault of something that a process needs at its start. Short for [`Fault::setup`].
    pub fn new(what: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::setup(what, source)
    }

    /// Returns a transient fault: `what` is down, as `source` shows.
    pub fn transient(what: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Transient { what, source: source.into().into() }
    }

    /// Returns a permanent fault of the input: `what` refuses it, as `source` shows, and will always refuse it.
    pub fn input(what: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Permanent { blame: Blame::Input, what, source: source.into().into() }
    }

    /// Returns a permanent fault of the set-up: `what` isn't set up correctly; `source` describes the error
    /// and the remedy.
    pub fn setup(what: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Permanent { blame: Blame::Setup, what, source: source.into().into() }
    }

    /// Returns the part that has to change for a permanent error; `None` for any other.
    pub const fn blame(&self) -> Option<Blame> {
        match self {
            Self::Permanent { blame, .. } => Some(*blame),
            Self::Transient { .. } | Self::Fenced => None,
        }
    }

    /// Returns whether the input has to be dead-lettered because of it.
    pub fn is_of_input(&self) -> bool {
        self.blame() == Some(Blame::Input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_its_class() {
        let says = |fault: Fault| (fault.to_string(), fault.blame());
        assert_eq!(says(Fault::transient("the broker", "x")), ("the broker is not available".into(), None));
        assert_eq!(
            says(Fault::input("the database", "x")),
            ("the database refuses this input for good".into(), Some(Blame::Input))
        );
        assert_eq!(
            says(Fault::setup("the database", "x")),
            ("the database is not set up as it has to be".into(), Some(Blame::Setup))
        );
        assert_eq!(says(Fault::Fenced).1, None);
    }
}
