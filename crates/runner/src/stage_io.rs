//! The interface between the loop and the I/O of a stage.

use crate::{Alerts, ours::check_record};
use bus::{Bus, BusError};
use bytes::Bytes;
use model::{Delivery, DeliveryId, DroppedInput, Event, EventId, Origin, Partition, Position, Timestamp};
use stage::{Fault, Stage};
use std::future::Future;
use wire::{DecodeError, EventBatch, EventRecord, Original};

/// A value and its position in the partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positioned<T> {
    /// The position.
    pub position: Position,
    /// The value.
    pub value: T,
}

/// The asynchronous part of a stage: opens a partition's state, and loads before each batch the facts that
/// the decisions need.
pub trait StageIo<S: Stage>: Send + Sync + 'static {
    /// Opens the state of a partition that this replica now owns: the state behind `covered`, up to which the stage has
    /// decided.
    fn open(
        &self,
        bus: &Bus,
        partition: Partition,
        covered: Position,
    ) -> impl Future<Output = Result<S::PartitionState, Fault>> + Send;

    /// Loads the facts that the decisions about `inputs` need. An outage is [`Fault::Transient`]: the partition waits.
    /// [`stage::Blame::Input`] means that the look-up refuses one of the inputs: they are halved until that one is
    /// alone, so a load for fewer inputs replaces the one for more.
    fn load(
        &self,
        inputs: &[Positioned<S::In>],
        state: &mut S::PartitionState,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// The content of one message of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch<T> {
    /// The inputs to decide about, in order.
    pub records: Vec<Positioned<T>>,
    /// The inputs that ended in earlier stages, in order.
    pub dropped_inputs: Vec<DroppedInput>,
}

/// The data that every kind of input has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<'a> {
    /// The tenant, store, connection and platform.
    pub origin: &'a Origin,
    /// Time of receipt by the intake.
    pub received_at: Timestamp,
    /// The delivery itself, or the one that contained the event.
    pub delivery: DeliveryId,
    /// The event, if the input is understood as one.
    pub event: Option<EventId>,
    /// Number of times that the delivery was re-ingested after it had become a dead letter.
    pub attempt: u32,
}

/// A value that a stage reads from a feed.
pub trait Input: Clone + Send + Sync + 'static {
    /// Decodes the message with that sequence number.
    fn decode(payload: Bytes, sequence: u64) -> Result<Batch<Self>, DecodeError>;
    /// Returns the last position that belongs to the input at `position`: all rows of the input are at or before it.
    fn end(position: Position) -> Position {
        position
    }
    /// Returns the data that every kind of input has.
    fn head(&self) -> Head<'_>;
    /// Refuses, with the reason, an input that can't be decoded completely though its head can.
    fn check(&self, _at: Position) -> Result<(), String> {
        Ok(())
    }
    /// Converts the input to the form that a dead letter stores.
    fn into_original(self) -> Result<Original, DecodeError>;
}

/// A value that a stage writes to a feed.
pub trait Output: Sized + Send + Sync + 'static {
    /// Encodes a message.
    fn encode(records: &[Self], dropped_inputs: &[DroppedInput]) -> Bytes;
    /// Returns the approximate encoded size, in bytes.
    fn weight(&self) -> usize;
    /// Returns its position in the partition.
    fn position(&self) -> Position;
}

impl Input for Delivery {
    fn decode(payload: Bytes, sequence: u64) -> Result<Batch<Self>, DecodeError> {
        let at_position = |(index, value)| {
            let delivery = u32::try_from(index).unwrap_or(u32::MAX);
            Positioned { position: Position { raw_sequence: sequence, delivery, event: 0 }, value }
        };
        let records = wire::decode_deliveries(payload)?.into_iter().enumerate().map(at_position).collect();
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
    let at_position = |value| Positioned { position: position(&value), value };
    Batch {
        records: batch.events.into_iter().map(at_position).collect(),
        dropped_inputs: batch.dropped_inputs,
    }
}

/// Describes a message of ours that can't be decoded. A retry can't help, so it is set aside.
pub fn unreadable(what: &str, sequence: impl std::fmt::Display, error: &DecodeError) -> String {
    format!("{what} {sequence} can't be decoded: {}", crate::chain(error))
}

/// Returns the messages that a reader returned. A foreign message is set aside: the reader continues after it.
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
    fn position(&self) -> Position {
        self.position
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
            model::Payload::Promotion(promotion) | model::Payload::Activity { promotion, .. } => {
                let targets = promotion.targets.scope.targets().len() + promotion.targets.except.len();
                512 + promotion.schedule.periods().len() * 128 + targets * 64
            }
            model::Payload::Employee(employee) => {
                let workplaces = match &employee.workplaces {
                    Some(model::Workplaces::Named(locations)) => locations.len(),
                    Some(model::Workplaces::All) | None => 0,
                };
                256 + workplaces * 64
            }
            model::Payload::Inventory(_)
            | model::Payload::Customer(_)
            | model::Payload::Account(_)
            | model::Payload::Instruction { .. }
            | model::Payload::Stocked(_)
            | model::Payload::Deleted { .. } => 256,
        };
        256 + payload
    }
    fn position(&self) -> Position {
        self.position
    }
}
