//! Dead letters, for the people who see to them.

mod act;
mod list;
mod show;

use crate::{
    cli::{Dlq, DlqVerb, Letters, Output},
    environment::open_bus,
    failure::Failed,
    output,
};
use bus::{Bus, BusError, DeadMessage};
use std::collections::BTreeMap;
use wire::DeadLetter;

pub(crate) async fn run(arguments: Dlq, output: Output) -> Result<(), Failed> {
    match arguments.what {
        DlqVerb::Ls { of, letters, limit, place } => {
            let bus = open_bus(&place).await?;
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            list::run(&bus, &of, letters, limit, output).await
        }
        DlqVerb::Show { letter, bytes, place } => show::run(letter, bytes, &place, output).await,
        DlqVerb::Replay { of, dry_run, rate, place } => {
            let what = act::What::Replay { rate_per_second: rate };
            act::run(&selected(of, "replay")?, dry_run, &what, &place, output).await
        }
        DlqVerb::Discard { of, note, dry_run, place } => {
            let what = act::What::Discard { note };
            act::run(&selected(of, "discard")?, dry_run, &what, &place, output).await
        }
    }
}

/// Nothing is done to all letters by leaving words out.
fn selected(of: Letters, verb: &str) -> Result<Letters, Failed> {
    let said = of.all
        || !of.numbers.is_empty()
        || [&of.fingerprint, &of.store, &of.stage, &of.class].into_iter().any(Option::is_some);
    if said {
        return Ok(of);
    }
    Err(Failed::Usage(format!(
        "say which letters to {verb}: numbers, --fingerprint, --store, --stage, --class or --all"
    )))
}

/// A letter, read.
struct Found {
    number: u64,
    message_id: String,
    fingerprint: String,
    letter: DeadLetter,
}

impl Found {
    fn read(message: DeadMessage) -> Result<Self, Failed> {
        let letter = wire::decode_dead(message.payload)
            .map_err(|error| Failed::Other(format!("letter {} can't be read: {error}", message.sequence)))?;
        let fingerprint = letter.fingerprint();
        Ok(Self { number: message.sequence, message_id: message.message_id, fingerprint, letter })
    }

    fn is_of(&self, of: &Letters) -> bool {
        let (origin, reject) = (self.letter.original.origin(), &self.letter.reject);
        let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        (of.numbers.is_empty() || of.numbers.contains(&self.number))
            && same(&of.fingerprint, &self.fingerprint)
            && same(&of.store, origin.store.as_str())
            && same(&of.stage, &self.letter.stage)
            && same(&of.class, reject.class.as_str())
    }
}

/// Calls `each` for every letter of the selection, oldest first; tells of messages in DEAD that aren't ours.
async fn for_each_letter(bus: &Bus, of: &Letters, mut each: impl FnMut(Found)) -> Result<(), Failed> {
    let mut letters = bus.read_dead(of.stage.as_deref()).await?;
    loop {
        let message = match letters.next().await {
            Err(BusError::Foreign(foreign)) => {
                output::progress(&format!("passed over: {foreign}"));
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
pub(crate) struct LetterOfDelivery {
    /// Its number.
    pub(crate) number: u64,
    pub(crate) stage: String,
    pub(crate) reason: String,
    pub(crate) position: model::Position,
}

/// The letters of a delivery that lie in DEAD, oldest first.
pub(crate) async fn letters_of(
    bus: &Bus,
    delivery: model::DeliveryId,
) -> Result<Vec<LetterOfDelivery>, Failed> {
    let mut letters = Vec::new();
    for_each_letter(bus, &Letters::default(), |found| {
        let Found { number, letter, .. } = found;
        if letter.original.delivery() == delivery {
            let (stage, reason) = (letter.stage.clone(), letter.reject.to_string());
            letters.push(LetterOfDelivery { number, stage, reason, position: letter.position });
        }
    })
    .await?;
    Ok(letters)
}

/// Letters of one cause.
struct Cause {
    count: usize,
    example: Found,
    latest: model::Timestamp,
}

/// The letters of the selection by cause, the most frequent first.
async fn causes(bus: &Bus, of: &Letters) -> Result<Vec<Cause>, Failed> {
    let mut causes: BTreeMap<String, Cause> = BTreeMap::new();
    for_each_letter(bus, of, |found| {
        let at = found.letter.rejected_at;
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
