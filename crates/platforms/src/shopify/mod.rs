//! Shopify (Admin API 2026-07): receives signed webhooks that carry whole objects, writes through GraphQL.
//!
//! `README.md` in this folder holds the facts, their dates and sources, and what is not verified.

mod call;
mod fetch;
mod graphql;
mod map;
mod split;
mod verify;

use crate::{
    Call, CallContext, CallOutcome, Delivered, Fetch, Fetched, HttpReply, HttpRequest, MapContext, Platform,
    Rows, Secrets, Signed, Step, Topic, TopicKind, Unverified, WriteLimits, field,
};
use model::{Delivery, MirrorKind};
use serde_json::Value;
use stage::Reject;

/// The registry's value.
pub(crate) static PLATFORM: Shopify = Shopify;

/// Shopify, Admin API.
pub(crate) struct Shopify;

/// The topic of levels that Tillflow reads itself; Shopify has no such webhook.
const LEVEL_READ: &str = "inventory_level/read";

/// The topic of texts and prices that Tillflow reads itself; Shopify has no such webhook.
const PRODUCT_READ: &str = "product/read";

/// The topic of deleted products, reported by Shopify or found missing by a read-back.
const PRODUCT_DELETED: &str = "products/delete";

macro_rules! topic {
    ($name:literal, $kind:ident, $file:literal) => {
        Topic {
            name: $name,
            kind: TopicKind::$kind,
            schema: include_str!(concat!("../../../../schemas/shopify/", $file, ".schema.json")),
        }
    };
}

const TOPICS: &[Topic] = &[
    topic!("products/create", Full, "products_create"),
    topic!("products/update", Full, "products_update"),
    topic!("products/delete", Full, "products_delete"),
    topic!("product/read", Full, "product_read"),
    topic!("inventory_levels/connect", Full, "inventory_levels_connect"),
    topic!("inventory_levels/update", Full, "inventory_levels_update"),
    topic!("inventory_levels/disconnect", Full, "inventory_levels_disconnect"),
    topic!("inventory_level/read", Full, "inventory_level_read"),
    topic!("orders/create", Full, "orders_create"),
    topic!("orders/updated", Full, "orders_updated"),
    topic!("orders/paid", Full, "orders_paid"),
    topic!("orders/cancelled", Full, "orders_cancelled"),
    topic!("orders/edited", Thin, "orders_edited"),
    topic!("orders/delete", Full, "orders_delete"),
    topic!("customers/create", Full, "customers_create"),
    topic!("customers/update", Full, "customers_update"),
    topic!("customers/delete", Full, "customers_delete"),
    topic!("customers/data_request", Full, "customers_data_request"),
    topic!("customers/redact", Full, "customers_redact"),
    topic!("shop/redact", Full, "shop_redact"),
    topic!("app/uninstalled", Full, "app_uninstalled"),
];

/// Upper limit of a webhook's body, in bytes (README, limits).
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A header under its present name and under its name in the events product, which drops the `x-`.
struct Names {
    present: &'static str,
    events: &'static str,
}

const SIGNATURE: Names = Names { present: "x-shopify-hmac-sha256", events: "shopify-hmac-sha256" };
const TOPIC: Names = Names { present: "x-shopify-topic", events: "shopify-topic" };
const WEBHOOK_ID: Names = Names { present: "x-shopify-webhook-id", events: "shopify-webhook-id" };
const EVENT_ID: Names = Names { present: "x-shopify-event-id", events: "shopify-event-id" };
const TRIGGERED_AT: Names = Names { present: "x-shopify-triggered-at", events: "shopify-triggered-at" };
const SHOP_DOMAIN: Names = Names { present: "x-shopify-shop-domain", events: "shopify-shop-domain" };

// The event id and the shop are not mapped; Shopify's support asks for them.
const KEPT_HEADERS: &[&str] = &[
    WEBHOOK_ID.present,
    WEBHOOK_ID.events,
    TRIGGERED_AT.present,
    TRIGGERED_AT.events,
    EVENT_ID.present,
    EVENT_ID.events,
    SHOP_DOMAIN.present,
    SHOP_DOMAIN.events,
];

