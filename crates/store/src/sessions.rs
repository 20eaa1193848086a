//! Connections of apply's transactions: apart from the pool, because their client sends statements together.

mod options;
#[cfg(test)]
mod tests;
mod tls;

use crate::{IDLE_CONNECTION, PING_AFTER_IDLE, StoreError, error::within, statement::Session};
use sqlx::postgres::PgConnectOptions;
use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Age from which a connection isn't used again: what the server keeps for a connection only grows.
const LIFETIME: Duration = Duration::from_mins(30);
/// Time limit of the farewell to a connection.
const FAREWELL: Duration = Duration::from_secs(1);

/// The connections of apply's transactions.
pub(crate) struct Sessions {
    options: PgConnectOptions,
    /// One for each connection that may be open.
    permits: Arc<Semaphore>,
    /// The most recently used is last.
    idle: Mutex<Vec<Session>>,
    /// Time limit of waiting for a connection.
    acquire_limit: Duration,
    /// Time limit of a call.
    limit: Duration,
}

impl Sessions {
    /// Opens nothing yet. At most `connections_max` are open at once.
    pub(crate) fn new(
        options: PgConnectOptions,
        connections_max: usize,
        acquire_limit: Duration,
        limit: Duration,
    ) -> Self {
        let permits = Arc::new(Semaphore::new(connections_max));
        Self { options, permits, idle: Mutex::default(), acquire_limit, limit }
    }

    /// Returns an idle connection, or a new one.
    pub(crate) async fn take(self: &Arc<Self>) -> Result<Lease, StoreError> {
        within(self.acquire_limit, async {
            let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(StoreError::unavailable)?;
            let session = match self.idle_one().await {
                Some(session) => session,
                None => self.connect().await?,
            };
            Ok::<_, StoreError>(Lease { session, sessions: Arc::clone(self), _permit: permit })
        })
        .await
    }

    async fn idle_one(&self) -> Option<Session> {
        loop {
            let session = self.idle().pop()?;
            let too_old = session.age() > LIFETIME || session.idle_for() > IDLE_CONNECTION;
            if too_old || !session.is_free() {
                continue;
            }
            // Its last use showed that it works, if that was a moment ago.
            if session.idle_for() < PING_AFTER_IDLE || session.ping(self.limit).await.is_ok() {
                return Some(session);
            }
        }
    }

    async fn connect(&self) -> Result<Session, StoreError> {
        let (config, tls) = options::read(&self.options)?;
        // Large, and rarely needed.
        let connecting = Box::pin(config.connect(tls));
        let (client, driver) = within(self.limit, connecting).await?;
        Ok(Session::new(client, driver))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the idle connections; those in use are closed when they are returned.
    pub(crate) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle());
        for session in idle {
            session.close(FAREWELL).await;
        }
    }
}

/// A connection in use. Dropping it closes the connection; [`Lease::give_back`] doesn't.
pub(crate) struct Lease {
    session: Session,
    sessions: Arc<Sessions>,
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    /// Returns the connection, to be used again if it is free.
    pub(crate) fn give_back(self) {
        let Self { session, sessions, _permit } = self;
        if session.is_free() && !sessions.permits.is_closed() {
            sessions.idle().push(session);
        }
    }
}

impl Deref for Lease {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}
