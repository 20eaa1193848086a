//! Tests of a level's mirror, step by step.

use super::*;
use crate::{
    CLOCK_LEAD_MAX, ConflictKind, ConnectionId, ExternalId, LevelKey, LocationId, Mirror, Precision,
    SourceVersion, VersionNumber,
};
use crate::{READ_AGAIN_AFTER, READ_AGAIN_SLOWLY};
use proptest::prelude::*;

const LEASE: Duration = Duration::from_mins(1);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000 + seconds * 1_000_000)
}

fn quantity(text: &str) -> Quantity {
    Quantity::parse(text).unwrap()
}

fn report(value: Option<&str>, version: i64, seconds: i64) -> Report<Quantity> {
    Report {
        value: value.map(quantity),
        version: Some(SourceVersion::exact(version)),
        received_at: at(seconds),
        read_for: None,
        is_reentered: false,
    }
}

/// The report, with a version of that precision.
fn precise(precision: Precision, report: &Report<Quantity>) -> Report<Quantity> {
    let version = report.version.map(|version| SourceVersion { precision, ..version });
    Report { version, ..*report }
}

/// The report, with a version that may be that of several states.
fn coarse(report: &Report<Quantity>) -> Report<Quantity> {
    precise(Precision::Coarse, report)
}

/// A reading that the mirror requested for its last wait.
fn reading(mirror: &LevelMirror, value: &str, version: i64, seconds: i64) -> Report<Quantity> {
    Report { read_for: Some(mirror.waiting), ..report(Some(value), version, seconds) }
}

/// A linked mirror whose platform reported `value` in version 1.
fn known(value: &str) -> LevelMirror {
    let mut mirror = LevelMirror::of(Some(VariantId::new("v").unwrap()));
    assert_eq!(mirror.observe(&report(Some(value), 1, 0)), LevelOutcome::FirstContact);
    mirror
}

/// The mirror with a write of `value` under way, begun at second 1.
fn writing(from: &str, value: &str) -> LevelMirror {
    let mut mirror = known(from);
    mirror.set_desired(quantity(value), 0, at(1), None);
    assert!(matches!(mirror.begin("k", at(1), LEASE, None), Begun::New(_)));
    mirror
}

fn taken() -> CallResult<Quantity> {
    CallResult::Taken { version: None, rendered: None }
}

fn refused() -> CallResult<Quantity> {
    CallResult::Refused { error: "no".to_owned() }
}

fn account_refused() -> CallResult<Quantity> {
    CallResult::AccountRefused { error: "401".to_owned() }
}

#[test]
fn what_is_not_counted_forgets_the_baseline_keeps_the_version_and_is_not_due() {
    let mut mirror = known("5");
    mirror.set_desired(quantity("7"), 0, at(1), None);
    assert_eq!(mirror.observe(&report(None, 3, 2)), LevelOutcome::Forgotten(true));
    assert_eq!((&mirror.baseline, mirror.attention()), (&Baseline::Absent, None));
    assert_eq!(mirror.observe(&report(Some("9"), 2, 3)), LevelOutcome::Stale, "the version stays as a floor");
    assert_eq!(mirror.observe(&report(None, 4, 4)), LevelOutcome::Forgotten(false));
    assert_eq!(mirror.observe(&report(Some("9"), 5, 5)), LevelOutcome::FirstContact, "and no movement");
}

#[test]
fn what_is_not_counted_in_the_second_of_a_number_is_read() {
    let mut mirror = known("5");
    assert_eq!(mirror.observe(&coarse(&report(None, 1, 2))), LevelOutcome::Ambiguous);
    assert_eq!((mirror.baseline.known(), mirror.attention()), (Some(&quantity("5")), Some(Attention::Read)));
    let asked = mirror.read(at(2)).unwrap();
    let gone = Report { read_for: Some(asked.waiting), ..coarse(&report(None, 1, 3)) };
    assert_eq!(mirror.observe(&gone), LevelOutcome::Forgotten(true));
    assert_eq!(
        mirror.observe(&coarse(&report(Some("0"), 1, 4))),
        LevelOutcome::FirstContact,
        "it came in the same second"
    );
}

