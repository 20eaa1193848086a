//! Mirrors: what one platform has of one thing, what it should have, and the write between the two.
//!
//! A mirror is a state machine without clock or I/O. `apply` feeds it reports ([`LevelMirror::observe`],
//! [`FieldMirror::observe`]), propagate tells it the store's value ([`LevelMirror::want`]), begins calls
//! ([`LevelMirror::begin`]) and ends them ([`LevelMirror::settle`]). Each function takes the mirror, an input and the
//! present, and gives what follows; the record locks, loads and stores. `docs/decisions/0002` and `0007` say why.

mod call;
mod field;
mod level;
mod reading;
mod value;

use crate::{ConflictKind, ConnectionId, ExternalId, LocationId, SourceVersion, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub use call::{Begun, CallResult, Meanwhile, Phase, Settled, Write};
pub use field::{FieldMirror, FieldOutcome, PriceMirror, TextMirror};
pub use level::{Contact, ContactOutcome, Gate, LevelMirror, LevelOutcome};
pub use reading::{Asked, AskedBy, Waiting};
pub use value::{FieldValue, Held, MirrorValue, ProductText};

/// Upper limit of readings that end a waiting; beyond it the reading that came last counts, or a person is asked.
pub const READINGS_MAX: u32 = 8;
/// Time until a reading that brought nothing is made again.
pub const READ_AGAIN_AFTER: Duration = Duration::from_mins(1);
/// Time until a reading is made again once [`READINGS_MAX`] brought nothing.
pub const READ_AGAIN_SLOWLY: Duration = Duration::from_hours(1);
/// Time until a refused value is tried again unchanged.
pub const REFUSED_AGAIN_AFTER: Duration = Duration::from_hours(24);
/// Upper limit of refused comparisons of one mirror within [`ROUNDS_WITHIN`]; one more stops its writes.
pub const ROUNDS_MAX: u32 = 5;
/// The time in which refused comparisons are counted; after writes have started again, the time in which one more stops them
/// anew.
pub const ROUNDS_WITHIN: Duration = Duration::from_mins(1);
/// Upper limit of times in a row that writes which stopped start again by themselves; after that a person has to look.
pub const RESTARTS_MAX: u32 = 6;
/// The first pause of writes that have stopped. Each that follows it is twice as long: 32 minutes is the longest.
pub const STOPPED_FOR: Duration = Duration::from_mins(1);
/// The largest lead of a platform's clock that is believed.
pub const CLOCK_LEAD_MAX: Duration = Duration::from_mins(5);

/// The kind of thing that a mirror reflects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MirrorKind {
    /// The level of an item at a location.
    Inventory,
    /// A variant's price.
    Price,
    /// A product's text.
    Product,
}

impl MirrorKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Inventory, Self::Price, Self::Product];

    /// The name that rows carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Price => "price",
            Self::Product => "product",
        }
    }

    /// Reads the name that rows carry.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Names the mirror of a level.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LevelKey {
    /// The platform's account.
    pub connection: ConnectionId,
    /// The platform's id of what is counted.
    pub item: ExternalId,
    /// Our id of the location, since a platform without locations has none.
    pub location: LocationId,
}

impl LevelKey {
    /// The subject of a conflict about the level.
    pub fn subject(&self) -> String {
        crate::Conflict::about_item(&self.item, &self.location)
    }
}

/// Names the mirror of a price or a text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldKey {
    /// The platform's account.
    pub connection: ConnectionId,
    /// The platform's id: of the variant for a price, of the product for a text.
    pub external: ExternalId,
}

/// Names a mirror of any kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MirrorKey {
    /// Of a level.
    Level(LevelKey),
    /// Of a price.
    Price(FieldKey),
    /// Of a text.
    Text(FieldKey),
}

impl MirrorKey {
    /// The platform's account.
    pub const fn connection(&self) -> &ConnectionId {
        match self {
            Self::Level(key) => &key.connection,
            Self::Price(key) | Self::Text(key) => &key.connection,
        }
    }

