//! RAW, read from one end to the other.

use crate::{failure::Failed, output};
use bus::{Bus, BusError, Feed, Message, Reader, Start};
use model::{Delivery, Partition, Position};
use runner::{Input as _, Placed};

/// How many messages are taken at once.
const MESSAGES_MAX: usize = 16;

/// Reads what a partition of RAW holds now.
pub(crate) struct RawReader {
    reader: Option<Reader>,
    /// The sequence behind which it begins.
    first: u64,
    last: u64,
}

impl RawReader {
    /// Begins at the first message that is kept behind `after`.
    pub(crate) async fn open(bus: &Bus, partition: Partition, after: Position) -> Result<Self, Failed> {
        let last = bus.tail(Feed::Raw, partition).await?.map_or(0, |tail| tail.sequence);
        if last <= after.raw_sequence {
            return Ok(Self { reader: None, first: last, last });
        }
        let start =
            if after == Position::default() { Start::First } else { Start::After(after.raw_sequence) };
        Ok(Self {
            reader: Some(bus.read(Feed::Raw, partition, start).await?),
            first: after.raw_sequence,
            last,
        })
    }

    /// How many sequences of the stream there are to read over; other partitions' are among them.
    pub(crate) const fn span(&self) -> u64 {
        self.last.saturating_sub(self.first)
    }

    /// The next messages, decoded, in order; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Vec<RawMessage>, Failed> {
        let Some(reader) = &mut self.reader else { return Ok(Vec::new()) };
        let taken = loop {
            match reader.waiting(MESSAGES_MAX).await {
                Err(error @ BusError::Malformed { .. }) => output::progress(&format!("passed over: {error}")),
                taken => break taken?,
            }
        };
        let mut messages: Vec<RawMessage> = taken.into_iter().map(RawMessage::read).collect();
        messages.retain(|message| message.sequence <= self.last);
        if messages.last().is_none_or(|message| message.sequence == self.last) {
            self.reader = None;
        }
        Ok(messages)
    }
}

/// A batch of deliveries.
pub(crate) struct RawMessage {
    pub(crate) sequence: u64,
    /// None of a batch that can't be decoded.
    pub(crate) deliveries: Vec<Placed<Delivery>>,
    /// Why it can't be decoded.
    pub(crate) unreadable: Option<String>,
}

impl RawMessage {
    fn read(message: Message) -> Self {
        let sequence = message.sequence;
        match Delivery::decode(message.payload, sequence) {
            Ok(batch) => Self { sequence, deliveries: batch.records, unreadable: None },
            Err(error) => {
                let text = runner::unreadable(Feed::Raw.as_str(), sequence, &error);
                output::progress(&format!("passed over: {text}"));
                Self { sequence, deliveries: Vec::new(), unreadable: Some(text) }
            }
        }
    }
}
