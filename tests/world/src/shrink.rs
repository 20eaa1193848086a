//! Makes a failing plan smaller: steps are dropped as long as it goes on to fail.

use crate::{plan::Plan, world::run};

/// The smallest plan found that still violates something.
pub fn shrink(plan: &Plan) -> Plan {
    let mut smallest = plan.clone();
    let mut size = smallest.steps.len().div_ceil(2);
    while size > 0 {
        let mut start = 0;
        let mut is_smaller = false;
        while start < smallest.steps.len() {
            let mut without = smallest.clone();
            let end = (start + size).min(without.steps.len());
            without.steps.drain(start..end);
            if run(&without, false).violations.is_empty() {
                start += size;
            } else {
                smallest = without;
                is_smaller = true;
            }
        }
        if size == 1 && !is_smaller {
            break;
        }
        size = if size == 1 { 1 } else { size.div_ceil(2) };
    }
    smallest
}
