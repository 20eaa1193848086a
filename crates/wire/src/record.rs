//! Records of which only the head is decoded, for readers that pass an event on unchanged or only look for their own.

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

/// An event as encoded in a batch of a middle stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// The event's id; the same for every receipt of the event.
    pub id: EventId,
    /// The delivery that contained it.
    pub delivery: DeliveryId,
    /// Its tenant, store, connection and platform.
    pub origin: Origin,
    /// Time of receipt by the intake.
    pub received_at: Timestamp,
    /// Its position in the partition.
    pub position: Position,
    /// Number of times that its delivery was re-ingested after it had become a dead letter.
    pub attempt: u32,
    encoded: Bytes,
}

impl EventRecord {
    /// Decodes the whole event.
    pub fn event(&self) -> Result<Event, DecodeError> {
        crate::decode_event(self.encoded.clone())
    }

    /// Returns its size in a batch, in bytes.
    pub fn encoded_bytes(&self) -> usize {
        self.encoded.len()
    }
}

/// Decodes a batch of a middle stream, but only the heads of its events.
pub fn decode_records(payload: Bytes) -> Result<EventBatch<EventRecord>, DecodeError> {
    let payload = decompressed(payload)?;
    // A reader that decodes the events completely refuses the same batches.
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

/// Encodes a batch of a middle stream from unchanged events.
pub fn encode_records<'a>(
    events: impl IntoIterator<Item = &'a EventRecord>,
    dropped_inputs: impl IntoIterator<Item = &'a DroppedInput>,
) -> Bytes {
    let events = events.into_iter().map(|event| event.encoded.clone()).collect();
    let dropped_inputs = dropped_inputs.into_iter().map(pb::DroppedInput::from).collect();
    compressed(Events { events, dropped_inputs }.encode_to_vec())
}

// The same fields with the same numbers as in `proto/`; a message within a message is encoded as its bytes, and
// fields that aren't named here are skipped (protobuf.dev/programming-guides/encoding). `tests/round_trip.rs` checks
// that both agree.

/// The same message as `EventBatch`.
#[derive(Clone, PartialEq, prost::Message)]
struct Events {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    events: Vec<Bytes>,
    #[prost(message, repeated, tag = "2")]
    dropped_inputs: Vec<pb::DroppedInput>,
}

/// The same message as `Event`.
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

/// The same message as `Origin`, without copies of its texts.
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
