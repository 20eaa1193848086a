//! A shop with its platform's side: replies to calls, and webhooks of changes.

use crate::backend::{Backend, Disturbance, Simulation};
use crate::exchange::{Incoming, Outgoing, Reply};
use crate::ledger::{Change, Instant};
use crate::shop::{Impossible, Shop, Unfit};
use crate::standing::Standing;
use crate::state::State;

/// A shop that is open on its platform.
#[derive(Debug)]
pub(crate) struct OpenShop {
    pub(crate) state: State,
    pub(crate) standing: Standing,
    /// True if webhooks of later acts are dropped.
    pub(crate) loses_webhooks: bool,
    backend: Box<dyn Backend>,
}

impl OpenShop {
    pub(crate) fn new(
        platform: &dyn Simulation,
        shop: Shop,
        seed: u64,
        points_per_second: Option<f64>,
        now: Instant,
    ) -> Result<Self, Unfit> {
        if shop.locations.is_empty() {
            return Err(Unfit::NoLocation);
        }
        platform.check(&shop)?;
        Ok(Self {
            state: State::new(shop, platform.ledger_rules(), seed, now),
            standing: Standing::default(),
            loses_webhooks: false,
            backend: platform.open(points_per_second, now),
        })
    }

    /// Returns the platform's reply to a call.
    pub(crate) fn respond(&mut self, call: &Incoming, now: Instant) -> Reply {
        match self.standing.refusal() {
            Some(refusal) => self.backend.refused(refusal),
            None => self.backend.respond(&mut self.state, call, now),
        }
    }

    /// Returns the platform's reply to a call beyond its rate limit.
    pub(crate) fn throttled(&self) -> Reply {
        self.backend.throttled()
    }

    /// Makes the webhooks that report `changes`; none without a subscription.
    pub(crate) fn announce(&mut self, changes: &[Change], now: Instant) -> Vec<Outgoing> {
        let Some(url) = self.state.shop.webhook_url.clone() else { return Vec::new() };
        if changes.is_empty() || self.loses_webhooks {
            return Vec::new();
        }
        self.backend.announce(&mut self.state, changes, &url, now)
    }

    /// Makes the request by which the platform checks the URL for webhooks.
    pub(crate) fn check_url(&mut self) -> Result<Outgoing, Impossible> {
        let url = self.state.shop.webhook_url.clone().ok_or(Impossible::Unsupported)?;
        self.backend.check_url(&mut self.state, &url).ok_or(Impossible::Unsupported)
    }

    /// Registers the URL for webhooks of later acts, and makes the requests that the platform sends then.
    pub(crate) fn register(&mut self, url: &str) -> Vec<Outgoing> {
        self.state.shop.webhook_url = Some(url.to_owned());
        self.backend.pings(&mut self.state, url)
    }

    pub(crate) fn disturb(&mut self, disturbance: Disturbance) {
        self.backend.disturb(disturbance);
    }
}
