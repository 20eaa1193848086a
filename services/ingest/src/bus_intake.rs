//! The intake on the bus, beside the one over HTTP: `pos.in.<store>.<connection>.<topic>` for platforms that publish
//! themselves, and `pos.accept` for our own services.

use crate::{
    BodyRefusal, Intake, Reply,
    http::share_exceeded,
    log_limit::LogLimit,
    room::{MessageRoom, NoRoom, Room},
};
use bus::{ACCEPT_SUBJECT, Credentials, PLATFORMS_SUBJECT, Replied, ReplyRule, Request, Requests, User};
use prometheus::{IntCounter, IntCounterVec, Opts};
use runner::{Failure, Metrics, Service};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

const STAGE: &str = "ingest";
/// The queue group: all replicas of ingest share the requests.
const QUEUE: &str = "ingest";
/// The number of connections that receive platforms' messages. A message that can't be read ends the connection that
/// delivers it, and is lost with it; the others continue meanwhile.
const CONNECTIONS: usize = 4;
/// The number of our connections that receive requests from the bus: those for platforms, and the one for our
/// own services.
#[cfg(test)]
pub(crate) const READING_CONNECTIONS: usize = CONNECTIONS + 1;
/// Upper limit of requests handled at once.
const REQUESTS_MAX: usize = 1024;
/// Upper limit of requests that wait for a permit; their bytes count against the room for bodies.
const WAITING_MAX: usize = 8192;

/// Sends responses, and counts and logs those that can't be sent; cheap to clone.
#[derive(Clone)]
pub(crate) struct ReplySender {
    refused: IntCounterVec,
    reconnects: IntCounter,
    /// By connection; all unknown connections share one entry.
    log_limit: Arc<Mutex<LogLimit<Option<String>>>>,
}

impl ReplySender {
    /// Registers the metrics.
    pub(crate) fn new(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let help = "Replies that were not sent, as the sender named a subject for them that is no inbox";
        let refused = IntCounterVec::new(Opts::new("tillflow_replies_refused_total", help), &["by"])?;
        metrics.registry().register(Box::new(refused.clone()))?;
        let reconnects = IntCounter::new(
            "tillflow_intake_reconnects_total",
            "How often a connection that platforms' messages come in by had to be made anew",
        )?;
        metrics.registry().register(Box::new(reconnects.clone()))?;
        Ok(Self { refused, reconnects, log_limit: Arc::default() })
    }

    /// Sends a response if the rule permits the sender's reply subject. Otherwise the request was decided all the same,
    /// as one whose sender waits for no response.
    async fn send(&self, request: Request, rule: &ReplyRule, by: &'static str, reply: Result<Reply, String>) {
        // The broker permits a partner to publish for its own connection only, which may be unknown here.
        let connection = connection_of(&request).map(str::to_owned);
        let is_ours = is_of_a_connection(&reply);
        let payload = acknowledgement(&reply).into();
        let subject = request.subject.clone();
        match request.respond(payload, rule, connection.as_deref()).await {
            Ok(Replied::Sent | Replied::NotWanted) => {}
            Ok(Replied::Refused) => self.note(by, connection.as_deref().filter(|_| is_ours), &subject),
            Err(error) => tracing::debug!(%error, "a reply wasn't sent; the sender tries again"),
        }
    }

    fn note(&self, by: &'static str, connection: Option<&str>, subject: &str) {
        self.refused.with_label_values(&[by]).inc();
        if self
            .log_limit
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_due(&connection.map(str::to_owned), Instant::now())
        {
            let subject = connection.map(|_| subject);
            tracing::warn!(
                stage = STAGE,
                by,
                connection.id = connection,
                subject,
                "no reply: the reply subject is no inbox; the request was decided all the same"
            );
        }
    }
}

/// The connection that the subject names.
fn connection_of(request: &Request) -> Option<&str> {
    request.subject.strip_prefix("pos.in.")?.split('.').nth(1)
}

/// Returns true if the connection in the subject is a known one; the subject may contain any text.
const fn is_of_a_connection(reply: &Result<Reply, String>) -> bool {
    !matches!(reply, Err(_) | Ok(Reply::UnknownConnection | Reply::KeyUnavailable | Reply::Unavailable(_)))
}

