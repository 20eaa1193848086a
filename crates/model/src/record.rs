//! What the record (Postgres) knows about a batch before it is decided, and what the decision changes in it.
//!
//! `apply` decides over [`Facts`] and leaves [`Changes`]; `store` loads the one and writes the other, each with
//! statements over whole sets.

use crate::{
    Action, BaselineRule, ConnectionId, Customer, CustomerId, DeliveryId, Dismissal, EntityKind, Event,
    EventId, ExternalId, LinkKind, LocationId, Mirror, MirrorKey, MirrorValue, Money, Order, OrderId,
    Outcome, Partition, Position, ProductId, ProductStatus, Quantity, Sent, SourceVersion, StoreId, TenantId,
    Timestamp, VariantId,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use crate::conflict::{Conflict, ConflictEnd, ConflictKind};

/// What a platform's id names, per connection.
pub type LinkKey = (ConnectionId, LinkKind, ExternalId);

/// What has to be known before anything else: it says which rows come next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FirstKeys {
    /// Events that may have been recorded before.
    pub events: BTreeSet<(ConnectionId, EventId)>,
    /// Platform ids that enrich didn't know.
    pub links: BTreeSet<LinkKey>,
    /// Merchant's numbers of variants that may exist already.
    pub skus: BTreeSet<(StoreId, String)>,
    /// Stores whose sequence goes on.
    pub stores: BTreeSet<StoreId>,
}

/// The rows that the batch may change; loaded locked, in the order of their keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowKeys {
    /// Mirrors by their whole key.
    pub mirrors: BTreeSet<MirrorKey>,
    /// Items that a product event links: every level mirror of them, whatever the place.
    pub item_mirrors: BTreeSet<(ConnectionId, ExternalId)>,
    /// Levels.
    pub levels: BTreeSet<(VariantId, LocationId)>,
    /// Products.
    pub products: BTreeSet<ProductId>,
    /// Variants.
    pub variants: BTreeSet<VariantId>,
    /// Orders.
    pub orders: BTreeSet<OrderId>,
    /// Customers.
    pub customers: BTreeSet<CustomerId>,
}

/// What the record knows. What isn't in a map isn't in the record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// Those of the wanted events that were recorded before, dead ones aside.
    pub seen: BTreeMap<(ConnectionId, EventId), Position>,
    /// Those of the wanted events that were recorded as dead: they are decided anew when they come in again.
    pub dead: BTreeMap<(ConnectionId, EventId), Position>,
    /// Links, ours as a token.
    pub links: BTreeMap<LinkKey, String>,
    /// The variant with that merchant's number.
    pub skus: BTreeMap<(StoreId, String), SkuMatch>,
    /// The last sequence number of each store; 0 before its first event.
    pub stores: BTreeMap<StoreId, i64>,
    /// Mirrors.
    pub mirrors: BTreeMap<MirrorKey, Mirror>,
    /// Levels.
    pub levels: BTreeMap<(VariantId, LocationId), Quantity>,
    /// Products.
    pub products: BTreeMap<ProductId, ProductRow>,
    /// Variants.
    pub variants: BTreeMap<VariantId, VariantRow>,
    /// Orders.
    pub orders: BTreeMap<OrderId, OrderRow>,
    /// Customers.
    pub customers: BTreeMap<CustomerId, CustomerRow>,
    /// What propagate made of mirrors while the events were decided the first time, in order, by partition; only a replay
    /// has any.
    pub marks: BTreeMap<Partition, VecDeque<SendMark>>,
}

/// What propagate made of a mirror when it began or settled a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendMark {
    /// Events up to here were decided without it, events behind it with it.
    pub after: Position,
    /// Which mirror.
    pub key: MirrorKey,
    /// Our id of the variant or product.
    pub internal: Option<String>,
    /// What the platform then held, as far as was known.
    pub held: Option<MirrorValue>,
    /// The newest version of it that was then known there, by a report or by the reply to a write.
    pub version: Option<SourceVersion>,
    /// The write.
    pub sent: Sent,
}

