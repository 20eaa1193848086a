//! Foreign messages: messages in our streams that are not Tillflow's. This module detects, describes and records them.
//!
//! A user that may publish on a stream's subject may append to the stream. A reader skips and records such a message;
//! the message never counts as progress, and never stops a reader.

use crate::{
    AppendError, AppliedMessage, Bus, BusError, DeadMessage, Feed, Message, Start,
    follow::{Follow, PULL_BATCHES},
    layout::{APPLIED, DEAD, FOREIGN},
    message::{Stored, is_token, printable},
    publish,
};
use async_nats::jetstream::message::PublishMessage;
use model::{Partition, PartitionCount, RawDigest, Timestamp};
use serde::{Deserialize, Serialize};

/// Upper limit of consecutive foreign messages of one subject that a search skips.
const PASSED_OVER_MAX: usize = 100_000;
/// The number of sequences in the first backward step of the search for the last message of ours; it doubles.
const FIRST_STEP: u64 = 16;
const MAX_STEP: u64 = 512;
/// Upper limit of records that are listed.
const LISTED_MAX: usize = 1000;
/// The number of records that are read at once.
const READ_MESSAGES: usize = 64;
/// The number of hexadecimal digits of a digest in the subject of a record.
const SUBJECT_DIGITS: usize = 16;
/// Upper limits of the texts that a record quotes, in characters.
const SUBJECT_MAX: usize = 256;
const REASON_MAX: usize = 512;

/// Decides by a message's content if it is one of ours, beyond the check of its subject and headers. Without a clock
/// or I/O.
pub trait MessageValidator: Send + Sync + 'static {
    /// Refuses, with the reason, a message that isn't a batch of that feed and partition.
    fn batch(
        &self,
        feed: Feed,
        partition: Partition,
        partitions: PartitionCount,
        message: &Message,
    ) -> Result<(), String>;
    /// Refuses, with the reason, a message that isn't a committed change.
    fn applied(&self, partitions: PartitionCount, message: &AppliedMessage) -> Result<(), String>;
    /// Refuses, with the reason, a message that isn't a dead letter.
    fn dead(&self, message: &DeadMessage) -> Result<(), String>;
}

/// A foreign message. Its payload is not part of this description: it stays in its stream until that is purged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreign {
    /// The stream that holds it.
    pub stream: String,
    /// Its subject, with control characters replaced.
    pub subject: String,
    /// Its sequence in the stream.
    pub sequence: u64,
    /// Time at which the broker stored it, in microseconds since 1970.
    pub stored_at_micros: i64,
    /// The size of its payload, in bytes.
    pub bytes: usize,
    /// The SHA-256 of its payload, in hexadecimal.
    pub digest: String,
    /// The reason why it is foreign; quotes no payload.
    pub reason: String,
}

impl Foreign {
    pub(crate) fn of(stored: &Stored, reason: &str) -> Self {
        Self::new(
            &stored.stream,
            &stored.subject,
            stored.sequence,
            stored.published_at(),
            &stored.payload,
            reason,
        )
    }

    fn new(
        stream: &str,
        subject: &str,
        sequence: u64,
        stored_at: Timestamp,
        payload: &[u8],
        reason: &str,
    ) -> Self {
        Self {
            stream: stream.to_owned(),
            subject: printable(subject, SUBJECT_MAX),
            sequence,
            stored_at_micros: stored_at.as_micros(),
            bytes: payload.len(),
            digest: RawDigest::of(payload).to_string(),
            reason: printable(reason, REASON_MAX),
        }
    }

    /// Time at which the broker stored it.
    pub fn stored_at(&self) -> Timestamp {
        Timestamp::from_micros(self.stored_at_micros)
    }
}

impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { stream, subject, sequence, reason, .. } = self;
        write!(f, "message {sequence} of {stream} on {subject} is not ours: {reason}")
    }
}

/// The record of a foreign message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignRecord {
    /// The stage that found it first.
    pub stage: String,
    /// The message.
    pub message: Foreign,
}

/// The kind of message that a stream's subject is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Holding {
    /// Batches of a partition.
    Batches(Feed, Partition),
    /// Committed changes.
    Applied,
    /// Dead letters.
    Dead,
}

impl Bus {
    /// Describes a batch that was read and proved to be foreign.
    pub fn foreign_batch(
        &self,
        feed: Feed,
        partition: Partition,
        message: &Message,
        reason: &str,
    ) -> Foreign {
        let stream = self.layout().stream_of(feed, partition);
        let Message { sequence, published_at, payload, .. } = message;
        Foreign::new(&stream, &feed.subject(partition), *sequence, *published_at, payload, reason)
    }

