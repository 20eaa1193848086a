//! Turns each platform's deliveries into canonical events.
//!
//! Schema first: a payload that differs from the platform's documentation is dead-lettered with the path of the
//! difference, and is never guessed at.

use bus::{Bus, Feed};
use model::{
    Action, Delivery, DeliveryKind, Event, EventId, Partition, Payload, Position, RawDigest, Source,
};
use platforms::{MapContext, Mapped, Platform, TopicKind, Validator};
use runner::{Failure, Positioned, Service, StageIo};
use serde::Deserialize;
use stage::{Fault, Reject, RejectClass, Skip, Stage, Verdict};
use std::collections::HashMap;

/// The configuration of the service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {}

/// The stage: turns one delivery into its events.
pub struct Normalize {
    platforms: HashMap<&'static str, (&'static dyn Platform, Validator)>,
}

impl Normalize {
    /// Compiles every platform's schemas.
    pub fn new() -> Result<Self, Fault> {
        let compile = |platform: &&'static dyn Platform| {
            let validator = Validator::of(*platform).map_err(|error| Fault::new("a valid schema", error))?;
            Ok((platform.name(), (*platform, validator)))
        };
        Ok(Self { platforms: platforms::all().iter().map(compile).collect::<Result<_, Fault>>()? })
    }

    /// Returns the delivery's rows; `None` if it is thin.
    fn rows(&self, at: Position, delivery: &Delivery) -> Result<Option<Rows>, Reject> {
        let event = match &delivery.kind {
            DeliveryKind::Platform(topic) => return self.mapped(at, delivery, topic),
            DeliveryKind::Canonical => published(at, delivery)?,
            DeliveryKind::Reentry => again(at, delivery)?,
            DeliveryKind::Instruction => instruction(at, delivery)?,
            DeliveryKind::Unreadable => {
                return Err(Reject::new(RejectClass::Schema, "the body has no topic that can be read"));
            }
        };
        Ok(Some(vec![Ok(event)]))
    }

    /// Maps a delivery of that topic of its platform; `None` if it is thin.
    fn mapped(&self, at: Position, delivery: &Delivery, topic: &str) -> Result<Option<Rows>, Reject> {
        let name = delivery.origin.platform.as_str();
        let Some((platform, validator)) = self.platforms.get(name) else {
            return Err(Reject::new(RejectClass::Config, format!("no platform is called {name:?}")));
        };
        // Thin ones are validated against the schema too, so that a poison one can't stop `fetch`.
        let body = validator.read(topic, &delivery.body)?;
        platforms::check_account(*platform, delivery, &body)?;
        if validator.topic(topic).is_some_and(|topic| topic.kind == TopicKind::Thin) {
            return Ok(None);
        }
        let context = MapContext { currency: delivery.currency };
        let digest = RawDigest::of(&delivery.body);
        let mapped = platform.map(delivery, &body, &context)?;
        let event =
            |(index, row): (usize, Result<Mapped, Reject>)| Ok(event(at, delivery, digest, index, row?));
        Ok(Some(mapped.into_iter().enumerate().map(event).collect()))
    }
}

impl Stage for Normalize {
    const NAME: &'static str = "normalize";
    type In = Delivery;
    type Out = Event;
    type PartitionState = ();

    fn decide(&self, at: Position, delivery: Delivery, (): &mut ()) -> Verdict<Event> {
        match self.rows(at, &delivery) {
            Ok(None) => Verdict::Skip(Skip::Thin),
            Ok(Some(rows)) if rows.is_empty() => Verdict::Skip(Skip::Unsubscribed),
            Ok(Some(rows)) => Verdict::Rows(rows.into_iter().map(|row| row.and_then(bounded)).collect()),
            Err(reject) => Verdict::Reject(reject),
        }
    }
}

/// The content of a delivery: events, and rows of it that can't be events.
type Rows = Vec<Result<Event, Reject>>;

/// Returns the event, if its whole content can be encoded, stored and read again. A time of the platform that can't be
/// stored is removed: it rejects nothing, as the time of receipt replaces it.
fn bounded(event: Event) -> Result<Event, Reject> {
    event.payload.check().map_err(|beyond| Reject::new(RejectClass::Data, beyond.to_string()))?;
    Ok(Event { occurred_at: event.occurred_at.filter(|at| at.is_storable()), ..event })
}

