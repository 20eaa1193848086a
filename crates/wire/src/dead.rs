//! Dead letters on the wire.

use crate::{
    DecodeError,
    error::{At as _, required},
    lists::Listed as _,
    pb,
};
use bytes::Bytes;
use model::{Delivery, DeliveryId, Event, EventId, Origin, Position, RawDigest, Timestamp};
use prost::Message as _;
use stage::{Reject, RejectClass};

/// The rejected input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Original {
    /// A delivery, with its bytes as received.
    Delivery(Box<Delivery>),
    /// An event that a later stage rejected.
    Event(Box<Event>),
}

impl Original {
    /// Returns the id of the delivery, or of the one that contained the event.
    pub fn delivery(&self) -> DeliveryId {
        match self {
            Self::Delivery(delivery) => delivery.id,
            Self::Event(event) => event.delivery,
        }
    }

    /// Returns the id of the event, if the input was understood as one.
    pub fn event(&self) -> Option<EventId> {
        match self {
            Self::Delivery(_) => None,
            Self::Event(event) => Some(event.id),
        }
    }

    /// Returns the number of times that the input was re-ingested before.
    pub fn attempt(&self) -> u32 {
        match self {
            Self::Delivery(delivery) => delivery.attempt,
            Self::Event(event) => event.attempt,
        }
    }

    /// Returns the topic of the delivery, or the kind of entity of the event.
    pub fn topic(&self) -> &str {
        match self {
            Self::Delivery(delivery) => delivery.kind.topic(),
            Self::Event(event) => event.payload.entity().as_str(),
        }
    }

    /// Returns the time of receipt of the delivery.
    pub fn received_at(&self) -> Timestamp {
        match self {
            Self::Delivery(delivery) => delivery.received_at,
            Self::Event(event) => event.received_at,
        }
    }

    /// Returns the input's tenant, store, connection and platform.
    pub fn origin(&self) -> &Origin {
        match self {
            Self::Delivery(delivery) => &delivery.origin,
            Self::Event(event) => &event.origin,
        }
    }
}

/// A rejected input, with everything needed to retry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The stage that rejected it.
    pub stage: String,
    /// The class, the reason, and its location in the payload.
    pub reject: Reject,
    /// Time of the rejection.
    pub rejected_at: Timestamp,
    /// The input's position in the partition.
    pub position: Position,
    /// The rejected input.
    pub original: Original,
    /// Set if the delivery's body is empty here and stored in RAW, at the position.
    pub body_in_raw: Option<BodyInRaw>,
}

/// Reference to a body that is stored in RAW and not in its dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyInRaw {
    /// Its length, in bytes.
    pub bytes: u64,
    /// Digest of the body, to check that the bytes in RAW are the same.
    pub digest: RawDigest,
}

impl DeadLetter {
    /// Returns the size of the delivery's body in the dead letter itself, in bytes; 0 for an event.
    pub fn body_bytes(&self) -> usize {
        match &self.original {
            Original::Delivery(delivery) => delivery.body.len(),
            Original::Event(_) => 0,
        }
    }

    /// Removes the delivery's body and leaves a reference to RAW.
    #[must_use]
    pub fn without_body(mut self) -> Self {
        if let Original::Delivery(delivery) = &mut self.original {
            let body = std::mem::take(&mut delivery.body);
            let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
            self.body_in_raw = Some(BodyInRaw { bytes, digest: RawDigest::of(&body) });
        }
        self
    }

    /// Returns the dead letter with the body of that delivery from RAW, if it is the missing one.
    pub fn with_body_of(mut self, found: &Delivery) -> Option<Self> {
        let lacking = self.body_in_raw.take()?;
        let Original::Delivery(delivery) = &mut self.original else { return None };
        if delivery.id != found.id || lacking.digest != RawDigest::of(&found.body) {
            return None;
        }
        delivery.body = found.body.clone();
        Some(self)
    }

    /// Returns the fingerprint, which is equal for dead letters of one cause: stage, class, platform, topic, pointer
    /// and reason, without the parts that differ from payload to payload. Twelve hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        let pointer = self.reject.pointer.as_deref().unwrap_or_default();
        let pointer: Vec<&str> =
            pointer.split('/').map(|part| if is_number(part) { "*" } else { part }).collect();
        let reason: Vec<&str> = self
            .reject
            .reason
            .split_whitespace()
            .map(|word| if is_particular(word) { "*" } else { word })
            .collect();
        let parts = [
            &self.stage,
            self.reject.class.as_str(),
            self.original.origin().platform.as_str(),
            self.original.topic(),
            &pointer.join("/"),
            &reason.join(" "),
        ];
        RawDigest::of(parts.join("\n").as_bytes()).to_string()[..12].to_owned()
    }
}

fn is_number(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns true for a word of a reason that names one thing and not a kind of thing.
fn is_particular(word: &str) -> bool {
    word.contains(|c: char| c.is_ascii_digit() || c == '"' || c == '`') || word.contains(['-', '_'])
}

/// Encodes a dead letter.
pub fn encode_dead(dead_letter: &DeadLetter) -> Bytes {
    let original = match &dead_letter.original {
        Original::Delivery(delivery) => pb::dead_letter::Original::Delivery((&**delivery).into()),
        Original::Event(event) => pb::dead_letter::Original::Event((&**event).into()),
    };
    pb::DeadLetter {
        stage: dead_letter.stage.clone(),
        class: dead_letter.reject.class.as_str().to_owned(),
        reason: dead_letter.reject.reason.clone(),
        pointer: dead_letter.reject.pointer.clone(),
        rejected_at_micros: dead_letter.rejected_at.as_micros(),
        position: Some(dead_letter.position.into()),
        original: Some(original),
        body_in_raw: dead_letter
            .body_in_raw
            .map(|body| pb::BodyInRaw { bytes: body.bytes, digest: body.digest.as_bytes().to_vec().into() }),
    }
    .encode_to_vec()
    .into()
}

/// Decodes a dead letter.
pub fn decode_dead(payload: Bytes) -> Result<DeadLetter, DecodeError> {
    let dead_letter = pb::DeadLetter::read(payload)?;
    let original = match required(dead_letter.original, "original")? {
        pb::dead_letter::Original::Delivery(delivery) => Original::Delivery(Box::new(delivery.try_into()?)),
        pb::dead_letter::Original::Event(event) => Original::Event(Box::new(event.try_into()?)),
    };
    let body_in_raw = dead_letter.body_in_raw.map(|body| {
        let digest = RawDigest::try_from(&body.digest[..]).at("body_in_raw.digest")?;
        Ok::<_, DecodeError>(BodyInRaw { bytes: body.bytes, digest })
    });
    let class = RejectClass::parse(&dead_letter.class).ok_or("not a class").at("class")?;
    Ok(DeadLetter {
        stage: dead_letter.stage,
        reject: Reject { class, reason: dead_letter.reason, pointer: dead_letter.pointer },
        rejected_at: Timestamp::from_micros(dead_letter.rejected_at_micros),
        position: required(dead_letter.position, "position")?.into(),
        original,
        body_in_raw: body_in_raw.transpose()?,
    })
}
