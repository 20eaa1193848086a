use crate::{
    accounting::{accept, dropped_input},
    employees::employee,
    fixture::{commit, event, report, reported, shop, step},
    promotions::promotion,
};
use model::{Outcome, Position, Role, Scope, TenantId, Timestamp};
use sqlx::{Connection as _, PgConnection, Row as _};
use store::{Consumer, NewApiKey};

/// Returns the tables and views that a tenant may read, with the number of rows that a session sees now.
async fn visible(connection: &mut PgConnection) -> Vec<(String, i64)> {
    let mut seen = Vec::new();
    for name in [
        "tenants",
        "stores",
        "locations",
        "links",
        "inventory_levels",
        "inventory_movements",
        "mirrors",
        "promotions",
        "employees",
        "events",
        "event_outcomes",
        "dropped_inputs",
        "accepted",
        "conservation",
        "current_inventory",
        "rebuilds",
        "collection_states",
        "listed_objects",
        "match_due",
        "match_keys",
        "match_candidates",
    ] {
        let count = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {name}")));
        seen.push((name.to_owned(), count.fetch_one(&mut *connection).await.unwrap().get(0)));
    }
    // Tables with a column that nobody may read.
    for name in ["connections", "api_keys"] {
        let count = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT count(id) FROM {name}")));
        seen.push((name.to_owned(), count.fetch_one(&mut *connection).await.unwrap().get(0)));
    }
    seen
}

async fn as_tenant(connection: &mut PgConnection, tenant: Option<&str>) -> Vec<(String, i64)> {
    sqlx::query("BEGIN").execute(&mut *connection).await.unwrap();
    sqlx::query("SET LOCAL ROLE tillflow_tenant").execute(&mut *connection).await.unwrap();
    if let Some(tenant) = tenant {
        let set = sqlx::query("SELECT set_config('tillflow.tenant', $1, true)").bind(tenant.to_owned());
        set.execute(&mut *connection).await.unwrap();
    }
    let seen = visible(connection).await;
    sqlx::query("COMMIT").execute(&mut *connection).await.unwrap();
    seen
}

#[tokio::test]
async fn a_tenant_sees_its_own_rows_and_nothing_of_anyone_else() {
    let database = shop().await;
    let mut changes = reported(1, "a", 10, 10);
    let elsewhere = Position { raw_sequence: 9, delivery: 0, event: 0 };
    changes.promotions.insert(promotion().id, promotion());
    changes.employees.insert(employee("e1", "a").id, employee("e1", "a"));
    changes.dropped_inputs = vec![dropped_input(&event(2, "a"), elsewhere, Outcome::Filtered)];
    commit(&database.store, &changes, step(&database.store, Consumer::Apply, 1).await).await.unwrap();
    accept(&database.store, 2, 9).await;
    database.store.begin_rebuild(false).await.unwrap();
    crate::collections::list_one(&database.store).await;
    crate::matches::match_one(&database).await;
    let scope = Scope::Tenant(TenantId::new("t1").unwrap());
    let key = NewApiKey {
        id: "k1",
        scope: &scope,
        role: Role::ReadOnly,
        name: "key",
        digest: [1; 32],
        created_by: "test",
        expires_at: Timestamp::from_micros(1),
    };
    assert!(database.store.create_api_key(&key).await.unwrap());
    let mut connection = PgConnection::connect(&database.url).await.unwrap();

    for (table, rows) in as_tenant(&mut connection, Some("t1")).await {
        assert!(rows > 0, "{table} shows its tenant nothing");
    }
    // The last one follows a transaction that had set a tenant: the setting is empty then, not missing.
    for tenant in [Some("t2"), Some(""), None] {
        for (table, rows) in as_tenant(&mut connection, tenant).await {
            assert_eq!(rows, 0, "{table} shows {tenant:?} rows of another");
        }
    }
}

#[tokio::test]
async fn nobody_reads_credentials_or_changes_history_who_need_not() {
    let database = shop().await;
    report(&database.store, 1, "a", 10, 10).await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    for (role, statement) in [
        ("tillflow_tenant", "SELECT credentials FROM connections"),
        ("tillflow_tenant", "SELECT * FROM cursors"),
        ("tillflow_tenant", "UPDATE stores SET name = 'mine'"),
        ("tillflow_tenant", "INSERT INTO tenants VALUES ('t3')"),
        ("tillflow_tenant", "SELECT * FROM events_default"),
        ("tillflow_pipeline", "UPDATE events SET payload = ''"),
        ("tillflow_pipeline", "DELETE FROM inventory_movements"),
        ("tillflow_pipeline", "UPDATE inventory_movements SET delta = 0"),
        ("tillflow_pipeline", "UPDATE links SET tenant = 't2'"),
        ("tillflow_pipeline", "DELETE FROM links"),
    ] {
        sqlx::query("BEGIN").execute(&mut connection).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!("SET LOCAL ROLE {role}")))
            .execute(&mut connection)
            .await
            .unwrap();
        let refused = sqlx::query(statement).execute(&mut connection).await.unwrap_err();
        let code = refused.as_database_error().unwrap().code().unwrap().into_owned();
        assert_eq!(code, "42501", "{role}: {statement}");
        sqlx::query("ROLLBACK").execute(&mut connection).await.unwrap();
    }
}

#[tokio::test]
async fn every_table_with_a_tenant_is_behind_the_wall() {
    let database = shop().await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    // Partitions are read through `events` only: no role has rights on them.
    let open = sqlx::query(
        "SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant'
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
           AND NOT (c.relrowsecurity AND c.relforcerowsecurity)",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let names: Vec<String> = open.iter().map(|row| row.get("name")).collect();
    assert_eq!(names, Vec::<String>::new());
}
