//! Samples: a demonstration's location, and webhooks without a shop behind them.

use crate::platform::Samples;

macro_rules! example {
    ($file:literal) => {
        include_str!(concat!("../../../platforms/src/square/examples/", $file))
    };
}

pub(super) static SAMPLES: Samples = Samples {
    location: "LMAINSTREET01",
    webhooks: &[
        ("inventory.count.updated", example!("inventory_count_updated.in_stock.json")),
        ("catalog.version.updated", example!("catalog_version_updated.sample.json")),
        ("customer.updated", example!("customer_updated.sample.json")),
    ],
    webhook_locations: &["YYQR03DGCTXA4", "59TNP9SA8VGDA"],
    account_field: Some("merchant_id"),
};
