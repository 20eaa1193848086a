//! Samples: a demonstration's location, and webhooks without a shop behind them.

use crate::platform::Samples;

macro_rules! example {
    ($file:literal) => {
        include_str!(concat!("../../../platforms/src/clover/examples/", $file))
    };
}

pub(super) static SAMPLES: Samples = Samples {
    location: "the-merchant",
    webhooks: &[
        ("I", example!("I.updated.json")),
        ("O", example!("O.created.json")),
        ("C", example!("C.created.json")),
    ],
    webhook_locations: &[],
    account_field: Some("merchants"),
};
