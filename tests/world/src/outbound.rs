//! The work of propagate around the mirrors: the decision to call a connection, the effect of a call's outcome, the
//! time of the next call.

use crate::{
    record::{Record, Target, place_of},
    shop::{Asked, Outcome},
};
use model::{
    AccountState, AskedBy, Attention, Begun, CallGate, CallResult, ConflictKind, ConnectionId, ExternalId,
    Health, Mirror, MirrorKey, MirrorKind, MirrorValue, Phase, Timestamp,
};
use platforms::{CallError, Platform, Written};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Lease of a claim and pauses between attempts, as in propagate.
const LEASE: Duration = Duration::from_secs(30);
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_LONGEST: Duration = Duration::from_mins(10);

/// A connection in the state that propagate keeps of it.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) platform: &'static str,
    pub(crate) enabled: bool,
    pub(crate) held_back: BTreeSet<MirrorKind>,
    account: AccountState,
    /// True if a call is under way.
    pub(crate) is_busy: bool,
}

/// A call that is due.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub(crate) key: MirrorKey,
    pub(crate) asked: Asked,
    pub(crate) external: ExternalId,
    /// The product of a price's variant.
    pub(crate) product: Option<ExternalId>,
    pub(crate) sent_key: String,
    pub(crate) attempt: u32,
    pub(crate) begun_at: Timestamp,
    /// True if it is a new write.
    pub(crate) is_new: bool,
}

impl Connection {
    pub(crate) fn new(id: ConnectionId, platform: &'static str) -> Self {
        Self {
            id,
            platform,
            enabled: true,
            held_back: BTreeSet::new(),
            account: AccountState::default(),
            is_busy: false,
        }
    }

