//! The loop of a stage: read the waiting messages, load, decide, dead-letter, append, count.

use crate::{
    Alerts, Batch, Failure, Input, Output, PartitionRun, Positioned, Service, StageIo, chain,
    dead_letters::dead_letter,
    decided::{Packed, Piece, Settled, pack, refused, settle_within},
    kill_point, now,
    ours::{batch_of, undecodable},
    own_partitions, readable,
};
use bus::{Appender, Feed, Foreign, Message, Reader};
use model::{DroppedInput, Partition, Position, Timestamp};
use stage::{Fault, Reject, RejectClass, Stage};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tracing::{Instrument as _, Span, field};
use wire::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX};

/// Upper limit of messages that are consumed at once.
const MESSAGES_MAX: usize = 8;
/// Upper limit of a message's headers, in bytes.
const HEADERS_MAX_BYTES: usize = 4096;
/// Time limit for recording the position of inputs without output.
const QUIET_COVER: Duration = Duration::from_secs(1);

/// Moves every partition that this replica owns from the feed `from` to the feed `to`, through `stage`, until the
/// service stops. Outages pause a partition with growing delays; they never cause a dead letter.
pub async fn run_stage<S, D>(service: &Service, stage: S, io: D, from: Feed, to: Feed) -> Result<(), Failure>
where
    S: Stage,
    S::In: Input,
    S::Out: Output,
    D: StageIo<S>,
{
    let alerts = Alerts::new(S::NAME, &service.metrics, Some(&service.bus));
    let shared = Arc::new(Shared { service: service.clone(), alerts, stage, io, from, to });
    own_partitions(service, S::NAME, move |run| {
        let shared = Arc::clone(&shared);
        async move { shared.run_partition(&run).await }
    })
    .await
}

struct Shared<S, D> {
    service: Service,
    alerts: Alerts,
    stage: S,
    io: D,
    from: Feed,
    to: Feed,
}

impl<S, D> Shared<S, D>
where
    S: Stage,
    S::In: Input,
    S::Out: Output,
    D: StageIo<S>,
{
    /// Opens the partition at its own tail and works until `stop` or an interruption.
    async fn run_partition(&self, run: &PartitionRun) -> Result<(), Fault> {
        let (bus, partition) = (&self.service.bus, run.partition);
        let tail = bus.tail(self.to, partition).await?;
        let covered = tail.as_ref().and_then(|tail| tail.covers).unwrap_or_default();
        let start = bus.seek(self.from, partition, covered).await?;
        let state = self.io.open(bus, partition, tail.as_ref()).await?;
        let appender = bus.appender(self.to, partition, tail.as_ref());
        let reader = bus.read(self.from, partition, start).await?;
        self.service.metrics.opened(S::NAME, &partition.to_string());
        let waiting = Vec::new();
        let mut work = PartitionWorker {
            shared: self,
            partition,
            memory: state,
            appender,
            covered,
            waiting,
            owed: None,
        };
        work.run(reader, run).await
    }
}

struct PartitionWorker<'a, S: Stage, D> {
    shared: &'a Shared<S, D>,
    partition: Partition,
    memory: S::PartitionState,
    appender: Appender,
    /// Position up to which everything is in the output or in `waiting`, or has no output.
    covered: Position,
    /// Dropped inputs up to `covered` that aren't in the output yet.
    waiting: Vec<DroppedInput>,
    /// Time since which `covered` is ahead of the output, and the sequence of the input that moved it.
    owed: Option<(Instant, u64)>,
}

/// The decisions about a batch of inputs.
struct Decided<Out> {
    /// The number of inputs.
    count: usize,
    /// The outputs and dropped inputs, in order.
    pieces: Vec<(Position, Piece<Out>)>,
    /// The rejections with their positions, by the index of the input.
    rejects: BTreeMap<usize, Vec<(Position, Reject)>>,
    ended: BTreeMap<&'static str, usize>,
}

impl<Out> Decided<Out> {
    /// Adds the decision about the next input, which ends at `end`.
    fn take(&mut self, end: Position, settled: Settled<Out>) {
        let Settled { emitted, dropped, rejected, label } = settled;
        *self.ended.entry(label).or_default() += 1;
        if !rejected.is_empty() {
            self.rejects.insert(self.count, rejected);
        }
        self.pieces.push((end, Piece { emitted, dropped }));
        self.count += 1;
    }
}

