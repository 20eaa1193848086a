//! The sender of webhooks: one queue per shop, in order, with retries.

use crate::backend::Simulation;
use crate::chaos::FaultInjector;
use crate::exchange::Outgoing;
use crate::lock;
use crate::recent::Recent;
use chrono::{DateTime, Utc};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Maximum number of webhooks in the queue; a shop with a full queue refuses to act.
const WAITING_MAX: usize = 10_000;
/// Maximum number of recorded attempts.
const ATTEMPTS_MAX: usize = 20_000;
/// Time limit for opening a connection to the receiver.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Retry policy of a webhook after any response but a 2xx. Later webhooks wait meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Maximum number of retries; then the webhook is discarded.
    pub count: u32,
    /// The pause before the first retry; doubled for each further one.
    pub first: Duration,
    /// The longest pause.
    pub ceiling: Duration,
}

impl Retries {
    /// That many retries, with pauses short enough for development.
    pub(crate) const fn times(count: u32) -> Self {
        Self { count, first: Duration::from_millis(200), ceiling: Duration::from_secs(5) }
    }

    fn pause(self, retry: u32) -> Duration {
        self.first.saturating_mul(2_u32.saturating_pow(retry)).min(self.ceiling)
    }
}

/// One attempt at delivering a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentWebhook {
    /// Time at which it ended.
    pub at: DateTime<Utc>,
    /// The topic, as the platform writes it.
    pub topic: String,
    /// The platform's id of the webhook, or of its trace where the platform gives none. The same in every attempt.
    pub id: String,
    /// Number of the retry; 0 for the first attempt.
    pub retry: u32,
    /// True for a duplicate made by fault injection.
    pub duplicate: bool,
    /// The receiver's response status; `None` if there was none.
    pub status: Option<u16>,
}

#[derive(Debug, Clone)]
struct Waiting {
    outgoing: Outgoing,
    duplicate: bool,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    held: bool,
    /// Number of webhooks ever enqueued.
    pushed: u64,
    /// Number of webhooks that may be sent although the queue is delayed.
    let_through: u64,
    /// Number of webhooks that fault injection lost.
    lost: u64,
}

/// The queue of webhooks, and the record of those sent.
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    arrived: Notify,
    finished: watch::Sender<u64>,
    attempts: Mutex<Recent<SentWebhook>>,
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self {
            queue: Mutex::default(),
            arrived: Notify::new(),
            finished: watch::Sender::new(0),
            attempts: Mutex::new(Recent::new(ATTEMPTS_MAX)),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        lock(&self.queue).waiting.len() >= WAITING_MAX
    }

    pub(crate) fn push(&self, outgoing: Vec<Outgoing>) {
        let mut queue = lock(&self.queue);
        for outgoing in outgoing {
            queue.pushed += 1;
            queue.waiting.push_back(Waiting { outgoing, duplicate: false });
        }
        self.arrived.notify_one();
    }

    pub(crate) fn hold(&self, held: bool) {
        lock(&self.queue).held = held;
        self.arrived.notify_one();
    }

    /// Releases all webhooks in the queue, and waits until each was delivered or discarded.
    pub(crate) async fn let_through(&self) {
        let target = {
            let mut queue = lock(&self.queue);
            queue.let_through = queue.pushed;
            queue.pushed
        };
        self.arrived.notify_one();
        // The sender lives as long as `self`, so that this can't fail.
        let _ = self.finished.subscribe().wait_for(|finished| *finished >= target).await;
    }

    pub(crate) fn waiting(&self) -> usize {
        lock(&self.queue).waiting.len()
    }

    pub(crate) fn lost(&self) -> u64 {
        lock(&self.queue).lost
    }

    pub(crate) fn attempts_since(&self, seen: u64) -> (Vec<SentWebhook>, u64) {
        lock(&self.attempts).since(seen)
    }

    fn take(&self, overtaken: impl FnOnce() -> bool) -> Option<Waiting> {
        let mut queue = lock(&self.queue);
        if queue.held && *self.finished.borrow() >= queue.let_through {
            return None;
        }
        if queue.waiting.len() > 1 && overtaken() {
            queue.waiting.swap(0, 1);
        }
        queue.waiting.pop_front()
    }

    async fn next(&self, faults: &Mutex<FaultInjector>) -> Waiting {
        loop {
            let arrived = self.arrived.notified();
            if let Some(waiting) = self.take(|| lock(faults).webhook().reorder) {
                return waiting;
            }
            arrived.await;
        }
    }

    fn repeat(&self, waiting: &Waiting) {
        let mut queue = lock(&self.queue);
        if queue.waiting.len() < WAITING_MAX {
            queue.pushed += 1;
            queue.waiting.push_back(Waiting { duplicate: true, ..waiting.clone() });
        }
    }

    fn record(&self, attempt: SentWebhook) {
        lock(&self.attempts).push(attempt);
    }
}

