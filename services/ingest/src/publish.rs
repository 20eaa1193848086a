//! The intakes on the bus: `pos.in.<store>.<connection>.<topic>` for platforms that publish themselves, and one for our
//! own services that fetch.

use crate::{
    Answer, BodyRefusal, Intake,
    http::held_too_much,
    noted::Noted,
    room::{Held, NoRoom, Room},
};
use bus::{ACCEPT_SUBJECT, Answered, Credentials, PLATFORMS_SUBJECT, ReplyRule, Request, Requests, User};
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
/// All replicas of ingest share the requests.
const QUEUE: &str = "ingest";
/// How many connections platforms' messages come in by. A message that can't be read ends the one that it comes by and
/// is gone with it; the others go on meanwhile.
const CONNECTIONS: usize = 4;
/// The number of connections of ours that take requests from the bus: those of platforms, and the one of our own
/// services.
#[cfg(test)]
pub(crate) const READING_CONNECTIONS: usize = CONNECTIONS + 1;
/// How many requests are answered at once.
const REQUESTS_MAX: usize = 1024;
/// The number that may wait for that; what they hold is in the room for bodies.
const WAITING_MAX: usize = 8192;

/// Answers, and what was said of those that couldn't be given; cheap to clone.
#[derive(Clone)]
pub(crate) struct Answers {
    refused: IntCounterVec,
    reconnects: IntCounter,
    /// By connection; those of no connection of ours are one.
    noted: Arc<Mutex<Noted<Option<String>>>>,
}

impl Answers {
    /// Registers the metric.
    pub(crate) fn new(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let help = "Answers that were not sent, as the sender named a subject for them that is no inbox";
        let refused = IntCounterVec::new(Opts::new("tillflow_replies_refused_total", help), &["by"])?;
        metrics.registry().register(Box::new(refused.clone()))?;
        let reconnects = IntCounter::new(
            "tillflow_intake_reconnects_total",
            "How often a connection that platforms' messages come in by had to be made anew",
        )?;
        metrics.registry().register(Box::new(reconnects.clone()))?;
        Ok(Self { refused, reconnects, noted: Arc::default() })
    }

    /// Sends an answer if it may go where the sender wants it. Otherwise the request was decided all the same, as one
    /// whose sender waits for no answer.
    async fn give(
        &self,
        request: Request,
        rule: &ReplyRule,
        by: &'static str,
        answer: Result<Answer, String>,
    ) {
        // The broker lets a partner publish at its own connection alone, whether or not that is one of ours by now.
        let connection = connection_of(&request).map(str::to_owned);
        let is_ours = is_of_a_connection(&answer);
        let payload = acknowledgement(&answer).into();
        let subject = request.subject.clone();
        match request.respond(payload, rule, connection.as_deref()).await {
            Ok(Answered::Sent | Answered::NotWanted) => {}
            Ok(Answered::Refused) => self.note(by, connection.as_deref().filter(|_| is_ours), &subject),
            Err(error) => tracing::debug!(%error, "an answer didn't go out; the sender tries again"),
        }
    }

    fn note(&self, by: &'static str, connection: Option<&str>, subject: &str) {
        self.refused.with_label_values(&[by]).inc();
        if self
            .noted
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
                "not answered: the reply subject is no inbox; the request was decided all the same"
            );
        }
    }
}

/// The connection that the subject names.
fn connection_of(request: &Request) -> Option<&str> {
    request.subject.strip_prefix("pos.in.")?.split('.').nth(1)
}

/// Returns whether the connection that the subject names is one of ours; any text may stand there.
const fn is_of_a_connection(answer: &Result<Answer, String>) -> bool {
    !matches!(answer, Err(_) | Ok(Answer::UnknownConnection | Answer::Unavailable(_)))
}

/// How platforms that publish are heard and answered.
pub(crate) struct Platforms {
    /// Where they are answered.
    pub(crate) rule: ReplyRule,
    /// Who we are to the broker meanwhile.
    pub(crate) credentials: Option<Credentials>,
}

impl Platforms {
    /// Answers platforms that publish, with what a JetStream client takes for an acknowledgement: the publish of any
    /// client works unchanged, and means the same: on disk. They have connections of their own: bytes that our client
    /// can't read end the connection that they come in by, and RAW is appended to over another.
    pub(crate) async fn serve(
        self,
        service: &Service,
        intake: &Arc<Intake>,
        answers: &Answers,
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
                tokio::spawn(count_connections(connections, answers.reconnects.clone(), stop));
            }
            let (intake, answers, rule) = (Arc::clone(intake), answers.clone(), Arc::clone(&rule));
            let answer = move |request: Request, permit: Option<Permit>| {
                let (intake, answers, rule) = (Arc::clone(&intake), answers.clone(), Arc::clone(&rule));
                async move {
                    let answer = match permit {
                        Some(permit) => permit.run(published(&intake, &request)).await,
                        None => Ok(intake.take_up().ends(Answer::NoRoom)),
                    };
                    answers.give(request, &rule, "platforms", answer).await;
                }
            };
            serving.push(serve(requests, service, permits.clone(), answer));
        }
        Ok(serving)
    }
}

