//! Replays one partition of RAW through normalize, dedupe, enrich and apply, in one process.

use crate::{failure::Failed, progress::Progress, raw::RawReader};
use apply::replay::{Replay as Committing, Span};
use bus::Bus;
use dedupe::Dedupe;
use enrich::{Enrich, Lookup};
use model::{Delivery, DroppedInput, Event, EventId, Partition, Position, record::WriteLogEntry};
use normalize::Normalize;
use runner::{Input, Metrics, Positioned, Settled, StageIo as _, settle};
use stage::{Stage, Window};
use std::{collections::VecDeque, sync::Arc};
use store::{Cursor, Store};
use tokio::sync::mpsc;

/// Number of events from which a span is committed; a message of RAW is never split.
const SPAN_EVENTS: usize = 1000;
/// Upper limit of decided spans that wait to be committed.
const SPANS_AHEAD_MAX: usize = 1;

/// The stages before apply.
pub(super) struct Stages {
    normalize: Normalize,
    lookup: Lookup,
    metrics: Metrics,
}

impl Stages {
    pub(super) fn new(normalize: Normalize, store: &Store) -> Result<Self, Failed> {
        let metrics = Metrics::new().map_err(runner::Failure::from)?;
        Ok(Self { normalize, lookup: Lookup::new(store.clone()), metrics })
    }

    pub(super) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

/// The use of the decisions.
pub(super) enum Into {
    /// They are committed, from that cursor on, with the write log of the present record.
    Record { present: Box<Store>, committing: Committing, from: Cursor },
    /// The changes that they would make are reported only.
    Nothing { committing: Committing },
}

/// The result of a replay.
#[derive(Default)]
pub(crate) struct Replayed {
    pub(crate) deliveries: u64,
    pub(super) would_change: Vec<EventId>,
}

/// The replay of a partition: its spans are decided ahead of those that are committed.
pub(super) struct Replaying {
    deciding: Deciding,
    committing: CommitSpans,
}

impl Replaying {
    pub(super) async fn open(
        bus: Bus,
        partition: Partition,
        stages: Arc<Stages>,
        into: Into,
        end: Position,
        progress: Progress,
    ) -> Result<Self, Failed> {
        let from = match &into {
            Into::Record { from, .. } => from.position,
            Into::Nothing { .. } => Position::default(),
        };
        // The dedupe window begins empty: the record identifies older duplicates.
        let reader = RawReader::open(&bus, partition, from).await?;
        progress.expect(reader.span());
        let window = dedupe::Config::default().window();
        let deciding = Deciding { stages, window, reader, read: from.raw_sequence, end, progress };
        let (write_log, replayed) = (WriteLog::default(), Replayed::default());
        Ok(Self { deciding, committing: CommitSpans { partition, into, write_log, replayed } })
    }

    pub(super) async fn run(self) -> Result<Replayed, Failed> {
        let (decided, spans) = mpsc::channel(SPANS_AHEAD_MAX);
        let (deciding, replayed) = tokio::join!(self.deciding.run(decided), self.committing.run(spans));
        let replayed = replayed?;
        deciding.map(|()| replayed)
    }
}

/// A span of a partition after the stages before apply.
struct DecidedSpan {
    deliveries: u64,
    events: Vec<Event>,
    dropped_inputs: Vec<DroppedInput>,
    reaches: Position,
}

/// Reads and decides the spans of a partition.
struct Deciding {
    stages: Arc<Stages>,
    window: Window<EventId>,
    reader: RawReader,
    /// The last sequence read.
    read: u64,
    /// The last position that is replayed: the present record's position.
    end: Position,
    progress: Progress,
}

impl Deciding {
    /// Sends each span, until the end or until nobody receives them.
    async fn run(mut self, decided: mpsc::Sender<DecidedSpan>) -> Result<(), Failed> {
        loop {
            let (mut deliveries, mut reaches) = (Vec::new(), None);
            while deliveries.len() < SPAN_EVENTS {
                let messages = self.reader.next().await?;
                if messages.is_empty() {
                    break;
                }
                let last = messages.last().map_or(self.read, |message| message.sequence);
                self.progress.add(last.saturating_sub(std::mem::replace(&mut self.read, last)));
                reaches = messages.last().map(|message| message.sequence).or(reaches);
                let records = messages.into_iter().flat_map(|message| message.deliveries);
                deliveries.extend(records.filter(|positioned| positioned.position <= self.end));
            }
            let Some(raw_sequence) = reaches else { return Ok(()) };
            let reaches = Position { raw_sequence, delivery: u32::MAX, event: u32::MAX }.min(self.end);
            let count = deliveries.len() as u64;
            let (events, dropped_inputs) = self.decide(deliveries).await?;
            let span = DecidedSpan { deliveries: count, events, dropped_inputs, reaches };
            if decided.send(span).await.is_err() {
                return Ok(());
            }
        }
    }

