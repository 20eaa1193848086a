//! The contract of a simulated platform within this crate: its rules, and its replies to the calls for one shop.

use crate::exchange::{Incoming, Outgoing, Reply};
use crate::ledger::{Change, Instant};
use crate::platform::{Headers, SimulatedPlatform};
use crate::rules::LedgerRules;
use crate::shop::{Shop, Unfit};
use crate::standing::Refusal;
use crate::state::State;
use chrono::TimeDelta;
use std::fmt;
use std::time::Duration;

/// A platform as the simulator runs it.
pub(crate) trait Simulation: SimulatedPlatform {
    /// Refuses a shop that the platform couldn't have.
    fn check(&self, _shop: &Shop) -> Result<(), Unfit> {
        Ok(())
    }

    /// The platform's own rules for a shop's ledger.
    fn ledger_rules(&self) -> LedgerRules;

    /// The platform's documented sending of webhooks; the default is for a platform that sends none.
    fn sending(&self) -> Sending {
        Sending { retries_max: 0, timeout: Duration::from_secs(1) }
    }

    /// Further headers of a webhook that is sent again: the number of the retry, and the reason for it.
    fn retry_headers(&self, _retry: u32, _reason: &str) -> Headers {
        Vec::new()
    }

    /// Makes the platform's side of a shop. `points_per_second` is the refill rate of the budget for calls, where the
    /// platform has one; `None` for the documented one.
    fn open(&self, points_per_second: Option<f64>, now: Instant) -> Box<dyn Backend>;
}

/// The platform's side of one shop, with the state that no other platform has.
pub(crate) trait Backend: fmt::Debug + Send {
    /// Replies to a call.
    fn respond(&mut self, state: &mut State, call: &Incoming, now: Instant) -> Reply;

    /// The reply to a call beyond the rate limit.
    fn throttled(&self) -> Reply;

    /// The reply to any call while the account is refused.
    fn refused(&self, refusal: Refusal) -> Reply;

    /// Makes the webhooks that report `changes`, for the URL at which they are registered; none if the platform sends
    /// none.
    fn announce(
        &mut self,
        _state: &mut State,
        _changes: &[Change],
        _url: &str,
        _now: Instant,
    ) -> Vec<Outgoing> {
        Vec::new()
    }

    /// Makes the request without a signature by which the platform checks a URL before it sends webhooks there; `None`
    /// if it makes none.
    fn check_url(&mut self, _state: &mut State, _url: &str) -> Option<Outgoing> {
        None
    }

    /// Makes the requests that the platform sends as soon as webhooks are registered at a URL, if it sends any.
    fn pings(&mut self, _state: &mut State, _url: &str) -> Vec<Outgoing> {
        Vec::new()
    }

    /// Begins or ends a disturbance; one that the platform doesn't know has no effect.
    fn disturb(&mut self, _disturbance: Disturbance) {}
}

/// The sending of a platform's webhooks, as documented.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sending {
    /// Maximum number of retries.
    pub(crate) retries_max: u32,
    /// Time limit for the receiver's response.
    pub(crate) timeout: Duration,
}

/// A trouble of queries that a platform runs in the background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkTrouble {
    /// Others are under way: none can be begun.
    Busy,
    /// They fail with a part of their results.
    Fails,
    /// Their files expire after the first look at them.
    Expires,
}

/// A condition under which a platform refuses calls.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Disturbance {
    /// Another program restocks one of each item just before each write that compares its level.
    RivalRestocks(bool),
    /// The lead of the clock that computes the age of changes.
    ClockAhead(TimeDelta),
    /// A trouble of the platform's bulk operations.
    BulkOperations(Option<BulkTrouble>),
    /// The access tokens that were issued so far are refused; new ones are issued as before.
    TokensRevoked,
}
