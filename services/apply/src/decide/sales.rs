//! Orders and customers: as their platform tells of them; a completed order doesn't change.

use super::{Decision, Write};
use model::{
    Customer, CustomerId, Event, ExternalId, Order, OrderId, OrderStatus, Outcome, Patch, SourceVersion,
    record::{ConflictKind, CustomerRow, Facts, OrderRow},
};

fn older(told: Option<SourceVersion>, known: Option<SourceVersion>) -> bool {
    told.zip(known).is_some_and(|(told, known)| told < known)
}

/// An order as its platform tells of it. Stock moves by what platforms report of levels, never by orders.
pub(super) fn order(event: &Event, order: &Order, facts: &Facts) -> Decision {
    let id = OrderId::derive(&event.origin.connection, &order.external);
    let known = facts.orders.get(&id);
    let row = OrderRow {
        id: id.clone(),
        tenant: event.origin.tenant.clone(),
        store: event.origin.store.clone(),
        connection: event.origin.connection.clone(),
        version: event.version.max(known.and_then(|known| known.version)),
        order: order.clone(),
    };
    let Some(known) = known else { return applied(Write::Order(row)) };
    if older(event.version, known.version) {
        return Decision::ends(Outcome::Stale, "");
    }
    if known.order == row.order {
        return unchanged((row.version != known.version).then_some(Write::Order(row)));
    }
    if known.order.status.is_final() {
        let detail = format!("order {} is {} and was told otherwise", id, known.order.status.as_str());
        let subject = format!("order {id}");
        let write = Write::Conflict { kind: ConflictKind::OrderChanged, subject, detail };
        let reason = "the order is final; kept as a conflict";
        return Decision { writes: vec![write], ..Decision::ends(Outcome::Unchanged, reason) };
    }
    applied(Write::Order(row))
}

/// The platform no longer has the order: it is cancelled, unless it had come to its end.
pub(super) fn order_deleted(event: &Event, external: &ExternalId, facts: &Facts) -> Decision {
    let id = OrderId::derive(&event.origin.connection, external);
    match facts.orders.get(&id) {
        None => Decision::ends(Outcome::Unchanged, "never heard of it"),
        Some(known) if older(event.version, known.version) => Decision::ends(Outcome::Stale, ""),
        Some(known) if known.order.status.is_final() => {
            Decision::ends(Outcome::Unchanged, "the order is final")
        }
        Some(known) => {
            let version = event.version.max(known.version);
            let order = Order { status: OrderStatus::Cancelled, ..known.order.clone() };
            applied(Write::Order(OrderRow { version, order, ..known.clone() }))
        }
    }
}

/// A customer as their platform tells of them.
pub(super) fn customer(event: &Event, told: &Customer, facts: &Facts) -> Decision {
    let id = CustomerId::derive(&event.origin.connection, &told.external);
    let known = facts.customers.get(&id);
    let row = |customer| CustomerRow {
        id: id.clone(),
        tenant: event.origin.tenant.clone(),
        store: event.origin.store.clone(),
        connection: event.origin.connection.clone(),
        version: event.version.max(known.and_then(|known| known.version)),
        customer,
        deleted_at: None,
    };
    let Some(known) = known else { return applied(Write::Customer(row(told.clone()))) };
    if older(event.version, known.version) {
        return Decision::ends(Outcome::Stale, "");
    }
    let merged = Customer {
        external: told.external.clone(),
        first_name: over(&known.customer.first_name, &told.first_name),
        last_name: over(&known.customer.last_name, &told.last_name),
        email: over(&known.customer.email, &told.email),
        phone: over(&known.customer.phone, &told.phone),
        tags: told.tags.clone().or_else(|| known.customer.tags.clone()),
        merged_into: told.merged_into.clone().or_else(|| known.customer.merged_into.clone()),
    };
    let row = row(merged);
    if row.customer == known.customer && known.deleted_at.is_none() {
        return unchanged((row.version != known.version).then_some(Write::Customer(row)));
    }
    applied(Write::Customer(row))
}

/// The platform no longer has the customer: what tells who it was is cleared here too.
pub(super) fn customer_deleted(event: &Event, external: &ExternalId, facts: &Facts) -> Decision {
    let id = CustomerId::derive(&event.origin.connection, external);
    match facts.customers.get(&id) {
        None => Decision::ends(Outcome::Unchanged, "never heard of it"),
        Some(known) if older(event.version, known.version) => Decision::ends(Outcome::Stale, ""),
        Some(known) => {
            let version = event.version.max(known.version);
            if known.deleted_at.is_some() {
                let row = CustomerRow { version, ..known.clone() };
                return unchanged((version != known.version).then_some(Write::Customer(row)));
            }
            let customer = known.customer.without_personal_data();
            let deleted_at = Some(event.occurred_at.unwrap_or(event.received_at));
            applied(Write::Customer(CustomerRow { version, customer, deleted_at, ..known.clone() }))
        }
    }
}

fn over(known: &Patch<String>, told: &Patch<String>) -> Patch<String> {
    if *told == Patch::Keep { known.clone() } else { told.clone() }
}

/// What is told again in a newer version changes nothing but what is older from now on.
fn unchanged(newer: Option<Write>) -> Decision {
    Decision { writes: newer.into_iter().collect(), ..Decision::ends(Outcome::Unchanged, "") }
}

fn applied(write: Write) -> Decision {
    Decision { writes: vec![write], ..Decision::ends(Outcome::Applied, "") }
}
