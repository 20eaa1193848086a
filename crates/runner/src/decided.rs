//! Decisions about inputs, and their packing into batches: without a clock or I/O.

use crate::{Head, Input, Output, outcome_label};
use model::{DroppedInput, Outcome, Position};
use stage::{Reject, RejectClass, Skip, Stage, Verdict};
use std::panic::{AssertUnwindSafe, catch_unwind};
use wire::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX};

/// Approximate size of a dropped input in a batch, in bytes.
const DROPPED_INPUT_WEIGHT: usize = 192;

/// The dropped input that is recorded if the input ends here.
#[derive(Clone)]
struct EventOutcome(DroppedInput);

impl EventOutcome {
    /// Collects the data of the input at that position.
    fn of<T: Input>(stage: &'static str, position: Position, input: &T) -> Self {
        let Head { origin, received_at, delivery, event, .. } = input.head();
        Self(DroppedInput {
            position,
            origin: origin.clone(),
            delivery,
            event,
            stage: stage.into(),
            outcome: Outcome::Filtered,
            reason: "".into(),
            received_at,
        })
    }

    /// Returns the dropped input of a skip, which is a regular outcome.
    fn skipped(self, skip: Skip) -> DroppedInput {
        let outcome = skip.outcome();
        let reason = if skip.as_str() == outcome.as_str() { "" } else { skip.as_str() };
        DroppedInput { outcome, reason: reason.into(), ..self.0 }
    }

    /// Returns the same for one of the input's rows.
    fn at(&self, position: Position) -> Self {
        Self(DroppedInput { position, ..self.0.clone() })
    }

    /// Returns the dropped input of a rejection, which becomes a dead letter.
    fn rejected(self, reject: &Reject) -> DroppedInput {
        DroppedInput { outcome: Outcome::Dead, reason: reject.to_string().into(), ..self.0 }
    }
}

/// The outcomes of an input. Each of its positions has exactly one: an output, or a dropped input.
#[derive(Debug)]
pub struct Settled<Out> {
    /// The outputs, in order.
    pub emitted: Vec<Out>,
    /// The dropped inputs, in order.
    pub dropped: Vec<DroppedInput>,
    /// The rejections among the dropped inputs: each becomes a dead letter.
    pub rejected: Vec<(Position, Reject)>,
    /// The label under which the input is counted.
    pub label: &'static str,
}

/// Decides about the input at that position.
pub fn settle<S: Stage>(
    stage: &S,
    at: Position,
    input: S::In,
    state: &mut S::PartitionState,
) -> Settled<S::Out>
where
    S::In: Input,
{
    settle_within(stage, at, input, state, |_| true)
}

/// Decides about an input, and rejects it if its outputs together don't fit a message.
pub(crate) fn settle_within<S: Stage>(
    stage: &S,
    at: Position,
    input: S::In,
    state: &mut S::PartitionState,
    fits: impl Fn(&[S::Out]) -> bool,
) -> Settled<S::Out>
where
    S::In: Input,
{
    let event_outcome = EventOutcome::of(S::NAME, at, &input);
    let verdict = decide(stage, at, input, state);
    let label = outcome_label(&verdict);
    let mut settled = Settled { emitted: Vec::new(), dropped: Vec::new(), rejected: Vec::new(), label };
    match verdict {
        Verdict::Emit(outputs) => settled.emitted = outputs,
        Verdict::Skip(skip) => settled.dropped.push(event_outcome.clone().skipped(skip)),
        Verdict::Reject(reject) => settled.reject(at, &event_outcome, reject),
        Verdict::Rows(rows) => {
            for (event, row) in (at.event..).zip(rows) {
                match row {
                    Ok(output) => settled.emitted.push(output),
                    Err(reject) => settled.reject(Position { event, ..at }, &event_outcome, reject),
                }
            }
        }
    }
    if fits(&settled.emitted) {
        return settled;
    }
    let reject = Reject::new(RejectClass::Bug, "the output is larger than the broker accepts");
    rejected::<S>(at, &event_outcome, reject)
}

