//! Events on the wire.

mod account;
mod catalog;
pub(crate) mod details;
mod employee;
mod promotion;
mod sales;
mod settlement;

use crate::{
    DecodeError, asked_by,
    delivery::{hops, is_read_back},
    error::{At as _, required},
    lists::Listed as _,
    pb,
};
use bytes::Bytes;
use model::{
    Action, DeliveryId, EntityKind, Event, EventId, ExternalId, Link, LinkedRef, LocationRef, Origin, Patch,
    Payload, Position, Precision, RawDigest, SourceVersion, Timestamp, TraceParent, VersionNumber,
};
use prost::Message as _;

pub use account::{decode_instruction, encode_instruction};

/// The part of a canonical event that a publishing platform sets; the intake sets everything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedEvent {
    /// The action.
    pub action: Action,
    /// Time of the event.
    pub occurred_at: Option<Timestamp>,
    /// The platform's version of the object.
    pub version: Option<SourceVersion>,
    /// The content of the event.
    pub payload: Payload,
}

/// Encodes an `Event` as a platform publishes it: without the fields that the intake sets.
pub fn encode_published(event: &PublishedEvent) -> Bytes {
    pb::Event {
        action: pb::Action::from(event.action).into(),
        occurred_at_micros: event.occurred_at.map(Timestamp::as_micros),
        version: event.version.map(|version| version.number.0),
        version_precision: precision(event.version).into(),
        payload: Some((&event.payload).into()),
        promotion_activity: promotion::activity_message(&event.payload),
        ..pb::Event::default()
    }
    .encode_to_vec()
    .into()
}

/// Decodes an `Event` that a platform published: its ids, origin, links and position are ignored.
pub fn decode_published(payload: Bytes) -> Result<PublishedEvent, DecodeError> {
    let event = pb::Event::read(payload)?;
    let version = version(&event);
    let (action, payload) = content(event.action(), event.payload, event.promotion_activity)?;
    let occurred_at = event.occurred_at_micros.map(Timestamp::from_micros);
    Ok(PublishedEvent { action, occurred_at, version, payload })
}

/// Encodes a whole event.
pub fn encode_event(event: &Event) -> Bytes {
    pb::Event::from(event).encode_to_vec().into()
}

/// Decodes a whole event.
pub fn decode_event(payload: Bytes) -> Result<Event, DecodeError> {
    pb::Event::read(payload)?.try_into()
}

impl From<&Event> for pb::Event {
    fn from(event: &Event) -> Self {
        let [id, correlation, delivery, raw_digest] = hashes(event);
        Self {
            id,
            correlation,
            delivery,
            origin: Some((&event.origin).into()),
            action: pb::Action::from(event.action).into(),
            occurred_at_micros: event.occurred_at.map(Timestamp::as_micros),
            received_at_micros: event.received_at.as_micros(),
            version: event.version.map(|version| version.number.0),
            version_precision: precision(event.version).into(),
            payload: Some((&event.payload).into()),
            promotion_activity: promotion::activity_message(&event.payload),
            links: event.links.iter().map(pb::Link::from).collect(),
            raw_digest,
            hops: hops(event.is_read_back),
            asked_by: event.asked_by.as_ref().map(pb::AskedBy::from),
            attempt: event.attempt,
            traceparent: event.trace.as_str().to_owned(),
            position: Some(event.position.into()),
        }
    }
}

/// Returns the event's hashes in the order of their fields, all in one allocation.
fn hashes(event: &Event) -> [Bytes; 4] {
    let hashes: [&[u8]; 4] = [
        event.id.as_bytes(),
        event.correlation.as_bytes(),
        event.delivery.as_bytes(),
        event.raw_digest.as_bytes(),
    ];
    let mut together = Bytes::from(hashes.concat());
    hashes.map(|hash| together.split_to(hash.len()))
}

