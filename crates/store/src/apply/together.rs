//! Statements that are sent together: loads with the readers of their rows, and writes with the rows that they have to
//! change.

use crate::{
    StoreError,
    columns::signed,
    statement::{Bound, Session},
};
use model::record::Facts;
use std::time::Duration;
use tokio_postgres::Row;

/// Keeps a row in the facts.
type Keep = fn(&Row, &mut Facts) -> Result<(), StoreError>;

/// Loads to send together.
#[derive(Default)]
pub(super) struct Loads(Vec<(Bound, Keep)>);

impl Loads {
    pub(super) fn add(&mut self, statement: Bound, keep: Keep) {
        self.0.push((statement, keep));
    }

    /// Sends them in order, and keeps what they return.
    pub(super) async fn send(
        self,
        session: &mut Session,
        limit: Duration,
        facts: &mut Facts,
    ) -> Result<(), StoreError> {
        let (statements, keep): (Vec<Bound>, Vec<Keep>) = self.0.into_iter().unzip();
        for (answer, keep) in session.send(limit, statements).await?.into_iter().zip(keep) {
            answer?.rows.iter().try_for_each(|row| keep(row, facts))?;
        }
        Ok(())
    }
}

/// Writes to send together.
#[derive(Default)]
pub(super) struct Writes(Vec<(Bound, Option<Expected>)>);

/// The number of rows that a write has to change, and the error if it changes another one.
struct Expected {
    rows: usize,
    otherwise: StoreError,
}

impl Writes {
    /// Adds a write that may change any number of rows.
    pub(super) fn add(&mut self, statement: Bound) {
        self.0.push((statement, None));
    }

    /// Adds a write that is refused unless it changes so many rows.
    pub(super) fn add_complete(&mut self, statement: Bound, rows: usize, otherwise: StoreError) {
        self.0.push((statement, Some(Expected { rows, otherwise })));
    }

    /// Sends them in order. Returns the error of the first that fails or is incomplete.
    pub(super) async fn send(self, session: &mut Session, limit: Duration) -> Result<(), StoreError> {
        let (statements, expected): (Vec<Bound>, Vec<_>) = self.0.into_iter().unzip();
        for (answer, expected) in session.send(limit, statements).await?.into_iter().zip(expected) {
            let affected = answer?.affected;
            if let Some(Expected { rows, otherwise }) = expected
                && affected != signed(rows)?.unsigned_abs()
            {
                return Err(otherwise);
            }
        }
        Ok(())
    }
}
