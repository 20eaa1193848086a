//! The doors on the bus: `pos.in.<store>.<connection>.<topic>` for platforms that publish themselves, and one for our
//! own services that fetch.

use crate::{Answer, BodyRefusal, Door, noted::Noted};
use bus::{ACCEPT_SUBJECT, Answered, ReplyRule, Request};
use prometheus::{IntCounterVec, Opts};
use runner::{Failure, Metrics, Service};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use tokio::{sync::Semaphore, task::JoinHandle};

const STAGE: &str = "ingest";
/// What platforms publish on.
const PLATFORMS_SUBJECT: &str = "pos.in.*.*.>";
/// All replicas of ingest share the requests.
const QUEUE: &str = "ingest";
/// How many requests are answered at once.
const REQUESTS_MAX: usize = 1024;

/// Answers, and what was said of those that couldn't be given; cheap to clone.
#[derive(Clone)]
pub(crate) struct Answers {
    refused: IntCounterVec,
    /// By connection; those of no connection of ours are one.
    noted: Arc<Mutex<Noted<Option<String>>>>,
}

impl Answers {
    /// Registers the metric.
    pub(crate) fn new(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let help = "Answers that were not sent, as the sender named a subject for them that is no inbox";
        let refused = IntCounterVec::new(Opts::new("tillflow_replies_refused_total", help), &["by"])?;
        metrics.registry().register(Box::new(refused.clone()))?;
        Ok(Self { refused, noted: Arc::default() })
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
        let connection = connection_of(&request).filter(|_| is_of_a_connection(&answer)).map(str::to_owned);
        let payload = acknowledgement(&answer).into();
        let subject = request.subject.clone();
        match request.respond(payload, rule, connection.as_deref()).await {
            Ok(Answered::Sent | Answered::NotWanted) => {}
            Ok(Answered::Refused) => self.note(by, connection.as_deref(), &subject),
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

/// Answers platforms that publish, with what a JetStream client takes for an acknowledgement: the publish of any
/// client works unchanged, and means the same: on disk.
pub(crate) async fn serve_platforms(
    service: &Service,
    door: &Arc<Door>,
    rule: ReplyRule,
    answers: &Answers,
) -> Result<JoinHandle<()>, Failure> {
    let (door, answers, rule) = (Arc::clone(door), answers.clone(), Arc::new(rule));
    serve(service, PLATFORMS_SUBJECT, move |request| {
        let (door, answers, rule) = (Arc::clone(&door), answers.clone(), Arc::clone(&rule));
        async move {
            let answer = published(&door, &request).await;
            answers.give(request, &rule, "platforms", answer).await;
        }
    })
    .await
}

/// Answers our own services that fetch what thin notifications speak of.
pub(crate) async fn serve_fetchers(
    service: &Service,
    door: &Arc<Door>,
    rule: ReplyRule,
    answers: &Answers,
) -> Result<JoinHandle<()>, Failure> {
    let (door, answers, rule) = (Arc::clone(door), answers.clone(), Arc::new(rule));
    serve(service, ACCEPT_SUBJECT, move |request| {
        let (door, answers, rule) = (Arc::clone(&door), answers.clone(), Arc::clone(&rule));
        async move {
            let answer = match wire::decode_delivery(request.payload.clone()) {
                Ok(delivery) => Ok(door.fetched(delivery).await),
                Err(error) => Err(format!("not a delivery: {error}")),
            };
            answers.give(request, &rule, "services", answer).await;
        }
    })
    .await
}

async fn serve<Run, Running>(
    service: &Service,
    subject: &'static str,
    run: Run,
) -> Result<JoinHandle<()>, Failure>
where
    Run: Fn(Request) -> Running + Send + 'static,
    Running: Future<Output = ()> + Send + 'static,
{
    let mut requests = service.bus.serve(subject, QUEUE).await?;
    let places = Arc::new(Semaphore::new(REQUESTS_MAX));
    let stop = service.stop.clone();
    Ok(tokio::spawn(async move {
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let request = tokio::select! {
                request = requests.next() => request,
                () = stop.cancelled() => None,
            };
            let Some(request) = request else { return };
            let answering = run(request);
            tokio::spawn(async move {
                answering.await;
                drop(place);
            });
        }
    }))
}

/// Whose it is comes from the subject, never from headers or body; a client's message id only tells its retries.
async fn published(door: &Door, request: &Request) -> Result<Answer, String> {
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
    Ok(door
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
        Ok(Answer::Unavailable(unkept)) => refused(503, &unkept.to_string()),
        Err(what) => refused(400, what),
    };
    reply.to_string()
}