const SIGNATURE_HEADERS: &[&str] = &[SIGNATURE.present, SIGNATURE.events];

const SINGLE_HEADERS: &[&str] = &[
    SIGNATURE.present,
    SIGNATURE.events,
    TOPIC.present,
    TOPIC.events,
    WEBHOOK_ID.present,
    WEBHOOK_ID.events,
    TRIGGERED_AT.present,
    TRIGGERED_AT.events,
    EVENT_ID.present,
    EVENT_ID.events,
    SHOP_DOMAIN.present,
    SHOP_DOMAIN.events,
];

impl Names {
    /// The present value; an empty one counts as missing.
    fn of<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> Option<&'a str> {
        value(self.present).or_else(|| value(self.events)).filter(|value| !value.is_empty())
    }
}

impl Platform for Shopify {
    fn name(&self) -> &'static str {
        "shopify"
    }

    fn topics(&self) -> &'static [Topic] {
        TOPICS
    }

    fn read_topics(&self) -> &'static [&'static str] {
        &[LEVEL_READ, PRODUCT_READ]
    }

    fn signature_headers(&self) -> &'static [&'static str] {
        SIGNATURE_HEADERS
    }

    fn single_headers(&self) -> &'static [&'static str] {
        SINGLE_HEADERS
    }

    fn verify(&self, signed: &Signed<'_>, secrets: &Secrets<'_>) -> Result<(), Unverified> {
        verify::verify(signed, secrets)
    }

    fn split(&self, signed: &Signed<'_>) -> Option<Delivered> {
        split::split(signed)
    }

    fn body_bytes_max(&self) -> usize {
        BODY_BYTES_MAX
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        KEPT_HEADERS
    }

    // The header isn't signed, so it proves nothing. The fields of the body are signed; only notices that concern a
    // whole shop have them.
    fn accounts<'a>(&self, delivery: &'a Delivery, body: &'a Value) -> Vec<&'a str> {
        let signed = ["shop_domain", "myshopify_domain"].map(|key| body.get(key).and_then(Value::as_str));
        let named = signed.into_iter().flatten().filter(|domain| !domain.is_empty());
        named.chain(SHOP_DOMAIN.of(|name| delivery.header(name))).collect()
    }

    /// An account is a shop's domain, with or without `.myshopify.com`.
    fn is_account(&self, named: &str, account: &str) -> bool {
        let name =
            |domain: &str| domain.strip_suffix(".myshopify.com").unwrap_or(domain).to_ascii_lowercase();
        name(named) == name(account)
    }

    fn map(&self, delivery: &Delivery, body: &Value, context: &MapContext) -> Result<Rows, Reject> {
        map::map(delivery, body, *context)
    }

    fn fetch(&self, wanted: &Fetch<'_>, context: &CallContext<'_>) -> Result<Option<HttpRequest>, Reject> {
        fetch::fetch(wanted, context)
    }

    fn fetched(&self, wanted: &Fetch<'_>, context: &CallContext<'_>, reply: &HttpReply<'_>) -> Fetched {
        fetch::fetched(wanted, context, reply)
    }

    // Versions are `updated_at`, which has whole seconds.
    fn versions_are_unique(&self) -> bool {
        false
    }

    fn write_limits(&self, kind: MirrorKind) -> Option<WriteLimits> {
        Some(call::limits(kind))
    }

    fn call(&self, call: &Call, context: &CallContext<'_>, _read: Option<&HttpReply<'_>>) -> Step {
        call::call(call, context).unwrap_or_else(Step::End)
    }

    fn outcome(&self, call: &Call, reply: &HttpReply<'_>) -> CallOutcome {
        call::outcome(call, reply)
    }

    // The smallest plan restores 100 points a second and a mutation costs 10 (README, limits). The bucket is larger,
    // but other parts of the merchant's app may use it too.
    fn rate(&self) -> (f64, u32) {
        (10.0, 10)
    }
}
