use crate::Foreign;
use async_nats::jetstream::{
    self, ErrorCode,
    context::{PublishError, PublishErrorKind},
};
use stage::Fault;
use std::error::Error;

pub(crate) type Source = Box<dyn Error + Send + Sync>;

/// Reason why the broker could not be used.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The configuration is invalid.
    #[error("the configuration of the broker is wrong: {0}")]
    Config(&'static str),
    /// No server could be reached in time.
    #[error("no broker could be reached at {servers}")]
    Connect {
        /// The servers that were tried.
        servers: String,
        /// The error of the last attempt.
        #[source]
        source: Source,
    },
    /// The keys of the broker's users can't be read or written.
    #[error("{file} can't be used")]
    Keyring {
        /// The file or folder.
        file: String,
        /// The underlying error.
        #[source]
        source: Source,
    },
    /// The keys of the broker's users can't be changed as requested.
    #[error(transparent)]
    Keys(#[from] crate::KeyringError),
    /// A stream doesn't exist, and this user doesn't create it.
    #[error("the stream {stream} isn't there; `apply` makes it when it starts")]
    NotDeclared {
        /// The name of the stream.
        stream: String,
    },
    /// The server lacks something that is required.
    #[error("the broker can't be used: {reason}; {remedy}")]
    Unfit {
        /// The missing part.
        reason: String,
        /// The remedy.
        remedy: &'static str,
    },
    /// A stream of the server differs from its declaration.
    #[error("the stream {stream} has {what} {found}, and the configuration says {declared}; {remedy}")]
    Different {
        /// The name of the stream.
        stream: String,
        /// The property that differs.
        what: &'static str,
        /// The server's value.
        found: String,
        /// The declared value.
        declared: String,
        /// The remedy.
        remedy: &'static str,
    },
    /// The end of the stream differs from what was read before: a crash lost messages that were not on disk. Determine
    /// the position again.
    #[error("the end of {subject} was lost: {sequence} was read before and is gone or another message")]
    TailLost {
        /// The subject.
        subject: String,
        /// The sequence that was read last.
        sequence: u64,
    },
    /// RAW ends before a position that is recorded as decided: another broker, or an older copy. Its next messages
    /// would count as decided.
    #[error(
        "{subject} ends before {sequence}, which was decided already: the broker began anew or lost its end; see the \
         runbook broker-refused"
    )]
    Behind {
        /// The subject of the partition of RAW.
        subject: String,
        /// The sequence of the last decision.
        sequence: u64,
    },
    /// Changes are missing from APPLIED: they were purged, or never published. The event store has them.
    #[error("APPLIED of partition {partition} lacks change {expected}: the next one is {found}")]
    Gap {
        /// The partition.
        partition: model::Partition,
        /// The number of the first missing change.
        expected: i64,
        /// The number of the first change that is there.
        found: i64,
    },
    /// A message is foreign: record it and continue behind it.
    #[error("{0}")]
    Foreign(Box<Foreign>),
    /// A text is not valid as part of a message's subject or headers.
    #[error("{what} has a length or characters that subjects and headers don't allow")]
    Token {
        /// The name of the part.
        what: &'static str,
    },
    /// No process serves the subject.
    #[error("nobody serves {subject}")]
    NoResponders {
        /// The subject.
        subject: String,
    },
    /// A call to the broker failed or timed out.
    #[error("{doing} of {subject} failed")]
    Call {
        /// The call.
        doing: &'static str,
        /// The stream or subject.
        subject: String,
        /// The underlying error.
        #[source]
        source: Source,
    },
}

impl BusError {
    pub(crate) fn call<E: Into<Source>>(doing: &'static str, subject: &str) -> impl FnOnce(E) -> Self {
        move |source| Self::Call { doing, subject: subject.to_owned(), source: source.into() }
    }
}

impl From<BusError> for Fault {
    fn from(error: BusError) -> Self {
        match error {
            BusError::Config(_)
            | BusError::Keyring { .. }
            | BusError::Keys(_)
            | BusError::Unfit { .. }
            | BusError::Different { .. }
            | BusError::Behind { .. }
            | BusError::Token { .. } => Self::setup("the broker", error),
            BusError::Foreign(_) => Self::input("the broker's reader", error),
            // The next start determines the position again; missing changes are then there, or read from the
            // event store.
            BusError::TailLost { .. } | BusError::Gap { .. } => Self::transient("what was read last", error),
            BusError::Connect { .. }
            | BusError::NoResponders { .. }
            | BusError::NotDeclared { .. }
            | BusError::Call { .. } => Self::transient("the broker", error),
        }
    }
}

