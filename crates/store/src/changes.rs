//! Notifications of changes to the set-up while a service runs.

use crate::{Store, StoreError, error::within};
use model::{ConnectionId, StoreId};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use std::time::Duration;

const CHANNEL: &str = "tillflow_connections_changed";
/// Pause before listening again after the connection to the database was lost.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// The part of the set-up that changed and has to be read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// A connection, or its links to locations.
    Connection(ConnectionId),
    /// A store or its locations, and so each of its connections.
    Store(StoreId),
    /// Possibly anything: the first report, and the one after every loss of the database, because changes in between
    /// are not observed.
    Everything,
}

/// Reports changes of the set-up. It reconnects by itself after a loss of the database.
pub struct ChangeListener {
    login: PgConnectOptions,
    limit: Duration,
    listener: Option<PgListener>,
}

impl Store {
    /// Listens for changes from the first call of [`ChangeListener::next`] on, on a database connection of its own.
    pub fn listen_changes(&self) -> ChangeListener {
        ChangeListener { login: self.login.clone(), limit: self.limit, listener: None }
    }
}

impl ChangeListener {
    /// Waits for the next change. Cancel safe: dropping the future loses no change.
    pub async fn next(&mut self) -> Changed {
        loop {
            let Some(listener) = &mut self.listener else {
                match self.listen().await {
                    Ok(listener) => {
                        self.listener = Some(listener);
                        return Changed::Everything;
                    }
                    Err(error) => tracing::warn!(%error, "can't hear of changes to the set-up"),
                }
                tokio::time::sleep(RECONNECT_PAUSE).await;
                continue;
            };
            match listener.try_recv().await {
                Ok(Some(notification)) => return changed(notification.payload()),
                Ok(None) | Err(_) => self.listener = None,
            }
        }
    }

    async fn listen(&self) -> Result<PgListener, StoreError> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(self.limit)
            .connect_lazy_with(self.login.clone());
        let mut listener = within(self.limit, PgListener::connect_with(&pool)).await?;
        listener.eager_reconnect(false);
        within(self.limit, listener.listen(CHANNEL)).await?;
        Ok(listener)
    }
}

fn changed(payload: &str) -> Changed {
    match payload.split_once(':') {
        Some(("connection", id)) => ConnectionId::new(id).map_or(Changed::Everything, Changed::Connection),
        Some(("store", id)) => StoreId::new(id).map_or(Changed::Everything, Changed::Store),
        _ => Changed::Everything,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_that_cannot_be_read_means_everything() {
        assert_eq!(changed("connection:c1"), Changed::Connection(ConnectionId::new("c1").unwrap()));
        assert_eq!(changed("store:s1"), Changed::Store(StoreId::new("s1").unwrap()));
        for payload in ["", "connection:", "connection:a.b", "product:p1", "store"] {
            assert_eq!(changed(payload), Changed::Everything, "{payload}");
        }
    }
}
