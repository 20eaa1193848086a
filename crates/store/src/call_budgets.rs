//! The budgets of connections' calls: changed by compare-and-set, timed by the database's clock.

use crate::{
    Store, StoreError,
    columns::{json, time},
    statement::{query, statements},
};
use model::{CallBudget, ConnectionId, Origin, Timestamp};
use sqlx::{Row as _, types::Json};

/// The stored budget of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallBudgetRow {
    /// The budget.
    pub budget: CallBudget,
    /// The database's time when it was read or stored.
    pub now: Timestamp,
    revision: i64,
}

impl Store {
    /// Returns the budget of a connection; a full one is added if there is none.
    pub async fn call_budget(&self, origin: &Origin) -> Result<CallBudgetRow, StoreError> {
        let find = || query(FIND).bind(origin.connection.as_str().to_owned());
        let row = if let Some(row) = self.fetch_optional(find()).await? {
            row
        } else {
            let add = query(ADD)
                .bind(origin.connection.as_str().to_owned())
                .bind(origin.tenant.as_str().to_owned());
            self.execute(add).await?;
            self.fetch_one(find()).await?
        };
        Ok(CallBudgetRow {
            budget: row.try_get::<Json<CallBudget>, _>("budget")?.0,
            now: time(&row, "now")?,
            revision: row.try_get("revision")?,
        })
    }

    /// Stores the budget that follows `before`. Returns it as it is stored; `None`, and changes nothing, if another one
    /// was stored meanwhile.
    pub async fn save_call_budget(
        &self,
        connection: &ConnectionId,
        before: &CallBudgetRow,
        budget: CallBudget,
    ) -> Result<Option<CallBudgetRow>, StoreError> {
        let save =
            query(SAVE).bind(connection.as_str().to_owned()).bind(before.revision).bind(json(&budget)?);
        let Some(row) = self.fetch_optional(save).await? else { return Ok(None) };
        Ok(Some(CallBudgetRow { budget, now: time(&row, "now")?, revision: row.try_get("revision")? }))
    }
}

statements! {
    const FIND: ByKey(text) = "
        SELECT budget, revision, clock_timestamp() AS now FROM call_budgets WHERE connection = $1";

    const ADD: ByKey(text, text) = "
        INSERT INTO call_budgets (connection, tenant) VALUES ($1, $2) ON CONFLICT (connection) DO NOTHING";

    const SAVE: ByKey(text, int8, text) = "
        UPDATE call_budgets SET budget = $3::text::jsonb, revision = revision + 1
        WHERE connection = $1 AND revision = $2
        RETURNING revision, clock_timestamp() AS now";
}
