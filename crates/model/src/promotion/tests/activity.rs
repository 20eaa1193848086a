//! Begins and ends as they are announced: late, after edits, in other zones, and each once.

use super::*;
use crate::promotion::{
    Activity, Period, Recurrence, Schedule, TimeOfDay, Watched, WatchedNow, WeekDays, Window,
};

const DENVER: &str = "America/Denver";

/// A promotion of each day from 16:00 to 18:00.
fn daily() -> Promotion {
    let time = |text| TimeOfDay::parse(text).unwrap();
    let window = Window::between(time("16:00"), time("18:00"));
    let daily = Recurrence::weekly(WeekDays::EVERY, window).unwrap();
    let schedule = Schedule::new(vec![Period::new(None, None, Some(daily))]).unwrap();
    Promotion { schedule, ..promotion("happy hour", Reward::Other) }
}

fn active(since: &str) -> Activity {
    Activity { is_active: true, since: at(since) }
}

fn over(since: &str) -> Activity {
    Activity { is_active: false, since: at(since) }
}

/// The result of looking at a promotion whose last change, or last begin or end, was at `from`.
fn look(promotion: &Promotion, announced: Option<Activity>, from: &str, now: &str, name: &str) -> WatchedNow {
    Watched { promotion, announced, from: at(from), changed_at: at(from) }.look(at(now), zone(name))
}

#[test]
fn a_begin_and_an_end_are_announced_once_with_their_own_time() {
    let happy = daily();
    let reported = "2026-12-01T12:00:00-07:00";
    let (begin, end) = ("2026-12-01T16:00:00-07:00", "2026-12-01T18:00:00-07:00");
    let wait = |until| WatchedNow::Wait(Some(at(until)));
    assert_eq!(look(&happy, None, reported, "2026-12-01T15:59:59-07:00", DENVER), wait(begin));
    assert_eq!(look(&happy, None, reported, begin, DENVER), WatchedNow::Announce(active(begin)));
    let late = "2026-12-01T17:30:00-07:00";
    assert_eq!(
        look(&happy, None, reported, late, DENVER),
        WatchedNow::Announce(active(begin)),
        "a late look"
    );
    assert_eq!(look(&happy, Some(active(begin)), begin, late, DENVER), wait(end));
    assert_eq!(look(&happy, Some(active(begin)), begin, end, DENVER), WatchedNow::Announce(over(end)));
    assert_eq!(look(&happy, Some(over(end)), end, end, DENVER), wait("2026-12-02T16:00:00-07:00"));
}

#[test]
fn of_several_begins_and_ends_that_nobody_saw_the_last_is_announced() {
    let happy = daily();
    let announced = Some(active("2026-12-01T16:00:00-07:00"));
    for (now, expected) in [
        ("2026-12-04T17:00:00-07:00", active("2026-12-04T16:00:00-07:00")),
        ("2026-12-04T19:00:00-07:00", over("2026-12-04T18:00:00-07:00")),
        ("2026-12-04T12:00:00-07:00", over("2026-12-03T18:00:00-07:00")),
    ] {
        assert_eq!(
            look(&happy, announced, "2026-12-01T16:00:00-07:00", now, DENVER),
            WatchedNow::Announce(expected),
            "{now}"
        );
    }
    // Also a whole run, and one of a promotion that never was active before.
    let end = over("2026-12-01T18:00:00-07:00");
    let now = "2026-12-01T20:00:00-07:00";
    assert_eq!(look(&happy, None, "2026-12-01T12:00:00-07:00", now, DENVER), WatchedNow::Announce(end));
}

#[test]
fn what_an_edit_begins_or_ends_is_announced_with_the_time_of_the_edit() {
    let edited = "2026-12-01T17:10:00-07:00";
    let now = "2026-12-01T17:10:01-07:00";
    let announced = Some(active("2026-12-01T16:00:00-07:00"));
    let off = Promotion { is_on: false, ..daily() };
    assert_eq!(look(&off, announced, edited, now, DENVER), WatchedNow::Announce(over(edited)));
    assert_eq!(look(&daily(), None, edited, now, DENVER), WatchedNow::Announce(active(edited)));
    assert_eq!(look(&off, Some(over(edited)), edited, now, DENVER), WatchedNow::Wait(None));
    let gone = Promotion::bare(id("happy hour"));
    assert_eq!(look(&gone, announced, edited, now, DENVER), WatchedNow::Announce(over(edited)));
    assert_eq!(look(&gone, None, edited, now, DENVER), WatchedNow::Wait(None), "nobody was announced of it");
}

