//! Rules that hold for every promotion.

use super::{id, promotion};
use crate::{Currency, Money, Timestamp, Zone, promotion::*};
use proptest::prelude::*;
use std::time::Duration;

/// Every time of the strategies, every offset of the zones and every change of their clocks is a multiple of it.
const QUARTER: Duration = Duration::from_mins(15);
/// A week and a day: longer than any run of the strategies.
const SEARCHED: u32 = 8 * 24 * 4;

fn zones() -> impl Strategy<Value = Zone> {
    let names = [
        "UTC",
        "America/Denver",
        "America/Santiago",
        "Australia/Lord_Howe",
        "Asia/Kolkata",
        "America/Havana",
    ];
    prop::sample::select(names.map(super::zone).to_vec())
}

/// Instants of a year in which clocks change.
fn instants() -> impl Strategy<Value = Timestamp> {
    let begin = super::at("2026-01-01T00:00:00Z");
    (0..366 * 24 * 4_u32).prop_map(move |quarters| begin.after(QUARTER * quarters))
}

fn times_of_day() -> impl Strategy<Value = TimeOfDay> {
    (0..24_u32, 0..4_u32)
        .prop_map(|(hour, quarter)| TimeOfDay::parse(&format!("{hour:02}:{:02}", quarter * 15)).unwrap())
}

fn windows() -> impl Strategy<Value = Window> {
    prop_oneof![
        Just(Window::WHOLE_DAY),
        (times_of_day(), times_of_day()).prop_map(|(starts, ends)| Window::between(starts, ends)),
        (times_of_day(), 1..300_u32).prop_map(|(starts, quarters)| Window::lasting(
            starts,
            quarters * 15 * 60
        )
        .unwrap()),
    ]
}

fn recurrences() -> impl Strategy<Value = Recurrence> {
    let units = [Unit::Day, Unit::Week, Unit::Month, Unit::MonthByWeekDay, Unit::Year];
    let days = any::<[bool; 7]>().prop_map(WeekDays::from_flags);
    let first =
        (1..28_u32, 1..=12_u32).prop_map(|(day, month)| chrono::NaiveDate::from_ymd_opt(2026, month, day));
    (prop::sample::select(units.to_vec()), 1..4_u16, days, first, windows()).prop_map(
        |(unit, interval, days, first, window)| {
            Recurrence::every(unit, interval, days, first, window).unwrap()
        },
    )
}

fn periods() -> impl Strategy<Value = Period> {
    let bound = || prop::option::of(instants().prop_map(Bound::At));
    (bound(), bound(), prop::option::of(recurrences()))
        .prop_map(|(from, until, runs)| Period::new(from, until, runs))
}

fn schedules() -> impl Strategy<Value = Schedule> {
    prop::collection::vec(periods(), 0..4).prop_map(|periods| Schedule::new(periods).unwrap())
}

