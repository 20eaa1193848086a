//! Admission of deliveries: verifies the sender, checks limits and appends to RAW.

use crate::{
    BodyRefusal, Directory, Holder, Limits, NotKept, RawWriter,
    claim::{Claim, Proven},
    input_count::Input,
    public_keys::KeyCache,
    refusals::Refusals,
    unknown::UnknownLimit,
};
use bytes::Bytes;
use model::{ConnectionId, Delivery, DeliveryId, DeliveryKind, RawDigest, Source, Timestamp, TraceParent};
use outlet::CallsConfig;
use platforms::{Envelope, Platform, Signed, Unverified, Webhooks};
use runner::{Alerts, Failure, Metrics, Origin, Service};
use stage::{Fault, Window};
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

/// The intake's reply to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
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
    /// Too many requests for unknown connections or keys from that address; the time to wait.
    TooManyUnknown(Duration),
    /// Too many requests, or bytes of bodies, are under way.
    NoRoom,
    /// The public key that the request is signed with can't be fetched now.
    KeyUnavailable,
    /// Can't be kept now.
    Unavailable(NotKept),
}

/// The intake, independent of the transport of a delivery.
pub struct Intake {
    platforms: &'static [&'static dyn Platform],
    directory: Directory,
    keys: KeyCache,
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
    /// An intake that appends to the service's RAW. Public keys are fetched from public addresses only.
    pub fn new(service: &Service, directory: Directory, limits: Limits) -> Result<Self, Failure> {
        Self::of_platforms(service, directory, limits, platforms::all(), CallsConfig::default())
    }

    /// An intake for these platforms, which fetches public keys as `calls` permits.
    pub(crate) fn of_platforms(
        service: &Service,
        directory: Directory,
        limits: Limits,
        platforms: &'static [&'static dyn Platform],
        calls: CallsConfig,
    ) -> Result<Self, Failure> {
        let topics = platforms
            .iter()
            .flat_map(|platform| {
                platform.spec().topics.iter().map(|topic| ((platform.name(), topic.name), topic.name.into()))
            })
            .collect();
        let alerts = Alerts::new(STAGE, &service.metrics, Some(&service.bus));
        let store = directory.store().clone();
        Ok(Self {
            platforms,
            keys: KeyCache::new(store.clone(), calls)
                .map_err(|error| Fault::new("the HTTP client", error))?,
            refusals: Refusals::new(&service.metrics, store)?,
            directory,
            unknown: UnknownLimit::new(UNKNOWN_PER_MINUTE_MAX),
            raw: RawWriter::new(service, &limits.quotas(), alerts),
            limits,
            kept: Mutex::new(Window::new(KEPT_REMEMBERED_FOR, KEPT_REMEMBERED_MAX)),
            topics,
            metrics: service.metrics.clone(),
        })
    }

    /// The platform of that name.
    pub(crate) fn platform(&self, name: &str) -> Option<&'static dyn Platform> {
        self.platforms.iter().copied().find(|platform| platform.name() == name)
    }

    /// Accepts a signed webhook that was received completely.
    pub async fn webhook(&self, webhook: Webhook<'_>) -> Reply {
        let input = self.input();
        let reply = async {
            let received_at = runner::now();
            let claim = self.claim(webhook.platform, webhook.connection, None).await?;
            let signed = Signed { headers: webhook.headers, body: webhook.signed_body };
            let key = self.public_key(&claim, &signed, None, received_at).await?;
            let proven = claim.prove(&signed, key.as_deref(), received_at)?;
            Ok(self.accept(&proven, webhook.headers, webhook.body).await)
        };
        input.ended(reply.await.unwrap_or_else(|reply| reply))
    }

    /// Counts an input as consumed.
    pub(crate) fn input(&self) -> Input<'_> {
        Input::consumed(&self.metrics)
    }

    /// The public key that a webhook is signed with; `None` if its platform uses none, or has no key of that id.
    pub(crate) async fn public_key(
        &self,
        claim: &Claim,
        signed: &Signed<'_>,
        origin: Option<Origin>,
        received_at: Timestamp,
    ) -> Result<Option<Arc<[u8]>>, Reply> {
        claim.public_key(signed, &self.keys, origin, received_at).await
    }

    /// Finds the connection that a webhook names. `origin` is the client that sent it, whose look-ups of unknown
    /// connections are limited; cached results cost nothing.
    pub(crate) async fn claim(
        &self,
        platform: &str,
        connection: &str,
        origin: Option<Origin>,
    ) -> Result<Claim, Reply> {
        let platform = self.platform(platform).ok_or(Reply::UnknownConnection)?;
        let webhooks = platform.webhooks().ok_or(Reply::UnknownConnection)?;
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
    ) -> Result<Option<Arc<Connection>>, Reply> {
        if let Some(origin) = origin {
            self.unknown.check(origin).map_err(Reply::TooManyUnknown)?;
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
    pub(crate) async fn accept(&self, proven: &Proven, headers: &[(String, String)], body: Bytes) -> Reply {
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
                kept @ Reply::Kept { .. } => first_kept = first_kept.or(Some(kept)),
                Reply::UnknownTopic => {}
                refused => return refused,
            }
        }
        let Some(last) = last else { return Reply::UnknownTopic };
        match self.accept_one(proven, headers, last, body).await {
            accepted @ (Reply::Kept { .. } | Reply::UnknownTopic) => first_kept.unwrap_or(accepted),
            refused => refused,
        }
    }

    async fn accept_one(
        &self,
        proven: &Proven,
        headers: &[(String, String)],
        envelope: Envelope,
        whole: Bytes,
    ) -> Reply {
        let Proven { platform, connection, .. } = proven;
        let Envelope { topic, key, body } = envelope;
        let known = self.topic(*platform, &topic);
        let delivery = known.map(|kind| incoming(proven, headers, kind, key, body.unwrap_or(whole)));
        let reply = self.admit(connection, delivery).await;
        if reply == Reply::UnknownTopic {
            let topic = Some(topic.as_str()).filter(|topic| is_name(topic));
            tracing::warn!(
                stage = STAGE, store.id = %connection.store, connection.id = %connection.id, topic,
                "unknown topic; not kept"
            );
        }
        reply
    }

    /// Refuses the body of a webhook; records the refusal if the connection exists.
    pub(crate) fn refuse(&self, claim: &Claim, refusal: BodyRefusal) -> Reply {
        match &claim.connection {
            Some(connection) => self.refuse_body(connection, refusal),
            None => Reply::UnknownConnection,
        }
    }

    /// Keeps the code of a handshake for people.
    pub(crate) fn note_code(&self, connection: &Connection, code: &str) {
        self.refusals.note_code(connection, code, Instant::now());
    }

    fn refuse_body(&self, connection: &Connection, refusal: BodyRefusal) -> Reply {
        self.refusals.note(connection, refusal, Instant::now());
        Reply::BodyRefused(refusal)
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
    ) -> Reply {
        let input = self.input();
        let reply = async {
            let connection = match self.connection(connection).await {
                Ok(connection) if connection.store.as_str() == store => connection,
                Ok(_) => return Reply::UnknownConnection,
                Err(reply) => return reply,
            };
            let Some(platform) = self.platform(connection.platform.as_str()) else {
                return Reply::UnknownConnection;
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
        input.ended(reply)
    }

    /// Accepts an object that one of our services fetched, or a re-ingested dead letter. Its origin is looked up again,
    /// never trusted.
    pub(crate) async fn fetched(&self, mut delivery: Delivery) -> Reply {
        let input = self.input();
        let reply = match self.connection(delivery.origin.connection.as_str()).await {
            Ok(connection) => {
                let platform = self.platform(connection.platform.as_str());
                // A re-ingested delivery was within its limit when first received; as an event it may be larger.
                let refusal = platform
                    .filter(|_| delivery.attempt == 0)
                    .and_then(|platform| too_large(platform, &delivery.body));
                if let Some(refusal) = refusal {
                    return input.ended(self.refuse_body(&connection, refusal));
                }
                delivery.origin = connection.origin();
                if delivery.attempt == 0 {
                    delivery.headers.clear();
                    delivery.received_at = runner::now();
                }
                (delivery.currency, delivery.account) = (connection.currency, account(&connection));
                self.keep(delivery).await
            }
            Err(reply) => reply,
        };
        input.ended(reply)
    }

    async fn connection(&self, id: &str) -> Result<Arc<Connection>, Reply> {
        let id = ConnectionId::new(id).map_err(|_| Reply::UnknownConnection)?;
        self.found(&id).await?.ok_or(Reply::UnknownConnection)
    }

    async fn found(&self, id: &ConnectionId) -> Result<Option<Arc<Connection>>, Reply> {
        self.directory.find(id).await.map_err(|error| {
            tracing::warn!(stage = STAGE, connection.id = %id, %error, "connections can't be looked up");
            Reply::Unavailable(NotKept::Unavailable)
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
    async fn admit(&self, connection: &Connection, delivery: Option<Delivery>) -> Reply {
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
            return Reply::HoldsTooMuch(holder);
        }
        if let Err(wait) = self.limits.take(tenant, id, *requests_per_minute, bytes) {
            return Reply::TooMany(wait);
        }
        match delivery {
            Some(delivery) => self.append(delivery).await,
            None => Reply::UnknownTopic,
        }
    }

    async fn keep(&self, delivery: Delivery) -> Reply {
        match self.repeat(&delivery) {
            Some(repeat) => repeat,
            None => self.append(delivery).await,
        }
    }

    /// The response to a delivery that was kept recently.
    fn repeat(&self, delivery: &Delivery) -> Option<Reply> {
        let known = self.kept().known(&(delivery.id, delivery.attempt), runner::now()).copied();
        known.map(|sequence| Reply::Kept { delivery: delivery.id, sequence, duplicate: true })
    }

    async fn append(&self, delivery: Delivery) -> Reply {
        let (id, accepted) = (delivery.id, (delivery.id, delivery.attempt));
        runner::kill_point(STAGE, "taken");
        match self.raw.keep(delivery).await {
            Ok(sequence) => {
                let (now, mut kept) = (runner::now(), self.kept());
                if kept.known(&accepted, now).is_none() {
                    kept.remember(accepted, sequence, now);
                }
                Reply::Kept { delivery: id, sequence, duplicate: false }
            }
            Err(not_kept) => Reply::Unavailable(not_kept),
        }
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
