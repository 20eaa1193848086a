//! Topic and delivery id; both are in the body.

use crate::{Delivered, json};
use serde::Deserialize;

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    topic: String,
    event_id: Option<String>,
}

/// Reads `type` and `event_id` only; Square sends the same `event_id` with every retry.
pub(super) fn split(body: &[u8]) -> Option<Delivered> {
    let Envelope { topic, event_id } = serde_json::from_slice(json::object(body)?).ok()?;
    Some(Delivered { topic, distinct: event_id.filter(|id| !id.is_empty()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_of_an_event_are_the_same_delivery() {
        let read = |body: &str| split(body.as_bytes());
        let first =
            read(r#"{"type":"order.created","event_id":"e-1","created_at":"2020-04-16T23:14:26Z"}"#).unwrap();
        assert_eq!((first.topic.as_str(), first.distinct.as_deref()), ("order.created", Some("e-1")));
        assert_eq!(read(r#"{"event_id":"e-1","type":"order.created","retry":2}"#), Some(first));
        assert_eq!(read(r#"{"type":"order.created","event_id":""}"#).unwrap().distinct, None);
        assert_eq!(read(r#"{"type":"order.created"}"#).unwrap().distinct, None);
        for body in [
            "",
            "null",
            "[]",
            "{}",
            r#"["order.created","e-1"]"#,
            r#"{"type":1}"#,
            r#"{"type":"order.created","event_id":{}}"#,
        ] {
            assert_eq!(read(body), None, "{body}");
        }
    }
}