/// Sends the webhooks of an outbox.
pub(crate) struct Sender {
    client: reqwest::Client,
    platform: &'static dyn Simulation,
    retries: Retries,
}

impl Sender {
    /// `retries` are `None` for the platform's documented ones.
    pub(crate) fn new(
        platform: &'static dyn Simulation,
        retries: Option<Retries>,
    ) -> Result<Self, reqwest::Error> {
        let sending = platform.sending();
        let retries = retries.unwrap_or(Retries::times(sending.retries_max));
        // A redirect counts as a failure, and no proxy is needed between two processes of one machine.
        let client = https::client()
            .timeout(sending.timeout)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { client, platform, retries })
    }

    /// Sends without end; drop it to stop it.
    pub(crate) async fn run(self, outbox: &Outbox, faults: &Mutex<FaultInjector>) {
        loop {
            let waiting = outbox.next(faults).await;
            let fault = lock(faults).webhook();
            if !fault.delay.is_zero() {
                tokio::time::sleep(fault.delay).await;
            }
            if fault.lost {
                lock(&outbox.queue).lost += 1;
            } else {
                if fault.duplicate && !waiting.duplicate {
                    outbox.repeat(&waiting);
                }
                self.deliver(outbox, &waiting).await;
            }
            outbox.finished.send_modify(|finished| *finished += 1);
        }
    }

    async fn deliver(&self, outbox: &Outbox, waiting: &Waiting) {
        let mut reason = None;
        for retry in 0..=self.retries.count {
            if retry > 0 {
                tokio::time::sleep(self.retries.pause(retry - 1)).await;
            }
            let status = self.attempt(&waiting.outgoing, retry, reason).await;
            outbox.record(SentWebhook {
                at: Utc::now(),
                topic: waiting.outgoing.topic.clone(),
                id: waiting.outgoing.id.clone(),
                retry,
                duplicate: waiting.duplicate,
                status: status.ok(),
            });
            match status {
                Ok(200..=299) => return,
                Ok(_) => reason = Some("http_error"),
                Err(failure) => reason = Some(failure),
            }
        }
        tracing::warn!(topic = waiting.outgoing.topic, "gave a webhook up");
    }

    async fn attempt(
        &self,
        outgoing: &Outgoing,
        retry: u32,
        reason: Option<&'static str>,
    ) -> Result<u16, &'static str> {
        let mut request = self.client.post(&outgoing.url).body(outgoing.body.clone());
        for (name, value) in &outgoing.headers {
            request = request.header(*name, value);
        }
        let further = reason.map(|reason| self.platform.retry_headers(retry, reason)).unwrap_or_default();
        for (name, value) in further {
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(response) => Ok(response.status().as_u16()),
            Err(error) if error.is_timeout() => Err("http_timeout"),
            Err(_) => Err("other_error"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_ceiling() {
        let retries = Retries::times(8);
        let pauses: Vec<_> = (0..retries.count).map(|retry| retries.pause(retry).as_millis()).collect();
        assert_eq!(pauses, [200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
    }
}
