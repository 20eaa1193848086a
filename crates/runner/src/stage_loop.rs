//! The loop of a stage: read the waiting messages, load, decide, dead-letter, append, count.

use crate::{
    Alerts, Batch, Failure, Input, Output, PartitionRun, Pass, Service, Single, StageIo,
    dead_letters::dead_letter,
    decided::{Packed, Piece, pack},
    kill_point, now,
    ours::batch_of,
    partitions::own_partitions_of,
    pass::{PassContext, Rejected, Tally},
    readable,
};
use bus::{Appender, Feed, Foreign, Message, Reader};
use model::{DroppedInput, Partition, Position, Timestamp};
use stage::{Fault, Stage};
use std::{
    iter::repeat,
    sync::Arc,
    time::{Duration, Instant},
};
use tracing::{Instrument as _, Span, field};
use wire::BATCH_RECORDS_MAX;

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
    run_pass(service, Single::new(stage, io), from, to).await
}

/// The same through all stages of `pass`. Replicas that append to `to` in either way share its partitions.
pub async fn run_pass<P: Pass>(service: &Service, pass: P, from: Feed, to: Feed) -> Result<(), Failure> {
    let alerts = Alerts::new(P::NAME, &service.metrics, Some(&service.bus));
    let stages = pass.stages();
    let shared = Arc::new(Shared { service: service.clone(), alerts, pass, from, to });
    own_partitions_of(service, P::NAME, &stages, move |run| {
        let shared = Arc::clone(&shared);
        async move { shared.run_partition(&run).await }
    })
    .await
}

struct Shared<P> {
    service: Service,
    alerts: Alerts,
    pass: P,
    from: Feed,
    to: Feed,
}

impl<P: Pass> Shared<P> {
    /// Opens the partition at its own tail and works until `stop` or an interruption.
    async fn run_partition(&self, run: &PartitionRun) -> Result<(), Fault> {
        let (bus, partition) = (&self.service.bus, run.partition);
        let tail = bus.tail(self.to, partition).await?;
        let covered = tail.as_ref().and_then(|tail| tail.covers).unwrap_or_default();
        // What ENRICHED contains was processed without this feed, by stages that are chained.
        let covered = covered.max(bus.covered(Feed::Enriched, partition).await?);
        let start = bus.seek(self.from, partition, covered).await?;
        let state = self.pass.open(bus, partition, covered).await?;
        let mut appender = bus.appender(self.to, partition, tail.as_ref());
        appender.begin_behind(covered);
        let reader = bus.read(self.from, partition, start).await?;
        for stage in self.pass.stages() {
            self.service.metrics.opened(stage, &partition.to_string());
        }
        let waiting = Vec::new();
        let mut work = PartitionWorker {
            shared: self,
            partition,
            memory: state,
            appender,
            covered,
            waiting,
            owed: None,
            reads: false,
        };
        work.run(reader, run).await
    }
}

struct PartitionWorker<'a, P: Pass> {
    shared: &'a Shared<P>,
    partition: Partition,
    memory: P::State,
    appender: Appender,
    /// Position up to which everything is in the output or in `waiting`, or has no output.
    covered: Position,
    /// Dropped inputs up to `covered` that aren't in the output yet.
    waiting: Vec<DroppedInput>,
    /// Time since which `covered` is ahead of the output, and the sequence of the input that moved it.
    owed: Option<(Instant, u64)>,
    /// True if anything new was read since the partition was opened.
    reads: bool,
}

