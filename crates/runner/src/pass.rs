//! A pass: the decisions about a batch of inputs, by one stage or by several in turn.

mod chained;
mod single;

pub use chained::Chained;
pub use single::Single;

use crate::{Alerts, Input, Output, Positioned, decided::Piece};
use bus::Bus;
use model::{Partition, Position};
use stage::{Fault, Reject};
use std::{collections::BTreeMap, future::Future, time::Duration};
use wire::Original;

/// The loop's step between reading a batch and appending its outputs. It consists of stages, whose decisions, counts,
/// dropped inputs and dead letters don't depend on the composition.
pub trait Pass: Send + Sync + 'static {
    /// The name of the last stage. Partitions are owned under it: one replica at a time appends the outputs, whatever
    /// stages it runs before.
    const NAME: &'static str;
    /// The type of inputs.
    type In: Input;
    /// The type of outputs.
    type Out: Output;
    /// The state of all stages, per partition.
    type State: Send + Sync;

    /// The names of the stages, in order.
    fn stages(&self) -> Vec<&'static str>;

    /// Opens the state of a partition that is done up to `covered`.
    fn open(
        &self,
        bus: &Bus,
        partition: Partition,
        covered: Position,
    ) -> impl Future<Output = Result<Self::State, Fault>> + Send;

    /// Loads the facts that the decisions need, and decides. After an error the state is unusable.
    fn decide(
        &self,
        inputs: Vec<Positioned<Self::In>>,
        state: &mut Self::State,
        context: &PassContext<'_>,
    ) -> impl Future<Output = Result<Decided<Self::Out>, Fault>> + Send;

    /// Returns the input of the stage that rejected it, as a dead letter stores it. `input` is the pass's own input; the
    /// error describes why it can't be returned.
    fn original(&self, rejected: &Rejected, input: &Positioned<Self::In>) -> Result<Original, String>;
}

/// The circumstances of a pass.
pub struct PassContext<'a> {
    /// The reports of inputs that were set aside.
    pub(crate) alerts: &'a Alerts,
    /// The partition.
    pub(crate) partition: Partition,
    /// The position up to which the outputs were appended before.
    pub(crate) covered: Position,
    /// Upper limit of one input's encoded outputs, in bytes.
    pub(crate) payload_max_bytes: usize,
}

/// The decisions about a batch of inputs.
pub struct Decided<Out> {
    /// The outputs and dropped inputs, each with the position that is done with it.
    pub(crate) pieces: Vec<(Position, Piece<Out>)>,
    /// The rejections, each of which becomes a dead letter.
    pub(crate) rejected: Vec<Rejected>,
    /// The counts of each stage, in order.
    pub(crate) tallies: Vec<Tally>,
}

/// A rejection by one of the stages.
pub struct Rejected {
    /// The stage.
    pub(crate) stage: &'static str,
    /// The index of the pass's input.
    pub(crate) input: usize,
    /// The position of the rejected input, or of a row of it.
    pub(crate) position: Position,
    /// The reason.
    pub(crate) reject: Reject,
}

/// The counts of one stage in a pass.
pub struct Tally {
    pub(crate) stage: &'static str,
    /// The number of inputs.
    pub(crate) inputs: usize,
    /// The number of inputs by outcome.
    pub(crate) ended: BTreeMap<&'static str, usize>,
    /// The number of outputs.
    pub(crate) passed_on: usize,
    /// The time for loading and deciding.
    pub(crate) took: Duration,
}
