//! What the loop asks of a stage's surroundings.

use bus::{Bus, Message};
use bytes::Bytes;
use model::{Delivery, Event, Origin, Partition, Position, Timestamp};
use stage::{Fault, Stage};
use std::future::Future;
use wire::{DecodeError, Original};

/// A value and its place in the partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<T> {
    /// The place.
    pub position: Position,
    /// The value.
    pub value: T,
}

/// The asynchronous side of a stage: opens a partition's lane, and tells it before each batch what it has to know.
pub trait Doors<S: Stage>: Send + Sync + 'static {
    /// The lane of a partition that this replica takes over. `tail` is the last message that the stage appended.
    fn open(
        &self,
        bus: &Bus,
        partition: Partition,
        tail: Option<&Message>,
    ) -> impl Future<Output = Result<S::Lane, Fault>> + Send;

    /// Tells the lane what the decisions about `inputs` need. An outage is a [`Fault`]: the partition waits.
    fn load(
        &self,
        inputs: &[Placed<S::In>],
        lane: &mut S::Lane,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// What feeds carry.
pub trait Codec: Sized + Send + Sync + 'static {
    /// Reads the records of the message with that sequence number.
    fn decode(payload: Bytes, sequence: u64) -> Result<Vec<Placed<Self>>, DecodeError>;
    /// Writes records.
    fn encode(records: &[Self]) -> Bytes;
    /// About how many bytes it will take.
    fn weight(&self) -> usize;
    /// Whose it is.
    fn origin(&self) -> &Origin;
    /// When the door had it.
    fn received_at(&self) -> Timestamp;
    /// A name that is the same at every attempt, for the dead letter's dedup id.
    fn identity(&self) -> String;
    /// As what a dead letter keeps it.
    fn into_original(self) -> Original;
}

impl Codec for Delivery {
    fn decode(payload: Bytes, sequence: u64) -> Result<Vec<Placed<Self>>, DecodeError> {
        let place = |(index, value)| {
            let delivery = u32::try_from(index).unwrap_or(u32::MAX);
            Placed { position: Position { raw_sequence: sequence, delivery, event: 0 }, value }
        };
        Ok(wire::decode_deliveries(payload)?.into_iter().enumerate().map(place).collect())
    }
    fn encode(records: &[Self]) -> Bytes {
        wire::encode_deliveries(records)
    }
    fn weight(&self) -> usize {
        self.body.len() + 256
    }
    fn origin(&self) -> &Origin {
        &self.origin
    }
    fn received_at(&self) -> Timestamp {
        self.received_at
    }
    fn identity(&self) -> String {
        self.id.to_string()
    }
    fn into_original(self) -> Original {
        Original::Delivery(Box::new(self))
    }
}

impl Codec for Event {
    fn decode(payload: Bytes, _sequence: u64) -> Result<Vec<Placed<Self>>, DecodeError> {
        let place = |value: Self| Placed { position: value.position, value };
        Ok(wire::decode_events(payload)?.into_iter().map(place).collect())
    }
    fn encode(records: &[Self]) -> Bytes {
        wire::encode_events(records)
    }
    fn weight(&self) -> usize {
        let payload = match &self.payload {
            model::Payload::Product(product) => {
                512 + product.variants.len() * 256 + product.description.set().map_or(0, String::len)
            }
            model::Payload::Order(order) => 512 + order.lines.len() * 256,
            model::Payload::Inventory(_) | model::Payload::Customer(_) | model::Payload::Deleted { .. } => {
                256
            }
        };
        256 + payload
    }
    fn origin(&self) -> &Origin {
        &self.origin
    }
    fn received_at(&self) -> Timestamp {
        self.received_at
    }
    fn identity(&self) -> String {
        self.id.to_string()
    }
    fn into_original(self) -> Original {
        Original::Event(Box::new(self))
    }
}
