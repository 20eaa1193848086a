//! Checks of accepted deliveries and of their outcomes.

use crate::evidence::{Evidence, Kept, Meaning};
use crate::ledger::Reported;
use crate::plan::What;
use model::{DeliveryId, EventId};
use std::collections::{BTreeMap, HashMap, HashSet};

fn describe(evidence: &Evidence, id: DeliveryId, reported: &Reported) -> String {
    let twin = if reported.twin { " (twin)" } else { "" };
    format!(
        "{id} number {}{twin} of {}: {:?}",
        reported.number,
        evidence.store_name(reported.store),
        reported.what
    )
}

/// Deliveries with a 2xx that aren't in RAW, with their position among the accepted ones of their store: a loss in the
/// middle is worse than one at the end.
pub(super) fn lost(evidence: &Evidence) -> Vec<String> {
    let mut by_store: BTreeMap<u32, Vec<(u64, DeliveryId, &Reported)>> = BTreeMap::new();
    for (id, reported) in &evidence.ledger.reported {
        if let Some(kept) = reported.kept {
            by_store.entry(reported.store).or_default().push((kept, *id, reported));
        }
    }
    let mut lost = Vec::new();
    for reported in by_store.values_mut() {
        reported.sort_unstable_by_key(|(kept, ..)| *kept);
        let is_there = |(_, id, _): &(u64, DeliveryId, &Reported)| evidence.raw.contains_key(id);
        let (first, last) = (reported.iter().position(is_there), reported.iter().rposition(is_there));
        for (index, entry) in reported.iter().enumerate().filter(|(_, entry)| !is_there(entry)) {
            let part = match (first, last) {
                (Some(first), _) if index < first => "at the beginning",
                (_, Some(last)) if index > last => "at the end",
                (Some(_), Some(_)) => "in the middle",
                _ => "with everything of its store",
            };
            lost.push(format!("lost {part}: {}", describe(evidence, entry.1, entry.2)));
        }
    }
    lost
}

/// Deliveries with a 2xx that have no outcome. Deliveries with the same number are about the same event.
pub(super) fn without_outcome(evidence: &Evidence) -> Vec<String> {
    let (ended, dead) = (evidence.ended_deliveries(), dead_deliveries(evidence));
    let ended_numbers: HashSet<u64> =
        ended.iter().filter_map(|id| Some(evidence.ledger.reported.get(id)?.number)).collect();
    let kept = evidence.ledger.reported.iter().filter(|(_, reported)| reported.kept.is_some());
    let open = kept.filter(|(id, reported)| {
        let filtered = matches!(reported.what, What::Thin { .. }) && evidence.raw.contains_key(*id);
        !(filtered || ended_numbers.contains(&reported.number) || dead.contains(*id))
    });
    open.map(|(id, reported)| describe(evidence, *id, reported)).collect()
}

fn dead_deliveries(evidence: &Evidence) -> HashSet<DeliveryId> {
    evidence.dead_letters.iter().map(|dead_letter| dead_letter.delivery).collect()
}

/// Deliveries in RAW, of any sender, with an event that has neither an outcome nor a dead letter, and rejected ones
/// without a dead letter.
pub(super) fn in_flight(evidence: &Evidence) -> Vec<String> {
    let ended: HashSet<(&str, EventId)> = evidence
        .event_outcomes
        .iter()
        .map(|event_outcome| (event_outcome.connection.as_str(), event_outcome.event))
        .collect();
    let dead_events: HashSet<EventId> =
        evidence.dead_letters.iter().filter_map(|dead_letter| dead_letter.event).collect();
    let dead = dead_deliveries(evidence);
    let open = |id: &DeliveryId, kept: &Kept| match &kept.meaning {
        Meaning::Filtered => None,
        Meaning::Rejected => (!dead.contains(id)).then(|| "no dead letter".to_owned()),
        Meaning::Events(events) => {
            let is_open = |event: &&EventId| {
                !ended.contains(&(kept.connection.as_str(), **event)) && !dead_events.contains(event)
            };
            events.iter().find(is_open).map(|event| format!("event {event} has no outcome"))
        }
    };
    let found = evidence.raw.iter().filter_map(|(id, kept)| Some((id, kept, open(id, kept)?)));
    found
        .map(|(id, kept, what)| {
            format!(
                "{id} at {} of {}, {} of {}: {what}",
                kept.position, kept.store, kept.topic, kept.connection
            )
        })
        .collect()
}

