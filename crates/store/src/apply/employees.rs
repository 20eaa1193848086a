//! Employees.

use super::together::{Loads, Writes};
use crate::{
    StoreError,
    columns::{id, json, time_or_null},
    personal::{self, PersonalOfEmployee},
    row::Row as _,
    statement::{Bound, Session, query, statements},
};
use model::{
    ConnectionId, Employee, EmployeeId, Timestamp, VersionNumber,
    record::{EmployeeRow, Erasure, Facts},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio_postgres::Row;

pub(super) fn employees(loads: &mut Loads, keys: &BTreeSet<EmployeeId>) {
    let statement = query(LOCK_EMPLOYEES).bind(keys.iter().map(EmployeeId::as_str).collect::<Vec<_>>());
    loads.add(statement, keep);
}

fn keep(row: &Row, facts: &mut Facts) -> Result<(), StoreError> {
    let employee = EmployeeRow {
        id: id(row, "id")?,
        tenant: id(row, "tenant")?,
        store: id(row, "store")?,
        connection: id(row, "connection")?,
        version: row.value::<Option<i64>>("version")?.map(VersionNumber),
        employee: employee(row)?,
        deleted_at: time_or_null(row, "deleted_at")?,
    };
    facts.employees.insert(employee.id.clone(), employee);
    Ok(())
}

/// Reads an employee.
pub(crate) fn employee(row: &impl crate::row::Row) -> Result<Employee, StoreError> {
    let PersonalOfEmployee { name, email, phone, roles } = personal::read(row)?;
    Ok(Employee {
        external: id(row, "external")?,
        name,
        email,
        phone,
        roles,
        is_active: row.value("is_active")?,
        workplaces: row.json_or_null("workplaces")?,
    })
}

pub(super) fn write_employees(employees: &BTreeMap<EmployeeId, EmployeeRow>) -> Result<Bound, StoreError> {
    let rows = || employees.values();
    let personal = |row: &EmployeeRow| {
        let Employee { name, email, phone, roles, .. } = row.employee.clone();
        json(&PersonalOfEmployee { name, email, phone, roles })
    };
    let workplaces = |row: &EmployeeRow| row.employee.workplaces.as_ref().map(json).transpose();
    Ok(query(WRITE_EMPLOYEES)
        .bind(rows().map(|row| row.id.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.tenant.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.store.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.connection.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.employee.external.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.version.map(|version| version.0)).collect::<Vec<_>>())
        .bind(rows().map(personal).collect::<Result<Vec<_>, _>>()?)
        .bind(rows().map(|row| row.employee.is_active).collect::<Vec<_>>())
        .bind(rows().map(workplaces).collect::<Result<Vec<_>, _>>()?)
        .bind(rows().map(|row| row.deleted_at.map(Timestamp::as_chrono)).collect::<Vec<_>>()))
}

/// Number of employees that one statement erases.
const ERASED_MAX: i64 = 1_000;

/// Erases the next employees of a connection after `after`, except those among `decided`: at most [`ERASED_MAX`].
/// Returns the key after which the next ones begin; `None` if there are no more.
pub(super) async fn erase_employees(
    session: &mut Session,
    limit: Duration,
    of: (&ConnectionId, Erasure),
    after: &str,
    decided: &BTreeMap<EmployeeId, EmployeeRow>,
) -> Result<Option<String>, StoreError> {
    let mut loads = Loads::default();
    loads.add(query(LOCK_NEXT_EMPLOYEES).bind(of.0.as_str()).bind(after).bind(ERASED_MAX), keep);
    let mut found = Facts::default();
    loads.send(session, limit, &mut found).await?;
    let last = found.employees.keys().next_back().map(EmployeeId::to_string);
    let others = found.employees.into_iter().filter(|(id, _)| !decided.contains_key(id));
    let erased: BTreeMap<_, _> = others
        .map(|(id, row)| (id, row.erased(of.1), row))
        .filter(|(_, erased, row)| erased != row)
        .map(|(id, erased, _)| (id, erased))
        .collect();
    if !erased.is_empty() {
        let mut writes = Writes::default();
        writes.add(write_employees(&erased)?);
        writes.send(session, limit).await?;
    }
    Ok(last)
}

statements! {
    const LOCK_EMPLOYEES: ByKey(text[]) =
        "SELECT e.* FROM employees e WHERE e.id = ANY($1) ORDER BY e.id FOR NO KEY UPDATE";

    const WRITE_EMPLOYEES: ByKey(
        text[], text[], text[], text[], text[], int8[], text[], bool[], text[], timestamptz[]
    ) = "
        INSERT INTO employees (id, tenant, store, connection, external, version, personal, is_active, workplaces,
            deleted_at)
        SELECT id, tenant, store, connection, external, version, personal::jsonb, is_active, workplaces::jsonb,
            deleted_at
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int8[], $7::text[], $8::bool[],
                $9::text[], $10::timestamptz[])
            AS u(id, tenant, store, connection, external, version, personal, is_active, workplaces, deleted_at)
        ON CONFLICT (id) DO UPDATE
        SET version = excluded.version, personal = excluded.personal, is_active = excluded.is_active,
            workplaces = excluded.workplaces, deleted_at = excluded.deleted_at";

    const LOCK_NEXT_EMPLOYEES: ByKey(text, text, int8) =
        "SELECT e.* FROM employees e WHERE e.connection = $1 AND e.id > $2 ORDER BY e.id LIMIT $3 FOR NO KEY UPDATE";
}
