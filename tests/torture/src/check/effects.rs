//! Checks that each event has one outcome and at most one effect.

use crate::evidence::{Change, EventOutcome, Evidence};
use model::EventId;
use std::collections::{HashMap, HashSet};

/// Events with several outcomes.
pub(super) fn several_outcomes(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen: HashSet<(&str, EventId)> = HashSet::new();
    for event_outcome in &evidence.event_outcomes {
        if !seen.insert((&event_outcome.connection, event_outcome.event)) {
            found.push(format!("event {} of {} ended twice", event_outcome.event, event_outcome.connection));
        }
        if event_outcome.attempts > 1 {
            let attempts = event_outcome.attempts;
            found.push(format!(
                "event {} of {} ended {attempts} times",
                event_outcome.event, event_outcome.connection
            ));
        }
    }
    let ended: HashSet<EventId> =
        evidence.event_outcomes.iter().map(|event_outcome| event_outcome.event).collect();
    // An event that apply dead-letters also has an outcome, `dead`.
    let before_apply = evidence.dead_letters.iter().filter(|dead_letter| dead_letter.stage != "apply");
    let both =
        before_apply.filter(|dead_letter| dead_letter.event.is_some_and(|event| ended.contains(&event)));
    found.extend(
        both.map(|dead_letter| {
            format!("{} ended and is dead at {}", dead_letter.delivery, dead_letter.stage)
        }),
    );
    found.extend(twins_that_both_ended(evidence));
    found
}

/// Numbers with outcomes of two events: deliveries with the same number are about the same event.
fn twins_that_both_ended(evidence: &Evidence) -> Vec<String> {
    let mut by_number: HashMap<(u32, u64), EventId> = HashMap::new();
    let mut found = Vec::new();
    for event_outcome in &evidence.event_outcomes {
        let Some(reported) = evidence.ledger.reported.get(&event_outcome.delivery) else { continue };
        if let Some(other) = by_number.insert((reported.store, reported.number), event_outcome.event) {
            found.push(format!(
                "number {} ended as events {other} and {}",
                reported.number, event_outcome.event
            ));
        }
    }
    found
}

/// Events with two effects, effects without an event, and events whose outcome is `applied` without an effect.
pub(super) fn several_effects(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let mut by_event: HashMap<(&str, EventId), &Change> = HashMap::new();
    for change in &evidence.changes {
        if let Some(other) = by_event.insert((&change.connection, change.event), change) {
            found.push(format!(
                "event {} changed {} as {} and as {}",
                change.event, change.store, other.sequence, change.sequence
            ));
        }
    }
    let applied = |event_outcome: &&EventOutcome| event_outcome.outcome == "applied";
    let mut event_outcomes: HashMap<(&str, EventId), &EventOutcome> = evidence
        .event_outcomes
        .iter()
        .filter(applied)
        .map(|event_outcome| ((event_outcome.connection.as_str(), event_outcome.event), event_outcome))
        .collect();
    for (key, change) in &by_event {
        match event_outcomes.remove(key) {
            Some(event_outcome)
                if event_outcome.sequence == Some(change.sequence) && event_outcome.store == change.store => {
            }
            Some(event_outcome) => found.push(format!(
                "event {} of {} is change {} and ended as {:?}",
                change.event, change.store, change.sequence, event_outcome.sequence
            )),
            None => found.push(format!("change {} of {} has no outcome", change.sequence, change.store)),
        }
    }
    let without = event_outcomes.values();
    found.extend(
        without.map(|event_outcome| format!("event {} is applied and changed nothing", event_outcome.event)),
    );
    found.extend(evidence.orphans.iter().map(|line| format!("line {line} of the ledger has no change")));
    found
}
