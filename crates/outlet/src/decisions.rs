//! People's decisions: handed to the intake as instructions, so that they take effect in the store's order and again in a
//! replay, and followed to their outcomes.

mod conflicts;
mod matches;

pub use conflicts::{ConflictAnswer, NoSuchAnswer};
pub use matches::reject_match;

use crate::{NotAccepted, accept, instruction_delivery};
use bus::Bus;
use model::{DeliveryId, ExternalId, Instruction, Origin, Outcome, StoreId, Timestamp};
use std::time::Duration;
use store::{DeliveryOutcome, OutcomesIn, Store, StoreError};
use tokio::time::Instant;

/// Interval between checks for the outcome.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The reason why a decision didn't take effect, or why its effect isn't known.
#[derive(Debug, thiserror::Error)]
pub enum NotDecided {
    /// It wasn't handed over. It may be made again.
    #[error(transparent)]
    NotAccepted(#[from] NotAccepted),
    /// The record isn't available, or refused it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was handed over, and has no outcome yet. It takes effect later.
    #[error(
        "it was accepted as delivery {delivery}, but not applied within {} s; \
         `tillflow events --store {store} --delivery {delivery}` shows its outcome later",
        waited.as_secs()
    )]
    Late {
        /// Its delivery.
        delivery: DeliveryId,
        /// The store.
        store: StoreId,
        /// The time that was waited for its outcome.
        waited: Duration,
    },
    /// It ended without an effect.
    #[error("it had no effect: {outcome} in {stage}: {reason} (delivery {delivery})")]
    NoEffect {
        /// Its delivery.
        delivery: DeliveryId,
        /// Its outcome.
        outcome: Outcome,
        /// The stage that it ended in.
        stage: String,
        /// The reason, for people.
        reason: String,
    },
    /// It contradicts what was decided before.
    #[error("{0}")]
    Contradicted(String),
}

/// A decision that was handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instructed {
    /// Its delivery.
    pub delivery: DeliveryId,
    /// Its outcome: applied or unchanged; `None` if it wasn't waited for.
    pub outcome: Option<DeliveryOutcome>,
}

/// The way that people's decisions take.
pub struct Decisions {
    bus: Bus,
    store: Store,
    wait: Duration,
    /// The clock.
    now: fn() -> Timestamp,
}

impl Decisions {
    /// Hands decisions to the intake by `bus`, and waits at most `wait` for the outcome of each in `store`; not at all if
    /// that is zero.
    pub const fn new(bus: Bus, store: Store, wait: Duration, now: fn() -> Timestamp) -> Self {
        Self { bus, store, wait, now }
    }

    /// Hands over an instruction about the platform's object `external`, with an id of `random`, and waits for its outcome.
    pub async fn instruct(
        &self,
        origin: &Origin,
        random: DeliveryId,
        about: (&ExternalId, &Instruction),
    ) -> Result<Instructed, NotDecided> {
        let before = self.store.newest_outcome(&origin.store).await?;
        self.instruct_as(origin, (random, before), about).await
    }

    /// Like [`Decisions::instruct`], as the delivery with this id; its outcome is looked for after a position in RAW.
    async fn instruct_as(
        &self,
        origin: &Origin,
        (delivery, before): (DeliveryId, u64),
        about: (&ExternalId, &Instruction),
    ) -> Result<Instructed, NotDecided> {
        accept(&self.bus, &instruction_delivery(origin, delivery, about, (self.now)())).await?;
        if self.wait.is_zero() {
            return Ok(Instructed { delivery, outcome: None });
        }
        let until = Instant::now() + self.wait;
        loop {
            let of = OutcomesIn::StoreAfter(&origin.store, before);
            let found = self.store.outcomes_of_delivery(delivery, of).await?;
            if let Some(outcome) = found.into_iter().next() {
                return took_effect(delivery, outcome);
            }
            if Instant::now() >= until {
                return Err(NotDecided::Late { delivery, store: origin.store.clone(), waited: self.wait });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

fn took_effect(delivery: DeliveryId, outcome: DeliveryOutcome) -> Result<Instructed, NotDecided> {
    match outcome.outcome {
        Outcome::Applied | Outcome::Unchanged => Ok(Instructed { delivery, outcome: Some(outcome) }),
        other => Err(NotDecided::NoEffect {
            delivery,
            outcome: other,
            stage: outcome.stage,
            reason: outcome.reason,
        }),
    }
}