    fn platform(&self) -> Option<&'static dyn Platform> {
        platforms::find(self.platform)
    }

    /// Facts that decide if the platform may be called.
    pub(crate) fn gate(&self) -> CallGate {
        let AccountState { health, probe_at, .. } = self.account;
        CallGate { enabled: self.enabled, health, probe_at }
    }

    fn is_callable(&self, now: Timestamp) -> bool {
        !self.is_busy && self.gate().is_open(now)
    }

    /// Resets the account after a change to it, so that it is called at once.
    pub(crate) fn begins_anew(&mut self, record: &mut Record) {
        self.account = AccountState::default();
        record.open.retain(|(id, kind, _)| *id != self.id || *kind != ConflictKind::NeedsReauth);
    }

    /// Applies an outcome to the state of the account; returns true if the account was refused.
    pub(crate) fn note(&mut self, outcome: &Outcome, record: &mut Record, now: Timestamp) -> bool {
        match outcome {
            Err(CallError::AccountRefused(..)) => {
                self.account = self.account.refused(Health::NeedsReauth, now);
                record.open.insert((self.id.clone(), ConflictKind::NeedsReauth, "the connection".to_owned()));
                true
            }
            Err(CallError::RateLimited { .. } | CallError::Transient { .. }) => false,
            _ => {
                if self.account.health != Health::Ok {
                    self.begins_anew(record);
                }
                false
            }
        }
    }

    /// Time of the next call or reading, if any is due.
    pub(crate) fn next_due(&self, record: &Record) -> Option<Timestamp> {
        let opens = self.gate().opens_at().filter(|_| !self.is_busy)?;
        let of = self.mirrors(record).filter(|mirror| self.is_let_out(mirror));
        let due = of.map(|mirror| mirror.due_at()).min()?;
        Some(due.max(opens))
    }

    fn mirrors<'a>(&'a self, record: &'a Record) -> impl Iterator<Item = Mirror> + 'a {
        record.mirrors.iter().filter(|mirror| *mirror.key().connection() == self.id)
    }

    fn is_let_out(&self, mirror: &Mirror) -> bool {
        let Some(platform) = self.platform() else { return false };
        match mirror.attention() {
            Some(Attention::Write) => {
                let kind = mirror.key().kind();
                let is_taken = platform.write_limits(kind).is_some() && !self.held_back.contains(&kind);
                is_taken || begun_at(mirror).is_some()
            }
            Some(Attention::Read) => true,
            Some(Attention::Decision) | None => false,
        }
    }

    /// The mirror with this attention that has been due longest. With `of`, only writes of its kind that begin, or began,
    /// at the same time.
    fn due(&self, record: &Record, attention: Attention, of: Option<&Due>, now: Timestamp) -> Option<Mirror> {
        let is_alike = |mirror: &Mirror, of: &Due| {
            mirror.key().kind() == of.key.kind() && begun_at(mirror).unwrap_or(now) == of.begun_at
        };
        let due = self.mirrors(record).filter(|mirror| {
            mirror.attention() == Some(attention)
                && mirror.due_at() <= now
                && of.is_none_or(|of| is_alike(mirror, of))
                && self.is_let_out(mirror)
        });
        due.min_by_key(Mirror::due_at)
    }

    /// Begins the writes of the next call, as `store::claims` and propagate do: the one that has been due longest, and
    /// others of its kind that begin together with it if the platform accepts several in one request.
    pub(crate) fn claim(&self, record: &mut Record, fresh_key: &mut u64, now: Timestamp) -> Vec<Due> {
        let Some(first) = self.claim_one(record, None, fresh_key, now) else { return Vec::new() };
        let limits = self.platform().and_then(|platform| platform.write_limits(first.key.kind()));
        let batch_max = limits.map_or(1, |limits| limits.batch_max);
        // For a refused account, one call shows if it is still refused.
        let at_once = if self.account.health == Health::Ok { batch_max } else { 1 };
        let others = std::iter::from_fn(|| self.claim_one(record, Some(&first), fresh_key, now));
        let mut due: Vec<Due> = others.take(at_once - 1).collect();
        due.push(first);
        for Due { key, .. } in due.iter().filter(|_| due.len() > 1) {
            record.joins_batch(key);
        }
        due.sort_by(|one, other| one.sent_key.cmp(&other.sent_key));
        due
    }

    /// Begins the write that has been due longest. With `of`, only one of its kind that begins, or began, at the same time.
    fn claim_one(
        &self,
        record: &mut Record,
        of: Option<&Due>,
        fresh_key: &mut u64,
        now: Timestamp,
    ) -> Option<Due> {
        loop {
            if !self.is_callable(now) {
                return None;
            }
            let mut mirror = self.due(record, Attention::Write, of, now)?;
            let target = record.target(&mirror);
            *fresh_key += 1;
            let limits = self.platform()?.write_limits(mirror.key().kind());
            let decimals = limits.map_or(0, |limits| limits.quantity_decimals);
            let repeatable_for = limits.and_then(|limits| limits.repeatable_for);
            let key = format!("key-{fresh_key}");
            let product = target.product.clone();
            let (due, is_noted) = begin(&mut mirror, target, &key, now, decimals, repeatable_for);
            record.mirrors.insert(mirror.clone());
            if is_noted {
                record.log_write(mirror.clone());
            }
            if let (None, true, Mirror::Level(key, _)) = (&due, is_noted, &mirror) {
                record.doubted.push(key.clone());
            }
            if let Some((asked, sent_key, attempt, begun_at)) = due {
                let key = mirror.key();
                // A price is written with the ids of its variant and its product, so that the product has to be linked.
                if matches!(key, MirrorKey::Price(_)) && product.is_none() {
                    let error = "the variant's product isn't linked".to_owned();
                    record.settle(&key, &sent_key, CallResult::Refused { error }, now);
                    continue;
                }
                let external = key.external().clone();
                let is_new = attempt == 1;
                return Some(Due { key, asked, external, product, sent_key, attempt, begun_at, is_new });
            }
        }
    }

    /// Requests the reading that has been due longest, as `store::claims::reads` does.
    pub(crate) fn claim_read(
        &self,
        record: &mut Record,
        now: Timestamp,
    ) -> Option<(AskedBy, Option<ExternalId>)> {
        if !self.is_callable(now) {
            return None;
        }
        let mut mirror = self.due(record, Attention::Read, None, now)?;
        let asked = match &mut mirror {
            Mirror::Level(_, mirror) => mirror.read(now),
            Mirror::Price(_, mirror) => mirror.read(now),
            Mirror::Text(_, mirror) => mirror.read(now),
        }?;
        let (mirror_key, product) = (mirror.key(), record.target(&mirror).product);
        if asked.is_stuck {
            record.open.insert((self.id.clone(), ConflictKind::Unreadable, mirror_key.subject()));
        }
        record.mirrors.insert(mirror.clone());
        record.log_write(mirror);
        Some((AskedBy { mirror: mirror_key, waiting: asked.waiting }, product))
    }
}

