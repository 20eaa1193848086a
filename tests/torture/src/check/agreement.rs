//! Checks of agreement with platforms.

use crate::evidence::{Evidence, MirrorRow};

/// Mirrors with a write or a read that is still due, or with a write that a platform refused for good.
pub(super) fn still_due(evidence: &Evidence) -> Vec<String> {
    let is_due = |mirror: &&MirrorRow| mirror.attention.is_some() || mirror.phase == "refused";
    let describe = |mirror: &MirrorRow| {
        format!(
            "{} {} {} {}: {:?}, {}, {:?}",
            mirror.connection,
            mirror.kind,
            mirror.external,
            mirror.location,
            mirror.attention,
            mirror.phase,
            mirror.last_error
        )
    };
    evidence.mirrors.iter().filter(is_due).map(describe).collect()
}

/// Values of simulated platforms that differ from the record.
pub(super) fn differing(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    if evidence.compared.len() < evidence.compared_min {
        let (compared, required) = (evidence.compared.len(), evidence.compared_min);
        found.push(format!("only {compared} values could be compared, there should be {required}"));
    }
    let differ = evidence.compared.iter().filter(|value| value.ours.is_none() || value.ours != value.theirs);
    found.extend(
        differ.map(|value| format!("{}: we have {:?}, they have {:?}", value.what, value.ours, value.theirs)),
    );
    found
}

/// Platforms that are still called although nothing changes.
pub(super) fn further_calls(evidence: &Evidence) -> Vec<String> {
    let calls = evidence.stillness.calls.iter().filter(|(_, (before, after))| before != after);
    calls.map(|(connection, (before, after))| format!("{connection}: {before} calls, then {after}")).collect()
}