impl<S, D> PartitionWorker<'_, S, D>
where
    S: Stage,
    S::In: Input,
    S::Out: Output,
    D: StageIo<S>,
{
    async fn run(&mut self, mut reader: Reader, run: &PartitionRun) -> Result<(), Fault> {
        loop {
            let owed = self.owed.map(|(since, _)| since + QUIET_COVER);
            let messages = tokio::select! {
                messages = reader.waiting(MESSAGES_MAX) => {
                    readable(&self.shared.alerts, self.partition, messages).await?
                }
                () = run.stop.cancelled() => return self.append_coverage().await,
                () = until(owed) => { self.append_coverage().await?; continue }
            };
            let span = tracing::debug_span!(
                "batch",
                stage = S::NAME,
                partition = %self.partition,
                messages = messages.len(),
                events = field::Empty,
                emitted = field::Empty
            );
            self.work(messages).instrument(span).await?;
            run.made_progress();
        }
    }

    async fn work(&mut self, messages: Vec<Message>) -> Result<(), Fault> {
        let began = Instant::now();
        let Some(last) = messages.last() else { return Ok(()) };
        let (input_sequence, mut reaches) = (last.sequence, self.covered);
        let (mut inputs, mut reported) = (Vec::new(), Vec::new());
        for (message, batch, after) in batches(self.shared, self.partition, self.covered, &messages) {
            let batch = match batch {
                Ok(batch) => batch,
                Err(foreign) => {
                    self.shared.alerts.foreign(Some(self.partition), &foreign).await;
                    continue;
                }
            };
            // Inputs that were purged from the feed had been applied, so nothing waits for them; a reader that lacks
            // them must be able to detect the gap.
            if let Some(from) = message.from.filter(|from| *from > reaches) {
                self.appender.begin_behind(from);
            }
            reaches = reaches.max(end_of(message));
            inputs.extend(batch.records.into_iter().filter(|input| input.position > after));
            reported.extend(
                batch.dropped_inputs.into_iter().filter(|dropped_input| dropped_input.position > after),
            );
        }
        if reaches == self.covered {
            return Ok(());
        }
        let (count, newest) = (inputs.len(), inputs.last().map(|input| input.value.head().received_at));
        self.note_lag(newest, count);
        let mut decided = self.load_and_decide(inputs).await?;
        if !decided.rejects.is_empty() {
            self.dead_letter(&messages, &decided.rejects).await?;
            kill_point(S::NAME, "dead_lettered");
        }
        let passed_on: usize = decided.pieces.iter().map(|(_, piece)| piece.emitted.len()).sum();
        let reported = std::mem::take(&mut self.waiting).into_iter().chain(reported);
        decided.pieces.extend(reported.map(|reported| (reported.position, Piece::from(reported))));
        self.append(decided.pieces, reaches, input_sequence).await?;
        kill_point(S::NAME, "appended");

        Span::current().record("events", count).record("emitted", passed_on);
        let metrics = &self.shared.service.metrics;
        metrics.consumed(S::NAME, count);
        decided.ended.iter().for_each(|(outcome, count)| metrics.ended(S::NAME, outcome, *count));
        metrics.passed_on(S::NAME, passed_on);
        metrics.batch(S::NAME, count, began.elapsed());
        self.note_lag(newest, 0);
        Ok(())
    }

    fn note_lag(&self, newest: Option<Timestamp>, waiting: usize) {
        if let Some(newest) = newest {
            let metrics = &self.shared.service.metrics;
            metrics.lag(S::NAME, &self.partition.to_string(), newest, now(), waiting);
        }
    }

    /// Loads the facts that the decisions need, and decides. If a look-up permanently refuses one of the inputs, they
    /// are halved until that one is alone: at most two look-ups for each level of halving and rejected input.
    async fn load_and_decide(&mut self, inputs: Vec<Positioned<S::In>>) -> Result<Decided<S::Out>, Fault> {
        let mut decided =
            Decided { count: 0, pieces: Vec::new(), rejects: BTreeMap::new(), ended: BTreeMap::new() };
        // The last part is the next one.
        let mut parts = vec![inputs];
        while let Some(mut part) = parts.pop() {
            match self.shared.io.load(&part, &mut self.memory).await {
                Ok(()) => {
                    kill_point(S::NAME, "loaded");
                    for input in part {
                        self.decide(input, &mut decided);
                    }
                }
                Err(fault) if fault.is_of_input() && part.len() > 1 => {
                    let behind = part.split_off(part.len() / 2);
                    parts.extend([behind, part]);
                }
                Err(fault) if fault.is_of_input() && !part.is_empty() => {
                    let text = chain(&fault);
                    self.shared.alerts.set_aside(self.partition, &text);
                    for Positioned { position, value } in part {
                        let reject = Reject::new(RejectClass::Bug, text.clone());
                        decided.take(position, refused::<S>(position, &value, reject));
                    }
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(decided)
    }

    fn decide(&mut self, input: Positioned<S::In>, decided: &mut Decided<S::Out>) {
        let Positioned { position, value } = input;
        let limit = self.shared.service.bus.payload_max_bytes().saturating_sub(HEADERS_MAX_BYTES);
        let fits = |outputs: &[S::Out]| fits(outputs, limit);
        let settled = settle_within(&self.shared.stage, position, value, &mut self.memory, fits);
        decided.take(S::In::end(position), settled);
    }

    /// Dead-letters the rejected inputs, with their bytes. They are decoded again from the messages, so that the common
    /// case needs no copy.
    async fn dead_letter(
        &self,
        messages: &[Message],
        rejects: &BTreeMap<usize, Vec<(Position, Reject)>>,
    ) -> Result<(), Fault> {
        let read = batches(self.shared, self.partition, self.covered, messages);
        let inputs = read.flat_map(|(_, batch, after)| {
            let records = batch.map(|batch| batch.records).unwrap_or_default();
            records.into_iter().filter(move |input| input.position > after)
        });
        for (index, Positioned { position, value }) in inputs.enumerate() {
            let Some(rejected) = rejects.get(&index) else { continue };
            let original = match value.into_original() {
                Ok(original) => original,
                Err(error) => {
                    self.shared.alerts.set_aside(self.partition, &undecodable(position, &error));
                    continue;
                }
            };
            let Service { bus, metrics, .. } = &self.shared.service;
            for (position, reject) in rejected {
                dead_letter(bus, metrics, S::NAME, *position, original.clone(), reject).await?;
            }
        }
        Ok(())
    }

    /// Appends as few messages as the limits of a batch allow, and moves the position. Dropped inputs without any
    /// output wait for a time, to share a message with later ones.
    async fn append(
        &mut self,
        pieces: Vec<(Position, Piece<S::Out>)>,
        reaches: Position,
        input_sequence: u64,
    ) -> Result<(), Fault> {
        let mut batches = pack(pieces);
        let last = batches.pop().unwrap_or_default();
        for batch in batches {
            self.append_batch(&batch, batch.covers, input_sequence).await?;
        }
        if last.records.is_empty() && last.dropped_inputs.len() < BATCH_RECORDS_MAX {
            self.covered = reaches;
            self.waiting = last.dropped_inputs;
            let since = self.owed.map_or_else(Instant::now, |(since, _)| since);
            self.owed = Some((since, input_sequence));
            return Ok(());
        }
        self.append_batch(&last, reaches, input_sequence).await
    }

    async fn append_batch(
        &mut self,
        batch: &Packed<S::Out>,
        covers: Position,
        input_sequence: u64,
    ) -> Result<(), Fault> {
        let records = u32::try_from(batch.records.len()).unwrap_or(u32::MAX);
        let payload = S::Out::encode(&batch.records, &batch.dropped_inputs);
        self.appender.append(payload, covers, input_sequence, records).await?;
        self.covered = covers;
        self.owed = None;
        Ok(())
    }

    /// Appends a batch without records, to record the covered position although there is no output.
    async fn append_coverage(&mut self) -> Result<(), Fault> {
        let Some((_, input_sequence)) = self.owed.take() else { return Ok(()) };
        let batch = Packed { dropped_inputs: std::mem::take(&mut self.waiting), ..Packed::default() };
        self.append_batch(&batch, self.covered, input_sequence).await
    }
}

/// Returns true if one message of `limit` bytes can contain these outputs: the outputs of one input are never
/// split over two.
fn fits<Out: Output>(outputs: &[Out], limit: usize) -> bool {
    let weight: usize = outputs.iter().map(Output::weight).sum();
    weight <= BATCH_BYTES_MAX || Out::encode(outputs, &[]).len() <= limit
}

/// Returns each message with its batch, if it is ours, and the position after which the batch is new: `covered`, or the
/// end of the batches before it. After a crash of the broker, two messages may contain the same span.
fn batches<'m, S, D>(
    shared: &'m Shared<S, D>,
    partition: Partition,
    covered: Position,
    messages: &'m [Message],
) -> impl Iterator<Item = (&'m Message, Result<Batch<S::In>, Foreign>, Position)>
where
    S: Stage,
    S::In: Input,
{
    let mut reaches = covered;
    messages.iter().map(move |message| {
        let batch = batch_of::<S::In>(&shared.service.bus, shared.from, partition, message);
        let after = reaches;
        if batch.is_ok() {
            reaches = after.max(end_of(message));
        }
        (message, batch, after)
    })
}

/// Returns the position at which the message ends.
fn end_of(message: &Message) -> Position {
    message.covers.unwrap_or(Position { raw_sequence: message.sequence, delivery: u32::MAX, event: u32::MAX })
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}
