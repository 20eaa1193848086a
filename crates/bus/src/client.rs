use crate::{
    AppendError, Appender, BusConfig, BusError, Credentials, Feed, Message, MessageValidator, Reader, Start,
    User, append, check, connect,
    error::not_yet,
    follow::{Follow, PULL_BATCHES},
    foreign::Holding,
    layout::{self, Layout},
    message::Stored,
    raw_end::RawEnds,
    request,
};
use async_nats::{
    Client,
    jetstream::{
        self, Context, ErrorCode,
        context::{ContextBuilder, GetStreamErrorKind},
        stream::{Config, DirectGetError, DirectGetErrorKind, Info},
    },
};
use bytes::Bytes;
use model::{Partition, PartitionCount, Position, Timestamp};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

/// Time limit of an acknowledgement and of the reply to a read.
const ACK_LIMIT: Duration = Duration::from_secs(2);
/// Time limit of a change of streams; a slow disk syncs several files for it.
const ADMIN_LIMIT: Duration = Duration::from_secs(10);
/// Time limit for declaring the streams.
const DECLARE_LIMIT: Duration = Duration::from_secs(30);
/// The pause between two attempts.
const DECLARE_PAUSE: Duration = Duration::from_millis(500);
/// The pause between two checks for streams that another user creates.
const AWAIT_PAUSE: Duration = Duration::from_millis(100);
/// Upper limit of pending acknowledgements; further publishers wait.
const MAX_ACKS_IN_FLIGHT: usize = 4096;
/// Time limit for sending buffered output when the connection is closed.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// The broker: one connection, cheap to clone.
#[derive(Clone)]
pub struct Bus {
    inner: Arc<Inner>,
    validator: Option<Arc<dyn MessageValidator>>,
}

struct Inner {
    client: Client,
    jetstream: Context,
    admin: Context,
    layout: Layout,
    config: BusConfig,
    connections: watch::Receiver<u64>,
    raw_ends: RawEnds,
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

/// Capacity of a stream, and its use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedRoom {
    /// The bytes in use.
    pub bytes: u64,
    /// The capacity, in bytes.
    pub max_bytes: u64,
    /// The time at which its oldest message was stored; `None` if it is empty.
    pub oldest: Option<Timestamp>,
}

impl FeedRoom {
    fn of(info: &Info) -> Self {
        let oldest = info.state.first_timestamp.unix_timestamp_nanos() / 1000;
        Self {
            bytes: info.state.bytes,
            max_bytes: u64::try_from(info.config.max_bytes).unwrap_or(u64::MAX),
            oldest: i64::try_from(oldest)
                .ok()
                .filter(|_| info.state.messages > 0)
                .map(Timestamp::from_micros),
        }
    }

    /// Fill level, from 0 to 1.
    pub fn usage(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
        let share = self.bytes as f64 / self.max_bytes.max(1) as f64;
        share
    }
}

impl Bus {
    /// Connects, with attempts for `connect_limit_ms` (30 seconds by default). A lost connection is then restored
    /// without a time limit; meanwhile calls fail within their own time limits.
    pub async fn connect(config: &BusConfig) -> Result<Self, BusError> {
        let layout = Layout::new(config).map_err(BusError::Config)?;
        let (client, connections) = connect::connect(config).await?;
        let context = |limit| {
            ContextBuilder::new()
                .timeout(limit)
                .max_ack_inflight(MAX_ACKS_IN_FLIGHT)
                .backpressure_on_inflight(true)
                .build(client.clone())
        };
        let (jetstream, admin, config) = (context(ACK_LIMIT), context(ADMIN_LIMIT), config.clone());
        let raw_ends = RawEnds::default();
        let inner = Inner { client, jetstream, admin, layout, config, connections, raw_ends };
        Ok(Self { inner: Arc::new(inner), validator: None })
    }

