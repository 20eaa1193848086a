//! The checks, one function for each. A function returns what violates it, with ids.

mod acceptance;
mod agreement;
mod effects;
mod liveness;
mod order;
mod reference;
mod stock;

use crate::evidence::Evidence;
use serde::Serialize;

/// Upper limit of named violations of one check; the others are only counted.
const NAMED_MAX: usize = 25;

/// A check of one statement about the evidence.
pub(crate) struct Check {
    /// The number of its invariant; empty if it has none.
    pub(crate) number: &'static str,
    /// The statement that has to be true.
    pub(crate) holds: &'static str,
    /// Returns a text for each violation.
    pub(crate) violations: fn(&Evidence) -> Vec<String>,
}

/// Every check.
pub(crate) const CHECKS: &[Check] = &[
    Check { number: "I1", holds: "every 2xx is in RAW", violations: acceptance::lost },
    Check { number: "I1", holds: "every 2xx has an outcome", violations: acceptance::without_outcome },
    Check { number: "I4", holds: "all that is in RAW has an outcome", violations: acceptance::in_flight },
    Check { number: "I4", holds: "the record accounts for all of RAW", violations: acceptance::unaccounted },
    Check { number: "I4", holds: "tillflow audit finds nothing", violations: acceptance::audited },
    Check { number: "I5", holds: "nothing comes from nowhere", violations: acceptance::from_nowhere },
    Check { number: "I5", holds: "what was refused got nowhere", violations: acceptance::refused_got_in },
    Check { number: "I18", holds: "poison is dead, whole, and alone", violations: acceptance::dead_letters },
    Check { number: "I2", holds: "every event has one outcome", violations: effects::several_outcomes },
    Check { number: "I3", holds: "every event has at most one effect", violations: effects::several_effects },
    Check { number: "I6", holds: "a store's sequence is 1..n", violations: order::gaps },
    Check { number: "I6", holds: "changes stand in the order of RAW", violations: order::against_raw },
    Check { number: "I6", holds: "RAW stands in the order of the 2xx", violations: order::against_2xx },
    Check { number: "I9", holds: "the ledger sums up to the levels", violations: stock::unbalanced },
    Check { number: "I9", holds: "outcomes are those of the reference", violations: reference::outcomes },
    Check { number: "I9", holds: "values are those of the reference", violations: reference::values },
    Check { number: "I11", holds: "versions never go back", violations: order::versions_back },
    Check { number: "I13", holds: "nothing is due at any platform", violations: agreement::still_due },
    Check { number: "I14", holds: "platforms hold our values", violations: agreement::differing },
    Check { number: "I15", holds: "calls stop when nothing changes", violations: agreement::further_calls },
    Check {
        number: "I17",
        holds: "everything comes to rest and is ready",
        violations: liveness::not_at_rest,
    },
    Check { number: "", holds: "the intake answers as it should", violations: liveness::surprises },
    Check {
        number: "",
        holds: "nobody gets in who isn't ours",
        violations: liveness::unauthenticated_accepted,
    },
    Check { number: "", holds: "nothing broke inside", violations: liveness::broken },
];

/// Result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Verdict {
    /// The number of its invariant; empty if it has none.
    pub(crate) invariant: &'static str,
    /// The statement that has to be true.
    pub(crate) holds: &'static str,
    /// Number of violations.
    pub(crate) violations: usize,
    /// The first violations, at most 25.
    pub(crate) named: Vec<String>,
}

/// Runs every check.
pub(crate) fn all(evidence: &Evidence) -> Vec<Verdict> {
    let verdict = |check: &Check| {
        let mut named = (check.violations)(evidence);
        let violations = named.len();
        named.truncate(NAMED_MAX);
        Verdict { invariant: check.number, holds: check.holds, violations, named }
    };
    CHECKS.iter().map(verdict).collect()
}

#[cfg(test)]
mod sample;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_record_breaks_nothing() {
        let broken: Vec<_> =
            all(&sample::sound()).into_iter().filter(|verdict| verdict.violations > 0).collect();
        assert!(broken.is_empty(), "{broken:#?}");
    }

    #[test]
    fn every_check_has_a_record_that_breaks_it() {
        for check in CHECKS {
            let breaks = sample::BROKEN.iter().filter(|(holds, _)| *holds == check.holds);
            let mut count = 0;
            for (_, spoil) in breaks {
                let mut evidence = sample::sound();
                spoil(&mut evidence);
                let named = (check.violations)(&evidence);
                assert!(!named.is_empty(), "{} doesn't see broken record {count}", check.holds);
                count += 1;
            }
            assert!(count > 0, "{} is never broken", check.holds);
        }
    }
}
