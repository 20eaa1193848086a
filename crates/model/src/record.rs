//! The record (Postgres): the facts about a batch before it is decided, and the changes made by the decision.
//!
//! `apply` decides over [`Facts`] and produces [`Changes`]. `store` loads the facts and writes the changes, each with
//! statements over whole sets.

mod changes;
mod details;
mod facts;

use crate::{
    Action, ConnectionId, Customer, CustomerId, DeliveryId, Employee, EmployeeId, EntityKind, Event, EventId,
    ExternalId, LocationId, Money, Order, OrderId, Outcome, Position, ProductId, ProductStatus, PromotionId,
    Quantity, StoreId, TenantId, Timestamp, VariantId, VersionNumber,
    promotion::{Activity, Promotion},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use crate::conflict::{Conflict, ConflictEnd, ConflictKind};
pub use changes::Changes;
pub use details::{KeptProductDetails, KeptVariantDetails};
pub use facts::{
    Changed, ConnectionFacts, ExternalKey, Facts, FirstKeys, Linked, Links, Mirrors, Ours, RowKeys,
    SkuCandidate, WriteLogEntry,
};

/// A field with the time of the change that set it. The later change wins, field by field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocked<T> {
    /// The value.
    pub value: T,
    /// Time of the change, as reported by the platform that made it.
    pub at: Timestamp,
}

/// A product of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductRow {
    /// Our id.
    pub id: ProductId,
    /// The owner of the store.
    pub tenant: TenantId,
    /// The store.
    pub store: StoreId,
    /// The name.
    pub title: Option<Clocked<String>>,
    /// The description; `Some("")` is empty on purpose.
    pub description: Option<Clocked<String>>,
    /// The manufacturer.
    pub vendor: Option<Clocked<String>>,
    /// The category.
    pub category: Option<Clocked<String>>,
    /// The sales status.
    pub status: Option<Clocked<ProductStatus>>,
    /// The tags.
    pub tags: Option<Clocked<Vec<String>>>,
    /// The images and attributes.
    pub details: KeptProductDetails,
    /// Time at which a platform reported that the product no longer exists.
    pub deleted_at: Option<Timestamp>,
}

/// A variant of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariantRow {
    /// Our id.
    pub id: VariantId,
    /// The owner of the store.
    pub tenant: TenantId,
    /// The store.
    pub store: StoreId,
    /// The product.
    pub product: ProductId,
    /// The name within the product.
    pub title: Option<Clocked<String>>,
    /// The merchant's own number.
    pub sku: Option<Clocked<String>>,
    /// The bar code.
    pub barcode: Option<Clocked<String>>,
    /// The price.
    pub price: Option<Clocked<Money>>,
    /// The former price; `None` inside is empty on purpose.
    pub compare_at_price: Option<Clocked<Option<Money>>>,
    /// The images, lab results and prices by quantity.
    pub details: KeptVariantDetails,
}

/// An order of a store, as last reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRow {
    /// Our id.
    pub id: OrderId,
    /// The owner of the store.
    pub tenant: TenantId,
    /// The store.
    pub store: StoreId,
    /// The connection that reported it; an order belongs to one platform.
    pub connection: ConnectionId,
    /// The version in the last report.
    pub version: Option<VersionNumber>,
    /// The order itself.
    pub order: Order,
}

/// A customer of a store, as last reported by one platform.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerRow {
    /// Our id.
    pub id: CustomerId,
    /// The owner of the store.
    pub tenant: TenantId,
    /// The store.
    pub store: StoreId,
    /// The connection that reported it.
    pub connection: ConnectionId,
    /// The version in the last report.
    pub version: Option<VersionNumber>,
    /// The customer; fields that were never reported are `Keep`.
    pub customer: Customer,
    /// Time at which the platform reported that the customer no longer exists; the personal fields are then empty.
    pub deleted_at: Option<Timestamp>,
}

/// An employee of a store, as last reported by one platform.
#[derive(Debug, Clone, PartialEq)]
pub struct EmployeeRow {
    /// Our id.
    pub id: EmployeeId,
    /// The owner of the store.
    pub tenant: TenantId,
    /// The store.
    pub store: StoreId,
    /// The connection that reported it.
    pub connection: ConnectionId,
    /// The version in the last report.
    pub version: Option<VersionNumber>,
    /// The employee; fields that were never reported are `Keep` or `None`.
    pub employee: Employee,
    /// Time at which the platform reported that the employee no longer exists; only the id is then left.
    pub deleted_at: Option<Timestamp>,
}

/// A promotion of a store, as last reported by one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromotionRow {
    /// Our id.
    pub id: PromotionId,
    /// The owner of the store.
    pub tenant: TenantId,
    /// The store.
    pub store: StoreId,
    /// The connection that reported it; a promotion belongs to one platform.
    pub connection: ConnectionId,
    /// The version in the last report.
    pub version: Option<VersionNumber>,
    /// The promotion itself; only its id is left of one that no longer exists.
    pub promotion: Promotion,
    /// Time at which the platform reported that the promotion no longer exists.
    pub deleted_at: Option<Timestamp>,
    /// The last begin or end that was announced; `None` while it never was active.
    pub activity: Option<Activity>,
    /// Time up to which `activity` accounts for every begin and end: that of the last change of the promotion, or of the
    /// last begin or end.
    pub watched_from: Timestamp,
}