#[test]
fn what_a_platform_begins_to_count_did_not_move_there() {
    let begins = |report: &Report<Quantity>| {
        let mut mirror = known("10");
        mirror.begins(report);
        mirror.observe(report)
    };
    assert_eq!(begins(&report(Some("0"), 2, 1)), LevelOutcome::FirstContact);
    assert_eq!(
        begins(&report(Some("10"), 2, 1)),
        LevelOutcome::Unchanged,
        "the same number says nothing new"
    );
    assert_eq!(begins(&report(Some("0"), 0, 1)), LevelOutcome::Stale);
    let same_version = coarse(&report(Some("0"), 1, 1));
    assert_eq!(begins(&same_version), LevelOutcome::Ambiguous, "the platform is read");
}

#[test]
fn nothing_is_written_to_an_unknown_baseline_the_platform_is_read_first() {
    let mut mirror = LevelMirror::of(Some(VariantId::new("v").unwrap()));
    mirror.set_desired(quantity("7"), 0, at(1), None);
    assert_eq!(mirror.attention(), Some(Attention::Read));
    assert_eq!(mirror.begin("k", at(1), LEASE, None), Begun::Nothing);
    assert!(mirror.read(at(1)).is_some());
    assert_eq!(mirror.observe(&reading(&mirror.clone(), "4", 1, 2)), LevelOutcome::FirstContact);
    assert_eq!(mirror.schedule.due_at, at(2), "what differs is due at once");
    let Begun::New(write) = mirror.begin("k", at(2), LEASE, None) else { panic!("{mirror:?}") };
    assert_eq!((write.from, write.value), (quantity("4"), quantity("7")));
}

#[test]
fn what_is_written_is_floored_to_the_platforms_scale_and_comes_back_as_an_echo() {
    let mut mirror = known("1");
    assert!(mirror.set_desired(quantity("3.5"), 0, at(1), None));
    assert!(!mirror.set_desired(quantity("3.9"), 0, at(1), None), "the same in its scale");
    let Begun::New(write) = mirror.begin("k", at(1), LEASE, None) else { panic!("{mirror:?}") };
    assert_eq!(write.value, quantity("3"));
    assert_eq!(mirror.settle("k", taken(), at(2)), Settled::Done);
    assert_eq!(mirror.observe(&report(Some("3"), 2, 3)), LevelOutcome::Echo);
    assert_eq!(mirror.attention(), None);
}

#[test]
fn a_report_that_differs_moves_by_the_difference() {
    let mut mirror = known("10");
    assert_eq!(mirror.observe(&report(Some("9"), 2, 1)), LevelOutcome::Moved(quantity("-1")));
    assert_eq!(mirror.observe(&report(Some("9"), 3, 2)), LevelOutcome::Unchanged);
    assert_eq!(mirror.observe(&report(Some("4"), 2, 3)), LevelOutcome::Stale);
}

#[test]
fn a_version_too_far_ahead_holds_nothing_up() {
    let ahead = |lead: Duration| at(0).after(lead).as_micros();
    let mut mirror = known("10");
    // A version that was observed before the limit on versions existed.
    mirror.observed.as_mut().unwrap().version = Some(VersionNumber(ahead(Duration::from_hours(900_000))));
    let later =
        Report { version: Some(SourceVersion::exact(ahead(Duration::ZERO))), ..report(Some("9"), 0, 1) };
    assert_eq!(mirror.observe(&later), LevelOutcome::Moved(quantity("-1")));
    assert!(VersionNumber(ahead(CLOCK_LEAD_MAX)).is_plausible(at(0)));
    assert!(!VersionNumber(ahead(CLOCK_LEAD_MAX) + 1).is_plausible(at(0)));
}