/// Stores whose conservation account differs from RAW or doesn't balance.
pub(super) fn unaccounted(evidence: &Evidence) -> Vec<String> {
    let mut in_raw: BTreeMap<&str, i64> = BTreeMap::new();
    for kept in evidence.raw.values() {
        *in_raw.entry(&kept.store).or_default() += i64::from(kept.times);
    }
    let mut found = Vec::new();
    for account in &evidence.accounts {
        let in_raw = in_raw.remove(account.store.as_str()).unwrap_or(0);
        let balances = account.accepted + account.further == account.outcomes + account.in_flight;
        if account.accepted != in_raw || account.in_flight != 0 || !balances {
            found.push(format!("RAW has {in_raw}: {account:?}"));
        }
    }
    found.extend(
        in_raw.iter().map(|(store, count)| format!("RAW has {count} of {store}, which has no account")),
    );
    found
}

/// Findings of `tillflow audit`.
pub(super) fn audited(evidence: &Evidence) -> Vec<String> {
    evidence.audit.clone()
}

/// Deliveries in RAW, outcomes and dead letters that no sender caused, and those that changed their store or connection
/// on the way.
pub(super) fn from_nowhere(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    for (id, kept) in &evidence.raw {
        match evidence.ledger.reported.get(id) {
            Some(reported) if evidence.store_name(reported.store) != kept.store => {
                found.push(format!(
                    "{id} was reported by {} and is of {}",
                    evidence.store_name(reported.store),
                    kept.store
                ));
            }
            None if !kept.fetched && !evidence.simulated.contains(id) => {
                found.push(format!("{id} at {} of {}: nobody sent it", kept.position, kept.store));
            }
            _ => {}
        }
    }
    for event_outcome in &evidence.event_outcomes {
        match evidence.raw.get(&event_outcome.delivery) {
            None => found.push(format!(
                "event {} ended, its delivery {} isn't in RAW",
                event_outcome.event, event_outcome.delivery
            )),
            Some(kept)
                if kept.store != event_outcome.store || kept.connection != event_outcome.connection =>
            {
                found.push(format!(
                    "event {} of {} ended in {}",
                    event_outcome.event, kept.store, event_outcome.store
                ));
            }
            Some(_) => {}
        }
    }
    let dead_letters =
        evidence.dead_letters.iter().filter(|dead_letter| !evidence.raw.contains_key(&dead_letter.delivery));
    found.extend(
        dead_letters
            .map(|dead_letter| format!("a dead letter of {}, which isn't in RAW", dead_letter.delivery)),
    );
    found
}

/// Deliveries that the intake had to refuse, but that have a 2xx or are in RAW.
pub(super) fn refused_got_in(evidence: &Evidence) -> Vec<String> {
    let refused = evidence.ledger.reported.iter().filter(|(_, reported)| reported.what.is_refused());
    let got_in = refused.filter(|(id, reported)| reported.kept.is_some() || evidence.raw.contains_key(*id));
    got_in.map(|(id, reported)| describe(evidence, *id, reported)).collect()
}

/// Poison that isn't a dead letter with its original bytes, and dead letters that aren't poison.
pub(super) fn dead_letters(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let ended: HashMap<DeliveryId, &str> = evidence
        .event_outcomes
        .iter()
        .map(|event_outcome| (event_outcome.delivery, event_outcome.outcome.as_str()))
        .collect();
    let dead = dead_deliveries(evidence);
    let reported = evidence
        .ledger
        .reported
        .iter()
        .filter(|(_, reported)| reported.what.is_dead() && reported.kept.is_some());
    for (id, reported) in reported {
        let outcome = ended.get(id).copied();
        let alive = if reported.what.is_dead_in_part() { "applied" } else { "dead" };
        if !dead.contains(id) || outcome.is_some_and(|outcome| outcome != alive) {
            found.push(format!("isn't dead but {outcome:?}: {}", describe(evidence, *id, reported)));
        }
    }
    for dead_letter in &evidence.dead_letters {
        let about = format!(
            "{} at {}: {}: {}",
            dead_letter.delivery, dead_letter.stage, dead_letter.class, dead_letter.reason
        );
        match evidence.ledger.reported.get(&dead_letter.delivery) {
            Some(reported) if !reported.what.is_dead() => found.push(format!("is true, and dead: {about}")),
            Some(reported) if dead_letter.digest.is_some_and(|digest| digest != reported.digest) => {
                found.push(format!("has other bytes than were sent: {about}"));
            }
            None => found.push(format!("a platform's own is dead: {about}")),
            Some(_) if dead_letter.class == "bug" => found.push(format!("a mistake of ours: {about}")),
            Some(_) => {}
        }
    }
    found
}
