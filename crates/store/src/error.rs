//! What can go wrong, by what the caller does about it.

use stage::Fault;
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
    /// Data that can't be stored, or a mistake of ours in it; the same again gives the same, other data passes.
    #[error("the database refused: {what}")]
    Refused {
        /// What was wrong: Postgres' error code and the names of its constraint and table, or our own words.
        what: String,
    },
    /// The database isn't set up as this program needs it: no data passes until someone has put that right.
    #[error("the database isn't set up: {what}; {remedy}")]
    Setup {
        /// What is wrong: Postgres' error code and the name of its table, or our own words.
        what: String,
        /// What to do.
        remedy: &'static str,
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

/// What an error of Postgres means for who gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Passing,
    OfTheData,
    OfTheSetup(&'static str),
}

/// Error classes and codes of Postgres (appendix A of its manual) that pass by themselves: connection exceptions,
/// rolled back transactions, too few resources, objects in use, operator's intervention, system errors; time-outs of
/// idle transactions, and a server that is read-only because it isn't the primary any more.
const PASSING: [&str; 9] = ["08", "40", "53", "55", "57", "58", "25P03", "25P04", "25006"];
/// Those that the data causes: more rows than may be, data exceptions, constraints, triggers, checks of views, limits
/// of the program, errors raised by functions.
const OF_THE_DATA: [&str; 8] = ["21", "22", "23", "27", "39", "44", "54", "P0"];
/// Those that someone has to put right, with the remedy; any other code is taken for one, since data that other data's
/// rows pass beside must not be given up for it.
const OF_THE_SETUP: [(&str, &str); 5] = [
    ("28", "correct the login or its password in the store's URL"),
    ("3D", "create the database, or correct its name in the store's URL"),
    ("42501", "make the login a member of tillflow_pipeline, as migrations/README.md says"),
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

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default();
                // The message itself may quote a value; names of constraints and tables don't.
                let constraint = database.constraint().map(|name| format!(", constraint {name}"));
                let table = database.table().map(|name| format!(", table {name}"));
                let what =
                    format!("error {code}{}{}", constraint.unwrap_or_default(), table.unwrap_or_default());
                match Class::of(&code) {
                    Class::Passing => Self::unavailable(error),
                    Class::OfTheData => Self::Refused { what },
                    Class::OfTheSetup(remedy) => Self::Setup { what, remedy },
                }
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => Self::unavailable(error),
            sqlx::Error::ColumnDecode { index, .. } => Self::refused(format!("column {index} can't be read")),
            sqlx::Error::ColumnNotFound(name) => {
                Self::Setup { what: format!("column {name} is missing"), remedy: MIGRATE }
            }
            sqlx::Error::TypeNotFound { type_name } => {
                Self::Setup { what: format!("type {type_name} is missing"), remedy: MIGRATE }
            }
            sqlx::Error::Configuration(_) => {
                Self::Setup { what: "the client's options can't be used".to_owned(), remedy: CORRECT_URL }
            }
            sqlx::Error::RowNotFound => Self::refused("a row is missing"),
            _ => Self::refused("the client can't do this"),
        }
    }
}

const MIGRATE: &str = "run the migrations that belong to this program";
pub(crate) const CORRECT_URL: &str = "correct the store's URL";

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

#[cfg(test)]
mod tests {
    use super::*;
    use stage::Blame;

    #[test]
    fn a_code_of_postgres_reports_who_has_to_act() {
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
