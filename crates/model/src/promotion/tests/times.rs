//! The times of promotions as platforms document them: a table of schedules, with instants inside and outside.
//!
//! `source` names the document. Files in capitals are the project's dated notes of each platform's documents, which
//! list the addresses; RFC 5545 is iCalendar, to which one platform refers; tz is the IANA database.

mod clocks;
mod schedules;

use super::{at, zone};
use crate::promotion::*;

/// One documented schedule.
struct Case {
    is: &'static str,
    source: &'static str,
    zone: &'static str,
    periods: &'static [Row],
    active: &'static [&'static str],
    inactive: &'static [&'static str],
    /// Instants, each with the first change after it: `starts` or `ends` and the instant, or `never`.
    changes: &'static [(&'static str, &'static str)],
}

/// One period as a table states it.
struct Row {
    /// An instant with an offset, or a local time; empty if there is no begin.
    from: &'static str,
    /// The same; `last day` and `last second` precede what is still part of the period.
    until: &'static str,
    /// `WEEK TU,FR`, `2 WEEK`, `MONTH`, …; empty if the period is one run.
    repeats: &'static str,
    /// The date of the first run; empty if there is none.
    first: &'static str,
    /// `09:00-17:00`, or `18:00 for 7200` seconds; empty for whole days.
    window: &'static str,
}

const ALWAYS: Row = Row { from: "", until: "", repeats: "", first: "", window: "" };

fn bound(text: &str) -> Option<Bound> {
    if let Some(date) = text.strip_prefix("last day ") {
        return Some(Bound::after_local_date(date).unwrap());
    }
    if let Some(second) = text.strip_prefix("last second ") {
        return Some(Bound::after_local_second(second).unwrap());
    }
    let local = || Bound::parse_local(text).unwrap();
    (!text.is_empty()).then(|| crate::Timestamp::parse(text).map_or_else(|_| local(), Bound::At))
}

fn window(text: &str) -> Window {
    let time = |text| TimeOfDay::parse(text).unwrap();
    if let Some((starts, seconds)) = text.split_once(" for ") {
        return Window::lasting(time(starts), seconds.parse().unwrap()).unwrap();
    }
    text.split_once('-').map_or(Window::WHOLE_DAY, |(starts, ends)| Window::between(time(starts), time(ends)))
}

fn recurrence(row: &Row) -> Option<Recurrence> {
    let mut words = row.repeats.split(' ').peekable();
    let interval = words.next_if(|word| word.parse::<u16>().is_ok()).map_or(1, |word| word.parse().unwrap());
    let unit = match words.next()? {
        "DAY" => Unit::Day,
        "WEEK" => Unit::Week,
        "MONTH" => Unit::Month,
        "WEEKDAY-OF-MONTH" => Unit::MonthByWeekDay,
        "YEAR" => Unit::Year,
        _ => return None,
    };
    let days = words.next().map_or(WeekDays::EVERY, |days| WeekDays::from_names(days.split(',')).unwrap());
    let first = (!row.first.is_empty()).then(|| row.first.parse().unwrap());
    Some(Recurrence::every(unit, interval, days, first, window(row.window)).unwrap())
}

fn schedule(rows: &[Row]) -> Schedule {
    let period = |row: &Row| Period::new(bound(row.from), bound(row.until), recurrence(row));
    Schedule::new(rows.iter().map(period).collect()).unwrap()
}

fn change(text: &str) -> Option<Change> {
    match text.split_once(' ') {
        Some(("starts", instant)) => Some(Change::Starts(at(instant))),
        Some(("ends", instant)) => Some(Change::Ends(at(instant))),
        _ => None,
    }
}

fn cases() -> impl Iterator<Item = &'static Case> {
    schedules::CASES.iter().chain(clocks::CASES)
}

/// The names of the cases, with their sources.
pub(super) fn sources() -> Vec<(&'static str, &'static str)> {
    cases().map(|case| (case.is, case.source)).collect()
}

#[test]
fn promotions_are_active_at_the_times_that_platforms_document() {
    let mut wrong = Vec::new();
    for case in cases() {
        let (schedule, zone) = (schedule(case.periods), zone(case.zone));
        for (instants, is_active) in [(case.active, true), (case.inactive, false)] {
            let others = instants.iter().filter(|instant| schedule.is_active(at(instant), zone) != is_active);
            wrong.extend(others.map(|instant| format!("{}: {instant} should be {is_active}", case.is)));
        }
        for (after, expected) in case.changes {
            let found = schedule.next_change(at(after), zone);
            if found != change(expected) {
                wrong.push(format!("{}: after {after} {expected}, not {found:?}", case.is));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_a_schedule_cannot_be_is_refused() {
    let whole = Window::WHOLE_DAY;
    let every = |unit, interval, first| Recurrence::every(unit, interval, WeekDays::EVERY, first, whole);
    let first = "2026-01-31".parse().ok();
    assert_eq!(every(Unit::Week, 0, first), Err(InvalidPromotion::Interval));
    assert_eq!(every(Unit::Week, INTERVAL_MAX + 1, first), Err(InvalidPromotion::Interval));
    assert_eq!(every(Unit::Week, 2, None), Err(InvalidPromotion::Interval), "every second week since when?");
    assert_eq!(every(Unit::Month, 1, None), Err(InvalidPromotion::Interval));
    assert!(every(Unit::Week, INTERVAL_MAX, first).is_ok());
    assert_eq!(Recurrence::weekly(WeekDays::new([false; 7]), whole), Err(InvalidPromotion::WeekDay));
    assert_eq!(Window::lasting(TimeOfDay::MIDNIGHT, 0), Err(InvalidPromotion::Duration));
    assert_eq!(Window::lasting(TimeOfDay::MIDNIGHT, 32 * 86_400), Err(InvalidPromotion::Duration));
    let period = Period::new(None, None, None);
    assert_eq!(Schedule::new(vec![period; PERIODS_MAX + 1]), Err(InvalidPromotion::Periods));
    for text in ["", "2025-13-01", "2025-11-24T25:00", "2025-11-24T00:00Z", "0000-00-00", "+262000-01-01"] {
        assert!(Bound::parse_local(text).is_err(), "{text}");
    }
}

#[test]
fn the_whole_of_each_day_is_no_recurrence() {
    let of_days = |days| Some(Recurrence::weekly(days, Window::WHOLE_DAY).unwrap());
    assert_eq!(Period::new(None, None, of_days(WeekDays::EVERY)).recurrence(), None);
    let all_but_monday = WeekDays::new([false, true, true, true, true, true, true]);
    assert!(Period::new(None, None, of_days(all_but_monday)).recurrence().is_some());
}

#[test]
fn a_promotion_that_is_off_is_never_active_and_never_changes() {
    let mut promotion = super::promotion("p", Reward::Other);
    promotion.schedule = schedule(&[Row { repeats: "WEEK TU", ..ALWAYS }]);
    let (tuesday, zone) = (at("2025-06-03T12:00:00Z"), zone("UTC"));
    assert!(is_active(&promotion, tuesday, zone));
    assert_eq!(next_change(&promotion, tuesday, zone), Some(Change::Ends(at("2025-06-04T00:00:00Z"))));
    promotion.is_on = false;
    assert!(!is_active(&promotion, tuesday, zone));
    assert_eq!(next_change(&promotion, tuesday, zone), None);
}
