//! Admission of deliveries: verifies the sender, checks limits and appends to RAW.

use crate::{
    BodyRefusal, Directory, Holder, Limits, RawWriter, Unkept, refusals::Refusals, unknown::UnknownLimit,
};
use bytes::Bytes;
use model::{ConnectionId, Delivery, DeliveryId, DeliveryKind, RawDigest, Source, TraceParent};
use platforms::{Envelope, Platform, Secrets, Signed, Unverified, Webhooks};
use runner::{Alerts, Failure, Metrics, Origin, Service};
use stage::Window;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use store::Connection;

const STAGE: &str = "ingest";
/// Upper limit of kept deliveries that are remembered, so that a prompt retry needs no second position in RAW.
const KEPT_REMEMBERED_MAX: usize = 100_000;
/// Time for which they are remembered; the same as RAW's own window.
const KEPT_REMEMBERED_FOR: Duration = Duration::from_mins(5);
/// Upper limit of an unknown topic that is logged, in bytes.
const TOPIC_SHOWN_MAX: usize = 100;
/// Upper limit of look-ups of unknown connections per address and minute.
const UNKNOWN_PER_MINUTE_MAX: u32 = 60;
/// Secret that the signature of a request for an unknown connection is checked with, so that its response takes as long
/// as any other.
const DECOY_SECRET: &str = "a secret that nobody has signed anything with";
/// Upper limit of deliveries in one request. A request with more is kept as a whole and becomes a dead letter.
const ENVELOPES_MAX: usize = 1_000;

/// A request for the intake.
pub struct Webhook<'a> {
    /// The platform, as the path names it.
    pub platform: &'a str,
    /// The connection, as the path names it.
    pub connection: &'a str,
    /// Names (lower case) and values.
    pub headers: &'a [(String, String)],
    /// The bytes that are signed.
    pub signed_body: &'a [u8],
    /// The same, decompressed.
    pub body: Bytes,
}

/// The intake's response to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// On disk.
    Kept {
        /// The delivery.
        delivery: DeliveryId,
        /// The sequence number of RAW's message that holds it.
        sequence: u64,
        /// True if it had been kept before.
        duplicate: bool,
    },
    /// Signed by the platform, but of an unknown topic: counted, not kept.
    UnknownTopic,
    /// The request has a form that can be read in two ways; the text describes it.
    Malformed(&'static str),
    /// The body is refused.
    BodyRefused(BodyRefusal),
    /// Not signed, or with none of the active secrets.
    Unverified(Unverified),
    /// No such connection of that platform.
    UnknownConnection,
    /// The connection or its tenant has no budget left; the time to wait.
    TooMany(Duration),
    /// The connection, or its tenant, holds too much of RAW.
    HoldsTooMuch(Holder),
    /// Too many requests for unknown connections from that address; the time to wait.
    TooManyUnknown(Duration),
    /// Too many requests, or bytes of bodies, are under way.
    NoRoom,
    /// Can't be kept now.
    Unavailable(Unkept),
}

/// The intake, independent of the transport of a delivery.
pub struct Intake {
    directory: Directory,
    limits: Limits,
    unknown: UnknownLimit,
    raw: RawWriter,
    /// Each with the sequence number of its message in RAW.
    kept: Mutex<Window<(DeliveryId, u32), u64>>,
    topics: HashMap<(&'static str, &'static str), Arc<str>>,
    refusals: Refusals,
    metrics: Metrics,
}

impl Intake {
    /// An intake that appends to the service's RAW.
    pub fn new(service: &Service, directory: Directory, limits: Limits) -> Result<Self, Failure> {
        let topics = platforms::all()
            .iter()
            .flat_map(|platform| {
                platform.spec().topics.iter().map(|topic| ((platform.name(), topic.name), topic.name.into()))
            })
            .collect();
        let alerts = Alerts::new(STAGE, &service.metrics, Some(&service.bus));
        Ok(Self {
            refusals: Refusals::new(&service.metrics, directory.store().clone())?,
            directory,
            unknown: UnknownLimit::new(UNKNOWN_PER_MINUTE_MAX),
            raw: RawWriter::new(service, &limits.quotas(), alerts),
            limits,
            kept: Mutex::new(Window::new(KEPT_REMEMBERED_FOR, KEPT_REMEMBERED_MAX)),
            topics,
            metrics: service.metrics.clone(),
        })
    }

