//! The count of inputs: each when it is consumed, and again with its outcome.

use crate::Reply;
use runner::Metrics;

const STAGE: &str = "ingest";

/// One input: counted when it is consumed, and again when it is dropped, with the outcome that it has then.
pub(crate) struct Input<'a> {
    metrics: &'a Metrics,
    outcome: &'static str,
}

impl<'a> Input<'a> {
    /// Counts an input as consumed.
    pub(crate) fn consumed(metrics: &'a Metrics) -> Self {
        metrics.consumed(STAGE, 1);
        // The outcome unless there is a reply: a request is dropped when its sender disconnects.
        Self { metrics, outcome: "abandoned" }
    }

    /// Counts the input with the outcome that the reply states; returns the reply.
    pub(crate) fn ended(mut self, reply: Reply) -> Reply {
        self.outcome = match reply {
            Reply::Kept { duplicate: false, .. } => "emitted",
            Reply::Kept { duplicate: true, .. } => "duplicate",
            Reply::UnknownTopic => "filtered",
            Reply::Malformed(_) => "malformed",
            Reply::BodyRefused(_) => "body_refused",
            Reply::Unverified(_) => "unverified",
            Reply::UnknownConnection => "unknown_connection",
            Reply::TooMany(_) | Reply::HoldsTooMuch(_) | Reply::TooManyUnknown(_) => "limited",
            Reply::NoRoom => "no_room",
            Reply::KeyUnavailable | Reply::Unavailable(_) => "unavailable",
        };
        reply
    }

    /// Counts the input as a handshake, which delivers nothing.
    pub(crate) fn ended_as_handshake(mut self) {
        self.outcome = "handshake";
    }
}

impl Drop for Input<'_> {
    fn drop(&mut self) {
        self.metrics.ended(STAGE, self.outcome, 1);
    }
}
