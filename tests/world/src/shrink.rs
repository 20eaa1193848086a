//! Shrinks a failing plan: steps are dropped as long as it still fails.

use crate::{plan::Plan, world::run};

/// Number of a violation's characters that identify its kind.
const KIND_LETTERS: usize = 14;

/// The kind of a violation: its first characters, without digits.
fn kind(violation: &str) -> String {
    violation.chars().filter(|letter| !letter.is_numeric()).take(KIND_LETTERS).collect()
}

/// Returns the smallest plan found that still has the same kind of violation.
pub fn shrink(plan: &Plan) -> Plan {
    let violates =
        |plan: &Plan| run(plan, false).violations.iter().map(|line| kind(line)).collect::<Vec<_>>();
    let Some(wanted) = violates(plan).into_iter().next() else { return plan.clone() };
    let mut smallest = plan.clone();
    let mut size = smallest.steps.len().div_ceil(2);
    while size > 0 {
        let mut start = 0;
        let mut is_smaller = false;
        while start < smallest.steps.len() {
            let mut without = smallest.clone();
            let end = (start + size).min(without.steps.len());
            without.steps.drain(start..end);
            if violates(&without).contains(&wanted) {
                smallest = without;
                is_smaller = true;
            } else {
                start += size;
            }
        }
        if size == 1 && !is_smaller {
            break;
        }
        size = if size == 1 { 1 } else { size.div_ceil(2) };
    }
    smallest
}
