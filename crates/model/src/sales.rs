//! Orders and customers, as a platform tells of them.

use crate::{ExternalId, Money, Quantity, Timestamp};
use serde::{Deserialize, Serialize};

/// How far an order has come. A completed or cancelled order doesn't change any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderStatus {
    /// Begun.
    Open,
    /// Paid and handed over.
    Completed,
    /// Given up.
    Cancelled,
}

impl OrderStatus {
    /// The name that rows carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing may change it any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }
}

/// An order as a platform tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The platform's id.
    pub external: ExternalId,
    /// True if the platform made it to try something out: it is no sale.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_test: bool,
    /// The number that people read.
    pub number: Option<String>,
    /// How far it has come.
    pub status: OrderStatus,
    /// What it costs in all, tax and discounts included.
    pub total: Option<Money>,
    /// The tax in it.
    pub tax: Option<Money>,
    /// The discount in it.
    pub discount: Option<Money>,
    /// When it was begun.
    pub placed_at: Option<Timestamp>,
    /// When it came to its end.
    pub closed_at: Option<Timestamp>,
    /// The platform's id of who bought.
    pub customer: Option<ExternalId>,
    /// The platform's id of where.
    pub location: Option<ExternalId>,
    /// The platform's id of who sold.
    pub employee: Option<ExternalId>,
    /// The platform's id of the order that this one takes back.
    pub refund_of: Option<ExternalId>,
    /// What was bought.
    pub lines: Vec<OrderLine>,
}

impl Order {
    /// A cancelled order of which nothing but its id is known.
    pub const fn cancelled(external: ExternalId) -> Self {
        Self {
            external,
            is_test: false,
            number: None,
            status: OrderStatus::Cancelled,
            total: None,
            tax: None,
            discount: None,
            placed_at: None,
            closed_at: None,
            customer: None,
            location: None,
            employee: None,
            refund_of: None,
            lines: Vec::new(),
        }
    }
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// The platform's id of the line.
    pub external: ExternalId,
    /// The platform's id of the variant; `None` for something that is in no catalog.
    pub variant: Option<ExternalId>,
    /// The merchant's own number.
    pub sku: Option<String>,
    /// What it was called.
    pub title: Option<String>,
    /// How much.
    pub quantity: Quantity,
    /// What one costs.
    pub unit_price: Option<Money>,
    /// What the line costs.
    pub total: Option<Money>,
}

/// A customer as a platform tells of them. Holds personal data: it goes to the customer's row only, never into the
/// event store, a stream that others read, or a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Customer {
    /// The platform's id.
    pub external: ExternalId,
    /// Given name.
    pub first_name: crate::Patch<String>,
    /// Family name.
    pub last_name: crate::Patch<String>,
    /// Electronic mail.
    pub email: crate::Patch<String>,
    /// Telephone.
    pub phone: crate::Patch<String>,
    /// The tags; `None` if the platform didn't say.
    pub tags: Option<Vec<String>>,
    /// The customer that this one was merged into.
    pub merged_into: Option<ExternalId>,
}

impl Customer {
    /// A customer of whom nothing but the id is known.
    pub const fn bare(external: ExternalId) -> Self {
        Self {
            external,
            first_name: crate::Patch::Keep,
            last_name: crate::Patch::Keep,
            email: crate::Patch::Keep,
            phone: crate::Patch::Keep,
            tags: None,
            merged_into: None,
        }
    }

    /// The same customer without what tells who it is.
    #[must_use]
    pub fn without_personal_data(&self) -> Self {
        Self { merged_into: self.merged_into.clone(), ..Self::bare(self.external.clone()) }
    }
}

impl std::fmt::Debug for Customer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Customer").field("external", &self.external).finish_non_exhaustive()
    }
}