/// Rejects an input without a decision.
pub(crate) fn refused<S: Stage>(at: Position, input: &S::In, reject: Reject) -> Settled<S::Out>
where
    S::In: Input,
{
    rejected::<S>(at, &EventOutcome::of(S::NAME, at, input), reject)
}

fn rejected<S: Stage>(at: Position, event_outcome: &EventOutcome, reject: Reject) -> Settled<S::Out> {
    let label = outcome_label(&Verdict::<S::Out>::Reject(reject.clone()));
    let mut settled = Settled { emitted: Vec::new(), dropped: Vec::new(), rejected: Vec::new(), label };
    settled.reject(at, event_outcome, reject);
    settled
}

impl<Out> Settled<Out> {
    fn reject(&mut self, at: Position, event_outcome: &EventOutcome, reject: Reject) {
        self.dropped.push(event_outcome.at(at).rejected(&reject));
        self.rejected.push((at, reject));
    }
}

/// Returns the verdict. A panic in a decision is a bug of ours, and rejects only its input.
fn decide<S: Stage>(stage: &S, at: Position, input: S::In, state: &mut S::PartitionState) -> Verdict<S::Out> {
    catch_unwind(AssertUnwindSafe(|| stage.decide(at, input, state))).unwrap_or_else(|_| {
        Verdict::Reject(Reject::new(RejectClass::Bug, "the decision panicked; the log says where"))
    })
}

/// The contribution of one input to the output: never split over two messages, since a position covers all of an
/// input or nothing.
pub(crate) struct Piece<Out> {
    /// The outputs.
    pub(crate) emitted: Vec<Out>,
    /// The inputs that were dropped, here or in an earlier stage.
    pub(crate) dropped: Vec<DroppedInput>,
}

impl<Out> From<DroppedInput> for Piece<Out> {
    fn from(dropped_input: DroppedInput) -> Self {
        Self { emitted: Vec::new(), dropped: vec![dropped_input] }
    }
}

/// The content of one message.
pub(crate) struct Packed<Out> {
    pub(crate) records: Vec<Out>,
    pub(crate) dropped_inputs: Vec<DroppedInput>,
    /// Position up to which everything is in this message or an earlier one.
    pub(crate) covers: Position,
}

impl<Out> Default for Packed<Out> {
    fn default() -> Self {
        Self { records: Vec::new(), dropped_inputs: Vec::new(), covers: Position::default() }
    }
}

