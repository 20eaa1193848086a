//! Reading a subject of a stream, in order, each message once, over restarts of the server and lost connections.

use crate::{Bus, BusError, Feed, Message, Start, message::Stored};
use async_nats::{
    connection::State,
    jetstream::{
        self,
        consumer::{
            AckPolicy, DeliverPolicy,
            pull::{self, MessagesError, MessagesErrorKind},
        },
    },
};
use futures::{FutureExt, StreamExt};
use model::Partition;
use std::{collections::VecDeque, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};

/// The number of batches that are asked for at once. Up to half as many again are on their way: at 512 KiB each that is
/// 12 MiB. A larger delivery is a batch of its own: of those that have 4 MiB and can't be compressed it is 96 MiB at
/// worst.
pub(crate) const PULL_BATCHES: usize = 16;
/// How many changes of APPLIED are asked for at once. They come by the dozen and are small; a question costs the server
/// and us as much as several of them.
pub(crate) const PULL_CHANGES: usize = 64;
/// How long the server keeps a question open. A pipeline was once seen to stand still for about as long as questions
/// were open then, 30 seconds (2.15.1, under load; the cause wasn't found): asking anew more often bounds that.
const PULL_LIMIT: Duration = Duration::from_secs(3);
/// How often the server shows that it lives while it has nothing.
const HEARTBEAT: Duration = Duration::from_millis(1400);
/// Time without a message after which the stream is asked for its last one: a reader that the server shows life of and
/// delivers nothing to would stand still for ever.
const QUIET_LIMIT: Duration = Duration::from_secs(10);
/// The same for a caller that has not read for longer than that: there may be a lot that it simply didn't take.
const QUIET_AT_FIRST: Duration = Duration::from_secs(1);
/// After this time without a reader the server forgets it.
const INACTIVE_LIMIT: Duration = Duration::from_secs(30);
/// How long reading is tried to be taken up again before the caller is reported.
const RESUME_LIMIT: Duration = Duration::from_mins(1);
/// The pause before the second attempt; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Reads the batches of a partition.
pub struct Reader {
    follow: Follow,
    bus: Bus,
    feed: Feed,
    partition: Partition,
    /// The messages that were read and aren't given out yet.
    taken: VecDeque<Result<Message, BusError>>,
}

impl Reader {
    pub(crate) fn new(follow: Follow, bus: Bus, feed: Feed, partition: Partition) -> Self {
        Self { follow, bus, feed, partition, taken: VecDeque::new() }
    }

    /// Waits for a batch, then takes all that are there, up to `max_messages`. Dropped half-way, nothing is lost. A
    /// server that is away is waited for, a minute at a time; what was read is not read again. [`BusError::Foreign`]
    /// tells of a message that isn't one of ours; the next call goes on behind it.
    pub async fn waiting(&mut self, max_messages: usize) -> Result<Vec<Message>, BusError> {
        let Self { follow, bus, feed, partition, taken } = self;
        if taken.is_empty() {
            follow.fill(max_messages).await?;
            let read = |stored: &Stored| Message::read_of(*feed, stored);
            taken.extend(follow.ready.drain(..max_messages.min(follow.ready.len())).map(|it| read(&it)));
        }
        // Messages leave `taken` only behind the last point at which this may be dropped.
        let mut ours = 0;
        while let Some(Ok(message)) = taken.get(ours).filter(|_| ours < max_messages) {
            if let Some(foreign) = bus.beyond_raw(*feed, *partition, message).await? {
                taken[ours] = Err(BusError::Foreign(Box::new(foreign)));
                break;
            }
            ours += 1;
        }
        if ours == 0 {
            return taken.pop_front().map_or(Ok(Vec::new()), |first| first.map(|message| vec![message]));
        }
        taken.drain(..ours).collect()
    }
}

