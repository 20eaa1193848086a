//! The state of a connection whose notifications wait in the record.

use crate::settings::{Refused, Settings};
use model::ConnectionId;
use std::time::Duration;
use store::Changed;
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::Instant,
};

/// The reason for which notifications are parked, and the time of the next try.
pub(crate) struct Parked {
    pub(crate) refused: Option<Refused>,
    /// Time of the next try without a change; `None` while the connection is paused.
    pub(crate) again: Option<Instant>,
}

/// The reason for which a parked notification is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    /// It is due.
    Due,
    /// The connection's set-up changed.
    Changed,
}

impl Parked {
    /// Parked while the connection is paused.
    pub(crate) const fn paused() -> Self {
        Self { refused: None, again: None }
    }

    /// Parked while the account is refused.
    pub(crate) fn refused(before: Option<Refused>, with: Settings) -> Self {
        let refused = Refused::after(before, with);
        let again = Some(Instant::now() + refused.pause());
        Self { refused: Some(refused), again }
    }

    /// To be tried after `pause`: a former owner parked them, or the platform has an outage.
    pub(crate) fn due_in(pause: Duration) -> Self {
        Self { refused: None, again: Some(Instant::now() + pause) }
    }

    /// Waits until the next try is due or the connection was changed.
    pub(crate) async fn wake(
        &self,
        connection: &ConnectionId,
        changes: &mut broadcast::Receiver<Changed>,
    ) -> Woken {
        let due = async {
            match self.again {
                Some(again) => tokio::time::sleep_until(again).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => Woken::Due,
            () = changed(connection, changes) => Woken::Changed,
        }
    }
}

async fn changed(connection: &ConnectionId, changes: &mut broadcast::Receiver<Changed>) {
    loop {
        match changes.recv().await {
            Ok(Changed::Connection(id)) if id != *connection => {}
            Ok(Changed::Connection(_) | Changed::Store(_) | Changed::Everything)
            | Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
