//! Mirrors: the observed state of one object on one platform, its desired state, and the write between the two.
//!
//! A mirror is a state machine without clock or I/O. `apply` passes it reports ([`LevelMirror::observe`],
//! [`FieldMirror::observe`]); propagate sets the store's value ([`LevelMirror::set_desired`]), begins calls
//! ([`LevelMirror::begin`]) and ends them ([`LevelMirror::settle`]). Each function gets the mirror, an input and the
//! current time, and returns the result; the record locks, loads and stores. The reasons are in
//! `docs/decisions/0002` and `0007`.

mod call;
mod field;
mod level;
mod reading;
mod value;

use crate::{ConflictKind, ConnectionId, ExternalId, LocationId, SourceVersion, Timestamp, VersionNumber};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub use call::{Begun, CallResult, Meanwhile, Phase, Settled, Write};
pub use field::{FieldMirror, FieldOutcome, PriceMirror, TextMirror};
pub use level::{Contact, ContactOutcome, Gate, LevelMirror, LevelOutcome};
pub use reading::{Asked, AskedBy, Waiting};
pub use value::{FieldValue, MirrorValue, PlatformValue, ProductText};

/// Upper limit of readings per wait; beyond it the last reading counts, or a conflict is opened for a person.
pub const READINGS_MAX: u32 = 8;
/// Time until a reading without a result is repeated.
pub const READ_AGAIN_AFTER: Duration = Duration::from_mins(1);
/// Time until a reading is repeated after [`READINGS_MAX`] readings without a result.
pub const READ_AGAIN_SLOWLY: Duration = Duration::from_hours(1);
/// Time until a refused value is tried again unchanged.
pub const REFUSED_AGAIN_AFTER: Duration = Duration::from_hours(24);
/// Upper limit of refused comparisons ([`CallResult::Conflict`]) of one mirror within [`ROUNDS_WITHIN`]; one more
/// stops its writes.
pub const ROUNDS_MAX: u32 = 5;
/// Time in which refused comparisons are counted. After writes have restarted, it is the time in which a single one
/// stops them again.
pub const ROUNDS_WITHIN: Duration = Duration::from_mins(1);
/// Upper limit of consecutive automatic restarts of stopped writes; after that a person has to restart them.
pub const RESTARTS_MAX: u32 = 6;
/// The first pause of stopped writes. Each further pause is twice as long; the longest is 32 minutes.
pub const STOPPED_FOR: Duration = Duration::from_mins(1);
/// Upper limit of a platform's clock lead; a version further in the future is ignored.
pub const CLOCK_LEAD_MAX: Duration = Duration::from_mins(5);

/// The kind of value that a mirror reflects.
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
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Inventory, Self::Price, Self::Product];

    /// Returns the name used in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Price => "price",
            Self::Product => "product",
        }
    }

    /// Parses the name used in rows.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The key of a level's mirror.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LevelKey {
    /// The platform's account.
    pub connection: ConnectionId,
    /// The platform's id of the item.
    pub item: ExternalId,
    /// Our id of the location, because a platform without locations has no id for it.
    pub location: LocationId,
}

impl LevelKey {
    /// Returns the subject of a conflict about the level.
    pub fn subject(&self) -> String {
        crate::Conflict::about_item(&self.item, &self.location)
    }
}

/// The key of a price's or a text's mirror.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldKey {
    /// The platform's account.
    pub connection: ConnectionId,
    /// The platform's id: of the variant for a price, of the product for a text.
    pub external: ExternalId,
}

/// The key of a mirror of any kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MirrorKey {
    /// Key of a level's mirror.
    Level(LevelKey),
    /// Key of a price's mirror.
    Price(FieldKey),
    /// Key of a text's mirror.
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

    /// The kind of value.
    pub const fn kind(&self) -> MirrorKind {
        match self {
            Self::Level(_) => MirrorKind::Inventory,
            Self::Price(_) => MirrorKind::Price,
            Self::Text(_) => MirrorKind::Product,
        }
    }

    /// The platform's id of the item, variant or product.
    pub const fn external(&self) -> &ExternalId {
        match self {
            Self::Level(key) => &key.item,
            Self::Price(key) | Self::Text(key) => &key.external,
        }
    }

    /// Returns the subject of a conflict about the mirrored value.
    pub fn subject(&self) -> String {
        match self {
            Self::Level(key) => key.subject(),
            Self::Price(key) => format!("price of variant {}", key.external),
            Self::Text(key) => format!("text of product {}", key.external),
        }
    }

    /// Returns the location of a level; `None` for other kinds.
    pub const fn location(&self) -> Option<&LocationId> {
        match self {
            Self::Level(key) => Some(&key.location),
            Self::Price(_) | Self::Text(_) => None,
        }
    }
}

