//! Square: Connect v2, and signed webhooks.

mod api;
mod catalog;
mod html;
mod inventory;
mod pricing;
mod reply;
mod samples;
mod search;
mod sign;
mod team;
mod webhook;

use crate::backend::{Backend, Disturbance, Sending, Simulation};
use crate::exchange::{Incoming, Outgoing, Reply};
use crate::ids::Ids;
use crate::ledger::{Change, Instant};
use crate::platform::{Headers, Samples, SimulatedPlatform, Unsigned};
use crate::rules::LedgerRules;
use crate::standing::Refusal;
use crate::state::State;
use chrono::TimeDelta;
use serde_json::json;
use std::time::Duration;

/// The platform.
#[derive(Debug)]
pub(crate) struct Square;

pub(crate) static PLATFORM: Square = Square;

impl SimulatedPlatform for Square {
    fn name(&self) -> &'static str {
        "square"
    }

    fn sign(&self, webhook: &Unsigned<'_>) -> Headers {
        sign::headers(webhook)
    }

    fn signature_header(&self) -> &'static str {
        sign::SIGNATURE
    }

    fn sign_as_formerly(&self, webhook: &Unsigned<'_>) -> Option<Headers> {
        Some(sign::former_headers(webhook))
    }

    fn samples(&self) -> &'static Samples {
        &samples::SAMPLES
    }
}

impl Simulation for Square {
    fn ledger_rules(&self) -> LedgerRules {
        LedgerRules {
            object_id: Ids::opaque,
            customer_id: Ids::opaque,
            variant_ids: |_, _, ids| {
                let id = ids.opaque();
                (id.clone(), id)
            },
            variants_max: usize::MAX,
            counts_pieces: false,
            // Completed orders have only refunds, as orders of their own.
            cancels_orders: false,
            refunds_orders: false,
            title: str::to_owned,
            description: html::rendered,
            product_fields: catalog::new_fields,
        }
    }

    fn sending(&self) -> Sending {
        Sending { retries_max: 11, timeout: Duration::from_secs(10) }
    }

    fn retry_headers(&self, retry: u32, reason: &str) -> Headers {
        vec![("square-retry-number", retry.to_string()), ("square-retry-reason", reason.to_owned())]
    }

    fn open(&self, _points_per_second: Option<f64>, _now: Instant) -> Box<dyn Backend> {
        Box::new(Api::default())
    }
}

/// The API of one shop.
#[derive(Debug, Default)]
struct Api {
    /// Lead of the clock that computes the age of changes.
    clock_lead: TimeDelta,
}

impl Backend for Api {
    fn respond(&mut self, state: &mut State, call: &Incoming, now: Instant) -> Reply {
        api::respond(state, call, self.clock_lead, now)
    }

    fn throttled(&self) -> Reply {
        api::throttled()
    }

    fn refused(&self, Refusal { status, message }: Refusal) -> Reply {
        let body = if status == 401 {
            json!({"errors": [{"category": "AUTHENTICATION_ERROR", "code": "ACCESS_TOKEN_REVOKED"}]})
        } else {
            json!({"message": message})
        };
        Reply::of(status, body)
    }

    fn announce(&mut self, state: &mut State, changes: &[Change], url: &str, now: Instant) -> Vec<Outgoing> {
        webhook::announce(state, changes, url, now)
    }

    fn disturb(&mut self, disturbance: Disturbance) {
        if let Disturbance::ClockAhead(by) = disturbance {
            self.clock_lead = by;
        }
    }
}
