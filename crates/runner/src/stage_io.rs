//! What the loop asks of a stage's surroundings.

use crate::{Alerts, ours::check_record};
use bus::{Bus, BusError, Message};
use bytes::Bytes;
use model::{Delivery, DeliveryId, DroppedInput, Event, EventId, Origin, Partition, Position, Timestamp};
use stage::{Fault, Stage};
use std::future::Future;
use wire::{DecodeError, EventBatch, EventRecord, Original};

/// A value and its place in the partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positioned<T> {
    /// The place.
    pub position: Position,
    /// The value.
    pub value: T,
}

/// The asynchronous side of a stage: opens a partition's state, and tells it before each batch what it has to know.
pub trait StageIo<S: Stage>: Send + Sync + 'static {
    /// The state of a partition that this replica takes over. `tail` is the last message that the stage appended.
    fn open(
        &self,
        bus: &Bus,
        partition: Partition,
        tail: Option<&Message>,
    ) -> impl Future<Output = Result<S::PartitionState, Fault>> + Send;

    /// Loads what the decisions about `inputs` need. An outage is [`Fault::Transient`]: the
    /// partition waits. [`stage::Blame::Input`] says that one of the inputs can't be asked for: they are halved until
    /// that one is alone, so what is loaded for fewer inputs replaces what was for more.
    fn load(
        &self,
        inputs: &[Positioned<S::In>],
        state: &mut S::PartitionState,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// What a message of a feed holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch<T> {
    /// What is to be decided, in order.
    pub records: Vec<Positioned<T>>,
    /// What ended in the stages before, in order.
    pub dropped_inputs: Vec<DroppedInput>,
}

/// What is known of an input, whatever it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<'a> {
    /// Whose it is.
    pub origin: &'a Origin,
    /// When the intake had it.
    pub received_at: Timestamp,
    /// The delivery that it is, or that brought it.
    pub delivery: DeliveryId,
    /// The event that it is, if it is understood as one.
    pub event: Option<EventId>,
    /// How often it was taken in again after it had become a dead letter.
    pub attempt: u32,
}

/// What a stage reads from a feed.
pub trait Input: Sized + Send + Sync + 'static {
    /// Reads the message with that sequence number.
    fn decode(payload: Bytes, sequence: u64) -> Result<Batch<Self>, DecodeError>;
    /// The last position that belongs to the input at this one: all that can be made of it comes before.
    fn end(position: Position) -> Position {
        position
    }
    /// What is known of it, whatever it holds.
    fn head(&self) -> Head<'_>;
    /// Refuses, with the reason, what can't be read to its end though its head can.
    fn check(&self, _at: Position) -> Result<(), String> {
        Ok(())
    }
    /// As what a dead letter keeps it.
    fn into_original(self) -> Result<Original, DecodeError>;
}

/// What a stage writes to a feed.
pub trait Output: Sized + Send + Sync + 'static {
    /// Writes a message.
    fn encode(records: &[Self], dropped_inputs: &[DroppedInput]) -> Bytes;
    /// About how many bytes it will take.
    fn weight(&self) -> usize;
}

impl Input for Delivery {
    fn decode(payload: Bytes, sequence: u64) -> Result<Batch<Self>, DecodeError> {
        let place = |(index, value)| {
            let delivery = u32::try_from(index).unwrap_or(u32::MAX);
            Positioned { position: Position { raw_sequence: sequence, delivery, event: 0 }, value }
        };
        let records = wire::decode_deliveries(payload)?.into_iter().enumerate().map(place).collect();
        Ok(Batch { records, dropped_inputs: Vec::new() })
    }
    fn end(position: Position) -> Position {
        Position { event: u32::MAX, ..position }
    }
    fn head(&self) -> Head<'_> {
        let Self { origin, received_at, id, attempt, .. } = self;
        Head { origin, received_at: *received_at, delivery: *id, event: None, attempt: *attempt }
    }
    fn into_original(self) -> Result<Original, DecodeError> {
        Ok(Original::Delivery(Box::new(self)))
    }
}

fn positioned<T>(batch: EventBatch<T>, position: fn(&T) -> Position) -> Batch<T> {
    let place = |value| Positioned { position: position(&value), value };
    Batch { records: batch.events.into_iter().map(place).collect(), dropped_inputs: batch.dropped_inputs }
}

/// The words for a message of ours that can't be decoded: it never will be, so it is set aside.
pub fn unreadable(what: &str, sequence: impl std::fmt::Display, error: &DecodeError) -> String {
    format!("{what} {sequence} can't be decoded: {}", crate::chain(error))
}

/// Takes what a reader gave. A message that isn't one of ours is set aside: the reader goes on behind it.
pub async fn readable<T>(
    alerts: &Alerts,
    partition: Partition,
    taken: Result<Vec<T>, BusError>,
) -> Result<Vec<T>, Fault> {
    match taken {
        Err(BusError::Foreign(foreign)) => {
            alerts.foreign(Some(partition), &foreign).await;
            Ok(Vec::new())
        }
        taken => Ok(taken?),
    }
}

impl Input for Event {
    fn decode(payload: Bytes, _sequence: u64) -> Result<Batch<Self>, DecodeError> {
        Ok(positioned(wire::decode_events(payload)?, |event| event.position))
    }
    fn head(&self) -> Head<'_> {
        let Self { origin, received_at, delivery, id, attempt, .. } = self;
        let (received_at, delivery, attempt) = (*received_at, *delivery, *attempt);
        Head { origin, received_at, delivery, event: Some(*id), attempt }
    }
    fn into_original(self) -> Result<Original, DecodeError> {
        Ok(Original::Event(Box::new(self)))
    }
}

impl Input for EventRecord {
    fn decode(payload: Bytes, _sequence: u64) -> Result<Batch<Self>, DecodeError> {
        Ok(positioned(wire::decode_records(payload)?, |record| record.position))
    }
    fn head(&self) -> Head<'_> {
        let Self { origin, received_at, delivery, id, attempt, .. } = self;
        let (received_at, delivery, attempt) = (*received_at, *delivery, *attempt);
        Head { origin, received_at, delivery, event: Some(*id), attempt }
    }
    fn check(&self, at: Position) -> Result<(), String> {
        check_record(at, self)
    }
    fn into_original(self) -> Result<Original, DecodeError> {
        Ok(Original::Event(Box::new(EventRecord::event(&self)?)))
    }
}

impl Output for EventRecord {
    fn encode(records: &[Self], dropped_inputs: &[DroppedInput]) -> Bytes {
        wire::encode_records(records, dropped_inputs)
    }
    fn weight(&self) -> usize {
        self.encoded_bytes()
    }
}

impl Output for Event {
    fn encode(records: &[Self], dropped_inputs: &[DroppedInput]) -> Bytes {
        wire::encode_events(records, dropped_inputs)
    }
    fn weight(&self) -> usize {
        let payload = match &self.payload {
            model::Payload::Product(product) => {
                512 + product.variants.len() * 256 + product.description.set().map_or(0, String::len)
            }
            model::Payload::Order(order) => 512 + order.lines.len() * 256,
            model::Payload::Inventory(_)
            | model::Payload::Customer(_)
            | model::Payload::Account(_)
            | model::Payload::Instruction { .. }
            | model::Payload::Stocked(_)
            | model::Payload::Deleted { .. } => 256,
        };
        256 + payload
    }
}
