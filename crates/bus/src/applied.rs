//! APPLIED: the stream of committed changes. It is the public contract.

use crate::{
    AppendError, Bus, BusError, Foreign, PendingAck, Start,
    follow::{Follow, PULL_CHANGES},
    foreign::Holding,
    layout::APPLIED,
    message::{Stored, is_header, is_token},
    publish,
};
use async_nats::{header::NATS_MESSAGE_ID, jetstream::message::PublishMessage};
use bytes::Bytes;
use futures::future::join_all;
use model::{Partition, StoreId, Timestamp, TraceParent};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};

/// Upper limit of unacknowledged changes of a partition, and so the greatest distance of a missing change from the last
/// one. A new publisher publishes that many changes again; their ids prevent a second copy.
pub const APPLIED_WINDOW: i64 = 256;
/// Time limit for a missing change: its publisher sends it again as soon as it detects the failure.
const GAP_LIMIT: Duration = Duration::from_secs(30);
const POSITION: &str = "tf-position";

/// One committed change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedMessage {
    /// The partition.
    pub partition: Partition,
    /// The partition's own count of committed changes, without gaps.
    pub number: i64,
    /// The store whose change it is.
    pub store: StoreId,
    /// The entity that changed: a token.
    pub entity: String,
    /// The kind of the change: a token.
    pub change: String,
    /// The permanent id of the change; the broker stores an id once within five minutes.
    pub message_id: String,
    /// The attributes that a consumer needs to handle it without knowledge of Tillflow.
    pub event: CloudEvent,
    /// The change, as protobuf.
    pub payload: Bytes,
    /// Its sequence in the stream; 0 before it is stored.
    pub sequence: u64,
    /// Time at which it was stored.
    pub stored_at: Timestamp,
}

/// The attributes of a `CloudEvent` (1.0, binary mode).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudEvent {
    /// `ce-id`.
    pub id: String,
    /// `ce-type`.
    pub kind: String,
    /// `ce-source`.
    pub source: String,
    /// `ce-time`.
    pub time: Timestamp,
    /// `traceparent`.
    pub trace: Option<TraceParent>,
}

impl AppliedMessage {
    pub(crate) fn read(stored: &Stored) -> Result<Self, BusError> {
        let text = |name| stored.header(name).map(str::to_owned).ok_or_else(|| stored.malformed(name));
        let parts: Vec<&str> = stored.subject.split('.').collect();
        let ["pos", "applied", partition, store, entity, change] = parts[..] else {
            return Err(stored.malformed("subject"));
        };
        Ok(Self {
            partition: Partition(partition.parse().map_err(|_| stored.malformed("partition"))?),
            number: stored.number(POSITION)?.ok_or_else(|| stored.malformed(POSITION))?,
            store: StoreId::new(store).map_err(|_| stored.malformed("store"))?,
            entity: entity.to_owned(),
            change: change.to_owned(),
            message_id: text("Nats-Msg-Id")?,
            event: CloudEvent {
                id: text("ce-id")?,
                kind: text("ce-type")?,
                source: text("ce-source")?,
                time: Timestamp::parse(&text("ce-time")?).map_err(|_| stored.malformed("ce-time"))?,
                trace: stored.header("traceparent").and_then(TraceParent::parse),
            },
            sequence: stored.sequence,
            stored_at: stored.published_at(),
            payload: stored.payload.clone(),
        })
    }

    fn subject(&self) -> Result<String, AppendError> {
        if !is_token(&self.entity) {
            return Err(AppendError::Token { what: "an entity" });
        }
        if !is_token(&self.change) {
            return Err(AppendError::Token { what: "a change" });
        }
        Ok(format!("pos.applied.{}.{}.{}.{}", self.partition, self.store, self.entity, self.change))
    }

    fn publish(&self) -> Result<PublishMessage, AppendError> {
        let event = &self.event;
        if ![&self.message_id, &event.id, &event.kind, &event.source].into_iter().all(|text| is_header(text))
        {
            return Err(AppendError::Token { what: "a header" });
        }
        let message = PublishMessage::build()
            .payload(self.payload.clone())
            .header(NATS_MESSAGE_ID, self.message_id.as_str())
            .header(POSITION, self.number.to_string())
            .header("content-type", "application/protobuf")
            .header("ce-specversion", "1.0")
            .header("ce-id", event.id.as_str())
            .header("ce-type", event.kind.as_str())
            .header("ce-source", event.source.as_str())
            .header("ce-time", event.time.to_string());
        Ok(match &event.trace {
            Some(trace) => message.header("traceparent", trace.as_str()),
            None => message,
        })
    }
}

