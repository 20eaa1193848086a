//! Square (Connect v2): webhooks signed with the URL, thin catalog and order notifications, stock as adjustments.
//!
//! The README beside this file holds the dated facts, the quirks and what isn't verified.

mod collections;
mod http;
mod images;
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
    "catalog.object" Read "catalog_object"
    "catalog.version.updated" Thin "catalog_version_updated"
    "customer.created" Full "customer_created"
    "customer.deleted" Full "customer_deleted"
    "customer.updated" Full "customer_updated"
    "inventory.count" Read "inventory_count"
    "inventory.count.absent" Read "inventory_count_absent"
    "inventory.count.updated" Full "inventory_count_updated"
    "oauth.authorization.revoked" Full "oauth_authorization_revoked"
    "order.created" Thin "order_created"
    "order.object" Read "order_object"
    "order.updated" Thin "order_updated"
    "pricing_rule.object" Read "pricing_rule_object"
    "team_member.created" Full "team_member_created"
    "team_member.updated" Full "team_member_updated"
};

/// The topic of pricing rules, each with the objects that it refers to; Square has no such webhook.
const PRICING_RULE: &str = "pricing_rule.object";

/// The topic of read-backs that find no count; Square has no such webhook.
const COUNT_ABSENT: &str = "inventory.count.absent";

static SPEC: Spec = Spec {
    name: "square",
    topics: TOPICS,
    body_bytes_max: BODY_BYTES_DEFAULT,
    // Square publishes no numbers: this is a cautious choice of ours (README, limits).
    rate: Rate { per_second: 10.0, burst: 10 },
};

impl Platform for Square {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    // An application's subscription sends the events of all its sellers to one URL.
    fn accounts<'a>(&self, _delivery: &'a Delivery, body: &'a Value) -> Vec<&'a str> {
        body.get("merchant_id").and_then(Value::as_str).filter(|id| !id.is_empty()).into_iter().collect()
    }

    fn map(&self, delivery: &Delivery, body: &Value, context: &MapContext) -> Result<Rows, Reject> {
        map::map(delivery.kind.topic(), body, *context)
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
