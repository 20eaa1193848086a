//! Failures of a verb.

use bus::BusError;
use sandbox::SandboxError;
use store::StoreError;

/// The reason for which a verb failed; written with every cause to standard error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// The arguments or the configuration can't be used: exit code 2.
    #[error("{0}")]
    Usage(String),
    #[error("{what}")]
    Io {
        what: String,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    Accept(#[from] outlet::NotAccepted),
    #[error(transparent)]
    Decision(#[from] outlet::NotDecided),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Replay(#[from] apply::replay::ReplayError),
    #[error(transparent)]
    Service(#[from] runner::Failure),
    #[error(transparent)]
    Config(#[from] runner::ConfigError),
    #[error("{0}")]
    Other(String),
}

impl Failed {
    pub(crate) fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io { what: what.into(), source }
    }

    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Config(_) => 2,
            Self::Io { .. }
            | Self::Sandbox(_)
            | Self::Bus(_)
            | Self::Accept(_)
            | Self::Decision(_)
            | Self::Store(_)
            | Self::Replay(_)
            | Self::Service(_)
            | Self::Other(_) => 1,
        }
    }
}
