//! Batches: several waiting records as one message. From 16 KiB on they are zstd-compressed, which the
//! first bytes show.

use crate::{DecodeError, lists::Listed as _, pb};
use bytes::Bytes;
use model::{Delivery, DroppedInput, Event};
use prost::Message as _;
use std::io::Read as _;

/// Upper limit of records in one batch.
pub const BATCH_RECORDS_MAX: usize = 256;
/// Upper limit of the records' size in one batch, in bytes, unless a single record is larger.
pub const BATCH_BYTES_MAX: usize = 512 * 1024;
/// Upper limit of one delivery's body, in bytes, decompressed; a platform's own limit is never higher. An
/// incompressible body of this size fits into one message of the broker, and so does a dead letter that contains it.
pub const DELIVERY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Size from which on a batch is compressed, in bytes.
pub const COMPRESS_FROM_BYTES: usize = 16 * 1024;
/// Upper limit of a batch's size once decompressed, in bytes; far above the largest batch that this
/// crate's encoders write.
pub const DECODED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// zstd's magic number (RFC 8878, 3.1.1). No protobuf message of ours begins with it: its first byte would be field 5
/// as a varint, and field 1 comes first.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const ZSTD_LEVEL: i32 = 1;

/// Encodes a RAW batch.
pub fn encode_deliveries<'a>(deliveries: impl IntoIterator<Item = &'a Delivery>) -> Bytes {
    let deliveries = deliveries.into_iter().map(pb::Delivery::from).collect();
    compressed(pb::DeliveryBatch { deliveries }.encode_to_vec())
}

/// Decodes a RAW batch.
pub fn decode_deliveries(payload: Bytes) -> Result<Vec<Delivery>, DecodeError> {
    pb::DeliveryBatch::read(decompressed(payload)?)?.deliveries.into_iter().map(Delivery::try_from).collect()
}

/// Content of one message of a middle stream: events, or records of which only the head was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventBatch<E = Event> {
    /// The events to process, in order.
    pub events: Vec<E>,
    /// The inputs that ended in earlier stages, in order.
    pub dropped_inputs: Vec<DroppedInput>,
}

/// Encodes a batch of a middle stream.
pub fn encode_events<'a>(
    events: impl IntoIterator<Item = &'a Event>,
    dropped_inputs: impl IntoIterator<Item = &'a DroppedInput>,
) -> Bytes {
    let events = events.into_iter().map(pb::Event::from).collect();
    let dropped_inputs = dropped_inputs.into_iter().map(pb::DroppedInput::from).collect();
    compressed(pb::EventBatch { events, dropped_inputs }.encode_to_vec())
}

/// Decodes a batch of a middle stream.
pub fn decode_events(payload: Bytes) -> Result<EventBatch, DecodeError> {
    let batch = pb::EventBatch::read(decompressed(payload)?)?;
    Ok(EventBatch {
        events: batch.events.into_iter().map(Event::try_from).collect::<Result<_, _>>()?,
        dropped_inputs: batch
            .dropped_inputs
            .into_iter()
            .map(DroppedInput::try_from)
            .collect::<Result<_, _>>()?,
    })
}

pub(crate) fn compressed(plain: Vec<u8>) -> Bytes {
    if plain.len() < COMPRESS_FROM_BYTES {
        return plain.into();
    }
    // Compression in memory can't fail; if it ever does, the uncompressed batch is valid, too.
    zstd::bulk::compress(&plain, ZSTD_LEVEL).unwrap_or(plain).into()
}

pub(crate) fn decompressed(payload: Bytes) -> Result<Bytes, DecodeError> {
    if !payload.starts_with(&ZSTD_MAGIC) {
        return Ok(payload);
    }
    let decoder = zstd::Decoder::new(&payload[..]).map_err(DecodeError::Compression)?;
    let mut plain = Vec::with_capacity(payload.len() * 4);
    let read = decoder
        .take(DECODED_BYTES_MAX as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(DecodeError::Compression)?;
    if read > DECODED_BYTES_MAX {
        return Err(DecodeError::Compression(std::io::Error::other("larger than a batch may be")));
    }
    Ok(plain.into())
}
