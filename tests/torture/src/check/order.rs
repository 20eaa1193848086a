//! Checks of the order of deliveries and changes.

use crate::evidence::{Change, EventOutcome, Evidence};
use model::{EventId, Position};
use std::collections::{BTreeMap, HashMap};

fn by_store(evidence: &Evidence) -> BTreeMap<&str, Vec<&Change>> {
    let mut stores: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
    for change in &evidence.changes {
        stores.entry(&change.store).or_default().push(change);
    }
    for changes in stores.values_mut() {
        changes.sort_by_key(|change| change.sequence);
    }
    stores
}

/// Stores whose changes aren't numbered 1..n.
pub(super) fn gaps(evidence: &Evidence) -> Vec<String> {
    let first_gap = |changes: &[&Change]| {
        let mut expected = 1_i64..;
        changes.iter().find_map(|change| {
            let expected = expected.next()?;
            (change.sequence != expected).then_some((expected, change.sequence))
        })
    };
    let gaps =
        by_store(evidence).into_iter().filter_map(|(store, changes)| Some((store, first_gap(&changes)?)));
    gaps.map(|(store, (expected, found))| format!("{store} has {found} where {expected} should be")).collect()
}

/// Changes that precede one that was accepted earlier, and outcomes at another position than the first of
/// their delivery.
pub(super) fn against_raw(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let event_outcomes: HashMap<(&str, EventId), &EventOutcome> = evidence
        .event_outcomes
        .iter()
        .map(|event_outcome| ((event_outcome.connection.as_str(), event_outcome.event), event_outcome))
        .collect();
    for (store, changes) in by_store(evidence) {
        let mut before: Option<(Position, i64)> = None;
        for change in changes {
            let Some(event_outcome) = event_outcomes.get(&(change.connection.as_str(), change.event)) else {
                continue;
            };
            let position = event_outcome.position();
            if let Some((earlier, sequence)) = before.filter(|(earlier, _)| *earlier >= position) {
                found.push(format!(
                    "{store}: change {} is at {position}, change {sequence} before it at {earlier}",
                    change.sequence
                ));
            }
            before = Some((position, change.sequence));
        }
    }
    for event_outcome in &evidence.event_outcomes {
        let Some(kept) = evidence.raw.get(&event_outcome.delivery) else { continue };
        let at = event_outcome.position();
        if (at.raw_sequence, at.delivery) != (kept.position.raw_sequence, kept.position.delivery) {
            found.push(format!(
                "event {} ended for {at}, its delivery {} came first at {}",
                event_outcome.event, event_outcome.delivery, kept.position
            ));
        }
    }
    found
}

/// A delivery of the stream: its position in RAW, the ledger's counts at its first sending and at its 2xx, and
/// its number.
type Timed = (Position, u64, Option<u64>, u64);

/// Deliveries that follow in RAW one that was first sent after they had their 2xx.
pub(super) fn against_2xx(evidence: &Evidence) -> Vec<String> {
    let mut stores: BTreeMap<u32, Vec<Timed>> = BTreeMap::new();
    for (id, reported) in &evidence.ledger.reported {
        if let Some(kept) = evidence.raw.get(id) {
            let entry = (kept.position, reported.sent, reported.kept, reported.number);
            stores.entry(reported.store).or_default().push(entry);
        }
    }
    let mut found = Vec::new();
    for (store, mut reported) in stores {
        reported.sort_unstable();
        let mut latest: Option<(u64, u64)> = None;
        for (position, sent, kept, number) in reported {
            if let (Some(kept), Some((sent_later, other))) = (kept, latest)
                && kept < sent_later
            {
                let store = evidence.store_name(store);
                found.push(format!(
                    "{store}: number {number} at {position} had its 2xx before {other} was sent"
                ));
            }
            latest = latest.max(Some((sent, number)));
        }
    }
    found
}

/// Changes of an object with an older version than an earlier change, and mirrors whose observed version is older than
/// the newest that was applied.
pub(super) fn versions_back(evidence: &Evidence) -> Vec<String> {
    let mut found = forgotten_versions(evidence);
    for (store, changes) in by_store(evidence) {
        let mut newest: HashMap<(&str, &str), (i64, i64)> = HashMap::new();
        for change in changes {
            let Some(version) = change.version else { continue };
            let known =
                newest.entry((&change.connection, &change.object)).or_insert((version, change.sequence));
            if version < known.0 {
                let (object, sequence) = (&change.object, change.sequence);
                found.push(format!(
                    "{store}: change {sequence} of {object} has version {version}, change {} had {}",
                    known.1, known.0
                ));
            } else {
                *known = (version, change.sequence);
            }
        }
    }
    found
}

fn forgotten_versions(evidence: &Evidence) -> Vec<String> {
    let mut newest: HashMap<(&str, &str, &str), i64> = HashMap::new();
    for change in &evidence.changes {
        let mut words = change.object.split(' ');
        let (Some(kind), Some(external), Some(version)) = (words.next(), words.next(), change.version) else {
            continue;
        };
        let known = newest.entry((&change.connection, kind, external)).or_insert(version);
        *known = version.max(*known);
    }
    let forgotten = evidence.mirrors.iter().filter_map(|mirror| {
        let newest =
            *newest.get(&(mirror.connection.as_str(), mirror.kind.as_str(), mirror.external.as_str()))?;
        let observed = mirror.observed_version?;
        (observed < newest).then(|| {
            let (connection, kind, external) = (&mirror.connection, &mirror.kind, &mirror.external);
            format!("{connection} {kind} {external} is at version {observed}, {newest} was applied")
        })
    });
    forgotten.collect()
}
