//! Errors of the store, classified by the reaction of the caller.

use stage::Fault;
use std::{future::Future, time::Duration};

/// Reason for which the database didn't do what was requested. Never contains a value of a row.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A temporary failure: the connection was lost, the database is restarting or overloaded, or two transactions were
    /// in conflict. The outcome of a commit is unknown: read the cursor again, then continue from it.
    #[error("the database is not available")]
    Unavailable {
        /// The underlying error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The cursor isn't at the position that the caller expects: another owner has the partition. Nothing was changed.
    #[error("another owner has the partition: the cursor isn't where it was left")]
    Fenced,
    /// Data that can't be stored, or that a bug of ours made wrong. A retry gives the same error; other
    /// data is accepted.
    #[error("the database refused: {what}")]
    Refused {
        /// The error: Postgres' error code and the names of its constraint and table, or a text of ours.
        what: String,
    },
    /// The database's set-up doesn't fit this program: no data is accepted until someone has corrected it.
    #[error("the database isn't set up: {what}; {remedy}")]
    Setup {
        /// The error: Postgres' error code and the name of its table, or a text of ours.
        what: String,
        /// The remedy.
        remedy: &'static str,
    },
    /// The database's schema isn't the one that this program was built for.
    #[error(
        "the database's schema is at another version: {what}; run the migrations that belong to this program"
    )]
    Schema {
        /// The difference.
        what: String,
    },
    /// Credentials can't be sealed or opened.
    #[error(transparent)]
    Vault(#[from] crate::VaultError),
}

impl StoreError {
    /// Returns true if waiting and retrying can help.
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

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        const DATABASE: &str = "the database";
        match error {
            StoreError::Fenced => Self::Fenced,
            StoreError::Unavailable { .. } => Self::transient(DATABASE, error),
            StoreError::Refused { .. } => Self::input(DATABASE, error),
            StoreError::Setup { .. } | StoreError::Schema { .. } | StoreError::Vault(_) => {
                Self::setup(DATABASE, error)
            }
        }
    }
}

/// Class of a Postgres error, by the reaction of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Passing,
    OfTheData,
    OfTheSetup(&'static str),
}

/// Temporary error classes and codes of Postgres (appendix A of its manual): connection exceptions, rolled back
/// transactions, too few resources, objects in use, operator's intervention, system errors; time-outs of idle
/// transactions, and a server that is read-only because it is no longer the primary.
const PASSING: [&str; 9] = ["08", "40", "53", "55", "57", "58", "25P03", "25P04", "25006"];
/// Error classes caused by the data: cardinality violations, data exceptions, constraints, triggers, checks of views,
/// limits of the program, errors raised by functions.
const OF_THE_DATA: [&str; 8] = ["21", "22", "23", "27", "39", "44", "54", "P0"];
/// Errors that someone has to correct, with the remedy. Any other code counts as one of these, so that no data is
/// discarded for an error that isn't its own.
const OF_THE_SETUP: [(&str, &str); 5] = [
    ("28", "correct the login or its password in the store's URL"),
    ("3D", "create the database, or correct its name in the store's URL"),
    (
        "42501",
        "make the login a member of tillflow_pipeline, and that of gateway of tillflow_tenant too, as migrations/README.md says",
    ),
    ("42", MIGRATE),
    ("3F", MIGRATE),
];
const UNKNOWN_REMEDY: &str =
    "look the code up in appendix A of the manual of Postgres, and its log for the message";

impl Class {
    fn of(code: &str) -> Self {
        let is_among = |codes: &[&str]| codes.iter().any(|among| code.starts_with(among));
        if is_among(&PASSING) {
            Self::Passing
        } else if is_among(&OF_THE_DATA) {
            Self::OfTheData
        } else {
            let known = OF_THE_SETUP.iter().find(|(of, _)| code.starts_with(of));
            Self::OfTheSetup(known.map_or(UNKNOWN_REMEDY, |(_, remedy)| remedy))
        }
    }
}

/// Returns the error that a statement of a database of another version gives.
pub(crate) fn missing_column(column: &str) -> StoreError {
    StoreError::Setup { what: format!("column {column} is missing"), remedy: MIGRATE }
}

/// Returns the error of a column that has another type.
pub(crate) fn unreadable_column(column: impl std::fmt::Display) -> StoreError {
    StoreError::refused(format!("column {column} can't be read"))
}

