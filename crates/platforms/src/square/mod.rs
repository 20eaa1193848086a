//! Square (Connect v2): webhooks signed with the URL, thin catalog and order notifications, stock as adjustments.
//!
//! The README beside this file holds the dated facts, the quirks and what isn't verified.

mod call;
mod fetch;
mod http;
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
pub(crate) static PLATFORM: Square = Square;

/// Square, Connect v2.
pub(crate) struct Square;

macro_rules! topics {
    ($($name:literal $kind:ident $file:literal)*) => {
        &[$(Topic {
            name: $name,
            kind: TopicKind::$kind,
            schema: include_str!(concat!("../../../../schemas/square/", $file, ".schema.json")),
        }),*]
    };
}

static TOPICS: &[Topic] = topics! {
    "catalog.object" Full "catalog_object"
    "catalog.version.updated" Thin "catalog_version_updated"
    "customer.created" Full "customer_created"
    "customer.deleted" Full "customer_deleted"
    "customer.updated" Full "customer_updated"
    "inventory.count" Full "inventory_count"
    "inventory.count.absent" Full "inventory_count_absent"
    "inventory.count.updated" Full "inventory_count_updated"
    "oauth.authorization.revoked" Full "oauth_authorization_revoked"
    "order.created" Thin "order_created"
    "order.object" Full "order_object"
    "order.updated" Thin "order_updated"
};

/// The topic of read-backs that find no count; Square has no such webhook.
const COUNT_ABSENT: &str = "inventory.count.absent";

/// Calls per second and at once. Square publishes no numbers: this is a cautious choice of ours (README, limits).
const RATE: (f64, u32) = (10.0, 10);

impl Platform for Square {
    fn name(&self) -> &'static str {
        "square"
    }

    fn topics(&self) -> &'static [Topic] {
        TOPICS
    }

    fn read_topics(&self) -> &'static [&'static str] {
        &["catalog.object", "inventory.count", COUNT_ABSENT, "order.object"]
    }

    fn signature_headers(&self) -> &'static [&'static str] {
        &[verify::SIGNATURE_HEADER]
    }

    fn verify(&self, signed: &Signed<'_>, secrets: &Secrets<'_>) -> Result<(), Unverified> {
        verify::verify(signed, secrets)
    }

    fn split(&self, signed: &Signed<'_>) -> Option<Delivered> {
        split::split(signed.body)
    }

    // An application's subscription sends the events of all its sellers to one URL.
    fn accounts<'a>(&self, _delivery: &'a Delivery, body: &'a Value) -> Vec<&'a str> {
        body.get("merchant_id").and_then(Value::as_str).filter(|id| !id.is_empty()).into_iter().collect()
    }

    fn map(&self, delivery: &Delivery, body: &Value, context: &MapContext) -> Result<Rows, Reject> {
        map::map(&delivery.topic, body, *context)
    }

    fn fetch(&self, wanted: &Fetch<'_>, context: &CallContext<'_>) -> Result<Option<HttpRequest>, Reject> {
        fetch::request(wanted, context)
    }

    fn fetched(&self, wanted: &Fetch<'_>, context: &CallContext<'_>, reply: &HttpReply<'_>) -> Fetched {
        fetch::fetched(wanted, context, reply)
    }

    fn write_limits(&self, kind: MirrorKind) -> Option<WriteLimits> {
        Some(call::limits(kind))
    }

    fn call(&self, call: &Call, context: &CallContext<'_>, read: Option<&HttpReply<'_>>) -> Step {
        call::step(call, context, read).unwrap_or_else(Step::End)
    }

    fn outcome(&self, call: &Call, reply: &HttpReply<'_>) -> CallOutcome {
        call::outcome(call, reply)
    }

    fn is_bare(&self, topic: &str) -> bool {
        topic == "catalog.version.updated"
    }

    fn rate(&self) -> (f64, u32) {
        RATE
    }
}
