//! Dropped inputs on the wire.

use crate::{
    DecodeError,
    error::{At as _, required},
    pb,
};
use bytes::Bytes;
use model::{DeliveryId, DroppedInput, EventId, Outcome, Timestamp};

impl From<&DroppedInput> for pb::DroppedInput {
    fn from(dropped_input: &DroppedInput) -> Self {
        let outcome = match dropped_input.outcome {
            Outcome::Duplicate => pb::Outcome::Duplicate,
            Outcome::Stale => pb::Outcome::Stale,
            Outcome::Unchanged => pb::Outcome::Unchanged,
            Outcome::Echo => pb::Outcome::Echo,
            Outcome::Filtered => pb::Outcome::Filtered,
            Outcome::Dead => pb::Outcome::Dead,
            Outcome::Applied => pb::Outcome::Unspecified,
        };
        Self {
            position: Some(dropped_input.position.into()),
            origin: Some((&dropped_input.origin).into()),
            delivery: Bytes::copy_from_slice(dropped_input.delivery.as_bytes()),
            event: dropped_input.event.map(|event| Bytes::copy_from_slice(event.as_bytes())),
            stage: dropped_input.stage.clone().into_owned(),
            outcome: outcome.into(),
            reason: dropped_input.reason.clone().into_owned(),
            received_at_micros: dropped_input.received_at.as_micros(),
        }
    }
}

impl TryFrom<pb::DroppedInput> for DroppedInput {
    type Error = DecodeError;
    fn try_from(dropped_input: pb::DroppedInput) -> Result<Self, DecodeError> {
        let outcome = match dropped_input.outcome() {
            pb::Outcome::Unspecified => return Err(DecodeError::Missing("dropped_input.outcome")),
            pb::Outcome::Duplicate => Outcome::Duplicate,
            pb::Outcome::Filtered => Outcome::Filtered,
            pb::Outcome::Dead => Outcome::Dead,
            pb::Outcome::Stale => Outcome::Stale,
            pb::Outcome::Unchanged => Outcome::Unchanged,
            pb::Outcome::Echo => Outcome::Echo,
        };
        let event = dropped_input.event.map(|event| EventId::try_from(&event[..]));
        Ok(Self {
            position: required(dropped_input.position, "dropped_input.position")?.into(),
            origin: required(dropped_input.origin, "dropped_input.origin")?.try_into()?,
            delivery: DeliveryId::try_from(&dropped_input.delivery[..]).at("dropped_input.delivery")?,
            event: event.transpose().at("dropped_input.event")?,
            stage: dropped_input.stage.into(),
            outcome,
            reason: dropped_input.reason.into(),
            received_at: Timestamp::from_micros(dropped_input.received_at_micros),
        })
    }
}
