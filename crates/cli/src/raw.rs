//! Reads RAW from one end to the other.

use crate::{failure::Failed, output};
use bus::{Bus, BusError, Feed, Foreign, Message, Reader, Start};
use model::{Delivery, Partition, Position};
use runner::{Positioned, batch_of};

/// Upper limit of messages that are read at once.
const MESSAGES_MAX: usize = 16;

/// Reads the messages that a partition of RAW has at the time of opening.
pub(crate) struct RawReader {
    bus: Bus,
    partition: Partition,
    reader: Option<Reader>,
    /// The sequence behind which it begins.
    first: u64,
    last: u64,
}

impl RawReader {
    /// Begins at the first stored message behind `after`.
    pub(crate) async fn open(bus: &Bus, partition: Partition, after: Position) -> Result<Self, Failed> {
        let last = bus.last_sequence(Feed::Raw, partition).await?;
        let bus = bus.clone();
        if last <= after.raw_sequence {
            return Ok(Self { bus, partition, reader: None, first: last, last });
        }
        let start =
            if after == Position::default() { Start::First } else { Start::After(after.raw_sequence) };
        let reader = Some(bus.read(Feed::Raw, partition, start).await?);
        Ok(Self { bus, partition, reader, first: after.raw_sequence, last })
    }

    /// Number of sequences of the stream to read over, including those of other partitions.
    pub(crate) const fn span(&self) -> u64 {
        self.last.saturating_sub(self.first)
    }

    /// Returns the next messages, decoded, in order, including foreign ones; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Vec<RawMessage>, Failed> {
        let Some(reader) = &mut self.reader else { return Ok(Vec::new()) };
        let read = |message| RawMessage::read(&self.bus, self.partition, &message);
        let mut messages: Vec<RawMessage> = match reader.waiting(MESSAGES_MAX).await {
            Err(BusError::Foreign(foreign)) => vec![RawMessage::foreign(*foreign)],
            taken => taken?.into_iter().map(read).collect(),
        };
        messages.retain(|message| message.sequence <= self.last);
        if messages.last().is_none_or(|message| message.sequence >= self.last) {
            self.reader = None;
        }
        Ok(messages)
    }
}

/// A batch of deliveries.
pub(crate) struct RawMessage {
    pub(crate) sequence: u64,
    /// Empty for a foreign message.
    pub(crate) deliveries: Vec<Positioned<Delivery>>,
    /// The reason why it is foreign.
    pub(crate) foreign: Option<Foreign>,
}

impl RawMessage {
    fn read(bus: &Bus, partition: Partition, message: &Message) -> Self {
        match batch_of::<Delivery>(bus, Feed::Raw, partition, message) {
            Ok(batch) => Self { sequence: message.sequence, deliveries: batch.records, foreign: None },
            Err(foreign) => Self::foreign(foreign),
        }
    }

    fn foreign(foreign: Foreign) -> Self {
        output::progress(&format!("skipped a foreign message: {foreign}"));
        Self { sequence: foreign.sequence, deliveries: Vec::new(), foreign: Some(foreign) }
    }
}
