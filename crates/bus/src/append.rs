//! Appends to feeds.

use crate::{
    AppendError, Bus, Feed, Message,
    foreign::Holding,
    message::{FROM_POSITION, INPUT_SEQUENCE, RAW_POSITION, RECORDS, RECORDS_TOTAL},
    publish::{publish, publish_until_known},
};
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use model::{Partition, Position};

/// Upper limit of attempts in which one append skips foreign messages that were stored before it.
const PASSED_OVER_MAX: usize = 16;

pub(crate) async fn append_raw(
    bus: &Bus,
    subject: String,
    payload: Bytes,
    batch_id: &str,
    records: u32,
) -> Result<u64, AppendError> {
    let bytes = payload.len();
    let message =
        PublishMessage::build().payload(payload).message_id(batch_id).header(RECORDS, records.to_string());
    publish_until_known(bus, &subject, &message, bytes).await.map(|ack| ack.sequence)
}

/// Appends to one partition of a feed, as its only owner: an append is refused if another owner has appended meanwhile.
/// Foreign messages do not lead to a refusal; they are skipped.
pub struct Appender {
    bus: Bus,
    feed: Feed,
    partition: Partition,
    subject: String,
    tail_sequence: u64,
    /// The position behind which the next batch begins.
    from: Position,
    /// The end of a declared gap: a batch that reaches this position begins behind it, or later.
    gap_end: Position,
    records_total: u64,
    spent: bool,
}

impl Appender {
    pub(crate) fn new(bus: Bus, feed: Feed, partition: Partition, tail: Option<&Message>) -> Self {
        let subject = feed.subject(partition);
        let tail_sequence = tail.map_or(0, |tail| tail.sequence);
        let from = tail.and_then(|tail| tail.covers).unwrap_or_default();
        let records_total = tail.and_then(|tail| tail.records_total).unwrap_or_default();
        Self {
            bus,
            feed,
            partition,
            subject,
            tail_sequence,
            from,
            gap_end: Position::default(),
            records_total,
            spent: false,
        }
    }

    /// Declares a gap: input before `position` that isn't appended yet is not available. The next batch that reaches
    /// `position` begins behind it.
    pub fn begin_behind(&mut self, position: Position) {
        self.gap_end = self.gap_end.max(position);
    }

    /// Appends a batch that covers everything up to `covers` and was made of the input message `input_sequence`;
    /// returns the sequence of the batch. After an error or a call that was dropped half-way, the appender is unusable:
    /// open another one at the tail, which shows whether the batch was stored.
    pub async fn append(
        &mut self,
        payload: Bytes,
        covers: Position,
        input_sequence: u64,
        records: u32,
    ) -> Result<u64, AppendError> {
        if std::mem::replace(&mut self.spent, true) {
            return Err(AppendError::Spent);
        }
        let bytes = payload.len();
        let records_total = self.records_total + u64::from(records);
        let from = if covers < self.gap_end { self.from } else { self.from.max(self.gap_end) };
        let message = PublishMessage::build()
            .payload(payload)
            .header(FROM_POSITION, from.to_string())
            .header(RAW_POSITION, covers.to_string())
            .header(INPUT_SEQUENCE, input_sequence.to_string())
            .header(RECORDS, records.to_string())
            .header(RECORDS_TOTAL, records_total.to_string());
        let mut passed_over = 0;
        let ack = loop {
            let expecting = message.clone().expected_last_subject_sequence(self.tail_sequence);
            let sent = publish(&self.bus, self.subject.clone(), expecting, bytes).await?;
            match sent.acknowledged().await {
                Err(AppendError::Fenced) if passed_over < PASSED_OVER_MAX => {
                    passed_over += 1;
                    self.tail_sequence = self.end_of_foreign().await?;
                }
                outcome => break outcome?,
            }
        };
        (self.tail_sequence, self.from, self.records_total) = (ack.sequence, covers, records_total);
        self.spent = false;
        Ok(ack.sequence)
    }

    /// The sequence of the partition's last message, if all messages behind our tail are foreign; otherwise
    /// [`AppendError::Fenced`], because another owner has appended.
    async fn end_of_foreign(&self) -> Result<u64, AppendError> {
        let Self { bus, feed, partition, subject, tail_sequence, .. } = self;
        let stream = bus.layout().stream_of(*feed, *partition);
        let holding = Holding::Batches(*feed, *partition);
        let end = bus.end_of_foreign(&stream, subject, holding, *tail_sequence).await;
        match end {
            Ok(Some(end)) if end > *tail_sequence => {
                tracing::warn!(subject, sequence = end, "an append skipped foreign messages");
                Ok(end)
            }
            Ok(_) => Err(AppendError::Fenced),
            Err(error) => Err(AppendError::Unavailable { source: error.into() }),
        }
    }

    /// The sequence of the partition's last message that this appender has appended or skipped, or began behind.
    pub fn tail_sequence(&self) -> u64 {
        self.tail_sequence
    }
}
