//! The doors on the bus: `pos.in.<store>.<connection>.<topic>` for platforms that publish themselves, and one for our
//! own services that fetch.

use crate::{Answer, BodyRefusal, Door};
use bus::{ACCEPT_SUBJECT, Request};
use runner::{Failure, Service};
use std::sync::Arc;
use tokio::{sync::Semaphore, task::JoinHandle};

/// What platforms publish on.
const PLATFORMS_SUBJECT: &str = "pos.in.*.*.>";
/// All replicas of ingest share the requests.
const QUEUE: &str = "ingest";
/// How many requests are answered at once.
const REQUESTS_MAX: usize = 1024;

/// Answers platforms that publish, with what a JetStream client takes for an acknowledgement: the publish of any
/// client works unchanged, and means the same: on disk.
pub(crate) async fn serve_platforms(service: Service, door: Arc<Door>) -> Result<JoinHandle<()>, Failure> {
    serve(service, PLATFORMS_SUBJECT, move |request| {
        let door = Arc::clone(&door);
        async move {
            let answer = published(&door, &request).await;
            acknowledge(request, answer).await;
        }
    })
    .await
}

/// Answers our own services that fetch what thin notifications speak of.
pub(crate) async fn serve_fetchers(service: Service, door: Arc<Door>) -> Result<JoinHandle<()>, Failure> {
    serve(service, ACCEPT_SUBJECT, move |request| {
        let door = Arc::clone(&door);
        async move {
            let answer = match wire::decode_delivery(request.payload.clone()) {
                Ok(delivery) => Ok(door.fetched(delivery).await),
                Err(error) => Err(format!("not a delivery: {error}")),
            };
            acknowledge(request, answer).await;
        }
    })
    .await
}

async fn serve<Run, Running>(
    service: Service,
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
async fn acknowledge(request: Request, answer: Result<Answer, String>) {
    let refused = |code: u16, description: &str| serde_json::json!({"error": {"code": code, "err_code": 0, "description": description}});
    let reply = match answer {
        Ok(Answer::Kept { delivery, sequence, duplicate }) => serde_json::json!({
            "stream": "RAW", "seq": sequence, "duplicate": duplicate, "delivery": delivery.to_string(),
        }),
        Ok(Answer::UnknownTopic) => refused(400, "the topic is none that this platform has"),
        Ok(Answer::BodyRefused(refusal)) => refused(413, &refused_body(refusal)),
        Ok(Answer::Unverified(unverified)) => refused(401, &unverified.to_string()),
        Ok(Answer::UnknownConnection) => refused(404, "there is no such connection of this store"),
        Ok(Answer::TooMany(_)) => refused(429, "more than this connection may send in a minute"),
        Ok(Answer::Unavailable(unkept)) => refused(503, &unkept.to_string()),
        Err(what) => refused(400, &what),
    };
    if let Err(error) = request.respond(reply.to_string().into()).await {
        tracing::debug!(%error, "an answer didn't go out; the sender tries again");
    }
}
