//! One attempt to fetch the objects of a notification.

use crate::{STAGE, shared::Shared};
use model::{Delivery, Timestamp};
use outlet::{NotFetched, Target};
use platforms::{AccountRefusal, Fetch, Platform};
use runner::now;
use stage::{Reject, RejectClass};
use std::time::Duration;
use store::{Connection, Health, StoreError};

/// Overlap of a fetch with the one before: clocks differ, and a platform's lists lag behind its notifications.
const OVERLAP: Duration = Duration::from_mins(2);

/// The result of an attempt.
pub(crate) enum Attempt {
    /// Number of objects put into RAW.
    Fetched(usize),
    /// The connection is paused.
    Paused,
    /// The platform refuses the account until its credentials or settings are changed.
    AccountRefused(AccountRefusal, Reject, Box<Connection>),
    /// A temporary failure.
    Later {
        /// Cause of the failure.
        reason: String,
        /// Minimum time before the next attempt.
        after: Option<Duration>,
    },
    /// A permanent failure: a dead letter.
    Refused(Reject),
}

impl From<StoreError> for Attempt {
    fn from(error: StoreError) -> Self {
        Self::Later { reason: error.to_string(), after: None }
    }
}

impl Shared {
    /// Fetches the objects of a notification and sends them to the intake.
    pub(crate) async fn attempt(&self, delivery: &Delivery) -> Attempt {
        self.fetch(delivery).await.unwrap_or_else(|attempt| attempt)
    }

    /// Returns the connection of a notification; refuses the notification if the connection no longer exists.
    pub(crate) async fn connection_of(&self, delivery: &Delivery) -> Result<Connection, Attempt> {
        let found = self.store.connection(&delivery.origin.connection).await?;
        found.ok_or_else(|| missing("there is no such connection any more"))
    }

    async fn fetch(&self, delivery: &Delivery) -> Result<Attempt, Attempt> {
        let name = delivery.origin.platform.as_str();
        let connection = self.connection_of(delivery).await?;
        if !connection.call_gate().lets_fetch() {
            return Ok(Attempt::Paused);
        }
        let (platform, schemas) = platforms::find(name)
            .zip(self.schemas.get(name))
            .ok_or_else(|| missing("there is no such platform any more"))?;
        let topic = delivery.kind.topic();
        // Normalize dead-letters deliveries that can't be read or belong to another account.
        let read = schemas.read(topic, &delivery.body);
        let read = read.and_then(|body| platforms::check_account(platform, delivery, &body).map(|()| body));
        let Ok(body) = read else { return Ok(Attempt::Fetched(0)) };
        let began = now();
        let since = self.store.fetch_cursor(&connection.id, topic).await?;
        let wanted = Fetch::Notified { topic, body: &body, since };
        let fetched = self.objects(platform, &connection, delivery, &wanted, began).await;
        let count = match fetched.map_err(|error| not_fetched(error, &connection)) {
            Ok(count) => count,
            Err(attempt) => return Ok(attempt),
        };
        if connection.health != Health::Ok {
            self.store.note_account_accepted(&connection).await?;
        }
        runner::kill_point(STAGE, "fetched");
        let cursor =
            Timestamp::from_micros(began.as_micros() - i64::try_from(OVERLAP.as_micros()).unwrap_or(0));
        self.store.set_fetch_cursor(&connection.id, topic, cursor).await?;
        Ok(Attempt::Fetched(count))
    }

    async fn objects(
        &self,
        platform: &dyn Platform,
        connection: &Connection,
        delivery: &Delivery,
        wanted: &Fetch<'_>,
        began: Timestamp,
    ) -> Result<usize, NotFetched> {
        let target = Target {
            origin: delivery.origin.clone(),
            connection,
            cause: Some(delivery.id),
            asked_by: None,
            trace: Some(delivery.trace),
        };
        self.fetcher.fetch(platform, &target, wanted, began).await
    }
}

fn missing(reason: &str) -> Attempt {
    Attempt::Refused(Reject::new(RejectClass::Config, reason))
}

fn not_fetched(error: NotFetched, connection: &Connection) -> Attempt {
    match error.into_reject() {
        Ok(reject) => Attempt::Refused(reject),
        Err(NotFetched::AccountRefused(refusal, reject)) => {
            Attempt::AccountRefused(refusal, reject, Box::new(connection.clone()))
        }
        Err(NotFetched::Later { reason, after }) => Attempt::Later { reason, after },
        Err(other @ (NotFetched::Gone | NotFetched::Refused(_))) => {
            Attempt::Later { reason: other.to_string(), after: None }
        }
    }
}
