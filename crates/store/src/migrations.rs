//! Version of the database's schema, and migrations to the version that this program was built for.

use crate::{
    Store, StoreError,
    error::within,
    statement::{query, statements},
};
use sqlx::{Connection as _, PgConnection, Row as _, migrate::MigrateError};
use std::{collections::BTreeMap, time::Duration};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations");

/// Time limit of all migrations together.
const MIGRATION_LIMIT: Duration = Duration::from_mins(30);

impl Store {
    /// Runs the migrations that the database lacks, as the login role (it must own the tables or be able to create
    /// them), under an advisory lock: one of several processes runs them and the others wait.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut connection = within(self.limit, PgConnection::connect_with(&self.login)).await?;
        within(MIGRATION_LIMIT, MIGRATIONS.run(&mut connection)).await?;
        within(self.limit, connection.close()).await
    }

    /// Refuses a database whose schema isn't exactly at this program's version: older, newer, half-migrated or
    /// changed by hand.
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        let mut connection = within(self.limit, PgConnection::connect_with(&self.login)).await?;
        let found = within(self.limit, recorded(&mut connection)).await?;
        within(self.limit, connection.close()).await?;
        compare(found)
    }
}

type Recorded = BTreeMap<i64, (Vec<u8>, bool)>;

async fn recorded(connection: &mut PgConnection) -> Result<Recorded, sqlx::Error> {
    let exists = query(ARE_RECORDED).fetch_one(&mut *connection).await?.try_get::<bool, _>("yes")?;
    if !exists {
        return Ok(Recorded::new());
    }
    let rows = query(RECORDED).fetch_all(connection).await?;
    rows.iter()
        .map(|row| Ok((row.try_get("version")?, (row.try_get("checksum")?, row.try_get("success")?))))
        .collect()
}

fn compare(mut found: Recorded) -> Result<(), StoreError> {
    let differs = |what: String| Err(StoreError::Schema { what });
    for migration in MIGRATIONS.iter() {
        match found.remove(&migration.version) {
            None => return differs(format!("migration {} is missing", migration.version)),
            Some((_, false)) => return differs(format!("migration {} is half done", migration.version)),
            Some((checksum, true)) if checksum != *migration.checksum => {
                return differs(format!("migration {} was another one", migration.version));
            }
            Some(_) => {}
        }
    }
    match found.keys().next() {
        Some(version) => differs(format!("migration {version} is newer than this program")),
        None => Ok(()),
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) => error.into(),
            MigrateError::ExecuteMigration(error, version) => match Self::from(error) {
                Self::Refused { what } => Self::refused(format!("migration {version}: {what}")),
                Self::Setup { what, remedy } => {
                    Self::Setup { what: format!("migration {version}: {what}"), remedy }
                }
                other => other,
            },
            MigrateError::VersionMissing(version) => {
                Self::Schema { what: format!("migration {version} is newer than this program") }
            }
            MigrateError::VersionMismatch(version) => {
                Self::Schema { what: format!("migration {version} was another one") }
            }
            MigrateError::Dirty(version) => {
                Self::Schema { what: format!("migration {version} is half done") }
            }
            other => Self::refused(other.to_string()),
        }
    }
}

statements! {
    const ARE_RECORDED: Any() = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS yes";

    const RECORDED: Any() = "SELECT version, checksum, success FROM _sqlx_migrations";
}
