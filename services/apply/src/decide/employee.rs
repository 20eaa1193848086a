//! Employees, as their platform reports them. A platform owns its employees; nothing is written to any.

use super::{
    Decision, View, Write,
    sales::{applied, erasure, older, unchanged},
};
use model::{Employee, EmployeeId, Event, ExternalId, Outcome, record::EmployeeRow};

/// Decides the report of an employee.
pub(super) fn reported(event: &Event, employee: &Employee, view: &View<'_>) -> Decision {
    let id = EmployeeId::derive(&event.origin.connection, &employee.external);
    let Some(known) = view.facts.employees.get(&id) else {
        let row = EmployeeRow { employee: employee.clone(), ..bare(event, &employee.external, id) };
        return applied(Write::Employee(EmployeeRow { version: event.version_number(), ..row }));
    };
    let is_late = known.deleted_at.is_some_and(|at| event.version.is_none() && event.received_at <= at);
    if older(event.version_number(), known.version) || is_late {
        return Decision::of(Outcome::Stale, "");
    }
    let row = EmployeeRow {
        version: event.version_number().max(known.version),
        employee: employee.reported_after(&known.employee),
        deleted_at: None,
        ..known.clone()
    };
    if row.employee == known.employee && known.deleted_at.is_none() {
        return unchanged((row.version != known.version).then_some(Write::Employee(row)));
    }
    applied(Write::Employee(row))
}

/// Decides the deletion of an employee: only the id and the version stay, so that an older report stores nothing.
pub(super) fn deleted(event: &Event, external: &ExternalId, view: &View<'_>) -> Decision {
    let id = EmployeeId::derive(&event.origin.connection, external);
    let known = view.facts.employees.get(&id);
    if let Some(known) = known {
        if older(event.version_number(), known.version) {
            return Decision::of(Outcome::Stale, "");
        }
        if known.deleted_at.is_some() {
            let row = EmployeeRow { version: event.version_number().max(known.version), ..known.clone() };
            return unchanged((row.version != known.version).then_some(Write::Employee(row)));
        }
    }
    let reason = if known.is_none() { "deleted before it was reported" } else { "" };
    let row = known.map_or_else(|| bare(event, external, id), EmployeeRow::clone).erased(erasure(event));
    Decision { reason, ..applied(Write::Employee(row)) }
}

fn bare(event: &Event, external: &ExternalId, id: EmployeeId) -> EmployeeRow {
    EmployeeRow {
        id,
        tenant: event.origin.tenant.clone(),
        store: event.origin.store.clone(),
        connection: event.origin.connection.clone(),
        version: None,
        employee: Employee::bare(external.clone()),
        deleted_at: None,
    }
}
