//! BLAZE: the partner API v1, which is read; no call changes stock, and no webhooks are made.

mod api;
mod objects;

use crate::backend::{Backend, Simulation};
use crate::exchange::{Incoming, Reply};
use crate::ids::Ids;
use crate::ledger::Instant;
use crate::platform::{Samples, SimulatedPlatform};
use crate::rules::LedgerRules;
use crate::shop::Shop;
use crate::standing::Refusal;
use crate::state::State;
use serde_json::{Map, json};

/// The partner's key in credentials of demonstrations and tests; the shop's token is the developer's key.
const PARTNER_KEY: &str = "partner";

static SAMPLES: Samples =
    Samples { location: "front-of-house", webhooks: &[], webhook_locations: &[], account_field: None };

/// The platform.
#[derive(Debug)]
pub(crate) struct Blaze;

pub(crate) static PLATFORM: Blaze = Blaze;

/// The API of one shop.
#[derive(Debug)]
struct Api;

/// An id as BLAZE's database makes them.
fn object_id(ids: &mut Ids) -> String {
    ids.hex(12)
}

impl SimulatedPlatform for Blaze {
    fn name(&self) -> &'static str {
        "blaze"
    }

    fn client_token(&self, shop: &Shop) -> String {
        format!("{PARTNER_KEY}:{}", shop.token)
    }

    fn samples(&self) -> &'static Samples {
        &SAMPLES
    }
}

impl Simulation for Blaze {
    fn ledger_rules(&self) -> LedgerRules {
        LedgerRules {
            object_id,
            customer_id: object_id,
            variant_ids: |product, _, _| (product.to_owned(), product.to_owned()),
            variants_max: 1,
            counts_pieces: false,
            cancels_orders: true,
            refunds_orders: true,
            title: str::to_owned,
            description: str::to_owned,
            product_fields: Map::new,
        }
    }

    fn open(&self, _points_per_second: Option<f64>, _now: Instant) -> Box<dyn Backend> {
        Box::new(Api)
    }
}

impl Backend for Api {
    fn respond(&mut self, state: &mut State, call: &Incoming, now: Instant) -> Reply {
        api::respond(state, call, now)
    }

    fn throttled(&self) -> Reply {
        let mut reply = api::failed(429, "Too many requests");
        reply.headers = vec![("retry-after", "1".to_owned())];
        reply
    }

    fn refused(&self, Refusal { status, message }: Refusal) -> Reply {
        match status {
            401 => api::invalid_key(),
            // A closed account has no page of the API.
            404 => Reply::of(status, json!(message)),
            _ => api::failed(status, message),
        }
    }
}
