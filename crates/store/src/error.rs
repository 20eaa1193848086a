//! What can go wrong, by what the caller does about it.

use std::{future::Future, time::Duration};

/// Why the record didn't do what it was asked. Never carries a value of a row.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Not now: the connection was lost, the database is restarting or overloaded, or two transactions were in each
    /// other's way. The outcome of a commit is unknown: read the cursor again, then go on from it.
    #[error("the database is not available")]
    Unavailable {
        /// How it showed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The cursor isn't where the caller left it: another owner has the partition. Nothing was changed.
    #[error("another owner has the partition: the cursor isn't where it was left")]
    Fenced,
    /// A mistake of ours or data that can't be stored; the same again gives the same.
    #[error("the database refused: {what}")]
    Refused {
        /// What was wrong: Postgres' error code and the names of its constraint and table, or our own words.
        what: String,
    },
    /// The database's schema isn't the one that this program was built for.
    #[error(
        "the database's schema is at another version: {what}; run the migrations that belong to this program"
    )]
    Schema {
        /// How it differs.
        what: String,
    },
    /// Credentials can't be sealed or opened.
    #[error(transparent)]
    Vault(#[from] crate::VaultError),
}

impl StoreError {
    /// Whether waiting and trying again can help.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    pub(crate) fn refused(what: impl Into<String>) -> Self {
        Self::Refused { what: what.into() }
    }

    pub(crate) fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable { source: source.into() }
    }
}

/// Error classes and codes of Postgres (appendix A of its manual) that pass by themselves: connection exceptions,
/// rolled back transactions, too few resources, operator's intervention, system errors; a lock that wasn't to be had,
/// time-outs of idle transactions, and a server that is read-only because it isn't the primary any more.
const PASSING: [&str; 9] = ["08", "40", "53", "57", "58", "55P03", "25P03", "25P04", "25006"];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default();
                if PASSING.iter().any(|passing| code.starts_with(passing)) {
                    return Self::unavailable(error);
                }
                // The message itself may quote a value; names of constraints and tables don't.
                let constraint = database.constraint().map(|name| format!(", constraint {name}"));
                let table = database.table().map(|name| format!(", table {name}"));
                Self::refused(format!(
                    "error {code}{}{}",
                    constraint.unwrap_or_default(),
                    table.unwrap_or_default()
                ))
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => Self::unavailable(error),
            sqlx::Error::ColumnDecode { index, .. } => Self::refused(format!("column {index} can't be read")),
            sqlx::Error::ColumnNotFound(name) => Self::refused(format!("column {name} is missing")),
            sqlx::Error::RowNotFound => Self::refused("a row is missing"),
            _ => Self::refused("the client can't do this"),
        }
    }
}

/// How much longer than the server's own limit an answer is waited for, before the network is taken to be gone.
pub(crate) const ANSWER_GRACE: Duration = Duration::from_secs(2);

/// Waits for `call` no longer than `limit`.
pub(crate) async fn within<T, E>(
    limit: Duration,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, StoreError>
where
    StoreError: From<E>,
{
    match tokio::time::timeout(limit, call).await {
        Ok(result) => result.map_err(StoreError::from),
        Err(elapsed) => Err(StoreError::unavailable(elapsed)),
    }
}
