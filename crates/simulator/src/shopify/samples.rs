//! Samples: a demonstration's location, and webhooks without a shop behind them.

use crate::platform::{SampleLevel, SampleProduct, SampleVariant, SampleWebhook, Samples};
use chrono::{DateTime, SecondsFormat, Utc};

macro_rules! example {
    ($file:literal) => {
        include_str!(concat!("../../../platforms/src/shopify/examples/", $file))
    };
}

pub(super) static SAMPLES: Samples = Samples {
    location: "655441491",
    webhooks: &[
        ("inventory_levels/update", example!("inventory_levels_update.counted.json")),
        ("products/update", example!("products_update.whole.json")),
        ("products/create", example!("products_create.sample.json")),
        ("products/delete", example!("products_delete.id_only.json")),
        ("orders/create", example!("orders_create.web.json")),
        ("customers/update", example!("customers_update.with_tags.json")),
    ],
    webhook_locations: &["53716844710", "655441491", "24826418"],
    account_field: None,
};

/// Makes the webhook of a level. Written as text, because the benchmark makes it very often.
pub(super) fn level(level: &SampleLevel<'_>) -> SampleWebhook {
    let SampleLevel { item, location, available, updated_at } = *level;
    let at = time(updated_at);
    let body = format!(
        r#"{{"inventory_item_id":{item},"location_id":{location},"available":{available},"updated_at":"{at}","admin_graphql_api_id":"gid://shopify/InventoryLevel/{location}?inventory_item_id={item}"}}"#
    );
    SampleWebhook { topic: "inventory_levels/update", body }
}

/// Makes the webhook of a product.
pub(super) fn product(product: &SampleProduct<'_>) -> SampleWebhook {
    let SampleProduct { id, title, variants, updated_at, is_new } = *product;
    let at = time(updated_at);
    let variants: Vec<serde_json::Value> =
        variants.iter().enumerate().map(|(index, held)| variant(id, index + 1, held, &at)).collect();
    let body = serde_json::json!({
        "id": id, "title": title, "body_html": "As sold in the shop.", "vendor": "Tests",
        "product_type": "Shirts", "status": "active", "tags": "", "created_at": at, "updated_at": at,
        "variants": variants,
    });
    let topic = if is_new { "products/create" } else { "products/update" };
    SampleWebhook { topic, body: body.to_string() }
}

fn variant(product: u64, position: usize, variant: &SampleVariant, at: &str) -> serde_json::Value {
    serde_json::json!({
        "id": variant.id, "product_id": product, "title": variant.title, "price": variant.price,
        "sku": variant.sku, "inventory_item_id": variant.item, "position": position, "created_at": at,
        "updated_at": at,
    })
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
