//! The input that a partition commits at once, and its halves.

use bus::Message;
use bytes::Bytes;
use model::{DroppedInput, Event, Partition, Position, record::WriteLogEntry};
use runner::{Input as _, Positioned};
use store::Cursor;
use wire::DecodeError;

/// The content of a batch, in order.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// The events to decide.
    pub events: Vec<Event>,
    /// Dropped inputs that earlier stages recorded.
    pub dropped_inputs: Vec<DroppedInput>,
    /// Propagate's writes to mirrors, up to the end of the batch; only a replay has them.
    pub write_log: Vec<WriteLogEntry>,
}

impl Content {
    /// Gathers the records behind `from` of consecutive batches, each with its message. After a crash, a broker may
    /// hold two messages of one span.
    pub(crate) fn gather(batches: Vec<(Message, runner::Batch<Event>)>, from: Position) -> (Self, Spare) {
        let (mut content, mut after) = (Self::default(), from);
        let mut spare = Vec::with_capacity(batches.len());
        for (Message { payload, sequence, covers, .. }, batch) in batches {
            content.take(batch, after);
            spare.push(SpareMessage { payload, sequence, after });
            after = after.max(covers.unwrap_or_default());
        }
        (content, Spare::Messages(spare))
    }

    /// Adds the new records of a message of ENRICHED.
    fn add(&mut self, message: SpareMessage) -> Result<(), DecodeError> {
        self.take(Event::decode(message.payload, message.sequence)?, message.after);
        Ok(())
    }

    /// Adds the records behind `after` of a batch.
    fn take(&mut self, batch: runner::Batch<Event>, after: Position) {
        let records = batch.records.into_iter().filter(|record| record.position > after);
        self.events.extend(records.map(|Positioned { value, .. }| value));
        self.dropped_inputs
            .extend(batch.dropped_inputs.into_iter().filter(|dropped_input| dropped_input.position > after));
    }

    pub(crate) fn weight(&self) -> usize {
        self.events.len() + self.dropped_inputs.len()
    }
}

/// A partition's batch.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The partition.
    pub partition: Partition,
    /// The content to commit.
    pub content: Content,
    /// The cursor that the record must have.
    pub from: Cursor,
    /// Last position of the batch, whatever the outcomes of its events.
    pub reaches: Position,
}

/// The source from which a batch's content is built again after the database refused it. The usual path moves events
/// into the record and makes no copy.
pub(crate) enum Spare {
    /// The messages of the batch.
    Messages(Vec<SpareMessage>),
    /// A copy.
    Content(Content),
}

/// A message of a batch.
pub(crate) struct SpareMessage {
    payload: Bytes,
    sequence: u64,
    /// Position behind which its records are new.
    after: Position,
}

impl Spare {
    /// Returns the original content. A message that could not be decoded the first time is left out again.
    pub(crate) fn content(self) -> Content {
        match self {
            Self::Content(content) => content,
            Self::Messages(messages) => {
                let mut content = Content::default();
                for message in messages {
                    content.add(message).ok();
                }
                content
            }
        }
    }
}

/// Halves the input of one commit: first across partitions, then inside one. Returns the batches as `Err` if they
/// contain at most one event or dropped input. The second half begins at the cursor that the commit of the first half
/// leaves behind.
pub(crate) fn halves(mut batches: Vec<Batch>) -> Result<[Vec<Batch>; 2], Vec<Batch>> {
    if batches.len() > 1 {
        let behind = batches.split_off(batches.len() / 2);
        return Ok([batches, behind]);
    }
    let Some(batch) = batches.pop() else { return Err(batches) };
    match inside(batch) {
        Ok([first, second]) => Ok([vec![first], vec![second]]),
        Err(batch) => Err(vec![*batch]),
    }
}