impl Bus {
    /// Publishes a change and returns its pending acknowledgement. A change that failed must be published again before
    /// more than [`APPLIED_WINDOW`] later ones are; [`Bus::publish_applied_all`] does that.
    pub async fn publish_applied(&self, message: &AppliedMessage) -> Result<PendingAck, AppendError> {
        publish::publish(self, message.subject()?, message.publish()?, message.payload.len()).await
    }

    /// Publishes changes of one partition in their order and waits until all are stored; those with an unknown outcome
    /// are sent again, with their ids, for ten seconds each. After an error, call again with the same changes.
    pub async fn publish_applied_all(&self, messages: &[AppliedMessage]) -> Result<(), AppendError> {
        for window in messages.chunks(usize::try_from(APPLIED_WINDOW).unwrap_or(1)) {
            let mut pending = Vec::with_capacity(window.len());
            for message in window {
                pending.push(self.publish_applied(message).await);
            }
            // Concurrently: when a server dies, no acknowledgement arrives, and the time-outs would add up.
            let acknowledged = join_all(pending.into_iter().map(async |sent| sent?.wait().await)).await;
            for (message, outcome) in window.iter().zip(acknowledged) {
                match outcome {
                    Err(error) if error.is_transient() => {
                        let bytes = message.payload.len();
                        publish::publish_until_known(self, &message.subject()?, &message.publish()?, bytes)
                            .await?;
                    }
                    outcome => outcome?,
                }
            }
        }
        Ok(())
    }

    /// The partition's change that was stored last; foreign messages behind it are skipped.
    pub async fn last_applied(&self, partition: Partition) -> Result<Option<AppliedMessage>, BusError> {
        let last = self.last_ours(APPLIED, &subject_of(partition), Holding::Applied).await?;
        last.as_ref().map(AppliedMessage::read).transpose()
    }

    async fn next_applied(&self, subject: &str, from: u64) -> Result<Option<AppliedMessage>, BusError> {
        let next = self.next_ours(APPLIED, subject, Holding::Applied, from).await?;
        next.as_ref().map(AppliedMessage::read).transpose()
    }

    /// The number behind which a new publisher of the partition begins: [`APPLIED_WINDOW`] before the last stored one,
    /// since an earlier publisher may have died before all of those were stored.
    pub async fn applied_resume(&self, partition: Partition) -> Result<i64, BusError> {
        let last = self.last_applied(partition).await?;
        Ok(last.map_or(0, |last| (last.number - APPLIED_WINDOW).max(0)))
    }

    /// Reads the partition's changes behind the one numbered `after_number`: in order, each once, none missing.
    pub async fn read_applied(
        &self,
        partition: Partition,
        after_number: i64,
    ) -> Result<AppliedReader, BusError> {
        self.read_applied_as(partition, after_number, self.validating()).await
    }

    /// Reads as [`Bus::read_applied`] does, with the result of `read` for each change. `read` takes the place of the
    /// validator, so that no change is decoded twice.
    pub async fn read_applied_as<T>(
        &self,
        partition: Partition,
        after_number: i64,
        read: impl ReadApplied<T>,
    ) -> Result<AppliedReader<T>, BusError> {
        let subject = subject_of(partition);
        let start = self.applied_start(&subject, partition, after_number).await?;
        let follow = Follow::open(self.clone(), APPLIED.to_owned(), subject, start, PULL_CHANGES).await?;
        let sequencer = Sequencer { partition, expected: after_number + 1, buffered: BTreeMap::new() };
        Ok(AppliedReader::new(follow, read, Some(sequencer)))
    }

    /// Reads the changes of all stores, or of one, in the order of storage: a change that had to be sent again may
    /// follow later ones, or occur twice.
    pub async fn read_applied_all(
        &self,
        store: Option<&StoreId>,
        start: Start,
    ) -> Result<AppliedReader, BusError> {
        let subject =
            store.map_or_else(|| "pos.applied.>".to_owned(), |store| format!("pos.applied.*.{store}.>"));
        let follow = Follow::open(self.clone(), APPLIED.to_owned(), subject, start, PULL_CHANGES).await?;
        Ok(AppliedReader::new(follow, self.validating(), None))
    }

    /// Returns a `read` that decodes nothing: it only applies the validator.
    fn validating(&self) -> impl ReadApplied<()> {
        let bus = self.clone();
        move |message: &AppliedMessage| {
            bus.validator().map_or(Ok(()), |validator| validator.applied(bus.partitions(), message))
        }
    }

