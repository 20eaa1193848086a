//! The senders: one for each store, which sends in order and repeats each delivery until it has a 2xx, as platforms do.

use crate::{
    crowd::{Crowd, Merchant, account},
    ledger::Ledger,
    plan::{Bodies, Plan, Planned, Refusal, What},
};
use model::DeliveryId;
use rand::RngExt;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use testkit::{Response, Sender, Signed};
use tokio::{sync::mpsc, task::JoinSet};

/// Response timeout; a paused intake gives no response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(13);
/// Upper limit of the pause before a delivery is sent again; the pause is at least half of it.
const RETRY_PAUSE: Duration = Duration::from_millis(300);
/// Upper limit of a store's deliveries in its queue; the stream waits beyond that.
const WAITING_MAX: usize = 32;
/// Upper limit of repetitions of one delivery that are under way at once.
const REPEATS_AT_ONCE: u8 = 8;
/// Upper limit of attempts for a delivery that must be refused, if there is no final response.
const REFUSAL_TRIES: u32 = 40;

/// Sends deliveries; cheap to clone.
#[derive(Clone)]
pub(crate) struct DeliverySender {
    pub(crate) crowd: Arc<Crowd>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) bodies: Bodies,
    intakes: Arc<[SocketAddr]>,
    sender: Sender,
    /// Prefix of the names of deliveries.
    run: Arc<str>,
}

/// The stream, under way.
pub(crate) struct Sending {
    stop: Arc<AtomicBool>,
    dispatcher: tokio::task::JoinHandle<u64>,
    senders: JoinSet<()>,
}

impl DeliverySender {
    /// Creates a desk that sends to these intakes.
    pub(crate) fn new(crowd: Arc<Crowd>, intakes: &[SocketAddr], bodies: Bodies, seed: u64) -> Self {
        let run = format!("{seed:x}").into();
        let ledger = Arc::new(Ledger::default());
        Self {
            crowd,
            ledger,
            bodies,
            intakes: intakes.into(),
            sender: Sender::patient_for(RESPONSE_TIMEOUT),
            run,
        }
    }

    fn merchant(&self, planned: &Planned) -> &Merchant {
        &self.crowd.stores[planned.store as usize]
    }

    fn some_intake(&self) -> SocketAddr {
        self.intakes[rand::rng().random_range(0..self.intakes.len())]
    }

    /// The platform's id of the delivery.
    fn name(&self, planned: &Planned) -> String {
        format!("{}-{}", self.run, planned.number)
    }

    /// The intake's id of the delivery.
    pub(crate) fn id(&self, planned: &Planned, topic: &str) -> DeliveryId {
        let connection = &self.merchant(planned).account.connection;
        DeliveryId::derive(connection, topic, self.name(planned).as_bytes())
    }

    /// Sends a delivery until it has a 2xx, or is refused as it should be; then sends its repetitions.
    async fn deliver(&self, planned: Planned) {
        match planned.what {
            What::Refused(refusal) => self.send_refused(&planned, refusal).await,
            What::UnknownTopic => self.report_unknown(&planned).await,
            _ => {
                self.until_kept(&planned, None).await;
                let mut left = planned.repeats;
                while left > 0 {
                    let now = left.min(REPEATS_AT_ONCE);
                    left -= now;
                    let mut repeats = JoinSet::new();
                    for _ in 0..now {
                        let sender = self.clone();
                        repeats.spawn(async move { sender.until_kept(&planned, None).await });
                    }
                    repeats.join_all().await;
                }
            }
        }
    }

    /// Sends a delivery until it has a 2xx, to the given intake or to any. Returns the intake's id.
    pub(crate) async fn until_kept(&self, planned: &Planned, intake: Option<SocketAddr>) -> DeliveryId {
        let (topic, body) = self.bodies.of(planned);
        let id = self.id(planned, topic);
        self.ledger.sends(id, planned, &body);
        let merchant = self.merchant(planned);
        loop {
            let intake = intake.unwrap_or_else(|| self.some_intake());
            let response = self.send(&merchant.sign(intake, topic, &self.name(planned), body.clone())).await;
            match &response {
                Some(response) if is_success(response) => {
                    if response.delivery() != Some(id.to_string()) {
                        self.ledger.surprise(format!("{planned:?} was kept as {:?}", response.delivery()));
                    }
                    self.ledger.keeps(id);
                    return id;
                }
                Some(response) if !is_later(response) => {
                    self.ledger.surprise(format!("{planned:?} was refused with {}", response.status));
                    return id;
                }
                _ => pause().await,
            }
        }
    }

    async fn send(&self, signed: &Signed) -> Option<Response> {
        let response = self.sender.send(signed).await;
        self.ledger.count_response(response.as_ref().map_or(0, |response| response.status));
        response
    }