/// The intake for platforms that publish themselves: its settings.
pub(crate) struct PublishedIntake {
    /// The reply subjects that are permitted.
    pub(crate) rule: ReplyRule,
    /// The credentials of its connections to the broker.
    pub(crate) credentials: Option<Credentials>,
}

impl PublishedIntake {
    /// Responds to platforms that publish, with a reply that a JetStream client accepts as an acknowledgement: the
    /// publish of any client works unchanged, and means the same: on disk. Platforms have connections of their own:
    /// bytes that our client can't read end the connection that delivers them, and RAW is appended to over another.
    pub(crate) async fn serve(
        self,
        service: &Service,
        intake: &Arc<Intake>,
        replies: &ReplySender,
        room: &Room,
    ) -> Result<Vec<JoinHandle<()>>, Failure> {
        let (rule, permits) = (Arc::new(self.rule), Permits::new(room));
        let mut serving = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            let credentials = self.credentials.as_ref();
            let opening = service.bus.serve_apart(PLATFORMS_SUBJECT, QUEUE, &User::Intake, credentials);
            let requests = tokio::select! {
                requests = opening => requests?,
                () = service.stop.cancelled() => break,
            };
            if let Some(connections) = requests.connections() {
                let stop = service.stop.clone();
                tokio::spawn(count_connections(connections, replies.reconnects.clone(), stop));
            }
            let (intake, replies, rule) = (Arc::clone(intake), replies.clone(), Arc::clone(&rule));
            let respond = move |request: Request, permit: Option<Permit>| {
                let (intake, replies, rule) = (Arc::clone(&intake), replies.clone(), Arc::clone(&rule));
                async move {
                    let reply = match permit {
                        Some(permit) => permit.run(published(&intake, &request)).await,
                        None => Ok(intake.input().ended(Reply::NoRoom)),
                    };
                    replies.send(request, &rule, "platforms", reply).await;
                }
            };
            serving.push(serve(requests, service, permits.clone(), respond));
        }
        Ok(serving)
    }
}

/// Counts the reconnects of the connections for platforms.
async fn count_connections(
    mut connections: watch::Receiver<u64>,
    reconnects: IntCounter,
    stop: CancellationToken,
) {
    let mut known = *connections.borrow_and_update();
    while let Some(Ok(())) = stop.run_until_cancelled(connections.changed()).await {
        let count = *connections.borrow_and_update();
        reconnects.inc_by(count.saturating_sub(known));
        known = count;
    }
}

/// Responds to our own services, which hand over fetched objects, instructions and dead letters.
pub(crate) async fn serve_services(
    service: &Service,
    intake: &Arc<Intake>,
    rule: ReplyRule,
    replies: &ReplySender,
    room: &Room,
) -> Result<JoinHandle<()>, Failure> {
    let (intake, replies, rule) = (Arc::clone(intake), replies.clone(), Arc::new(rule));
    let requests = service.bus.serve(ACCEPT_SUBJECT, QUEUE).await?;
    let respond = move |request: Request, permit: Option<Permit>| {
        let (intake, replies, rule) = (Arc::clone(&intake), replies.clone(), Arc::clone(&rule));
        async move {
            let reply = match permit {
                Some(permit) => permit.run(fetched(&intake, &request)).await,
                None => Ok(intake.input().ended(Reply::NoRoom)),
            };
            replies.send(request, &rule, "services", reply).await;
        }
    };
    Ok(serve(requests, service, Permits::new(room), respond))
}

/// The permits of requests on one subject, and the room for their bodies; cheap to clone.
#[derive(Clone)]
struct Permits {
    room: Room,
    waiting: Arc<Semaphore>,
    at_once: Arc<Semaphore>,
}

/// A request's permit and room, until the response.
struct Permit {
    _room: MessageRoom,
    _waiting: OwnedSemaphorePermit,
    at_once: Arc<Semaphore>,
}

impl Permits {
    fn new(room: &Room) -> Self {
        let [waiting, at_once] = [WAITING_MAX, REQUESTS_MAX].map(|count| Arc::new(Semaphore::new(count)));
        Self { room: room.clone(), waiting, at_once }
    }

