use crate::BusError;
use async_nats::{
    HeaderMap,
    jetstream::{self, message::StreamMessage},
};
use bytes::Bytes;
use model::{Position, Timestamp};

pub(crate) const RAW_POSITION: &str = "tf-raw-pos";
pub(crate) const FROM_POSITION: &str = "tf-from-pos";
pub(crate) const INPUT_SEQUENCE: &str = "tf-input-seq";
pub(crate) const RECORDS: &str = "tf-records";
pub(crate) const RECORDS_TOTAL: &str = "tf-records-total";

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the first message that is kept.
    First,
    /// Behind the message of this sequence.
    After(u64),
    /// At the message of this sequence, or the first behind it.
    At(u64),
}

/// A batch of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its sequence in the stream; grows within a partition, with gaps.
    pub sequence: u64,
    /// The batch.
    pub payload: Bytes,
    /// The position behind which it begins: what the batch before it covers, unless something was missing between them.
    /// RAW's own batches say none.
    pub from: Option<Position>,
    /// The highest position it covers; RAW's own batches say none.
    pub covers: Option<Position>,
    /// The sequence of the input it was made of; RAW's own batches say none.
    pub input_sequence: Option<u64>,
    /// How many records the batch has.
    pub records: u32,
    /// How many records the partition has had with this batch; RAW's own batches say none.
    pub records_total: Option<u64>,
    /// When the broker stored it.
    pub published_at: Timestamp,
}

impl Message {
    pub(crate) fn read(stored: &Stored) -> Result<Self, BusError> {
        Ok(Self {
            sequence: stored.sequence,
            from: stored.number(FROM_POSITION)?,
            covers: stored.number(RAW_POSITION)?,
            input_sequence: stored.number(INPUT_SEQUENCE)?,
            records: stored.number(RECORDS)?.ok_or_else(|| stored.malformed(RECORDS))?,
            records_total: stored.number(RECORDS_TOTAL)?,
            published_at: stored.published_at(),
            payload: stored.payload.clone(),
        })
    }
}

/// A message as a stream holds it, however it was got.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) subject: String,
    pub(crate) sequence: u64,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Bytes,
    /// When it was stored; with the sequence it tells one message from any other.
    pub(crate) nanos: i128,
}

impl Stored {
    /// The value of a header, if it is there.
    pub(crate) fn header(&self, name: &'static str) -> Option<&str> {
        self.headers.get(name).map(async_nats::HeaderValue::as_str)
    }

    /// The value of a header, read as what it should be.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &'static str) -> Result<Option<T>, BusError> {
        self.header(name).map(|text| text.parse().map_err(|_| self.malformed(name))).transpose()
    }

    pub(crate) fn malformed(&self, part: &'static str) -> BusError {
        BusError::Malformed { subject: self.subject.clone(), sequence: self.sequence, part }
    }

    pub(crate) fn published_at(&self) -> Timestamp {
        Timestamp::from_micros(i64::try_from(self.nanos / 1000).unwrap_or(i64::MAX))
    }

    /// A message that a consumer delivered, and its number among those.
    pub(crate) fn delivered(message: jetstream::Message) -> Result<(Self, u64), async_nats::Error> {
        let (sequence, number, nanos) = {
            let info = message.info()?;
            (info.stream_sequence, info.consumer_sequence, info.published.unix_timestamp_nanos())
        };
        let message = message.message;
        let (subject, headers) = (message.subject.to_string(), message.headers.unwrap_or_default());
        Ok((Self { subject, sequence, headers, payload: message.payload, nanos }, number))
    }
}

impl From<StreamMessage> for Stored {
    fn from(message: StreamMessage) -> Self {
        Self {
            subject: message.subject.to_string(),
            sequence: message.sequence,
            headers: message.headers,
            payload: message.payload,
            nanos: message.time.unix_timestamp_nanos(),
        }
    }
}

/// Whether `text` may stand between the dots of a subject.
pub(crate) fn is_token(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// Whether `text` may stand in a header.
pub(crate) fn is_header(text: &str) -> bool {
    text.len() <= 512 && !text.chars().any(char::is_control)
}