    async fn report_unknown(&self, planned: &Planned) {
        let (topic, body) = self.bodies.of(planned);
        loop {
            let name = self.name(planned);
            let signed = self.merchant(planned).sign(self.some_intake(), topic, &name, body.clone());
            match self.send(&signed).await {
                Some(response) if is_success(&response) && response.delivery().is_none() => {
                    return self.ledger.unknown_topic();
                }
                Some(response) if !is_later(&response) => {
                    return self
                        .ledger
                        .surprise(format!("{planned:?} was answered with {}", response.status));
                }
                _ => pause().await,
            }
        }
    }

    /// Sends a delivery that must be refused. With a body that is too large, the connection may end before
    /// the response.
    async fn send_refused(&self, planned: &Planned, refusal: Refusal) {
        let (topic, body) = self.bodies.of(planned);
        let id = self.id(planned, topic);
        self.ledger.sends(id, planned, &body);
        let (kind, expected): (_, &[u16]) = match refusal {
            Refusal::BadSignature => ("bad signature", &[401]),
            Refusal::NoSuchConnection => ("no such connection", &[404]),
            Refusal::OtherStore => ("another store's connection", &[401]),
            Refusal::OtherPlatform => ("another platform", &[404]),
            Refusal::TooLarge => ("too large", &[413]),
        };
        for _ in 0..REFUSAL_TRIES {
            let signed = self.forged(planned, refusal, topic, body.clone());
            match self.send(&signed).await {
                Some(response) if expected.contains(&response.status) => return self.ledger.refuses(kind),
                Some(response) if !is_later(&response) => {
                    let status = response.status;
                    return self.ledger.surprise(format!("{planned:?} was answered with {status}"));
                }
                _ => pause().await,
            }
        }
        self.ledger.surprise(format!("{planned:?} was not refused in {REFUSAL_TRIES} attempts"));
    }

    fn forged(&self, planned: &Planned, refusal: Refusal, topic: &str, body: Vec<u8>) -> Signed {
        let (merchant, intake) = (self.merchant(planned), self.some_intake());
        let signed = merchant.sign(intake, topic, &self.name(planned), body);
        match refusal {
            Refusal::TooLarge => signed,
            Refusal::NoSuchConnection => Signed { url: format!("{}-none", signed.url), ..signed },
            Refusal::OtherPlatform => {
                Signed { url: signed.url.replace("/webhook/shopify/", "/webhook/square/"), ..signed }
            }
            Refusal::OtherStore => {
                let other = (planned.store as usize + 1) % self.crowd.stores.len();
                Signed { url: self.crowd.stores[other].url(intake), ..signed }
            }
            Refusal::BadSignature => {
                let connection = merchant.account.connection.clone();
                let forger = account(connection, "shopify", signed.url, "not-the-secret".to_owned());
                forger.sign(topic, &self.name(planned), signed.body)
            }
        }
    }

    /// Sends the stream at this rate until [`Sending::finish`].
    pub(crate) fn stream(&self, plan: Plan, per_second: u32) -> Sending {
        let stop = Arc::new(AtomicBool::new(false));
        let mut senders = JoinSet::new();
        let queues: Vec<mpsc::Sender<Planned>> = (0..self.crowd.streamed)
            .map(|_| {
                let (queue, mut waiting) = mpsc::channel(WAITING_MAX);
                let sender = self.clone();
                senders.spawn(async move {
                    while let Some(planned) = waiting.recv().await {
                        sender.deliver(planned).await;
                    }
                });
                queue
            })
            .collect();
        let dispatcher = tokio::spawn(dispatch(plan, queues, per_second, Arc::clone(&stop)));
        Sending { stop, dispatcher, senders }
    }
}

async fn dispatch(
    plan: Plan,
    queues: Vec<mpsc::Sender<Planned>>,
    per_second: u32,
    stop: Arc<AtomicBool>,
) -> u64 {
    let mut count = 0;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
    // After an outage the stream continues at its own rate, without catching up.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for planned in plan {
        ticks.tick().await;
        while !stop.load(Ordering::Relaxed) {
            let sent = queues[planned.store as usize].send_timeout(planned, RETRY_PAUSE).await;
            if sent.is_ok() {
                count += 1;
                break;
            }
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    count
}

impl Sending {
    /// Ends the stream and waits until the deliveries that were taken out of it have a 2xx. Returns their number, and
    /// the number of senders that weren't done within the limit.
    pub(crate) async fn finish(mut self, limit: Duration) -> (u64, usize) {
        self.stop.store(true, Ordering::Relaxed);
        let count = self.dispatcher.await.unwrap_or(0);
        let deadline = Instant::now() + limit;
        while !self.senders.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if tokio::time::timeout(left, self.senders.join_next()).await.is_err() {
                break;
            }
        }
        let late = self.senders.len();
        self.senders.abort_all();
        (count, late)
    }
}

fn is_success(response: &Response) -> bool {
    (200..300).contains(&response.status)
}

/// Returns true if the status asks the sender to try again later.
fn is_later(response: &Response) -> bool {
    matches!(response.status, 408 | 429 | 500..=599)
}

async fn pause() {
    let share = rand::rng().random_range(0.5..1.0);
    tokio::time::sleep(RETRY_PAUSE.mul_f64(share)).await;
}
