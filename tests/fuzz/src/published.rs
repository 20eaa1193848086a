//! Canonical events as partners publish them on `pos.in.…`.

use crate::{
    notation::{line, text},
    payloads::{decide, delivery_of},
};
use bytes::Bytes;
use model::{DeliveryKind, Source};

/// Checks that an event that can be decoded is the same after it is encoded and decoded again, and that it decides
/// nothing that only our services may decide. Input: a line with the platform, then an event as protobuf.
pub fn published(data: &[u8]) {
    let (platform, body) = line(data);
    let body = Bytes::copy_from_slice(body);
    if let Ok(event) = wire::decode_published(body.clone()) {
        let again = wire::decode_published(wire::encode_published(&event));
        assert_eq!(again.ok(), Some(event), "an event is read back otherwise");
    }
    if let Ok((external, instruction)) = wire::decode_instruction(body.clone()) {
        let again = wire::decode_instruction(wire::encode_instruction(&external, &instruction));
        assert_eq!(again.ok(), Some((external, instruction)), "an instruction is read back otherwise");
    }
    let Some(platform) = platforms::find(&text(platform)) else { return };
    let of = |kind, source| delivery_of(platform, kind, source, &[], &body);
    decide(vec![
        of(DeliveryKind::Canonical, Source::Publish),
        of(DeliveryKind::Instruction, Source::Publish),
        of(DeliveryKind::Instruction, Source::Webhook),
    ]);
    decide(vec![of(DeliveryKind::Instruction, Source::Fetch)]);
}