    /// The kind of thing.
    pub const fn kind(&self) -> MirrorKind {
        match self {
            Self::Level(_) => MirrorKind::Inventory,
            Self::Price(_) => MirrorKind::Price,
            Self::Text(_) => MirrorKind::Product,
        }
    }

    /// The platform's id of it.
    pub const fn external(&self) -> &ExternalId {
        match self {
            Self::Level(key) => &key.item,
            Self::Price(key) | Self::Text(key) => &key.external,
        }
    }

    /// The subject of a conflict about it.
    pub fn subject(&self) -> String {
        match self {
            Self::Level(key) => key.subject(),
            Self::Price(key) => format!("price of variant {}", key.external),
            Self::Text(key) => format!("text of product {}", key.external),
        }
    }

    /// The location of a level.
    pub const fn location(&self) -> Option<&LocationId> {
        match self {
            Self::Level(key) => Some(&key.location),
            Self::Price(_) | Self::Text(_) => None,
        }
    }
}

/// A mirror with its name: kind, value and location always belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mirror {
    /// Of a level.
    Level(LevelKey, LevelMirror),
    /// Of a price.
    Price(FieldKey, PriceMirror),
    /// Of a text.
    Text(FieldKey, TextMirror),
}

impl Mirror {
    /// Its name.
    pub fn key(&self) -> MirrorKey {
        match self {
            Self::Level(key, _) => MirrorKey::Level(key.clone()),
            Self::Price(key, _) => MirrorKey::Price(key.clone()),
            Self::Text(key, _) => MirrorKey::Text(key.clone()),
        }
    }

    /// Our id of the variant or product that it is linked to.
    pub fn internal(&self) -> Option<&str> {
        match self {
            Self::Level(_, mirror) => mirror.variant.as_ref().map(crate::VariantId::as_str),
            Self::Price(_, mirror) => mirror.internal.as_ref().map(crate::VariantId::as_str),
            Self::Text(_, mirror) => mirror.internal.as_ref().map(crate::ProductId::as_str),
        }
    }

    /// What people and programs outside see of it.
    pub fn summary(&self) -> Summary<'_> {
        match self {
            Self::Level(_, mirror) => Summary {
                reported: observed(mirror.observed.as_ref(), |it| MirrorValue::Quantity(*it)),
                reported_at: mirror.observed.as_ref().map(|observed| observed.at),
                holds: mirror.baseline.known().copied().map(MirrorValue::Quantity),
                desired: mirror.desired.map(MirrorValue::Quantity),
                phase: mirror.phase.as_str(),
                attempts: attempts(&mirror.phase),
                error: mirror.schedule.error.as_deref(),
            },
            Self::Price(_, mirror) => field_summary(mirror, |it| MirrorValue::Price(*it)),
            Self::Text(_, mirror) => field_summary(mirror, |it| MirrorValue::Text(it.clone())),
        }
    }

    /// The work that is due at the platform, if any.
    pub fn attention(&self) -> Option<Attention> {
        match self {
            Self::Level(_, mirror) => mirror.attention(),
            Self::Price(_, mirror) => mirror.attention(),
            Self::Text(_, mirror) => mirror.attention(),
        }
    }

    /// Returns whether the platform refused the value and nothing has changed since.
    pub const fn is_refused(&self) -> bool {
        match self {
            Self::Level(_, mirror) => mirror.phase.is_refused(),
            Self::Price(_, mirror) => mirror.phase.is_refused(),
            Self::Text(_, mirror) => mirror.phase.is_refused(),
        }
    }

    /// Returns whether writes stopped because comparisons were refused over and over.
    pub const fn is_stopped(&self) -> bool {
        match self {
            Self::Level(_, mirror) => matches!(mirror.gate, Gate::Stopped),
            Self::Price(..) | Self::Text(..) => false,
        }
    }

    /// Makes a refused value due at once, because something about its connection was changed. Says whether there is one.
    pub fn rearm(&mut self, now: Timestamp) -> bool {
        let is_refused = self.is_refused();
        if is_refused {
            match self {
                Self::Level(_, mirror) => mirror.schedule.due_at = now,
                Self::Price(_, mirror) => mirror.schedule.due_at = now,
                Self::Text(_, mirror) => mirror.schedule.due_at = now,
            }
        }
        is_refused
    }

    /// The kinds of conflicts about the mirror that what became of it ends: a conflict is open no longer than the state
    /// that it is about.
    pub fn ended_since(&self, before: &Self) -> Vec<ConflictKind> {
        self.closes(before.open_kinds())
    }

    /// Those of `open` that the mirror's state is none of.
    pub(crate) fn closes(&self, mut open: Vec<ConflictKind>) -> Vec<ConflictKind> {
        if !open.is_empty() {
            let now = self.open_kinds();
            open.retain(|kind| !now.contains(kind));
        }
        open
    }

    /// The kinds of conflicts that are open because of the mirror's state.
    fn open_kinds(&self) -> Vec<ConflictKind> {
        match self {
            Self::Level(_, mirror) => mirror.open_kinds(),
            Self::Price(_, mirror) => mirror.open_kinds(),
            Self::Text(_, mirror) => mirror.open_kinds(),
        }
    }

    /// When that work is due.
    pub fn due_at(&self) -> Timestamp {
        match self {
            Self::Level(_, mirror) => mirror.schedule.due_at,
            Self::Price(_, mirror) => mirror.schedule.due_at,
            Self::Text(_, mirror) => mirror.schedule.due_at,
        }
    }
}

