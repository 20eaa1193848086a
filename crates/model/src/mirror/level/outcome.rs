//! Outcomes of reports and first contacts.

use crate::{BaselineRule, Quantity};

/// The class of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelOutcome {
    /// Older than the last observation.
    Stale,
    /// Another number with the version of the last observation: the platform is read again.
    Ambiguous,
    /// Our own write, reported back.
    Echo,
    /// Another number while a write of ours is under way: the platform is read after the write.
    Contested,
    /// The known number.
    Unchanged,
    /// The platform no longer counts the item there; true if a number was known before.
    Forgotten(bool),
    /// A number of an item that isn't linked yet; true if the number is new.
    Unlinked(bool),
    /// A first number: see [`LevelMirror::contact`](super::LevelMirror::contact).
    FirstContact,
    /// The platform's number moved by this much.
    Moved(Quantity),
    /// The platform's number moved by this much after a write whose outcome is unknown: it may include that write.
    MovedUncertain(Quantity),
}

/// The facts that decide a first contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contact {
    /// The store's level, if it has one.
    pub level: Option<Quantity>,
    /// True if another connection has a confirmed baseline.
    pub is_witnessed: bool,
    /// The connection's rule.
    pub rule: BaselineRule,
    /// Number of decimals of the platform's quantities.
    pub decimals: u32,
}

/// The outcome of a first contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactOutcome {
    /// The number is a count and becomes the store's level.
    Counted(Quantity),
    /// The number agrees with the store's level.
    Agreed,
    /// The store's level stands and is due at the platform.
    StoreKept,
    /// A person has to decide which number stands.
    Asked,
    /// The number is an unconfirmed zero, which has no meaning yet.
    Unproven,
}
