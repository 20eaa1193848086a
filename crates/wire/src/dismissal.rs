//! Dismissals on the wire.

use crate::{
    DecodeError,
    error::{At as _, required},
    pb,
};
use bytes::Bytes;
use model::{DeliveryId, Dismissal, EventId, Outcome, Timestamp};

impl From<&Dismissal> for pb::Dismissal {
    fn from(dismissal: &Dismissal) -> Self {
        let outcome = match dismissal.outcome {
            Outcome::Duplicate => pb::Outcome::Duplicate,
            Outcome::Stale => pb::Outcome::Stale,
            Outcome::Unchanged => pb::Outcome::Unchanged,
            Outcome::Echo => pb::Outcome::Echo,
            Outcome::Filtered => pb::Outcome::Filtered,
            Outcome::Dead => pb::Outcome::Dead,
            Outcome::Applied => pb::Outcome::Unspecified,
        };
        Self {
            position: Some(dismissal.position.into()),
            origin: Some((&dismissal.origin).into()),
            delivery: Bytes::copy_from_slice(dismissal.delivery.as_bytes()),
            event: dismissal.event.map(|event| Bytes::copy_from_slice(event.as_bytes())),
            stage: dismissal.stage.clone().into_owned(),
            outcome: outcome.into(),
            reason: dismissal.reason.clone().into_owned(),
            received_at_micros: dismissal.received_at.as_micros(),
        }
    }
}

impl TryFrom<pb::Dismissal> for Dismissal {
    type Error = DecodeError;
    fn try_from(dismissal: pb::Dismissal) -> Result<Self, DecodeError> {
        let outcome = match dismissal.outcome() {
            pb::Outcome::Unspecified => return Err(DecodeError::Missing("dismissal.outcome")),
            pb::Outcome::Duplicate => Outcome::Duplicate,
            pb::Outcome::Filtered => Outcome::Filtered,
            pb::Outcome::Dead => Outcome::Dead,
            pb::Outcome::Stale => Outcome::Stale,
            pb::Outcome::Unchanged => Outcome::Unchanged,
            pb::Outcome::Echo => Outcome::Echo,
        };
        let event = dismissal.event.map(|event| EventId::try_from(&event[..]));
        Ok(Self {
            position: required(dismissal.position, "dismissal.position")?.into(),
            origin: required(dismissal.origin, "dismissal.origin")?.try_into()?,
            delivery: DeliveryId::try_from(&dismissal.delivery[..]).at("dismissal.delivery")?,
            event: event.transpose().at("dismissal.event")?,
            stage: dismissal.stage.into(),
            outcome,
            reason: dismissal.reason.into(),
            received_at: Timestamp::from_micros(dismissal.received_at_micros),
        })
    }
}
