//! A pass by one stage.

use super::{Decided, Pass, PassContext, Rejected, Tally};
use crate::{
    Input, Output, Positioned, StageIo, chain,
    decided::{Piece, Settled, refused, settle_within},
    kill_point,
    ours::undecodable,
};
use bus::Bus;
use model::{Partition, Position};
use stage::{Fault, Reject, RejectClass, Stage};
use std::{collections::BTreeMap, time::Instant};
use wire::{BATCH_BYTES_MAX, Original};

/// One stage with its I/O.
pub struct Single<S, D> {
    pub(super) stage: S,
    io: D,
}

impl<S, D> Single<S, D> {
    /// A pass by that stage.
    pub const fn new(stage: S, io: D) -> Self {
        Self { stage, io }
    }
}

impl<S, D> Pass for Single<S, D>
where
    S: Stage,
    S::In: Input,
    S::Out: Output,
    D: StageIo<S>,
{
    const NAME: &'static str = S::NAME;
    type In = S::In;
    type Out = S::Out;
    type State = S::PartitionState;

    fn stages(&self) -> Vec<&'static str> {
        vec![S::NAME]
    }

    async fn open(
        &self,
        bus: &Bus,
        partition: Partition,
        covered: Position,
    ) -> Result<S::PartitionState, Fault> {
        self.io.open(bus, partition, covered).await
    }

    /// If a look-up permanently refuses one of the inputs, they are halved until that one is alone: at most two look-ups
    /// for each level of halving and rejected input.
    async fn decide(
        &self,
        inputs: Vec<Positioned<S::In>>,
        state: &mut S::PartitionState,
        context: &PassContext<'_>,
    ) -> Result<Decided<S::Out>, Fault> {
        let began = Instant::now();
        let mut settling = Settling::new(inputs.len());
        // The last part is the next one.
        let mut parts = vec![inputs];
        while let Some(mut part) = parts.pop() {
            match self.io.load(&part, state).await {
                Ok(()) => {
                    kill_point(S::NAME, "loaded");
                    for Positioned { position, value } in part {
                        let fits = |outputs: &[S::Out]| fits(outputs, context.payload_max_bytes);
                        let settled = settle_within(&self.stage, position, value, state, fits);
                        settling.take(S::NAME, S::In::end(position), settled);
                    }
                }
                Err(fault) if fault.is_of_input() && part.len() > 1 => {
                    let behind = part.split_off(part.len() / 2);
                    parts.extend([behind, part]);
                }
                Err(fault) if fault.is_of_input() && !part.is_empty() => {
                    let text = chain(&fault);
                    context.alerts.set_aside(context.partition, &text);
                    for Positioned { position, value } in part {
                        let reject = Reject::new(RejectClass::Bug, text.clone());
                        settling.take(S::NAME, position, refused::<S>(position, &value, reject));
                    }
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(settling.done(S::NAME, began))
    }

    fn original(&self, _rejected: &Rejected, input: &Positioned<S::In>) -> Result<Original, String> {
        let Positioned { position, value } = input;
        value.clone().into_original().map_err(|error| undecodable(*position, &error))
    }
}

/// The decisions so far.
struct Settling<Out> {
    inputs: usize,
    pieces: Vec<(Position, Piece<Out>)>,
    rejected: Vec<Rejected>,
    ended: BTreeMap<&'static str, usize>,
    passed_on: usize,
}

impl<Out> Settling<Out> {
    fn new(inputs: usize) -> Self {
        Self {
            inputs: 0,
            pieces: Vec::with_capacity(inputs),
            rejected: Vec::new(),
            ended: BTreeMap::new(),
            passed_on: 0,
        }
    }

    /// Adds the decision about the next input, which ends at `end`.
    fn take(&mut self, stage: &'static str, end: Position, settled: Settled<Out>) {
        let Settled { emitted, dropped, rejected, label } = settled;
        *self.ended.entry(label).or_default() += 1;
        let input = self.inputs;
        let rejected = rejected.into_iter();
        self.rejected.extend(rejected.map(|(position, reject)| Rejected { stage, input, position, reject }));
        self.passed_on += emitted.len();
        self.pieces.push((end, Piece { emitted, dropped }));
        self.inputs += 1;
    }

    fn done(self, stage: &'static str, began: Instant) -> Decided<Out> {
        let Self { inputs, pieces, rejected, ended, passed_on } = self;
        let tally = Tally { stage, inputs, ended, passed_on, took: began.elapsed() };
        Decided { pieces, rejected, tallies: vec![tally] }
    }
}

/// Returns true if one message of `limit` bytes can contain these outputs: the outputs of one input are never
/// split over two.
fn fits<Out: Output>(outputs: &[Out], limit: usize) -> bool {
    let weight: usize = outputs.iter().map(Output::weight).sum();
    weight <= BATCH_BYTES_MAX || Out::encode(outputs, &[]).len() <= limit
}
