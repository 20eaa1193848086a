//! Accounting of accepted deliveries: verifies, by count and by position, that each has an outcome.

use crate::{
    Consumer, CursorMove, Store, StoreError,
    columns::{id, signed, unreadable},
    cursors,
    error::within,
    statement::{Bound, query, statements},
};
use model::{Outcome, StoreId, TenantId};
use sqlx::{Row as _, postgres::PgRow};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Time limit of a query over all of a store's history.
const AUDIT_LIMIT: Duration = Duration::from_mins(10);

/// Accepted deliveries of a store and their outcomes. `accepted + further` is the sum of the outcomes and `in_flight`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The tenant.
    pub tenant: TenantId,
    /// The store.
    pub store: StoreId,
    /// Deliveries in RAW, as far as they were counted.
    pub accepted: i64,
    /// Events beyond the first of each delivery.
    pub further: i64,
    /// Number of events by outcome.
    pub outcomes: BTreeMap<Outcome, i64>,
    /// Deliveries without an outcome; below 0, some have an outcome and were not counted yet.
    pub in_flight: i64,
}

/// A position in RAW: the sequence of the message and the index in it.
pub type DeliveryPosition = (u64, u32);

impl Store {
    /// Adds deliveries, by store, to the count of accepted ones and moves that count's cursor, in one commit. Returns
    /// [`StoreError::Fenced`] if the cursor isn't at the beginning of the step.
    pub async fn count_accepted(
        &self,
        step: CursorMove,
        deliveries: &BTreeMap<(TenantId, StoreId), i64>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.bounded(self.pool.begin()).await?;
        let work = async {
            cursors::advance(&mut transaction, Consumer::Accepted, &[step]).await?;
            query(ADD_ACCEPTED)
                .bind(deliveries.keys().map(|(tenant, _)| tenant.as_str()).collect::<Vec<_>>())
                .bind(deliveries.keys().map(|(_, store)| store.as_str()).collect::<Vec<_>>())
                .bind(deliveries.values().copied().collect::<Vec<_>>())
                .execute(&mut *transaction)
                .await?;
            Ok::<_, StoreError>(())
        };
        within(self.limit, work).await?;
        within(self.limit, transaction.commit()).await
    }

    /// Returns the number of deliveries in flight: accepted and without an outcome, from two counts that are maintained
    /// separately. Below 0 while the count of accepted deliveries is behind.
    pub async fn in_flight(&self) -> Result<i64, StoreError> {
        let statement = query(IN_FLIGHT);
        Ok(self.fetch_one(statement).await?.try_get("in_flight")?)
    }

    /// Returns the accounts of one store, or of all, computed from the rows: the view `conservation`. Reads their
    /// complete history, for at most ten minutes.
    pub async fn accounts(&self, store: Option<&StoreId>) -> Result<Vec<Account>, StoreError> {
        let rows =
            self.over_history(query(ACCOUNTS).bind(store.map(|store| store.as_str().to_owned()))).await?;
        rows.iter().map(read).collect()
    }

    /// Returns those of a store's positions in RAW that have no outcome.
    pub async fn positions_without_outcome(
        &self,
        store: &StoreId,
        positions: &BTreeSet<DeliveryPosition>,
    ) -> Result<BTreeSet<DeliveryPosition>, StoreError> {
        let sequences =
            positions.iter().map(|(sequence, _)| signed(*sequence)).collect::<Result<Vec<_>, _>>()?;
        let statement = query(WITHOUT_OUTCOME)
            .bind(store.as_str().to_owned())
            .bind(sequences)
            .bind(positions.iter().map(|(_, index)| i64::from(*index)).collect::<Vec<_>>());
        let rows = self.fetch_all(statement).await?;
        let position = |row: &PgRow| -> Result<DeliveryPosition, StoreError> {
            let number = |column: &str| row.try_get::<i64, _>(column);
            let sequence = u64::try_from(number("sequence")?).map_err(|_| unreadable("sequence"))?;
            Ok((sequence, u32::try_from(number("index")?).map_err(|_| unreadable("index"))?))
        };
        rows.iter().map(position).collect()
    }

    /// Describes contradictions in a store's own history: gaps in its sequence, changes without their outcome, an
    /// order other than the order of acceptance, levels that aren't the sum of the ledger. Always empty unless
    /// something is wrong.
    pub async fn contradictions(&self, store: &StoreId) -> Result<Vec<String>, StoreError> {
        let statement = query(CONTRADICTIONS).bind(store.as_str().to_owned());
        let found = |row: &PgRow| -> Result<String, StoreError> {
            let (count, what): (i64, String) = (row.try_get("count")?, row.try_get("what")?);
            Ok(format!("{count} {what}"))
        };
        self.over_history(statement).await?.iter().map(found).collect()
    }

