//! A pass by several stages in turn, without a stream between them.

use super::{Decided, Pass, PassContext, Rejected, Single, Tally};
use crate::{
    Input, Output, Positioned, StageIo,
    decided::{Piece, settle},
};
use bus::Bus;
use model::{Partition, Position};
use stage::{Fault, Stage};
use wire::Original;

/// A stage whose outputs are the inputs of `next`.
///
/// A batch may end within one of the first stage's inputs, as it may where a stream is between the stages. Whoever
/// continues there decides about that whole input again: the first stage's outputs up to that position are dropped.
pub struct Chained<S, D, Next> {
    first: Single<S, D>,
    next: Next,
}

impl<S, D, Next> Chained<S, D, Next> {
    /// A pass by that stage, then by `next`.
    pub const fn new(stage: S, io: D, next: Next) -> Self {
        Self { first: Single::new(stage, io), next }
    }
}

impl<S, D, Next> Pass for Chained<S, D, Next>
where
    S: Stage,
    S::In: Input,
    S::Out: Output + Input,
    S::PartitionState: Default,
    D: StageIo<S>,
    Next: Pass<In = S::Out>,
{
    const NAME: &'static str = Next::NAME;
    type In = S::In;
    type Out = Next::Out;
    type State = (S::PartitionState, Next::State);

    fn stages(&self) -> Vec<&'static str> {
        let mut stages = self.first.stages();
        stages.extend(self.next.stages());
        stages
    }

    async fn open(&self, bus: &Bus, partition: Partition, covered: Position) -> Result<Self::State, Fault> {
        let state = self.first.open(bus, partition, covered).await?;
        Ok((state, self.next.open(bus, partition, covered).await?))
    }

    async fn decide(
        &self,
        inputs: Vec<Positioned<S::In>>,
        (state, next_state): &mut Self::State,
        context: &PassContext<'_>,
    ) -> Result<Decided<Next::Out>, Fault> {
        let first = self.first.decide(inputs, state, context).await?;
        let Between { outputs, inputs_of, mut pieces, mut rejected, mut tallies } =
            between(first, context.covered);
        let next = self.next.decide(outputs, next_state, context).await?;
        pieces.extend(next.pieces);
        // The dead letters of the whole pass name the whole pass's inputs.
        rejected.extend(
            next.rejected
                .into_iter()
                .filter_map(|rejected| Some(Rejected { input: *inputs_of.get(rejected.input)?, ..rejected })),
        );
        tallies.extend(next.tallies);
        Ok(Decided { pieces, rejected, tallies })
    }

    /// An input of a later stage is made again by the stages before it, as if nothing had been seen before.
    fn original(&self, rejected: &Rejected, input: &Positioned<S::In>) -> Result<Original, String> {
        if rejected.stage == S::NAME {
            return self.first.original(rejected, input);
        }
        let Positioned { position, value } = input;
        let mut nothing = S::PartitionState::default();
        let again = settle(&self.first.stage, *position, value.clone(), &mut nothing);
        let of_it = |output: &S::Out| output.position() == rejected.position;
        let Some(value) = again.emitted.into_iter().find(of_it) else {
            return Err(format!("{} doesn't emit {} a second time", S::NAME, rejected.position));
        };
        self.next.original(rejected, &Positioned { position: rejected.position, value })
    }
}

/// The first stage's decisions.
struct Between<T, Out> {
    /// The inputs of the next stage.
    outputs: Vec<Positioned<T>>,
    /// The index of the first stage's input of each output.
    inputs_of: Vec<usize>,
    /// Dropped inputs, and the ends of inputs that no outcome has: they don't concern the next stage.
    pieces: Vec<(Position, Piece<Out>)>,
    rejected: Vec<Rejected>,
    tallies: Vec<Tally>,
}

/// Separates the outputs behind `covered` from the rest. Each dropped input has its own position, so that a batch may end
/// before it.
fn between<T: Output, Out>(decided: Decided<T>, covered: Position) -> Between<T, Out> {
    let Decided { pieces: of_first, rejected, tallies } = decided;
    let (mut outputs, mut inputs_of) = (Vec::new(), Vec::new());
    let mut pieces = Vec::with_capacity(of_first.len());
    for (index, (end, Piece { emitted, dropped })) in of_first.into_iter().enumerate() {
        let mut has_end = false;
        for value in emitted {
            let position = value.position();
            has_end |= position == end;
            if position > covered {
                outputs.push(Positioned { position, value });
                inputs_of.push(index);
            }
        }
        for dropped in dropped {
            has_end |= dropped.position == end;
            if dropped.position > covered {
                pieces.push((dropped.position, Piece::from(dropped)));
            }
        }
        // A position that has an outcome is covered with it, not before.
        if !has_end {
            pieces.push((end, Piece { emitted: Vec::new(), dropped: Vec::new() }));
        }
    }
    let rejected = rejected.into_iter().filter(|rejected| rejected.position > covered).collect();
    Between { outputs, inputs_of, pieces, rejected, tallies }
}