#[test]
fn readings_that_bring_nothing_become_seldom_and_the_next_one_counts_whatever_its_version() {
    let mut mirror = writing("10", "8");
    assert_eq!(mirror.settle("k", CallResult::Conflict, at(2)), Settled::NeedsReading);
    mirror.observed.as_mut().unwrap().version = Some(VersionNumber(9));
    for _ in 0..READINGS_MAX {
        assert!(!mirror.read(at(3)).unwrap().is_stuck);
        assert_eq!(mirror.schedule.due_at, at(3).after(READ_AGAIN_AFTER));
    }
    assert!(mirror.read(at(4)).unwrap().is_stuck);
    assert_eq!(mirror.schedule.due_at, at(4).after(READ_AGAIN_SLOWLY));
    assert_eq!(mirror.observe(&reading(&mirror.clone(), "7", 8, 5)), LevelOutcome::Moved(quantity("-3")));
    assert_eq!(mirror.phase, Phase::Idle);
}

#[test]
fn a_refused_value_is_tried_again_daily_and_at_once_when_another_is_due() {
    let mut mirror = writing("10", "8");
    assert_eq!(mirror.settle("k", refused(), at(2)), Settled::Refused);
    assert_eq!(mirror.schedule.due_at, at(2).after(REFUSED_AGAIN_AFTER));
    assert_eq!(mirror.schedule.error.as_deref(), Some("no"));
    assert_eq!(mirror.observe(&report(Some("10"), 2, 3)), LevelOutcome::Unchanged);
    assert!(matches!(mirror.phase, Phase::Refused { .. }), "the same number ends nothing");
    assert_eq!(mirror.schedule.due_at, at(2).after(REFUSED_AGAIN_AFTER));
    let mut daily = mirror.clone();
    assert!(matches!(daily.begin("again", at(90_000), LEASE, None), Begun::New(_)));

    assert!(mirror.set_desired(quantity("7"), 0, at(4), None));
    assert_eq!((&mirror.phase, mirror.schedule.due_at), (&Phase::Idle, at(4)));
}

#[test]
fn a_report_that_differs_ends_a_refusal_and_what_is_due_is_due_at_once() {
    let mut mirror = writing("10", "8");
    mirror.settle("k", refused(), at(2));
    assert_eq!(mirror.observe(&report(Some("9"), 2, 3)), LevelOutcome::Moved(quantity("-1")));
    assert_eq!((&mirror.phase, mirror.schedule.due_at), (&Phase::Idle, at(3)));
}

#[test]
fn of_an_account_that_is_refused_a_first_attempt_was_not_made_and_a_later_one_keeps_its_key() {
    let mut first = writing("10", "8");
    assert_eq!(first.settle("k", account_refused(), at(2)), Settled::Done);
    assert_eq!((&first.phase, first.attention()), (&Phase::Idle, Some(Attention::Write)));

    for reported in [None, Some("8"), Some("9")] {
        let mut later = writing("10", "8");
        assert!(matches!(later.begin("other", at(70), LEASE, None), Begun::Again(_)));
        if let Some(number) = reported {
            later.observe(&report(Some(number), 2, 71));
        }
        assert_eq!(later.settle("k", account_refused(), at(72)), Settled::Done);
        assert_eq!(later.phase.write().unwrap().key, "k", "{reported:?}");
        assert!(matches!(later.phase, Phase::Writing { .. }), "{reported:?}: it may have been let in before");
    }
}

#[test]
fn a_write_that_is_too_old_is_read_and_begun_anew() {
    let bound = Some(Duration::from_hours(1));
    let mut mirror = writing("10", "8");
    assert_eq!(mirror.begin("k2", at(4_000), LEASE, bound), Begun::TooOld);
    assert_eq!(mirror.attention(), Some(Attention::Read));
    let mut made = mirror.clone();
    assert_eq!(made.observe(&reading(&made.clone(), "8", 2, 4_001)), LevelOutcome::Echo);
    assert_eq!(mirror.observe(&reading(&mirror.clone(), "10", 1, 4_001)), LevelOutcome::Unchanged);
    assert!(matches!(mirror.begin("k2", at(4_002), LEASE, bound), Begun::New(write) if write.key == "k2"));
}