    pub(crate) fn foreign_applied(message: &AppliedMessage, reason: &str) -> Foreign {
        let AppliedMessage { partition, store, entity, change, .. } = message;
        let subject = format!("pos.applied.{partition}.{store}.{entity}.{change}");
        Foreign::new(APPLIED, &subject, message.sequence, message.stored_at, &message.payload, reason)
    }

    pub(crate) fn foreign_dead(message: &DeadMessage, reason: &str) -> Foreign {
        let DeadMessage { stage, class, store, .. } = message;
        let subject = format!("pos.dead.{stage}.{class}.{store}");
        Foreign::new(DEAD, &subject, message.sequence, message.published_at, &message.payload, reason)
    }

    /// The description of a stored message with the reason why it is foreign; `None` if it is ours.
    pub(crate) async fn foreign_reason(
        &self,
        holding: Holding,
        stored: &Stored,
    ) -> Result<Option<Foreign>, BusError> {
        let foreign = |error| match error {
            BusError::Foreign(foreign) => Ok(Some(*foreign)),
            error => Err(error),
        };
        let validated = match holding {
            Holding::Batches(feed, partition) => {
                let message = match Message::read_of(feed, stored) {
                    Ok(message) => message,
                    Err(error) => return foreign(error),
                };
                if let Some(beyond) = self.beyond_raw(feed, partition, &message).await? {
                    return Ok(Some(beyond));
                }
                let partitions = self.partitions();
                self.validator().map(|validator| validator.batch(feed, partition, partitions, &message))
            }
            Holding::Applied => {
                let message = match AppliedMessage::read(stored) {
                    Ok(message) => message,
                    Err(error) => return foreign(error),
                };
                self.validator().map(|validator| validator.applied(self.partitions(), &message))
            }
            Holding::Dead => {
                let message = match DeadMessage::read(stored) {
                    Ok(message) => message,
                    Err(error) => return foreign(error),
                };
                self.validator().map(|validator| validator.dead(&message))
            }
        };
        Ok(validated.and_then(Result::err).map(|reason| Foreign::of(stored, &reason)))
    }

    /// The description of a batch that claims to cover more than RAW has ever stored: it is foreign. Without a validator
    /// this is not checked.
    pub(crate) async fn beyond_raw(
        &self,
        feed: Feed,
        partition: Partition,
        message: &Message,
    ) -> Result<Option<Foreign>, BusError> {
        let Some(covers) = message.covers.filter(|_| self.validator().is_some()) else { return Ok(None) };
        if self.raw_reaches(feed, partition, covers.raw_sequence).await? {
            return Ok(None);
        }
        let reason = "it covers what RAW has not taken";
        Ok(Some(self.foreign_batch(feed, partition, message, reason)))
    }

    /// The last message of ours on a subject, which may have wildcards. Steps backward over foreign ones.
    pub(crate) async fn last_ours(
        &self,
        stream: &str,
        subject: &str,
        holding: Holding,
    ) -> Result<Option<Stored>, BusError> {
        let Some(last) = self.last(stream, subject).await? else { return Ok(None) };
        if self.foreign_reason(holding, &last).await?.is_none() {
            return Ok(Some(last));
        }
        let first = self.stream_info(stream).await?.map_or(1, |info| info.state.first_sequence.max(1));
        let (mut end, mut step, mut passed_over) = (last.sequence, FIRST_STEP, 1);
        while end > first {
            let begin = end.saturating_sub(step).max(first);
            let (mut at, mut found) = (begin, None);
            while let Some(stored) =
                self.next(stream, subject, at).await?.filter(|stored| stored.sequence < end)
            {
                at = stored.sequence + 1;
                if self.foreign_reason(holding, &stored).await?.is_none() {
                    found = Some(stored);
                } else {
                    passed_over += 1;
                    bounded(subject, passed_over)?;
                }
            }
            if found.is_some() {
                return Ok(found);
            }
            (end, step) = (begin, (step * 2).min(MAX_STEP));
        }
        Ok(None)
    }

    /// The first message of ours on a subject, at or behind a sequence.
    pub(crate) async fn next_ours(
        &self,
        stream: &str,
        subject: &str,
        holding: Holding,
        from: u64,
    ) -> Result<Option<Stored>, BusError> {
        let mut at = from;
        for passed_over in 0.. {
            bounded(subject, passed_over)?;
            let Some(stored) = self.next(stream, subject, at).await? else { break };
            if self.foreign_reason(holding, &stored).await?.is_none() {
                return Ok(Some(stored));
            }
            at = stored.sequence + 1;
        }
        Ok(None)
    }

    /// The sequence of a subject's last message, if none behind `sequence` is ours; otherwise `None`.
    pub(crate) async fn end_of_foreign(
        &self,
        stream: &str,
        subject: &str,
        holding: Holding,
        sequence: u64,
    ) -> Result<Option<u64>, BusError> {
        if self.next_ours(stream, subject, holding, sequence + 1).await?.is_some() {
            return Ok(None);
        }
        Ok(Some(self.last(stream, subject).await?.map_or(0, |last| last.sequence)))
    }

