//! The loop: read what waits, load, decide, dead-letter, append, count.

use crate::{Codec, Doors, Failure, LaneError, Placed, Service, Turn, now, outcome_label, own_partitions};
use bus::{Appender, DeadMessage, Feed, Message, Reader};
use model::{Partition, Position, Timestamp};
use stage::{Fault, Reject, RejectClass, Stage, Verdict};
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};
use wire::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX, DeadLetter};

/// How many waiting messages are taken up at once.
const MESSAGES_MAX: usize = 8;
/// How long inputs that yielded nothing may wait for their position to be written down.
const QUIET_COVER: Duration = Duration::from_secs(1);

/// Moves every partition that this replica owns from the feed `from` to the feed `to`, through `stage`, until the
/// service stops. Outages pause a partition with growing delays; nothing is dead-lettered for them.
pub async fn run_stage<S, D>(
    service: &Service,
    stage: S,
    doors: D,
    from: Feed,
    to: Feed,
) -> Result<(), Failure>
where
    S: Stage,
    S::In: Codec,
    S::Out: Codec,
    D: Doors<S>,
{
    let shared = Arc::new(Shared { service: service.clone(), stage, doors, from, to });
    own_partitions(service, S::NAME, move |turn| {
        let shared = Arc::clone(&shared);
        async move { shared.run_lane(&turn).await }
    })
    .await
}

struct Shared<S, D> {
    service: Service,
    stage: S,
    doors: D,
    from: Feed,
    to: Feed,
}

impl<S, D> Shared<S, D>
where
    S: Stage,
    S::In: Codec,
    S::Out: Codec,
    D: Doors<S>,
{
    /// Opens the partition at its own tail and works until `stop` or an interruption.
    async fn run_lane(&self, turn: &Turn) -> Result<(), LaneError> {
        let (bus, partition) = (&self.service.bus, turn.partition);
        let tail = bus.tail(self.to, partition).await?;
        let covered = tail.as_ref().and_then(|tail| tail.covers).unwrap_or_default();
        let start = bus.seek(self.from, partition, covered).await?;
        let lane = self.doors.open(bus, partition, tail.as_ref()).await?;
        let appender = bus.appender(self.to, partition, tail.as_ref().map_or(0, |tail| tail.sequence));
        let reader = bus.read(self.from, partition, start).await?;
        let mut work = Lane { shared: self, partition, memory: lane, appender, covered, owed: None };
        work.run(reader, turn).await
    }
}

struct Lane<'a, S: Stage, D> {
    shared: &'a Shared<S, D>,
    partition: Partition,
    memory: S::Lane,
    appender: Appender,
    /// Everything up to here is in the output, or needs not be.
    covered: Position,
    /// Since when `covered` is ahead of what the output says, and by which input.
    owed: Option<(Instant, u64)>,
}

/// What a batch of inputs came to.
struct Decided<Out> {
    /// What goes on, by the input it came from, in order.
    outputs: Vec<(Position, Vec<Out>)>,
    rejects: BTreeMap<usize, Reject>,
    ended: BTreeMap<&'static str, usize>,
}

