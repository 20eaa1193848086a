//! Copy of the set-up to another database.

#[cfg(test)]
use crate::statement::{Declared, Plan};
use crate::{
    Store, StoreError,
    error::within,
    statement::{Statement, parameters, query, statements},
};
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
        let row = self.fetch_one(query(IS_EMPTY)).await?;
        Ok(row.try_get("empty")?)
    }

    /// Copies tenants, stores, locations with their links, and connections with their sealed credentials to an empty
    /// database of the same schema version.
    pub async fn copy_set_up(&self, to: &Self) -> Result<(), StoreError> {
        let mut transaction = to.bounded(to.pool.begin()).await?;
        for (table, which, anew) in SET_UP {
            let rows: String = self.fetch_one(query(select(table, which, anew))).await?.try_get("rows")?;
            within(to.limit, query(insert(table)).bind(rows).execute(&mut *transaction)).await?;
        }
        within(to.limit, transaction.commit()).await
    }
}

/// Returns the query for the rows to copy, as one JSON array.
fn select(table: &str, which: &str, anew: &str) -> Statement<parameters!()> {
    Statement::composed(format!(
        "SELECT coalesce(jsonb_agg(to_jsonb(t) || ({anew})::jsonb), '[]')::text AS rows FROM {table} t WHERE {which}"
    ))
}

/// Returns the statement that inserts rows of a JSON array.
fn insert(table: &str) -> Statement<parameters!(text)> {
    Statement::composed(format!(
        "INSERT INTO {table} SELECT * FROM jsonb_populate_recordset(NULL::{table}, $1::jsonb)"
    ))
}

/// Returns the composed statements of this module.
#[cfg(test)]
pub(crate) fn composed() -> Vec<Declared> {
    let of = |(table, which, anew)| {
        [
            Declared::new(format!("copy::select {table}"), Plan::Any, &select(table, which, anew)),
            Declared::new(format!("copy::insert {table}"), Plan::ByKey, &insert(table)),
        ]
    };
    SET_UP.into_iter().flat_map(of).collect()
}

statements! {
    const IS_EMPTY: Any() = "SELECT NOT EXISTS (SELECT FROM tenants) AS empty";
}
