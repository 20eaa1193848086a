//! Reads a subject of a stream: in order, each message once, across restarts of the server and lost connections.

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

/// Number of batches per pull request. Up to half as many again may be in flight: at 512 KiB each, 12 MiB in total.
/// A larger delivery is a batch of its own: with deliveries of 4 MiB that can't be compressed, the total is 96 MiB
/// at worst.
pub(crate) const PULL_BATCHES: usize = 16;
/// Number of changes of APPLIED per pull request. Changes are small and arrive by the dozen; one pull request costs the
/// server and the client as much as several changes.
pub(crate) const PULL_CHANGES: usize = 64;
/// Expiry of a pull request. A pipeline once stalled for about 30 seconds, the expiry at that time (2.15.1, under load;
/// the cause was not found): a shorter expiry bounds such a stall.
const PULL_LIMIT: Duration = Duration::from_secs(3);
/// Interval of the server's heartbeats while it has no message to deliver.
const HEARTBEAT: Duration = Duration::from_millis(1400);
/// Time without a message after which the subject's last one is queried. Without this check, a reader that receives
/// heartbeats and no messages would stall for ever.
const QUIET_LIMIT: Duration = Duration::from_secs(10);
/// The same limit after a pause of the caller that was longer than [`QUIET_LIMIT`]: there may be messages that are only
/// not consumed yet.
const QUIET_AT_FIRST: Duration = Duration::from_secs(1);
/// Time without pull requests after which the server deletes the consumer.
const INACTIVE_LIMIT: Duration = Duration::from_secs(30);
/// Time limit for resuming a read; after it the caller gets the error.
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
    /// The messages that were read and not returned yet.
    taken: VecDeque<Result<Message, BusError>>,
}

impl Reader {
    pub(crate) fn new(follow: Follow, bus: Bus, feed: Feed, partition: Partition) -> Self {
        Self { follow, bus, feed, partition, taken: VecDeque::new() }
    }

    /// Waits for a batch, then returns all that are available, up to `max_messages`. A call that is dropped half-way
    /// loses nothing. While no server is reachable, a call waits up to one minute before it fails; batches that were
    /// read are not read again. [`BusError::Foreign`] reports a foreign message; the next call continues behind it.
    pub async fn waiting(&mut self, max_messages: usize) -> Result<Vec<Message>, BusError> {
        let Self { follow, bus, feed, partition, taken } = self;
        if taken.is_empty() {
            follow.fill(max_messages).await?;
            let read = |stored: &Stored| Message::read_of(*feed, stored);
            taken.extend(follow.ready.drain(..max_messages.min(follow.ready.len())).map(|it| read(&it)));
        }
        // Messages leave `taken` only after the last await, so that a dropped call loses none.
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

/// A read of one subject of a stream: its position, its consumer, and the received messages.
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
    /// Number of attempts to resume since the last message.
    resumed: u32,
    /// Time of the next check for messages that were not delivered.
    look_at: Instant,
    ready: VecDeque<Stored>,
}

struct Pull {
    messages: pull::Stream,
    delivered: u64,
    silent: bool,
}

impl Follow {
    /// Begins to read, with `pull_messages` messages per pull request.
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

    /// Waits for a message, then collects the others that are available, up to `max` in total.
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
                // A restarted server has lost the consumer; a new one is cheap.
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

    /// Returns collected messages. A message that can't be decoded is reported once, as [`BusError::Foreign`], after
    /// all messages before it were returned; then it is skipped.
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

    /// Drops the consumer, to resume with a new one, if the stream has a message that should have been delivered
    /// long ago.
    async fn look(&mut self) {
        self.look_at = Instant::now() + QUIET_LIMIT;
        // A check that fails is repeated after the next interval.
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
                // A delivery was lost in between.
                Ok(_) | Err(_) => self.pull = None,
            },
            // A busy server misses a heartbeat now and then.
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

    /// Resumes behind the last message that was delivered.
    async fn resume(&mut self) -> Result<(), BusError> {
        let deadline = Instant::now() + RESUME_LIMIT;
        loop {
            if self.resumed > 0 {
                let pause = FIRST_PAUSE.saturating_mul(1 << self.resumed.min(10)).min(MAX_PAUSE);
                sleep(pause.mul_f64(rand::random_range(0.5..=1.0))).await;
            }
            self.resumed = self.resumed.saturating_add(1);
            if self.bus.client().connection_state() != State::Connected {
                // Requests made while disconnected would all be sent at once later.
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
            // With a name, the subject of the API call contains the filter subject, so that permissions can
            // restrict it.
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

    /// Verifies that the stream was not cut off at or before the last message that was read. After a crash, a stream
    /// that was not synced may end earlier, and then grow again with other messages: a reader that continued by
    /// sequence alone would skip them.
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
