//! Digests of a store's state: equal for equal state, independent of time and of the batches that produced it.

use crate::{
    Store, StoreError,
    statement::{query, statements},
};
use model::StoreId;
use sqlx::Row as _;
use std::collections::BTreeMap;

/// SHA-256 of each part of a store's state, in hexadecimal, by the part's name.
pub type Digest = BTreeMap<String, String>;

impl Store {
    /// Returns the digests of a store's levels, ledger, products, variants, orders, customers, promotions, employees,
    /// links and events. Times of recording and values sent to platforms are left out: a replay gives the same digests.
    pub async fn digest(&self, store: &StoreId) -> Result<Digest, StoreError> {
        let statement = query(DIGESTS).bind(store.as_str().to_owned());
        let rows = self.fetch_all(statement).await?;
        rows.iter().map(|row| Ok((row.try_get("part")?, row.try_get("digest")?))).collect()
    }
}

statements! {
    // Rows as canonical JSON (jsonb orders its keys), one per line, in byte order. The code that makes quantities
    // writes them without trailing zeros.
    const DIGESTS: Any(text) = r#"
        SELECT part,
            encode(sha256(convert_to(string_agg(line, E'\n' ORDER BY line COLLATE "C"), 'UTF8')), 'hex') AS digest
        FROM (
            SELECT 'levels' AS part, to_jsonb(t)::text AS line FROM inventory_levels t
                WHERE t.location IN (SELECT id FROM locations WHERE store = $1)
            UNION ALL SELECT 'movements', to_jsonb(t)::text FROM inventory_movements t WHERE t.store = $1
            UNION ALL SELECT 'products', to_jsonb(t)::text FROM products t WHERE t.store = $1
            UNION ALL SELECT 'variants', to_jsonb(v)::text
                FROM products t JOIN variants v ON v.product = t.id WHERE t.store = $1
            UNION ALL SELECT 'orders', to_jsonb(t)::text FROM orders t WHERE t.store = $1
            UNION ALL SELECT 'customers', to_jsonb(t)::text FROM customers t WHERE t.store = $1
            UNION ALL SELECT 'employees', to_jsonb(t)::text FROM employees t WHERE t.store = $1
            UNION ALL SELECT 'promotions', (to_jsonb(t) - 'look_at' - 'looked_in')::text
                FROM promotions t WHERE t.store = $1
            UNION ALL SELECT 'links', (to_jsonb(t) || jsonb_build_object('retired_at', t.retired_at IS NOT NULL))::text
                FROM links t
                WHERE t.connection IN (SELECT id FROM connections WHERE store = $1)
            UNION ALL
            SELECT 'events', jsonb_build_array(t.sequence, encode(t.event_id, 'hex'), t.entity, t.action)::text
                FROM events t WHERE t.store = $1
        ) AS lines
        GROUP BY part"#;
}
