//! Flowhub: lists that are read on a schedule; no webhooks, read-only.
//!
//! The README beside this file holds the dated facts, the quirks and what isn't verified.

mod api;
mod collections;
mod map;
mod place;

use crate::{BODY_BYTES_DEFAULT, Collections, MapContext, Platform, Rate, Rows, Spec, Topic, TopicKind};
use model::Delivery;
use serde_json::Value;
use stage::Reject;

/// The registry's value.
pub(crate) static PLATFORM: Flowhub = Flowhub;

/// Flowhub, its public API.
pub(crate) struct Flowhub;

macro_rules! topics {
    ($($name:literal)*) => {
        &[$(Topic {
            name: $name,
            kind: TopicKind::Read,
            schema: include_str!(concat!("../../../../schemas/flowhub/", $name, ".schema.json")),
        }),*]
    };
}

static TOPICS: &[Topic] = topics! { "customer" "inventory" "order" "product" };

static SPEC: Spec = Spec {
    name: "flowhub",
    topics: TOPICS,
    body_bytes_max: BODY_BYTES_DEFAULT,
    // No limit is documented, and refused calls carry no headers about it; this is the pace of a client in use, far below
    // the 59 a second at which others were refused (README, limits).
    rate: Rate { per_second: 3.0, burst: 5 },
};

// There is no writer. The public API changes neither products, nor prices, nor stock.
impl Platform for Flowhub {
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
