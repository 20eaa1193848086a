//! Flowhub: the public API of one client with its locations; it sends no webhooks.

mod api;
mod samples;
mod show;

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

/// The client id in credentials of demonstrations and tests; its key is the shop's token.
const CLIENT: &str = "0d702b0b-d88f-486d-a1fc-81b8497f72c6";

/// The platform.
#[derive(Debug)]
pub(crate) struct Flowhub;

pub(crate) static PLATFORM: Flowhub = Flowhub;

impl SimulatedPlatform for Flowhub {
    fn name(&self) -> &'static str {
        "flowhub"
    }

    fn client_token(&self, shop: &Shop) -> String {
        format!("{CLIENT}:{}", shop.token)
    }

    fn samples(&self) -> &'static Samples {
        &samples::SAMPLES
    }
}

impl Simulation for Flowhub {
    fn ledger_rules(&self) -> LedgerRules {
        LedgerRules {
            object_id: Ids::uuid,
            customer_id: Ids::uuid,
            variant_ids: |_, _, ids| {
                let id = ids.uuid();
                (id.clone(), id)
            },
            variants_max: usize::MAX,
            counts_pieces: false,
            cancels_orders: true,
            // How a refund is shown isn't documented.
            refunds_orders: false,
            title: str::to_owned,
            description: str::to_owned,
            product_fields: Map::new,
        }
    }

    fn open(&self, _points_per_second: Option<f64>, _now: Instant) -> Box<dyn Backend> {
        Box::new(Api)
    }
}

/// The API of one client; it has no state of its own.
#[derive(Debug)]
struct Api;

impl Backend for Api {
    fn respond(&mut self, state: &mut State, call: &Incoming, _now: Instant) -> Reply {
        api::respond(state, call)
    }

    fn throttled(&self) -> Reply {
        // Without any header that says when to come again.
        Reply::of(429, json!({"message": "Too Many Requests"}))
    }

    fn refused(&self, Refusal { status, message }: Refusal) -> Reply {
        Reply::of(status, json!({ "message": message }))
    }
}
