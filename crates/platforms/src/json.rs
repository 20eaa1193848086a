//! JSON as platforms send it: content that isn't mapped can't make a delivery unreadable.

use crate::text::UNREADABLE;
use serde_json::Value;
use stage::{Reject, RejectClass};
use std::borrow::Cow;

/// Upper limit of nesting of a payload or reply.
pub const MAX_DEPTH: usize = 64;
/// Upper limit of the memory that a payload or reply takes once parsed, in bytes, as `Shape::memory` estimates it. A
/// body of 4 MiB of short fields takes about 100 MiB; of objects with one field each, 350 MiB.
pub const MEMORY_MAX: usize = 128 * 1024 * 1024;

/// The memory of an object's first node, which has room for eleven fields, in bytes.
const OBJECT_BYTES: usize = 640;
/// The memory per comma or colon, in bytes: an element's share of a list that grew to twice its capacity, or half of a
/// field with its key, its text and its share of a node.
const SEPARATOR_BYTES: usize = 90;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Length of a JSON escape of `\u` and four hexadecimal digits, in bytes.
const ESCAPE_BYTES: usize = 6;

/// The reason why bytes aren't parsed as a value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// It nests deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// It needs more memory than [`MEMORY_MAX`]; the estimate, in bytes.
    #[error("so many values that they would take {0} bytes of memory; {MEMORY_MAX} are allowed")]
    TooLarge(usize),
    /// It isn't JSON.
    #[error("not JSON: line {line} column {column}")]
    NotJson {
        /// Starts at 1.
        line: usize,
        /// Starts at 1.
        column: usize,
    },
}

/// Parses `body` as a value. A leading byte order mark is ignored (RFC 8259, 8.1). Half of a surrogate pair and bytes
/// that aren't UTF-8 are read as [`UNREADABLE`]: only texts that are mapped are rejected for it.
pub(crate) fn read(body: &[u8]) -> Result<Value, Reject> {
    let body = without_mark(body);
    let value = within_bounds(body).and_then(|()| parsed(&repaired(body)));
    value.map_err(|error| Reject::new(RejectClass::Schema, error.to_string()))
}

/// Parses a platform's reply as a value. Nothing in it is replaced: parts of it may be written back.
pub(crate) fn reply(body: &[u8]) -> Result<Value, Unreadable> {
    within_bounds(body).and_then(|()| parsed(body))
}

fn within_bounds(body: &[u8]) -> Result<(), Unreadable> {
    let Shape { depth, memory } = Shape::of(body);
    if depth > MAX_DEPTH {
        return Err(Unreadable::TooDeep);
    }
    if memory > MEMORY_MAX { Err(Unreadable::TooLarge(memory)) } else { Ok(()) }
}

fn parsed(body: &[u8]) -> Result<Value, Unreadable> {
    serde_json::from_slice(body)
        .map_err(|error| Unreadable::NotJson { line: error.line(), column: error.column() })
}

/// The body without a byte order mark.
pub(crate) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)
}

/// The body without a byte order mark, if it starts like an object: serde accepts an array's elements as a
/// struct's fields.
pub(crate) fn object(body: &[u8]) -> Option<&[u8]> {
    let body = without_mark(body);
    body.trim_ascii_start().starts_with(b"{").then_some(body)
}

/// The cost of parsing a body, estimated from brackets and separators outside its strings.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    /// The deepest nesting.
    depth: usize,
    /// An upper bound of the memory, in bytes.
    memory: usize,
}

impl Shape {
    fn of(body: &[u8]) -> Self {
        let (mut depth, mut deepest, mut memory) = (0_usize, 0, body.len());
        let (mut in_string, mut escaped) = (false, false);
        for byte in body {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                _ if in_string => {}
                b'{' | b'[' => {
                    depth += 1;
                    deepest = deepest.max(depth);
                    memory += if *byte == b'{' { OBJECT_BYTES } else { SEPARATOR_BYTES };
                }
                b'}' | b']' => depth = depth.saturating_sub(1),
                b',' | b':' => memory += SEPARATOR_BYTES,
                _ => {}
            }
        }
        Self { depth: deepest, memory }
    }
}

/// The body with [`UNREADABLE`] in place of everything that serde refuses to read as text; most bodies contain none
/// of it.
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

/// The bytes with [`UNREADABLE`] in place of those that aren't UTF-8.
pub(crate) fn with_readable_bytes(body: &[u8]) -> Vec<u8> {
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

/// Replaces escapes of surrogates that have no partner, keeping all lengths. A backslash outside a string isn't valid
/// JSON: parsing fails whatever it is replaced with.
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

/// The surrogate whose escape starts at `at`.
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
        let depth = |body: &[u8]| Shape::of(body).depth;
        assert_eq!(depth(br#"{"a":["[[[[\"[[",{"b":1}]}"#), 3);
        assert_eq!(depth(&b"[".repeat(100_000)), 100_000);
        assert_eq!(depth(b"]]]["), 1);
    }

    #[test]
    fn a_body_of_tiny_objects_is_refused_before_it_takes_memory() {
        let list =
            |element: &str| format!("[{}1]", format!("{element},").repeat((4 << 20) / (element.len() + 1)));
        for tiny in [r#"{"":0}"#, "{}", "[]", "[[0]]", "0", r#"{"":{"":0}}"#] {
            let body = list(tiny);
            assert!(matches!(reply(body.as_bytes()), Err(Unreadable::TooLarge(_))), "{tiny}");
            assert!(read(body.as_bytes()).unwrap_err().to_string().contains("bytes of memory"), "{tiny}");
        }
        for usual in [
            r#"{"name":"gift wrap","value":"no, thank you, it is for me"}"#,
            r#"{"id":5189287,"quantity":1,"price":"1.00","title":"Green tea, 100 g","tax":{"amount":"0.00","rate":0.1}}"#,
            r#""{{{{{{[[[[[[,,,,,,::::::""#,
        ] {
            let body = list(usual);
            assert!(read(body.as_bytes()).is_ok(), "{usual}: {}", Shape::of(body.as_bytes()).memory >> 20);
        }
    }

    #[test]
    fn a_reply_is_read_as_it_is_or_not_at_all() {
        assert_eq!(reply(br#"{"a":1}"#).unwrap()["a"], 1);
        assert_eq!(reply(br#"{"a":"\ud83d"}"#).unwrap_err().to_string(), "not JSON: line 1 column 13");
        assert_eq!(reply("[".repeat(65).as_bytes()), Err(Unreadable::TooDeep));
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