/// What is between a stream and whoever reads a subject of it.
pub(crate) struct Follow {
    bus: Bus,
    stream: String,
    subject: String,
    start: Start,
    pull_messages: usize,
    /// Sequence and time of the last message that was delivered.
    last: Option<(u64, i128)>,
    connections: watch::Receiver<u64>,
    pull: Option<Pull>,
    /// How often reading was taken up since the last message.
    resumed: u32,
    /// When it is looked whether the stream has something.
    look_at: Instant,
    ready: VecDeque<Stored>,
}

struct Pull {
    messages: pull::Stream,
    delivered: u64,
    silent: bool,
}

impl Follow {
    /// Begins to read; asks for `pull_messages` at once.
    pub(crate) async fn open(
        bus: Bus,
        stream: String,
        subject: String,
        start: Start,
        pull_messages: usize,
    ) -> Result<Self, BusError> {
        let mut follow = Self {
            connections: bus.connections(),
            bus,
            stream,
            subject,
            start,
            pull_messages,
            last: None,
            pull: None,
            resumed: 0,
            look_at: Instant::now() + QUIET_LIMIT,
            ready: VecDeque::new(),
        };
        follow.begin().await?;
        Ok(follow)
    }

    /// Waits until a message is there, then gathers those that are there too, up to `max`.
    pub(crate) async fn fill(&mut self, max: usize) -> Result<(), BusError> {
        let now = Instant::now();
        if self.look_at <= now {
            self.look_at = now + QUIET_AT_FIRST;
        }
        while self.ready.is_empty() {
            if self.pull.is_none() {
                self.resume().await?;
            }
            let Some(pull) = &mut self.pull else { continue };
            tokio::select! {
                biased;
                item = pull.messages.next() => self.accept(item),
                // What the server knew of us is gone if it was restarted; a new question is cheap.
                Ok(()) = self.connections.changed() => self.pull = None,
                () = sleep_until(self.look_at) => self.look().await,
            }
        }
        while self.ready.len() < max
            && let Some(pull) = &mut self.pull
            && let Some(item) = pull.messages.next().now_or_never()
        {
            self.accept(item);
        }
        Ok(())
    }

    /// Takes what was gathered. A message that can't be read is reported once, as [`BusError::Foreign`], when all
    /// before it is taken; then it is passed over.
    pub(crate) fn take<T>(
        &mut self,
        max: usize,
        read: fn(&Stored) -> Result<T, BusError>,
    ) -> Result<Vec<T>, BusError> {
        let mut taken = Vec::with_capacity(self.ready.len().min(max));
        while taken.len() < max
            && let Some(stored) = self.ready.front()
        {
            match read(stored) {
                Ok(message) => taken.push(message),
                Err(error) if taken.is_empty() => {
                    self.ready.pop_front();
                    return Err(error);
                }
                Err(_) => break,
            }
            self.ready.pop_front();
        }
        Ok(taken)
    }

    /// Takes reading up again if the stream has a message that should have come long ago.
    async fn look(&mut self) {
        self.look_at = Instant::now() + QUIET_LIMIT;
        // What can't be looked at now is looked at the next time.
        let Ok(Some(last)) = self.bus.last(&self.stream, &self.subject).await else { return };
        let next = match (self.last, self.start) {
            (Some((sequence, _)), _) | (None, Start::After(sequence)) => sequence + 1,
            (None, Start::At(sequence)) => sequence,
            (None, Start::First) => 0,
        };
        if last.sequence >= next {
            let (subject, sequence) = (&self.subject, last.sequence);
            tracing::warn!(
                subject,
                sequence,
                "the broker has a message that it doesn't deliver: reading is taken up again"
            );
            self.pull = None;
        }
    }

