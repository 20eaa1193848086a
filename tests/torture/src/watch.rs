//! Watches simulated platforms: the webhooks that they sent, and their responses.

use crate::{crowd::Crowd, seen::Statuses};
use model::DeliveryId;
use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;

/// Interval at which platforms are read; a platform keeps its last 20,000 calls and webhooks.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The webhooks and responses that were seen.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// The intake's ids of the webhooks that they sent.
    pub(crate) sent: HashSet<DeliveryId>,
    /// Number of their responses by status.
    pub(crate) statuses: Statuses,
    /// Number of calls and of webhooks that were read, by connection.
    seen: BTreeMap<String, (u64, u64)>,
}

/// A task that watches until [`Watch::finish`].
pub(crate) struct Watch {
    crowd: Arc<Crowd>,
    stop: Arc<AtomicBool>,
    watched: Arc<Mutex<Watched>>,
    task: JoinHandle<()>,
}

impl Watch {
    /// Watches all simulated platforms of the crowd.
    pub(crate) fn start(crowd: Arc<Crowd>) -> Self {
        let (stop, watched) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (looking, stopping, looked) = (Arc::clone(&crowd), Arc::clone(&stop), Arc::clone(&watched));
        let task = tokio::spawn(async move {
            while !stopping.load(Ordering::Relaxed) {
                lock(&looked).look(&looking);
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        Self { crowd, stop, watched, task }
    }

    /// Number of the platforms' responses so far, by status.
    pub(crate) fn statuses(&self) -> Statuses {
        let mut watched = lock(&self.watched);
        watched.look(&self.crowd);
        watched.statuses.clone()
    }

    /// Ends the task and reads the platforms once more.
    pub(crate) async fn finish(self) -> Watched {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("nothing can break it");
        let mut watched = std::mem::take(&mut *lock(&self.watched));
        watched.look(&self.crowd);
        watched
    }
}

fn lock(watched: &Mutex<Watched>) -> MutexGuard<'_, Watched> {
    watched.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watched {
    fn look(&mut self, crowd: &Crowd) {
        for (_, simulated) in crowd.simulated() {
            let (connection, shop) = (&simulated.connection, simulated.shop());
            let seen = self.seen.entry(connection.to_string()).or_default();
            let (calls, count) = shop.calls_since(seen.0);
            seen.0 = count;
            for call in calls {
                *self.statuses.entry(call.status).or_default() += 1;
            }
            let (webhooks, count) = shop.webhooks_sent_since(seen.1);
            seen.1 = count;
            let id = |webhook: &simulator::SentWebhook| {
                DeliveryId::derive(connection, &webhook.topic, webhook.id.as_bytes())
            };
            self.sent.extend(webhooks.iter().map(id));
        }
    }
}

/// Number of calls that each simulated platform ever received.
pub(crate) fn calls(crowd: &Crowd) -> BTreeMap<String, u64> {
    let count = |simulated: &crate::crowd::Simulated| simulated.shop().calls_since(u64::MAX).1;
    crowd.simulated().map(|(_, simulated)| (simulated.connection.to_string(), count(simulated))).collect()
}
