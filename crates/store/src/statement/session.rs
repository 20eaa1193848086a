//! Execution of statements over a connection on which those that are sent together take one round trip.

#[cfg(test)]
mod tests;

use super::{Bound, values::Encoded};
use crate::{StoreError, error::within};
use futures::{StreamExt as _, future::join_all, pin_mut};
use std::{borrow::Cow, collections::HashMap, future::Future, time::Duration};
use tokio::{task::JoinHandle, time::Instant};
use tokio_postgres::{Client, Error, Row};

/// Target of the events that count round trips.
const ROUND_TRIPS: &str = "store::round_trips";

/// The result of a statement.
pub(crate) struct Answer {
    pub(crate) rows: Vec<Row>,
    /// Number of rows that it returned or changed.
    pub(crate) affected: u64,
}

/// Position of a connection with regard to transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    InTransaction,
    /// An answer is outstanding, or never came.
    Unknown,
}

/// The task that reads from and writes to the socket of a connection. Dropping it closes the socket at once, so that the
/// server rolls back what isn't committed.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connection for one transaction after the other. Dropping it closes the connection.
pub(crate) struct Session {
    client: Client,
    driver: Driver,
    /// By text. There are as many as there are statements of a transaction in this crate.
    prepared: HashMap<Cow<'static, str>, tokio_postgres::Statement>,
    state: State,
    opened: Instant,
    used: Instant,
}

impl Session {
    /// Uses a new connection; `driver` is its other half.
    pub(crate) fn new(
        client: Client,
        driver: impl Future<Output = Result<(), Error>> + Send + 'static,
    ) -> Self {
        let driver = Driver(tokio::spawn(async {
            // Whoever waits for an answer gets the error too.
            driver.await.ok();
        }));
        let now = Instant::now();
        Self { client, driver, prepared: HashMap::new(), state: State::Idle, opened: now, used: now }
    }

    /// Sends statements together, in the transaction that this begins unless there is one, and returns the result of
    /// each. The server executes them in order, each with a snapshot of its own; after one that it refuses, it refuses
    /// the rest.
    pub(crate) async fn send(
        &mut self,
        limit: Duration,
        statements: Vec<Bound>,
    ) -> Result<Vec<Result<Answer, StoreError>>, StoreError> {
        let statements = statements.into_iter().map(|Bound { text, values, .. }| Ok((text, values?)));
        let statements: Vec<(Cow<'static, str>, Vec<Encoded>)> =
            statements.collect::<Result<_, _>>().map_err(sqlx::Error::Encode)?;
        let begins = self.state == State::Idle;
        self.state = State::Unknown;
        tracing::trace!(target: ROUND_TRIPS, statements = statements.len(), begins);
        let answers: Vec<Result<Answer, Error>> = within(limit, async {
            self.prepare(statements.iter().map(|(text, _)| text)).await?;
            let begin = async { if begins { self.client.batch_execute("BEGIN").await } else { Ok(()) } };
            let sent = statements.iter().map(|(text, values)| self.execute(text, values));
            // Polled in this order at first, which sends them in this order.
            let (begun, answers) = futures::join!(begin, join_all(sent));
            begun.map(|()| answers)
        })
        .await?;
        if !self.client.is_closed() {
            self.state = State::InTransaction;
        }
        Ok(answers.into_iter().map(|answer| answer.map_err(StoreError::from)).collect())
    }

    /// Prepares the statements that this connection executes for the first time.
    async fn prepare(&mut self, texts: impl Iterator<Item = &Cow<'static, str>>) -> Result<(), Error> {
        let new: Vec<&Cow<'static, str>> = texts.filter(|text| !self.prepared.contains_key(*text)).collect();
        if !new.is_empty() {
            tracing::trace!(target: ROUND_TRIPS, prepared = new.len());
        }
        let prepared = join_all(new.iter().map(|text| self.client.prepare(text))).await;
        for (text, statement) in new.into_iter().zip(prepared) {
            self.prepared.insert(text.clone(), statement?);
        }
        Ok(())
    }

    async fn execute(&self, text: &str, values: &[Encoded]) -> Result<Answer, Error> {
        let answers = self.client.query_raw(&self.prepared[text], values).await?;
        pin_mut!(answers);
        let mut rows = Vec::new();
        while let Some(row) = answers.next().await {
            rows.push(row?);
        }
        Ok(Answer { rows, affected: answers.rows_affected().unwrap_or_default() })
    }

    /// Commits the transaction. After an error the outcome is unknown, and the connection is of no more use.
    pub(crate) async fn commit(&mut self, limit: Duration) -> Result<(), StoreError> {
        self.end(limit, "COMMIT").await
    }

    /// Rolls the transaction back.
    pub(crate) async fn roll_back(&mut self, limit: Duration) -> Result<(), StoreError> {
        self.end(limit, "ROLLBACK").await
    }

    async fn end(&mut self, limit: Duration, how: &'static str) -> Result<(), StoreError> {
        match std::mem::replace(&mut self.state, State::Unknown) {
            State::Idle => {}
            State::InTransaction => {
                tracing::trace!(target: ROUND_TRIPS, how);
                within(limit, self.client.batch_execute(how)).await?;
            }
            State::Unknown => return Err(StoreError::unavailable("the connection lost its transaction")),
        }
        self.state = State::Idle;
        self.used = Instant::now();
        Ok(())
    }

    /// Returns whether the connection can begin another transaction.
    pub(crate) fn is_free(&self) -> bool {
        self.state == State::Idle && !self.client.is_closed()
    }

    pub(crate) fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    pub(crate) fn idle_for(&self) -> Duration {
        self.used.elapsed()
    }

    /// Checks that the server answers.
    pub(crate) async fn ping(&self, limit: Duration) -> Result<(), StoreError> {
        within(limit, self.client.check_connection()).await
    }

    /// Closes the connection, and waits until the server is notified.
    pub(crate) async fn close(self, limit: Duration) {
        let Self { client, mut driver, prepared, .. } = self;
        drop((client, prepared));
        tokio::time::timeout(limit, &mut driver.0).await.ok();
    }
}
