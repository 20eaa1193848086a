//! Why work can't go on, by what is done about it.

use std::{error::Error, fmt, sync::Arc};

type Source = Arc<dyn Error + Send + Sync>;

/// Why work can't go on. The class decides what is done, and the message says no more than the class: what passes by
/// itself is "not available", what doesn't is never called so.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// Something outside is down or in the way: the partition pauses and tries again. Nothing is dead-lettered for it.
    #[error("{what} is not available")]
    Transient {
        /// What is down.
        what: &'static str,
        /// How it showed.
        #[source]
        source: Source,
    },
    /// The same again gives the same, however long it is waited for.
    #[error("{what} {blame}")]
    Permanent {
        /// What has to change.
        blame: Blame,
        /// What refuses.
        what: &'static str,
        /// How it showed.
        #[source]
        source: Source,
    },
    /// Another owner has the partition. Nothing was changed; the others' work goes on.
    #[error("another owner has the partition")]
    Fenced,
}

/// What has to change before a permanent error goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Blame {
    /// The input: it is set aside, alone, and what is behind it goes on.
    Input,
    /// The set-up: someone has to put it right; the partition waits with growing pauses.
    Setup,
}

impl Blame {
    /// The name that labels and subjects carry.
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
    /// What a process needs to begin with isn't as it has to be: short for [`Fault::setup`].
    pub fn new(what: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::setup(what, source)
    }

    /// `what` is down, as `source` shows.
    pub fn transient(what: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Transient { what, source: source.into().into() }
    }

    /// `what` refuses the input, as `source` shows, and always will.
    pub fn input(what: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Permanent { blame: Blame::Input, what, source: source.into().into() }
    }

    /// `what` isn't set up as it has to be; `source` shows how, and says the remedy.
    pub fn setup(what: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Permanent { blame: Blame::Setup, what, source: source.into().into() }
    }

    /// Whose permanent error it is; none of one that passes by itself.
    pub const fn blame(&self) -> Option<Blame> {
        match self {
            Self::Permanent { blame, .. } => Some(*blame),
            Self::Transient { .. } | Self::Fenced => None,
        }
    }

    /// Returns whether the input is to be set aside for it.
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