    /// Accepts a signed webhook that was received completely.
    pub async fn webhook(&self, webhook: Webhook<'_>) -> Answer {
        let taken = self.take_up();
        let answer = async {
            let claim = self.claim(webhook.platform, webhook.connection, None).await?;
            let signed = Signed { headers: webhook.headers, body: webhook.signed_body };
            let proven = claim.prove(&signed)?;
            Ok(self.accept(&proven, webhook.headers, webhook.body).await)
        };
        taken.ends(answer.await.unwrap_or_else(|answer| answer))
    }

    /// Counts an input as consumed.
    pub(crate) fn take_up(&self) -> Taken<'_> {
        Taken::up(&self.metrics)
    }

    /// Finds the connection that a webhook names. `origin` is the client that sent it, whose look-ups of unknown
    /// connections are limited; cached results cost nothing.
    pub(crate) async fn claim(
        &self,
        platform: &str,
        connection: &str,
        origin: Option<Origin>,
    ) -> Result<Claim, Answer> {
        let platform = platforms::find(platform).ok_or(Answer::UnknownConnection)?;
        let webhooks = platform.webhooks().ok_or(Answer::UnknownConnection)?;
        let found = match ConnectionId::new(connection) {
            Err(_) => None,
            Ok(id) => match self.directory.remembered(&id).await {
                Some(remembered) => remembered,
                None => self.look_up(&id, origin).await?,
            },
        };
        let connection = found.filter(|found| found.platform.as_str() == platform.name());
        Ok(Claim { platform, webhooks, connection })
    }

    async fn look_up(
        &self,
        id: &ConnectionId,
        origin: Option<Origin>,
    ) -> Result<Option<Arc<Connection>>, Answer> {
        if let Some(origin) = origin {
            self.unknown.check(origin).map_err(Answer::TooManyUnknown)?;
        }
        let found = self.found(id).await?;
        if found.is_none()
            && let Some(origin) = origin
        {
            self.unknown.note(origin);
        }
        Ok(found)
    }

    /// Accepts a webhook with a verified signature; `body` is without its content coding. Its deliveries are kept one
    /// after the other, up to the first that isn't, whose response is returned: the platform then repeats the request,
    /// and the deliveries that were kept are recognized.
    pub(crate) async fn accept(&self, proven: &Proven, headers: &[(String, String)], body: Bytes) -> Answer {
        let mut envelopes = proven.webhooks.split(&Signed { headers, body: &body });
        if envelopes.is_empty() || envelopes.len() > ENVELOPES_MAX {
            let delivery = incoming(proven, headers, DeliveryKind::Unreadable, None, body);
            return self.admit(&proven.connection, Some(delivery)).await;
        }
        // The last one usually is the only one: it takes the body without a copy.
        let last = envelopes.pop();
        let mut first_kept = None;
        for envelope in envelopes {
            match self.accept_one(proven, headers, envelope, body.clone()).await {
                kept @ Answer::Kept { .. } => first_kept = first_kept.or(Some(kept)),
                Answer::UnknownTopic => {}
                refused => return refused,
            }
        }
        let Some(last) = last else { return Answer::UnknownTopic };
        match self.accept_one(proven, headers, last, body).await {
            accepted @ (Answer::Kept { .. } | Answer::UnknownTopic) => first_kept.unwrap_or(accepted),
            refused => refused,
        }
    }

    async fn accept_one(
        &self,
        proven: &Proven,
        headers: &[(String, String)],
        envelope: Envelope,
        whole: Bytes,
    ) -> Answer {
        let Proven { platform, connection, .. } = proven;
        let Envelope { topic, key, body } = envelope;
        let known = self.topic(*platform, &topic);
        let delivery = known.map(|kind| incoming(proven, headers, kind, key, body.unwrap_or(whole)));
        let answer = self.admit(connection, delivery).await;
        if answer == Answer::UnknownTopic {
            let topic = Some(topic.as_str()).filter(|topic| is_name(topic));
            tracing::warn!(
                stage = STAGE, store.id = %connection.store, connection.id = %connection.id, topic,
                "unknown topic; not kept"
            );
        }
        answer
    }

    /// Refuses the body of a webhook; records the refusal if the connection exists.
    pub(crate) fn refuse(&self, claim: &Claim, refusal: BodyRefusal) -> Answer {
        match &claim.connection {
            Some(connection) => self.refuse_body(connection, refusal),
            None => Answer::UnknownConnection,
        }
    }

    fn refuse_body(&self, connection: &Connection, refusal: BodyRefusal) -> Answer {
        self.refusals.note(connection, refusal, Instant::now());
        Answer::BodyRefused(refusal)
    }

    /// Accepts a message that a platform published itself on `pos.in.…`; the broker's permissions restrict
    /// the publishers.
    pub(crate) async fn published(
        &self,
        store: &str,
        connection: &str,
        topic: &str,
        key: Option<String>,
        trace: Option<&str>,
        body: Bytes,
    ) -> Answer {
        let taken = Taken::up(&self.metrics);
        let answer = async {
            let connection = match self.connection(connection).await {
                Ok(connection) if connection.store.as_str() == store => connection,
                Ok(_) => return Answer::UnknownConnection,
                Err(answer) => return answer,
            };
            let Some(platform) = platforms::find(connection.platform.as_str()) else {
                return Answer::UnknownConnection;
            };
            if let Some(refusal) = too_large(platform, &body) {
                return self.refuse_body(&connection, refusal);
            }
            let known = match DeliveryKind::of_topic(topic) {
                DeliveryKind::Canonical => Some(DeliveryKind::Canonical),
                DeliveryKind::Platform(topic) => self.topic(platform, &topic),
                DeliveryKind::Reentry | DeliveryKind::Instruction | DeliveryKind::Unreadable => None,
            };
            let delivery = known.map(|kind| {
                let incoming =
                    Incoming { kind, key, headers: Vec::new(), trace, body, source: Source::Publish };
                incoming.delivery(&connection)
            });
            self.admit(&connection, delivery).await
        }
        .await;
        taken.ends(answer)
    }

    /// Accepts an object that one of our services fetched, or a re-ingested dead letter. Its origin is looked up again,
    /// never trusted.
    pub(crate) async fn fetched(&self, mut delivery: Delivery) -> Answer {
        let taken = Taken::up(&self.metrics);
        let answer = match self.connection(delivery.origin.connection.as_str()).await {
            Ok(connection) => {
                let platform = platforms::find(connection.platform.as_str());
                // A re-ingested delivery was within its limit when first received; as an event it may be larger.
                let refusal = platform
                    .filter(|_| delivery.attempt == 0)
                    .and_then(|platform| too_large(platform, &delivery.body));
                if let Some(refusal) = refusal {
                    return taken.ends(self.refuse_body(&connection, refusal));
                }
                delivery.origin = connection.origin();
                if delivery.attempt == 0 {
                    delivery.headers.clear();
                    delivery.received_at = runner::now();
                }
                (delivery.currency, delivery.account) = (connection.currency, account(&connection));
                self.keep(delivery).await
            }
            Err(answer) => answer,
        };
        taken.ends(answer)
    }

    async fn connection(&self, id: &str) -> Result<Arc<Connection>, Answer> {
        let id = ConnectionId::new(id).map_err(|_| Answer::UnknownConnection)?;
        self.found(&id).await?.ok_or(Answer::UnknownConnection)
    }

    async fn found(&self, id: &ConnectionId) -> Result<Option<Arc<Connection>>, Answer> {
        self.directory.find(id).await.map_err(|error| {
            tracing::warn!(stage = STAGE, connection.id = %id, %error, "connections can't be looked up");
            Answer::Unavailable(Unkept::Unavailable)
        })
    }

    /// The kind of a delivery from outside, if its topic is one of the platform's. Topics of our own reads are accepted
    /// from our own services only.
    fn topic(&self, platform: &dyn Platform, topic: &str) -> Option<DeliveryKind> {
        let known = platform.topic(topic).filter(|known| known.is_sent())?;
        self.topics.get(&(platform.name(), known.name)).cloned().map(DeliveryKind::Platform)
    }

    fn kept(&self) -> MutexGuard<'_, Window<(DeliveryId, u32), u64>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a delivery of a known topic within the shares and budgets of its connection and tenant. A repeat of a kept
    /// delivery costs no budget: a platform that missed our responses sends all deliveries again at once.
    async fn admit(&self, connection: &Connection, delivery: Option<Delivery>) -> Answer {
        if let Some(repeat) = delivery.as_ref().and_then(|delivery| self.repeat(delivery)) {
            return repeat;
        }
        let bytes = delivery.as_ref().map_or(0, |delivery| delivery.body.len());
        let Connection { tenant, store, id, requests_per_minute, .. } = connection;
        let room = self.raw.room_of(store);
        // A delivery that isn't kept takes no room.
        if delivery.is_some()
            && let Err(holder) =
                self.limits.check_held(room, (tenant, id), *requests_per_minute, runner::now())
        {
            self.refusals.note_held(connection, holder, Instant::now());
            return Answer::HoldsTooMuch(holder);
        }
        if let Err(wait) = self.limits.take(tenant, id, *requests_per_minute, bytes) {
            return Answer::TooMany(wait);
        }
        match delivery {
            Some(delivery) => self.append(delivery).await,
            None => Answer::UnknownTopic,
        }
    }

    async fn keep(&self, delivery: Delivery) -> Answer {
        match self.repeat(&delivery) {
            Some(repeat) => repeat,
            None => self.append(delivery).await,
        }
    }

    /// The response to a delivery that was kept recently.
    fn repeat(&self, delivery: &Delivery) -> Option<Answer> {
        let known = self.kept().known(&(delivery.id, delivery.attempt), runner::now()).copied();
        known.map(|sequence| Answer::Kept { delivery: delivery.id, sequence, duplicate: true })
    }

    async fn append(&self, delivery: Delivery) -> Answer {
        let (id, taken_in) = (delivery.id, (delivery.id, delivery.attempt));
        runner::kill_point(STAGE, "taken");
        match self.raw.keep(delivery).await {
            Ok(sequence) => {
                let (now, mut kept) = (runner::now(), self.kept());
                if kept.known(&taken_in, now).is_none() {
                    kept.remember(taken_in, sequence, now);
                }
                Answer::Kept { delivery: id, sequence, duplicate: false }
            }
            Err(unkept) => Answer::Unavailable(unkept),
        }
    }
}

