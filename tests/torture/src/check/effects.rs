//! Each event once.

use crate::evidence::{Change, Ending, Evidence};
use model::EventId;
use std::collections::{HashMap, HashSet};

/// Events that ended twice, or in two ways.
pub(super) fn several_outcomes(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen: HashSet<(&str, EventId)> = HashSet::new();
    for ending in &evidence.endings {
        if !seen.insert((&ending.connection, ending.event)) {
            found.push(format!("event {} of {} ended twice", ending.event, ending.connection));
        }
        if ending.attempts > 1 {
            let attempts = ending.attempts;
            found.push(format!("event {} of {} ended {attempts} times", ending.event, ending.connection));
        }
    }
    let ended: HashSet<EventId> = evidence.endings.iter().map(|ending| ending.event).collect();
    // Apply's own dead letters have an ending that says so.
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

/// Deliveries of one number tell of one event.
fn twins_that_both_ended(evidence: &Evidence) -> Vec<String> {
    let mut by_number: HashMap<(u32, u64), EventId> = HashMap::new();
    let mut found = Vec::new();
    for ending in &evidence.endings {
        let Some(told) = evidence.ledger.told.get(&ending.delivery) else { continue };
        if let Some(other) = by_number.insert((told.store, told.number), ending.event) {
            found.push(format!("number {} ended as events {other} and {}", told.number, ending.event));
        }
    }
    found
}

/// Events with two effects, effects without an event, and events that are said to be applied without an effect.
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
    let applied = |ending: &&Ending| ending.outcome == "applied";
    let mut endings: HashMap<(&str, EventId), &Ending> = evidence
        .endings
        .iter()
        .filter(applied)
        .map(|ending| ((ending.connection.as_str(), ending.event), ending))
        .collect();
    for (key, change) in &by_event {
        match endings.remove(key) {
            Some(ending) if ending.sequence == Some(change.sequence) && ending.store == change.store => {}
            Some(ending) => found.push(format!(
                "event {} of {} is change {} and ended as {:?}",
                change.event, change.store, change.sequence, ending.sequence
            )),
            None => found.push(format!("change {} of {} has no ending", change.sequence, change.store)),
        }
    }
    let without = endings.values();
    found.extend(without.map(|ending| format!("event {} is applied and changed nothing", ending.event)));
    found.extend(evidence.orphans.iter().map(|line| format!("line {line} of the ledger has no change")));
    found
}
