//! Treez (API v2): webhooks with a static bearer token, most with whole objects, and lists; read-only.
//!
//! The README beside this file holds the dated facts, the quirks and what isn't verified.

mod api;
mod collections;
mod map;
mod reader;
mod tokens;
mod webhooks;

use crate::{
    BODY_BYTES_DEFAULT, Collections, MapContext, Platform, Rate, Reader, Rows, Spec, Tokens, Topic,
    TopicKind, Webhooks,
};
use model::Delivery;
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
    "LEVEL_ABSENT" Read
    "PRODUCT" Full
    "PRODUCT_STOCK" Read
    "TICKET" Both
    "TICKET_BY_STATUS" Both
    "TICKET_STATUS" Thin
};

/// The topic of read-backs that find no level; Treez has no such webhook.
const LEVEL_ABSENT: &str = "LEVEL_ABSENT";

/// The topic of products that are listed for their levels alone; Treez has no such webhook.
const PRODUCT_STOCK: &str = "PRODUCT_STOCK";

static SPEC: Spec = Spec {
    name: "treez",
    topics: TOPICS,
    body_bytes_max: BODY_BYTES_DEFAULT,
    // Treez grants 10 per second to a location, shared with other clients; this is the rate of a client in long use
    // (README, limits).
    rate: Rate { per_second: 2.5, burst: 5 },
};

// There is no writer. The v2 API can't write stock; v3 adjusts batches by whole numbers, without a key that would make a
// retry safe, so that a retry after a lost response could count twice; product writes are closed where the catalog is
// Treez' own.
impl Platform for Treez {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn map(&self, delivery: &Delivery, body: &Value, context: &MapContext) -> Result<Rows, Reject> {
        map::map(delivery, body, *context)
    }

    fn webhooks(&self) -> Option<&dyn Webhooks> {
        Some(self)
    }

    fn reader(&self) -> Option<&dyn Reader> {
        Some(self)
    }

    fn collections(&self) -> Option<&dyn Collections> {
        Some(self)
    }

    fn tokens(&self) -> Option<&dyn Tokens> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
