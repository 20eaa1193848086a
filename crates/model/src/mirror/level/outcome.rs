//! Outcomes of reports and first contacts.

use crate::{BaselineRule, Quantity};

/// The meaning of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelOutcome {
    /// Older than what was seen.
    Stale,
    /// Of the same version as what was seen, and another number: the platform is read again.
    Ambiguous,
    /// Our own write come back.
    Echo,
    /// Another number while a write of ours is under way: the platform is read after it.
    Contested,
    /// The number that was known.
    Unchanged,
    /// The platform doesn't count the item there any more; says whether it did before.
    Forgotten(bool),
    /// A number of an item that isn't linked yet; says whether it is news.
    Unlinked(bool),
    /// A first number: see [`LevelMirror::contact`](super::LevelMirror::contact).
    FirstContact,
    /// The platform's number moved by this much.
    Moved(Quantity),
    /// The platform's number moved by this much after a write whose outcome isn't known: it may count that write.
    MovedUncertain(Quantity),
}

/// The facts that decide a first contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contact {
    /// The store's level, if it has one.
    pub level: Option<Quantity>,
    /// True if another connection has a baseline that something stands behind.
    pub is_witnessed: bool,
    /// The connection's rule.
    pub rule: BaselineRule,
    /// The number of decimals the platform's quantities have.
    pub decimals: u32,
}

/// The outcome of a first contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactOutcome {
    /// The number is a count: the store's level becomes this.
    Counted(Quantity),
    /// The number is the store's.
    Agreed,
    /// The store's level stands and is due at the platform.
    StoreStands,
    /// A person has to say which number stands.
    Asked,
    /// A zero that says nothing yet.
    Unproven,
}
