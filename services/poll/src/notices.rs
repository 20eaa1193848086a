//! One connection's notifications, one at a time.

use crate::{STAGE, lane::Shared};
use model::{Delivery, Position, Timestamp};
use outlet::{NotFetched, Target};
use platforms::{Access, Fetch, Platform};
use runner::{Backoff, Service, dead_letter, now};
use stage::{Reject, RejectClass};
use std::{sync::Arc, time::Duration};
use store::Connection;
use tokio::sync::mpsc;
use wire::Original;

/// By how much the next fetch overlaps the last: clocks differ, and a platform's lists lag behind its notifications.
const OVERLAP: Duration = Duration::from_mins(2);

pub(crate) struct Notice {
    pub(crate) position: Position,
    pub(crate) delivery: Delivery,
}

pub(crate) struct Notices {
    shared: Arc<Shared>,
    done: mpsc::Sender<Position>,
}

impl Notices {
    pub(crate) fn new(shared: Arc<Shared>, done: mpsc::Sender<Position>) -> Self {
        Self { shared, done }
    }

    /// Works until the partition is given up. Notifications that say nothing but "something changed" and wait together
    /// are answered by one fetch.
    pub(crate) async fn work(self, mut notices: mpsc::UnboundedReceiver<Notice>) {
        let mut next = notices.recv().await;
        while let Some(notice) = next.take() {
            let mut together = vec![notice.position];
            let mut latest = notice.delivery;
            while let Ok(waiting) = notices.try_recv() {
                if !is_bare(&latest) || waiting.delivery.topic != latest.topic {
                    next = Some(waiting);
                    break;
                }
                together.push(waiting.position);
                latest = waiting.delivery;
            }
            let last = together.last().copied().unwrap_or_default();
            let Some(outcome) = self.keep_trying(last, latest).await else { return };
            self.shared.service.metrics.taken_up(STAGE, together.len());
            self.shared.service.metrics.ended(STAGE, outcome, together.len());
            for position in together {
                if self.done.send(position).await.is_err() {
                    return;
                }
            }
            if next.is_none() {
                next = notices.recv().await;
            }
        }
    }

    /// Until it is fetched or dead-lettered, and which of both it counts as; none if the partition was given up meanwhile.
    async fn keep_trying(&self, position: Position, delivery: Delivery) -> Option<&'static str> {
        let mut backoff = Backoff::default();
        loop {
            let rejected = match self.fetch(&delivery).await {
                Ok(count) => {
                    tracing::debug!(stage = STAGE, connection.id = %delivery.origin.connection, count, "fetched");
                    return Some("emitted");
                }
                Err(NotFetched::Refused(reject)) => self.dead_letter(position, &delivery, &reject).await,
                Err(NotFetched::Later { reason, after }) => {
                    let pause = backoff.next_delay().max(after.unwrap_or_default());
                    if backoff.attempts() == 5 {
                        tracing::warn!(stage = STAGE, connection.id = %delivery.origin.connection, reason, "not fetched");
                    }
                    Err(pause)
                }
            };
            match rejected {
                Ok(()) => return Some("dead"),
                Err(pause) => tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = self.done.closed() => return None,
                },
            }
        }
    }

    async fn fetch(&self, delivery: &Delivery) -> Result<usize, NotFetched> {
        let shared = &self.shared;
        let later = |error: store::StoreError| NotFetched::Later { reason: error.to_string(), after: None };
        let origin = &delivery.origin;
        let name = origin.platform.as_str();
        let missing = || Reject::new(RejectClass::Config, "there is no such connection any more");
        let connection =
            shared.store.connection(&origin.connection).await.map_err(later)?.ok_or_else(missing)?;
        let (platform, schemas) = platforms::find(name).zip(shared.schemas.get(name)).ok_or_else(missing)?;
        // Normalize makes the dead letter of what can't be read.
        let Ok(body) = schemas.read(&delivery.topic, &delivery.body) else { return Ok(0) };
        let began = now();
        let since = shared.store.fetch_mark(&origin.connection, &delivery.topic).await.map_err(later)?;
        let wanted = Fetch::Notified { topic: &delivery.topic, body: &body, since };
        let count = self.objects(platform, &connection, delivery, &wanted, began).await?;
        runner::kill_point(STAGE, "fetched");
        let mark =
            Timestamp::from_micros(began.as_micros() - i64::try_from(OVERLAP.as_micros()).unwrap_or(0));
        shared.store.set_fetch_mark(&origin.connection, &delivery.topic, mark).await.map_err(later)?;
        Ok(count)
    }

    async fn objects(
        &self,
        platform: &dyn Platform,
        connection: &Connection,
        delivery: &Delivery,
        wanted: &Fetch<'_>,
        began: Timestamp,
    ) -> Result<usize, NotFetched> {
        let access = Access {
            base_url: connection.base_url.clone(),
            token: connection.token.clone(),
            api_version: connection.api_version.clone(),
            account: connection.account.clone(),
        };
        let target = Target {
            origin: delivery.origin.clone(),
            access: &access,
            cause: Some(delivery.id),
            hops: delivery.hops,
            trace: Some(delivery.trace),
        };
        self.shared.fetcher.fetch(platform, &target, wanted, began).await
    }

    /// Keeps a notification that can't be completed; says how long to wait if even that isn't possible now.
    async fn dead_letter(
        &self,
        position: Position,
        delivery: &Delivery,
        reject: &Reject,
    ) -> Result<(), Duration> {
        let Service { bus, metrics, .. } = &self.shared.service;
        let original = Original::Delivery(Box::new(delivery.clone()));
        let kept = dead_letter(bus, metrics, STAGE, position, original, reject).await;
        kept.map_err(|_| Duration::from_secs(1))
    }
}

/// Whether the notification says only that something of a whole kind changed.
fn is_bare(delivery: &Delivery) -> bool {
    platforms::find(delivery.origin.platform.as_str())
        .is_some_and(|platform| platform.is_bare(&delivery.topic))
}
