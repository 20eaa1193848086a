//! Acme: sends signed webhooks of levels. Read-only.
//!
//! The README beside this file holds the dated facts, the quirks and what isn't verified.

mod map;
mod webhooks;

use crate::{BODY_BYTES_DEFAULT, MapContext, Platform, Rate, Rows, Spec, Topic, TopicKind, Webhooks};
use model::Delivery;
use serde_json::Value;
use stage::Reject;

/// The registry's value.
pub(crate) static PLATFORM: Acme = Acme;

/// Acme.
pub(crate) struct Acme;

static TOPICS: &[Topic] = &[Topic {
    name: "level.changed",
    kind: TopicKind::Full,
    schema: include_str!("../../../../schemas/acme/level_changed.schema.json"),
}];

static SPEC: Spec = Spec {
    name: "acme",
    topics: TOPICS,
    body_bytes_max: BODY_BYTES_DEFAULT,
    // A cautious choice of ours (README, limits).
    rate: Rate { per_second: 1.0, burst: 1 },
};

impl Platform for Acme {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn map(&self, _delivery: &Delivery, body: &Value, _context: &MapContext) -> Result<Rows, Reject> {
        map::map(body)
    }

    fn webhooks(&self) -> Option<&dyn Webhooks> {
        Some(self)
    }
}
