//! Processes one connection's notifications, one at a time.

use crate::{
    STAGE,
    attempt::Attempt,
    parked::{Parked, Woken},
    settings::Settings,
    shared::Shared,
};
use model::{ConnectionId, Delivery, Position};
use runner::{Backoff, Service, dead_letter};
use stage::Reject;
use std::{sync::Arc, time::Duration};
use store::Changed;
use tokio::sync::{broadcast, mpsc};
use wire::Original;

/// Number of failed attempts after which a warning is logged.
const WARNED_AFTER: u32 = 5;
/// Pause before a dead letter is published again after a failure.
const DEAD_LETTER_PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct Notice {
    pub(crate) position: Position,
    pub(crate) delivery: Delivery,
}

/// The partition was released: its new owner continues.
pub(crate) struct Released;

pub(crate) struct Notices {
    pub(crate) shared: Arc<Shared>,
    pub(crate) connection: ConnectionId,
    pub(crate) done: mpsc::Sender<Position>,
    pub(crate) changes: broadcast::Receiver<Changed>,
    /// Set while some of its notifications are parked; later ones are parked behind them.
    pub(crate) parked: Option<Parked>,
}

impl Notices {
    /// Works until the partition is released. Waiting notifications that name no object are coalesced per topic: one
    /// fetch serves all of them.
    pub(crate) async fn work(mut self, mut notices: mpsc::UnboundedReceiver<Notice>) {
        let mut next = None;
        loop {
            if next.is_none() {
                tokio::select! {
                    notice = notices.recv() => next = notice,
                    woken = wake(&self.connection, &mut self.changes, self.parked.as_ref()) => {
                        if self.unpark(woken).await.is_err() {
                            return;
                        }
                        continue;
                    }
                }
            }
            let Some(notice) = next.take() else { return };
            let mut together = vec![notice.position];
            let mut latest = notice.delivery;
            while let Ok(waiting) = notices.try_recv() {
                if !names_no_object(&latest) || waiting.delivery.kind != latest.kind {
                    next = Some(waiting);
                    break;
                }
                together.push(waiting.position);
                latest = waiting.delivery;
            }
            let last = together.last().copied().unwrap_or_default();
            let Ok(outcome) = self.keep_trying(last, latest).await else { return };
            self.shared.service.metrics.consumed(STAGE, together.len());
            self.shared.service.metrics.ended(STAGE, outcome, together.len());
            for position in together {
                if self.done.send(position).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Tries until the notification is fetched, parked or dead-lettered; returns the outcome for the metrics.
    async fn keep_trying(
        &mut self,
        position: Position,
        delivery: Delivery,
    ) -> Result<&'static str, Released> {
        let mut backoff = Backoff::default();
        loop {
            if self.parked.is_some() {
                self.park(position, &delivery).await?;
                return Ok("parked");
            }
            match self.shared.attempt(&delivery).await {
                Attempt::Fetched(count) => {
                    tracing::debug!(stage = STAGE, connection.id = %self.connection, count, "fetched");
                    return Ok("emitted");
                }
                Attempt::Paused => self.parked = Some(Parked::paused()),
                Attempt::AccountRefused(refusal, reject, called_as) => {
                    self.note_refused(refusal, &reject, &called_as).await;
                    self.parked = Some(Parked::refused(None, Settings::of(&called_as)));
                }
                Attempt::Refused(reject) => {
                    self.dead_letter(position, &delivery, &reject).await?;
                    return Ok("dead");
                }
                Attempt::Later { reason, after } => {
                    let pause = backoff.next_delay().max(after.unwrap_or_default());
                    if backoff.attempts() == WARNED_AFTER {
                        tracing::warn!(stage = STAGE, connection.id = %self.connection, reason, "not fetched");
                    }
                    self.pause(pause).await?;
                }
            }
        }
    }

    /// Waits, unless the partition is released meanwhile.
    pub(crate) async fn pause(&self, pause: Duration) -> Result<(), Released> {
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.done.closed() => Err(Released),
        }
    }

    /// Dead-letters a notification that can't be completed, however long the broker takes.
    pub(crate) async fn dead_letter(
        &self,
        position: Position,
        delivery: &Delivery,
        reject: &Reject,
    ) -> Result<(), Released> {
        let Service { bus, metrics, .. } = &self.shared.service;
        loop {
            let original = Original::Delivery(Box::new(delivery.clone()));
            if dead_letter(bus, metrics, STAGE, position, original, reject).await.is_ok() {
                return Ok(());
            }
            self.pause(DEAD_LETTER_PAUSE).await?;
        }
    }
}

/// Waits until parked notifications may be tried; for ever if there are none.
async fn wake(
    connection: &ConnectionId,
    changes: &mut broadcast::Receiver<Changed>,
    parked: Option<&Parked>,
) -> Woken {
    match parked {
        Some(parked) => parked.wake(connection, changes).await,
        None => std::future::pending().await,
    }
}

/// Returns whether the notification names no object, only that something of a kind changed.
pub(crate) fn names_no_object(delivery: &Delivery) -> bool {
    platforms::find(delivery.origin.platform.as_str())
        .and_then(|platform| platform.reader())
        .is_some_and(|reader| reader.names_no_object(delivery.kind.topic()))
}
