//! WooCommerce (REST API `wc/v3` of a shop's own WordPress): receives signed webhooks that carry whole objects, writes
//! over the same API.
//!
//! `README.md` in this folder holds the facts, their dates and sources, and what is not verified.

mod api;
mod collections;
mod entities;
mod item;
mod kind;
mod map;
mod reader;
mod webhooks;
mod writer;

use crate::{
    Collections, MapContext, Platform, Rate, Reader, Rows, Spec, Topic, TopicKind, Webhooks, Writer,
};
use model::Delivery;
use serde_json::Value;
use stage::Reject;
use webhooks::SOURCE;

/// The registry's value.
pub(crate) static PLATFORM: WooCommerce = WooCommerce;

/// WooCommerce, REST API `wc/v3`.
pub(crate) struct WooCommerce;

/// The topic of products that Tillflow reads back; WooCommerce has no such webhook.
const PRODUCT_READ: &str = "product.read";

/// The topic of single variations that Tillflow reads; WooCommerce has no such webhook.
const VARIATION_READ: &str = "variation.read";

/// The topic of pages of a product's variations that Tillflow reads; WooCommerce has no such webhook.
const VARIATIONS_READ: &str = "variations.read";

/// The topic of levels that Tillflow lists; WooCommerce has no such webhook.
const LEVEL_READ: &str = "level.read";

/// The topic of levels that Tillflow asked for and didn't find; WooCommerce has no such webhook.
const LEVEL_ABSENT: &str = "level.absent";

/// The topic of products that Tillflow asked for and didn't find; WooCommerce has no such webhook.
const PRODUCT_ABSENT: &str = "product.absent";

macro_rules! topics {
    ($($name:literal $kind:ident $file:literal)*) => {
        &[$(Topic {
            name: $name,
            kind: TopicKind::$kind,
            schema: include_str!(concat!("../../../../schemas/woocommerce/", $file, ".schema.json")),
        }),*]
    };
}

static TOPICS: &[Topic] = topics! {
    "product.created" Both "product_created"
    "product.updated" Both "product_updated"
    "product.restored" Both "product_restored"
    "product.deleted" Full "product_deleted"
    "product.read" Read "product_read"
    "product.absent" Read "product_absent"
    "variation.read" Read "variation_read"
    "variations.read" Read "variations_read"
    "level.read" Read "level_read"
    "level.absent" Read "level_absent"
    "order.created" Full "order_created"
    "order.updated" Full "order_updated"
    "order.restored" Full "order_restored"
    "order.deleted" Full "order_deleted"
    "customer.created" Full "customer_created"
    "customer.updated" Full "customer_updated"
    "customer.deleted" Full "customer_deleted"
};

static SPEC: Spec = Spec {
    name: "woocommerce",
    topics: TOPICS,
    // README, limits.
    body_bytes_max: 4 * 1024 * 1024,
    // WooCommerce has no limit of its own; the shop's own web server does the work (README, limits).
    rate: Rate { per_second: 4.0, burst: 8 },
};

impl Platform for WooCommerce {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    // The header isn't signed, so it proves nothing; it shows that a webhook was entered at the wrong connection.
    fn accounts<'a>(&self, delivery: &'a Delivery, _body: &'a Value) -> Vec<&'a str> {
        delivery.header(SOURCE).filter(|source| !source.is_empty()).into_iter().collect()
    }

    /// An account is a site's address, with or without its scheme and its last slash.
    fn is_account(&self, named: &str, account: &str) -> bool {
        let site = |address: &str| {
            let behind_scheme = address.split_once("://").map_or(address, |(_, behind)| behind);
            behind_scheme.trim_end_matches('/').to_ascii_lowercase()
        };
        site(named) == site(account)
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