/// The connection that a webhook names, not verified yet.
pub(crate) struct Claim {
    pub(crate) platform: &'static dyn Platform,
    pub(crate) webhooks: &'static dyn Webhooks,
    /// `None` if there is no such connection. Reported only after the same work as for an existing one.
    connection: Option<Arc<Connection>>,
}

/// A webhook's connection, after its signature was verified.
pub(crate) struct Proven {
    platform: &'static dyn Platform,
    webhooks: &'static dyn Webhooks,
    connection: Arc<Connection>,
}

impl Claim {
    /// The response to a request without a signature.
    pub(crate) fn unsigned(&self) -> Answer {
        match self.connection {
            Some(_) => Answer::Unverified(Unverified::Missing),
            None => Answer::UnknownConnection,
        }
    }

    /// Verifies the signature, even of a request for an unknown connection.
    pub(crate) fn prove(&self, signed: &Signed<'_>) -> Result<Proven, Answer> {
        let decoy = [DECOY_SECRET.to_owned()];
        let secrets = match &self.connection {
            Some(connection) => {
                Secrets { active: &connection.secrets, notification_url: &connection.notification_url }
            }
            None => Secrets { active: &decoy, notification_url: DECOY_SECRET },
        };
        let verified = self.webhooks.verify(signed, &secrets);
        let connection = self.connection.as_ref().ok_or(Answer::UnknownConnection)?;
        verified.map_err(Answer::Unverified)?;
        Ok(Proven { platform: self.platform, webhooks: self.webhooks, connection: Arc::clone(connection) })
    }
}

