//! Stored messages, decoded without a broker in the same way as by every reader.

use crate::{
    Alert, AppliedMessage, BusError, DeadMessage, Feed, ForeignRecord, Message, foreign, heartbeat::Seen,
    message::Stored,
};
use async_nats::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;

/// A stored message that is not decoded yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadMessage {
    /// Its stream.
    pub stream: String,
    /// The subject that it was published on.
    pub subject: String,
    /// Its sequence in the stream.
    pub sequence: u64,
    /// Names and values; one that is no valid header for the broker is left out.
    pub headers: Vec<(String, String)>,
    /// The payload.
    pub payload: Bytes,
    /// The time at which the broker stored it, in nanoseconds since 1970.
    pub stored_at_nanos: i128,
}

impl UnreadMessage {
    /// Reads a batch of a feed; a foreign message is [`BusError::Foreign`], with the reason.
    pub fn batch(&self, feed: Feed) -> Result<Message, BusError> {
        Message::read_of(feed, &self.stored())
    }

    /// Reads a committed change; a foreign message is [`BusError::Foreign`], with the reason.
    pub fn applied(&self) -> Result<AppliedMessage, BusError> {
        AppliedMessage::read(&self.stored())
    }

    /// Reads a dead letter; a foreign message is [`BusError::Foreign`], with the reason.
    pub fn dead(&self) -> Result<DeadMessage, BusError> {
        DeadMessage::read(&self.stored())
    }

    /// Reads an alert; a message that is no valid alert is returned as an alert about itself.
    pub fn alert(&self) -> Alert {
        Alert::read_any(&self.stored())
    }

    /// Reads the record of a foreign message; a message that is no valid record is described as a foreign
    /// message itself.
    pub fn foreign_record(&self) -> ForeignRecord {
        foreign::read_record(&self.stored())
    }

    /// Reads the name of the replica of `stage` that sent this heartbeat; an error is the reason why it is no heartbeat
    /// of life.
    pub fn replica(&self, stage: &str) -> Result<String, &'static str> {
        Seen::read(stage, &self.stored()).map(|seen| seen.replica)
    }

    fn stored(&self) -> Stored {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
                headers.append(name, value);
            }
        }
        let Self { stream, subject, sequence, payload, stored_at_nanos, .. } = self.clone();
        Stored { stream, subject, sequence, headers, payload, nanos: stored_at_nanos }
    }
}
