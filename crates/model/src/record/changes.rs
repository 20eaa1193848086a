//! Changes made by a batch.

use super::{
    Applied, CustomerRow, EmployeeRow, Erasure, EventOutcome, Links, Mirrors, Movement, OrderRow, ProductRow,
    PromotionRow, StoreStep, VariantRow, facts::Changed,
};
use crate::{
    BaselineRule, Conflict, ConflictEnd, ConnectionId, CustomerId, DroppedInput, EmployeeId, EventId,
    LocationId, OrderId, Partition, ProductId, PromotionId, Quantity, StoreId, VariantId,
};
use std::collections::{BTreeMap, BTreeSet};

/// The changes made by a batch: the last state of each row, without intermediate states.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// The outcome of each event.
    pub event_outcomes: Vec<EventOutcome>,
    /// Those of the events that had ended as dead before: the earlier outcome is kept as a dropped input.
    pub revived: BTreeSet<(ConnectionId, EventId)>,
    /// Inputs that ended without an outcome of their own.
    pub dropped_inputs: Vec<DroppedInput>,
    /// The committed changes, in order.
    pub applied: Vec<(Partition, Applied)>,
    /// Links that were made, changed or retired.
    pub links: Links<Changed>,
    /// Mirrors.
    pub mirrors: Mirrors,
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
    /// Promotions.
    pub promotions: BTreeMap<PromotionId, PromotionRow>,
    /// Employees.
    pub employees: BTreeMap<EmployeeId, EmployeeRow>,
    /// The progress of each store.
    pub stores: BTreeMap<StoreId, StoreStep>,
    /// Conflicts that rules couldn't decide.
    pub conflicts: Vec<Conflict>,
    /// Conflicts whose cause no longer exists.
    pub conflicts_ended: Vec<ConflictEnd>,
    /// Rules for first contacts, as set by a person.
    pub rules: BTreeMap<ConnectionId, BaselineRule>,
    /// Connections whose access the platform revoked.
    pub revoked: BTreeSet<ConnectionId>,
    /// Connections of which the personal data of every customer and employee has to be erased. In the rows of
    /// `customers` and `employees` it is erased already.
    pub erased: BTreeMap<ConnectionId, Erasure>,
}
