use super::*;
use std::collections::{HashMap, HashSet};

const SHAPE: Shape = Shape { stores: 12, products: 20 };

fn stream(seed: u64, count: usize) -> Vec<Planned> {
    Plan::new(seed, SHAPE).take(count).collect()
}

#[test]
fn the_same_seed_gives_the_same_stream_and_another_seed_another() {
    assert_eq!(stream(7, 20_000), stream(7, 20_000));
    assert_ne!(stream(7, 1_000), stream(8, 1_000));
}

#[test]
fn the_same_number_is_always_the_same_thing() {
    let mut reported: HashMap<u64, (u32, What)> = HashMap::new();
    for planned in stream(1, 20_000) {
        let known = reported.entry(planned.number).or_insert((planned.store, planned.what));
        assert_eq!(*known, (planned.store, planned.what));
    }
}

#[test]
fn no_version_of_a_thing_is_reported_with_two_values() {
    let mut reported: HashMap<(u32, String), What> = HashMap::new();
    for planned in stream(2, 20_000) {
        let key = match planned.what {
            What::Level { product, version, .. } => format!("level {product} {version}"),
            What::Product { product, version } => format!("product {product} {version}"),
            What::Order { order, version, .. } => format!("order {order} {version}"),
            _ => continue,
        };
        let known = reported.entry((planned.store, key)).or_insert(planned.what);
        assert_eq!(*known, planned.what);
    }
}

/// Number of times that an older version of a level follows a newer one.
fn overtaken(stream: &[Planned]) -> usize {
    let mut newest: HashMap<(u32, u16), u32> = HashMap::new();
    let mut first = HashSet::new();
    let levels = stream.iter().filter(|planned| first.insert((planned.number, planned.twin)));
    levels
        .filter(|planned| {
            let What::Level { product, version, .. } = planned.what else { return false };
            let newest = newest.entry((planned.store, product)).or_default();
            let is_older = version < *newest;
            *newest = version.max(*newest);
            is_older
        })
        .count()
}

#[test]
fn adversaries_have_their_share() {
    const COUNT: usize = 50_000;
    let stream = stream(3, COUNT);
    let share = |is: &dyn Fn(&Planned) -> bool| {
        let count = u32::try_from(stream.iter().filter(|planned| is(planned)).count()).unwrap();
        f64::from(count) / 50_000.0
    };
    let near =
        |share: f64, expected: f64| assert!((share / expected - 1.0).abs() < 0.4, "{share} {expected}");
    near(share(&|planned| matches!(planned.what, What::Poison(_))), 0.018);
    near(share(&|planned| planned.what == What::Refused(Refusal::BadSignature)), 0.009);
    near(share(&|planned| planned.what == What::Refused(Refusal::TooLarge)), 0.001_8);
    near(share(&|planned| planned.repeats > 0), 0.08);
    near(share(&|planned| planned.twin), 0.009);
    assert!(stream.iter().any(|planned| planned.repeats >= 30));
    let overtaken = overtaken(&stream);
    assert!(overtaken > COUNT / 40, "{overtaken}");
    for stage in [OrderStage::Open, OrderStage::Completed, OrderStage::Cancelled, OrderStage::Refunded] {
        let has =
            |planned: &Planned| matches!(planned.what, What::Order { state, .. } if state.stage == stage);
        assert!(stream.iter().any(has), "{stage:?}");
    }
}