impl<S, D> Lane<'_, S, D>
where
    S: Stage,
    S::In: Codec,
    S::Out: Codec,
    D: Doors<S>,
{
    async fn run(&mut self, mut reader: Reader, turn: &Turn) -> Result<(), LaneError> {
        loop {
            let owed = self.owed.map(|(since, _)| since + QUIET_COVER);
            let messages = tokio::select! {
                messages = reader.waiting(MESSAGES_MAX) => messages?,
                () = turn.stop.cancelled() => return self.say_covered().await,
                () = until(owed) => { self.say_covered().await?; continue }
            };
            self.work(messages).await?;
            turn.made_progress();
        }
    }

    async fn work(&mut self, messages: Vec<Message>) -> Result<(), LaneError> {
        let began = Instant::now();
        let Some(last) = messages.last() else { return Ok(()) };
        let (input_sequence, mut reaches) = (last.sequence, self.covered);
        let mut inputs = Vec::new();
        for message in &messages {
            inputs.extend(decode::<S::In>(message)?);
            reaches = reaches.max(end_of(message));
        }
        inputs.retain(|input| input.position > self.covered);
        let (count, newest) = (inputs.len(), inputs.last().map(|input| input.value.received_at()));
        self.note_lag(newest, count);
        self.shared.doors.load(&inputs, &mut self.memory).await?;
        let decided = self.decide(inputs);
        if !decided.rejects.is_empty() {
            self.dead_letter(&messages, &decided.rejects).await?;
        }
        let passed_on = decided.outputs.iter().map(|(_, out)| out.len()).sum();
        self.append(decided.outputs, reaches, input_sequence).await?;

        let metrics = &self.shared.service.metrics;
        metrics.taken_up(S::NAME, count);
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

    fn decide(&mut self, inputs: Vec<Placed<S::In>>) -> Decided<S::Out> {
        let mut decided = Decided { outputs: Vec::new(), rejects: BTreeMap::new(), ended: BTreeMap::new() };
        for (index, Placed { position, value }) in inputs.into_iter().enumerate() {
            let deciding = AssertUnwindSafe(|| self.shared.stage.decide(position, value, &mut self.memory));
            let verdict = catch_unwind(deciding).unwrap_or_else(|_| {
                Verdict::Reject(Reject::new(RejectClass::Bug, "the decision panicked; the log says where"))
            });
            *decided.ended.entry(outcome_label(&verdict)).or_default() += 1;
            match verdict {
                Verdict::Emit(outputs) => decided.outputs.push((position, outputs)),
                Verdict::Skip(_) => {}
                Verdict::Reject(reject) => drop(decided.rejects.insert(index, reject)),
            }
        }
        decided
    }

    /// Keeps what was rejected, with its bytes; read again from the messages, so that the common way needs no copy.
    async fn dead_letter(
        &self,
        messages: &[Message],
        rejects: &BTreeMap<usize, Reject>,
    ) -> Result<(), LaneError> {
        let mut inputs = Vec::new();
        for message in messages {
            inputs.extend(decode::<S::In>(message)?);
        }
        inputs.retain(|input| input.position > self.covered);
        for (index, Placed { position, value }) in inputs.into_iter().enumerate() {
            let Some(reject) = rejects.get(&index) else { continue };
            tracing::warn!(
                stage = S::NAME, store.id = %value.origin().store, connection.id = %value.origin().connection,
                event.id = value.identity(), %position, %reject, "dead letter"
            );
            self.shared.service.metrics.rejected(S::NAME, reject.class);
            self.shared.service.bus.publish_dead(&dead_message(S::NAME, position, value, reject)).await?;
        }
        Ok(())
    }

    /// Appends what goes on as few messages as the limits of a batch allow, never splitting an input's outputs over
    /// two; then the position moves on.
    async fn append(
        &mut self,
        outputs: Vec<(Position, Vec<S::Out>)>,
        reaches: Position,
        input_sequence: u64,
    ) -> Result<(), LaneError> {
        let mut batch: Vec<S::Out> = Vec::new();
        let mut weight = 0;
        let mut batch_covers = self.covered;
        for (position, outputs) in outputs {
            let more: usize = outputs.iter().map(Codec::weight).sum();
            let full = batch.len() + outputs.len() > BATCH_RECORDS_MAX || weight + more > BATCH_BYTES_MAX;
            if full && !batch.is_empty() {
                self.append_batch(&batch, batch_covers, input_sequence).await?;
                batch.clear();
                weight = 0;
            }
            batch.extend(outputs);
            weight += more;
            batch_covers = position;
        }
        if batch.is_empty() {
            self.covered = reaches;
            let since = self.owed.map_or_else(Instant::now, |(since, _)| since);
            self.owed = Some((since, input_sequence));
            return Ok(());
        }
        self.append_batch(&batch, reaches, input_sequence).await
    }

    async fn append_batch(
        &mut self,
        batch: &[S::Out],
        covers: Position,
        input_sequence: u64,
    ) -> Result<(), LaneError> {
        let records = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        self.appender.append(Codec::encode(batch), covers, input_sequence, records).await?;
        self.covered = covers;
        self.owed = None;
        Ok(())
    }

    /// Writes down how far the inputs are covered although they yielded nothing: an empty batch.
    async fn say_covered(&mut self) -> Result<(), LaneError> {
        let Some((_, input_sequence)) = self.owed.take() else { return Ok(()) };
        self.append_batch(&[], self.covered, input_sequence).await
    }
}

fn decode<T: Codec>(message: &Message) -> Result<Vec<Placed<T>>, LaneError> {
    let unreadable = |error| Fault::new("a batch of our own that can be read", error);
    Ok(T::decode(message.payload.clone(), message.sequence).map_err(unreadable)?)
}

/// The position after which nothing of the message is left.
fn end_of(message: &Message) -> Position {
    message.covers.unwrap_or(Position { raw_sequence: message.sequence, delivery: u32::MAX, event: u32::MAX })
}

fn dead_message<T: Codec>(stage: &'static str, position: Position, value: T, reject: &Reject) -> DeadMessage {
    let message_id = format!("{stage}/{}/{position}", value.identity());
    let store = value.origin().store.clone();
    let letter = DeadLetter {
        stage: stage.to_owned(),
        reject: reject.clone(),
        rejected_at: now(),
        position,
        original: value.into_original(),
    };
    DeadMessage::new(stage, reject.class.as_str(), store, message_id, wire::encode_dead(&letter))
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}
