//! Requests and responses that no stream stores.

use crate::{BusError, Replied, ReplyRule, error::Source};
use async_nats::{Client, RequestErrorKind, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use std::time::Duration;
use tokio::{sync::watch, time::timeout};

/// Time limit for the server to register a subscription.
const SERVE_LIMIT: Duration = Duration::from_secs(5);

/// The subject on which ingest accepts what our own services fetched; partners have no permission for it.
pub const ACCEPT_SUBJECT: &str = "pos.accept";
/// The subjects that platforms publish on themselves.
pub const PLATFORMS_SUBJECT: &str = "pos.in.*.*.>";

/// Receives requests until it is dropped. At most 1,024 requests wait; the senders of further ones get no response
/// in time.
pub struct Requests {
    client: Client,
    subscriber: Subscriber,
    /// The number of connections so far, if the requests have a connection of their own.
    connections: Option<watch::Receiver<u64>>,
}

impl Requests {
    pub(crate) fn apart(self, connections: watch::Receiver<u64>) -> Self {
        Self { connections: Some(connections), ..self }
    }

    /// Watches the number of connections so far for these requests; `None` if they share the bus's connection.
    pub fn connections(&self) -> Option<watch::Receiver<u64>> {
        self.connections.clone()
    }

    /// The next request; `None` once the connection has ended.
    pub async fn next(&mut self) -> Option<Request> {
        let message = self.subscriber.next().await?;
        let headers = message.headers.iter().flat_map(async_nats::HeaderMap::iter);
        let headers = headers
            .flat_map(|(name, values)| {
                values.iter().map(|value| (name.to_string(), value.as_str().to_owned()))
            })
            .collect();
        Some(Request {
            subject: message.subject.to_string(),
            headers,
            payload: message.payload,
            reply: message.reply,
            client: self.client.clone(),
        })
    }
}

/// One request; without a response, its sender waits until a time-out.
pub struct Request {
    /// The subject that it was sent to.
    pub subject: String,
    /// The headers that the sender added; they are not to be trusted.
    pub headers: Vec<(String, String)>,
    /// The payload.
    pub payload: Bytes,
    reply: Option<async_nats::Subject>,
    client: Client,
}

impl Request {
    /// Its size in bytes: subject, headers and payload.
    pub fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len());
        self.subject.len() + headers.sum::<usize>() + self.payload.len()
    }

    /// Returns true if the sender waits for a response.
    pub fn wants_reply(&self) -> bool {
        self.reply.is_some()
    }

    /// Sends the response, if the sender waits for one on a reply subject that `rule` allows for this connection.
    pub async fn respond(
        self,
        payload: Bytes,
        rule: &ReplyRule,
        connection: Option<&str>,
    ) -> Result<Replied, BusError> {
        let Some(reply) = self.reply else { return Ok(Replied::NotWanted) };
        if !rule.allows(&reply, connection) {
            return Ok(Replied::Refused);
        }
        let sent = self.client.publish(reply, payload).await;
        sent.map(|()| Replied::Sent).map_err(BusError::call("the reply", &self.subject))
    }
}

pub(crate) async fn serve(client: &Client, subject: &str, queue: &str) -> Result<Requests, BusError> {
    let served = client.queue_subscribe(subject.to_owned(), queue.to_owned()).await;
    let subscriber = served.map_err(BusError::call("the subscription", subject))?;
    round_trip(client, subject).await?;
    Ok(Requests { client: client.clone(), subscriber, connections: None })
}

/// Waits until the server has registered the subscription, so that requests sent from now on reach us. The server
/// processes our output in order, so an echo confirms it; a flush alone only confirms that the output was sent.
async fn round_trip(client: &Client, subject: &str) -> Result<(), BusError> {
    let failed = |source: Source| BusError::call("the subscription", subject)(source);
    let inbox = client.new_inbox();
    let mut echo = client.subscribe(inbox.clone()).await.map_err(|error| failed(error.into()))?;
    client.publish(inbox, Bytes::new()).await.map_err(|error| failed(error.into()))?;
    timeout(SERVE_LIMIT, echo.next()).await.map_err(|error| failed(error.into()))?;
    Ok(())
}

pub(crate) async fn request(
    client: &Client,
    subject: &str,
    payload: Bytes,
    limit: Duration,
) -> Result<Bytes, BusError> {
    let request = async_nats::Request::new().payload(payload).timeout(Some(limit));
    match client.send_request(subject.to_owned(), request).await {
        Ok(message) => Ok(message.payload),
        Err(error) if error.kind() == RequestErrorKind::NoResponders => {
            Err(BusError::NoResponders { subject: subject.to_owned() })
        }
        Err(error) => Err(BusError::call("a request", subject)(error)),
    }
}
