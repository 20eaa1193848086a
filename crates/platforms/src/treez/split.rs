//! The topic is `event_type`. Treez' deliveries have no id: only the body distinguishes them.

use crate::{Delivered, json};
use serde::Deserialize;

#[derive(Deserialize)]
struct Envelope {
    event_type: String,
}

/// Reads `event_type` only.
pub(super) fn split(body: &[u8]) -> Option<Delivered> {
    let Envelope { event_type } = serde_json::from_slice(json::object(body)?).ok()?;
    Some(Delivered { topic: event_type, distinct: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topic_is_the_event_type_and_no_id_is_made_up() {
        let topic =
            |body: &str| split(body.as_bytes()).map(|delivered| (delivered.topic, delivered.distinct));
        let expected = Some(("TICKET_BY_STATUS".to_owned(), None));
        assert_eq!(topic(r#"{"event_type":"TICKET_BY_STATUS","data":{"ticket_id":"t"}}"#), expected);
        for body in
            ["", "null", "{}", r#"["TICKET"]"#, r#"{"event_type":null}"#, r#"{"event_type":["TICKET"]}"#]
        {
            assert_eq!(topic(body), None, "{body}");
        }
    }
}
