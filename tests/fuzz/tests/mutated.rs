//! Runs malformed payloads by the thousand through every decision of the pipeline, in one process: no panic, one
//! verdict for each input, the same verdict for the same input, and encoded values are decoded to the same values.

use fuzz_targets::pipeline::{Pipeline, Tally};
use testkit::{Example, Mutator, examples};

/// Number of payloads of all tests here together.
const COUNT: &str = "TILLFLOW_FUZZ_PAYLOADS";
const COUNT_UNLESS_SET: u64 = 20_000;
/// Seed of the generators.
const SEED: &str = "TILLFLOW_FUZZ_SEED";
/// Number of tests that share the payloads.
const SHARES: u64 = 4;
/// Number of deliveries that are folded on one state of the record.
const FOLDED_TOGETHER: usize = 500;
/// Upper limit of failures that are shown.
const SHOWN: usize = 20;

/// The number in this environment variable.
fn set(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

#[expect(clippy::print_stdout, reason = "a run shows how far its payloads came")]
fn share(number: u64) {
    let count = set(COUNT).unwrap_or(COUNT_UNLESS_SET) / SHARES;
    let mut mutator = Mutator::new(set(SEED).unwrap_or(1) * SHARES + number);
    let examples = examples();
    let pipeline = Pipeline::new(&examples);
    let (mut failures, mut tally) = (Vec::new(), Tally::default());
    let mut left = count;
    while left > 0 && failures.len() < SHOWN {
        let payloads: Vec<(&Example, Vec<u8>)> = (0..left.min(FOLDED_TOGETHER as u64))
            .map(|_| {
                let example = &examples[mutator.below(examples.len())];
                (example, mutator.mutate(&example.body, example.schema))
            })
            .collect();
        left -= payloads.len() as u64;
        failures.extend(pipeline.run(&payloads, &mut tally));
    }
    println!("{tally:?}");
    failures.truncate(SHOWN);
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(count < 1000 || tally.reaches_everything(), "the payloads try too little: {tally:?}");
}

#[test]
fn no_payload_breaks_a_decision_or_is_read_back_otherwise_first_share() {
    share(0);
}

#[test]
fn no_payload_breaks_a_decision_or_is_read_back_otherwise_second_share() {
    share(1);
}

#[test]
fn no_payload_breaks_a_decision_or_is_read_back_otherwise_third_share() {
    share(2);
}

#[test]
fn no_payload_breaks_a_decision_or_is_read_back_otherwise_fourth_share() {
    share(3);
}
