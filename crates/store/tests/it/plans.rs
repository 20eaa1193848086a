//! Rows that statements read. A session keeps the plan that it made while the tables were empty.

use crate::{
    applying::load,
    desired::{catalog, links_of_b, product_id},
    fixture::{
        Database, at, commit, commit_silently, connection_id, decide_level, external, level_mirror_key,
        location, pieces, report, report_of, shop, step, store_id, variant, vault,
    },
    propagating::{claim, claim_reads, first_number_of_b, set, settle, taken},
};
use model::{
    Gate, MirrorKind, Report,
    record::{Effect, FirstKeys, Links, MovementReason, RowKeys},
};
use sqlx::{Connection as _, PgConnection, Row as _};
use std::time::Duration;
use store::{Consumer, Store, StoreConfig};

/// Number of items of other stores.
const OTHERS: i64 = 3_000;
/// Upper limit of the rows of a table that the work on one item may read.
const READ_MAX: i64 = OTHERS / 10;
/// A session reports its reads at the end of a statement, at most once a second.
const REPORTED_AFTER: Duration = Duration::from_millis(1_200);
const TABLES: [&str; 5] = ["links", "inventory_levels", "mirrors", "products", "variants"];

/// Returns the number of rows of each table that the single session of the store has read so far, by any kind of scan.
async fn read(database: &Database) -> Vec<i64> {
    tokio::time::sleep(REPORTED_AFTER).await;
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

/// Loads the rows that apply may need when the store's only item changes.
async fn load_all(database: &Database) {
    let (b, item) = (connection_id("b"), (connection_id("b"), external("item-b")));
    let first = FirstKeys {
        links: Links { items: [(item.clone(), ())].into(), ..Links::default() },
        skus: [(store_id(), "none".to_owned())].into(),
        stores: [store_id()].into(),
        ..FirstKeys::default()
    };
    let rows = RowKeys {
        mirrors: [level_mirror_key("a"), level_mirror_key("b")].into(),
        links: [item.clone()].into(),
        items: [item].into(),
        contacts: [(variant(), location())].into(),
        products_of: [product_id()].into(),
        listed_by: [(connection_id("b"), external("prod-b"))].into(),
        waiting: [b].into(),
        levels: [(variant(), location())].into(),
        products: [product_id()].into(),
        variants: [variant()].into(),
        ..RowKeys::default()
    };
    let facts = load(database, &first, &rows).await;
    let linked = (facts.links.items.len(), facts.links.variants.len(), facts.mirrors.len());
    assert_eq!(linked, (2, 1, 2), "every platform's links and mirrors of the product");
}

/// Does all the work of apply and propagate on the store's only item.
async fn work(database: &Database, number: i64, seconds: i64) {
    let (store, b) = (&database.store, connection_id("b"));
    load_all(database).await;
    let level = Effect::Level {
        variant: variant(),
        location: location(),
        delta: pieces(0),
        level: pieces(0),
        reason: MovementReason::Reported,
    };
    let effects = [level, Effect::Linked { variant: variant() }, Effect::Text { product: product_id() }];
    set(database, number, &effects).await;
    let due = claim(database, "b", seconds).await;
    let write = due.iter().find(|write| write.key.kind() == MirrorKind::Inventory).unwrap();
    settle(database, write, taken(), seconds).await;
    claim_reads(database, "b", seconds).await;
    store.due_connections(std::slice::from_ref(&b), at(seconds)).await.unwrap();
    store.connections_to_read(&[b], at(seconds)).await.unwrap();
}

#[tokio::test]
async fn work_on_one_item_does_not_read_all_the_others() {
    let mut database = shop().await;
    let one_session = StoreConfig { max_connections: 1, ..StoreConfig::new(&database.url) };
    database.store = Store::connect(&one_session, vault(&[("k1", 1)], "k1")).await.unwrap();
    let store = &database.store;
    commit(store, &catalog(), step(store, Consumer::Apply, 1).await).await.unwrap();
    commit_silently(store, &links_of_b()).await;
    set(&database, 1, &[Effect::Linked { variant: variant() }]).await;
    first_number_of_b(&database).await;
    work(&database, 1, 9).await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    for fill in [
        "INSERT INTO links (tenant, connection, kind, external, internal)
         SELECT 't1', 'c' || n % 50, CASE n % 2 WHEN 0 THEN 'item' ELSE 'variant' END, 'item-' || n, 'other-' || n
         FROM generate_series(1, $1) AS n",
        // Others of the same connection, each listed by a product of its own.
        "INSERT INTO links (tenant, connection, kind, external, internal, product)
         SELECT 't1', 'b', 'variant', 'listed-' || n, 'other-' || n, 'product-' || n FROM generate_series(1, $1) AS n",
        "INSERT INTO inventory_levels (tenant, store, variant, location, quantity)
         SELECT l.tenant, l.store, 'other-' || n, l.location, 1
         FROM generate_series(1, $1) AS n, (SELECT * FROM inventory_levels LIMIT 1) AS l",
        // Each has work due at the platform, but not now.
        "INSERT INTO mirrors (connection, kind, external, place, tenant, store, internal, state, attention,
             next_attempt_at)
         SELECT 'b', 'inventory', 'other-' || n, m.place, m.tenant, m.store, 'other-' || n, m.state,
             CASE n % 2 WHEN 0 THEN 'write' ELSE 'read' END, '2099-01-01Z'
         FROM generate_series(1, $1) AS n, (SELECT * FROM mirrors WHERE kind = 'inventory' LIMIT 1) AS m",
        "INSERT INTO products (id, tenant, store)
         SELECT 'other-' || n, p.tenant, p.store FROM generate_series(1, $1) AS n, (SELECT * FROM products LIMIT 1) AS p",
        "INSERT INTO variants (id, tenant, store, product, sku)
         SELECT 'other-' || n, v.tenant, v.store, 'other-' || n / 2, 'sku-' || n
         FROM generate_series(1, $1) AS n, (SELECT * FROM variants LIMIT 1) AS v",
    ] {
        sqlx::query(fill).bind(OTHERS).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    let before = read(&database).await;
    report(store, 2, "a", -1, 9).await;
    decide_level(store, "b", |mirror| {
        mirror.observe(&report_of(pieces(3), 20));
        mirror.observe(&Report { read_for: Some(mirror.waiting), ..report_of(pieces(3), 20) });
        mirror.gate = Gate::Open;
    })
    .await;
    work(&database, 2, 99).await;
    let after = read(&database).await;
    for ((table, before), after) in TABLES.into_iter().zip(before).zip(after) {
        assert!((1..READ_MAX).contains(&(after - before)), "{} rows of {table} read", after - before);
    }
}
