//! Treez: the dispensary API v2.0, and webhooks with a bearer token.

mod api;
mod samples;
mod sign;
mod webhook;

use crate::backend::{Backend, Disturbance, Sending, Simulation};
use crate::exchange::{Incoming, Outgoing, Reply};
use crate::ids::Ids;
use crate::ledger::{Change, Instant};
use crate::platform::{Headers, Samples, SimulatedPlatform, Unsigned};
use crate::rules::LedgerRules;
use crate::shop::Shop;
use crate::standing::Refusal;
use crate::state::State;
use api::Api;
use serde_json::{Map, json};
use std::time::Duration;

/// The client id in credentials of demonstrations and tests; any text is one.
const CLIENT: &str = "client";

/// The platform.
#[derive(Debug)]
pub(crate) struct Treez;

pub(crate) static PLATFORM: Treez = Treez;

impl SimulatedPlatform for Treez {
    fn name(&self) -> &'static str {
        "treez"
    }

    fn sign(&self, webhook: &Unsigned<'_>) -> Headers {
        sign::headers(webhook)
    }

    fn signature_header(&self) -> &'static str {
        sign::SIGNATURE
    }

    fn client_token(&self, shop: &Shop) -> String {
        format!("{CLIENT}:{}", shop.token)
    }

    fn samples(&self) -> &'static Samples {
        &samples::SAMPLES
    }
}

impl Simulation for Treez {
    fn ledger_rules(&self) -> LedgerRules {
        LedgerRules {
            object_id: Ids::uuid,
            customer_id: |ids| (ids.number() % 1_000_000).to_string(),
            variant_ids: |product, _, _| (product.to_owned(), product.to_owned()),
            variants_max: 1,
            counts_pieces: false,
            cancels_orders: true,
            refunds_orders: false,
            title: str::to_owned,
            description: str::to_owned,
            product_fields: Map::new,
        }
    }

    fn sending(&self) -> Sending {
        // No retries are documented.
        Sending { retries_max: 0, timeout: Duration::from_secs(5) }
    }

    fn open(&self, _points_per_second: Option<f64>, _now: Instant) -> Box<dyn Backend> {
        Box::new(Api::default())
    }
}

impl Backend for Api {
    fn respond(&mut self, state: &mut State, call: &Incoming, now: Instant) -> Reply {
        api::respond(self, state, call, now)
    }

    fn throttled(&self) -> Reply {
        api::failed(429, "RATE_LIMIT_EXCEEDED")
    }

    fn refused(&self, Refusal { status, message }: Refusal) -> Reply {
        Reply::of(status, json!({"resultCode": "FAIL", "resultReason": message}))
    }

    fn announce(&mut self, state: &mut State, changes: &[Change], url: &str, _now: Instant) -> Vec<Outgoing> {
        webhook::announce(state, changes, url)
    }

    fn disturb(&mut self, disturbance: Disturbance) {
        if matches!(disturbance, Disturbance::TokensRevoked) {
            self.revoke_tokens();
        }
    }
}
