//! Samples: a demonstration's location, and webhooks without a shop behind them.

use crate::platform::Samples;

pub(super) static SAMPLES: Samples = Samples {
    location: "L-1",
    webhooks: &[(
        "level.changed",
        include_str!("../../../platforms/src/acme/examples/level_changed.sample.json"),
    )],
    webhook_locations: &["L-1"],
    account_field: None,
};
