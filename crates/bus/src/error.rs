use crate::Foreign;
use async_nats::jetstream::{
    self, ErrorCode,
    context::{PublishError, PublishErrorKind},
};
use stage::Fault;
use std::error::Error;

pub(crate) type Source = Box<dyn Error + Send + Sync>;

/// Why the broker could not be used.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The configuration can't be.
    #[error("the configuration of the broker is wrong: {0}")]
    Config(&'static str),
    /// No server could be reached in time.
    #[error("no broker could be reached at {servers}")]
    Connect {
        /// The servers that were tried.
        servers: String,
        /// How the last attempt failed.
        #[source]
        source: Source,
    },
    /// The keys of the broker's users can't be read or written.
    #[error("{file} can't be used")]
    Keyring {
        /// The file or folder.
        file: String,
        /// The error underneath.
        #[source]
        source: Source,
    },
    /// The keys of the broker's users can't be changed so.
    #[error(transparent)]
    Keys(#[from] crate::KeyringError),
    /// A stream isn't there, and this user doesn't make it.
    #[error("the stream {stream} isn't there; `apply` makes it when it starts")]
    NotDeclared {
        /// The name of the stream.
        stream: String,
    },
    /// The server can't do what is asked of it.
    #[error("the broker can't be used: {reason}; {remedy}")]
    Unfit {
        /// What it lacks.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The server has a stream that isn't what was declared.
    #[error("the stream {stream} has {what} {found}, and the configuration says {declared}; {remedy}")]
    Different {
        /// The name of the stream.
        stream: String,
        /// What differs.
        what: &'static str,
        /// What the server has.
        found: String,
        /// What was declared.
        declared: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The stream's end isn't what was read before: a crash lost what had not been written. Find the place again.
    #[error("the end of {subject} was lost: {sequence} was read before and is gone or another message")]
    TailLost {
        /// Of which subject.
        subject: String,
        /// What was read last.
        sequence: u64,
    },
    /// RAW ends before what the record has decided: another broker, or an older copy. What it takes from then on would pass
    /// for decided.
    #[error(
        "{subject} ends before {sequence}, which was decided already: the broker began anew or lost its end; see the \
         runbook broker-refused"
    )]
    Behind {
        /// Of which partition of RAW.
        subject: String,
        /// The last decision.
        sequence: u64,
    },
    /// Changes are missing from APPLIED: they were purged, or never published. The event store has them.
    #[error("APPLIED of partition {partition} lacks change {expected}: the next one is {found}")]
    Gap {
        /// The partition.
        partition: model::Partition,
        /// The first that is missing.
        expected: i64,
        /// The first that is there.
        found: i64,
    },
    /// A message isn't one of ours: record it and go on behind it.
    #[error("{0}")]
    Foreign(Box<Foreign>),
    /// A text can't be a part of a subject.
    #[error("{what} must be 1 to 64 of A-Z a-z 0-9 _ -")]
    Token {
        /// Which part.
        what: &'static str,
    },
    /// Nobody serves the subject.
    #[error("nobody serves {subject}")]
    NoResponders {
        /// The subject.
        subject: String,
    },
    /// The broker didn't do it, or not in time.
    #[error("{doing} of {subject} failed")]
    Call {
        /// What was asked.
        doing: &'static str,
        /// Of which stream or subject.
        subject: String,
        /// The error underneath.
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
            // The place is found again at the next start; what lacks is then there, or read from the event store.
            BusError::TailLost { .. } | BusError::Gap { .. } => Self::transient("what was read last", error),
            BusError::Connect { .. }
            | BusError::NoResponders { .. }
            | BusError::NotDeclared { .. }
            | BusError::Call { .. } => Self::transient("the broker", error),
        }
    }
}

/// Says that what has just failed is tried again.
pub(crate) fn not_yet(what: &'static str, error: &BusError) {
    let cause = error.source().map(tracing::field::display);
    tracing::info!(%error, cause, "not {what} yet; trying again");
}

/// Why a message was not appended, or isn't known to be.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Another owner wrote meanwhile: stop, read the membership, begin at the tail.
    #[error("another owner appended meanwhile")]
    Fenced,
    /// The stream is full: wait until the janitor has made room.
    #[error("the stream is full")]
    Full,
    /// No server takes a message of this size.
    #[error("a message of {bytes} bytes is larger than the broker takes")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A text can't be a part of a subject.
    #[error("{what} must be 1 to 64 of A-Z a-z 0-9 _ -")]
    Token {
        /// Which part.
        what: &'static str,
    },
    /// An earlier append of this appender failed: open another one at the tail.
    #[error("the appender has failed before")]
    Spent,
    /// No answer came: it may or may not be stored.
    #[error("whether the message is stored is not known")]
    Unknown {
        /// The error underneath.
        #[source]
        source: Source,
    },
    /// The broker refused.
    #[error("the stream is not available")]
    Unavailable {
        /// The error underneath.
        #[source]
        source: Source,
    },
}

impl AppendError {
    /// Whether the same message may be sent again, with the same id, to find out.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unknown { .. } | Self::Unavailable { .. })
    }

    /// Returns whether the message itself can never be stored: what is behind it can.
    pub const fn is_of_message(&self) -> bool {
        matches!(self, Self::TooLarge { .. } | Self::Token { .. })
    }

    /// The client knows two of the server's codes; the rest it calls `Other`.
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
