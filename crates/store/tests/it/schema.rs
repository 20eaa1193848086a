use crate::fixture::{empty_database, shop, vault};
use sqlx::{Connection as _, PgConnection, Row as _};
use store::{Store, StoreConfig, StoreError};

#[tokio::test]
async fn migrations_bring_an_empty_database_to_the_version_that_is_asked_for() {
    let database = empty_database().await;
    assert!(matches!(database.store.check_schema().await, Err(StoreError::Schema { .. })));
    database.store.migrate().await.unwrap();
    database.store.migrate().await.unwrap();
    database.store.check_schema().await.unwrap();
    database.store.ping().await.unwrap();
}

#[tokio::test]
async fn a_database_of_another_version_is_refused() {
    let database = shop().await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    for (change, undo) in [
        (
            "UPDATE _sqlx_migrations SET version = version + 1000 WHERE version = 20261121000013",
            "UPDATE _sqlx_migrations SET version = version - 1000 WHERE version = 20261121001013",
        ),
        (
            "UPDATE _sqlx_migrations SET checksum = '\\x00' || checksum WHERE version = 20261121000005",
            "UPDATE _sqlx_migrations SET checksum = substr(checksum, 2) WHERE version = 20261121000005",
        ),
        (
            "UPDATE _sqlx_migrations SET success = false WHERE version = 20261121000007",
            "UPDATE _sqlx_migrations SET success = true WHERE version = 20261121000007",
        ),
        (
            "INSERT INTO _sqlx_migrations SELECT 20991231000000, 'newer', now(), true, '', 0",
            "DELETE FROM _sqlx_migrations WHERE version = 20991231000000",
        ),
    ] {
        sqlx::query(change).execute(&mut connection).await.unwrap();
        assert!(matches!(database.store.check_schema().await, Err(StoreError::Schema { .. })), "{change}");
        sqlx::query(undo).execute(&mut connection).await.unwrap();
        database.store.check_schema().await.unwrap();
    }
}

#[tokio::test]
async fn of_several_places_that_were_linked_to_one_location_the_one_that_was_written_to_stays() {
    let database = shop().await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    for before in [
        "DROP INDEX links_location",
        "DELETE FROM _sqlx_migrations WHERE version = 20261121000020",
        // The other connection's location, and a link that isn't to a location, stay.
        "INSERT INTO links (tenant, connection, kind, external, internal)
         VALUES ('t1', 'a', 'location', 'loc-c', 'l1'), ('t1', 'a', 'location', 'loc-b', 'l1'),
                ('t1', 'b', 'location', 'loc-b', 'l1'), ('t1', 'a', 'item', 'loc-b', 'l1')",
    ] {
        sqlx::query(before).execute(&mut connection).await.unwrap();
    }
    database.store.migrate().await.unwrap();
    let left = "SELECT connection || ' ' || kind || ' ' || external AS link FROM links ORDER BY link";
    let left = sqlx::query(left).fetch_all(&mut connection).await.unwrap();
    let left: Vec<String> = left.iter().map(|row| row.get("link")).collect();
    assert_eq!(left, ["a item loc-b", "a location loc-a", "b location loc-b"]);
}

#[tokio::test]
async fn partitions_of_the_coming_months_are_made_again_when_they_are_missing() {
    let database = shop().await;
    assert_eq!(database.store.maintain().await.unwrap(), 0);
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let name: String = sqlx::query(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'events'::regclass
         ORDER BY name LIMIT 1",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap()
    .get("name");
    assert!(name.starts_with("events_20"), "{name}");
    sqlx::query(sqlx::AssertSqlSafe(format!("DROP TABLE {name}"))).execute(&mut connection).await.unwrap();
    assert_eq!(database.store.maintain().await.unwrap(), 1);
    let indexes: i64 = sqlx::query("SELECT count(*) FROM pg_indexes WHERE tablename = $1")
        .bind(name)
        .fetch_one(&mut connection)
        .await
        .unwrap()
        .get(0);
    assert_eq!(indexes, 2);
}

#[tokio::test]
async fn a_database_that_is_away_is_distinguished_from_one_that_refuses() {
    let nobody = StoreConfig::new("postgres://postgres@127.0.0.1:1/nothing");
    let away = Store::connect(&nobody, vault(&[("k1", 1)], "k1")).await.err().unwrap();
    assert!(away.is_retryable(), "{away}");

    let database = empty_database().await;
    let elsewhere = StoreConfig::new(database.url.replace("test_", "no_such_"));
    let refused = Store::connect(&elsewhere, vault(&[("k1", 1)], "k1")).await.err().unwrap();
    assert!(!refused.is_retryable() && refused.to_string().contains("3D000"), "{refused}");

    let slow = StoreConfig { statement_timeout_ms: 50, ..StoreConfig::new(&database.url) };
    database.store.migrate().await.unwrap();
    let slow = Store::connect(&slow, vault(&[("k1", 1)], "k1")).await.unwrap();
    let mut lock = PgConnection::connect(&database.url).await.unwrap();
    sqlx::query("BEGIN").execute(&mut lock).await.unwrap();
    sqlx::query("LOCK TABLE connections").execute(&mut lock).await.unwrap();
    let late = slow.connections(&[]).await.unwrap_err();
    assert!(late.is_retryable(), "{late}");
}