    /// The number of partitions of the installation that a broker has the streams of; `None` if it has none.
    pub async fn installed_partitions(config: &BusConfig) -> Result<Option<PartitionCount>, BusError> {
        let bus = Self::connect(config).await?;
        let info = bus.stream_info(layout::APPLIED).await?;
        bus.drain().await?;
        let count = info.and_then(|info| info.config.metadata.get(layout::PARTITIONS_KEY)?.parse().ok());
        Ok(count.and_then(PartitionCount::new))
    }

    /// Returns the same connection with a validator: a message that `validator` refuses is foreign. Without a
    /// validator, headers alone decide.
    #[must_use]
    pub fn validated_by(self, validator: impl MessageValidator) -> Self {
        Self { validator: Some(Arc::new(validator)), ..self }
    }

    pub(crate) fn validator(&self) -> Option<&dyn MessageValidator> {
        self.validator.as_deref()
    }

    pub(crate) fn raw_ends(&self) -> &RawEnds {
        &self.inner.raw_ends
    }

    /// Number of partitions of the installation.
    pub fn partitions(&self) -> PartitionCount {
        self.inner.layout.partitions()
    }

    /// The largest payload that the server accepts, in bytes, headers included.
    pub fn payload_max_bytes(&self) -> usize {
        self.inner.client.server_info().max_payload
    }

    /// Checks the server before it is used: at least version 2.12, messages of
    /// [`PAYLOAD_BYTES_MIN`](crate::PAYLOAD_BYTES_MIN), and the promised durability. An error contains the remedy.
    /// `allow_unsafe` in the configuration permits a server without that durability.
    pub async fn check(&self) -> Result<check::Profile, BusError> {
        check::check(&self.inner.client, &self.inner.config).await
    }

    /// Creates the missing streams, with attempts for 30 seconds. Refuses a server whose streams of these names differ:
    /// another number of partitions, another retention. The capacity of a stream is adjusted to the configuration.
    pub async fn declare(&self) -> Result<(), BusError> {
        let deadline = Instant::now() + DECLARE_LIMIT;
        for declared in self.inner.layout.streams() {
            while let Err(error) = self.declare_one(&declared).await {
                // A cluster that has just started, or has lost a server, must first elect a leader.
                if !matches!(error, BusError::Call { .. }) || Instant::now() > deadline {
                    return Err(error);
                }
                not_yet("declared", &error);
                sleep(DECLARE_PAUSE).await;
            }
        }
        Ok(())
    }

    /// Waits for the streams that `user` needs, for 30 seconds, and refuses differing ones as [`Bus::declare`] does. A
    /// service that may not create streams starts with this call.
    pub async fn await_declared(&self, user: &User) -> Result<(), BusError> {
        let deadline = Instant::now() + DECLARE_LIMIT;
        let needed = user.streams(&self.inner.layout);
        let mut waits = false;
        for declared in self.inner.layout.streams().into_iter().filter(|it| needed.contains(&it.name)) {
            while let Err(error) = self.is_as_declared(&declared).await {
                let passes = matches!(error, BusError::Call { .. } | BusError::NotDeclared { .. });
                if !passes || Instant::now() > deadline {
                    return Err(error);
                }
                if !std::mem::replace(&mut waits, true) {
                    not_yet("declared", &error);
                }
                sleep(AWAIT_PAUSE).await;
            }
        }
        Ok(())
    }

    async fn is_as_declared(&self, declared: &Config) -> Result<(), BusError> {
        let Some(info) = self.stream_info(&declared.name).await? else {
            return Err(BusError::NotDeclared { stream: declared.name.clone() });
        };
        agrees(declared, &info.config)
    }

    async fn declare_one(&self, declared: &Config) -> Result<(), BusError> {
        match self.stream_info(&declared.name).await? {
            None => self.create(declared.clone()).await.map(drop),
            Some(info) => self.adjust(declared, &info.config).await,
        }
    }

    /// The last batch of the partition; foreign messages behind it are skipped.
    pub async fn tail(&self, feed: Feed, partition: Partition) -> Result<Option<Message>, BusError> {
        let stream = self.inner.layout.stream_of(feed, partition);
        let holding = Holding::Batches(feed, partition);
        let last = self.last_ours(&stream, &feed.subject(partition), holding).await?;
        last.map(|last| Message::read_of(feed, &last)).transpose()
    }