impl TryFrom<pb::Event> for Event {
    type Error = DecodeError;
    fn try_from(event: pb::Event) -> Result<Self, DecodeError> {
        let id = EventId::try_from(&event.id[..]).at("id")?;
        let version = version(&event);
        let (action, payload) = content(event.action(), event.payload, event.promotion_activity)?;
        let origin: Origin = required(event.origin, "origin")?.try_into()?;
        Ok(Self {
            asked_by: event.asked_by.map(|asked_by| asked_by::read(asked_by, &origin)).transpose()?,
            id,
            correlation: DeliveryId::try_from(&event.correlation[..]).at("correlation")?,
            delivery: DeliveryId::try_from(&event.delivery[..]).at("delivery")?,
            action,
            occurred_at: event.occurred_at_micros.map(Timestamp::from_micros),
            received_at: Timestamp::from_micros(event.received_at_micros),
            version,
            payload,
            links: event.links.into_iter().map(Link::try_from).collect::<Result<_, _>>()?,
            raw_digest: RawDigest::try_from(&event.raw_digest[..]).at("raw_digest")?,
            is_read_back: is_read_back(event.hops),
            attempt: event.attempt,
            trace: required(TraceParent::parse(&event.traceparent), "traceparent")?,
            position: required(event.position, "position")?.into(),
            origin,
        })
    }
}

/// The action and the payload of an event. The begin or the end of a promotion is written as an update of it, with its
/// activity beside it: a reader from before there were any understands the promotion.
fn content(
    reported: pb::Action,
    payload: Option<pb::event::Payload>,
    activity: Option<pb::PromotionActivity>,
) -> Result<(Action, Payload), DecodeError> {
    let reported = action(reported)?;
    let payload = Payload::try_from(required(payload, "payload")?)?;
    match (payload, activity) {
        (Payload::Promotion(promotion), Some(activity)) => {
            let activity = promotion::activity(activity);
            let action = if activity.is_active { Action::Started } else { Action::Ended };
            Ok((action, Payload::Activity { promotion, activity }))
        }
        (payload, _) => Ok((reported, payload)),
    }
}

/// The precision of a version; of none, there is nothing to state.
fn precision(version: Option<SourceVersion>) -> pb::VersionPrecision {
    version.map_or(pb::VersionPrecision::Unspecified, |version| match version.precision {
        Precision::Exact => pb::VersionPrecision::Exact,
        Precision::Coarse => pb::VersionPrecision::Coarse,
    })
}

/// The version of an event. One whose precision isn't stated counts as coarse: that costs a reading, where taking it for
/// exact could cost a change.
fn version(event: &pb::Event) -> Option<SourceVersion> {
    let precision = match event.version_precision() {
        pb::VersionPrecision::Exact => Precision::Exact,
        pb::VersionPrecision::Coarse | pb::VersionPrecision::Unspecified => Precision::Coarse,
    };
    event.version.map(|number| SourceVersion { number: VersionNumber(number), precision })
}

impl From<Action> for pb::Action {
    fn from(action: Action) -> Self {
        match action {
            Action::Created => Self::Created,
            Action::Updated | Action::Started | Action::Ended => Self::Updated,
            Action::Deleted => Self::Deleted,
        }
    }
}

fn action(action: pb::Action) -> Result<Action, DecodeError> {
    match action {
        pb::Action::Unspecified => Err(DecodeError::Missing("action")),
        pb::Action::Created => Ok(Action::Created),
        pb::Action::Updated => Ok(Action::Updated),
        pb::Action::Deleted => Ok(Action::Deleted),
    }
}

impl From<Position> for pb::Position {
    fn from(position: Position) -> Self {
        Self { raw_sequence: position.raw_sequence, delivery: position.delivery, event: position.event }
    }
}

impl From<pb::Position> for Position {
    fn from(position: pb::Position) -> Self {
        Self { raw_sequence: position.raw_sequence, delivery: position.delivery, event: position.event }
    }
}

impl From<&Link> for pb::Link {
    fn from(link: &Link) -> Self {
        let (kind, external) = match &link.of {
            LinkedRef::Product(external) => (pb::LinkKind::Product, external.as_str()),
            LinkedRef::Variant(external) => (pb::LinkKind::Variant, external.as_str()),
            LinkedRef::Item(external) => (pb::LinkKind::Item, external.as_str()),
            LinkedRef::Location(location) => (pb::LinkKind::Location, location.as_str()),
        };
        Self { kind: kind.into(), external: external.to_owned(), internal: link.internal.clone() }
    }
}

impl TryFrom<pb::Link> for Link {
    type Error = DecodeError;
    fn try_from(link: pb::Link) -> Result<Self, DecodeError> {
        let external = || ExternalId::new(&link.external).at("link.external");
        let of = match link.kind() {
            pb::LinkKind::Unspecified => return Err(DecodeError::Missing("link.kind")),
            pb::LinkKind::Product => LinkedRef::Product(external()?),
            pb::LinkKind::Variant => LinkedRef::Variant(external()?),
            pb::LinkKind::Item => LinkedRef::Item(external()?),
            pb::LinkKind::Location => {
                LinkedRef::Location(LocationRef::parse(&link.external).at("link.external")?)
            }
        };
        Ok(Self { of, internal: link.internal })
    }
}