/// Begin of the write that is under way.
fn begun_at(mirror: &Mirror) -> Option<Timestamp> {
    fn of<V>(phase: &Phase<V>) -> Option<Timestamp> {
        if let Phase::Writing { write, .. } = phase { Some(write.begun_at) } else { None }
    }
    match mirror {
        Mirror::Level(_, mirror) => of(&mirror.phase),
        Mirror::Price(_, mirror) => of(&mirror.phase),
        Mirror::Text(_, mirror) => of(&mirror.phase),
    }
}

type BegunCall = (Asked, String, u32, Timestamp);

fn begin(
    mirror: &mut Mirror,
    target: Target,
    key: &str,
    now: Timestamp,
    decimals: u32,
    repeatable_for: Option<Duration>,
) -> (Option<BegunCall>, bool) {
    match mirror {
        Mirror::Level(of, mirror) => {
            if let Some(level) = target.level {
                mirror.set_desired(level, decimals, now, None);
            }
            let place = place_of(&of.location);
            begun(mirror.begin(key, now, LEASE, repeatable_for), |write| Asked::Level {
                place,
                from: write.from,
                to: write.value,
            })
        }
        Mirror::Price(_, mirror) => {
            if let Some(price) = target.price {
                mirror.set_desired(price, now, None);
            }
            begun(mirror.begin(key, now, LEASE, repeatable_for), |write| Asked::Price(write.value))
        }
        Mirror::Text(_, mirror) => {
            if let Some(text) = target.text {
                let text = text.over(mirror.platform_value().map(|held| &held.value));
                mirror.set_desired(text, now, None);
            }
            begun(mirror.begin(key, now, LEASE, repeatable_for), |write| Asked::Text(write.value.clone()))
        }
    }
}

fn begun<V>(begun: Begun<V>, asked: impl Fn(&model::Write<V>) -> Asked) -> (Option<BegunCall>, bool) {
    let is_noted = matches!(begun, Begun::New(_) | Begun::TooOld);
    match begun {
        Begun::New(write) | Begun::Again(write) => {
            (Some((asked(&write), write.key.clone(), write.attempts, write.begun_at)), is_noted)
        }
        Begun::TooOld | Begun::Nothing => (None, is_noted),
    }
}

/// Converts an outcome into the result for the mirror, as in `propagate::calls`.
pub(crate) fn result(
    kind: MirrorKind,
    attempt: u32,
    outcome: Outcome,
    now: Timestamp,
) -> CallResult<MirrorValue> {
    let pause = RETRY_FIRST.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(RETRY_LONGEST);
    let error = match outcome {
        Ok(Written { version, rendered }) => {
            return CallResult::Taken { version: version.map(|version| version.number), rendered };
        }
        Err(error) => error,
    };
    match error {
        CallError::Conflict if kind == MirrorKind::Inventory => CallResult::Conflict,
        CallError::Conflict => {
            CallResult::Retry { at: now.after(pause), error: "someone else wrote".to_owned() }
        }
        CallError::Gone => CallResult::Gone,
        CallError::RateLimited { after } => CallResult::Retry {
            at: now.after(after.unwrap_or_default().max(pause)),
            error: "too many calls".to_owned(),
        },
        CallError::Transient { reason } => CallResult::Retry { at: now.after(pause), error: reason },
        CallError::AccountRefused(_, reject) => CallResult::AccountRefused { error: reject.to_string() },
        CallError::TooOld(reject) => CallResult::TooOld { error: reject.to_string() },
        CallError::Rejected(reject) => CallResult::Refused { error: reject.to_string() },
    }
}

/// Time of the next call or reading of any connection.
pub(crate) fn next_due(
    connections: &BTreeMap<ConnectionId, Connection>,
    record: &Record,
) -> Option<Timestamp> {
    connections.values().filter_map(|connection| connection.next_due(record)).min()
}