#[test]
fn a_comparison_that_fails_after_an_attempt_in_a_batch_may_have_met_that_attempt() {
    let again = |batched: bool| {
        let mut mirror = writing("10", "8");
        if batched {
            mirror.phase.joins_batch();
        }
        assert!(matches!(mirror.begin("k2", at(70), LEASE, None), Begun::Again(_)));
        mirror
    };
    let read = |mut mirror: LevelMirror, number: &str| {
        assert_eq!(mirror.settle("k", CallResult::Conflict, at(71)), Settled::NeedsReading);
        mirror.observe(&reading(&mirror.clone(), number, 2, 72))
    };
    assert_eq!(read(again(true), "8"), LevelOutcome::Echo);
    assert_eq!(read(again(true), "7"), LevelOutcome::MovedUncertain(quantity("-3")));
    assert_eq!(read(again(false), "8"), LevelOutcome::Moved(quantity("-2")), "all attempts have one key");
    let mut first = writing("10", "8");
    first.phase.joins_batch();
    assert_eq!(read(first, "8"), LevelOutcome::Moved(quantity("-2")), "there was no other attempt");

    let mut echoed = again(true);
    assert_eq!(echoed.observe(&report(Some("8"), 2, 70)), LevelOutcome::Echo);
    echoed.settle("k", CallResult::Conflict, at(71));
    assert_eq!((&echoed.phase, echoed.baseline.known()), (&Phase::Idle, Some(&quantity("8"))));
}

#[test]
fn a_platform_that_has_the_item_no_more_is_left_alone() {
    let mut mirror = writing("10", "8");
    assert_eq!(mirror.settle("k", CallResult::Gone, at(2)), Settled::Done);
    assert_eq!((&mirror.baseline, mirror.attention()), (&Baseline::Absent, None));
}

#[test]
fn a_link_to_another_variant_forgets_what_was_desired_and_reads_after_a_write_that_is_under_way() {
    let mut mirror = writing("10", "8");
    mirror.link(Some(VariantId::new("other").unwrap()));
    assert_eq!((mirror.desired, mirror.phase.as_str()), (None, "contested"));
    assert_eq!(mirror.settle("k", taken(), at(2)), Settled::NeedsReading);
}

/// Every precision of a version.
const PRECISIONS: [Precision; 2] = [Precision::Coarse, Precision::Exact];

