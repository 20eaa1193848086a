//! Inputs that end before they are recorded as events.

use crate::{DeliveryId, EventId, Origin, Outcome, Position, Timestamp};
use std::borrow::Cow;

/// An input that ended in a stage before `apply`, or there as a duplicate: it leaves no outcome of its own, and is
/// reported along the pipeline to the record, so that everything accepted is accounted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedInput {
    /// Its place in the partition; no two inputs have the same.
    pub position: Position,
    /// Whose it was.
    pub origin: Origin,
    /// The delivery that brought it.
    pub delivery: DeliveryId,
    /// The event, if it was understood as one.
    pub event: Option<EventId>,
    /// The stage that it ended in.
    pub stage: Cow<'static, str>,
    /// How; never [`Outcome::Applied`].
    pub outcome: Outcome,
    /// Why, for people, without payload; empty where the outcome says it all.
    pub reason: Cow<'static, str>,
    /// When the intake had it.
    pub received_at: Timestamp,
}
