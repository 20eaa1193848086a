//! A platform's own rules for the ledger.

use crate::ids::Ids;
use serde_json::{Map, Value};

/// A platform's own rules for a shop's ledger.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LedgerRules {
    /// Makes the id of an order, a line or a product.
    pub(crate) object_id: fn(&mut Ids) -> String,
    /// Makes the id of a customer or an employee.
    pub(crate) customer_id: fn(&mut Ids) -> String,
    /// Makes the ids of a variant and of its inventory item, given the product's id and the number of its variants.
    pub(crate) variant_ids: fn(&str, usize, &mut Ids) -> (String, String),
    /// Maximum number of variants of a product; further ones become products of their own.
    pub(crate) variants_max: usize,
    /// True if stock is counted in whole pieces.
    pub(crate) counts_pieces: bool,
    /// True if a completed order can be cancelled.
    pub(crate) cancels_orders: bool,
    /// True if a refund of an order is reported.
    pub(crate) refunds_orders: bool,
    /// A title as the platform stores and shows it.
    pub(crate) title: fn(&str) -> String,
    /// A description as the platform stores and shows it.
    pub(crate) description: fn(&str) -> String,
    /// Fields of a new product that a write must keep.
    pub(crate) product_fields: fn() -> Map<String, Value>,
}