#[test]
fn another_zone_of_the_shop_begins_or_ends_a_promotion_when_it_is_set() {
    let happy = daily();
    let begin = "2026-12-01T16:00:00-07:00";
    // In New York it was over at the moment at which it began in Denver.
    let set = "2026-12-01T17:00:00-07:00";
    let watched =
        Watched { promotion: &happy, announced: Some(active(begin)), from: at(begin), changed_at: at(set) };
    let now = at("2026-12-01T17:00:01-07:00");
    assert_eq!(watched.look(now, zone("America/New_York")), WatchedNow::Announce(over(set)));
    assert_eq!(watched.look(now, zone(DENVER)), WatchedNow::Wait(Some(at("2026-12-01T18:00:00-07:00"))));
}

#[test]
fn clocks_that_are_set_move_a_begin_with_them() {
    let happy = daily();
    let announced = Some(over("2026-10-31T18:00:00-06:00"));
    let from = "2026-10-31T18:00:00-06:00";
    // On 2026-11-01 Denver returns to standard time: 16:00 is an hour later.
    let next = WatchedNow::Wait(Some(at("2026-11-01T16:00:00-07:00")));
    assert_eq!(look(&happy, announced, from, "2026-11-01T16:00:00-06:00", DENVER), next);
}

#[test]
fn a_promotion_is_looked_at_each_day_and_one_without_a_change_ahead_never() {
    let now = "2026-12-01T12:00:00Z";
    let always = promotion("always", Reward::Other);
    let announced = Some(active("2026-11-01T12:00:00Z"));
    assert_eq!(look(&always, announced, "2026-11-01T12:00:00Z", now, "UTC"), WatchedNow::Wait(None));
    let until = Some(Bound::parse_local("2027-06-01").unwrap());
    let schedule = Schedule::new(vec![Period::new(None, until, None)]).unwrap();
    let long = Promotion { schedule, ..always };
    let tomorrow = WatchedNow::Wait(Some(at("2026-12-02T12:00:00Z")));
    assert_eq!(look(&long, announced, "2026-11-01T12:00:00Z", now, "UTC"), tomorrow);
}

#[test]
fn what_nobody_saw_for_longer_than_is_followed_is_announced_by_its_result() {
    let happy = daily();
    let now = "2026-12-04T17:00:00-07:00";
    let since = active("2026-12-04T16:00:00-07:00");
    assert_eq!(look(&happy, None, "2020-01-01T00:00:00Z", now, DENVER), WatchedNow::Announce(since));
}

#[test]
fn a_begin_that_a_clock_ahead_of_ours_noted_is_not_announced_for_the_future() {
    let always = promotion("clearance", Reward::Other);
    let (now, ahead) = ("2026-12-01T12:00:00Z", "2026-12-01T12:00:03Z");
    let watched = Watched { promotion: &always, announced: None, from: at(now), changed_at: at(ahead) };
    assert_eq!(watched.look(at(now), zone("UTC")), WatchedNow::Announce(active(now)));
}

#[test]
fn more_begins_and_ends_than_are_followed_at_once_are_announced_in_steps() {
    let time = |hour: usize, minute: usize| TimeOfDay::parse(&format!("{hour:02}:{minute:02}")).unwrap();
    let each_hour = |hour: usize| {
        let window = Window::between(time(hour, 0), time(hour, 30));
        Period::new(None, None, Some(Recurrence::weekly(WeekDays::EVERY, window).unwrap()))
    };
    let schedule = Schedule::new((0..24).map(each_hour).collect()).unwrap();
    let hourly = Promotion { schedule, ..promotion("each hour", Reward::Other) };
    let (from, now) = ("2026-12-01T00:00:00Z", "2026-12-30T12:15:00Z");
    let WatchedNow::Announce(first) = look(&hourly, None, from, now, "UTC") else { panic!("it began") };
    assert_eq!(first.since, at("2026-12-21T20:00:00Z"), "a thousand begins and ends, and no more");
    let announced = Some(first);
    let rest = Watched { promotion: &hourly, announced, from: first.since, changed_at: at(from) };
    assert_eq!(rest.look(at(now), zone("UTC")), WatchedNow::Announce(active("2026-12-30T12:00:00Z")));
}