/// The erasure of the personal data of every customer and employee of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasure {
    /// The version below which reports have no effect any more.
    pub version: VersionNumber,
    /// Time of the request.
    pub at: Timestamp,
}

impl CustomerRow {
    /// Returns the row without personal data, which no older report restores. A second erasure changes nothing.
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

impl EmployeeRow {
    /// Returns the row with the id alone, which no older report fills again. A second erasure changes nothing.
    #[must_use]
    pub fn erased(&self, erasure: Erasure) -> Self {
        Self {
            version: self.version.max(Some(erasure.version)),
            employee: Employee::bare(self.employee.external.clone()),
            deleted_at: self.deleted_at.max(Some(erasure.at)),
            ..self.clone()
        }
    }
}

/// The reason of a level's movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovementReason {
    /// The first reported level.
    FirstCount,
    /// A platform's level differs from its baseline.
    Reported,
    /// A count: the only number there is, or the one chosen by a rule or a person at a first contact.
    Counted,
    /// The variant turned out to be another one, which has the stock.
    Relinked,
}

impl MovementReason {
    /// Returns the name used in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstCount => "first_count",
            Self::Reported => "reported",
            Self::Counted => "counted",
            Self::Relinked => "relinked",
        }
    }
}

/// The progress that a batch makes in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreStep {
    /// The sequence number of its last change, if the batch made any.
    pub last_sequence: Option<i64>,
    /// Number of its deliveries that ended.
    pub ended: i64,
}

/// One line of the ledger. The sum over a level's lines is always the level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// The owner of the store.
    pub tenant: TenantId,
    /// The store.
    pub store: StoreId,
    /// The store's sequence number of the event that caused the movement.
    pub sequence: i64,
    /// The variant.
    pub variant: VariantId,
    /// The location.
    pub location: LocationId,
    /// The change of the level.
    pub delta: Quantity,
    /// The level after the movement.
    pub level: Quantity,
    /// The reason.
    pub reason: MovementReason,
    /// The connection that reported it.
    pub connection: ConnectionId,
    /// Time of receipt.
    pub at: Timestamp,
}

/// The outcome of one event. Every event that reaches `apply` leaves one, except duplicates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventOutcome {
    /// The owner of the store.
    pub tenant: TenantId,
    /// The store.
    pub store: StoreId,
    /// The connection that reported it.
    pub connection: ConnectionId,
    /// The event.
    pub event: EventId,
    /// The delivery that contained the event.
    pub delivery: DeliveryId,
    /// The kind of object.
    pub entity: EntityKind,
    /// The platform's id of the object.
    pub external: ExternalId,
    /// The kind of change.
    pub action: Action,
    /// The outcome.
    pub outcome: Outcome,
    /// The reason, for people; empty where the outcome is sufficient.
    pub reason: String,
    /// Its position in the partition.
    pub position: Position,
    /// Time of receipt by the intake.
    pub received_at: Timestamp,
    /// The store's sequence number, if it was applied.
    pub sequence: Option<i64>,
}

/// One committed change: a row of the event store and a message of APPLIED.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The partition's own count of committed changes, 1..n without gaps: the logical clock for readers of APPLIED.
    pub number: i64,
    /// The store's sequence number, 1..n without gaps.
    pub sequence: i64,
    /// The event as applied: with complete links, without personal data.
    pub event: Event,
    /// Its effects on the store's own values.
    pub effects: Vec<Effect>,
    /// The catalog rows that it changed, in their new state. The platform's report alone doesn't determine them,
    /// because reports and clocks of other platforms count too.
    pub rows: Vec<CatalogRow>,
}

/// A catalog row, with the clock of each field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogRow {
    /// Row of a product.
    Product(ProductRow),
    /// Row of a variant.
    Variant(VariantRow),
}

/// The current state of a store, as far as its events show it. Customers and employees are not part of it: events
/// contain no personal data.
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
    /// Promotions.
    pub promotions: BTreeMap<PromotionId, PromotionRow>,
}

/// A value of the store that an event changed, in its new state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A level changed.
    Level {
        /// The variant.
        variant: VariantId,
        /// The location.
        location: LocationId,
        /// The change of the level.
        delta: Quantity,
        /// The new level.
        level: Quantity,
        /// The reason.
        reason: MovementReason,
    },
    /// A price changed.
    Price {
        /// The variant.
        variant: VariantId,
        /// The new price.
        price: Money,
    },
    /// A product's text changed.
    Text {
        /// The product.
        product: ProductId,
    },
    /// A product or variant became known on a platform that didn't have it: its other values are due there.
    Linked {
        /// The variant.
        variant: VariantId,
    },
}
