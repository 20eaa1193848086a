//! Lists, shows, re-ingests and discards dead letters.

mod act;
mod delivery;
mod list;
mod show;

use crate::{
    cli::{DeadLetters, Dlq, DlqVerb, Output},
    environment::open_bus,
    failure::Failed,
    output,
};
use bus::{Bus, BusError, DeadMessage};
use std::collections::BTreeMap;
use wire::DeadLetter;

pub(crate) async fn run(arguments: Dlq, output: Output) -> Result<(), Failed> {
    match arguments.what {
        DlqVerb::Ls { of, dead_letters, limit, target } => {
            let bus = open_bus(&target).await?;
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            list::run(&bus, &of, dead_letters, limit, output).await
        }
        DlqVerb::Show { dead_letter, bytes, target } => show::run(dead_letter, bytes, &target, output).await,
        DlqVerb::Replay { of, dry_run, rate, target } => {
            let what = act::What::Replay { rate_per_second: rate };
            act::run(&selected(of, "replay")?, dry_run, &what, &target, output).await
        }
        DlqVerb::Discard { of, note, dry_run, target } => {
            let what = act::What::Discard { note };
            act::run(&selected(of, "discard")?, dry_run, &what, &target, output).await
        }
    }
}

/// Refuses an empty selection, so that omitting options never affects all dead letters.
fn selected(of: DeadLetters, verb: &str) -> Result<DeadLetters, Failed> {
    let said = of.all
        || !of.numbers.is_empty()
        || [&of.fingerprint, &of.store, &of.stage, &of.class].into_iter().any(Option::is_some);
    if said {
        return Ok(of);
    }
    Err(Failed::Usage(format!(
        "say which dead letters to {verb}: numbers, --fingerprint, --store, --stage, --class or --all"
    )))
}

/// A decoded dead letter.
struct Found {
    number: u64,
    message_id: String,
    fingerprint: String,
    dead_letter: DeadLetter,
}

impl Found {
    fn read(message: DeadMessage) -> Result<Self, Failed> {
        let dead_letter = wire::decode_dead(message.payload).map_err(|error| {
            Failed::Other(format!("dead letter {} can't be read: {error}", message.sequence))
        })?;
        let fingerprint = dead_letter.fingerprint();
        Ok(Self { number: message.sequence, message_id: message.message_id, fingerprint, dead_letter })
    }

    fn is_of(&self, of: &DeadLetters) -> bool {
        let (origin, reject) = (self.dead_letter.original.origin(), &self.dead_letter.reject);
        let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        (of.numbers.is_empty() || of.numbers.contains(&self.number))
            && same(&of.fingerprint, &self.fingerprint)
            && same(&of.store, origin.store.as_str())
            && same(&of.stage, &self.dead_letter.stage)
            && same(&of.class, reject.class.as_str())
    }
}

/// Calls `each` for every dead letter of the selection, oldest first; reports foreign messages in DEAD.
async fn for_each_dead_letter(
    bus: &Bus,
    of: &DeadLetters,
    mut each: impl FnMut(Found),
) -> Result<(), Failed> {
    let mut dead_letters = bus.read_dead(of.stage.as_deref()).await?;
    loop {
        let message = match dead_letters.next().await {
            Err(BusError::Foreign(foreign)) => {
                output::progress(&format!("skipped a foreign message: {foreign}"));
                continue;
            }
            message => message?,
        };
        let Some(message) = message else { return Ok(()) };
        let found = Found::read(message)?;
        if found.is_of(of) {
            each(found);
        }
    }
}

/// A dead letter of a delivery.
pub(crate) struct DeadLetterOfDelivery {
    /// Its number.
    pub(crate) number: u64,
    pub(crate) stage: String,
    pub(crate) reason: String,
    pub(crate) position: model::Position,
}

/// The dead letters of a delivery that are in DEAD, oldest first.
pub(crate) async fn dead_letters_of(
    bus: &Bus,
    delivery: model::DeliveryId,
) -> Result<Vec<DeadLetterOfDelivery>, Failed> {
    let mut dead_letters = Vec::new();
    for_each_dead_letter(bus, &DeadLetters::default(), |found| {
        let Found { number, dead_letter, .. } = found;
        if dead_letter.original.delivery() == delivery {
            let (stage, reason) = (dead_letter.stage.clone(), dead_letter.reject.to_string());
            dead_letters.push(DeadLetterOfDelivery { number, stage, reason, position: dead_letter.position });
        }
    })
    .await?;
    Ok(dead_letters)
}

/// Dead letters of one cause.
struct Cause {
    count: usize,
    example: Found,
    latest: model::Timestamp,
}

/// The dead letters of the selection by cause, the most frequent first.
async fn causes(bus: &Bus, of: &DeadLetters) -> Result<Vec<Cause>, Failed> {
    let mut causes: BTreeMap<String, Cause> = BTreeMap::new();
    for_each_dead_letter(bus, of, |found| {
        let at = found.dead_letter.rejected_at;
        let fingerprint = found.fingerprint.clone();
        let cause =
            causes.entry(fingerprint).or_insert_with(|| Cause { count: 0, latest: at, example: found });
        (cause.count, cause.latest) = (cause.count + 1, cause.latest.max(at));
    })
    .await?;
    let mut causes: Vec<Cause> = causes.into_values().collect();
    causes.sort_by(|a, b| b.count.cmp(&a.count).then(a.example.number.cmp(&b.example.number)));
    Ok(causes)
}