/// One step of a mirror's history.
#[derive(Debug, Clone)]
enum Step {
    Report { value: Option<i32>, read_for: Option<Waiting>, precision: Precision },
    Want(i32),
    Begin,
    Settle(CallResult<Quantity>),
    Read,
    Link(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let results = vec![
        taken(),
        refused(),
        account_refused(),
        CallResult::Conflict,
        CallResult::Gone,
        CallResult::TooOld { error: "old".to_owned() },
        CallResult::Retry { at: at(5), error: "later".to_owned() },
    ];
    let read_for = prop::option::of((0_u32..4).prop_map(Waiting));
    let precision = prop::sample::select(PRECISIONS.to_vec());
    let step = prop_oneof![
        3 => (prop::option::weighted(0.9, -1..4), read_for, precision)
            .prop_map(|(value, read_for, precision)| Step::Report { value, read_for, precision }),
        2 => (-1..4).prop_map(Step::Want),
        3 => Just(Step::Begin),
        3 => prop::sample::select(results).prop_map(Step::Settle),
        1 => Just(Step::Read),
        1 => any::<bool>().prop_map(Step::Link),
    ];
    prop::collection::vec(step, 0..30)
}

impl LevelMirror {
    fn step(&mut self, step: &Step, seconds: i64) {
        match step {
            Step::Report { value, read_for, precision } => {
                let value = value.map(Quantity::pieces);
                let version = seconds / if *precision == Precision::Coarse { 3 } else { 1 };
                let report = precise(*precision, &report(None, version, seconds));
                let report = Report { value, read_for: *read_for, ..report };
                if self.observe(&report) == LevelOutcome::FirstContact {
                    let level = Some(Quantity::pieces(2));
                    let rule = BaselineRule::ALL[usize::try_from(seconds).unwrap() % 3];
                    self.contact(&Contact { level, is_witnessed: seconds % 2 == 0, rule, decimals: 0 });
                }
            }
            Step::Want(count) => {
                self.set_desired(Quantity::pieces(*count), 0, at(seconds), None);
            }
            Step::Begin => {
                self.begin(&seconds.to_string(), at(seconds), LEASE, None);
            }
            Step::Settle(result) => {
                let key = self.phase.write().map(|write| write.key.clone()).unwrap_or_default();
                self.settle(&key, result.clone(), at(seconds));
            }
            Step::Read => {
                self.read(at(seconds));
            }
            Step::Link(is_linked) => self.link(is_linked.then(|| VariantId::new("v").unwrap())),
        }
    }
}

proptest! {
    #[test]
    fn every_state_is_the_same_once_it_was_written_and_read(steps in steps()) {
        let mut mirror = LevelMirror::of(Some(VariantId::new("v").unwrap()));
        for (seconds, step) in (0..).zip(&steps) {
            mirror.step(step, seconds);
            let json = serde_json::to_string(&mirror).unwrap();
            prop_assert_eq!(&serde_json::from_str::<LevelMirror>(&json).unwrap(), &mirror, "{}", json);
            let is_known = mirror.baseline.known().is_some();
            let writes = mirror.attention() == Some(Attention::Write);
            prop_assert!(!writes || is_known || matches!(mirror.phase, Phase::Writing { .. }), "no write without a from");
        }
    }
}

/// A mirror of the number five whose platform refused seven.
fn refusing() -> LevelMirror {
    let mut mirror = writing("5", "7");
    assert_eq!(mirror.settle("k", refused(), at(2)), Settled::Refused);
    mirror
}

fn named(mirror: &LevelMirror) -> Mirror {
    let key = LevelKey {
        connection: ConnectionId::new("c").unwrap(),
        item: ExternalId::new("i").unwrap(),
        location: LocationId::new("l").unwrap(),
    };
    Mirror::Level(key, mirror.clone())
}

#[test]
fn a_refusal_is_over_once_a_value_is_taken_or_none_is_due() {
    type Happens = fn(&mut LevelMirror) -> bool;
    let again: Happens = |mirror| matches!(mirror.begin("k2", at(3), LEASE, None), Begun::New(_));
    let too_old: Happens = |mirror| {
        let begun = mirror.begin("k2", at(3), LEASE, None);
        let result = CallResult::TooOld { error: "old".to_owned() };
        matches!(begun, Begun::New(_)) && mirror.settle("k2", result, at(4)) == Settled::NeedsReading
    };
    let nothing: Happens = |_| true;
    let cases: [(&str, Happens, Happens, bool); 13] = [
        (
            "what it held is reported",
            nothing,
            |it| it.observe(&report(Some("5"), 2, 5)) != LevelOutcome::Stale,
            true,
        ),
        (
            "another number is reported",
            nothing,
            |it| it.observe(&report(Some("6"), 2, 5)) != LevelOutcome::Stale,
            false,
        ),
        (
            "the wanted number is reported",
            nothing,
            |it| it.observe(&report(Some("7"), 2, 5)) != LevelOutcome::Stale,
            false,
        ),
        ("another number is desired", nothing, |it| it.set_desired(quantity("8"), 0, at(5), None), false),
        ("the number there is desired", nothing, |it| it.set_desired(quantity("5"), 0, at(5), None), false),
        ("it is tried again", again, nothing, true),
        ("it is tried and taken", again, |it| it.settle("k2", taken(), at(5)) != Settled::Passed, false),
        ("it is tried and refused", again, |it| it.settle("k2", refused(), at(5)) != Settled::Passed, true),
        (
            "what it held is read",
            too_old,
            |it| it.observe(&reading(it, "5", 2, 5)) != LevelOutcome::Stale,
            true,
        ),
        (
            "the wanted number is read",
            too_old,
            |it| it.observe(&reading(it, "7", 2, 5)) != LevelOutcome::Stale,
            false,
        ),
        (
            "it isn't counted any more",
            too_old,
            |it| it.observe(&report(None, 2, 5)) != LevelOutcome::Stale,
            false,
        ),
        (
            "it is gone",
            too_old,
            |it| {
                it.is_gone(it.waiting);
                true
            },
            false,
        ),
        (
            "it is linked anew",
            nothing,
            |it| {
                it.link(None);
                true
            },
            false,
        ),
    ];
    for (case, before, happens, has_refusal) in cases {
        let mut mirror = refusing();
        assert!(before(&mut mirror), "{case}: before");
        assert!(mirror.has_refusal(), "{case}: before");
        let was = named(&mirror);
        assert!(happens(&mut mirror), "{case}");
        assert_eq!(mirror.has_refusal(), has_refusal, "{case}: {mirror:?}");
        let ended = if has_refusal { vec![] } else { vec![ConflictKind::WriteRefused] };
        assert_eq!(named(&mirror).ended_since(&was), ended, "{case}");
    }
}

#[test]
fn a_changed_connection_makes_what_was_refused_due_and_nothing_else() {
    let mut mirror = named(&refusing());
    assert!(mirror.rearm(at(9)));
    assert_eq!((mirror.due_at(), mirror.attention()), (at(9), Some(Attention::Write)));
    let mut mirror = named(&writing("5", "7"));
    let before = mirror.clone();
    assert!(!mirror.rearm(at(9)));
    assert_eq!(mirror, before);
}

#[test]
fn a_reading_that_comes_ends_the_conflict_about_those_that_did_not() {
    let mut mirror = LevelMirror::to_be_read(known("5").variant, at(1));
    while mirror.read(at(9)).is_some_and(|asked| !asked.is_stuck) {}
    let stuck = named(&mirror);
    assert_eq!(mirror.observe(&reading(&mirror, "5", 99, 99)), LevelOutcome::FirstContact);
    assert_eq!(named(&mirror).ended_since(&stuck), [ConflictKind::Unreadable]);
}

mod retire;
mod stop;
mod wait;

mod early {
    //! Readings that were requested before the wait in which they arrive.