    /// Returns the stages' verdicts, in the order of the stages.
    async fn decide(
        &mut self,
        deliveries: Vec<Positioned<Delivery>>,
    ) -> Result<(Vec<Event>, Vec<DroppedInput>), Failed> {
        let mut dropped_inputs = Vec::new();
        let events = pass(&self.stages.normalize, deliveries, &mut (), &mut dropped_inputs);
        let events = pass(&Dedupe::default(), positioned(events), &mut self.window, &mut dropped_inputs);
        let events = positioned(events);
        let mut state = enrich::PartitionState::default();
        self.stages.lookup.load(&events, &mut state).await.map_err(runner::Failure::from)?;
        let events = pass(&Enrich, events, &mut state, &mut dropped_inputs);
        Ok((events, dropped_inputs))
    }
}

/// Commits the spans of a partition, or reports what they would change.
struct CommitSpans {
    partition: Partition,
    into: Into,
    write_log: WriteLog,
    replayed: Replayed,
}

impl CommitSpans {
    async fn run(mut self, mut spans: mpsc::Receiver<DecidedSpan>) -> Result<Replayed, Failed> {
        while let Some(span) = spans.recv().await {
            self.replayed.deliveries += span.deliveries;
            self.take(span).await?;
        }
        Ok(self.replayed)
    }

    async fn take(&mut self, decided: DecidedSpan) -> Result<(), Failed> {
        let DecidedSpan { events, dropped_inputs, reaches, .. } = decided;
        let mut span =
            Span { partition: self.partition, events, dropped_inputs, write_log: Vec::new(), reaches };
        match &mut self.into {
            Into::Record { present, committing, from } => {
                if reaches <= from.position {
                    return Ok(());
                }
                span.write_log = self.write_log.before(present, self.partition, reaches).await?;
                *from = committing.commit(*from, span).await?;
            }
            Into::Nothing { committing } => {
                self.replayed.would_change.extend(committing.would_change(span).await?);
            }
        }
        Ok(())
    }
}

fn positioned(events: Vec<Event>) -> Vec<Positioned<Event>> {
    events.into_iter().map(|value| Positioned { position: value.position, value }).collect()
}

fn pass<S: Stage<Out = Event>>(
    stage: &S,
    inputs: Vec<Positioned<S::In>>,
    state: &mut S::PartitionState,
    dropped_inputs: &mut Vec<DroppedInput>,
) -> Vec<Event>
where
    S::In: Input,
{
    let mut passed = Vec::new();
    for Positioned { position, value } in inputs {
        let Settled { emitted, dropped, .. } = settle(stage, position, value, state);
        passed.extend(emitted);
        dropped_inputs.extend(dropped);
    }
    passed
}

/// Propagate's writes to mirrors, read along with RAW.
#[derive(Default)]
struct WriteLog {
    read_up_to: Option<Position>,
    waiting: VecDeque<WriteLogEntry>,
}

impl WriteLog {
    /// Returns the entries written before the event at `end` was decided, in order.
    async fn before(
        &mut self,
        present: &Store,
        of: Partition,
        end: Position,
    ) -> Result<Vec<WriteLogEntry>, Failed> {
        while self.read_up_to.is_none_or(|read| read < end) {
            let (write_log, read) = present.write_log(of, self.read_up_to, end).await?;
            self.waiting.extend(write_log);
            self.read_up_to = Some(read);
        }
        let count = self.waiting.partition_point(|entry| entry.after < end);
        Ok(self.waiting.drain(..count).collect())
    }
}
