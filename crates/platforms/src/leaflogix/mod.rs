//! Leaflogix, the API of Dutchie's till: lists that are read on a schedule; no webhooks, read-only.
//!
//! The README beside this file holds the dated facts, the quirks and what isn't verified.

mod api;
mod collections;
mod map;

use crate::{BODY_BYTES_DEFAULT, Collections, MapContext, Platform, Rate, Rows, Spec, Topic, TopicKind};
use model::Delivery;
use serde_json::Value;
use stage::Reject;

/// The registry's value.
pub(crate) static PLATFORM: Leaflogix = Leaflogix;

/// Leaflogix, API of Dutchie's till.
pub(crate) struct Leaflogix;

macro_rules! topics {
    ($($name:literal)*) => {
        &[$(Topic {
            name: $name,
            kind: TopicKind::Read,
            schema: include_str!(concat!("../../../../schemas/leaflogix/", $name, ".schema.json")),
        }),*]
    };
}

static TOPICS: &[Topic] = topics! {
    "customer" "discount" "discount_absent" "employee" "employee_absent" "inventory" "product" "transaction"
};

static SPEC: Spec = Spec {
    name: "leaflogix",
    topics: TOPICS,
    body_bytes_max: BODY_BYTES_DEFAULT,
    // The least of the rates that documents name for the lists read here: 60 a minute (README, limits).
    rate: Rate { per_second: 1.0, burst: 5 },
};

// There is no writer. No call sets a quantity; products can be written, and no document describes which of their fields a
// partial write keeps.
impl Platform for Leaflogix {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn map(&self, delivery: &Delivery, body: &Value, context: &MapContext) -> Result<Rows, Reject> {
        map::map(delivery, body, *context)
    }

    fn collections(&self) -> Option<&dyn Collections> {
        Some(self)
    }
}
