use crate::{BusError, Feed, Foreign};
use async_nats::{
    HeaderMap,
    jetstream::{self, message::StreamMessage},
};
use bytes::Bytes;
use model::{Position, Timestamp};

const MESSAGE_ID: &str = "Nats-Msg-Id";
const EXPECTED_SEQUENCE: &str = "Nats-Expected-Last-Subject-Sequence";
pub(crate) const RAW_POSITION: &str = "tf-raw-pos";
pub(crate) const FROM_POSITION: &str = "tf-from-pos";
pub(crate) const INPUT_SEQUENCE: &str = "tf-input-seq";
pub(crate) const RECORDS: &str = "tf-records";
pub(crate) const RECORDS_TOTAL: &str = "tf-records-total";

/// Start of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the first message that is still stored.
    First,
    /// Behind the message with this sequence.
    After(u64),
    /// At the message with this sequence, or the first one behind it.
    At(u64),
}

/// A batch of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its sequence in the stream; grows within a partition, with gaps.
    pub sequence: u64,
    /// The batch.
    pub payload: Bytes,
    /// The position behind which the batch begins: the end of the batch before it, unless input between them was
    /// missing. `None` in RAW.
    pub from: Option<Position>,
    /// The highest position that the batch covers. `None` in RAW.
    pub covers: Option<Position>,
    /// The sequence of the input message that the batch was made of. `None` in RAW.
    pub input_sequence: Option<u64>,
    /// Number of records in the batch.
    pub records: u32,
    /// Number of records in the partition up to and including this batch. `None` in RAW.
    pub records_total: Option<u64>,
    /// Time at which the broker stored it.
    pub published_at: Timestamp,
}

impl Message {
    /// Reads a message of a feed; [`BusError::Foreign`] if its headers are not those of the feed.
    pub(crate) fn read_of(feed: Feed, stored: &Stored) -> Result<Self, BusError> {
        match feed {
            Feed::Raw => Self::read_raw(stored),
            Feed::Normalized | Feed::Unique | Feed::Enriched => Self::read_derived(stored),
        }
    }

    pub(crate) fn read_raw(stored: &Stored) -> Result<Self, BusError> {
        stored.header(MESSAGE_ID).ok_or_else(|| stored.malformed(MESSAGE_ID))?;
        for name in [FROM_POSITION, RAW_POSITION, INPUT_SEQUENCE, RECORDS_TOTAL] {
            if stored.header(name).is_some() {
                return Err(stored.malformed(name));
            }
        }
        Self::read(stored)
    }

    /// Reads a batch of a derived feed. Each append to such a feed carries the sequence that it expects, and the broker
    /// has compared it.
    pub(crate) fn read_derived(stored: &Stored) -> Result<Self, BusError> {
        let expected: Option<u64> = stored.number(EXPECTED_SEQUENCE)?;
        let message = Self::read(stored)?;
        let wrong = if expected.is_none_or(|expected| expected >= stored.sequence) {
            EXPECTED_SEQUENCE
        } else if message.covers.is_none() {
            RAW_POSITION
        } else if message.from.is_none_or(|from| message.covers < Some(from)) {
            FROM_POSITION
        } else if message.input_sequence.is_none() {
            INPUT_SEQUENCE
        } else if message.records_total.is_none_or(|total| total < u64::from(message.records)) {
            RECORDS_TOTAL
        } else {
            return Ok(message);
        };
        Err(stored.malformed(wrong))
    }

    fn read(stored: &Stored) -> Result<Self, BusError> {
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

/// A stored message, delivered by a consumer or read directly.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) stream: String,
    pub(crate) subject: String,
    pub(crate) sequence: u64,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Bytes,
    /// Time of storage, in nanoseconds since 1970; with the sequence, it identifies the message.
    pub(crate) nanos: i128,
}

impl Stored {
    /// The value of a header, if it is there.
    pub(crate) fn header(&self, name: &'static str) -> Option<&str> {
        self.headers.get(name).map(async_nats::HeaderValue::as_str)
    }

    /// The value of a header, parsed.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &'static str) -> Result<Option<T>, BusError> {
        self.header(name).map(|text| text.parse().map_err(|_| self.malformed(name))).transpose()
    }

    pub(crate) fn malformed(&self, part: &'static str) -> BusError {
        BusError::Foreign(Box::new(Foreign::of(self, &format!("it has no valid {part}"))))
    }

    pub(crate) fn published_at(&self) -> Timestamp {
        Timestamp::from_micros(i64::try_from(self.nanos / 1000).unwrap_or(i64::MAX))
    }