/// One input: counted when it is consumed, and again with its outcome, whichever that is.
pub(crate) struct Taken<'a> {
    metrics: &'a Metrics,
    outcome: &'static str,
}

impl<'a> Taken<'a> {
    fn up(metrics: &'a Metrics) -> Self {
        metrics.taken_up(STAGE, 1);
        // The outcome unless there is a response: a request is dropped when its sender disconnects.
        Self { metrics, outcome: "abandoned" }
    }

    pub(crate) fn ends(mut self, answer: Answer) -> Answer {
        self.outcome = match answer {
            Answer::Kept { duplicate: false, .. } => "emitted",
            Answer::Kept { duplicate: true, .. } => "duplicate",
            Answer::UnknownTopic => "filtered",
            Answer::Malformed(_) => "malformed",
            Answer::BodyRefused(_) => "body_refused",
            Answer::Unverified(_) => "unverified",
            Answer::UnknownConnection => "unknown_connection",
            Answer::TooMany(_) | Answer::HoldsTooMuch(_) | Answer::TooManyUnknown(_) => "limited",
            Answer::NoRoom => "no_room",
            Answer::Unavailable(_) => "unavailable",
        };
        answer
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.metrics.ended(STAGE, self.outcome, 1);
    }
}

struct Incoming<'a> {
    kind: DeliveryKind,
    key: Option<String>,
    headers: Vec<(Arc<str>, Arc<str>)>,
    trace: Option<&'a str>,
    body: Bytes,
    source: Source,
}

