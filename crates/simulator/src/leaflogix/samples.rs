//! A demonstration's location. There are no webhooks to show.

use crate::platform::Samples;

pub(super) static SAMPLES: Samples =
    Samples { location: "front-street", webhooks: &[], webhook_locations: &[], account_field: None };
