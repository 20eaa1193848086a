//! Samples: a demonstration's location, and webhooks without a shop behind them.

use crate::platform::{SampleLevel, SampleProduct, SampleVariant, SampleWebhook, Samples};
use chrono::{DateTime, Utc};
use serde_json::json;

macro_rules! example {
    ($file:literal) => {
        include_str!(concat!("../../../platforms/src/woocommerce/examples/", $file))
    };
}

pub(super) static SAMPLES: Samples = Samples {
    // WooCommerce has no locations and names none: the simulator's shop has one place.
    location: "shop",
    webhooks: &[
        ("product.updated", example!("product_updated.counted_and_reduced.json")),
        ("product.created", example!("product_created.simple.json")),
        ("product.deleted", example!("product_deleted.sample.json")),
        ("order.created", example!("order_created.guest.json")),
        ("customer.created", example!("customer_created.sample.json")),
    ],
    webhook_locations: &[],
    account_field: None,
};

/// Makes the webhook of a level: that of a product of which little else is shown. WooCommerce names no location.
pub(super) fn level(level: &SampleLevel<'_>) -> SampleWebhook {
    let SampleLevel { item, available, updated_at, .. } = *level;
    let body = json!({
        "id": item, "type": "simple", "status": "publish", "parent_id": 0, "manage_stock": true,
        "stock_quantity": available, "date_modified_gmt": time(updated_at),
    });
    SampleWebhook { topic: "product.updated", body: body.to_string() }
}

/// Makes the webhook of a product with one variant; one with several is reported in parts.
pub(super) fn product(product: &SampleProduct<'_>) -> Option<SampleWebhook> {
    let SampleProduct { id, title, variants, updated_at, is_new } = *product;
    let [SampleVariant { id: variant, sku, price, .. }] = variants else { return None };
    let body = json!({
        "id": id, "name": title, "type": "simple", "status": "publish", "parent_id": 0, "sku": sku, "price": price,
        "regular_price": price, "sale_price": "", "on_sale": false, "manage_stock": false, "stock_quantity": null,
        "description": "", "categories": [], "tags": [], "variations": [], "date_modified_gmt": time(updated_at),
    });
    let topic = if is_new { "product.created" } else { "product.updated" };
    (*variant == id).then(|| SampleWebhook { topic, body: body.to_string() })
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S").to_string()
}