impl From<&Payload> for pb::event::Payload {
    fn from(payload: &Payload) -> Self {
        match payload {
            Payload::Product(product) => Self::Product(product.into()),
            Payload::Inventory(report) => Self::Inventory(report.into()),
            Payload::Order(order) => Self::Order(order.into()),
            Payload::Customer(customer) => Self::Customer(customer.into()),
            Payload::Employee(employee) => Self::Employee(employee.into()),
            Payload::Promotion(promotion) | Payload::Activity { promotion, .. } => {
                Self::Promotion(promotion.into())
            }
            Payload::Stocked(stocked) => Self::Stocked(stocked.into()),
            Payload::Account(notice) => Self::Account(notice.into()),
            Payload::Instruction { external, instruction } => {
                Self::Instruction(account::instruction_message(external, instruction))
            }
            Payload::Deleted { entity, external } => {
                let entity = match entity {
                    EntityKind::Product => pb::EntityKind::Product,
                    EntityKind::Inventory => pb::EntityKind::Inventory,
                    EntityKind::Order => pb::EntityKind::Order,
                    EntityKind::Customer => pb::EntityKind::Customer,
                    EntityKind::Promotion => pb::EntityKind::Promotion,
                    EntityKind::Employee => pb::EntityKind::Employee,
                    EntityKind::Account => pb::EntityKind::Account,
                };
                Self::Deleted(pb::Deleted { entity: entity.into(), external: external.to_string() })
            }
        }
    }
}

impl TryFrom<pb::event::Payload> for Payload {
    type Error = DecodeError;
    fn try_from(payload: pb::event::Payload) -> Result<Self, DecodeError> {
        Ok(match payload {
            pb::event::Payload::Product(product) => Self::Product(product.try_into()?),
            pb::event::Payload::Inventory(report) => Self::Inventory(report.try_into()?),
            pb::event::Payload::Order(order) => Self::Order(order.try_into()?),
            pb::event::Payload::Customer(customer) => Self::Customer(customer.try_into()?),
            pb::event::Payload::Employee(employee) => Self::Employee(employee.try_into()?),
            pb::event::Payload::Promotion(promotion) => Self::Promotion(promotion.try_into()?),
            pb::event::Payload::Stocked(stocked) => Self::Stocked(stocked.try_into()?),
            pb::event::Payload::Account(notice) => Self::Account(notice.try_into()?),
            pb::event::Payload::Instruction(message) => {
                let (external, instruction) = account::from_instruction(message)?;
                Self::Instruction { external, instruction }
            }
            pb::event::Payload::Deleted(deleted) => {
                let entity = match deleted.entity() {
                    pb::EntityKind::Unspecified => return Err(DecodeError::Missing("deleted.entity")),
                    pb::EntityKind::Product => EntityKind::Product,
                    pb::EntityKind::Inventory => EntityKind::Inventory,
                    pb::EntityKind::Order => EntityKind::Order,
                    pb::EntityKind::Customer => EntityKind::Customer,
                    pb::EntityKind::Promotion => EntityKind::Promotion,
                    pb::EntityKind::Employee => EntityKind::Employee,
                    pb::EntityKind::Account => EntityKind::Account,
                };
                Self::Deleted { entity, external: ExternalId::new(&deleted.external).at("deleted.external")? }
            }
        })
    }
}

fn text_patch(patch: &Patch<String>) -> Option<pb::TextPatch> {
    match patch {
        Patch::Keep => None,
        Patch::Clear => Some(pb::TextPatch { value: None }),
        Patch::Set(text) => Some(pb::TextPatch { value: Some(text.clone()) }),
    }
}

fn from_text_patch(patch: Option<pb::TextPatch>) -> Patch<String> {
    patch.map_or(Patch::Keep, |patch| Patch::present(patch.value))
}

fn external(text: &str, field: &'static str) -> Result<ExternalId, DecodeError> {
    ExternalId::new(text).at(field)
}

fn optional_external(text: Option<String>, field: &'static str) -> Result<Option<ExternalId>, DecodeError> {
    text.map(|text| external(&text, field)).transpose()
}
