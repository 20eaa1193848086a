//! A received request, a reply to be sent, and a webhook before it is sent.

use crate::ledger::Change;
use bytes::Bytes;
use serde_json::Value;

/// A call to the platform's API.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Incoming {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The parts of the path between slashes.
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|part| !part.is_empty()).collect()
    }
}

/// The platform's reply, with the changes that the call made.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
    /// The body of a file, instead of `body`.
    pub(crate) bytes: Option<Bytes>,
    /// Name of the operation, for the record of calls.
    pub(crate) operation: String,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) changes: Vec<Change>,
    /// Levels after these changes, for the record of calls.
    pub(crate) levels: Vec<ChangedLevel>,
}

/// A level after a call that changed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedLevel {
    /// The platform's id of the item.
    pub item: String,
    /// The platform's id of the location.
    pub location: String,
    /// The quantity, as a decimal without trailing zeros.
    pub quantity: String,
}

impl Reply {
    pub(crate) fn of(status: u16, body: Value) -> Self {
        Self { status, body, ..Self::default() }
    }

    pub(crate) fn ok(body: Value) -> Self {
        Self::of(200, body)
    }

    pub(crate) fn changing(mut self, changes: Vec<Change>) -> Self {
        self.changes = changes;
        self
    }

    pub(crate) fn named(mut self, operation: &str) -> Self {
        operation.clone_into(&mut self.operation);
        self
    }
}

/// A webhook to be sent. Its id, headers and body are the same in every attempt.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) topic: String,
    pub(crate) id: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    /// The URL registered when the webhook was made.
    pub(crate) url: String,
}

/// Decodes `application/x-www-form-urlencoded` pairs; replaces bytes that aren't UTF-8.
pub(crate) fn decode_form(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

/// Decodes percent escapes, and pluses as spaces.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = hex.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let (b'%', Some(byte)) = (first, escaped) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(if *first == b'+' { b' ' } else { *first });
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded() {
        let pairs = decode_form("client_id=a%2Bb&apikey=c+d%&empty");
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("client_id", "a+b"), ("apikey", "c d%"), ("empty", "")]);
    }
}