/// A mirror at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary<'a> {
    /// What the platform reported last.
    pub reported: Option<MirrorValue>,
    /// When that was received.
    pub reported_at: Option<Timestamp>,
    /// What the platform holds, as far as is known.
    pub holds: Option<MirrorValue>,
    /// What it should hold.
    pub desired: Option<MirrorValue>,
    /// How far the last write has come: see [`Phase::as_str`].
    pub phase: &'static str,
    /// The number of times its call was made.
    pub attempts: u32,
    /// Why it failed last.
    pub error: Option<&'a str>,
}

fn observed<V>(seen: Option<&Observation<V>>, value: impl Fn(&V) -> MirrorValue) -> Option<MirrorValue> {
    seen?.value.as_ref().map(value)
}

fn attempts<V>(phase: &Phase<V>) -> u32 {
    phase.write().map_or(0, |write| write.attempts)
}

fn field_summary<V: FieldValue>(mirror: &FieldMirror<V>, value: impl Fn(&V) -> MirrorValue) -> Summary<'_> {
    Summary {
        reported: observed(mirror.observed.as_ref(), &value),
        reported_at: mirror.observed.as_ref().map(|observed| observed.at),
        holds: mirror.baseline.known().map(|held| value(&held.value)),
        desired: mirror.desired.as_ref().map(&value),
        phase: mirror.phase.as_str(),
        attempts: attempts(&mirror.phase),
        error: mirror.schedule.error.as_deref(),
    }
}

/// The work that a mirror needs at its platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attention {
    /// A write has to be begun, or its call made again.
    Write,
    /// The platform has to be read.
    Read,
    /// A person has to say which number stands: see [`Gate`].
    Answer,
}

impl Attention {
    /// The name that rows carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::Answer => "answer",
        }
    }
}

/// What a platform is known to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Baseline<T> {
    /// It never reported: it has to be read before anything is written.
    #[default]
    Unheard,
    /// It reported that there is nothing to hold: not tracked, not stocked, gone. Nothing is due until it reports a value.
    Absent,
    /// It holds this.
    Known(T),
}

impl<T> Baseline<T> {
    /// The value, where it is known.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unheard | Self::Absent => None,
        }
    }
}