/// A mirror with its key: kind, value and location always match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mirror {
    /// Mirror of a level.
    Level(LevelKey, LevelMirror),
    /// Mirror of a price.
    Price(FieldKey, PriceMirror),
    /// Mirror of a text.
    Text(FieldKey, TextMirror),
}

impl Mirror {
    /// Returns the mirror's key.
    pub fn key(&self) -> MirrorKey {
        match self {
            Self::Level(key, _) => MirrorKey::Level(key.clone()),
            Self::Price(key, _) => MirrorKey::Price(key.clone()),
            Self::Text(key, _) => MirrorKey::Text(key.clone()),
        }
    }

    /// Returns our id of the variant or product that it is linked to.
    pub fn internal(&self) -> Option<&str> {
        match self {
            Self::Level(_, mirror) => mirror.variant.as_ref().map(crate::VariantId::as_str),
            Self::Price(_, mirror) => mirror.internal.as_ref().map(crate::VariantId::as_str),
            Self::Text(_, mirror) => mirror.internal.as_ref().map(crate::ProductId::as_str),
        }
    }

    /// Returns the summary for people and external programs.
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

    /// Returns the work that is due at the platform, if any.
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

    /// Returns whether writes are stopped because of repeatedly refused comparisons.
    pub const fn is_stopped(&self) -> bool {
        match self {
            Self::Level(_, mirror) => matches!(mirror.gate, Gate::Stopped),
            Self::Price(..) | Self::Text(..) => false,
        }
    }

    /// Notes that the write under way, if there is one, is made in one request with others.
    pub const fn joins_batch(&mut self) {
        match self {
            Self::Level(_, mirror) => mirror.phase.joins_batch(),
            Self::Price(_, mirror) => mirror.phase.joins_batch(),
            Self::Text(_, mirror) => mirror.phase.joins_batch(),
        }
    }

    /// Makes a refused value due at once, after a change of its connection. Returns true if there is one.
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

    /// Returns the kinds of conflicts about the mirror that its change from `before` ends: a conflict is open no longer
    /// than its state lasts.
    pub fn ended_since(&self, before: &Self) -> Vec<ConflictKind> {
        self.closes(before.open_kinds())
    }

    /// Returns the kinds in `open` that don't correspond to the mirror's state.
    pub(crate) fn closes(&self, mut open: Vec<ConflictKind>) -> Vec<ConflictKind> {
        if !open.is_empty() {
            let now = self.open_kinds();
            open.retain(|kind| !now.contains(kind));
        }
        open
    }

    /// Returns the kinds of conflicts that are open because of the mirror's state.
    fn open_kinds(&self) -> Vec<ConflictKind> {
        match self {
            Self::Level(_, mirror) => mirror.open_kinds(),
            Self::Price(_, mirror) => mirror.open_kinds(),
            Self::Text(_, mirror) => mirror.open_kinds(),
        }
    }

    /// Returns the time at which that work is due.
    pub fn due_at(&self) -> Timestamp {
        match self {
            Self::Level(_, mirror) => mirror.schedule.due_at,
            Self::Price(_, mirror) => mirror.schedule.due_at,
            Self::Text(_, mirror) => mirror.schedule.due_at,
        }
    }
}

/// Summary of a mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary<'a> {
    /// The last reported value.
    pub reported: Option<MirrorValue>,
    /// Time of receipt of that report.
    pub reported_at: Option<Timestamp>,
    /// The value that the platform holds, as far as is known.
    pub holds: Option<MirrorValue>,
    /// The value that it should hold.
    pub desired: Option<MirrorValue>,
    /// The phase of the last write: see [`Phase::as_str`].
    pub phase: &'static str,
    /// Number of times that its call was made.
    pub attempts: u32,
    /// The last failure.
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
    /// A write has to be begun, or its call has to be repeated.
    Write,
    /// The platform has to be read.
    Read,
    /// A person has to decide which number stands: see [`Gate`].
    Decision,
}

impl Attention {
    /// Returns the name used in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
            // The name of the first version, which rows have.
            Self::Decision => "answer",
        }
    }
}