    /// The position up to which the partition's batches cover RAW; the default if there are none.
    pub async fn covered(&self, feed: Feed, partition: Partition) -> Result<Position, BusError> {
        Ok(self.tail(feed, partition).await?.and_then(|tail| tail.covers).unwrap_or_default())
    }

    /// The sequence of the partition's last message, foreign or not; 0 if there is none.
    pub async fn last_sequence(&self, feed: Feed, partition: Partition) -> Result<u64, BusError> {
        let stream = self.inner.layout.stream_of(feed, partition);
        Ok(self.last(&stream, &feed.subject(partition)).await?.map_or(0, |last| last.sequence))
    }

    /// The batch of the partition with this sequence, if it is still stored; [`BusError::Foreign`] if the message
    /// is foreign.
    pub async fn message_at(
        &self,
        feed: Feed,
        partition: Partition,
        sequence: u64,
    ) -> Result<Option<Message>, BusError> {
        let stored = self.at(&self.inner.layout.stream_of(feed, partition), sequence).await?;
        stored
            .filter(|stored| stored.subject == feed.subject(partition))
            .map(|stored| Message::read_of(feed, &stored))
            .transpose()
    }

    /// Reads the batches of the partition, in order, each once. A start behind the end of the stream is refused as
    /// [`BusError::TailLost`].
    pub async fn read(&self, feed: Feed, partition: Partition, start: Start) -> Result<Reader, BusError> {
        let stream = self.inner.layout.stream_of(feed, partition);
        let follow = Follow::open(self.clone(), stream, feed.subject(partition), start, PULL_BATCHES).await?;
        Ok(Reader::new(follow, self.clone(), feed, partition))
    }

    /// Opens an appender to the partition, behind its last batch `tail`.
    pub fn appender(&self, feed: Feed, partition: Partition, tail: Option<&Message>) -> Appender {
        Appender::new(self.clone(), feed, partition, tail)
    }

    /// Appends a batch of deliveries to RAW and returns its sequence. Repeats the attempt for ten seconds while the
    /// outcome is unknown; the same `batch_id` is stored once within five minutes, so a repeated call is safe too.
    pub async fn append_raw(
        &self,
        partition: Partition,
        payload: Bytes,
        batch_id: &str,
        records: u32,
    ) -> Result<u64, AppendError> {
        append::append_raw(self, Feed::Raw.subject(partition), payload, batch_id, records).await
    }

    /// Removes the partition's batches below `sequence`; the last one, which carries the partition's position,
    /// always stays.
    pub async fn purge_below(&self, feed: Feed, partition: Partition, sequence: u64) -> Result<(), BusError> {
        let (stream, subject) = (self.inner.layout.stream_of(feed, partition), feed.subject(partition));
        self.purge(&stream, &subject, sequence).await
    }

    /// Fill level of the feed's fullest stream, from 0 to 1.
    pub async fn usage(&self, feed: Feed) -> Result<f64, BusError> {
        Ok(self.rooms(feed).await?.iter().map(FeedRoom::usage).fold(0.0, f64::max))
    }

    /// The capacity and use of each stream of the feed.
    pub async fn rooms(&self, feed: Feed) -> Result<Vec<FeedRoom>, BusError> {
        let mut rooms = Vec::new();
        for stream in self.inner.layout.streams_of(feed) {
            rooms.push(FeedRoom::of(&self.info_of(&stream).await?));
        }
        Ok(rooms)
    }

    /// The index in [`Bus::rooms`] of the stream that holds the partition; the same for every feed.
    pub fn room_of(&self, partition: Partition) -> usize {
        self.inner.layout.room_of(partition)
    }

    /// Serves requests on `subject`, shared with all processes that serve it under the same `queue` name.
    pub async fn serve(&self, subject: &str, queue: &str) -> Result<request::Requests, BusError> {
        request::serve(&self.inner.client, subject, queue).await
    }

