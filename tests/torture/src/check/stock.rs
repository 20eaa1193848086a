//! Checks of the inventory ledger.

use crate::evidence::{Evidence, Level};

/// Levels that differ from the sum of their ledger lines, or with lines that don't follow from each other.
pub(super) fn unbalanced(evidence: &Evidence) -> Vec<String> {
    let is_broken = |level: &&Level| {
        level.quantity.is_none()
            || level.quantity != level.ledger
            || level.quantity != level.last
            || level.broken_lines > 0
    };
    let describe = |level: &Level| {
        format!(
            "{} {} at {}: {:?}, its lines sum to {:?} and end at {:?}, {} don't follow",
            level.store,
            level.variant,
            level.location,
            level.quantity,
            level.ledger,
            level.last,
            level.broken_lines
        )
    };
    evidence.levels.iter().filter(is_broken).map(describe).collect()
}