    /// Runs a query over many rows: any plan is allowed, and the limit is minutes.
    async fn over_history(&self, statement: Bound) -> Result<Vec<PgRow>, StoreError> {
        let mut transaction = self.bounded(self.pool.begin()).await?;
        let work = async {
            query(FREE_PLANS).execute(&mut *transaction).await?;
            statement.fetch_all(&mut *transaction).await
        };
        let rows = within(AUDIT_LIMIT, work).await?;
        within(self.limit, transaction.commit()).await?;
        Ok(rows)
    }
}

fn read(row: &PgRow) -> Result<Account, StoreError> {
    let outcomes = Outcome::ALL
        .into_iter()
        .map(|outcome| Ok((outcome, row.try_get(outcome.as_str())?)))
        .collect::<Result<_, StoreError>>()?;
    Ok(Account {
        tenant: id(row, "tenant")?,
        store: id(row, "store")?,
        accepted: row.try_get("accepted")?,
        further: row.try_get("further")?,
        outcomes,
        in_flight: row.try_get("in_flight")?,
    })
}

statements! {
    const ADD_ACCEPTED: ByKey(text[], text[], int8[]) = "
        INSERT INTO accepted AS a (tenant, store, deliveries)
        SELECT * FROM unnest($1::text[], $2::text[], $3::int8[])
        ON CONFLICT (store) DO UPDATE SET deliveries = a.deliveries + excluded.deliveries";

    const IN_FLIGHT: Any() = "
        SELECT (coalesce((SELECT sum(deliveries) FROM accepted), 0)
           - coalesce((SELECT sum(ended) FROM stores), 0))::bigint AS in_flight";

    const ACCOUNTS: Any(text) = "SELECT * FROM conservation WHERE $1::text IS NULL OR store = $1 ORDER BY store";

    const WITHOUT_OUTCOME: ByKey(text, int8[], int8[]) = "
        SELECT u.sequence, u.index FROM unnest($2::int8[], $3::int8[]) AS u(sequence, index)
        WHERE NOT EXISTS (SELECT FROM event_outcomes e WHERE e.store = $1 AND e.raw_sequence = u.sequence
                          AND e.delivery_index = u.index)
          AND NOT EXISTS (SELECT FROM dropped_inputs d WHERE d.store = $1 AND d.raw_sequence = u.sequence
                          AND d.delivery_index = u.index)";

    const CONTRADICTIONS: Any(text) = "
        SELECT what, count FROM (
        SELECT 'changes missing from the sequence' AS what,
            coalesce(max(sequence), 0) - count(DISTINCT sequence) AS count
            FROM events WHERE store = $1
        UNION ALL SELECT 'changes that stand twice in the sequence', count(*) - count(DISTINCT sequence)
            FROM events WHERE store = $1
        UNION ALL SELECT 'events that changed something twice', count(*) - count(DISTINCT (connection, event_id))
            FROM events WHERE store = $1
        UNION ALL SELECT 'changes without their outcome, or outcomes without their change', count(*)
            FROM (SELECT event_id, sequence FROM events WHERE store = $1) AS e
            FULL JOIN (SELECT event_id, sequence FROM event_outcomes WHERE store = $1 AND outcome = 'applied') AS o
                USING (event_id, sequence)
            WHERE e.event_id IS NULL OR o.event_id IS NULL
        UNION ALL SELECT 'changes out of the order of acceptance', count(*)
            FROM (SELECT sequence, lag(sequence) OVER (ORDER BY raw_sequence, delivery_index, event_index) AS before
                  FROM event_outcomes WHERE store = $1 AND outcome = 'applied') AS o
            WHERE sequence < before
        UNION ALL SELECT 'levels that the ledger does not sum up to', count(*)
            FROM (SELECT variant, location, quantity FROM inventory_levels
                  WHERE location IN (SELECT id FROM locations WHERE store = $1)) AS l
            FULL JOIN (SELECT variant, location, sum(delta) AS quantity FROM inventory_movements
                       WHERE store = $1 GROUP BY variant, location) AS m USING (variant, location)
            WHERE l.quantity IS DISTINCT FROM m.quantity
        UNION ALL SELECT 'positions that ended twice', count(*)
            FROM event_outcomes e JOIN dropped_inputs d USING (store, raw_sequence, delivery_index)
            WHERE e.store = $1 AND e.event_index = d.event_index
        UNION ALL SELECT 'deliveries counted as ended that did not, or the other way round', abs(s.ended - o.deliveries)
            FROM stores s, (SELECT coalesce(sum(deliveries), 0)::bigint AS deliveries
                            FROM outcomes_by_stage WHERE store = $1) AS o
            WHERE s.id = $1
        ) AS found WHERE count <> 0";

    /// Beginning of a transaction whose statements read many rows: any plan is allowed, for minutes.
    pub(crate) const FREE_PLANS: ByKey() = "
        SELECT set_config('plan_cache_mode', 'auto', true), set_config('enable_seqscan', 'on', true),
            set_config('enable_hashjoin', 'on', true), set_config('enable_mergejoin', 'on', true),
            set_config('statement_timeout', '10min', true)";
}
