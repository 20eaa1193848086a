//! What statements read. A session keeps the plan that it made while the tables were empty.

use crate::{
    applying::load,
    fixture::{Database, at, connection_id, external, level_key, place, report, shop, variant, vault},
    propagating::{claim, link_b, set_level},
};
use model::{
    LinkKind,
    record::{FirstKeys, RowKeys},
};
use sqlx::{Connection as _, PgConnection, Row as _};
use std::time::Duration;
use store::{Store, StoreConfig};

/// How many items other shops have.
const OTHERS: i64 = 3_000;
/// A session tells what it read at the end of a statement, at most once a second.
const TOLD_AFTER: Duration = Duration::from_millis(1_200);
const TABLES: [&str; 3] = ["links", "inventory_levels", "mirrors"];

/// How many rows of each table the one session of the store has read so far, in whatever way.
async fn read(database: &Database) -> Vec<i64> {
    tokio::time::sleep(TOLD_AFTER).await;
    database.store.ping().await.unwrap();
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let mut read = Vec::new();
    for table in TABLES {
        let statement = sqlx::query(
            "SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) AS read
             FROM pg_stat_user_tables WHERE relname = $1",
        );
        read.push(statement.bind(table).fetch_one(&mut connection).await.unwrap().get("read"));
    }
    read
}

/// All that apply and propagate do with the shop's one item.
async fn work(database: &Database, seconds: i64) {
    let (store, b) = (&database.store, connection_id("b"));
    let first = FirstKeys {
        links: [(b.clone(), LinkKind::Item, external("item-b"))].into(),
        skus: [(crate::fixture::store_id(), "none".to_owned())].into(),
        ..FirstKeys::default()
    };
    let rows = RowKeys {
        mirrors: [level_key("a"), level_key("b")].into(),
        item_mirrors: [(b.clone(), external("item-b"))].into(),
        levels: [(variant(), place())].into(),
        ..RowKeys::default()
    };
    load(database, &first, &rows).await;
    claim(database, "b", seconds).await;
    store.claim_reads(std::slice::from_ref(&b), at(seconds), 100).await.unwrap();
    store.due_connections(&[b], at(seconds)).await.unwrap();
}

#[tokio::test]
async fn work_on_one_item_does_not_read_all_the_others() {
    let mut database = shop().await;
    let one_session = StoreConfig { max_connections: 1, ..StoreConfig::new(&database.url) };
    database.store = Store::connect(&one_session, vault(&[("k1", 1)], "k1")).await.unwrap();
    report(&database.store, 1, "a", 10, 10).await;
    link_b(&database).await;
    set_level(&database, 1).await;
    work(&database, 9).await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    for fill in [
        "INSERT INTO links (tenant, connection, kind, external, internal)
         SELECT 't1', 'c' || n % 50, 'item', 'item-' || n, 'other-' || n FROM generate_series(1, $1) AS n",
        "INSERT INTO inventory_levels (tenant, store, variant, location, quantity)
         SELECT l.tenant, l.store, 'other-' || n, l.location, 1
         FROM generate_series(1, $1) AS n, (SELECT * FROM inventory_levels LIMIT 1) AS l",
        "INSERT INTO mirrors (connection, kind, external, place, tenant, store)
         SELECT 'b', 'inventory', 'other-' || n, m.place, m.tenant, m.store
         FROM generate_series(1, $1) AS n, (SELECT * FROM mirrors LIMIT 1) AS m",
    ] {
        sqlx::query(fill).bind(OTHERS).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    let before = read(&database).await;
    report(&database.store, 2, "a", -1, 9).await;
    set_level(&database, 2).await;
    work(&database, 99).await;
    let after = read(&database).await;
    for ((table, before), after) in TABLES.into_iter().zip(before).zip(after) {
        assert!((1..OTHERS / 10).contains(&(after - before)), "{} rows of {table} read", after - before);
    }
}
