//! Promotions against what platforms document, and against what holds for each of them.

mod activity;
mod prices;
mod properties;
mod times;

use super::*;
use crate::Money;

pub(super) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap_or_else(|_| panic!("{text} is no instant"))
}

pub(super) fn zone(name: &str) -> Zone {
    Zone::parse(name).unwrap()
}

pub(super) fn id(text: &str) -> ExternalId {
    ExternalId::new(text).unwrap()
}

/// A promotion for each item, at all times, without conditions.
pub(super) fn promotion(external: &str, reward: Reward) -> Promotion {
    Promotion {
        external: id(external),
        name: None,
        is_on: true,
        schedule: Schedule::always(),
        reward,
        targets: Targets::everything(),
        conditions: Vec::new(),
        stacking: Stacking::Alone,
    }
}

pub(super) fn money(text: &str) -> Money {
    let (amount, currency) = text.split_once(' ').unwrap_or((text, "USD"));
    Money::parse(amount, crate::Currency::new(currency).unwrap()).unwrap()
}

/// The least number of documented cases of times and prices together.
const CASES_MIN: usize = 40;

#[test]
fn the_tables_have_forty_distinct_cases_at_least_and_each_names_its_document() {
    let cases = [times::sources(), prices::sources()].concat();
    let names: std::collections::BTreeSet<&str> = cases.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), cases.len(), "a case is in the tables twice");
    assert!(cases.len() >= CASES_MIN, "{}", cases.len());
    for (name, source) in cases {
        // A document, and the place in it.
        assert!(source.contains(' ') || source.contains(':'), "{name}: {source:?}");
    }
}
