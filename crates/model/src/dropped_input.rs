//! Inputs that end before they are recorded as events.

use crate::{DeliveryId, EventId, Origin, Outcome, Position, Timestamp};
use std::borrow::Cow;

/// An input that ended in a stage before `apply`, or in `apply` as a duplicate. It has no event outcome of its own; the
/// pipeline reports it to the record, so that everything accepted is accounted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedInput {
    /// Its position in the partition; no two inputs have the same.
    pub position: Position,
    /// Its owner and source.
    pub origin: Origin,
    /// The delivery that contained it.
    pub delivery: DeliveryId,
    /// The event, if the input was parsed as one.
    pub event: Option<EventId>,
    /// The stage in which it ended.
    pub stage: Cow<'static, str>,
    /// The outcome; never [`Outcome::Applied`].
    pub outcome: Outcome,
    /// The reason, for people, without payload; empty where the outcome is sufficient.
    pub reason: Cow<'static, str>,
    /// Time of receipt by the intake.
    pub received_at: Timestamp,
}
