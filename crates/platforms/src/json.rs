//! JSON as platforms send it: what no field of ours is read from can't make a delivery unreadable.

use crate::text::UNREADABLE;
use serde_json::Value;
use stage::{Reject, RejectClass};
use std::borrow::Cow;

/// How deep a payload may nest. What is deeper is refused before it is read as a value.
pub const MAX_DEPTH: usize = 64;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Bytes of a `\uXXXX` escape.
const ESCAPE_BYTES: usize = 6;

/// Reads `body` as a value. A byte order mark before it is ignored (RFC 8259, 8.1). Half of a surrogate pair and bytes
/// that are no UTF-8 are read as [`UNREADABLE`]: only texts that are mapped refuse it.
pub(crate) fn read(body: &[u8]) -> Result<Value, Reject> {
    let body = without_mark(body);
    if depth(body) > MAX_DEPTH {
        return Err(Reject::new(RejectClass::Schema, format!("nested deeper than {MAX_DEPTH} levels")));
    }
    serde_json::from_slice(&repaired(body)).map_err(|error| {
        let reason = format!("not JSON: line {} column {}", error.line(), error.column());
        Reject::new(RejectClass::Schema, reason)
    })
}

/// The body without a byte order mark.
pub(crate) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)
}

/// The body without a byte order mark, if it begins as an object does: serde takes an array's elements for a struct's fields.
pub(crate) fn object(body: &[u8]) -> Option<&[u8]> {
    let body = without_mark(body);
    body.trim_ascii_start().starts_with(b"{").then_some(body)
}

/// The deepest nesting of brackets, strings left out.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The body with [`UNREADABLE`] in place of what serde refuses to read as text; most bodies have none of it.
fn repaired(body: &[u8]) -> Cow<'_, [u8]> {
    let mut repaired = match std::str::from_utf8(body) {
        Ok(_) => Cow::Borrowed(body),
        Err(_) => Cow::Owned(with_readable_bytes(body)),
    };
    if repaired.windows(3).any(|escape| matches!(escape, b"\\ud" | b"\\uD")) {
        mask_lone_surrogates(repaired.to_mut());
    }
    repaired
}

fn with_readable_bytes(body: &[u8]) -> Vec<u8> {
    let mut marker = [0; 4];
    let marker = UNREADABLE.encode_utf8(&mut marker).as_bytes();
    body.utf8_chunks().fold(Vec::with_capacity(body.len()), |mut readable, chunk| {
        readable.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            readable.extend_from_slice(marker);
        }
        readable
    })
}

/// Replaces escapes of surrogates that have no partner, keeping all lengths. A backslash outside a string is no JSON:
/// whatever is done to it, reading fails.
fn mask_lone_surrogates(json: &mut [u8]) {
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        at += match (byte, surrogate(json, at), surrogate(json, at + ESCAPE_BYTES)) {
            (b'\\', Some(Surrogate::High), Some(Surrogate::Low)) => 2 * ESCAPE_BYTES,
            (b'\\', Some(_), _) => {
                if let Some(digits) = json.get_mut(at + 2..at + ESCAPE_BYTES) {
                    digits.copy_from_slice(b"ffff");
                }
                ESCAPE_BYTES
            }
            (b'\\', None, _) => 2,
            _ => 1,
        };
    }
}

enum Surrogate {
    High,
    Low,
}

/// The surrogate whose escape stands at `at`.
fn surrogate(json: &[u8], at: usize) -> Option<Surrogate> {
    let digits = json.get(at..at + ESCAPE_BYTES)?.strip_prefix(b"\\u")?;
    match u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()? {
        0xd800..=0xdbff => Some(Surrogate::High),
        0xdc00..=0xdfff => Some(Surrogate::Low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::readable;

    #[test]
    fn brackets_in_strings_are_not_depth() {
        assert_eq!(depth(br#"{"a":["[[[[\"[[",{"b":1}]}"#), 3);
        assert_eq!(depth(&b"[".repeat(100_000)), 100_000);
        assert_eq!(depth(b"]]]["), 1);
    }

    #[test]
    fn half_a_surrogate_pair_is_read_and_marked() {
        let text = |escaped: &str| {
            let body = format!(r#"{{"a":"{escaped}","b":"🧉 \ud83e\uddc9"}}"#);
            let value = read(body.as_bytes()).unwrap();
            assert_eq!(value["b"], "🧉 🧉", "{escaped}");
            value["a"].as_str().unwrap().to_owned()
        };
        for lone in [r"cut \ud83d", r"\uDC9A", r"\udc9a", r"\ud83d\ud83d", r"\ud83d\\udc9a", r"\ud83dx\udc9a"]
        {
            assert!(readable(&text(lone)).is_err(), "{lone}");
        }
        assert_eq!(text(r"\\ud83d"), r"\ud83d", "an escaped backslash is no escape");
        assert_eq!(text(r"\ud83e\uddc9"), "🧉");
        assert!(text(r"\ud83e\uddc9\ud83e").starts_with('🧉'));
    }

    #[test]
    fn bytes_that_are_no_text_are_read_and_marked() {
        let value = read(b"{\"a\":\"caf\xe9\",\"b\":\"ok\"}").unwrap();
        assert!(readable(value["a"].as_str().unwrap()).is_err());
        assert_eq!(value["b"], "ok");
        assert!(read(b"{\"a\":\xe9}").is_err());
    }

    #[test]
    fn a_byte_order_mark_is_ignored_once_and_at_the_beginning_alone() {
        assert_eq!(read(b"\xef\xbb\xbf{}").unwrap(), serde_json::json!({}));
        for body in [&b"\xef\xbb\xbf\xef\xbb\xbf{}"[..], b"{\xef\xbb\xbf}", b"\xef\xbb\xbf"] {
            assert!(read(body).is_err());
        }
    }
}