    use super::*;

    /// A reading that was requested for the wait before the mirror's last one.
    fn early(mirror: &LevelMirror, value: Option<&str>, version: i64, seconds: i64) -> Report<Quantity> {
        let before = Waiting(mirror.waiting.0.checked_sub(1).unwrap());
        Report { read_for: Some(before), ..report(value, version, seconds) }
    }

    /// A mirror whose wait was ended by a report: the requested reading has yet to arrive.
    fn read_before(value: &str) -> LevelMirror {
        let mut mirror = known(value);
        assert_eq!(mirror.observe(&coarse(&report(Some("1"), 1, 1))), LevelOutcome::Ambiguous);
        assert!(mirror.read(at(1)).is_some());
        assert_eq!(mirror.observe(&coarse(&report(Some(value), 2, 2))), LevelOutcome::Unchanged);
        assert_eq!(mirror.phase, Phase::Idle);
        mirror
    }

    /// A mirror that waits for a reading which shows the outcome of a write from `from` to `value`.
    fn in_doubt(from: &str, value: &str) -> LevelMirror {
        let mut mirror = read_before(from);
        mirror.set_desired(quantity(value), 0, at(3), None);
        assert!(matches!(mirror.begin("k", at(3), LEASE, None), Begun::New(_)));
        let too_old = CallResult::TooOld { error: "old".to_owned() };
        assert_eq!(mirror.settle("k", too_old, at(4)), Settled::NeedsReading);
        mirror
    }

    #[test]
    fn say_nothing_of_a_write_whose_outcome_is_in_doubt() {
        for precision in PRECISIONS {
            for number in ["8", "10", "9"] {
                let mut mirror = in_doubt("10", "8");
                let early = precise(precision, &early(&mirror, Some(number), 2, 5));
                assert_eq!(mirror.observe(&early), LevelOutcome::Contested, "{number}");
                assert_eq!(mirror.phase.as_str(), "reading", "{number}");
                let asked = mirror.read(at(6)).unwrap();
                let reading = Report { read_for: Some(asked.waiting), ..report(Some("8"), 3, 7) };
                let reading = precise(precision, &reading);
                assert_eq!(mirror.observe(&reading), LevelOutcome::Echo, "{number}");
            }
        }
    }