    /// The sequence of the last message of APPLIED: a read after it returns new changes only.
    pub async fn applied_end(&self) -> Result<u64, BusError> {
        Ok(self.stream_info(APPLIED).await?.map_or(0, |info| info.state.last_sequence))
    }

    /// Removes the partition's changes up to the one numbered `number`, except the window that a new publisher repeats;
    /// the last change always stays.
    pub async fn purge_applied_to(&self, partition: Partition, number: i64) -> Result<(), BusError> {
        let subject = subject_of(partition);
        match self.applied_start(&subject, partition, number).await? {
            Start::At(sequence) => self.purge(APPLIED, &subject, sequence).await,
            Start::First | Start::After(_) => Ok(()),
        }
    }

    /// Fill level of APPLIED, from 0 to 1.
    pub async fn applied_usage(&self) -> Result<f64, BusError> {
        self.usage_of(APPLIED).await
    }

    /// Finds the start of the changes behind `after_number`. Numbers grow with sequences, except those of changes that
    /// were sent again, which are at most one window away.
    async fn applied_start(
        &self,
        subject: &str,
        partition: Partition,
        after_number: i64,
    ) -> Result<Start, BusError> {
        let Some(info) = self.stream_info(APPLIED).await? else { return Ok(Start::First) };
        let (mut low, mut high) = (info.state.first_sequence.max(1), info.state.last_sequence + 1);
        let wanted = after_number.saturating_sub(APPLIED_WINDOW);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.next_applied(subject, middle).await? {
                Some(message) if message.number <= wanted => low = message.sequence + 1,
                Some(_) | None => high = middle,
            }
        }
        match self.next_applied(subject, low).await? {
            Some(first) if first.number > after_number + 1 + APPLIED_WINDOW => {
                Err(BusError::Gap { partition, expected: after_number + 1, found: first.number })
            }
            _ => Ok(Start::At(low)),
        }
    }
}

fn subject_of(partition: Partition) -> String {
    format!("pos.applied.{partition}.>")
}

/// Decodes a change, or refuses a foreign one with the reason.
pub trait ReadApplied<T>: Fn(&AppliedMessage) -> Result<T, String> + Send + Sync + 'static {}

impl<T, F: Fn(&AppliedMessage) -> Result<T, String> + Send + Sync + 'static> ReadApplied<T> for F {}

/// Reads changes, each with its decoded value.
pub struct AppliedReader<T = ()> {
    follow: Follow,
    read: Box<dyn ReadApplied<T>>,
    /// The foreign messages that were read and not reported yet.
    foreign: VecDeque<Foreign>,
    sequencer: Option<Sequencer<T>>,
    /// The missing change, and the deadline for it; a call that is dropped meanwhile does not extend the deadline.
    missing: Option<(i64, Instant)>,
    ready: VecDeque<(AppliedMessage, T)>,
}

impl AppliedReader {
    /// Waits as [`Self::waiting_read`] does, for a reader without decoded values.
    pub async fn waiting(&mut self, max_messages: usize) -> Result<Vec<AppliedMessage>, BusError> {
        let changes = self.waiting_read(max_messages).await?;
        Ok(changes.into_iter().map(|(message, ())| message).collect())
    }
}

impl<T> AppliedReader<T> {
    fn new(follow: Follow, read: impl ReadApplied<T>, sequencer: Option<Sequencer<T>>) -> Self {
        let (foreign, ready) = (VecDeque::new(), VecDeque::new());
        Self { follow, read: Box::new(read), foreign, sequencer, missing: None, ready }
    }

    /// Refuses all changes that wait for a missing one which the event store doesn't have: none of them was committed,
    /// so they are foreign. They are reported as [`BusError::Foreign`].
    pub fn refuse_buffered(&mut self) {
        let buffered = self.sequencer.as_mut().map(|sequencer| std::mem::take(&mut sequencer.buffered));
        let refuse = |(message, _)| Bus::foreign_applied(&message, "no such change was committed");
        self.foreign.extend(buffered.unwrap_or_default().into_values().map(refuse));
        self.missing = None;
    }

