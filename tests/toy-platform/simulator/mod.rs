//! Acme: webhooks of levels; its API has no calls.

mod samples;
mod sign;

use crate::backend::{Backend, Sending, Simulation};
use crate::exchange::{Incoming, Outgoing, Reply};
use crate::ids::Ids;
use crate::ledger::{Change, Instant};
use crate::notation;
use crate::platform::{Headers, Samples, SimulatedPlatform, Unsigned};
use crate::rules::LedgerRules;
use crate::standing::Refusal;
use crate::state::State;
use serde_json::{Map, json};
use std::time::Duration;

/// The platform.
#[derive(Debug)]
pub(crate) struct Acme;

pub(crate) static PLATFORM: Acme = Acme;

/// The API of one shop.
#[derive(Debug)]
struct Api;

impl SimulatedPlatform for Acme {
    fn name(&self) -> &'static str {
        "acme"
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

impl Simulation for Acme {
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
            cancels_orders: false,
            refunds_orders: false,
            title: str::to_owned,
            description: str::to_owned,
            product_fields: Map::new,
        }
    }

    fn sending(&self) -> Sending {
        Sending { retries_max: 0, timeout: Duration::from_secs(5) }
    }

    fn open(&self, _points_per_second: Option<f64>, _now: Instant) -> Box<dyn Backend> {
        Box::new(Api)
    }
}

impl Backend for Api {
    fn respond(&mut self, _state: &mut State, _call: &Incoming, _now: Instant) -> Reply {
        Reply::of(404, json!({"error": "there is no such call"}))
    }

    fn throttled(&self) -> Reply {
        Reply::of(429, json!({"error": "too many calls"}))
    }

    fn refused(&self, Refusal { status, message }: Refusal) -> Reply {
        Reply::of(status, json!({"error": message}))
    }

    fn announce(&mut self, state: &mut State, changes: &[Change], url: &str, now: Instant) -> Vec<Outgoing> {
        let levels = changes.iter().filter_map(|change| match change {
            Change::Level(item, location) => Some((item, location)),
            _ => None,
        });
        levels.filter_map(|(item, location)| level(state, item, location, url, now)).collect()
    }
}

fn level(state: &mut State, item: &str, location: &str, url: &str, now: Instant) -> Option<Outgoing> {
    const TOPIC: &str = "level.changed";
    let available = state.ledger.level(item, location)?.text();
    let id = state.ids.uuid();
    let body = json!({
        "topic": TOPIC, "id": id, "item_id": item, "location_id": location, "available": available,
        "changed_at": notation::utc(now),
    });
    let body = body.to_string().into_bytes();
    let (account, secret) = (&state.shop.account, &state.shop.webhook_secret);
    let headers = sign::headers(&Unsigned { account, secret, url, topic: TOPIC, id: &id, body: &body });
    Some(Outgoing { topic: TOPIC.to_owned(), id, headers, body: body.into(), url: url.to_owned() })
}