    /// Serves as [`Bus::serve`] does, over a connection of its own, as another user if `credentials` are given. A
    /// sender's bytes can then disturb this connection only.
    pub async fn serve_apart(
        &self,
        subject: &str,
        queue: &str,
        user: &User,
        credentials: Option<&Credentials>,
    ) -> Result<request::Requests, BusError> {
        let mut config = self.inner.config.clone();
        if let Some(credentials) = credentials {
            config.credentials = Some(credentials.clone());
        }
        config.inbox_prefix = Some(user.inbox_prefix());
        config.name = format!("{}-{user}", config.name);
        let (client, connections) = connect::connect(&config).await?;
        Ok(request::serve(&client, subject, queue).await?.apart(connections))
    }

    /// Sends a request and waits for the response.
    pub async fn request(&self, subject: &str, payload: Bytes, limit: Duration) -> Result<Bytes, BusError> {
        request::request(&self.inner.client, subject, payload, limit).await
    }

    /// Closes the connection within ten seconds: requests that were received still get a response, and buffered output
    /// is sent.
    pub async fn drain(self) -> Result<(), BusError> {
        let name = &self.inner.config.name;
        let client = &self.inner.client;
        let drained = timeout(DRAIN_LIMIT, async {
            client.flush().await.map_err(BusError::call("the last flush", name))?;
            client.drain().await.map_err(BusError::call("the end of the connection", name))
        });
        drained.await.map_err(BusError::call("the end of the connection", name))?
    }

    pub(crate) fn client(&self) -> &Client {
        &self.inner.client
    }

    pub(crate) fn jetstream(&self) -> &Context {
        &self.inner.jetstream
    }

    pub(crate) fn admin(&self) -> &Context {
        &self.inner.admin
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.inner.layout
    }

    /// Watches the number of connections so far. The server of a new connection may have crashed before, and have lost
    /// the end of what it acknowledged without syncing.
    pub fn connections(&self) -> watch::Receiver<u64> {
        self.inner.connections.clone()
    }

    pub(crate) async fn create(&self, declared: Config) -> Result<jetstream::stream::Stream, BusError> {
        let name = declared.name.clone();
        self.inner.admin.create_stream(declared).await.map_err(BusError::call("the declaration", &name))
    }

    /// The configuration and state of a stream; `None` if there is none.
    pub(crate) async fn stream_info(&self, name: &str) -> Result<Option<Info>, BusError> {
        match self.inner.jetstream.get_stream(name).await {
            Ok(stream) => Ok(Some(stream.cached_info().clone())),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    Ok(None)
                }
                _ => Err(BusError::call("the state", name)(error)),
            },
        }
    }

    async fn info_of(&self, stream: &str) -> Result<Info, BusError> {
        let info = self.stream_info(stream).await?;
        info.ok_or_else(|| BusError::call("the state", stream)("there is no such stream"))
    }

    pub(crate) async fn usage_of(&self, stream: &str) -> Result<f64, BusError> {
        Ok(FeedRoom::of(&self.info_of(stream).await?).usage())
    }

    /// The last message of a subject, which may have wildcards.
    pub(crate) async fn last(&self, stream: &str, subject: &str) -> Result<Option<Stored>, BusError> {
        let handle = self.handle(stream).await?;
        let got = handle.direct_get_last_for_subject(subject).await;
        found(got.map(|message| Stored::got(stream, message)), subject)
    }

    /// The message of a sequence.
    pub(crate) async fn at(&self, stream: &str, sequence: u64) -> Result<Option<Stored>, BusError> {
        let handle = self.handle(stream).await?;
        found(handle.direct_get(sequence).await.map(|message| Stored::got(stream, message)), stream)
    }

    /// The first message of a subject at or behind a sequence.
    pub(crate) async fn next(
        &self,
        stream: &str,
        subject: &str,
        from: u64,
    ) -> Result<Option<Stored>, BusError> {
        let handle = self.handle(stream).await?;
        let got = handle.direct_get_next_for_subject(subject, Some(from)).await;
        found(got.map(|message| Stored::got(stream, message)), subject)
    }

    pub(crate) async fn purge(&self, stream: &str, subject: &str, sequence: u64) -> Result<(), BusError> {
        let Some(last) = self.last(stream, subject).await? else { return Ok(()) };
        let handle =
            self.inner.admin.get_stream_no_info(stream).await.map_err(BusError::call("the purge", stream))?;
        let purge = handle.purge().filter(subject).sequence(sequence.min(last.sequence));
        purge.await.map(|_| ()).map_err(BusError::call("the purge", subject))
    }

    async fn handle(&self, stream: &str) -> Result<jetstream::stream::Stream<()>, BusError> {
        self.inner.jetstream.get_stream_no_info(stream).await.map_err(BusError::call("a read", stream))
    }

    /// Refuses a stream with a difference that can't be changed; adjusts its capacity to the declaration.
    async fn adjust(&self, declared: &Config, found: &Config) -> Result<(), BusError> {
        agrees(declared, found)?;
        if found.max_bytes != declared.max_bytes {
            let updated = Config { max_bytes: declared.max_bytes, ..found.clone() };
            self.inner
                .admin
                .update_stream(updated)
                .await
                .map_err(BusError::call("the update", &declared.name))?;
        }
        Ok(())
    }
}