    /// Returns a permit for a request of `bytes` bytes, if there is one. Never waits: unread requests count against
    /// no room.
    fn take(&self, bytes: usize) -> Result<Permit, NoRoom> {
        let waiting = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| NoRoom)?;
        let room = self.room.hold(bytes)?;
        Ok(Permit { _room: room, _waiting: waiting, at_once: Arc::clone(&self.at_once) })
    }
}

impl Permit {
    /// Runs the future when one of the permits to run is free.
    async fn run<T>(self, run: impl Future<Output = T>) -> T {
        // Never closed.
        let _turn = self.at_once.acquire().await;
        run.await
    }
}

fn serve<Run, Running>(
    mut requests: Requests,
    service: &Service,
    permits: Permits,
    run: Run,
) -> JoinHandle<()>
where
    Run: Fn(Request, Option<Permit>) -> Running + Send + 'static,
    Running: Future<Output = ()> + Send + 'static,
{
    let stop = service.stop.clone();
    tokio::spawn(async move {
        loop {
            let request = tokio::select! {
                request = requests.next() => request,
                () = stop.cancelled() => None,
            };
            let Some(request) = request else { return };
            match permits.take(request.bytes()) {
                Ok(permit) => drop(tokio::spawn(run(request, Some(permit)))),
                // The request is dropped before the next one is read.
                Err(NoRoom) => run(request, None).await,
            }
        }
    })
}

/// Accepts an object that one of our services fetched.
async fn fetched(intake: &Intake, request: &Request) -> Result<Reply, String> {
    match wire::decode_delivery(request.payload.clone()) {
        Ok(delivery) => Ok(intake.fetched(delivery).await),
        Err(error) => Err(format!("not a delivery: {error}")),
    }
}

/// Store and connection come from the subject, never from headers or body; a client's message id only identifies
/// its retries.
async fn published(intake: &Intake, request: &Request) -> Result<Reply, String> {
    let mut tokens = request.subject.splitn(5, '.').skip(2);
    let (Some(store), Some(connection), Some(topic)) = (tokens.next(), tokens.next(), tokens.next()) else {
        return Err("publish on pos.in.<store>.<connection>.<topic>".to_owned());
    };
    let header = |name: &str| {
        request
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    };
    let key = header("nats-msg-id").or_else(|| header("ce-id")).map(str::to_owned);
    Ok(intake.published(store, connection, topic, key, header("traceparent"), request.payload.clone()).await)
}

fn refused_body(refusal: BodyRefusal) -> String {
    match refusal {
        BodyRefusal::TooLarge { limit_bytes } => format!("a delivery may have {limit_bytes} bytes"),
        BodyRefusal::UnknownCoding | BodyRefusal::Malformed => refusal.as_str().to_owned(),
    }
}

/// A publish acknowledgement or error as JetStream writes them (nats-server, `JSPubAckResponse`).
fn acknowledgement(reply: &Result<Reply, String>) -> String {
    let refused = |code: u16, description: &str| serde_json::json!({"error": {"code": code, "err_code": 0, "description": description}});
    let acknowledgement = match reply {
        Ok(Reply::Kept { delivery, sequence, duplicate }) => serde_json::json!({
            "stream": "RAW", "seq": sequence, "duplicate": duplicate, "delivery": delivery.to_string(),
        }),
        Ok(Reply::UnknownTopic) => refused(400, "the topic is none that this platform has"),
        Ok(Reply::BodyRefused(refusal)) => refused(413, &refused_body(*refusal)),
        Ok(Reply::Unverified(unverified)) => refused(401, &unverified.to_string()),
        Ok(Reply::UnknownConnection) => refused(404, "there is no such connection of this store"),
        Ok(Reply::Malformed(what)) => refused(400, what),
        Ok(Reply::NoRoom) => refused(503, "too much is under way"),
        Ok(Reply::TooMany(_) | Reply::TooManyUnknown(_)) => {
            refused(429, "more than this connection may send in a minute")
        }
        Ok(Reply::HoldsTooMuch(holder)) => refused(429, &share_exceeded(*holder)),
        Ok(Reply::KeyUnavailable) => refused(503, "a public key can't be fetched now"),
        Ok(Reply::Unavailable(not_kept)) => refused(503, &not_kept.to_string()),
        Err(what) => refused(400, what),
    };
    acknowledgement.to_string()
}