    #[test]
    fn end_no_waiting_with_the_number_that_is_known() {
        let mut mirror = read_before("10");
        assert_eq!(mirror.observe(&coarse(&report(Some("9"), 2, 3))), LevelOutcome::Ambiguous);
        for version in [1, 2] {
            let early = coarse(&early(&mirror, Some("10"), version, 4));
            let stale = [LevelOutcome::Stale, LevelOutcome::Unchanged];
            assert!(stale.contains(&mirror.observe(&early)), "{version}");
            assert_eq!(mirror.attention(), Some(Attention::Read), "{version}");
        }
        let reading = coarse(&reading(&mirror, "9", 2, 5));
        assert_eq!(mirror.observe(&reading), LevelOutcome::Moved(quantity("-1")));
    }

    #[test]
    fn end_no_waiting_by_what_is_not_counted() {
        // A report of "not stocked" has no version.
        for version in [None, Some(SourceVersion::coarse(2))] {
            let mut mirror = read_before("10");
            assert_eq!(mirror.observe(&coarse(&report(Some("9"), 2, 3))), LevelOutcome::Ambiguous);
            let early = Report { version, ..early(&mirror, None, 2, 4) };
            assert_eq!(mirror.observe(&early), LevelOutcome::Ambiguous, "{version:?}");
            assert_eq!(mirror.attention(), Some(Attention::Read), "{version:?}");
            assert_eq!(mirror.baseline.known(), Some(&quantity("10")), "{version:?}");
            let reading = Report { version, value: None, ..reading(&mirror, "0", 2, 5) };
            assert_eq!(mirror.observe(&reading), LevelOutcome::Forgotten(true), "{version:?}");
        }
    }

    #[test]
    fn forget_nothing_that_was_reported_since() {
        for version in [None, Some(SourceVersion::coarse(2))] {
            let mut mirror = read_before("10");
            let late = Report { read_for: Some(mirror.waiting), version, ..report(None, 2, 4) };
            assert_eq!(mirror.observe(&late), LevelOutcome::Ambiguous, "{version:?}");
            assert_eq!(mirror.attention(), Some(Attention::Read), "{version:?}");
        }
    }

    #[test]
    fn are_no_movement_where_a_write_was_taken_since() {
        for precision in PRECISIONS {
            let mut mirror = read_before("10");
            mirror.set_desired(quantity("8"), 0, at(3), None);
            assert!(matches!(mirror.begin("k", at(3), LEASE, None), Begun::New(_)));
            assert_eq!(mirror.settle("k", taken(), at(4)), Settled::Done);
            let late = precise(precision, &reading(&mirror, "10", 2, 5));
            assert_eq!(mirror.observe(&late), LevelOutcome::Contested);
            assert_eq!(mirror.baseline.known(), Some(&quantity("8")));
            let reading = precise(precision, &reading(&mirror, "8", 3, 6));
            assert_eq!(mirror.observe(&reading), LevelOutcome::Unchanged);
            assert_eq!((&mirror.phase, mirror.attention()), (&Phase::Idle, None));
        }
    }

    #[test]
    fn take_away_no_item_that_was_reported_since() {
        let mut mirror = read_before("10");
        let asked = mirror.waiting;
        mirror.is_gone(asked);
        assert_eq!(mirror.baseline.known(), Some(&quantity("10")));
        assert_eq!(mirror.observe(&coarse(&report(Some("9"), 2, 3))), LevelOutcome::Ambiguous);
        mirror.is_gone(asked);
        assert_eq!(mirror.attention(), Some(Attention::Read));
        mirror.is_gone(mirror.waiting);
        assert_eq!((&mirror.baseline, mirror.attention()), (&Baseline::Absent, None));
    }
}