impl<P: Pass> PartitionWorker<'_, P> {
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
                stage = P::NAME,
                partition = %self.partition,
                messages = messages.len(),
                events = field::Empty,
                emitted = field::Empty
            );
            let missing = self.work(messages).instrument(span).await?;
            run.made_progress();
            if missing {
                self.append_coverage().await?;
                return Err(Fault::transient("a batch of the input", "another one begins behind it"));
            }
        }
    }

    /// Processes the messages before the first that begins behind what was read; returns whether there is one. The
    /// partition is then opened anew: a batch that was taken for foreign may be ours, because a broker that has just
    /// changed its leader shows less than it has.
    async fn work(&mut self, messages: Vec<Message>) -> Result<bool, Fault> {
        let (mut input_sequence, mut reaches) = (0, self.covered);
        let (mut inputs, mut reported, mut missing) = (Vec::new(), Vec::new(), false);
        for (message, batch, after) in batches(self.shared, self.partition, self.covered, &messages) {
            let batch = match batch {
                Ok(batch) => batch,
                Err(foreign) => {
                    self.shared.alerts.foreign(Some(self.partition), &foreign).await;
                    continue;
                }
            };
            if let Some(from) = message.from.filter(|from| *from > reaches) {
                if self.reads {
                    missing = true;
                    break;
                }
                // What is missing at the first read was purged, so it had been applied and nothing waits for it; or it
                // is foreign. A reader that lacks it must be able to detect the gap.
                self.appender.begin_behind(from);
            }
            input_sequence = message.sequence;
            reaches = reaches.max(end_of(message));
            self.reads |= reaches > self.covered;
            inputs.extend(batch.records.into_iter().filter(|input| P::In::end(input.position) > after));
            reported.extend(
                batch.dropped_inputs.into_iter().filter(|dropped_input| dropped_input.position > after),
            );
        }
        if reaches == self.covered {
            return Ok(missing);
        }
        let (count, newest) = (inputs.len(), inputs.last().map(|input| input.value.head().received_at));
        self.note_lag(newest, count);
        let Service { bus, metrics, .. } = &self.shared.service;
        let context = PassContext {
            alerts: &self.shared.alerts,
            partition: self.partition,
            covered: self.covered,
            payload_max_bytes: bus.payload_max_bytes().saturating_sub(HEADERS_MAX_BYTES),
        };
        let mut decided = self.shared.pass.decide(inputs, &mut self.memory, &context).await?;
        if !decided.rejected.is_empty() {
            self.dead_letter(&messages, &decided.rejected).await?;
            kill_point(P::NAME, "dead_lettered");
        }
        let passed_on = decided.tallies.last().map_or(0, |last| last.passed_on);
        let reported = std::mem::take(&mut self.waiting).into_iter().chain(reported);
        decided.pieces.extend(reported.map(|reported| (reported.position, Piece::from(reported))));
        let decided_at = Instant::now();
        self.append(decided.pieces, reaches, input_sequence).await?;
        kill_point(P::NAME, "appended");

        Span::current().record("events", count).record("emitted", passed_on);
        for Tally { stage, inputs, ended, passed_on, took } in decided.tallies {
            metrics.consumed(stage, inputs);
            for (outcome, count) in ended {
                metrics.ended(stage, outcome, count);
            }
            metrics.passed_on(stage, passed_on);
            let appending = if stage == P::NAME { decided_at.elapsed() } else { Duration::ZERO };
            metrics.batch(stage, inputs, took + appending);
        }
        self.note_lag(newest, 0);
        Ok(missing)
    }

    fn note_lag(&self, newest: Option<Timestamp>, waiting: usize) {
        let Some(newest) = newest else { return };
        let (metrics, partition) = (&self.shared.service.metrics, self.partition.to_string());
        // What waits, waits for the first stage.
        for (stage, waiting) in
            self.shared.pass.stages().into_iter().zip([waiting].into_iter().chain(repeat(0)))
        {
            metrics.lag(stage, &partition, newest, now(), waiting);
        }
    }

    /// Dead-letters the rejected inputs, with their bytes. They are decoded again from the messages, so that the common
    /// case needs no copy.
    async fn dead_letter(&self, messages: &[Message], rejected: &[Rejected]) -> Result<(), Fault> {
        let read = batches(self.shared, self.partition, self.covered, messages);
        let inputs = read.flat_map(|(_, batch, after)| {
            let records = batch.map(|batch| batch.records).unwrap_or_default();
            records.into_iter().filter(move |input| P::In::end(input.position) > after)
        });
        let Service { bus, metrics, .. } = &self.shared.service;
        for (index, input) in inputs.enumerate() {
            for rejected in rejected.iter().filter(|rejected| rejected.input == index) {
                let original = match self.shared.pass.original(rejected, &input) {
                    Ok(original) => original,
                    Err(text) => {
                        self.shared.alerts.set_aside(self.partition, &text);
                        continue;
                    }
                };
                let Rejected { stage, position, reject, .. } = rejected;
                dead_letter(bus, metrics, stage, *position, original, reject).await?;
            }
        }
        Ok(())
    }

    /// Appends as few messages as the limits of a batch allow, and moves the position. Dropped inputs without any
    /// output wait for a time, to share a message with later ones.
    async fn append(
        &mut self,
        pieces: Vec<(Position, Piece<P::Out>)>,
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
        batch: &Packed<P::Out>,
        covers: Position,
        input_sequence: u64,
    ) -> Result<(), Fault> {
        let records = u32::try_from(batch.records.len()).unwrap_or(u32::MAX);
        let payload = P::Out::encode(&batch.records, &batch.dropped_inputs);
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

/// Returns each message with its batch, if it is ours, and the position after which the batch is new: `covered`, or the
/// end of the batches before it. After a crash of the broker, two messages may contain the same span.
fn batches<'m, P: Pass>(
    shared: &'m Shared<P>,
    partition: Partition,
    covered: Position,
    messages: &'m [Message],
) -> impl Iterator<Item = (&'m Message, Result<Batch<P::In>, Foreign>, Position)> {
    let mut reaches = covered;
    messages.iter().map(move |message| {
        let batch = batch_of::<P::In>(&shared.service.bus, shared.from, partition, message);
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