impl Incoming<'_> {
    fn delivery(self, connection: &Connection) -> Delivery {
        let topic = self.kind.topic();
        let id = match &self.key {
            Some(key) => DeliveryId::derive(&connection.id, topic, key.as_bytes()),
            None => DeliveryId::derive(&connection.id, topic, RawDigest::of(&self.body).as_bytes()),
        };
        Delivery {
            id,
            origin: connection.origin(),
            kind: self.kind,
            received_at: runner::now(),
            source: self.source,
            cause: None,
            asked_by: None,
            attempt: 0,
            currency: connection.currency,
            account: account(connection),
            headers: self.headers,
            trace: self.trace.and_then(TraceParent::parse).unwrap_or_else(|| TraceParent::from_delivery(id)),
            body: self.body,
        }
    }
}

fn too_large(platform: &dyn Platform, body: &Bytes) -> Option<BodyRefusal> {
    let limit_bytes = platform.spec().body_bytes_max;
    (body.len() > limit_bytes).then_some(BodyRefusal::TooLarge { limit_bytes })
}

/// The connection's account on the platform; `None` if it isn't known.
fn account(connection: &Connection) -> Option<Arc<str>> {
    Some(&*connection.account).filter(|account| !account.is_empty()).map(Arc::from)
}

/// A delivery of a verified webhook.
fn incoming(
    proven: &Proven,
    headers: &[(String, String)],
    kind: DeliveryKind,
    key: Option<String>,
    body: Bytes,
) -> Delivery {
    let kept = kept_headers(proven.webhooks, headers);
    let trace = headers.iter().find(|(name, _)| name == "traceparent");
    let trace = trace.map(|(_, value)| value.as_str());
    let incoming = Incoming { kind, key, headers: kept, trace, body, source: Source::Webhook };
    incoming.delivery(&proven.connection)
}

fn kept_headers(webhooks: &dyn Webhooks, headers: &[(String, String)]) -> Vec<(Arc<str>, Arc<str>)> {
    let kept = webhooks.kept_headers();
    headers
        .iter()
        .filter(|(name, _)| kept.contains(&name.as_str()))
        .map(|(name, value)| (name.as_str().into(), value.as_str().into()))
        .collect()
}

/// Returns true if an unknown topic has the form of a topic, so that it may be logged: at some platforms it is an
/// unsigned header, and may contain anything.
fn is_name(topic: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
    topic.len() <= TOPIC_SHOWN_MAX && topic.bytes().all(is_part)
}