fn found(got: Result<Stored, DirectGetError>, subject: &str) -> Result<Option<Stored>, BusError> {
    match got {
        Ok(stored) => Ok(Some(stored)),
        Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
        Err(error) => Err(BusError::call("a read", subject)(error)),
    }
}

/// Refuses a stream with a difference that can't be changed.
fn agrees(declared: &Config, found: &Config) -> Result<(), BusError> {
    match difference(declared, found) {
        None => Ok(()),
        Some((what, found, declared_value, remedy)) => {
            let stream = declared.name.clone();
            Err(BusError::Different { stream, what, found, declared: declared_value, remedy })
        }
    }
}

/// The first difference: the property, the found value, the declared value, and the remedy.
fn difference(declared: &Config, found: &Config) -> Option<(&'static str, String, String, &'static str)> {
    const CHOSEN_ONCE: &str = "it is chosen once: set it back, or begin with an empty broker";
    const FOREIGN: &str = "it is not ours or was changed by hand: change it back, or use another broker";
    let metadata =
        |config: &Config, key| config.metadata.get(key).cloned().unwrap_or_else(|| "no".to_owned());
    for (key, what) in [(layout::PARTITIONS_KEY, "partitions"), (layout::STREAMS_KEY, "streams per feed")] {
        if declared.metadata.contains_key(key) && metadata(declared, key) != metadata(found, key) {
            return Some((what, metadata(found, key), metadata(declared, key), CHOSEN_ONCE));
        }
    }
    let shape = |config: &Config| {
        let mut subjects = config.subjects.clone();
        subjects.sort_unstable();
        [
            ("subjects", subjects.join(" ")),
            ("retention", format!("{:?}", config.retention)),
            ("discard", format!("{:?}", config.discard)),
            ("storage", format!("{:?}", config.storage)),
            ("persistence", format!("{:?}", config.persist_mode.unwrap_or_default())),
            ("replicas", config.num_replicas.to_string()),
            ("direct reads", config.allow_direct.to_string()),
            ("time to live", config.allow_message_ttl.to_string()),
            ("messages per subject", config.max_messages_per_subject.max(-1).to_string()),
            ("maximum age", format!("{:?}", config.max_age)),
        ]
    };
    let windows = (declared.duplicate_window, found.duplicate_window);
    if !windows.0.is_zero() && windows.0 != windows.1 {
        return Some((
            "a duplicate window of",
            format!("{:?}", windows.1),
            format!("{:?}", windows.0),
            FOREIGN,
        ));
    }
    let mut pairs = shape(declared).into_iter().zip(shape(found));
    pairs.find(|(a, b)| a.1 != b.1).map(|((what, declared), (_, found))| (what, found, declared, FOREIGN))
}
