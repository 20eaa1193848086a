//! Shopify: the Admin API over GraphQL, and signed webhooks.

mod api;
mod bulk;
mod discounts;
mod filter;
mod graphql;
mod mutate;
mod project;
mod samples;
mod sign;
mod tree;
mod webhook;

use crate::backend::{Backend, Disturbance, Sending, Simulation};
use crate::exchange::{Incoming, Outgoing, Reply};
use crate::ids::Ids;
use crate::ledger::{Change, Instant};
use crate::platform::{
    Headers, SampleLevel, SampleProduct, SampleWebhook, Samples, SimulatedPlatform, Unsigned,
};
use crate::rules::LedgerRules;
use crate::shop::{Shop, Unfit};
use crate::standing::Refusal;
use crate::state::State;
use api::Api;
use serde_json::{Map, json};
use std::time::Duration;

/// Refill rate of the budget on the standard plan, in points per second; Plus has 1,000.
const POINTS_PER_SECOND: f64 = 100.0;

/// The platform.
#[derive(Debug)]
pub(crate) struct Shopify;

pub(crate) static PLATFORM: Shopify = Shopify;

impl SimulatedPlatform for Shopify {
    fn name(&self) -> &'static str {
        "shopify"
    }

    fn sign(&self, webhook: &Unsigned<'_>) -> Headers {
        sign::headers(webhook)
    }

    fn signature_header(&self) -> &'static str {
        sign::SIGNATURE
    }

    fn samples(&self) -> &'static Samples {
        &samples::SAMPLES
    }

    fn level_webhook(&self, level: &SampleLevel<'_>) -> Option<SampleWebhook> {
        Some(samples::level(level))
    }

    fn product_webhook(&self, product: &SampleProduct<'_>) -> Option<SampleWebhook> {
        Some(samples::product(product))
    }
}

impl Simulation for Shopify {
    fn check(&self, shop: &Shop) -> Result<(), Unfit> {
        let numeric = |id: &String| id.parse::<u64>().is_ok();
        if shop.locations.iter().all(numeric) { Ok(()) } else { Err(Unfit::LocationNotNumeric) }
    }

    fn ledger_rules(&self) -> LedgerRules {
        let number = |ids: &mut Ids| ids.number().to_string();
        LedgerRules {
            object_id: number,
            customer_id: number,
            variant_ids: |_, _, ids| (ids.number().to_string(), ids.number().to_string()),
            variants_max: usize::MAX,
            counts_pieces: true,
            cancels_orders: true,
            refunds_orders: true,
            title: |title| title.trim().to_owned(),
            description: |description| description.trim().to_owned(),
            product_fields: Map::new,
        }
    }

    fn sending(&self) -> Sending {
        Sending { retries_max: 8, timeout: Duration::from_secs(5) }
    }

    fn open(&self, points_per_second: Option<f64>, now: Instant) -> Box<dyn Backend> {
        Box::new(Api::new(points_per_second.unwrap_or(POINTS_PER_SECOND), now))
    }
}

impl Backend for Api {
    fn respond(&mut self, state: &mut State, call: &Incoming, now: Instant) -> Reply {
        api::respond(self, state, call, now)
    }

    fn throttled(&self) -> Reply {
        self.throttled_reply()
    }

    fn refused(&self, Refusal { status, message }: Refusal) -> Reply {
        Reply::of(status, json!({"errors": message}))
    }

    fn announce(&mut self, state: &mut State, changes: &[Change], url: &str, now: Instant) -> Vec<Outgoing> {
        webhook::announce(state, changes, url, now)
    }

    fn disturb(&mut self, disturbance: Disturbance) {
        match disturbance {
            Disturbance::RivalRestocks(restocks) => self.rival_restocks = restocks,
            Disturbance::BulkOperations(trouble) => self.bulk.trouble = trouble,
            Disturbance::ClockAhead(_) | Disturbance::TokensRevoked => {}
        }
    }
}
