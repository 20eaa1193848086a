//! The weeks that every change has to pass.

use world::{plan::Plan, run, shrink::shrink};

/// Number of seeds unless `TILLFLOW_WORLD_SEEDS` is set.
const SEEDS: u64 = 100;

#[test]
fn in_a_shops_worst_weeks_the_values_are_right() {
    let count =
        std::env::var("TILLFLOW_WORLD_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    let (mut exact, mut edits, mut failed) = (0, 0, Vec::new());
    for seed in 1..=count {
        let ran = run(&Plan::draw(seed), false);
        exact += ran.exact.0;
        edits += ran.edits.0;
        if !ran.violations.is_empty() {
            failed.push(seed);
        }
    }
    if let Some(seed) = failed.first() {
        let shown = run(&shrink(&Plan::draw(*seed)), true);
        panic!("seeds {failed:?} failed; {seed}:\n{}\n{:#?}", shown.story.join("\n"), shown.violations);
    }
    assert!(count == 0 || exact > 0 && edits > 0, "no shelf or no edit was exact: the weeks prove nothing");
}

#[test]
fn the_same_seed_gives_the_same_weeks() {
    for seed in 1..=10 {
        let run = || run(&Plan::draw(seed), true);
        assert_eq!(run().story, run().story, "seed {seed}");
    }
}