/// Packs pieces into as few batches as the limits allow, in the order of their positions, never splitting an input's
/// outputs over two. A single input may exceed the limits.
pub(crate) fn pack<Out: Output>(mut pieces: Vec<(Position, Piece<Out>)>) -> Vec<Packed<Out>> {
    pieces.sort_by_key(|(position, _)| *position);
    let mut batches: Vec<Packed<Out>> = Vec::new();
    let mut weight = 0;
    for (position, piece) in pieces {
        let Piece { emitted, dropped } = piece;
        let more = emitted.iter().map(Output::weight).sum::<usize>() + dropped.len() * DROPPED_INPUT_WEIGHT;
        let fits = batches.last().is_some_and(|batch| {
            batch.records.len() + emitted.len() <= BATCH_RECORDS_MAX
                && batch.dropped_inputs.len() + dropped.len() <= BATCH_RECORDS_MAX
                && weight + more <= BATCH_BYTES_MAX
        });
        if !fits {
            batches.push(Packed::default());
            weight = 0;
        }
        weight += more;
        if let Some(batch) = batches.last_mut() {
            batch.records.extend(emitted);
            batch.dropped_inputs.extend(dropped);
            batch.covers = position;
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use model::{
        ConnectionId, Delivery, DeliveryId, DeliveryKind, Origin, PlatformName, Source, StoreId, TenantId,
        Timestamp, TraceParent,
    };
    use proptest::prelude::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Record(u64, usize);

    impl Output for Record {
        fn encode(_: &[Self], _: &[DroppedInput]) -> Bytes {
            Bytes::new()
        }
        fn weight(&self) -> usize {
            self.1
        }
        fn position(&self) -> Position {
            at(self.0)
        }
    }

    fn at(raw_sequence: u64) -> Position {
        Position { raw_sequence, delivery: 0, event: 0 }
    }

    fn dropped_input(raw_sequence: u64) -> DroppedInput {
        DroppedInput {
            position: at(raw_sequence),
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
            reason: "thin".into(),
            received_at: Timestamp::from_micros(1),
        }
    }

    /// Emits one row for each byte of the body, and rejects `x`.
    struct Bytewise;

    impl Stage for Bytewise {
        const NAME: &'static str = "bytewise";
        type In = Delivery;
        type Out = Record;
        type PartitionState = ();

        fn decide(&self, at: Position, input: Delivery, (): &mut ()) -> Verdict<Record> {
            let row = |byte: &u8| match byte {
                b'x' => Err(Reject::new(RejectClass::Data, "an x")),
                _ => Ok(Record(at.raw_sequence, 1)),
            };
            Verdict::Rows(input.body.iter().map(row).collect())
        }
    }

    fn settled(body: &'static str) -> Settled<Record> {
        let DroppedInput { origin, delivery: id, received_at, .. } = dropped_input(3);
        let delivery = Delivery {
            id,
            origin,
            kind: DeliveryKind::Platform("t".into()),
            received_at,
            source: Source::Webhook,
            cause: None,
            asked_by: None,
            attempt: 0,
            currency: None,
            account: None,
            headers: Vec::new(),
            trace: TraceParent::from_delivery(id),
            body: Bytes::from_static(body.as_bytes()),
        };
        settle(&Bytewise, Position { delivery: 4, ..at(3) }, delivery, &mut ())
    }

    #[test]
    fn every_row_has_one_outcome_at_its_own_position() {
        let Settled { emitted, dropped, rejected, label } = settled("axbx");
        assert_eq!((emitted.len(), label), (2, "emitted"));
        let events: Vec<_> = dropped.iter().map(|dropped_input| dropped_input.position.event).collect();
        assert_eq!(events, [1, 3]);
        assert!(dropped.iter().all(|dropped_input| dropped_input.outcome == Outcome::Dead));
        let positions: Vec<_> = rejected.iter().map(|(position, _)| *position).collect();
        let reported: Vec<_> = dropped.iter().map(|dropped_input| dropped_input.position).collect();
        assert_eq!(positions, reported, "each has a dead letter of its own");
        assert!(positions.iter().all(|position| (position.raw_sequence, position.delivery) == (3, 4)));
        assert_eq!(settled("xx").label, "dead");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_batch_holds_just_what_its_position_covers_within_its_limits(
            kinds in prop::collection::vec((0_usize..6, 1_usize..200_000), 0..900)
        ) {
            let piece = |(index, (count, weight)): (usize, &(usize, usize))| {
                let raw_sequence = index as u64 + 1;
                let emitted = vec![Record(raw_sequence, weight / 100); *count];
                // Some inputs have both outputs and dropped rows.
                let dropped = if count % 3 == 0 { vec![dropped_input(raw_sequence)] } else { Vec::new() };
                (at(raw_sequence), Piece { emitted, dropped })
            };
            let pieces: Vec<_> = kinds.iter().enumerate().map(piece).rev().collect();
            let records: usize = pieces.iter().map(|(_, piece)| piece.emitted.len()).sum();
            let batches = pack(pieces);
            let mut before = at(0);
            for batch in &batches {
                let inside = |position: Position| position > before && position <= batch.covers;
                prop_assert!(batch.records.iter().all(|record| inside(at(record.0))));
                prop_assert!(batch.dropped_inputs.iter().all(|dropped_input| inside(dropped_input.position)));
                prop_assert!(batch.records.is_sorted_by_key(|record| record.0));
                prop_assert!(batch.records.len() <= BATCH_RECORDS_MAX);
                prop_assert!(batch.dropped_inputs.len() <= BATCH_RECORDS_MAX);
                before = batch.covers;
            }
            prop_assert_eq!(batches.iter().map(|batch| batch.records.len()).sum::<usize>(), records);
            let dropped = kinds.iter().filter(|(count, _)| count % 3 == 0).count();
            prop_assert_eq!(batches.iter().map(|batch| batch.dropped_inputs.len()).sum::<usize>(), dropped);
        }
    }
}
