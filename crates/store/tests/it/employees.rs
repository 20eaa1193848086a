//! Employees are stored as they were decided, and erased with their account.

use crate::{
    applying::load,
    fixture::{at, commit_silently, connection_id, external, shop, store_id},
};
use model::{
    Employee, EmployeeId, Patch, TenantId, VersionNumber, Workplaces,
    record::{Changes, EmployeeRow, Erasure, FirstKeys, RowKeys},
};
use sqlx::{Connection as _, PgConnection, Row as _};
use std::collections::BTreeMap;

pub(crate) fn employee(id: &str, connection: &str) -> EmployeeRow {
    EmployeeRow {
        id: EmployeeId::new(id).unwrap(),
        tenant: TenantId::new("t1").unwrap(),
        store: store_id(),
        connection: connection_id(connection),
        version: Some(VersionNumber(3)),
        employee: Employee {
            external: external(&format!("of-{id}")),
            name: Patch::Set("Ada".to_owned()),
            email: Patch::Clear,
            phone: Patch::Keep,
            roles: Some(vec!["Manager".to_owned()]),
            is_active: Some(true),
            workplaces: Some(Workplaces::Named(vec![external("l")])),
        },
        deleted_at: None,
    }
}

#[tokio::test]
async fn an_erased_account_s_employees_keep_their_ids_alone() {
    let database = shop().await;
    let store = &database.store;
    let rows = [employee("e1", "a"), employee("e2", "b"), employee("e3", "a")];
    let employees: BTreeMap<_, _> = rows.iter().map(|row| (row.id.clone(), row.clone())).collect();
    commit_silently(store, &Changes { employees: employees.clone(), ..Changes::default() }).await;
    // More than one statement erases.
    let mut raw = PgConnection::connect(&database.url).await.unwrap();
    let many = "INSERT INTO employees (id, tenant, store, connection, external, personal)
                SELECT 'x' || number, 't1', 's1', 'a', 'x' || number, '{\"name\": \"Ada\"}'
                FROM generate_series(1, 1500) AS of(number)";
    sqlx::query(many).execute(&mut raw).await.unwrap();

    let erasure = Erasure { version: VersionNumber(77), at: at(5) };
    let decided = EmployeeRow { version: Some(VersionNumber(78)), ..employee("e3", "a") };
    let erased = Changes {
        erased: BTreeMap::from([(connection_id("a"), erasure)]),
        employees: BTreeMap::from([(decided.id.clone(), decided.clone())]),
        ..Changes::default()
    };
    commit_silently(store, &erased).await;
    let asked = RowKeys { employees: employees.keys().cloned().collect(), ..RowKeys::default() };
    let found = load(&database, &FirstKeys::default(), &asked).await.employees;
    assert_eq!(found[&rows[0].id], rows[0].erased(erasure));
    assert_eq!(found[&rows[1].id], rows[1], "another account's stay");
    assert_eq!(found[&rows[2].id], decided, "the one that the batch decided stays as decided");
    let left = "SELECT count(*) AS personal FROM employees WHERE connection = 'a' AND personal <> '{}'";
    let left: i64 = sqlx::query(left).fetch_one(&mut raw).await.unwrap().get("personal");
    assert_eq!(left, 1);
    let listed = store.employees_of(&store_id()).await.unwrap();
    let ids: Vec<_> = listed.iter().map(|line| line.employee.external.as_str()).collect();
    assert!(ids.contains(&"of-e2") && ids.contains(&"of-e3") && !ids.contains(&"of-e1"), "{ids:?}");
}