/// Logs that an attempt has failed and is repeated.
pub(crate) fn not_yet(what: &'static str, error: &BusError) {
    let cause = error.source().map(tracing::field::display);
    tracing::info!(%error, cause, "not {what} yet; trying again");
}

/// Reason why a message was not appended, or why its outcome is unknown.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Another owner has appended meanwhile: stop, read the membership, start again at the tail.
    #[error("another owner appended meanwhile")]
    Fenced,
    /// The stream is full: wait until the janitor has made room.
    #[error("the stream is full")]
    Full,
    /// The server accepts no message of this size.
    #[error("a message of {bytes} bytes is larger than the broker takes")]
    TooLarge {
        /// The size of its payload, in bytes.
        bytes: usize,
    },
    /// A text is not valid as part of a message's subject or headers.
    #[error("{what} has a length or characters that subjects and headers don't allow")]
    Token {
        /// The name of the part.
        what: &'static str,
    },
    /// An earlier append of this appender failed: open another one at the tail.
    #[error("the appender has failed before")]
    Spent,
    /// No acknowledgement arrived: the message may or may not be stored.
    #[error("whether the message is stored is not known")]
    Unknown {
        /// The underlying error.
        #[source]
        source: Source,
    },
    /// The broker refused the message.
    #[error("the stream is not available")]
    Unavailable {
        /// The underlying error.
        #[source]
        source: Source,
    },
}

impl AppendError {
    /// Returns true if the same message may be sent again, with the same id, to determine the outcome.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unknown { .. } | Self::Unavailable { .. })
    }

    /// Returns true if the message itself can never be stored: later ones can.
    pub const fn is_of_message(&self) -> bool {
        matches!(self, Self::TooLarge { .. } | Self::Token { .. })
    }

    /// Classifies the error of a publish. The client distinguishes two of the server's codes; all others are
    /// `Other` there.
    pub(crate) fn from_publish(error: PublishError, bytes: usize) -> Self {
        let code = error
            .source()
            .and_then(|source| source.downcast_ref::<jetstream::Error>())
            .map(jetstream::Error::error_code);
        match (error.kind(), code) {
            (PublishErrorKind::WrongLastSequence, _)
            | (
                _,
                Some(ErrorCode::STREAM_WRONG_LAST_SEQUENCE | ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT),
            ) => Self::Fenced,
            (_, Some(ErrorCode::STREAM_STORE_FAILED)) => Self::Full,
            (PublishErrorKind::MaxPayloadExceeded, _)
            | (_, Some(ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM)) => Self::TooLarge { bytes },
            (PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe, _) => {
                Self::Unknown { source: error.into() }
            }
            _ => Self::Unavailable { source: error.into() },
        }
    }
}

impl From<AppendError> for Fault {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Fenced => Self::Fenced,
            AppendError::TooLarge { .. } | AppendError::Token { .. } => Self::input("the broker", error),
            AppendError::Full
            | AppendError::Spent
            | AppendError::Unknown { .. }
            | AppendError::Unavailable { .. } => Self::transient("the broker", error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stage::Blame;

    #[test]
    fn every_error_has_the_class_that_its_message_says() {
        let source = || Source::from("down");
        let blame = |fault: Fault| fault.blame();
        let unfit = BusError::Unfit { reason: "old".to_owned(), remedy: "update it" };
        assert_eq!(blame(unfit.into()), Some(Blame::Setup));
        let foreign = Foreign {
            stream: "RAW-0".to_owned(),
            subject: "pos.raw.1".to_owned(),
            sequence: 1,
            stored_at_micros: 0,
            bytes: 0,
            digest: String::new(),
            reason: "x".to_owned(),
        };
        assert_eq!(blame(BusError::Foreign(Box::new(foreign)).into()), Some(Blame::Input));
        let lost = BusError::TailLost { subject: "pos.unique.1".to_owned(), sequence: 1 };
        assert_eq!(blame(lost.into()), None);
        let behind = BusError::Behind { subject: "pos.raw.1".to_owned(), sequence: 1 };
        assert_eq!(blame(behind.into()), Some(Blame::Setup));
        assert_eq!(blame(BusError::call("a read", "x")(source()).into()), None);
        assert_eq!(blame(AppendError::TooLarge { bytes: 9 }.into()), Some(Blame::Input));
        assert_eq!(blame(AppendError::Unknown { source: source() }.into()), None);
        assert!(matches!(Fault::from(AppendError::Fenced), Fault::Fenced));
    }
}