fn inside(batch: Batch) -> Result<[Batch; 2], Box<Batch>> {
    let Content { events, dropped_inputs, .. } = &batch.content;
    let mut positions: Vec<Position> = events.iter().map(|event| event.position).collect();
    positions.extend(dropped_inputs.iter().map(|dropped_input| dropped_input.position));
    positions.sort_unstable();
    positions.dedup();
    if positions.len() < 2 {
        return Err(Box::new(batch));
    }
    let (last, next) = (positions[positions.len() / 2 - 1], positions[positions.len() / 2]);
    let Batch { partition, content, from, reaches } = batch;
    let (events, later_events) = content.events.into_iter().partition(|event| event.position <= last);
    let (dropped_inputs, later_dropped_inputs) =
        content.dropped_inputs.into_iter().partition(|dropped_input| dropped_input.position <= last);
    // An entry of the write log is applied before the first event behind it.
    let (write_log, later_write_log) = content.write_log.into_iter().partition(|entry| entry.after < next);
    let first = Content { events, dropped_inputs, write_log };
    let second =
        Content { events: later_events, dropped_inputs: later_dropped_inputs, write_log: later_write_log };
    Ok([
        Batch { partition, content: first, from, reaches: last },
        Batch { partition, content: second, from, reaches },
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{ConnectionId, DeliveryId, Origin, Outcome, PlatformName, StoreId, TenantId, Timestamp};
    use runner::Output as _;

    fn dropped_input(raw_sequence: u64) -> DroppedInput {
        DroppedInput {
            position: Position { raw_sequence, delivery: 0, event: 0 },
            origin: Origin {
                tenant: TenantId::new("t").unwrap(),
                store: StoreId::new("s").unwrap(),
                connection: ConnectionId::new("c").unwrap(),
                platform: PlatformName::new("shopify").unwrap(),
            },
            delivery: DeliveryId::from_bytes([1; 16]),
            event: None,
            stage: "normalize".into(),
            outcome: Outcome::Filtered,
            reason: "".into(),
            received_at: Timestamp::from_micros(1),
        }
    }

    fn message(sequence: u64, positions: std::ops::RangeInclusive<u64>) -> Message {
        let reported: Vec<_> = positions.clone().map(dropped_input).collect();
        Message {
            sequence,
            payload: Event::encode(&[], &reported),
            from: Some(dropped_input(positions.start() - 1).position),
            covers: Some(dropped_input(*positions.end()).position),
            input_sequence: Some(sequence),
            records: 0,
            records_total: Some(0),
            published_at: Timestamp::from_micros(1),
        }
    }

    #[test]
    fn a_span_that_two_messages_hold_is_taken_once_whatever_the_batch_is_made_of() {
        let messages = vec![message(1, 1..=4), message(2, 3..=6), message(3, 2..=5), message(4, 7..=7)];
        let decoded = |message: Message| {
            let batch = Event::decode(message.payload.clone(), message.sequence).unwrap();
            (message, batch)
        };
        let batches = messages.into_iter().map(decoded).collect();
        let (content, spare) = Content::gather(batches, dropped_input(1).position);
        for content in [content, spare.content()] {
            let positions: Vec<_> = content
                .dropped_inputs
                .iter()
                .map(|dropped_input| dropped_input.position.raw_sequence)
                .collect();
            assert_eq!(positions, [2, 3, 4, 5, 6, 7]);
        }
    }

    fn batch(partition: u16, sequences: std::ops::RangeInclusive<u64>) -> Batch {
        let reaches = Position { raw_sequence: *sequences.end(), delivery: u32::MAX, event: u32::MAX };
        let content =
            Content { dropped_inputs: sequences.map(dropped_input).collect(), ..Content::default() };
        Batch { partition: Partition(partition), content, from: Cursor::default(), reaches }
    }

    /// Returns the parts that can't be halved, in the order in which they are tried, and the number of halvings.
    fn alone(batches: Vec<Batch>) -> (Vec<Batch>, usize) {
        let (mut parts, mut alone, mut halvings) = (vec![batches], Vec::new(), 0);
        while let Some(part) = parts.pop() {
            match halves(part) {
                Ok([first, second]) => {
                    halvings += 1;
                    parts.extend([second, first]);
                }
                Err(single) => alone.extend(single),
            }
        }
        (alone, halvings)
    }

    #[test]
    fn halving_ends_with_each_alone_in_order_and_leaves_nothing_out() {
        let (alone, halvings) = alone(vec![batch(1, 1..=100), batch(2, 7..=7), batch(3, 20..=52)]);
        let positions: Vec<_> = alone
            .iter()
            .map(|batch| (batch.partition.0, batch.content.dropped_inputs[0].position.raw_sequence))
            .collect();
        let expected = (1..=100).map(|n| (1, n)).chain([(2, 7)]).chain((20..=52).map(|n| (3, n)));
        assert_eq!(positions, expected.collect::<Vec<_>>());
        assert!(alone.iter().all(|batch| batch.content.weight() == 1));
        assert_eq!(halvings, 134 - 1);
        // Each reaches to its own position, the last of a partition to the end of its batch.
        assert_eq!(alone[0].reaches, dropped_input(1).position);
        assert_eq!(alone[99].reaches, batch(1, 1..=100).reaches);
    }
}