fn event(at: Position, delivery: &Delivery, raw_digest: RawDigest, index: usize, mapped: Mapped) -> Event {
    let mut identity: Vec<&[u8]> = mapped.identity.iter().map(String::as_bytes).collect();
    if delivery.source.is_ours() {
        // A fetched object is awaited as such: a webhook that reported the same may have been dropped during a pause,
        // or may have arrived before the reading was requested.
        identity.push(delivery.id.as_bytes());
    }
    Event {
        id: EventId::derive(&delivery.origin.connection, &identity),
        correlation: delivery.cause.unwrap_or(delivery.id),
        delivery: delivery.id,
        origin: delivery.origin.clone(),
        action: mapped.action,
        occurred_at: mapped.occurred_at,
        received_at: delivery.received_at,
        version: mapped.version,
        payload: mapped.payload,
        links: Vec::new(),
        raw_digest,
        is_read_back: delivery.source == Source::ReadBack,
        asked_by: delivery.asked_by.clone(),
        attempt: delivery.attempt,
        trace: delivery.trace,
        position: Position { event: u32::try_from(index).unwrap_or(u32::MAX), ..at },
    }
}

/// Decodes a canonical event that a platform published itself. Its identity is that of its delivery.
fn published(at: Position, delivery: &Delivery) -> Result<Event, Reject> {
    let published = wire::decode_published(delivery.body.clone())
        .map_err(|error| Reject::new(RejectClass::Schema, error.to_string()))?;
    let is_of_ours = matches!(published.payload, Payload::Activity { .. }) && delivery.source.is_ours();
    if matches!(published.payload, Payload::Instruction { .. } | Payload::Activity { .. }) && !is_of_ours {
        return Err(Reject::new(
            RejectClass::Auth,
            "a published instruction or begin of a promotion: only services of ours send one",
        ));
    }
    let mapped = Mapped {
        action: published.action,
        occurred_at: published.occurred_at,
        version: published.version,
        identity: vec!["published".to_owned(), delivery.id.to_string()],
        payload: published.payload,
    };
    Ok(event(at, delivery, RawDigest::of(&delivery.body), 0, mapped))
}

/// Refuses a delivery of one of our own topics, if it was received by a webhook or a publish: our services send these
/// topics through `pos.accept`.
fn from_within(delivery: &Delivery) -> Result<(), Reject> {
    if delivery.source.is_ours() {
        return Ok(());
    }
    let topic = delivery.kind.topic();
    Err(Reject::new(RejectClass::Auth, format!("a {topic} that no service of ours sent")))
}

/// Decodes an instruction: a person's decision.
fn instruction(at: Position, delivery: &Delivery) -> Result<Event, Reject> {
    from_within(delivery)?;
    let (external, instruction) = wire::decode_instruction(delivery.body.clone())
        .map_err(|error| Reject::new(RejectClass::Schema, error.to_string()))?;
    let mapped = Mapped {
        action: Action::Updated,
        occurred_at: None,
        version: None,
        identity: vec!["instruction".to_owned(), delivery.id.to_string()],
        payload: Payload::Instruction { external, instruction },
    };
    Ok(event(at, delivery, RawDigest::of(&delivery.body), 0, mapped))
}

/// Decodes an event that was a dead letter: the same event, at its new position. Its id is taken from the event itself,
/// so a sender who could forge it would have another's event dropped as a duplicate.
fn again(at: Position, delivery: &Delivery) -> Result<Event, Reject> {
    from_within(delivery)?;
    let event = wire::decode_event(delivery.body.clone())
        .map_err(|error| Reject::new(RejectClass::Schema, error.to_string()))?;
    Ok(Event {
        origin: delivery.origin.clone(),
        delivery: delivery.id,
        attempt: delivery.attempt,
        links: Vec::new(),
        position: at,
        ..event
    })
}

/// Input of the stage beyond its records: none.
pub struct Nothing;

impl StageIo<Normalize> for Nothing {
    async fn open(&self, _: &Bus, _: Partition, _: Position) -> Result<(), Fault> {
        Ok(())
    }
    async fn load(&self, _: &[Positioned<Delivery>], (): &mut ()) -> Result<(), Fault> {
        Ok(())
    }
}

/// Runs the service until it is stopped.
pub async fn run(service: Service, _config: Config) -> Result<(), Failure> {
    runner::run_stage(&service, Normalize::new()?, Nothing, Feed::Raw, Feed::Normalized).await
}

#[cfg(test)]
mod tests;
