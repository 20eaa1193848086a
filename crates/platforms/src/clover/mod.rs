//! Clover (REST v3): thin webhooks of one URL for all merchants, with a static code; levels and prices as absolute values.
//!
//! The README beside this file holds the dated facts, the quirks and what isn't verified.

mod collections;
mod http;
mod map;
mod reader;
mod webhooks;
mod writer;

use crate::{
    BODY_BYTES_DEFAULT, Collections, MapContext, Platform, Rate, Reader, Rows, Spec, Topic, TopicKind,
    Webhooks, Writer,
};
use model::Delivery;
use serde_json::Value;
use stage::Reject;

/// The registry's value.
pub(crate) static PLATFORM: Clover = Clover;

/// Clover, REST v3.
pub(crate) struct Clover;

/// The field of an order that we read with all its lines, rather than with the first ones.
const LINES_COMPLETE: &str = "lines_complete";

macro_rules! topics {
    ($($name:literal $kind:ident)*) => {
        &[$(Topic {
            name: $name,
            kind: TopicKind::$kind,
            schema: include_str!(concat!("../../../../schemas/clover/", $name, ".schema.json")),
        }),*]
    };
}

/// The names of webhooks are the keys before an object's id; the others are our own names of what is fetched.
static TOPICS: &[Topic] = topics! {
    "C" Thin
    "E" Thin
    "I" Thin
    "IA" Thin
    "IS" Thin
    "O" Thin
    "customer" Read
    "employee" Read
    "item" Read
    "item_stock" Read
    "order" Read
};

static SPEC: Spec = Spec {
    name: "clover",
    topics: TOPICS,
    body_bytes_max: BODY_BYTES_DEFAULT,
    // Clover grants a token 16 calls in any second and 5 at once (README, limits): 5 at once, and 11 in the second after.
    rate: Rate { per_second: 11.0, burst: 5 },
};

impl Platform for Clover {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    // An app has one URL, which gets the notifications of all merchants that installed it.
    fn accounts<'a>(&self, _delivery: &'a Delivery, body: &'a Value) -> Vec<&'a str> {
        let merchants = body.get("merchants").and_then(Value::as_object);
        merchants.into_iter().flat_map(|merchants| merchants.keys()).map(String::as_str).collect()
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

    fn writer(&self) -> Option<&dyn Writer> {
        Some(self)
    }
}
