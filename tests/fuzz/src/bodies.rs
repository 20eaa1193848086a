//! Bodies of webhooks in their content codings: bounded in size, and decoded to the original.

use crate::notation::line;
use bytes::Bytes;
use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use ingest::{BodyRefusal, decode_body};
use std::io::Write as _;

/// Smaller than the intake's limit, so that the fuzzer reaches it.
const LIMIT_BYTES: usize = 64 * 1024;
/// Upper limit of an input's bytes after repetition, before it is compressed.
const COPIES_MAX: usize = 512 * 1024;

/// Checks that a decoded body is within its limit, and that a body encoded independently is decoded to the original.
/// Input: a line with values of `Content-Encoding`, separated by bars, then the body.
pub fn bodies(data: &[u8]) {
    let (encodings, body) = line(data);
    let body = Bytes::copy_from_slice(body);
    match decode_body(encodings.split(|byte| *byte == b'|'), &body, LIMIT_BYTES) {
        // A body without a coding was already bounded when it was read.
        Ok(plain) => assert!(plain.len() <= LIMIT_BYTES.max(body.len())),
        Err(BodyRefusal::TooLarge { limit_bytes }) => assert_eq!(limit_bytes, LIMIT_BYTES),
        Err(BodyRefusal::UnknownCoding | BodyRefusal::Malformed) => {}
    }
    let copies = encodings
        .first()
        .map_or(1, |byte| usize::from(*byte).pow(2))
        .clamp(1, COPIES_MAX / body.len().max(1) + 1);
    let plain = body.repeat(copies);
    for (coding, encoded) in [("gzip", gzip(&plain)), ("X-GZIP", gzip(&plain)), ("deflate", zlib(&plain))] {
        let decoded = decode_body([coding.as_bytes()], &encoded.clone().into(), LIMIT_BYTES);
        if plain.len() <= LIMIT_BYTES {
            assert_eq!(decoded.as_deref(), Ok(&plain[..]), "{coding}");
            let behind = [&encoded[..], b" "].concat();
            assert_eq!(
                decode_body([coding.as_bytes()], &behind.into(), LIMIT_BYTES),
                Err(BodyRefusal::Malformed)
            );
        } else {
            assert_eq!(decoded, Err(BodyRefusal::TooLarge { limit_bytes: LIMIT_BYTES }), "{coding}");
        }
        let cut = encoded[..encoded.len() - 1].to_vec();
        assert!(
            decode_body([coding.as_bytes()], &cut.into(), LIMIT_BYTES).is_err(),
            "{coding} without its end"
        );
    }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}
