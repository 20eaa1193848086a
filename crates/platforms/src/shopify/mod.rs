//! Shopify (Admin API 2026-07): receives signed webhooks that carry whole objects, writes through GraphQL.
//!
//! `README.md` in this folder holds the facts, their dates and sources, and what is not verified.

mod collections;
mod graphql;
mod map;
mod reader;
mod webhooks;
mod writer;

use crate::{
    Collections, MapContext, Platform, Rate, Reader, Rows, Spec, Topic, TopicKind, Webhooks, Writer, field,
};
use model::Delivery;
use serde_json::Value;
use stage::Reject;
use webhooks::SHOP_DOMAIN;

/// The registry's value.
pub(crate) static PLATFORM: Shopify = Shopify;

/// Shopify, Admin API.
pub(crate) struct Shopify;

/// The topic of levels that Tillflow reads itself; Shopify has no such webhook.
const LEVEL_READ: &str = "inventory_level/read";

/// The topic of texts and prices that Tillflow reads itself; Shopify has no such webhook.
const PRODUCT_READ: &str = "product/read";

/// The topic of discounts that Tillflow lists itself. Shopify has webhooks of discounts, whose payload isn't documented
/// (README).
const DISCOUNT_READ: &str = "discount/read";

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

static TOPICS: &[Topic] = &[
    topic!("products/create", Full, "products_create"),
    topic!("products/update", Full, "products_update"),
    topic!("products/delete", Full, "products_delete"),
    topic!("product/read", Read, "product_read"),
    topic!("inventory_levels/connect", Full, "inventory_levels_connect"),
    topic!("inventory_levels/update", Full, "inventory_levels_update"),
    topic!("inventory_levels/disconnect", Full, "inventory_levels_disconnect"),
    topic!("inventory_level/read", Read, "inventory_level_read"),
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
    topic!("discount/read", Read, "discount_read"),
];

static SPEC: Spec = Spec {
    name: "shopify",
    topics: TOPICS,
    // README, limits.
    body_bytes_max: 4 * 1024 * 1024,
    // The smallest plan restores 100 points a second and a mutation costs 10 (README, limits). The bucket is larger, but
    // other parts of the merchant's app may use it too.
    rate: Rate { per_second: 10.0, burst: 10 },
};

impl Platform for Shopify {
    fn spec(&self) -> &'static Spec {
        &SPEC
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
