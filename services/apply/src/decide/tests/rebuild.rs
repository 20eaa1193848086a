//! State folded from changes that were decided while the record was damaged.

use super::*;
use crate::rebuild::{Broken, Rebuilt};
use model::record::{Applied, Movement, MovementReason, State};

fn decided(facts: Facts, events: Vec<Event>) -> (Facts, Vec<Applied>) {
    let mut fold = Fold::new(facts, BTreeMap::new());
    for event in events {
        fold.event(P, event);
    }
    (fold.facts, fold.changes.applied.into_iter().map(|(_, applied)| applied).collect())
}

fn rebuilt(changes: Vec<Applied>) -> (Rebuilt, Vec<Movement>) {
    let mut rebuilt = Rebuilt::default();
    let lines = changes.into_iter().flat_map(|change| rebuilt.take(change).unwrap()).collect();
    (rebuilt, lines)
}

fn begin() -> Vec<Event> {
    vec![
        event("a", 1, Some(1), Payload::Product(shirt("Shirt", 1000))),
        event("b", 2, Some(1), Payload::Product(shirt("Shirt", 1000))),
        event("a", 3, Some(2), level(10)),
        event("b", 4, Some(2), level(10)),
        event("a", 5, Some(3), Payload::Product(shirt("Better shirt", 1000))),
    ]
}

#[test]
fn what_was_decided_over_damaged_rows_is_rebuilt_as_if_they_had_not_been() {
    let later = || {
        vec![
            event("a", 6, Some(6), level(8)),
            event("a", 7, Some(7), Payload::Product(shirt("Better shirt", 1200))),
            event("b", 8, Some(8), level(7)),
        ]
    };
    let (mut facts, mut changes) = decided(Facts::default(), begin());
    let (whole, _) = decided(facts.clone(), later());
    *facts.levels.values_mut().next().unwrap() = Quantity::pieces(100);
    facts.products.values_mut().next().unwrap().title.as_mut().unwrap().value = "Poor shirt".to_owned();
    facts.variants.values_mut().next().unwrap().title = None;
    let (damaged, since) = decided(facts, later());
    changes.extend(since);
    assert_eq!(damaged.levels.values().next().unwrap().to_string(), "95");
    let (rebuilt, lines) = rebuilt(changes);
    let Facts { levels, products, variants, orders, promotions, .. } = whole;
    assert_eq!(rebuilt.state, State { levels, products, variants, orders, promotions });
    let reported: Vec<String> = lines.iter().map(|line| line.level.to_string()).collect();
    assert_eq!(reported, ["10", "98", "95"], "the ledger's lines are as they were written");
}

#[test]
fn a_level_that_was_lost_and_counted_anew_is_what_was_counted_and_is_named() {
    let (mut facts, mut changes) = decided(Facts::default(), begin());
    let key = facts.levels.pop_first().unwrap().0;
    let reports = vec![event("a", 6, Some(6), level(8)), event("b", 7, Some(7), level(9))];
    let (counted, since) = decided(facts, reports);
    changes.extend(since);
    let (rebuilt, lines) = rebuilt(changes);
    assert_eq!(
        (rebuilt.state.levels[&key].to_string(), counted.levels),
        ("7".to_owned(), rebuilt.state.levels)
    );
    assert_eq!(rebuilt.recounted, BTreeMap::from([(key, 6)]));
    let reasons: Vec<_> = lines.iter().map(|line| line.reason).collect();
    let first = MovementReason::FirstCount;
    assert_eq!(reasons, [first, first, MovementReason::Reported]);
}

#[test]
fn a_history_with_a_gap_reports_no_state() {
    let (_, mut changes) = decided(Facts::default(), begin());
    let found = changes.len();
    let last = changes.pop().unwrap();
    changes.pop();
    let (mut rebuilt, _) = rebuilt(changes);
    let (expected, found) = (rebuilt.sequence + 1, i64::try_from(found).unwrap());
    assert_eq!(rebuilt.take(last), Err(Broken { expected, found }));
}

#[test]
fn what_a_later_report_of_an_order_lacked_is_rebuilt_from_the_earlier_one() {
    let tip = Some(Money { minor: 200, currency: Currency::new("USD").unwrap() });
    let settlement = model::Settlement { tip, ..model::Settlement::default() };
    let sold = Order { employee: Some(external("ada")), settlement, ..order_in(OrderStatus::Open) };
    let events = vec![
        event("a", 1, Some(1), Payload::Order(sold)),
        event("a", 2, Some(2), Payload::Order(order_in(OrderStatus::Completed))),
    ];
    let (facts, changes) = decided(Facts::default(), events);
    let (rebuilt, _) = rebuilt(changes);
    assert_eq!(rebuilt.state.orders, facts.orders);
    assert_eq!(rebuilt.state.orders.values().next().unwrap().order.settlement.tip, tip);
}