proptest! {
    /// Between an instant and the next change nothing changes, and at the change it does.
    #[test]
    fn the_next_change_is_the_first_instant_at_which_the_activity_differs(
        schedule in schedules(), zone in zones(), after in instants(),
    ) {
        let was_active = schedule.is_active(after, zone);
        let change = schedule.next_change(after, zone);
        let mut searched = (1..SEARCHED).map(|quarters| after.after(QUARTER * quarters));
        let searched_to = after.after(QUARTER * SEARCHED);
        let differs = searched.find(|at| schedule.is_active(*at, zone) != was_active);
        let expected = change.map(Change::at).filter(|at| *at < searched_to);
        prop_assert_eq!(differs, expected);
        if let Some(change) = change {
            prop_assert!(change.at() > after);
            prop_assert_eq!(matches!(change, Change::Starts(_)), !was_active);
            prop_assert_eq!(schedule.is_active(change.at(), zone), !was_active);
        }
    }

    #[test]
    fn changes_alternate(schedule in schedules(), zone in zones(), after in instants()) {
        let mut before = schedule.next_change(after, zone);
        for _ in 0..10 {
            let Some(last) = before else { break };
            let next = schedule.next_change(last.at(), zone);
            if let Some(next) = next {
                prop_assert!(next.at() > last.at());
                prop_assert_ne!(matches!(next, Change::Starts(_)), matches!(last, Change::Starts(_)));
            }
            before = next;
        }
    }

    #[test]
    fn a_promotion_is_read_again_as_it_was_written(promotion in promotions(), schedule in schedules()) {
        let promotion = Promotion { schedule, ..promotion };
        let written = serde_json::to_string(&promotion).unwrap();
        prop_assert_eq!(serde_json::from_str::<Promotion>(&written).unwrap(), promotion);
    }

    #[test]
    fn a_price_is_from_zero_up_to_the_price_without_promotions(
        promotions in prop::collection::vec(promotions(), 0..6),
        combining in combinings(),
        variant in variants(),
    ) {
        let at = super::at("2026-11-28T00:00:00Z");
        let after = price_after(&promotions, combining, &variant, at, Zone::UTC);
        let base = variant.price.minor.max(0);
        prop_assert!((0..=base).contains(&after.price.minor), "{after:?}");
        prop_assert_eq!(after.price.currency, variant.price.currency);
        prop_assert_eq!(after.reason == PriceReason::Unreduced, after.price.minor == base);
        if !matches!(after.reason, PriceReason::Platform) {
            let lowest = variant.lowest.map_or(0, |lowest| lowest.minor.min(base));
            prop_assert!(after.price.minor >= lowest, "{after:?}");
        }
    }

    #[test]
    fn the_reasons_of_a_price_are_promotions_that_are_for_the_item(
        promotions in prop::collection::vec(promotions(), 1..6), combining in combinings(), variant in variants(),
    ) {
        let at = super::at("2026-11-28T00:00:00Z");
        let after = price_after(&promotions, combining, &variant, at, Zone::UTC);
        if let PriceReason::Promotions(ids) = after.reason {
            prop_assert!(!ids.is_empty());
            for id in ids {
                let named = promotions.iter().filter(|promotion| promotion.external == id);
                prop_assert!(named.into_iter().any(|promotion| promotion.targets.cover(&variant) && promotion.is_on));
            }
        }
    }
}

fn combinings() -> impl Strategy<Value = Combining> {
    use Combining::{Compounding, Cumulative, HighestOnly, InOrder, LowestOnly};
    prop::sample::select(vec![Compounding, Cumulative, HighestOnly, InOrder, LowestOnly])
}

fn dollars(minor: i64) -> Money {
    Money { minor, currency: Currency::new("USD").unwrap() }
}

fn rewards() -> impl Strategy<Value = Reward> {
    let amounts = || (-500..5_000_i64).prop_map(dollars);
    let shares = (0..=1_000_000_u32)
        .prop_map(|share| Percent::new(rust_decimal::Decimal::new(share.into(), 4)).unwrap());
    prop_oneof![
        (shares, prop::option::of(amounts()))
            .prop_map(|(percent, at_most)| Reward::PercentOff { percent, at_most }),
        amounts().prop_map(Reward::AmountOff),
        amounts().prop_map(Reward::PriceTo),
        (2..5_u32, amounts()).prop_map(|(quantity, total)| Reward::Bundle { quantity, total }),
        Just(Reward::Other),
    ]
}

fn targets() -> impl Strategy<Value = Targets> {
    let target = || {
        let ids = || prop::sample::select(vec![id("1"), id("2")]);
        prop_oneof![
            ids().prop_map(Target::Product),
            ids().prop_map(Target::Category),
            ids().prop_map(Target::Brand),
        ]
    };
    let list = move || prop::collection::vec(target(), 0..3);
    let scope = prop_oneof![
        Just(Scope::Everything),
        list().prop_map(Scope::AnyOf),
        list().prop_map(Scope::EveryKindOf)
    ];
    (scope, list()).prop_map(|(scope, except)| Targets { scope, except })
}

fn promotions() -> impl Strategy<Value = Promotion> {
    let stackings = prop::sample::select(vec![Stacking::Alone, Stacking::Together, Stacking::Last]);
    (0..9_u8, rewards(), targets(), stackings, any::<bool>()).prop_map(
        |(name, reward, targets, stacking, is_on)| Promotion {
            is_on,
            targets,
            stacking,
            ..promotion(&name.to_string(), reward)
        },
    )
}

fn variants() -> impl Strategy<Value = PricedVariant> {
    let amounts = || prop::option::of((-500..5_000_i64).prop_map(dollars));
    (-100..5_000_i64, amounts(), amounts(), any::<bool>()).prop_map(
        |(minor, discounted, lowest, takes_promotions)| PricedVariant {
            product: id("1"),
            variant: id("v"),
            categories: vec![id("1")],
            brand: Some(id("1")),
            vendor: None,
            collections: Vec::new(),
            price: dollars(minor),
            discounted,
            lowest,
            takes_promotions,
        },
    )
}