    /// Converts a message that a consumer delivered; also returns its number among the consumer's deliveries.
    pub(crate) fn delivered(message: jetstream::Message) -> Result<(Self, u64), async_nats::Error> {
        let (stream, sequence, number, nanos) = {
            let info = message.info()?;
            let nanos = info.published.unix_timestamp_nanos();
            (info.stream.to_owned(), info.stream_sequence, info.consumer_sequence, nanos)
        };
        let message = message.message;
        let (subject, headers) = (message.subject.to_string(), message.headers.unwrap_or_default());
        Ok((Self { stream, subject, sequence, headers, payload: message.payload, nanos }, number))
    }

    /// Converts a message that was read directly.
    pub(crate) fn got(stream: &str, message: StreamMessage) -> Self {
        Self {
            stream: stream.to_owned(),
            subject: message.subject.to_string(),
            sequence: message.sequence,
            headers: message.headers,
            payload: message.payload,
            nanos: message.time.unix_timestamp_nanos(),
        }
    }
}

/// Returns true if `text` is valid between the dots of a subject: 1 to 64 of A-Z a-z 0-9 _ -.
pub(crate) fn is_token(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// The first `max` characters of `text`, with control characters replaced: its author is unknown.
pub(crate) fn printable(text: &str, max: usize) -> String {
    let print = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().take(max).map(print).collect()
}

/// Returns true if `text` is valid in a header: at most 512 bytes, without control characters.
pub(crate) fn is_header(text: &str) -> bool {
    text.len() <= 512 && !text.chars().any(char::is_control)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A stored message with the sequence 7.
    pub(crate) fn stored(subject: &str, headers: &[(&'static str, &str)], payload: &[u8]) -> Stored {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, *value);
        }
        Stored {
            stream: "STREAM".to_owned(),
            subject: subject.to_owned(),
            sequence: 7,
            headers: map,
            payload: Bytes::copy_from_slice(payload),
            nanos: 0,
        }
    }

    /// The headers with each one left out in turn, and the name of the missing one.
    pub(crate) fn without_each<'a>(
        headers: &'a [(&'static str, &'a str)],
    ) -> impl Iterator<Item = (&'static str, Vec<(&'static str, &'a str)>)> {
        let without = |name| headers.iter().filter(|(other, _)| *other != name).copied().collect();
        headers.iter().map(move |(name, _)| (*name, without(*name)))
    }

    #[test]
    fn a_message_of_raw_has_an_id_a_number_of_records_and_no_header_of_a_derived_batch() {
        let read = |headers: &[_]| Message::read_of(Feed::Raw, &stored("pos.raw.3", headers, b""));
        let good = [(MESSAGE_ID, "a"), (RECORDS, "1")];
        assert_eq!(read(&good).unwrap().records, 1);
        for (name, headers) in without_each(&good) {
            assert!(matches!(read(&headers), Err(BusError::Foreign(_))), "without {name}");
        }
        for derived in
            [(FROM_POSITION, "1.0.0"), (RAW_POSITION, "1.0.0"), (INPUT_SEQUENCE, "1"), (RECORDS_TOTAL, "1")]
        {
            let headers = [good[0], good[1], derived];
            assert!(matches!(read(&headers), Err(BusError::Foreign(_))), "with {}", derived.0);
        }
    }

    #[test]
    fn a_derived_batch_has_all_its_headers_and_none_says_what_cannot_be() {
        let read = |headers: &[_]| Message::read_of(Feed::Unique, &stored("pos.unique.3", headers, b""));
        let good = [
            (EXPECTED_SEQUENCE, "6"),
            (FROM_POSITION, "1.0.0"),
            (RAW_POSITION, "2.0.0"),
            (INPUT_SEQUENCE, "5"),
            (RECORDS, "1"),
            (RECORDS_TOTAL, "1"),
        ];
        assert_eq!(read(&good).unwrap().input_sequence, Some(5));
        for (name, headers) in without_each(&good) {
            assert!(matches!(read(&headers), Err(BusError::Foreign(_))), "without {name}");
        }
        for (name, value) in [
            (EXPECTED_SEQUENCE, "7"),
            (EXPECTED_SEQUENCE, "x"),
            (FROM_POSITION, "3.0.0"),
            (RAW_POSITION, "2.0"),
            (INPUT_SEQUENCE, "-1"),
            (RECORDS, "2"),
            (RECORDS_TOTAL, "0"),
        ] {
            let headers = good.map(|header| if header.0 == name { (name, value) } else { header });
            assert!(matches!(read(&headers), Err(BusError::Foreign(_))), "{name}: {value}");
        }
    }
}