/// Returns the error of options of a connection that contradict each other, or that name files without their content.
pub(crate) fn unusable_options() -> StoreError {
    StoreError::Setup { what: "the client's options can't be used".to_owned(), remedy: CORRECT_URL }
}

/// The parts of an error of Postgres that say whose it is.
struct Reported<'a> {
    code: &'a str,
    constraint: Option<&'a str>,
    table: Option<&'a str>,
}

impl Reported<'_> {
    /// Classifies the error. Its message may quote a value; names of constraints and tables don't.
    fn classify(&self) -> Result<StoreError, Passing> {
        let constraint = self.constraint.map(|name| format!(", constraint {name}"));
        let table = self.table.map(|name| format!(", table {name}"));
        let what =
            format!("error {}{}{}", self.code, constraint.unwrap_or_default(), table.unwrap_or_default());
        match Class::of(self.code) {
            Class::Passing => Err(Passing),
            Class::OfTheData => Ok(StoreError::Refused { what }),
            Class::OfTheSetup(remedy) => Ok(StoreError::Setup { what, remedy }),
        }
    }
}

/// The class of errors that the caller reports with their source.
struct Passing;

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        // Any other error of this client is one of the connection: it reads no columns.
        let Some(found) = error.as_db_error() else { return Self::unavailable(error) };
        let (code, constraint, table) = (found.code().code(), found.constraint(), found.table());
        let classified = Reported { code, constraint, table }.classify();
        classified.unwrap_or_else(|Passing| Self::unavailable(error))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default();
                let (constraint, table) = (database.constraint(), database.table());
                let classified = Reported { code: &code, constraint, table }.classify();
                classified.unwrap_or_else(|Passing| Self::unavailable(error))
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => Self::unavailable(error),
            sqlx::Error::ColumnDecode { index, .. } => unreadable_column(index),
            sqlx::Error::ColumnNotFound(name) => missing_column(name),
            sqlx::Error::TypeNotFound { type_name } => {
                Self::Setup { what: format!("type {type_name} is missing"), remedy: MIGRATE }
            }
            sqlx::Error::Configuration(_) => unusable_options(),
            sqlx::Error::RowNotFound => Self::refused("a row is missing"),
            _ => Self::refused("the client can't do this"),
        }
    }
}

const MIGRATE: &str = "run the migrations that belong to this program";
pub(crate) const CORRECT_URL: &str = "correct the store's URL";

/// Time beyond the server's own limit that a response is waited for, before the network counts as lost.
pub(crate) const ANSWER_GRACE: Duration = Duration::from_secs(2);

/// Waits for `call` for at most `limit`.
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

#[cfg(test)]
mod tests {
    use super::*;
    use stage::Blame;

    #[test]
    fn a_code_of_postgres_decides_who_has_to_act() {
        for code in ["08006", "40001", "40P01", "53300", "55P03", "57P01", "57014", "58030", "25006"] {
            assert_eq!(Class::of(code), Class::Passing, "{code}");
        }
        for code in ["22021", "22003", "23505", "23514", "54000", "P0001", "21000"] {
            assert_eq!(Class::of(code), Class::OfTheData, "{code}");
        }
        for code in ["42501", "42P01", "42703", "3F000", "28P01", "3D000", "0A000", "XX002", "99999", ""] {
            assert!(matches!(Class::of(code), Class::OfTheSetup(_)), "{code}");
        }
        assert_eq!(Class::of("42501"), Class::OfTheSetup(OF_THE_SETUP[2].1), "the longer prefix first");
    }

    #[test]
    fn a_store_error_keeps_its_class_and_its_message_says_no_other() {
        let blame = |error: StoreError| Fault::from(error).blame();
        assert_eq!(blame(StoreError::refused("x")), Some(Blame::Input));
        assert_eq!(blame(StoreError::Schema { what: "x".to_owned() }), Some(Blame::Setup));
        assert_eq!(blame(StoreError::Setup { what: "x".to_owned(), remedy: MIGRATE }), Some(Blame::Setup));
        assert_eq!(blame(StoreError::unavailable("x")), None);
        assert!(matches!(Fault::from(StoreError::Fenced), Fault::Fenced));
        let refused = with_source(&Fault::from(StoreError::refused("x")));
        assert!(!refused.contains("not available"), "{refused}");
    }

    fn with_source(fault: &Fault) -> String {
        let source = std::error::Error::source(fault).map(ToString::to_string).unwrap_or_default();
        format!("{fault}: {source}")
    }
}
