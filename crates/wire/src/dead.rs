//! Dead letters on the wire.

use crate::{
    DecodeError,
    error::{At as _, required},
    pb,
};
use bytes::Bytes;
use model::{Delivery, Event, Origin, Position, Timestamp};
use prost::Message as _;
use stage::{Reject, RejectClass};

/// What was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Original {
    /// The delivery, with its bytes as they came.
    Delivery(Box<Delivery>),
    /// The event that a later stage could not take.
    Event(Box<Event>),
}

impl Original {
    /// Whose it is and where it came from.
    pub fn origin(&self) -> &Origin {
        match self {
            Self::Delivery(delivery) => &delivery.origin,
            Self::Event(event) => &event.origin,
        }
    }
}

/// What can't pass, with all that is needed to try again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The stage that rejected it.
    pub stage: String,
    /// Why.
    pub reject: Reject,
    /// When.
    pub rejected_at: Timestamp,
    /// Its place in the partition.
    pub position: Position,
    /// What was rejected.
    pub original: Original,
}

/// Writes a dead letter.
pub fn encode_dead(letter: &DeadLetter) -> Bytes {
    let original = match &letter.original {
        Original::Delivery(delivery) => pb::dead_letter::Original::Delivery((&**delivery).into()),
        Original::Event(event) => pb::dead_letter::Original::Event((&**event).into()),
    };
    pb::DeadLetter {
        stage: letter.stage.clone(),
        class: letter.reject.class.as_str().to_owned(),
        reason: letter.reject.reason.clone(),
        pointer: letter.reject.pointer.clone(),
        rejected_at_micros: letter.rejected_at.as_micros(),
        position: Some(letter.position.into()),
        original: Some(original),
    }
    .encode_to_vec()
    .into()
}

/// Reads a dead letter.
pub fn decode_dead(payload: Bytes) -> Result<DeadLetter, DecodeError> {
    let letter = pb::DeadLetter::decode(payload)?;
    let original = match required(letter.original, "original")? {
        pb::dead_letter::Original::Delivery(delivery) => Original::Delivery(Box::new(delivery.try_into()?)),
        pb::dead_letter::Original::Event(event) => Original::Event(Box::new(event.try_into()?)),
    };
    let class = RejectClass::parse(&letter.class).ok_or("not a class").at("class")?;
    Ok(DeadLetter {
        stage: letter.stage,
        reject: Reject { class, reason: letter.reason, pointer: letter.pointer },
        rejected_at: Timestamp::from_micros(letter.rejected_at_micros),
        position: required(letter.position, "position")?.into(),
        original,
    })
}
