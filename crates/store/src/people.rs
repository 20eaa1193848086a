//! The employees of a store, for people.

use crate::{
    LISTED_ROWS, Store, StoreError,
    apply::employees::employee,
    columns::id,
    statement::{query, statements},
};
use model::{ConnectionId, Employee, PlatformName, StoreId};

/// An employee of a store, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmployeeLine {
    /// The platform.
    pub platform: PlatformName,
    /// The connection that reported the employee.
    pub connection: ConnectionId,
    /// The employee.
    pub employee: Employee,
}

impl Store {
    /// Returns the employees of a store that exist on their platform, at most [`LISTED_ROWS`].
    pub async fn employees_of(&self, store: &StoreId) -> Result<Vec<EmployeeLine>, StoreError> {
        let statement = query(OF_STORE).bind(store.as_str().to_owned()).bind(LISTED_ROWS);
        let read = |row: &sqlx::postgres::PgRow| {
            Ok(EmployeeLine {
                platform: id(row, "platform")?,
                connection: id(row, "connection")?,
                employee: employee(row)?,
            })
        };
        self.fetch_all(statement).await?.iter().map(read).collect()
    }
}

statements! {
    const OF_STORE: ByKey(text, int8) = "
        SELECT c.platform, e.connection, e.external, e.personal, e.is_active, e.workplaces
        FROM employees e JOIN connections c ON c.id = e.connection
        WHERE e.store = $1 AND e.deleted_at IS NULL ORDER BY c.platform, e.external LIMIT $2";
}