/// The one variant of a store that has a merchant's number; where several have it, none is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkuMatch {
    /// The variant.
    pub variant: VariantId,
    /// Its product.
    pub product: ProductId,
    /// The connections that have a variant linked to it already.
    pub linked_by: BTreeSet<ConnectionId>,
}

/// A field with the time of the change that set it: the later change wins, field by field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clocked<T> {
    /// What it is.
    pub value: T,
    /// When it was set, as the platform that set it says.
    pub at: Timestamp,
}

/// A product of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductRow {
    /// Our id.
    pub id: ProductId,
    /// Whose.
    pub tenant: TenantId,
    /// Of which store.
    pub store: StoreId,
    /// Its name.
    pub title: Option<Clocked<String>>,
    /// What it is; `Some("")` is empty on purpose.
    pub description: Option<Clocked<String>>,
    /// Who makes it.
    pub vendor: Option<Clocked<String>>,
    /// What it is kept under.
    pub category: Option<Clocked<String>>,
    /// Whether it is for sale.
    pub status: Option<Clocked<ProductStatus>>,
    /// Its tags.
    pub tags: Option<Clocked<Vec<String>>>,
    /// When a platform said that it is gone.
    pub deleted_at: Option<Timestamp>,
}

/// A variant of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariantRow {
    /// Our id.
    pub id: VariantId,
    /// Whose.
    pub tenant: TenantId,
    /// Of which store.
    pub store: StoreId,
    /// Of which product.
    pub product: ProductId,
    /// Its name within the product.
    pub title: Option<Clocked<String>>,
    /// The merchant's own number.
    pub sku: Option<Clocked<String>>,
    /// The bar code.
    pub barcode: Option<Clocked<String>>,
    /// What it costs.
    pub price: Option<Clocked<Money>>,
    /// What it cost before; `None` inside is empty on purpose.
    pub compare_at_price: Option<Clocked<Option<Money>>>,
}

/// An order of a store, as last told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRow {
    /// Our id.
    pub id: OrderId,
    /// Whose.
    pub tenant: TenantId,
    /// Of which store.
    pub store: StoreId,
    /// Through which connection it came; an order belongs to one platform.
    pub connection: ConnectionId,
    /// The version it was told in.
    pub version: Option<SourceVersion>,
    /// The order itself.
    pub order: Order,
}

/// A customer of a store, as last told by one platform.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerRow {
    /// Our id.
    pub id: CustomerId,
    /// Whose.
    pub tenant: TenantId,
    /// Of which store.
    pub store: StoreId,
    /// Through which connection.
    pub connection: ConnectionId,
    /// The version it was told in.
    pub version: Option<SourceVersion>,
    /// The customer; fields that were never told are `Keep`.
    pub customer: Customer,
    /// When the platform said that it is gone; the personal fields are then cleared.
    pub deleted_at: Option<Timestamp>,
}

/// Why a level moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovementReason {
    /// The first level that anyone told.
    FirstCount,
    /// A platform's level differs from what it last held.
    Reported,
}

impl MovementReason {
    /// The name that rows carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstCount => "first_count",
            Self::Reported => "reported",
        }
    }
}

/// How far a batch brings a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreStep {
    /// The sequence number of its last change, if the batch made any.
    pub last_sequence: Option<i64>,
    /// How many of its deliveries came to an end.
    pub ended: i64,
}

/// One line of the ledger; the sum over a level's lines is the level, always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// Whose.
    pub tenant: TenantId,
    /// Of which store.
    pub store: StoreId,
    /// The store's sequence number of the event that moved it.
    pub sequence: i64,
    /// What moved.
    pub variant: VariantId,
    /// Where.
    pub location: LocationId,
    /// By how much.
    pub delta: Quantity,
    /// What it came to.
    pub level: Quantity,
    /// Why.
    pub reason: MovementReason,
    /// Through which connection it was learned.
    pub connection: ConnectionId,
    /// When it was received.
    pub at: Timestamp,
}

