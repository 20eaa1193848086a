//! Work goes on, and comes to an end.

use crate::evidence::Evidence;

/// What doesn't come to rest, isn't ready, or isn't passed on.
pub(super) fn unrest(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(evidence.stirs.iter().map(|stirs| format!("at the limit still: {stirs}")));
    found.extend(evidence.not_ready.iter().map(|name| format!("{name} isn't ready")));
    found.extend(evidence.uncovered.iter().cloned());
    found.extend(evidence.unpublished.iter().cloned());
    found.extend(evidence.stuck.iter().cloned());
    if evidence.late_senders > 0 {
        found.push(format!("{} senders weren't done after the faults", evidence.late_senders));
    }
    found.extend(evidence.journal.in_hand.iter().cloned());
    found
}

/// Answers that mustn't be.
pub(super) fn surprises(evidence: &Evidence) -> Vec<String> {
    evidence.ledger.surprises.clone()
}

/// Unauthenticated clients that were let in, and messages of a partner in a stream of ours.
pub(super) fn intruders(evidence: &Evidence) -> Vec<String> {
    let let_in = (evidence.let_in > 0)
        .then(|| format!("unauthenticated clients were answered 2xx {} times", evidence.let_in));
    let foreign = evidence.foreign.iter().map(|record| format!("not ours, in a stream: {record}"));
    let_in.into_iter().chain(foreign).collect()
}

/// Panics.
pub(super) fn broken(evidence: &Evidence) -> Vec<String> {
    evidence.journal.broken.clone()
}
