//! Orders and customers, as their platform reports them. The platform owns its orders: a completed one changes only to
//! cancelled, or by refunds.

use super::{Decision, View, Write};
use model::{
    Conflict, ConflictKind, Customer, CustomerId, Event, ExternalId, Order, OrderId, OrderStatus, Outcome,
    Patch, VersionNumber,
    record::{CustomerRow, Erasure, OrderRow},
};

pub(super) fn older(reported: Option<VersionNumber>, known: Option<VersionNumber>) -> bool {
    reported.zip(known).is_some_and(|(reported, known)| reported < known)
}

/// The version of a deletion. A deletion without a version is later than every report received before it.
pub(crate) fn deletion_version(event: &Event) -> Option<VersionNumber> {
    event.version_number().or_else(|| Some(VersionNumber::from(event.received_at)))
}

/// Decides the report of an order. Stock moves by the levels that platforms report, never by orders.
pub(super) fn order(event: &Event, order: &Order, view: &View<'_>) -> Decision {
    let id = OrderId::derive(&event.origin.connection, &order.external);
    let known = view.facts.orders.get(&id);
    let order = order.reported_after(known.map(|known| &known.order));
    let row = OrderRow {
        id: id.clone(),
        tenant: event.origin.tenant.clone(),
        store: event.origin.store.clone(),
        connection: event.origin.connection.clone(),
        version: event.version_number().max(known.and_then(|known| known.version)),
        order,
    };
    let Some(known) = known else { return applied(Write::Order(row)) };
    if older(event.version_number(), known.version) {
        return Decision::of(Outcome::Stale, "");
    }
    if known.order == row.order {
        return unchanged((row.version != known.version).then_some(Write::Order(row)));
    }
    let is_same_version = event.version.is_some() && event.version_number() == known.version;
    if is_same_version && progress(&row.order) < progress(&known.order) {
        return Decision::of(Outcome::Stale, "a state of the same version, and less far");
    }
    if !may_follow(known.order.status, row.order.status) {
        let subject = format!("order {}", row.order.external);
        let detail = format!("it is {} and was reported otherwise", known.order.status.as_str());
        let conflict = Conflict { detail, ..view.conflict(event, ConflictKind::OrderChanged, subject) };
        let reason = "the order is final; kept as a conflict";
        return Decision {
            writes: vec![Write::Conflict(conflict)],
            ..Decision::of(Outcome::Unchanged, reason)
        };
    }
    applied(Write::Order(row))
}

/// The progress of an order: of two states of one version, the more advanced is the later.
fn progress(order: &Order) -> (u8, Option<model::Timestamp>) {
    let status = match order.status {
        OrderStatus::Open => 0,
        OrderStatus::Completed => 1,
        OrderStatus::Cancelled => 2,
    };
    (status, order.closed_at)
}

/// Returns whether an order may change from `known` to `reported`. Changes of a final order within its own status, such
/// as refunds, are the platform's to decide.
const fn may_follow(known: OrderStatus, reported: OrderStatus) -> bool {
    match known {
        OrderStatus::Open => true,
        OrderStatus::Completed => !matches!(reported, OrderStatus::Open),
        OrderStatus::Cancelled => matches!(reported, OrderStatus::Cancelled),
    }
}

/// Decides the deletion of an order: it is cancelled, unless it had been completed. An order that was never reported
/// leaves its id and version, so that an older report of it is stale.
pub(super) fn order_deleted(event: &Event, external: &ExternalId, view: &View<'_>) -> Decision {
    let id = OrderId::derive(&event.origin.connection, external);
    let version = deletion_version(event);
    match view.facts.orders.get(&id) {
        None => {
            let row = OrderRow {
                id,
                tenant: event.origin.tenant.clone(),
                store: event.origin.store.clone(),
                connection: event.origin.connection.clone(),
                version,
                order: Order::cancelled(external.clone()),
            };
            Decision { reason: "deleted before it was reported", ..applied(Write::Order(row)) }
        }
        Some(known) if older(event.version_number(), known.version) => Decision::of(Outcome::Stale, ""),
        Some(known) if known.order.status.is_final() => {
            Decision::of(Outcome::Unchanged, "the order is final")
        }
        Some(known) => {
            let order = Order { status: OrderStatus::Cancelled, ..known.order.clone() };
            applied(Write::Order(OrderRow { version: version.max(known.version), order, ..known.clone() }))
        }
    }
}