/// What a platform reported last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation<V> {
    /// The value; `None` where it reported that there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<V>,
    /// The newest version known there, by a report or by the reply to a write; older reports are stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<SourceVersion>,
    /// When the report was received.
    pub at: Timestamp,
}

/// A platform's report of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report<V> {
    /// The value; `None` where there is none: not tracked, not stocked, gone.
    pub value: Option<V>,
    /// Its version there.
    pub version: Option<SourceVersion>,
    /// When it was received.
    pub received_at: Timestamp,
    /// The waiting of this very mirror for which we read it ourselves, if we did.
    pub read_for: Option<Waiting>,
    /// True if one version may be that of two states.
    pub is_coarse: bool,
    /// True if it was a dead letter and came in again.
    pub is_reentered: bool,
}

impl<V> Report<V> {
    /// Returns whether the report is older than what was seen. Where the platform counts no versions, what comes in again is as
    /// old as its first arrival. A version beyond the clock's lead is none.
    fn is_stale(&self, seen: Option<&Observation<V>>) -> bool {
        let Some(seen) = seen else { return false };
        match self.version.zip(self.believed(seen.version)) {
            Some((version, seen)) => version < seen,
            None => self.is_reentered && self.received_at < seen.at,
        }
    }

    /// Returns whether the report's version may be that of two states and isn't beyond the one that was seen.
    fn is_no_newer(&self, seen: Option<&Observation<V>>) -> bool {
        let seen = seen.and_then(|seen| self.believed(seen.version));
        self.is_coarse && self.version.zip(seen).is_some_and(|(version, seen)| version <= seen)
    }

    /// Returns whether the report's version is beyond the one that was seen.
    fn is_newer(&self, seen: Option<&Observation<V>>) -> bool {
        let seen = seen.and_then(|seen| self.believed(seen.version));
        self.version.zip(seen).is_some_and(|(version, seen)| version > seen)
    }

    /// The version that was seen, unless it lies too far ahead to be believed.
    fn believed(&self, seen: Option<SourceVersion>) -> Option<SourceVersion> {
        seen.filter(|seen| seen.is_believed(self.received_at))
    }

    /// The observation that the report leaves.
    fn observation(&self, seen: Option<&Observation<V>>) -> Observation<V>
    where
        V: Clone,
    {
        let known = seen.and_then(|seen| self.believed(seen.version));
        Observation { value: self.value.clone(), version: self.version.max(known), at: self.received_at }
    }
}

impl SourceVersion {
    /// Returns whether the version isn't a time beyond `received_at` by more than [`CLOCK_LEAD_MAX`]. Counters are far below any
    /// time in microseconds.
    pub fn is_believed(self, received_at: Timestamp) -> bool {
        self.0 <= received_at.after(CLOCK_LEAD_MAX).as_micros()
    }
}

/// When a mirror's work is due, and how often it failed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Schedule {
    /// When the next attempt is due. Kept in a column of its own, too.
    #[serde(default, skip_serializing_if = "is_default")]
    pub due_at: Timestamp,
    /// The last failure, without payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// True from the platform's refusal of a value until it takes one, or none is due any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
    /// Refused comparisons since `rounds_since`; beyond [`ROUNDS_MAX`], one for each time that writes stopped.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rounds: u32,
    /// When the first of them was, or when writes that stopped start again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rounds_since: Timestamp,
}

/// Returns whether it is what a field without a value is read as: mirrors are read and written with each report, most of them
/// idle, and what goes without saying isn't written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The kinds of conflicts that are open in a state.
fn kinds_of(has_refusal: bool, is_unreadable: bool, is_stopped: bool) -> Vec<ConflictKind> {
    let states = [
        (has_refusal, ConflictKind::WriteRefused),
        (is_unreadable, ConflictKind::Unreadable),
        (is_stopped, ConflictKind::Flapping),
    ];
    states.into_iter().filter(|(is_open, _)| *is_open).map(|(_, kind)| kind).collect()
}
