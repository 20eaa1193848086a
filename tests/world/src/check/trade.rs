//! Checks of orders, currencies and event outcomes, at rest.

use crate::plan::is_foreign;
use crate::world::World;
use model::{ConflictKind, ExternalId, OrderId, OrderLine, OrderStatus, Timestamp};
use rust_decimal::Decimal;
use std::time::Duration;

/// Time after a sale within which a list of sales shows that it was cancelled.
const CANCELLED_WITHIN: Duration = Duration::from_hours(24);

/// Checks that each sale is in the record with its lines, its test mark and its status. That orders move no stock is
/// checked by the shelves.
pub(super) fn orders_are_kept(world: &World, found: &mut Vec<String>) {
    for shop in &world.shops {
        let Some(connected_at) = world.connected_at.get(&shop.connection) else { continue };
        let sales = shop.json.iter().flat_map(|json| &json.sales);
        for sale in sales.filter(|sale| sale.at >= *connected_at) {
            let Ok(external) = ExternalId::new(&sale.order) else { continue };
            let row = world.pipeline.record.orders.get(&OrderId::derive(&shop.connection, &external));
            let Some(order) = row.map(|row| &row.order) else {
                found.push(format!("order {external} of {} isn't in the record", shop.connection));
                continue;
            };
            // Lists of what was created since show a cancellation of a day later, and no later one.
            let is_seen = |at: Timestamp| !shop.kind.is_listed() || at < sale.at.after(CANCELLED_WITHIN);
            let may_be_completed = sale.cancelled_at.is_none_or(|at| !is_seen(at));
            let is_status = match order.status {
                OrderStatus::Cancelled => sale.cancelled_at.is_some(),
                OrderStatus::Completed => may_be_completed,
                OrderStatus::Open => false,
            };
            // Clover has a line for each piece.
            let count: Decimal = order.lines.iter().map(|line| line.quantity.decimal()).sum();
            let is_of_variant = |line: &OrderLine| line.variant.as_ref() == Some(&sale.variant);
            let has_lines = count == sale.quantity && order.lines.iter().all(is_of_variant);
            if !is_status || order.is_test != sale.is_test || !has_lines {
                found.push(format!("order {external} of {} is {order:?}, not {sale:?}", shop.connection));
            }
        }
    }
}

/// Checks that a price in another currency is unchanged on both sides, and that an open conflict names it.
pub(super) fn currencies_are_kept_apart(world: &World, found: &mut Vec<String>) {
    let record = &world.pipeline.record;
    for row in record.variants.values() {
        if let Some(price) = row.price.as_ref().filter(|price| is_foreign(price.value.currency)) {
            found.push(format!("the store's price of {} is {}", row.id, price.value));
        }
    }
    for shop in world.shops.iter().filter(|shop| is_foreign(shop.currency)) {
        for good in &shop.goods {
            let key = (shop.connection.clone(), good.variant.clone());
            if good.is_deleted || !record.links.variants.contains_key(&key) {
                continue;
            }
            let subject = format!("variant {}", good.variant);
            if !record.open.contains(&(shop.connection.clone(), ConflictKind::CurrencyMismatch, subject)) {
                found.push(format!(
                    "{} of {} costs EUR, and no conflict says so",
                    good.variant, shop.connection
                ));
            }
        }
    }
}

/// Checks that each received event has one outcome, and that none is a dead letter after all were re-ingested.
pub(super) fn events_ended(world: &World, found: &mut Vec<String>) {
    let record = &world.pipeline.record;
    for event in &world.pipeline.raw {
        let key = (event.origin.connection.clone(), event.id);
        if record.dead.contains_key(&key) {
            found.push(format!("event {} is a dead letter at rest", event.id));
        } else if !record.seen.contains_key(&key) {
            found.push(format!("event {} came in and never ended", event.id));
        }
    }
}