/// How one event ended; every event that reaches `apply` leaves one, duplicates aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Whose.
    pub tenant: TenantId,
    /// Of which store.
    pub store: StoreId,
    /// Through which connection.
    pub connection: ConnectionId,
    /// The event.
    pub event: EventId,
    /// The delivery that brought it.
    pub delivery: DeliveryId,
    /// What it is about.
    pub entity: EntityKind,
    /// The platform's id of that.
    pub external: ExternalId,
    /// What was done.
    pub action: Action,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, for people; empty where the outcome says it all.
    pub reason: String,
    /// Its place in the partition.
    pub position: Position,
    /// When the door had it.
    pub received_at: Timestamp,
    /// The store's sequence number, if it was applied.
    pub sequence: Option<i64>,
}

/// One committed change: a row of the event store and a message of APPLIED.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The partition's own count of committed changes, 1..n without gaps: the clock of who reads APPLIED.
    pub number: i64,
    /// The store's sequence number, 1..n without gaps.
    pub sequence: i64,
    /// The event as it was applied, links complete, without personal data.
    pub event: Event,
    /// What it made of the store's own values.
    pub effects: Vec<Effect>,
    /// The rows of the catalog that it changed, as they became: the platform's words alone don't tell, because other
    /// platforms' words and clocks decide too.
    pub rows: Vec<CatalogRow>,
}

/// A row of the catalog, with the clock of each field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogRow {
    /// Of a product.
    Product(ProductRow),
    /// Of a variant.
    Variant(VariantRow),
}

/// The current state of a store, as far as its events tell. Customers are no part of it: events hold no personal data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Levels.
    pub levels: BTreeMap<(VariantId, LocationId), Quantity>,
    /// Products.
    pub products: BTreeMap<ProductId, ProductRow>,
    /// Variants.
    pub variants: BTreeMap<VariantId, VariantRow>,
    /// Orders.
    pub orders: BTreeMap<OrderId, OrderRow>,
}

/// A value of the store that an event changed, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A level is now this.
    Level {
        /// What.
        variant: VariantId,
        /// Where.
        location: LocationId,
        /// By how much it moved.
        delta: Quantity,
        /// What it came to.
        level: Quantity,
        /// Why.
        reason: MovementReason,
    },
    /// A price is now this.
    Price {
        /// What.
        variant: VariantId,
        /// What it costs.
        price: Money,
    },
    /// A product's text changed.
    Text {
        /// What.
        product: ProductId,
    },
    /// A product or variant became known on a platform that had not had it: other values of it are due there.
    Linked {
        /// What.
        variant: VariantId,
    },
}

/// What a batch changes; the last state of each row, not the way to it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// How each event ended.
    pub endings: Vec<Ending>,
    /// Those of them that had ended dead before: that earlier end is kept as a dismissal.
    pub revived: BTreeSet<(ConnectionId, EventId)>,
    /// What ended without an ending of its own.
    pub dismissals: Vec<Dismissal>,
    /// The committed changes, in order.
    pub applied: Vec<(Partition, Applied)>,
    /// New links.
    pub links: BTreeMap<LinkKey, String>,
    /// Mirrors: observed, held, internal and the state of what was sent.
    pub mirrors: BTreeMap<MirrorKey, Mirror>,
    /// Writes of those mirrors that a replay brings back.
    pub sent: BTreeMap<MirrorKey, Sent>,
    /// Levels.
    pub levels: BTreeMap<(VariantId, LocationId), Quantity>,
    /// Lines of the ledger.
    pub movements: Vec<Movement>,
    /// Products.
    pub products: BTreeMap<ProductId, ProductRow>,
    /// Variants.
    pub variants: BTreeMap<VariantId, VariantRow>,
    /// Orders.
    pub orders: BTreeMap<OrderId, OrderRow>,
    /// Customers.
    pub customers: BTreeMap<CustomerId, CustomerRow>,
    /// What each store has come to.
    pub stores: BTreeMap<StoreId, StoreStep>,
    /// Conflicts that were found, in order: see [`Changes::open_conflict`].
    pub conflicts: Vec<Conflict>,
    /// Conflicts that ended by themselves: see [`Changes::end_conflict`].
    pub conflicts_ended: Vec<ConflictEnd>,
    /// Rules for first contacts that a person set.
    pub rules: BTreeMap<ConnectionId, BaselineRule>,
    /// Connections whose authorisation the platform revoked.
    pub revoked: BTreeSet<ConnectionId>,
}
