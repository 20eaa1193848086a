//! Checks that work continues and ends.

use crate::evidence::Evidence;

/// Work that doesn't end, replicas that aren't ready, and changes that aren't passed on.
pub(super) fn not_at_rest(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(evidence.activity.iter().map(|activity| format!("at the limit still: {activity}")));
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

/// Responses of the intake that are wrong.
pub(super) fn surprises(evidence: &Evidence) -> Vec<String> {
    evidence.ledger.surprises.clone()
}

/// Unauthenticated clients with a 2xx, and a partner's messages in a stream of ours.
pub(super) fn unauthenticated_accepted(evidence: &Evidence) -> Vec<String> {
    let let_in = (evidence.let_in > 0)
        .then(|| format!("unauthenticated clients were answered 2xx {} times", evidence.let_in));
    let foreign = evidence.foreign.iter().map(|record| format!("not ours, in a stream: {record}"));
    let_in.into_iter().chain(foreign).collect()
}

/// Panics and broken tasks in the logs.
pub(super) fn broken(evidence: &Evidence) -> Vec<String> {
    evidence.journal.broken.clone()
}
