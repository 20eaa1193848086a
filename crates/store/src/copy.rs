//! Copy of the set-up to another database.

use crate::{Store, StoreError, error::within};
use sqlx::Row as _;

/// The tables that people set up, in the order in which rows refer to each other: the condition of the rows to copy,
/// and the initial values of columns that events or calls write, as an expression over the row `t`.
const SET_UP: [(&str, &str, &str); 5] = [
    ("tenants", "true", "'{}'"),
    ("stores", "true", r#"'{"last_sequence": 0, "ended": 0}'"#),
    ("locations", "true", "'{}'"),
    (
        "connections",
        "true",
        "jsonb_build_object('baseline', t.baseline_initial, 'health', 'ok', 'health_reason', NULL, 'health_since', NULL,
             'probe_at', NULL, 'probe_attempts', 0)",
    ),
    // Links made by an instruction are made again when it is replayed.
    ("links", "kind = 'location' AND NOT is_instructed", "'{}'"),
];

impl Store {
    /// Returns true if nothing has been set up yet.
    pub async fn is_empty(&self) -> Result<bool, StoreError> {
        let row = self.fetch_one(sqlx::query("SELECT NOT EXISTS (SELECT FROM tenants) AS empty")).await?;
        Ok(row.try_get("empty")?)
    }

    /// Copies tenants, stores, locations with their links, and connections with their sealed credentials to an empty
    /// database of the same schema version.
    pub async fn copy_set_up(&self, to: &Self) -> Result<(), StoreError> {
        let mut transaction = to.bounded(to.pool.begin()).await?;
        for (table, which, anew) in SET_UP {
            let rows = sqlx::AssertSqlSafe(format!(
                "SELECT coalesce(jsonb_agg(to_jsonb(t) || ({anew})::jsonb), '[]')::text AS rows FROM {table} t WHERE {which}"
            ));
            let rows: String = self.fetch_one(sqlx::query(rows)).await?.try_get("rows")?;
            let insert = sqlx::AssertSqlSafe(format!(
                "INSERT INTO {table} SELECT * FROM jsonb_populate_recordset(NULL::{table}, $1::jsonb)"
            ));
            within(to.limit, sqlx::query(insert).bind(rows).execute(&mut *transaction)).await?;
        }
        within(to.limit, transaction.commit()).await
    }
}
