//! Conversions between bytes and values: protobuf batches and their limits. The generated types never leave this crate.

mod applied;
mod asked_by;
mod batch;
mod dead;
mod delivery;
mod dropped_input;
mod error;
mod event;
mod lists;
mod record;

/// The types generated from `proto/`.
#[expect(
    clippy::pedantic,
    clippy::large_enum_variant,
    unreachable_pub,
    reason = "generated; documented in proto/"
)]
mod pb {
    include!(concat!(env!("OUT_DIR"), "/tillflow.v1.rs"));
}

pub use applied::{decode_applied, encode_applied};
pub use batch::{
    BATCH_BYTES_MAX, BATCH_RECORDS_MAX, COMPRESS_FROM_BYTES, DECODED_BYTES_MAX, DELIVERY_BYTES_MAX,
    EventBatch, decode_deliveries, decode_events, encode_deliveries, encode_events,
};
pub use dead::{BodyInRaw, DeadLetter, Original, decode_dead, encode_dead};
pub use delivery::{decode_delivery, encode_delivery};
pub use error::DecodeError;
pub use event::{
    PublishedEvent, decode_event, decode_instruction, decode_published, encode_event, encode_instruction,
    encode_published,
};
pub use lists::LISTS_BYTES_MAX;
pub use record::{EventRecord, decode_records, encode_records};
