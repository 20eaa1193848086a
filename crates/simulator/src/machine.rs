//! A shop without its HTTP server: acts, calls and webhooks in the caller's virtual time.

use crate::exchange::{Incoming, Outgoing, decode_form};
use crate::ledger::{Change, Instant};
use crate::open_shop::OpenShop;
use crate::shop::{Impossible, Shop, Unfit};
use crate::standing::Standing;
use crate::state::State;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use std::fmt;

/// A request to the platform's API, as a client would make it.
#[derive(Clone)]
pub struct MachineRequest {
    /// The HTTP method.
    pub method: &'static str,
    /// Path and query.
    pub target: String,
    /// Name (lower case) and value of each header.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Bytes,
}

impl fmt::Debug for MachineRequest {
    // Headers carry credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, target, .. } = self;
        f.debug_struct("MachineRequest")
            .field("method", method)
            .field("target", target)
            .finish_non_exhaustive()
    }
}

/// The platform's reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineReply {
    /// The HTTP status.
    pub status: u16,
    /// Name and value of each header.
    pub headers: Vec<(&'static str, String)>,
    /// The body: JSON, or a part of a file.
    pub body: Bytes,
}

/// Headers and body of a webhook.
pub type MachineWebhook = (Vec<(&'static str, String)>, Bytes);

/// A platform with one shop as a state machine. The same calls at the same times with the same seed give the same
/// replies and webhooks.
#[derive(Debug)]
pub struct ShopMachine {
    pub(crate) shop: OpenShop,
    webhooks: Vec<Outgoing>,
}

impl ShopMachine {
    /// Opens `shop` at `now`. Webhooks are made once the shop has a webhook URL. `points_per_second` is the refill rate
    /// of the budget for calls, where the platform has one; `None` for the documented one.
    pub fn new(
        shop: Shop,
        seed: u64,
        points_per_second: Option<f64>,
        now: DateTime<Utc>,
    ) -> Result<Self, Unfit> {
        let platform = crate::simulation(shop.platform).ok_or(Unfit::UnknownPlatform)?;
        Ok(Self { shop: OpenShop::new(platform, shop, seed, points_per_second, now)?, webhooks: Vec::new() })
    }

    /// Responds to a request at `now`.
    pub fn answer(&mut self, request: &MachineRequest, now: DateTime<Utc>) -> MachineReply {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let call = Incoming {
            method: request.method.to_owned(),
            path: path.to_owned(),
            query: decode_form(query),
            headers: request.headers.clone(),
            body: request.body.clone(),
        };
        let now = self.shop.state.ledger.tick(now);
        let reply = self.shop.respond(&call, now);
        let webhooks = self.shop.announce(&reply.changes, now);
        self.webhooks.extend(webhooks);
        let body = reply.bytes.unwrap_or_else(|| reply.body.to_string().into());
        MachineReply { status: reply.status, headers: reply.headers, body }
    }

    /// Returns the webhooks made since the previous call, in the order of the acts.
    pub fn take_webhooks(&mut self) -> Vec<MachineWebhook> {
        self.webhooks.drain(..).map(|outgoing| (outgoing.headers, outgoing.body)).collect()
    }

    /// Sets the standing of the account with its platform.
    pub fn set_standing(&mut self, standing: Standing) {
        self.shop.standing = standing;
    }

    pub(crate) fn act<T>(
        &mut self,
        now: DateTime<Utc>,
        act: impl FnOnce(&mut State, Instant) -> Result<(T, Vec<Change>), Impossible>,
    ) -> Result<T, Impossible> {
        let now = self.shop.state.ledger.tick(now);
        let (value, changes) = act(&mut self.shop.state, now)?;
        let webhooks = self.shop.announce(&changes, now);
        self.webhooks.extend(webhooks);
        Ok(value)
    }
}
