//! Texts from platforms and merchants in indexes.

use crate::fixture::{shop, store_id};
use model::{
    StoreId,
    record::{Facts, FirstKeys},
};
use sqlx::{Connection as _, PgConnection, Row as _};
use std::collections::BTreeSet;

/// Text columns that may be indexed: our ids and names, whose length is bounded at their source. A platform's id has at
/// most 255 bytes.
const BOUNDED: [&str; 25] = [
    "action",
    "attention",
    "caller",
    "candidate",
    "class",
    "collection",
    "connection",
    "external",
    "id",
    "internal",
    "kind",
    "location",
    "name",
    "place",
    "platform",
    "product",
    "store",
    "subject",
    "tenant",
    "variant",
    "what",
    "consumer",
    "key",
    "stage",
    "outcome",
];

/// Query for the columns in any index over plain texts, as `table.column`.
const INDEXED_TEXTS: &str = "
SELECT DISTINCT t.relname || '.' || a.attname AS text FROM pg_index i
JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = 'public'
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY (i.indkey::int2[])
WHERE a.atttypid IN ('text'::regtype, 'varchar'::regtype) AND t.relname NOT LIKE '\\_sqlx%'
ORDER BY text";

#[tokio::test]
async fn every_text_in_an_index_is_one_that_is_bounded_where_it_is_made() {
    let database = shop().await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let rows = sqlx::query(INDEXED_TEXTS).fetch_all(&mut connection).await.unwrap();
    let texts: Vec<String> = rows.iter().map(|row| row.get("text")).collect();
    assert!(texts.len() > 20, "{texts:?}");
    let is_bounded = |text: &String| BOUNDED.iter().any(|column| text.ends_with(&format!(".{column}")));
    let unbounded: Vec<_> = texts.iter().filter(|text| !is_bounded(text)).collect();
    assert!(unbounded.is_empty(), "an index over these refuses rows with long texts: {unbounded:?}");
}

#[tokio::test]
async fn a_merchants_number_is_found_whole_however_long_and_not_by_its_beginning() {
    let database = shop().await;
    let long = "9".repeat(4000);
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    for (id, sku) in [("v1", format!("{long}a")), ("v2", format!("{long}b")), ("v3", "short".to_owned())] {
        sqlx::query(
            "INSERT INTO variants (id, tenant, store, product, sku) VALUES ($1, 't1', 's1', 'p1', $2)",
        )
        .bind(id)
        .bind(sku)
        .execute(&mut connection)
        .await
        .unwrap();
    }
    let wanted = [format!("{long}a"), long.clone(), "short".to_owned(), "shor".to_owned()];
    let keys: BTreeSet<(StoreId, String)> = wanted.into_iter().map(|sku| (store_id(), sku)).collect();
    let mut facts = Facts::default();
    let mut transaction = database.store.begin_apply().await.unwrap();
    transaction.first(&FirstKeys { skus: keys, ..FirstKeys::default() }, &mut facts).await.unwrap();
    transaction.rollback().await.unwrap();
    let found =
        facts.skus.iter().flat_map(|((_, sku), found)| found.keys().map(|id| (sku.len(), id.to_string())));
    let found: Vec<_> = found.collect();
    assert_eq!(found, [(4001, "v1".to_owned()), (5, "v3".to_owned())]);
}

#[tokio::test]
async fn a_merchants_number_is_looked_up_by_its_index() {
    let database = shop().await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    sqlx::raw_sql("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan")
        .execute(&mut connection)
        .await
        .unwrap();
    let rows = sqlx::query(
        "EXPLAIN SELECT v.id FROM unnest(ARRAY['s1'], ARRAY['x']) AS u(store, sku)
         JOIN variants v ON v.store = u.store AND left(v.sku, 255) = left(u.sku, 255) AND v.sku = u.sku
         WHERE v.sku IS NOT NULL",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let plan = plan.join("\n");
    assert!(plan.contains("variants_sku") && plan.contains("\"left\"(sku, 255)"), "{plan}");
}
