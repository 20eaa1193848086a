//! Leaflogix: the API of Dutchie's till, for one location; it sends no webhooks.

mod api;
mod samples;
mod show;

use crate::backend::{Backend, Simulation};
use crate::exchange::{Incoming, Reply};
use crate::ids::Ids;
use crate::ledger::Instant;
use crate::platform::{Samples, SimulatedPlatform};
use crate::rules::LedgerRules;
use crate::standing::Refusal;
use crate::state::State;
use serde_json::{Map, json};

/// The largest id: those of the platform have 32 bits.
const ID_MAX: u64 = 2_000_000_000;

/// The platform.
#[derive(Debug)]
pub(crate) struct Leaflogix;

pub(crate) static PLATFORM: Leaflogix = Leaflogix;

impl SimulatedPlatform for Leaflogix {
    fn name(&self) -> &'static str {
        "leaflogix"
    }

    fn samples(&self) -> &'static Samples {
        &samples::SAMPLES
    }
}

impl Simulation for Leaflogix {
    fn ledger_rules(&self) -> LedgerRules {
        let number = |ids: &mut Ids| (ids.number() % ID_MAX + 1).to_string();
        LedgerRules {
            object_id: number,
            customer_id: number,
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

/// The API of one location; it has no state of its own.
#[derive(Debug)]
struct Api;

impl Backend for Api {
    fn respond(&mut self, state: &mut State, call: &Incoming, _now: Instant) -> Reply {
        api::respond(state, call)
    }

    fn throttled(&self) -> Reply {
        let mut reply = Reply::of(429, json!({"message": "API calls quota exceeded!"}));
        reply.headers.push(("retry-after", "1".to_owned()));
        reply
    }

    fn refused(&self, Refusal { status, message }: Refusal) -> Reply {
        Reply::of(status, json!({ "message": message }))
    }
}
