//! Orders and customers on the wire.

use super::{external, from_text_patch, optional_external, settlement, text_patch};
use crate::{DecodeError, error::At as _, pb};
use model::{Customer, ExternalId, Money, Order, OrderLine, OrderStatus, Quantity, Timestamp};

pub(super) fn text(id: Option<&ExternalId>) -> Option<String> {
    id.map(ToString::to_string)
}

pub(super) fn money(amount: Option<pb::Money>) -> Result<Option<Money>, DecodeError> {
    amount.map(Money::try_from).transpose()
}

impl From<&Order> for pb::Order {
    fn from(order: &Order) -> Self {
        let status = match order.status {
            OrderStatus::Open => pb::OrderStatus::Open,
            OrderStatus::Completed => pb::OrderStatus::Completed,
            OrderStatus::Cancelled => pb::OrderStatus::Cancelled,
        };
        Self {
            external: order.external.to_string(),
            number: order.number.clone(),
            status: status.into(),
            total: order.total.map(Into::into),
            tax: order.tax.map(Into::into),
            discount: order.discount.map(Into::into),
            placed_at_micros: order.placed_at.map(Timestamp::as_micros),
            closed_at_micros: order.closed_at.map(Timestamp::as_micros),
            customer: text(order.customer.as_ref()),
            location: text(order.location.as_ref()),
            employee: text(order.employee.as_ref()),
            refund_of: text(order.refund_of.as_ref()),
            lines: order.lines.iter().map(pb::OrderLine::from).collect(),
            is_test: order.is_test,
            settlement: settlement::written(&order.settlement),
        }
    }
}

impl TryFrom<pb::Order> for Order {
    type Error = DecodeError;
    fn try_from(order: pb::Order) -> Result<Self, DecodeError> {
        let status = match order.status() {
            pb::OrderStatus::Unspecified => return Err(DecodeError::Missing("order.status")),
            pb::OrderStatus::Open => OrderStatus::Open,
            pb::OrderStatus::Completed => OrderStatus::Completed,
            pb::OrderStatus::Cancelled => OrderStatus::Cancelled,
        };
        Ok(Self {
            external: external(&order.external, "order.external")?,
            is_test: order.is_test,
            number: order.number,
            status,
            total: money(order.total)?,
            tax: money(order.tax)?,
            discount: money(order.discount)?,
            placed_at: order.placed_at_micros.map(Timestamp::from_micros),
            closed_at: order.closed_at_micros.map(Timestamp::from_micros),
            customer: optional_external(order.customer, "order.customer")?,
            location: optional_external(order.location, "order.location")?,
            employee: optional_external(order.employee, "order.employee")?,
            refund_of: optional_external(order.refund_of, "order.refund_of")?,
            lines: order.lines.into_iter().map(OrderLine::try_from).collect::<Result<_, _>>()?,
            settlement: settlement::read(order.settlement)?,
        })
    }
}

impl From<&OrderLine> for pb::OrderLine {
    fn from(line: &OrderLine) -> Self {
        Self {
            external: line.external.to_string(),
            variant: text(line.variant.as_ref()),
            sku: line.sku.clone(),
            title: line.title.clone(),
            quantity: line.quantity.to_string(),
            unit_price: line.unit_price.map(Into::into),
            total: line.total.map(Into::into),
        }
    }
}

impl TryFrom<pb::OrderLine> for OrderLine {
    type Error = DecodeError;
    fn try_from(line: pb::OrderLine) -> Result<Self, DecodeError> {
        Ok(Self {
            external: external(&line.external, "line.external")?,
            variant: optional_external(line.variant, "line.variant")?,
            sku: line.sku,
            title: line.title,
            quantity: Quantity::parse(&line.quantity).at("line.quantity")?,
            unit_price: money(line.unit_price)?,
            total: money(line.total)?,
        })
    }
}

impl From<&Customer> for pb::Customer {
    fn from(customer: &Customer) -> Self {
        Self {
            external: customer.external.to_string(),
            first_name: text_patch(&customer.first_name),
            last_name: text_patch(&customer.last_name),
            email: text_patch(&customer.email),
            phone: text_patch(&customer.phone),
            tags: customer.tags.clone().map(|values| pb::TextList { values }),
            merged_into: text(customer.merged_into.as_ref()),
        }
    }
}

impl TryFrom<pb::Customer> for Customer {
    type Error = DecodeError;
    fn try_from(customer: pb::Customer) -> Result<Self, DecodeError> {
        Ok(Self {
            external: external(&customer.external, "customer.external")?,
            first_name: from_text_patch(customer.first_name),
            last_name: from_text_patch(customer.last_name),
            email: from_text_patch(customer.email),
            phone: from_text_patch(customer.phone),
            tags: customer.tags.map(|tags| tags.values),
            merged_into: optional_external(customer.merged_into, "customer.merged_into")?,
        })
    }
}
