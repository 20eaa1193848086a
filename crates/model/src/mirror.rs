//! Mirrors: what a platform told us, what it should hold, and what we last wrote to it, in one row.

use crate::{ConnectionId, ExternalId, LocationId, Money, Quantity, SourceVersion, Timestamp};
use serde::{Deserialize, Serialize};

/// What kind of thing a mirror reflects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MirrorKind {
    /// A level: external is the item, place the location.
    Inventory,
    /// A variant's price: external is the variant.
    Price,
    /// A product's text: external is the product.
    Product,
}

impl MirrorKind {
    /// The name that rows carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Price => "price",
            Self::Product => "product",
        }
    }
}

/// What a mirror reflects, in the platform's own ids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MirrorKey {
    /// Whose platform.
    pub connection: ConnectionId,
    /// What kind of thing.
    pub kind: MirrorKind,
    /// The platform's id of it.
    pub external: ExternalId,
    /// Our id of where it is; only levels have one. Ours, since a platform without locations has no id for it.
    pub place: Option<LocationId>,
}

/// A product's text, as it is compared and sent: trimmed, with runs of white space as one space.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProductText {
    /// Its name.
    pub title: Option<String>,
    /// What it is; `Some("")` is empty on purpose.
    pub description: Option<String>,
}

/// What a mirror holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MirrorValue {
    /// A level.
    Quantity(Quantity),
    /// A price.
    Price(Money),
    /// A product's text.
    Text(ProductText),
}

/// What the platform last told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// What it is.
    pub value: MirrorValue,
    /// Its version there.
    pub version: Option<SourceVersion>,
    /// When it was received.
    pub at: Timestamp,
}

/// How far a write of ours has come. Marked before the call, so that its echo can't be first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SendState {
    /// The call is under way, or its answer was lost: the platform holds `from` or `value`.
    Pending,
    /// Something else was reported while the call was under way: whose change came first is known only when the call
    /// is answered and the platform has been read again.
    Unsure,
    /// A report of the value came before the call was answered: most likely the write's, so it counts as its echo. If
    /// the platform then refuses the write, the report was a change of its own. Still under way: nothing else is sent.
    Echoed,
    /// The platform said that it took it; the report of it has not come yet.
    Acknowledged,
    /// The report of it has come, or need not come.
    Settled,
    /// The platform is being read again; nothing is sent until that report has come.
    Reading,
    /// The platform refused it for good; the next desired value is tried again.
    Refused,
}

impl SendState {
    /// The name that rows carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Unsure => "unsure",
            Self::Echoed => "echoed",
            Self::Acknowledged => "acknowledged",
            Self::Settled => "settled",
            Self::Reading => "reading",
            Self::Refused => "refused",
        }
    }

    /// Reads the name that rows carry.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::Pending,
            Self::Unsure,
            Self::Echoed,
            Self::Acknowledged,
            Self::Settled,
            Self::Reading,
            Self::Refused,
        ];
        all.into_iter().find(|state| state.as_str() == text)
    }
}

/// What we last wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// What it shall be.
    pub value: MirrorValue,
    /// What the platform held when we decided to write, as far as we knew.
    pub from: Option<MirrorValue>,
    /// How far the write has come.
    pub state: SendState,
}

/// One row: what one platform has of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// What it reflects.
    pub key: MirrorKey,
    /// Our id of the product (for text) or the variant (for levels and prices), once it is linked.
    pub internal: Option<String>,
    /// What the platform last told.
    pub observed: Option<Observation>,
    /// What the platform holds, as far as we know: what it last told, or what we wrote and it took.
    pub held: Option<MirrorValue>,
    /// What it should hold.
    pub desired: Option<MirrorValue>,
    /// What we last wrote.
    pub sent: Option<Sent>,
}

impl Mirror {
    /// An empty mirror of `key`.
    pub fn new(key: MirrorKey, internal: Option<String>) -> Self {
        Self { key, internal, observed: None, held: None, desired: None, sent: None }
    }
}
