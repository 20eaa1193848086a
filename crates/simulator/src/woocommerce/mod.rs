//! WooCommerce: the REST API `wc/v3` of one shop, and signed webhooks.

mod api;
mod html;
mod list;
mod mutate;
mod oauth;
mod samples;
mod show;
mod sign;
mod webhook;

use crate::backend::{Backend, Sending, Simulation};
use crate::exchange::{Incoming, Outgoing, Reply};
use crate::ids::Ids;
use crate::ledger::{Change, Instant};
use crate::platform::{
    Headers, SampleLevel, SampleProduct, SampleWebhook, Samples, SimulatedPlatform, Unsigned,
};
use crate::rules::LedgerRules;
use crate::shop::Shop;
use crate::standing::Refusal;
use crate::state::State;
use oauth::Nonces;
use serde_json::Map;
use std::time::Duration;

/// The consumer key in credentials of demonstrations and tests; its secret is the shop's token.
const CONSUMER_KEY: &str = "ck_simulated";

/// The platform.
#[derive(Debug)]
pub(crate) struct WooCommerce;

pub(crate) static PLATFORM: WooCommerce = WooCommerce;

impl SimulatedPlatform for WooCommerce {
    fn name(&self) -> &'static str {
        "woocommerce"
    }

    fn sign(&self, webhook: &Unsigned<'_>) -> Headers {
        sign::headers(webhook)
    }

    fn signature_header(&self) -> &'static str {
        sign::SIGNATURE
    }

    fn client_token(&self, shop: &Shop) -> String {
        format!("{CONSUMER_KEY}:{}", shop.token)
    }

    fn shown(&self, description: &str) -> String {
        html::shown(description)
    }

    fn samples(&self) -> &'static Samples {
        &samples::SAMPLES
    }

    fn level_webhook(&self, level: &SampleLevel<'_>) -> Option<SampleWebhook> {
        Some(samples::level(level))
    }

    fn product_webhook(&self, product: &SampleProduct<'_>) -> Option<SampleWebhook> {
        samples::product(product)
    }
}

impl Simulation for WooCommerce {
    fn ledger_rules(&self) -> LedgerRules {
        let number = |ids: &mut Ids| ids.number().to_string();
        LedgerRules {
            object_id: number,
            customer_id: number,
            // A product with one variant is a simple one: it is its own variant.
            variant_ids: |product, count, ids| {
                let id = if count == 1 { product.to_owned() } else { ids.number().to_string() };
                (id.clone(), id)
            },
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
        // A failed delivery is not repeated.
        Sending { retries_max: 0, timeout: Duration::from_mins(1) }
    }

    fn open(&self, _points_per_second: Option<f64>, _now: Instant) -> Box<dyn Backend> {
        Box::new(Api::default())
    }
}

/// The API of one shop.
#[derive(Debug, Default)]
struct Api {
    nonces: Nonces,
}

impl Backend for Api {
    fn respond(&mut self, state: &mut State, call: &Incoming, now: Instant) -> Reply {
        api::respond(&mut self.nonces, state, call, now)
    }

    fn throttled(&self) -> Reply {
        api::failed(429, "too_many_requests", "Too many requests.")
    }

    fn refused(&self, Refusal { status, message }: Refusal) -> Reply {
        let code = if status == 401 { "woocommerce_rest_authentication_error" } else { "rest_no_route" };
        api::failed(status, code, message)
    }

    fn announce(&mut self, state: &mut State, changes: &[Change], url: &str, now: Instant) -> Vec<Outgoing> {
        webhook::announce(state, changes, url, now)
    }

    fn pings(&mut self, _state: &mut State, url: &str) -> Vec<Outgoing> {
        webhook::pings(url)
    }
}
