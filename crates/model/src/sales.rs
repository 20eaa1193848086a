//! Orders and customers, as reported by a platform.

use crate::{ExternalId, Money, Quantity, Settlement, Timestamp};
use serde::{Deserialize, Serialize};

/// The status of an order. A completed or cancelled order doesn't change any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderStatus {
    /// Begun, neither completed nor cancelled.
    Open,
    /// Paid and handed over.
    Completed,
    /// Cancelled.
    Cancelled,
}

impl OrderStatus {
    /// Returns the name used in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Returns whether the order can't change any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }
}

/// An order as reported by a platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The platform's id.
    pub external: ExternalId,
    /// True if the order was made as a test on the platform: it is no sale.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_test: bool,
    /// The number shown to people.
    pub number: Option<String>,
    /// The status.
    pub status: OrderStatus,
    /// The total price, including tax and discounts.
    pub total: Option<Money>,
    /// The tax included in the total.
    pub tax: Option<Money>,
    /// The discount included in the total.
    pub discount: Option<Money>,
    /// Time at which the order was placed.
    pub placed_at: Option<Timestamp>,
    /// Time at which the order was closed.
    pub closed_at: Option<Timestamp>,
    /// The platform's id of the customer.
    pub customer: Option<ExternalId>,
    /// The platform's id of the location.
    pub location: Option<ExternalId>,
    /// The platform's id of the employee who sold it.
    pub employee: Option<ExternalId>,
    /// The platform's id of the order that this one refunds.
    pub refund_of: Option<ExternalId>,
    /// The lines.
    pub lines: Vec<OrderLine>,
    /// The tips, taxes, payments and refunds.
    #[serde(default, skip_serializing_if = "Settlement::is_unknown")]
    pub settlement: Settlement,
}

impl Order {
    /// Returns the order after this report of it. Some reports of a platform lack the employee, who sold it whatever
    /// happens to the order later, and parts of the settlement: those stay as they are known.
    #[must_use]
    pub fn reported_after(&self, known: Option<&Self>) -> Self {
        let Some(known) = known else { return self.clone() };
        Self {
            employee: self.employee.clone().or_else(|| known.employee.clone()),
            settlement: known.settlement.after(&self.settlement),
            ..self.clone()
        }
    }

    /// Returns a cancelled order of which only the id is known.
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
            settlement: Settlement { tip: None, taxes: None, payments: None, refunds: None },
        }
    }
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// The platform's id of the line.
    pub external: ExternalId,
    /// The platform's id of the variant; `None` for an article that is in no catalog.
    pub variant: Option<ExternalId>,
    /// The merchant's own number.
    pub sku: Option<String>,
    /// The title in the order.
    pub title: Option<String>,
    /// The quantity.
    pub quantity: Quantity,
    /// The price of one unit.
    pub unit_price: Option<Money>,
    /// The price of the line.
    pub total: Option<Money>,
}

/// A customer as reported by a platform. It contains personal data: it is stored in the customer's row only, never in
/// the event store, a stream with other readers, or a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Customer {
    /// The platform's id.
    pub external: ExternalId,
    /// Given name.
    pub first_name: crate::Patch<String>,
    /// Family name.
    pub last_name: crate::Patch<String>,
    /// Mail address.
    pub email: crate::Patch<String>,
    /// Telephone number.
    pub phone: crate::Patch<String>,
    /// The tags; `None` if the platform didn't report them.
    pub tags: Option<Vec<String>>,
    /// The customer that this one was merged into.
    pub merged_into: Option<ExternalId>,
}

impl Customer {
    /// Returns a customer of whom only the id is known.
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

    /// Returns the same customer without personal data.
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