/// The value that a platform is known to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Baseline<T> {
    /// The platform never reported, or deleted the item since: it has to be read before anything is written.
    #[default]
    Unheard,
    /// The platform reported that it holds no value: not tracked, not stocked, or deleted. Nothing is due until
    /// it reports one.
    Absent,
    /// The platform holds this value.
    Known(T),
}

impl<T> Baseline<T> {
    /// Returns the value, if it is known.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unheard | Self::Absent => None,
        }
    }
}

/// The last report of a platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation<V> {
    /// The value; `None` if the platform reported that there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<V>,
    /// The newest known version, from a report or from the reply to a write; older reports are stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionNumber>,
    /// Time of receipt of the report.
    pub at: Timestamp,
}

/// A platform's report of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report<V> {
    /// The value; `None` if there is none: not tracked, not stocked, or deleted.
    pub value: Option<V>,
    /// The platform's version of the value.
    pub version: Option<SourceVersion>,
    /// Time of receipt.
    pub received_at: Timestamp,
    /// The wait of this mirror that we read the value for; `None` if it isn't a reading for this mirror.
    pub read_for: Option<Waiting>,
    /// True if it was a dead letter and was re-ingested.
    pub is_reentered: bool,
}

impl<V> Report<V> {
    /// Returns the number of its version.
    fn number(&self) -> Option<VersionNumber> {
        self.version.map(|version| version.number)
    }

    /// Returns whether other states may have the report's version. A report without a version has none to share.
    fn is_coarse(&self) -> bool {
        self.version.is_some_and(SourceVersion::is_coarse)
    }

    /// Returns whether the report is older than the last observation. On a platform without versions, a re-ingested
    /// report is as old as its first receipt. An observed version beyond [`CLOCK_LEAD_MAX`] counts as none.
    fn is_stale(&self, seen: Option<&Observation<V>>) -> bool {
        let Some(seen) = seen else { return false };
        match self.number().zip(self.plausible(seen.version)) {
            Some((version, seen)) => version < seen,
            None => self.is_reentered && self.received_at < seen.at,
        }
    }

    /// Returns whether the report's version may stand for two states and isn't greater than the observed one.
    fn is_no_newer(&self, seen: Option<&Observation<V>>) -> bool {
        let seen = seen.and_then(|seen| self.plausible(seen.version));
        self.is_coarse() && self.number().zip(seen).is_some_and(|(version, seen)| version <= seen)
    }

    /// Returns whether the report's version is greater than the observed one.
    fn is_newer(&self, seen: Option<&Observation<V>>) -> bool {
        let seen = seen.and_then(|seen| self.plausible(seen.version));
        self.number().zip(seen).is_some_and(|(version, seen)| version > seen)
    }

    /// Returns the observed version, unless it is too far in the future to be plausible.
    fn plausible(&self, seen: Option<VersionNumber>) -> Option<VersionNumber> {
        seen.filter(|seen| seen.is_plausible(self.received_at))
    }

    /// Returns the observation that the report leaves.
    fn observation(&self, seen: Option<&Observation<V>>) -> Observation<V>
    where
        V: Clone,
    {
        let known = seen.and_then(|seen| self.plausible(seen.version));
        Observation { value: self.value.clone(), version: self.number().max(known), at: self.received_at }
    }
}

/// Due time of a mirror's work, and its failures.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Schedule {
    /// Time at which the next attempt is due. Also stored in a column of its own.
    #[serde(default, skip_serializing_if = "is_default")]
    pub due_at: Timestamp,
    /// The last failure, without payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// True from the platform's refusal of a value until it accepts one, or until none is due.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
    /// Number of refused comparisons since `rounds_since`; beyond [`ROUNDS_MAX`], each one is a stop of the writes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rounds: u32,
    /// Time of the first of them, or the time at which stopped writes restart.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rounds_since: Timestamp,
}

/// Returns whether the value is the one that an absent field is read as. Such fields aren't written: mirrors are read
/// and written with each report, and most of them are idle.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Returns the kinds of conflicts that are open in a state.
fn kinds_of(has_refusal: bool, is_unreadable: bool, is_stopped: bool) -> Vec<ConflictKind> {
    let states = [
        (has_refusal, ConflictKind::WriteRefused),
        (is_unreadable, ConflictKind::Unreadable),
        (is_stopped, ConflictKind::Flapping),
    ];
    states.into_iter().filter(|(is_open, _)| *is_open).map(|(_, kind)| kind).collect()
}