/// Decides the report of a customer.
pub(super) fn customer(event: &Event, reported: &Customer, view: &View<'_>) -> Decision {
    let id = CustomerId::derive(&event.origin.connection, &reported.external);
    let known = view.facts.customers.get(&id);
    let row = |customer| CustomerRow {
        id: id.clone(),
        tenant: event.origin.tenant.clone(),
        store: event.origin.store.clone(),
        connection: event.origin.connection.clone(),
        version: event.version_number().max(known.and_then(|known| known.version)),
        customer,
        deleted_at: None,
    };
    let Some(known) = known else { return applied(Write::Customer(row(reported.clone()))) };
    if older(event.version_number(), known.version) {
        return Decision::of(Outcome::Stale, "");
    }
    if known.deleted_at.is_some_and(|deleted| event.version.is_none() && event.received_at <= deleted) {
        return Decision::of(Outcome::Stale, "");
    }
    let merged = Customer {
        external: reported.external.clone(),
        first_name: over(&known.customer.first_name, &reported.first_name),
        last_name: over(&known.customer.last_name, &reported.last_name),
        email: over(&known.customer.email, &reported.email),
        phone: over(&known.customer.phone, &reported.phone),
        tags: reported.tags.clone().or_else(|| known.customer.tags.clone()),
        merged_into: reported.merged_into.clone().or_else(|| known.customer.merged_into.clone()),
    };
    let row = row(merged);
    if row.customer == known.customer && known.deleted_at.is_none() {
        return unchanged((row.version != known.version).then_some(Write::Customer(row)));
    }
    applied(Write::Customer(row))
}

/// Decides the deletion of a customer: the personal fields are cleared here too. A customer that was never reported
/// leaves only its id and version, so that an older report of it stores nothing.
pub(super) fn customer_deleted(event: &Event, external: &ExternalId, view: &View<'_>) -> Decision {
    let id = CustomerId::derive(&event.origin.connection, external);
    let known = view.facts.customers.get(&id);
    if let Some(known) = known {
        if older(event.version_number(), known.version) {
            return Decision::of(Outcome::Stale, "");
        }
        if known.deleted_at.is_some() {
            let row = CustomerRow { version: event.version_number().max(known.version), ..known.clone() };
            return unchanged((row.version != known.version).then_some(Write::Customer(row)));
        }
    }
    let row = erased(event, external, id, known);
    let reason = if known.is_none() { "deleted before it was reported" } else { "" };
    Decision { reason, ..applied(Write::Customer(row)) }
}

/// The row of a customer without personal data, which an older report doesn't restore.
pub(super) fn erased(
    event: &Event,
    external: &ExternalId,
    id: CustomerId,
    known: Option<&CustomerRow>,
) -> CustomerRow {
    let unknown = || CustomerRow {
        id,
        tenant: event.origin.tenant.clone(),
        store: event.origin.store.clone(),
        connection: event.origin.connection.clone(),
        version: None,
        customer: Customer::bare(external.clone()),
        deleted_at: None,
    };
    known.map_or_else(unknown, CustomerRow::clone).erased(erasure(event))
}

/// The erasure that the event requests.
pub(super) fn erasure(event: &Event) -> Erasure {
    let version = deletion_version(event).unwrap_or_else(|| VersionNumber::from(event.received_at));
    Erasure { version, at: super::clock::changed_at(event) }
}

fn over(known: &Patch<String>, reported: &Patch<String>) -> Patch<String> {
    if *reported == Patch::Keep { known.clone() } else { reported.clone() }
}

/// Same content, newer version: only the version advances.
pub(super) fn unchanged(newer: Option<Write>) -> Decision {
    Decision { writes: newer.into_iter().collect(), ..Decision::of(Outcome::Unchanged, "") }
}

pub(super) fn applied(write: Write) -> Decision {
    Decision { writes: vec![write], ..Decision::of(Outcome::Applied, "") }
}