    /// Records a foreign message; returns true if it wasn't recorded before. The record is kept for 30 days, or until
    /// the stream of records is full.
    pub async fn record_foreign(&self, stage: &str, message: &Foreign) -> Result<bool, AppendError> {
        if !is_token(stage) || !is_token(&message.stream) {
            return Err(AppendError::Token { what: "a stage or stream" });
        }
        let Foreign { stream, sequence, digest, .. } = message;
        let digits = digest.get(..SUBJECT_DIGITS).unwrap_or_default();
        let subject = format!("pos.foreign.{stream}.{sequence}.{digits}");
        let record = ForeignRecord { stage: stage.to_owned(), message: message.clone() };
        let payload = serde_json::to_vec(&record).unwrap_or_default();
        let bytes = payload.len();
        let publish = PublishMessage::build().payload(payload.into()).expected_last_subject_sequence(0);
        match publish::publish_until_known(self, &subject, &publish, bytes).await {
            Ok(_) => Ok(true),
            Err(AppendError::Fenced) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The newest records of foreign messages, oldest first: at most a thousand, and none on a broker whose streams
    /// aren't declared yet.
    pub async fn foreign_records(&self) -> Result<Vec<ForeignRecord>, BusError> {
        const ALL: &str = "pos.foreign.>";
        if self.stream_info(FOREIGN).await?.is_none() {
            return Ok(Vec::new());
        }
        let Some(last) = self.last(FOREIGN, ALL).await? else { return Ok(Vec::new()) };
        let begin = last.sequence.saturating_sub(LISTED_MAX as u64 - 1).max(1);
        let start = Start::At(begin);
        let mut follow =
            Follow::open(self.clone(), FOREIGN.to_owned(), ALL.to_owned(), start, PULL_BATCHES).await?;
        let mut records = Vec::new();
        loop {
            follow.fill(READ_MESSAGES).await?;
            let read = |stored: &Stored| Ok((stored.sequence, read_record(stored)));
            for (sequence, record) in follow.take(READ_MESSAGES, read)? {
                records.push(record);
                if sequence >= last.sequence {
                    return Ok(records);
                }
            }
        }
    }
}

/// Reads a record; a message that is no valid record is described as a foreign message itself.
pub(crate) fn read_record(stored: &Stored) -> ForeignRecord {
    let clean = |record: ForeignRecord| ForeignRecord {
        stage: printable(&record.stage, SUBJECT_MAX),
        message: Foreign {
            stream: printable(&record.message.stream, SUBJECT_MAX),
            subject: printable(&record.message.subject, SUBJECT_MAX),
            digest: printable(&record.message.digest, SUBJECT_MAX),
            reason: printable(&record.message.reason, REASON_MAX),
            ..record.message
        },
    };
    serde_json::from_slice(&stored.payload).map_or_else(
        |_| ForeignRecord {
            stage: "records".to_owned(),
            message: Foreign::of(stored, "it is no record of a foreign message"),
        },
        clean,
    )
}

fn bounded(subject: &str, passed_over: usize) -> Result<(), BusError> {
    if passed_over < PASSED_OVER_MAX {
        return Ok(());
    }
    let source = format!("more than {PASSED_OVER_MAX} foreign messages in a row");
    Err(BusError::call("a search", subject)(source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::stored;

    #[test]
    fn what_a_record_quotes_of_others_has_no_controls_and_an_end() {
        let long = format!("pos.raw.\x1b[31m{}", "x".repeat(1000));
        let foreign = Foreign::of(&stored(&long, &[], b"secret"), "because\nof this");
        assert_eq!(foreign.subject.chars().count(), SUBJECT_MAX);
        assert_eq!((foreign.bytes, foreign.reason.contains('\n')), (6, false));
        // A record that somebody else wrote has both; it is read with the same replacements and limits.
        let hostile = Foreign { subject: long, reason: "\x1b[31m".to_owned(), ..foreign };
        let record = ForeignRecord { stage: "\x1b[31m".to_owned(), message: hostile };
        let payload = serde_json::to_vec(&record).unwrap();
        let read = read_record(&stored("pos.foreign.RAW-0.1.0", &[], &payload));
        let Foreign { subject, reason, .. } = &read.message;
        assert_eq!(subject.chars().count(), SUBJECT_MAX);
        assert!([&read.stage, subject, reason].iter().all(|text| !text.contains('\x1b')), "{read:?}");
        assert_eq!(read_record(&stored("pos.foreign.x", &[], b"\x1b[31m")).stage, "records");
    }
}