    fn accept(&mut self, item: Option<Result<jetstream::Message, MessagesError>>) {
        let Some(pull) = &mut self.pull else { return };
        match item {
            Some(Ok(message)) => match Stored::delivered(message) {
                Ok((stored, number)) if number == pull.delivered + 1 => {
                    (pull.delivered, pull.silent, self.resumed) = (number, false, 0);
                    self.last = Some((stored.sequence, stored.nanos));
                    self.look_at = Instant::now() + QUIET_LIMIT;
                    self.ready.push_back(stored);
                }
                // One was dropped on the way.
                Ok(_) | Err(_) => self.pull = None,
            },
            // A busy server misses one now and then.
            Some(Err(error)) if error.kind() == MessagesErrorKind::MissingHeartbeat && !pull.silent => {
                pull.silent = true;
            }
            Some(Err(error)) => {
                tracing::debug!(subject = self.subject, %error, "reading is taken up again");
                self.pull = None;
            }
            None => self.pull = None,
        }
    }

    /// Takes up reading behind the last message that was delivered.
    async fn resume(&mut self) -> Result<(), BusError> {
        let deadline = Instant::now() + RESUME_LIMIT;
        loop {
            if self.resumed > 0 {
                let pause = FIRST_PAUSE.saturating_mul(1 << self.resumed.min(10)).min(MAX_PAUSE);
                sleep(pause.mul_f64(rand::random_range(0.5..=1.0))).await;
            }
            self.resumed = self.resumed.saturating_add(1);
            if self.bus.client().connection_state() != State::Connected {
                // Questions asked meanwhile would all be asked at once later.
                let _ = timeout(MAX_PAUSE, self.connections.changed()).await;
            }
            match self.begin().await {
                Ok(()) => return Ok(()),
                Err(error @ BusError::TailLost { .. }) => return Err(error),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(error) => {
                    tracing::debug!(subject = self.subject, %error, "reading could not be taken up yet");
                }
            }
        }
    }

    async fn begin(&mut self) -> Result<(), BusError> {
        self.connections.mark_unchanged();
        self.verify_end().await?;
        let config = pull::Config {
            deliver_policy: match (self.last, self.start) {
                (Some((sequence, _)), _) | (None, Start::After(sequence)) => {
                    DeliverPolicy::ByStartSequence { start_sequence: sequence + 1 }
                }
                (None, Start::At(sequence)) => {
                    DeliverPolicy::ByStartSequence { start_sequence: sequence.max(1) }
                }
                (None, Start::First) => DeliverPolicy::All,
            },
            ack_policy: AckPolicy::None,
            // With a name, the subject of the call says what is read, and permissions can tell.
            name: Some(format!("{:032x}", rand::random::<u128>())),
            filter_subject: self.subject.clone(),
            inactive_threshold: INACTIVE_LIMIT,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let created = self.bus.jetstream().create_consumer_on_stream(config, self.stream.as_str()).await;
        let consumer = created.map_err(BusError::call("a reader", &self.subject))?;
        let stream = consumer
            .stream()
            .max_messages_per_batch(self.pull_messages)
            .expires(PULL_LIMIT)
            .heartbeat(HEARTBEAT);
        let messages = stream.messages().await.map_err(BusError::call("a reader", &self.subject))?;
        self.pull = Some(Pull { messages, delivered: 0, silent: false });
        Ok(())
    }

    /// A stream that was not synced may end earlier after a crash, and then grow again by other messages: whoever
    /// asked for what comes next by sequence alone would pass over them.
    async fn verify_end(&self) -> Result<(), BusError> {
        let sequence = match (self.last, self.start) {
            (None, Start::First | Start::At(0 | 1) | Start::After(0)) => return Ok(()),
            (None, Start::At(sequence)) => sequence - 1,
            (None, Start::After(sequence)) => sequence,
            (Some((sequence, nanos)), _) => match self.bus.at(&self.stream, sequence).await? {
                Some(stored) if stored.nanos == nanos => return Ok(()),
                Some(_) => return Err(self.tail_lost(sequence)),
                // Purged, or lost.
                None => sequence,
            },
        };
        let info = self.bus.stream_info(&self.stream).await?;
        if info.is_some_and(|info| info.state.last_sequence >= sequence) {
            Ok(())
        } else {
            Err(self.tail_lost(sequence))
        }
    }

    fn tail_lost(&self, sequence: u64) -> BusError {
        BusError::TailLost { subject: self.subject.clone(), sequence }
    }
}
