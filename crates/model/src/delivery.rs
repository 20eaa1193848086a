//! Deliveries: accepted inputs that aren't parsed yet.

use crate::{AskedBy, Currency, DeliveryId, DeliveryKind, Origin, Timestamp};
use bytes::Bytes;
use std::{fmt, sync::Arc};

/// The way by which a delivery was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// A signed HTTP request of the platform.
    Webhook,
    /// A NATS request on `pos.in.…`.
    Publish,
    /// A hand-over by one of our services: data fetched to complete a thin notification or listed on a schedule, a person's
    /// instruction, or a dead event that is re-ingested.
    Fetch,
    /// A value that one of our services read back from the platform, because a mirror asked for it.
    ReadBack,
}

impl Source {
    /// Returns the name used in labels and rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Publish => "publish",
            Self::Fetch => "fetch",
            Self::ReadBack => "read_back",
        }
    }

    /// Returns whether one of our own services handed it over, rather than a platform.
    pub const fn is_ours(self) -> bool {
        match self {
            Self::Fetch | Self::ReadBack => true,
            Self::Webhook | Self::Publish => false,
        }
    }
}

/// Length of a `traceparent` of version 00, in bytes.
const TRACE_PARENT_BYTES: usize = 55;

/// A W3C `traceparent` of version 00, kept from the delivery to the calls that it causes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceParent([u8; TRACE_PARENT_BYTES]);

impl TraceParent {
    /// Parses `00-<32 hex>-<16 hex>-<2 hex>`; anything else is no context (W3C Trace Context, 3.2.2).
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; TRACE_PARENT_BYTES] = text.as_bytes().try_into().ok()?;
        let dashes = [bytes[2], bytes[35], bytes[52]];
        let (trace, parent, flags) = (&bytes[3..35], &bytes[36..52], &bytes[53..]);
        let hexadecimal = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let meant = |part: &[u8]| part.iter().any(|byte| *byte != b'0');
        let valid = bytes.starts_with(b"00")
            && dashes == [b'-'; 3]
            && [trace, parent, flags].into_iter().all(hexadecimal)
            && meant(trace)
            && meant(parent);
        valid.then_some(Self(bytes))
    }

    /// Returns a context whose ids are derived from the delivery's id, for a delivery without a context of its own.
    pub fn from_delivery(id: DeliveryId) -> Self {
        let trace = hex::encode(id.as_bytes()).into_bytes();
        let mut bytes = *b"00-00000000000000000000000000000000-0000000000000000-01";
        bytes[3..35].copy_from_slice(&trace);
        bytes[36..52].copy_from_slice(&trace[..16]);
        Self(bytes)
    }

    /// The header's value.
    pub fn as_str(&self) -> &str {
        // It is always valid UTF-8: both constructors write ASCII only.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl serde::Serialize for TraceParent {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for TraceParent {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a traceparent of version 00"))
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One accepted delivery: the bytes as received, and the intake's facts about them.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The id, the same for every retry of the delivery.
    pub id: DeliveryId,
    /// The owner and source as established by the intake, never as stated in the body.
    pub origin: Origin,
    /// The kind of its content.
    pub kind: DeliveryKind,
    /// Time at which the intake had read it.
    pub received_at: Timestamp,
    /// The way by which it was received.
    pub source: Source,
    /// The delivery that caused us to fetch this one.
    pub cause: Option<DeliveryId>,
    /// The mirror that asked for it, if it was read back. `None` also for readings from before waits were numbered.
    pub asked_by: Option<AskedBy>,
    /// Number of times it was re-ingested after it became a dead letter; zero at first.
    pub attempt: u32,
    /// The currency of the connection's store as noted by the intake, for payloads whose amounts have none.
    pub currency: Option<Currency>,
    /// The connection's account on the platform as noted by the intake, so that a delivery that names another account is
    /// recognised. `None` if it isn't known.
    pub account: Option<Arc<str>>,
    /// The headers that the platform's map reads, names in lower case.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// The trace it belongs to.
    pub trace: TraceParent,
    /// The raw bytes, decompressed, at most 4 MiB.
    pub body: Bytes,
}

impl Delivery {
    /// The value of the header `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| &**key == name).map(|(_, value)| &**value)
    }
}

impl fmt::Debug for Delivery {
    // The body must never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("id", &self.id)
            .field("origin", &self.origin)
            .field("topic", &self.kind.topic())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_valid_trace_context_is_kept() {
        let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(TraceParent::parse(valid).unwrap().as_str(), valid);
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        ] {
            assert!(TraceParent::parse(text).is_none(), "{text}");
        }
        let made = TraceParent::from_delivery(DeliveryId::from_bytes([7; 16]));
        assert_eq!(TraceParent::parse(made.as_str()), Some(made));
    }
}
