//! Records of which only the head is read: who passes something on as it came, or looks for what is its own, need not
//! understand the whole.

use crate::{
    DecodeError, EventBatch,
    batch::{compressed, decompressed},
    error::{At as _, required},
    lists::events_within_limit,
    pb,
};
use bytes::Bytes;
use model::{
    ConnectionId, DeliveryId, DroppedInput, Event, EventId, Origin, PlatformName, Position, StoreId,
    TenantId, Timestamp,
};
use prost::Message as _;

/// An event as a batch of a middle stream holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// The same however often the event comes in.
    pub id: EventId,
    /// The delivery that brought it.
    pub delivery: DeliveryId,
    /// Whose it is and where it came from.
    pub origin: Origin,
    /// When the intake had it.
    pub received_at: Timestamp,
    /// Its place in the partition.
    pub position: Position,
    /// How often its delivery was taken in again after it had become a dead letter.
    pub attempt: u32,
    encoded: Bytes,
}

impl EventRecord {
    /// Reads the whole.
    pub fn event(&self) -> Result<Event, DecodeError> {
        crate::decode_event(self.encoded.clone())
    }

    /// How many bytes it takes in a batch.
    pub fn encoded_bytes(&self) -> usize {
        self.encoded.len()
    }
}

/// Reads a batch of a middle stream no further than the heads of its events.
pub fn decode_records(payload: Bytes) -> Result<EventBatch<EventRecord>, DecodeError> {
    let payload = decompressed(payload)?;
    // Who reads the events to their end refuses the same.
    events_within_limit(&payload)?;
    let batch = Events::decode(payload)?;
    Ok(EventBatch {
        events: batch.events.into_iter().map(EventRecord::try_from).collect::<Result<_, _>>()?,
        dropped_inputs: batch
            .dropped_inputs
            .into_iter()
            .map(DroppedInput::try_from)
            .collect::<Result<_, _>>()?,
    })
}

/// Writes a batch of a middle stream of events as they came.
pub fn encode_records<'a>(
    events: impl IntoIterator<Item = &'a EventRecord>,
    dropped_inputs: impl IntoIterator<Item = &'a DroppedInput>,
) -> Bytes {
    let events = events.into_iter().map(|event| event.encoded.clone()).collect();
    let dropped_inputs = dropped_inputs.into_iter().map(pb::DroppedInput::from).collect();
    compressed(Events { events, dropped_inputs }.encode_to_vec())
}

// The same fields by the same numbers as in `proto/`; a message within a message is written as its bytes are, and what
// isn't named here is passed over (protobuf.dev/programming-guides/encoding). `tests/round_trip.rs` holds both
// together.

/// As `EventBatch`.
#[derive(Clone, PartialEq, prost::Message)]
struct Events {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    events: Vec<Bytes>,
    #[prost(message, repeated, tag = "2")]
    dropped_inputs: Vec<pb::DroppedInput>,
}

/// As `Event`.
#[derive(Clone, PartialEq, prost::Message)]
struct EventHead {
    #[prost(bytes = "bytes", tag = "1")]
    id: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    delivery: Bytes,
    #[prost(message, optional, tag = "4")]
    origin: Option<OriginHead>,
    #[prost(int64, tag = "7")]
    received_at_micros: i64,
    #[prost(message, optional, tag = "18")]
    position: Option<pb::Position>,
    #[prost(uint32, tag = "19")]
    attempt: u32,
}

/// As `Origin`, without copies of its texts.
#[derive(Clone, PartialEq, prost::Message)]
struct OriginHead {
    #[prost(bytes = "bytes", tag = "1")]
    tenant: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    store: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    connection: Bytes,
    #[prost(bytes = "bytes", tag = "4")]
    platform: Bytes,
}

impl TryFrom<Bytes> for EventRecord {
    type Error = DecodeError;
    fn try_from(encoded: Bytes) -> Result<Self, DecodeError> {
        let head = EventHead::decode(encoded.clone())?;
        Ok(Self {
            id: EventId::try_from(&head.id[..]).at("id")?,
            delivery: DeliveryId::try_from(&head.delivery[..]).at("delivery")?,
            origin: required(head.origin, "origin")?.try_into()?,
            received_at: Timestamp::from_micros(head.received_at_micros),
            position: required(head.position, "position")?.into(),
            attempt: head.attempt,
            encoded,
        })
    }
}

impl TryFrom<OriginHead> for Origin {
    type Error = DecodeError;
    fn try_from(origin: OriginHead) -> Result<Self, DecodeError> {
        fn text<'a>(bytes: &'a Bytes, field: &'static str) -> Result<&'a str, DecodeError> {
            std::str::from_utf8(bytes).at(field)
        }
        let (tenant, store) = (text(&origin.tenant, "origin.tenant")?, text(&origin.store, "origin.store")?);
        let connection = text(&origin.connection, "origin.connection")?;
        let platform = text(&origin.platform, "origin.platform")?;
        Ok(Self {
            tenant: TenantId::new(tenant).at("origin.tenant")?,
            store: StoreId::new(store).at("origin.store")?,
            connection: ConnectionId::new(connection).at("origin.connection")?,
            platform: PlatformName::new(platform).at("origin.platform")?,
        })
    }
}
