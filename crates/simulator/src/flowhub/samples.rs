//! A demonstration's location. There are no webhooks to show.

use crate::platform::Samples;

pub(super) static SAMPLES: Samples = Samples {
    location: "5e746577-ee54-4796-9ee0-d28f45c48deb",
    webhooks: &[],
    webhook_locations: &[],
    account_field: None,
};
