//! What a batch changes.

use super::{
    Applied, CustomerRow, Erasure, EventOutcome, Links, Mirrors, Movement, OrderRow, ProductRow, StoreStep,
    VariantRow, facts::Changed,
};
use crate::{
    BaselineRule, Conflict, ConflictEnd, ConnectionId, CustomerId, DroppedInput, EventId, LocationId,
    OrderId, Partition, ProductId, Quantity, StoreId, VariantId,
};
use std::collections::{BTreeMap, BTreeSet};

/// What a batch changes; the last state of each row, not the way to it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// How each event ended.
    pub event_outcomes: Vec<EventOutcome>,
    /// Those of them that had ended dead before: that earlier end is kept as a dropped input.
    pub revived: BTreeSet<(ConnectionId, EventId)>,
    /// What ended without an outcome of its own.
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
    /// What each store has come to.
    pub stores: BTreeMap<StoreId, StoreStep>,
    /// What rules couldn't decide.
    pub conflicts: Vec<Conflict>,
    /// Conflicts that ended by themselves.
    pub conflicts_ended: Vec<ConflictEnd>,
    /// Rules for first contacts that a person set.
    pub rules: BTreeMap<ConnectionId, BaselineRule>,
    /// Connections whose access the platform revoked.
    pub revoked: BTreeSet<ConnectionId>,
    /// Connections of which the personal data of every customer is to be erased; of those among `customers` it is.
    pub erased: BTreeMap<ConnectionId, Erasure>,
}