/// Counts how often a connection of platforms had to be made anew.
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

/// Answers our own services that fetch what thin notifications speak of.
pub(crate) async fn serve_fetchers(
    service: &Service,
    intake: &Arc<Intake>,
    rule: ReplyRule,
    answers: &Answers,
    room: &Room,
) -> Result<JoinHandle<()>, Failure> {
    let (intake, answers, rule) = (Arc::clone(intake), answers.clone(), Arc::new(rule));
    let requests = service.bus.serve(ACCEPT_SUBJECT, QUEUE).await?;
    let answer = move |request: Request, permit: Option<Permit>| {
        let (intake, answers, rule) = (Arc::clone(&intake), answers.clone(), Arc::clone(&rule));
        async move {
            let answer = match permit {
                Some(permit) => permit.run(fetched(&intake, &request)).await,
                None => Ok(intake.take_up().ends(Answer::NoRoom)),
            };
            answers.give(request, &rule, "services", answer).await;
        }
    };
    Ok(serve(requests, service, Permits::new(room), answer))
}

/// The permits of those who come over one subject, and the room for what they bring; cheap to clone.
#[derive(Clone)]
struct Permits {
    room: Room,
    waiting: Arc<Semaphore>,
    at_once: Arc<Semaphore>,
}

/// A request's permit and room, until it is answered.
struct Permit {
    _held: Held,
    _waiting: OwnedSemaphorePermit,
    at_once: Arc<Semaphore>,
}

impl Permits {
    fn new(room: &Room) -> Self {
        let [waiting, at_once] = [WAITING_MAX, REQUESTS_MAX].map(|count| Arc::new(Semaphore::new(count)));
        Self { room: room.clone(), waiting, at_once }
    }

    /// A permit for a request of so many bytes, if there is one. Nobody waits here: what isn't read lies in no room.
    fn take(&self, bytes: usize) -> Result<Permit, NoRoom> {
        let waiting = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| NoRoom)?;
        let held = self.room.hold(bytes)?;
        Ok(Permit { _held: held, _waiting: waiting, at_once: Arc::clone(&self.at_once) })
    }
}

impl Permit {
    /// Runs it when its turn has come.
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
                // It is gone before the next one is read.
                Err(NoRoom) => run(request, None).await,
            }
        }
    })
}

/// Takes in what a service of ours fetched.
async fn fetched(intake: &Intake, request: &Request) -> Result<Answer, String> {
    match wire::decode_delivery(request.payload.clone()) {
        Ok(delivery) => Ok(intake.fetched(delivery).await),
        Err(error) => Err(format!("not a delivery: {error}")),
    }
}

/// Whose it is comes from the subject, never from headers or body; a client's message id only tells its retries.
async fn published(intake: &Intake, request: &Request) -> Result<Answer, String> {
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
    let distinct = header("nats-msg-id").or_else(|| header("ce-id")).map(str::to_owned);
    Ok(intake
        .published(store, connection, topic, distinct, header("traceparent"), request.payload.clone())
        .await)
}

fn refused_body(refusal: BodyRefusal) -> String {
    match refusal {
        BodyRefusal::TooLarge { limit_bytes } => format!("a delivery may have {limit_bytes} bytes"),
        BodyRefusal::UnknownCoding | BodyRefusal::Malformed => refusal.as_str().to_owned(),
    }
}

/// A publish acknowledgement or error as JetStream writes them (nats-server, `JSPubAckResponse`).
fn acknowledgement(answer: &Result<Answer, String>) -> String {
    let refused = |code: u16, description: &str| serde_json::json!({"error": {"code": code, "err_code": 0, "description": description}});
    let reply = match answer {
        Ok(Answer::Kept { delivery, sequence, duplicate }) => serde_json::json!({
            "stream": "RAW", "seq": sequence, "duplicate": duplicate, "delivery": delivery.to_string(),
        }),
        Ok(Answer::UnknownTopic) => refused(400, "the topic is none that this platform has"),
        Ok(Answer::BodyRefused(refusal)) => refused(413, &refused_body(*refusal)),
        Ok(Answer::Unverified(unverified)) => refused(401, &unverified.to_string()),
        Ok(Answer::UnknownConnection) => refused(404, "there is no such connection of this store"),
        Ok(Answer::Malformed(what)) => refused(400, what),
        Ok(Answer::NoRoom) => refused(503, "too much is under way"),
        Ok(Answer::TooMany(_) | Answer::TooManyUnknown(_)) => {
            refused(429, "more than this connection may send in a minute")
        }
        Ok(Answer::HoldsTooMuch(holder)) => refused(429, &held_too_much(*holder)),
        Ok(Answer::Unavailable(unkept)) => refused(503, &unkept.to_string()),
        Err(what) => refused(400, what),
    };
    reply.to_string()
}