    /// Waits for a change, then returns all that are available, up to `max_messages`. A call that is dropped half-way
    /// loses nothing. For a missing change it waits 30 seconds, then returns [`BusError::Gap`]; the event store has the
    /// change. [`BusError::Foreign`] reports a foreign message; the next call continues behind it.
    pub async fn waiting_read(&mut self, max_messages: usize) -> Result<Vec<(AppliedMessage, T)>, BusError> {
        while self.ready.is_empty() {
            if let Some(foreign) = self.foreign.pop_front() {
                return Err(BusError::Foreign(Box::new(foreign)));
            }
            let gap = self.sequencer.as_ref().and_then(|them| Some((them.expected, them.gap()?)));
            match gap {
                None => self.follow.fill(max_messages).await?,
                Some((expected, gap)) => {
                    let known = self.missing.filter(|(missing, _)| *missing == expected);
                    let (_, until) =
                        *self.missing.insert(known.unwrap_or((expected, Instant::now() + GAP_LIMIT)));
                    timeout_at(until, self.follow.fill(max_messages)).await.map_err(|_| gap)??;
                }
            }
            let changes = self.ours(max_messages)?;
            match &mut self.sequencer {
                None => self.ready.extend(changes),
                Some(sequencer) => {
                    for change in changes {
                        sequencer.put(change, &mut self.ready);
                    }
                    sequencer.bounded()?;
                }
            }
        }
        let count = self.ready.len().min(max_messages);
        Ok(self.ready.drain(..count).collect())
    }

    /// Returns the received changes that `read` accepts; the refused ones are reported later.
    fn ours(&mut self, max_messages: usize) -> Result<Vec<(AppliedMessage, T)>, BusError> {
        let taken = self.follow.take(max_messages, AppliedMessage::read)?;
        let mut ours = Vec::with_capacity(taken.len());
        for message in taken {
            match (self.read)(&message) {
                Ok(value) => ours.push((message, value)),
                Err(reason) => self.foreign.push_back(Bus::foreign_applied(&message, &reason)),
            }
        }
        Ok(ours)
    }
}

/// Restores the order of a partition's changes.
struct Sequencer<T> {
    partition: Partition,
    expected: i64,
    buffered: BTreeMap<i64, (AppliedMessage, T)>,
}

impl<T> Sequencer<T> {
    fn put(&mut self, change: (AppliedMessage, T), ready: &mut VecDeque<(AppliedMessage, T)>) {
        if change.0.number >= self.expected {
            self.buffered.insert(change.0.number, change);
        }
        while let Some(change) = self.buffered.remove(&self.expected) {
            self.expected += 1;
            ready.push_back(change);
        }
    }

    fn gap(&self) -> Option<BusError> {
        let found = *self.buffered.keys().next()?;
        Some(BusError::Gap { partition: self.partition, expected: self.expected, found })
    }

    /// Returns [`BusError::Gap`] if a change is missing and later ones are more than two windows ahead: no publisher
    /// may leave it out for so long, so it was never published.
    fn bounded(&self) -> Result<(), BusError> {
        let last = self.buffered.keys().next_back().copied().unwrap_or(self.expected);
        match self.gap() {
            Some(gap) if last > self.expected + 2 * APPLIED_WINDOW => Err(gap),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::{stored, without_each};

    #[test]
    fn a_change_has_the_subject_and_all_headers_of_one() {
        const SUBJECT: &str = "pos.applied.3.shop.inventory.updated";
        let read = |subject: &str, headers: &[_]| AppliedMessage::read(&stored(subject, headers, b""));
        let good = [
            (POSITION, "12"),
            ("Nats-Msg-Id", "id"),
            ("ce-id", "id"),
            ("ce-type", "type"),
            ("ce-source", "source"),
            ("ce-time", "2026-01-01T00:00:00Z"),
        ];
        let change = read(SUBJECT, &good).unwrap();
        assert_eq!(
            (change.partition, change.number, change.entity.as_str()),
            (Partition(3), 12, "inventory")
        );
        for (name, headers) in without_each(&good) {
            assert!(matches!(read(SUBJECT, &headers), Err(BusError::Foreign(_))), "without {name}");
        }
        for (name, value) in [(POSITION, "many"), ("ce-time", "today")] {
            let headers = good.map(|header| if header.0 == name { (name, value) } else { header });
            assert!(matches!(read(SUBJECT, &headers), Err(BusError::Foreign(_))), "{name}: {value}");
        }
        for subject in [
            "pos.applied.3.shop.inventory",
            "pos.applied.3.shop.inventory.updated.x",
            "pos.applied.x.shop.inventory.updated",
            "pos.applied.99999.shop.inventory.updated",
            "pos.applied.3.s!op.inventory.updated",
            "pos.dead.3.shop.inventory.updated",
        ] {
            assert!(matches!(read(subject, &good), Err(BusError::Foreign(_))), "{subject}");
        }
    }
}
