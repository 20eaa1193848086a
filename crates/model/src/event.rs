//! The canonical event: one thing that happened, in our own words.

use crate::{
    AccountNotice, AskedBy, ConnectionId, Customer, DeliveryId, EventId, ExternalId, Instruction,
    InventoryReport, MirrorKey, Order, PlatformName, Position, Product, RawDigest, StockedAt, StoreId,
    TenantId, Timestamp, TraceParent, Waiting,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whose event it is and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Who owns the store.
    pub tenant: TenantId,
    /// The scope of order.
    pub store: StoreId,
    /// The platform's account it came through.
    pub connection: ConnectionId,
    /// The platform.
    pub platform: PlatformName,
}

/// What kind of thing an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntityKind {
    /// A product with its variants.
    Product,
    /// How much of a variant is at a location.
    Inventory,
    /// An order or a till's ticket.
    Order,
    /// A customer.
    Customer,
    /// The platform's account itself: see [`AccountNotice`] and [`Instruction`].
    Account,
}

impl EntityKind {
    /// The name that subjects, labels and rows carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Inventory => "inventory",
            Self::Order => "order",
            Self::Customer => "customer",
            Self::Account => "account",
        }
    }
}
impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the platform says was done. A platform that doesn't tell creation from change says `Updated`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is new.
    Created,
    /// It changed.
    Updated,
    /// It is gone.
    Deleted,
}

impl Action {
    /// The name that subjects, labels and rows carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        }
    }
}
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The platform's version of an object: a number that only grows with the object's changes, be it a counter or a
/// time in microseconds. Comparable only between versions of one object of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceVersion(pub i64);

impl From<Timestamp> for SourceVersion {
    fn from(time: Timestamp) -> Self {
        Self(time.as_micros())
    }
}

/// What happened, with what the platform said. *Unknown is not zero; missing is not empty.*
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// A product as the platform now has it.
    Product(Product),
    /// A level as the platform now has it.
    Inventory(InventoryReport),
    /// An order as the platform now has it.
    Order(Order),
    /// A customer as the platform now has it.
    Customer(Customer),
    /// The complete list of locations that count an item.
    Stocked(StockedAt),
    /// A duty that concerns the account, or a person's data in it.
    Account(AccountNotice),
    /// A decision of a person about the connection: only services of ours send it.
    Instruction {
        /// The platform's id of what it is about; of the whole connection, its own id.
        external: ExternalId,
        /// The decision.
        instruction: Instruction,
    },
    /// The platform no longer has the object of this kind and id.
    Deleted {
        /// What it was.
        entity: EntityKind,
        /// The platform's id of it.
        external: ExternalId,
    },
}

impl Payload {
    /// What kind of thing it is about.
    pub const fn entity(&self) -> EntityKind {
        match self {
            Self::Product(_) => EntityKind::Product,
            Self::Inventory(_) | Self::Stocked(_) => EntityKind::Inventory,
            Self::Order(_) => EntityKind::Order,
            Self::Customer(_) => EntityKind::Customer,
            Self::Account(_) | Self::Instruction { .. } => EntityKind::Account,
            Self::Deleted { entity, .. } => *entity,
        }
    }

    /// The platform's id of the object; of a level, the item's; of a notice, what it names.
    pub fn external(&self) -> &ExternalId {
        match self {
            Self::Product(product) => &product.external,
            Self::Inventory(report) => &report.item,
            Self::Order(order) => &order.external,
            Self::Customer(customer) => &customer.external,
            Self::Stocked(stocked) => &stocked.item,
            Self::Account(notice) => &notice.external,
            Self::Instruction { external, .. } | Self::Deleted { external, .. } => external,
        }
    }
}

/// What kind of thing a platform's id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkKind {
    /// A product.
    Product,
    /// A variant, where it is sold.
    Variant,
    /// A variant, where it is counted; some platforms have one id for both.
    Item,
    /// A location.
    Location,
}

impl LinkKind {
    /// The name that rows carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Variant => "variant",
            Self::Item => "item",
            Self::Location => "location",
        }
    }
}

/// What a platform's id of this event is in the store's own terms. A link never changes once it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What kind of thing.
    pub kind: LinkKind,
    /// The platform's id.
    pub external: ExternalId,
    /// Our id, a token.
    pub internal: String,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The same however often the event comes in.
    pub id: EventId,
    /// The delivery that began the chain this event belongs to.
    pub correlation: DeliveryId,
    /// The delivery that brought the event.
    pub delivery: DeliveryId,
    /// Whose it is and where it came from.
    pub origin: Origin,
    /// What was done.
    pub action: Action,
    /// When, as the platform says.
    pub occurred_at: Option<Timestamp>,
    /// When the intake had it.
    pub received_at: Timestamp,
    /// The platform's version of the object.
    pub version: Option<SourceVersion>,
    /// What the platform said.
    pub payload: Payload,
    /// What the ids in the payload are in the store's own terms, as far as enrich knew.
    pub links: Vec<Link>,
    /// SHA-256 of the delivery's body.
    pub raw_digest: RawDigest,
    /// How many of our own writes lie between the first cause and this event.
    pub hops: u8,
    /// Who asked for it, where we read it for a mirror.
    pub asked_by: Option<AskedBy>,
    /// How often its delivery was taken in again after it had become a dead letter; zero at first.
    pub attempt: u32,
    /// The trace it belongs to.
    pub trace: TraceParent,
    /// Its place in the partition.
    pub position: Position,
}

/// What stands for a report's location where the platform names none: enrich links it to the connection's default.
pub const DEFAULT_LOCATION: &str = "default";

impl Event {
    /// Our id of what the platform calls `external`, if enrich knew it.
    pub fn link(&self, kind: LinkKind, external: &ExternalId) -> Option<&str> {
        self.links
            .iter()
            .find(|link| link.kind == kind && link.external == *external)
            .map(|link| link.internal.as_str())
    }

    /// The waiting for which it was read, of the mirror that `is_mirror` names: none if it wasn't read, or for another
    /// mirror.
    pub fn read_for(&self, is_mirror: impl FnOnce(&MirrorKey) -> bool) -> Option<Waiting> {
        match &self.asked_by {
            Some(asked) => is_mirror(&asked.mirror).then_some(asked.waiting),
            // Readings of before waitings were numbered.
            None => (self.hops > 0).then(Waiting::default),
        }
    }
}
