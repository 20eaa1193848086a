//! Re-ingests and discards dead letters.

use super::{Found, causes, delivery::delivery, for_each_dead_letter, list};
use crate::{
    cli::{DeadLetters, Output, Target},
    environment::{open_bus, open_store},
    failure::Failed,
    output,
    progress::Progress,
};
use bus::{Bus, BusError};
use model::Delivery;
use serde_json::json;
use std::time::Duration;
use store::{DeadLetterActed, DeadLetterAction, Store};

/// The action on dead letters.
pub(super) enum What {
    Replay { rate_per_second: u32 },
    Discard { note: String },
}

impl What {
    const fn done(&self) -> &'static str {
        match self {
            Self::Replay { .. } => "replayed",
            Self::Discard { .. } => "discarded",
        }
    }
}

pub(super) async fn run(
    of: &DeadLetters,
    dry_run: bool,
    what: &What,
    target: &Target,
    output: Output,
) -> Result<(), Failed> {
    let bus = open_bus(target).await?;
    if dry_run {
        let causes = causes(&bus, of).await?;
        let count: usize = causes.iter().map(|cause| cause.count).sum();
        list::print_causes(&causes, output);
        output::progress(&format!("{count} dead letters would be {}; nothing was done", what.done()));
        return Ok(());
    }
    let store = open_store(target).await?;
    // Only the numbers: dead letters are read again one by one, so that memory doesn't grow with their bytes.
    let mut numbers = Vec::new();
    for_each_dead_letter(&bus, of, |found| numbers.push(found.number)).await?;
    if let What::Discard { .. } = what {
        // A foreign message is discarded by its number alone.
        for number in &of.numbers {
            if matches!(bus.dead_at(*number).await, Err(BusError::Foreign(_))) {
                numbers.push(*number);
            }
        }
    }
    let (total, mut failed) = (numbers.len(), 0);
    let progress = Progress::new("the dead letters");
    progress.expect(total as u64);
    let mut interval = attempts(what);
    for number in numbers {
        interval.tick().await;
        if let Err(error) = one(&bus, &store, number, what).await {
            failed += 1;
            output::progress(&format!("dead letter {number}: {}", runner::chain(&error)));
        }
        progress.add(1);
    }
    progress.finish();
    match output {
        Output::Text => output::line(&format!("{} of {total} dead letters {}", total - failed, what.done())),
        Output::Json => {
            output::json(&json!({"dead_letters": total, "done": total - failed, "failed": failed}));
        }
    }
    if failed > 0 { Err(Failed::Other(format!("{failed} dead letters stay as they are"))) } else { Ok(()) }
}

fn attempts(what: &What) -> tokio::time::Interval {
    let period = match what {
        What::Replay { rate_per_second } => Duration::from_secs(1) / *rate_per_second,
        What::Discard { .. } => Duration::from_micros(1),
    };
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    interval
}

/// Acts on one dead letter: writes the record first, then acts, then removes the dead letter. After an interruption in
/// between, the action is repeated, as the same event.
async fn one(bus: &Bus, store: &Store, number: u64, what: &What) -> Result<(), Failed> {
    let message = match bus.dead_at(number).await {
        Err(BusError::Foreign(_)) if matches!(what, What::Discard { .. }) => {
            bus.remove_dead(number).await?;
            return Ok(());
        }
        message => message?,
    };
    let Some(message) = message else { return Ok(()) };
    let found = Found::read(message)?;
    let original = &found.dead_letter.original;
    let (action, attempt, note) = match what {
        What::Replay { .. } => (DeadLetterAction::Replay, original.attempt() + 1, String::new()),
        What::Discard { note } => (DeadLetterAction::Discard, original.attempt(), note.clone()),
    };
    let again = match what {
        What::Replay { .. } => Some(Delivery { attempt, ..delivery(bus, &found).await? }),
        What::Discard { .. } => None,
    };
    let acted = DeadLetterActed {
        origin: original.origin().clone(),
        message_id: found.message_id.clone(),
        delivery: original.delivery(),
        event: original.event(),
        fingerprint: found.fingerprint.clone(),
        reason: found.dead_letter.reject.to_string(),
        action,
        attempt,
        note,
    };
    store.note_dead_letter(&acted).await?;
    if let Some(delivery) = again {
        outlet::accept(bus, &delivery).await?;
    }
    bus.remove_dead(number).await?;
    Ok(())
}
