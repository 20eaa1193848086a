//! What the record (Postgres) knows about a batch before it is decided, and what the decision changes in it.
//!
//! `apply` decides over [`Facts`] and leaves [`Changes`]; `store` loads the one and writes the other, each with
//! statements over whole sets.

mod changes;
mod facts;

use crate::{
    Action, ConnectionId, Customer, CustomerId, DeliveryId, EntityKind, Event, EventId, ExternalId,
    LocationId, Money, Order, OrderId, Outcome, Position, ProductId, ProductStatus, Quantity, SourceVersion,
    StoreId, TenantId, Timestamp, VariantId,
};
use std::collections::BTreeMap;

pub use crate::conflict::{Conflict, ConflictEnd, ConflictKind};
pub use changes::Changes;
pub use facts::{
    Changed, ConnectionFacts, ExternalKey, Facts, FirstKeys, Linked, Links, Mirrors, Ours, RowKeys,
    SkuCandidate, WriteLogEntry,
};

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

/// An order of a store, as last reported.
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
    /// The version it was reported in.
    pub version: Option<SourceVersion>,
    /// The order itself.
    pub order: Order,
}

/// A customer of a store, as last reported by one platform.
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
    /// The version it was reported in.
    pub version: Option<SourceVersion>,
    /// The customer; fields that were never reported are `Keep`.
    pub customer: Customer,
    /// When the platform said that it is gone; the personal fields are then cleared.
    pub deleted_at: Option<Timestamp>,
}

/// The erasure of the personal data of every customer of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasure {
    /// The version below which reports say nothing any more.
    pub version: SourceVersion,
    /// When it was asked for.
    pub at: Timestamp,
}

impl CustomerRow {
    /// The row without personal data, which no older report brings back. The same again changes nothing.
    #[must_use]
    pub fn erased(&self, erasure: Erasure) -> Self {
        Self {
            version: self.version.max(Some(erasure.version)),
            customer: self.customer.without_personal_data(),
            deleted_at: self.deleted_at.max(Some(erasure.at)),
            ..self.clone()
        }
    }
}

/// Why a level moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovementReason {
    /// The first level that anyone reported.
    FirstCount,
    /// A platform's level differs from its baseline.
    Reported,
    /// A count: the only number there is, or the one that a rule or a person chose at a first contact.
    Counted,
    /// The variant was found to be another one, which has the stock.
    Relinked,
}

impl MovementReason {
    /// The name that rows carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstCount => "first_count",
            Self::Reported => "reported",
            Self::Counted => "counted",
            Self::Relinked => "relinked",
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
pub struct EventOutcome {
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
    /// When the intake had it.
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
