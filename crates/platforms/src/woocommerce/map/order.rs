//! Orders. Stock is reported by products: an order moves none.

use super::{Reported, code_patch, name, optional_id, settlement::settlement, time};
use crate::{MapContext, Rows, field::Object};
use model::{EntityKind, Order, OrderLine, OrderStatus, Patch, Payload, RawDigest};
use stage::Reject;

/// The order with all its lines: an unreadable line rejects the order, as a sale without a line is another sale. A cart that
/// the check-out keeps as a draft is none yet.
pub(super) fn order(reported: &Reported<'_>, root: &Object<'_>) -> Result<Rows, Reject> {
    let external = root.id("id")?;
    let status = match root.required_text("status")? {
        "trash" => return Ok(vec![Ok(reported.trashed(EntityKind::Order, external))]),
        "checkout-draft" | "auto-draft" | "draft" => return Ok(Vec::new()),
        status => self::status(status, root)?,
    };
    let currency = root.currency("currency")?.or(reported.context.currency);
    let context = MapContext { currency };
    let lines = root.objects("line_items")?.ok_or_else(|| root.missing("line_items"))?;
    let lines = lines.iter().map(|reported| line(reported, context)).collect::<Result<Vec<_>, _>>()?;
    let order = Order {
        external: external.clone(),
        // WooCommerce marks no order as a test (README).
        is_test: false,
        number: root.owned("number")?,
        status,
        total: root.amount("total", context.currency)?,
        tax: root.amount("total_tax", context.currency)?,
        discount: root.amount("discount_total", context.currency)?,
        placed_at: time(root, "date_created_gmt")?,
        closed_at: time(root, "date_completed_gmt")?,
        // Guests have the number zero.
        customer: optional_id(root, "customer_id")?,
        location: None,
        employee: None,
        refund_of: None,
        lines,
        settlement: settlement(root, context)?,
    };
    let mut identity = vec!["order".to_owned(), external.to_string()];
    identity.extend(reported.occasion());
    identity.push(RawDigest::of(&reported.delivery.body).to_string());
    Ok(vec![Ok(reported.state(identity, reported.version(), Payload::Order(order)))])
}

/// Completed if the merchant completed it, even with later refunds; cancelled if it ended before that: cancelled, failed or
/// refunded. A payment alone (`processing`) doesn't complete an order, and a status that a plugin defines ends none.
fn status(text: &str, root: &Object<'_>) -> Result<OrderStatus, Reject> {
    Ok(match text {
        "completed" => OrderStatus::Completed,
        "refunded" if time(root, "date_completed_gmt")?.is_some() => OrderStatus::Completed,
        "cancelled" | "failed" | "refunded" => OrderStatus::Cancelled,
        _ => OrderStatus::Open,
    })
}

/// A line, sold as a variation or as a product without any; a product that was deleted since has the number zero.
fn line(of: &Object<'_>, context: MapContext) -> Result<OrderLine, Reject> {
    let variant = match optional_id(of, "variation_id")? {
        Some(variation) => Some(variation),
        None => optional_id(of, "product_id")?,
    };
    let sku = match code_patch(of, "sku")? {
        Patch::Set(sku) => Some(sku),
        Patch::Keep | Patch::Clear => None,
    };
    Ok(OrderLine {
        external: of.id("id")?,
        variant,
        sku,
        title: name(of, "name")?,
        quantity: of.quantity("quantity")?.ok_or_else(|| of.missing("quantity"))?,
        unit_price: of.amount("price", context.currency)?,
        total: of.amount("total", context.currency)?,
    })
}
