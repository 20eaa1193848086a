//! Clover: REST v3, and thin webhooks with the code of the app.

mod api;
mod list;
mod objects;
mod samples;
mod sign;
mod webhook;

use crate::backend::{Backend, Sending, Simulation};
use crate::exchange::{Incoming, Outgoing, Reply};
use crate::ids::Ids;
use crate::ledger::{Change, Instant};
use crate::platform::{Headers, Samples, SimulatedPlatform, Unsigned};
use crate::rules::LedgerRules;
use crate::standing::Refusal;
use crate::state::State;
use serde_json::{Map, json};
use std::time::Duration;

/// Length of an id.
const ID_LENGTH: usize = 13;

/// The platform.
#[derive(Debug)]
pub(crate) struct Clover;

pub(crate) static PLATFORM: Clover = Clover;

/// The API of one merchant; its state is the shop's.
#[derive(Debug)]
struct Api;

fn object_id(ids: &mut Ids) -> String {
    let mut id = ids.opaque();
    id.truncate(ID_LENGTH);
    id
}

impl SimulatedPlatform for Clover {
    fn name(&self) -> &'static str {
        "clover"
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
}

impl Simulation for Clover {
    fn ledger_rules(&self) -> LedgerRules {
        LedgerRules {
            object_id,
            customer_id: object_id,
            variant_ids: |item, _, _| (item.to_owned(), item.to_owned()),
            variants_max: 1,
            counts_pieces: false,
            // A paid order isn't cancelled; its payment is refunded.
            cancels_orders: false,
            refunds_orders: true,
            title: str::to_owned,
            description: str::to_owned,
            product_fields: Map::new,
        }
    }

    fn sending(&self) -> Sending {
        // No retries are documented, and no time limit.
        Sending { retries_max: 0, timeout: Duration::from_secs(5) }
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
        let mut reply = api::failed(429, "429 Too Many Requests");
        reply.headers =
            vec![("x-ratelimit-tokenconcurrentlimit", "5".to_owned()), ("retry-after", "1".to_owned())];
        reply
    }

    fn refused(&self, Refusal { status, message }: Refusal) -> Reply {
        // A closed account has no page of the API.
        Reply::of(status, if status == 404 { json!(message) } else { json!({"message": message}) })
    }

    fn announce(&mut self, state: &mut State, changes: &[Change], url: &str, now: Instant) -> Vec<Outgoing> {
        webhook::announce(state, changes, url, now)
    }

    fn check_url(&mut self, state: &mut State, url: &str) -> Option<Outgoing> {
        Some(webhook::check_url(state, url))
    }
}
