//! Orders, as fetched.

use super::{deleted, first, money, settlement::settlement, time, version};
use crate::{
    MapContext, Mapped,
    clover::{LINES_COMPLETE, reader::LINES_LISTED_MAX},
    field::Object,
};
use model::{
    Action, EntityKind, ExternalId, Money, Order, OrderLine, OrderStatus, Payload, Quantity, SourceVersion,
    Timestamp,
};
use rust_decimal::Decimal;
use stage::{Reject, RejectClass};

/// Decimals of `unitQty`.
const UNIT_QUANTITY_DECIMALS: u32 = 3;

/// The order, or its deletion. An unreadable line rejects the order, as a sale without a line is another sale.
pub(super) fn order(root: &Object<'_>, context: MapContext) -> Result<Mapped, Reject> {
    let external = root.text_id("id")?;
    if let Some(at) = deleted(root)? {
        let payload = Payload::Deleted { entity: EntityKind::Order, external: external.clone() };
        let identity = identity(&external, "deleted", Some(at));
        let version = Some(version(at));
        return Ok(Mapped { action: Action::Deleted, occurred_at: Some(at), version, identity, payload });
    }
    let context = MapContext { currency: root.currency("currency")?.or(context.currency) };
    let created_at = time(root, "createdTime")?;
    let changed_at = time(root, "modifiedTime")?;
    // Devices that were offline report an order later than it was made.
    let placed_at = time(root, "clientCreatedTime")?.or(created_at);
    let payment_state = root.text("paymentState")?.unwrap_or_default();
    Ok(Mapped {
        action: Action::Updated,
        occurred_at: changed_at.or(created_at),
        version: changed_at.map(SourceVersion::coarse),
        identity: identity(&external, payment_state, changed_at),
        payload: Payload::Order(Order {
            is_test: root.flag("testMode")? == Some(true),
            number: None,
            status: status(payment_state),
            total: money(root, "total", context)?,
            tax: tax(root, context)?,
            discount: None,
            placed_at,
            closed_at: None,
            customer: first(root, "customers", |customer| customer.text_id("id"))?,
            location: None,
            employee: employee(root)?,
            refund_of: None,
            lines: lines(root, context)?,
            settlement: settlement(root, context)?,
            external,
        }),
    })
}

fn identity(external: &ExternalId, state: &str, at: Option<Timestamp>) -> Vec<String> {
    let at = at.map_or_else(String::new, |at| at.to_string());
    vec!["order".to_owned(), external.to_string(), state.to_owned(), at]
}

/// The status by the payments. The order's `state` is free text, which Clover doesn't enforce, and null for a hidden order.
fn status(payment_state: &str) -> OrderStatus {
    match payment_state {
        "PAID" | "REFUNDED" | "PARTIALLY_REFUNDED" | "CREDITED" => OrderStatus::Completed,
        _ => OrderStatus::Open,
    }
}

/// The tax in the payments; `None` if there are none, or if one doesn't state it. Tips aren't part of the total.
fn tax(root: &Object<'_>, context: MapContext) -> Result<Option<Money>, Reject> {
    let Some(payments) = root.object("payments")? else { return Ok(None) };
    let mut sum: Option<Money> = None;
    for payment in payments.objects("elements")?.unwrap_or_default() {
        if payment.text("result")?.is_some_and(|result| result != "SUCCESS") {
            continue;
        }
        let Some(tax) = money(&payment, "taxAmount", context)? else { return Ok(None) };
        let before = sum.map_or(0, |sum| sum.minor);
        let minor = before.checked_add(tax.minor).ok_or_else(|| {
            payment.reject(RejectClass::Data, "taxAmount", "the sum of the taxes is out of bounds")
        })?;
        sum = Some(Money { minor, ..tax });
    }
    Ok(sum)
}

fn employee(root: &Object<'_>) -> Result<Option<ExternalId>, Reject> {
    root.object("employee")?.map_or(Ok(None), |employee| employee.optional_text_id("id"))
}

fn lines(root: &Object<'_>, context: MapContext) -> Result<Vec<OrderLine>, Reject> {
    let Some(list) = root.object("lineItems")? else { return Ok(Vec::new()) };
    let lines = list.objects("elements")?.unwrap_or_default();
    if lines.len() >= LINES_LISTED_MAX && root.flag(LINES_COMPLETE)? != Some(true) {
        let reason = format!("clover lists no more than {LINES_LISTED_MAX} lines: some may be missing");
        return Err(list.reject(RejectClass::Platform, "elements", reason));
    }
    lines.iter().map(|reported| line(reported, context)).collect()
}

/// One line: one piece, or so many units of an item that is weighed. Its total isn't known: modifiers and discounts
/// belong to it.
fn line(reported: &Object<'_>, context: MapContext) -> Result<OrderLine, Reject> {
    let item = reported.object("item")?;
    Ok(OrderLine {
        external: reported.text_id("id")?,
        variant: item.map_or(Ok(None), |item| item.optional_text_id("id"))?,
        sku: None,
        title: reported.owned("name")?,
        quantity: units(reported)?,
        unit_price: money(reported, "price", context)?,
        total: None,
    })
}

fn units(reported: &Object<'_>) -> Result<Quantity, Reject> {
    let Some(thousandths) = reported.integer("unitQty")? else { return Ok(Quantity::pieces(1)) };
    Quantity::new(Decimal::new(thousandths, UNIT_QUANTITY_DECIMALS))
        .map_err(|error| reported.reject(RejectClass::Data, "unitQty", error.to_string()))
}

#[cfg(test)]
mod tests;
