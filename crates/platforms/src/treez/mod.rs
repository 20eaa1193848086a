//! Treez (API v2): webhooks with a static bearer token, most with whole objects; read-only.
//!
//! The README beside this file holds the dated facts, the quirks and what isn't verified.

mod call;
mod fetch;
mod map;
mod split;
mod verify;

use crate::{
    Call, CallContext, CallOutcome, Delivered, Fetch, Fetched, HttpReply, HttpRequest, MapContext, Platform,
    Rows, Secrets, Signed, Step, Topic, TopicKind, Unverified, WriteLimits,
};
use model::{Delivery, MirrorKind};
use serde_json::Value;
use stage::Reject;

/// The registry's value.
pub(crate) static PLATFORM: Treez = Treez;

/// Treez, API v2.
pub(crate) struct Treez;

macro_rules! topics {
    ($($name:literal $kind:ident)*) => {
        &[$(Topic {
            name: $name,
            kind: TopicKind::$kind,
            schema: include_str!(concat!("../../../../schemas/treez/", $name, ".schema.json")),
        }),*]
    };
}

static TOPICS: &[Topic] = topics! {
    "CUSTOMER" Full
    "INVENTORY" Thin
    "LEVEL_ABSENT" Full
    "PRODUCT" Full
    "TICKET" Both
    "TICKET_BY_STATUS" Both
    "TICKET_STATUS" Thin
};

/// The topic of read-backs that find no level; Treez has no such webhook.
const LEVEL_ABSENT: &str = "LEVEL_ABSENT";

/// Calls per second and at once. Treez grants 10 per second to a location, shared with other clients; this is the rate
/// of a client in long use (README, limits).
const RATE: (f64, u32) = (2.5, 5);

impl Platform for Treez {
    fn name(&self) -> &'static str {
        "treez"
    }

    fn topics(&self) -> &'static [Topic] {
        TOPICS
    }

    fn read_topics(&self) -> &'static [&'static str] {
        &[LEVEL_ABSENT]
    }

    fn signature_headers(&self) -> &'static [&'static str] {
        &[verify::TOKEN_HEADER]
    }

    fn verify(&self, signed: &Signed<'_>, secrets: &Secrets<'_>) -> Result<(), Unverified> {
        verify::verify(signed, secrets)
    }

    fn split(&self, signed: &Signed<'_>) -> Option<Delivered> {
        split::split(signed.body)
    }

    fn map(&self, delivery: &Delivery, body: &Value, context: &MapContext) -> Result<Rows, Reject> {
        map::map(delivery, body, *context)
    }

    fn fetch(&self, wanted: &Fetch<'_>, context: &CallContext<'_>) -> Result<Option<HttpRequest>, Reject> {
        fetch::request(wanted, context)
    }

    fn fetched(&self, wanted: &Fetch<'_>, context: &CallContext<'_>, reply: &HttpReply<'_>) -> Fetched {
        fetch::fetched(wanted, context, reply)
    }

    fn write_limits(&self, _kind: MirrorKind) -> Option<WriteLimits> {
        None
    }

    fn call(&self, call: &Call, _context: &CallContext<'_>, _read: Option<&HttpReply<'_>>) -> Step {
        Step::End(call::refused(call))
    }

    fn outcome(&self, _call: &Call, reply: &HttpReply<'_>) -> CallOutcome {
        call::meaning(reply)
    }

    fn rate(&self) -> (f64, u32) {
        RATE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_to_treez() {
        for kind in [MirrorKind::Inventory, MirrorKind::Price, MirrorKind::Product] {
            assert_eq!(PLATFORM.write_limits(kind), None);
        }
    }

    #[test]
    fn a_ticket_by_status_is_validated_against_the_schema_of_a_ticket() {
        let schema = |name: &str| -> Value {
            let topic = TOPICS.iter().find(|topic| topic.name == name).unwrap();
            let mut schema: Value = serde_json::from_str(topic.schema).unwrap();
            for distinguished in ["/$id", "/title", "/description", "/properties/event_type"] {
                if let Some(value) = schema.pointer_mut(distinguished) {
                    *value = Value::Null;
                }
            }
            schema
        };
        assert_eq!(schema("TICKET_BY_STATUS"), schema("TICKET"));
    }
}
