//! Samples: a demonstration's location, and webhooks without a shop behind them.

use crate::platform::Samples;

macro_rules! example {
    ($file:literal) => {
        include_str!(concat!("../../../platforms/src/treez/examples/", $file))
    };
}

pub(super) static SAMPLES: Samples = Samples {
    location: "front-of-house",
    webhooks: &[
        ("PRODUCT", example!("PRODUCT.located.json")),
        ("TICKET", example!("TICKET.draft.json")),
        ("CUSTOMER", example!("CUSTOMER.new.json")),
    ],
    webhook_locations: &["11111111-0000-4000-8000-000000000001", "11111111-0000-4000-8000-000000000002"],
    account_field: None,
};
