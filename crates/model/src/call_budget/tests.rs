use super::*;
use proptest::prelude::*;

const TEN: CallClass = CallClass::List;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000).after(Duration::from_millis(millis))
}

fn want(class: CallClass, calls: u32) -> CallWant {
    CallWant { class, calls }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}

/// The waits of a lease, in milliseconds.
fn lease(grant: CallGrant) -> Vec<u64> {
    match grant {
        CallGrant::Lease(waits) => waits.into_iter().map(millis).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_burst_is_granted_at_once_and_then_calls_at_the_rate() {
    let rate = CallRate::new(10.0, 3);
    for (class, leases) in [
        (CallClass::Stock, vec![vec![0, 0, 0], vec![100, 200, 300]]),
        (CallClass::List, vec![vec![0, 0, 0], vec![100], vec![200], vec![300], vec![400], vec![500]]),
    ] {
        let mut budget = CallBudget::default();
        for expected in leases {
            assert_eq!(lease(budget.take(rate, want(class, 9), at(0))), expected, "{class:?}");
        }
    }
    let mut budget = CallBudget::default();
    assert_eq!(rate.lease_max(), 3, "a lease is never larger than the burst");
    assert_eq!(CallRate::new(10.0, 50).lease_max(), 5, "nor longer than its time");
    assert_eq!(CallRate::new(0.5, 50).lease_max(), 1);
    assert_eq!(lease(budget.take(rate, want(TEN, 0), at(0))), [0], "nobody asks for nothing");
    let full = budget.clone();
    assert_eq!(lease(budget.take(rate, want(TEN, 9), at(100))), [0, 0, 0], "one was refilled");
    assert_eq!(lease(full.clone().take(rate, want(TEN, 9), at(99))), [0, 0]);
}

#[test]
fn calls_are_never_promised_further_ahead_than_a_lease_takes() {
    let mut budget = CallBudget::default();
    let rate = CallRate::new(1.0, 1);
    assert_eq!(lease(budget.take(rate, want(CallClass::Stock, 9), at(0))), [0]);
    assert_eq!(lease(budget.take(rate, want(CallClass::Stock, 9), at(0))), [1000]);
    let later = budget.take(rate, want(CallClass::Stock, 9), at(0));
    assert_eq!(later, CallGrant::Later(Duration::from_secs(2)));
}

#[test]
fn a_class_that_wants_calls_keeps_them_from_later_classes_but_not_from_earlier_ones() {
    let rate = CallRate::new(10.0, 5);
    for (first, second, granted) in [
        (CallClass::Stock, CallClass::List, 1),
        (CallClass::Stock, CallClass::Price, 1),
        (CallClass::Price, CallClass::List, 1),
        (CallClass::Notice, CallClass::Price, 1),
        (CallClass::Price, CallClass::Stock, 5),
        (CallClass::List, CallClass::Stock, 5),
        (CallClass::List, CallClass::Price, 5),
    ] {
        let mut budget = CallBudget::default();
        // Two calls of five, and two more are wanted. Others may have the next ones.
        assert_eq!(lease(budget.take(rate, want(first, 2), at(0))).len(), 2);
        let found = lease(budget.take(rate, want(second, 9), at(0))).len();
        assert_eq!(found, granted, "{second:?} behind {first:?}");
    }
    let mut budget = CallBudget::default();
    lease(budget.take(rate, want(CallClass::Stock, 2), at(0)));
    let quiet = lease(budget.take(rate, want(CallClass::List, 9), at(301)));
    assert_eq!(quiet.len(), 5, "a class that asks no more keeps nothing");
}

#[test]
fn the_platforms_refusal_holds_up_everybody_and_pauses_grow_where_it_states_none() {
    let rate = CallRate::new(10.0, 5);
    let mut budget = CallBudget::default();
    budget.refuse(rate, Some(Duration::from_secs(7)), at(0));
    for class in CallClass::ALL {
        let held = CallGrant::Held(Duration::from_secs(6));
        assert_eq!(budget.take(rate, want(class, 1), at(1000)), held, "{class:?}");
    }
    assert!(matches!(budget.take(rate, want(CallClass::Stock, 1), at(7000)), CallGrant::Lease(_)));

    let mut budget = CallBudget::default();
    let pauses: Vec<u64> = (0..9)
        .map(|_| {
            let CallGrant::Held(pause) = ({
                budget.refuse(rate, None, at(0));
                budget.take(rate, want(CallClass::Stock, 1), at(0))
            }) else {
                panic!("it isn't held")
            };
            pause.as_secs()
        })
        .collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    let mut forgotten = CallBudget { held_until: Timestamp::default(), ..budget };
    forgotten.refuse(rate, None, at(120_000));
    let held = forgotten.take(rate, want(CallClass::Stock, 1), at(120_000));
    assert_eq!(held, CallGrant::Held(HOLD_FIRST), "an old refusal has nothing to do with it");
}

#[test]
fn a_refusal_empties_the_budget() {
    let rate = CallRate::new(10.0, 5);
    let mut budget = CallBudget::default();
    budget.refuse(rate, Some(Duration::ZERO), at(0));
    assert_eq!(lease(budget.take(rate, want(CallClass::Stock, 1), at(0))), [100]);
}

#[test]
fn a_clock_that_was_set_back_holds_nobody_up_for_long() {
    let rate = CallRate::new(10.0, 5);
    let mut budget = CallBudget::default();
    let day = 24 * 60 * 60 * 1000;
    lease(budget.take(rate, want(CallClass::List, 5), at(day)));
    assert!(matches!(
        budget.take(rate, want(CallClass::List, 5), at(0)),
        CallGrant::Later(wait) if wait < Duration::from_secs(3)
    ));
    budget.refuse(rate, Some(HOLD_MAX), at(day));
    assert_eq!(budget.take(rate, want(CallClass::List, 5), at(0)), CallGrant::Held(HOLD_MAX));
}

#[test]
fn shares_of_a_rate_are_smaller_and_never_nothing() {
    let rate = CallRate::new(10.0, 10);
    assert_eq!(rate.part(SHARE_WITHOUT_RECORD), CallRate::new(2.5, 1));
    assert_eq!(rate.percent(20), CallRate::new(2.0, 2));
    assert_eq!(rate.percent(0), CallRate::new(0.1, 1));
    assert_eq!(rate.percent(500), rate);
    assert_eq!(CallRate::new(0.0, 0), CallRate::new(1.0 / 3600.0, 1));
}

#[test]
fn a_budget_survives_its_storage() {
    let mut budget = CallBudget::default();
    let rate = CallRate::new(10.0, 5);
    budget.take(rate, want(CallClass::Stock, 9), at(5));
    budget.refuse(rate, None, at(6));
    let text = serde_json::to_string(&budget).unwrap();
    assert_eq!(serde_json::from_str::<CallBudget>(&text).unwrap(), budget);
    assert_eq!(serde_json::from_str::<CallBudget>("{}").unwrap(), CallBudget::default());
}

/// Lets callers that always want that many calls take leases for a while; returns each call's time in milliseconds and
/// class, in the order of the calls.
fn made(rate: CallRate, callers: &[(CallClass, u32)], until: u64) -> Vec<(u64, CallClass)> {
    let mut budget = CallBudget::default();
    let mut next: Vec<u64> = vec![0; callers.len()];
    let mut calls = Vec::new();
    while let Some((index, now)) = next.iter().copied().enumerate().min_by_key(|(_, now)| *now)
        && now < until
    {
        let (class, wanted) = callers[index];
        next[index] = now
            + match budget.take(rate, want(class, wanted), at(now)) {
                CallGrant::Lease(waits) => {
                    let waits: Vec<u64> = waits.into_iter().map(millis).collect();
                    calls.extend(waits.iter().map(|wait| (now + wait, class)));
                    waits.last().copied().unwrap_or(0).max(1)
                }
                CallGrant::Later(wait) | CallGrant::Held(wait) => millis(wait).max(1),
            };
    }
    calls.sort_by_key(|(at, class)| (*at, class.index()));
    calls
}

#[test]
fn stock_has_most_of_a_short_budget_and_lists_have_their_share() {
    for (per_second, burst, wanted) in [(10.0, 10, 1), (10.0, 10, 16), (2.0, 2, 1), (0.5, 1, 1), (20.0, 5, 3)]
    {
        let rate = CallRate::new(per_second, burst);
        let callers = [(CallClass::Stock, wanted), (CallClass::List, 1), (CallClass::Price, 1)];
        let calls = made(rate, &callers, 600_000);
        let of = |class| calls.iter().filter(|call| call.1 == class).count();
        let [stock, price, list] = [CallClass::Stock, CallClass::Price, CallClass::List].map(of);
        let all = calls.len();
        assert!(stock * 10 >= all * 6, "{rate:?}: {stock} of {all}");
        assert!(list * 20 >= all && price * 20 >= all, "{rate:?}: lists {list}, prices {price} of {all}");
        let possible = 600_000 / millis(rate.period());
        assert!(all as u64 * 10 >= possible * 8, "{rate:?}: {all} of {possible}");
    }
}

#[test]
fn lists_have_everything_while_nobody_else_calls() {
    let calls = made(CallRate::new(10.0, 10), &[(CallClass::List, 1)], 60_000);
    assert!(calls.len() >= 600, "{}", calls.len());
}

fn class() -> impl Strategy<Value = CallClass> {
    prop_oneof![
        Just(CallClass::Stock),
        Just(CallClass::Notice),
        Just(CallClass::Price),
        Just(CallClass::List)
    ]
}

proptest! {
    #[test]
    fn calls_together_stay_within_the_burst_and_the_rate(
        per_second in 1_u32..50,
        burst in 1_u32..20,
        wants in proptest::collection::vec((class(), 1_u32..30, 0_u64..400), 1..200),
    ) {
        let (rate, mut budget, mut now) = (CallRate::new(f64::from(per_second), burst), CallBudget::default(), at(0));
        let mut slots: Vec<i64> = Vec::new();
        for (class, calls, pause) in wants {
            now = now.after(Duration::from_millis(pause));
            if let CallGrant::Lease(waits) = budget.take(rate, want(class, calls), now) {
                prop_assert!(!waits.is_empty() && waits.len() <= rate.lease_max() as usize);
                slots.extend(waits.iter().map(|wait| now.after(*wait).as_micros()));
            }
        }
        slots.sort_unstable();
        for (first, from) in slots.iter().enumerate() {
            for (last, until) in slots.iter().enumerate().skip(first) {
                let possible = i64::from(burst) + (until - from + 1) / rate.times(1) + 1;
                let calls = i64::try_from(last - first + 1).unwrap();
                prop_assert!(calls <= possible, "{calls} calls of {possible}");
            }
        }
    }

    #[test]
    fn a_held_budget_grants_nothing_before_its_time(
        after in 1_u64..100_000, class in class(), calls in 1_u32..30, asked in 0_u64..100_000,
    ) {
        let (rate, mut budget) = (CallRate::new(10.0, 10), CallBudget::default());
        budget.refuse(rate, Some(Duration::from_millis(after)), at(0));
        let is_held = matches!(budget.take(rate, want(class, calls), at(asked)), CallGrant::Held(_));
        prop_assert_eq!(is_held, asked < after);
    }
}
