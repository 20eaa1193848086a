//! Tests of writes that stop because of repeatedly refused comparisons.

use super::*;
use crate::{RESTARTS_MAX, ROUNDS_MAX, ROUNDS_WITHIN, STOPPED_FOR};

/// Begins a write that the platform refuses as outdated, and then reads `number` from the platform.
fn round(mirror: &mut LevelMirror, number: i64, seconds: i64) -> Settled {
    let now = at(seconds);
    mirror.set_desired(quantity("1000"), 0, now, None);
    let key = seconds.to_string();
    assert!(matches!(mirror.begin(&key, now, LEASE, None), Begun::New(_)), "at {seconds}: {mirror:?}");
    let settled = mirror.settle(&key, CallResult::Conflict, now);
    mirror.observe(&reading(&mirror.clone(), &number.to_string(), 10 + seconds, seconds));
    settled
}

/// A mirror whose writes stopped at second 10.
fn stopped() -> LevelMirror {
    let mut mirror = known("10");
    for number in 0..i64::from(ROUNDS_MAX) {
        assert_eq!(round(&mut mirror, 20 + number, 10), Settled::NeedsReading, "{number}");
    }
    assert_eq!(round(&mut mirror, 19, 10), Settled::Flapping);
    mirror
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap()
}

#[test]
fn a_sixth_refused_comparison_within_a_minute_stops_the_writes() {
    let mirror = stopped();
    assert_eq!((mirror.gate, mirror.baseline.known()), (Gate::Stopped, Some(&quantity("19"))));
    assert!(named(&mirror).is_stopped());

    let mut mirror = known("10");
    for number in 0..=i64::from(ROUNDS_MAX) {
        let at = 10 + number * seconds(ROUNDS_WITHIN);
        assert_eq!(round(&mut mirror, 20 + number, at), Settled::NeedsReading, "{number}: they lie apart");
    }
    assert_eq!((mirror.gate, mirror.attention()), (Gate::Open, Some(Attention::Write)));
}

#[test]
fn writes_that_stopped_wait_for_the_end_of_their_pause_whatever_happens_meanwhile() {
    let mut mirror = stopped();
    let end = at(10 + seconds(STOPPED_FOR));
    assert_eq!((mirror.attention(), mirror.schedule.due_at), (Some(Attention::Write), end));
    assert_eq!(mirror.begin("early", at(11), LEASE, None), Begun::Nothing);
    assert_eq!(
        mirror.observe(&report(Some("18"), 100, 12)),
        LevelOutcome::Moved(quantity("-1")),
        "knowledge goes on"
    );
    assert_eq!((mirror.gate, mirror.schedule.due_at), (Gate::Stopped, end));
    mirror.observe(&report(Some("1000"), 101, 13));
    assert_eq!(mirror.attention(), None, "nothing differs");
    mirror.set_desired(quantity("17"), 0, at(14), None);
    assert_eq!(mirror.begin("early", at(14), LEASE, None), Begun::Nothing);
    assert_eq!((mirror.attention(), mirror.schedule.due_at), (Some(Attention::Write), end));

    let before = named(&mirror);
    assert!(
        matches!(mirror.begin("k", end, LEASE, None), Begun::New(write) if write.value == quantity("17"))
    );
    assert_eq!(named(&mirror).ended_since(&before), [ConflictKind::Flapping]);
}

#[test]
fn a_report_after_the_pause_ends_a_stop_with_nothing_due() {
    let mut mirror = stopped();
    let end = 10 + seconds(STOPPED_FOR);
    mirror.observe(&report(Some("1000"), 100, end - 1));
    assert_eq!((mirror.gate, mirror.attention()), (Gate::Stopped, None));
    let before = named(&mirror);
    mirror.observe(&report(Some("1000"), 101, end));
    assert_eq!(named(&mirror).ended_since(&before), [ConflictKind::Flapping]);
}

#[test]
fn pauses_double_and_after_the_last_one_a_person_has_to_look() {
    let (mut mirror, mut now) = (stopped(), 10);
    for restart in 0..RESTARTS_MAX {
        now += seconds(STOPPED_FOR) * (1 << restart);
        assert_eq!(mirror.schedule.due_at, at(now), "restart {restart}");
        now += seconds(ROUNDS_WITHIN);
        assert_eq!(round(&mut mirror, 30 + i64::from(restart), now), Settled::Flapping, "one more is enough");
    }
    assert_eq!(mirror.attention(), None);
    assert_eq!(mirror.begin("k", at(now + 1_000_000), LEASE, None), Begun::Nothing);
    let stopped = named(&mirror);
    mirror.observe(&report(Some("40"), 1_000_000, now + 1_000_000));
    assert!(named(&mirror).is_stopped(), "a report starts nothing");

    mirror.adopt(Side::Store);
    assert_eq!(named(&mirror).ended_since(&stopped), [ConflictKind::Flapping]);
    assert!(
        matches!(mirror.begin("k", at(now + 1), LEASE, None), Begun::New(_)),
        "what differs is due again"
    );
    assert_eq!(
        mirror.settle("k", CallResult::Conflict, at(now + 1)),
        Settled::NeedsReading,
        "they count anew"
    );
}

#[test]
fn a_minute_without_a_refused_comparison_ends_the_row_of_pauses() {
    let mut mirror = stopped();
    let later = 10 + seconds(STOPPED_FOR) + seconds(ROUNDS_WITHIN) + 1;
    assert_eq!(round(&mut mirror, 30, later), Settled::NeedsReading);
    assert_eq!(mirror.schedule.rounds, 1);
}

#[test]
fn a_person_ends_a_pause_at_once() {
    let mut mirror = stopped();
    assert!(mirror.schedule.due_at > at(11));
    mirror.adopt(Side::Store);
    assert_eq!((mirror.attention(), mirror.schedule.due_at <= at(11)), (Some(Attention::Write), true));
    assert!(matches!(mirror.begin("k", at(11), LEASE, None), Begun::New(_)));
}
