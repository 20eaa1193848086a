//! Tests of a price's or a text's mirror, step by step.

use super::*;
use crate::{Currency, ProductId, SourceVersion, VariantId};
use proptest::prelude::*;

const LEASE: Duration = Duration::from_mins(1);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000 + seconds * 1_000_000)
}

fn text(description: &str) -> ProductText {
    ProductText { title: Some("Tea".to_owned()), description: Some(description.to_owned()) }
}

fn price(minor: i64) -> Money {
    Money { minor, currency: Currency::new("USD").unwrap() }
}

fn report<V: FieldValue>(value: &V, version: i64, seconds: i64) -> Report<V> {
    Report {
        value: Some(value.clone()),
        version: Some(SourceVersion::exact(version)),
        received_at: at(seconds),
        read_for: None,
        is_reentered: false,
    }
}

/// The report, with a version that may be that of several states.
fn coarse<V>(report: Report<V>) -> Report<V> {
    let version = report.version.map(|version| SourceVersion::coarse(version.number));
    Report { version, ..report }
}

fn observe<V: FieldValue>(
    mirror: &mut FieldMirror<V>,
    value: &V,
    version: i64,
    seconds: i64,
) -> FieldOutcome {
    mirror.observe(&report(value, version, seconds), value)
}

fn written(value: ProductText, version: Option<i64>, rendered: Option<ProductText>) -> TextMirror {
    let mut mirror = TextMirror::of(ProductId::new("p").unwrap());
    assert_eq!(observe(&mut mirror, &text("old"), 1, 0), FieldOutcome::News);
    mirror.set_desired(value, at(1), None);
    assert!(matches!(mirror.begin("k", at(1), LEASE, None), Begun::New(_)));
    let result = CallResult::Taken { version: version.map(VersionNumber), rendered };
    assert_eq!(mirror.settle("k", result, at(2)), Settled::Done);
    mirror
}

fn priced() -> PriceMirror {
    let mut mirror = PriceMirror::of(VariantId::new("v").unwrap());
    assert_eq!(observe(&mut mirror, &price(1_000), 1, 0), FieldOutcome::News);
    mirror
}

#[test]
fn a_report_of_the_version_that_our_write_made_is_our_write_whatever_it_says() {
    let mut mirror = written(text("<table>x</table>"), Some(7), None);
    assert_eq!(observe(&mut mirror, &text("x"), 7, 3), FieldOutcome::Echo);
    let held = mirror.platform_value().unwrap().clone();
    assert_eq!((held.value, held.rendered), (text("<table>x</table>"), Some(text("x"))));
    assert_eq!(mirror.attention(), None, "it isn't written again");
    // The rendered form in a later version is no edit.
    assert_eq!(observe(&mut mirror, &text("x"), 8, 4), FieldOutcome::News);
    assert_eq!(
        (&mirror.platform_value().unwrap().value, mirror.attention()),
        (&text("<table>x</table>"), None)
    );
}

#[test]
fn the_form_that_the_reply_shows_comes_back_as_an_echo() {
    let mut mirror = written(text("<b>x"), None, Some(text("<b>x</b>")));
    assert_eq!(observe(&mut mirror, &text("<b>x</b>"), 7, 3), FieldOutcome::Echo);
    assert_eq!((&mirror.platform_value().unwrap().value, mirror.attention()), (&text("<b>x"), None));
}

#[test]
fn the_form_in_which_a_write_is_shown_before_its_reply_is_no_edit() {
    let (own, shown) = (text("<table>x</table> y"), text("y"));
    let results = [
        CallResult::Taken { version: Some(VersionNumber(2)), rendered: Some(shown.clone()) },
        CallResult::Taken { version: None, rendered: None },
        CallResult::TooOld { error: "old".to_owned() },
    ];
    for result in results {
        let mut mirror = TextMirror::of(ProductId::new("p").unwrap());
        assert_eq!(observe(&mut mirror, &text("old"), 1, 0), FieldOutcome::News);
        mirror.set_desired(own.clone(), at(1), None);
        assert!(matches!(mirror.begin("k", at(1), LEASE, None), Begun::New(_)));
        assert_eq!(observe(&mut mirror, &shown, 2, 2), FieldOutcome::Ambiguous);
        assert_eq!(mirror.platform_value().unwrap().value, text("old"), "it isn't taken");
        assert_eq!(mirror.settle("k", result.clone(), at(3)), Settled::NeedsReading, "{result:?}");
        let asked = mirror.read(at(4)).unwrap();
        let reading = Report { read_for: Some(asked.waiting), ..report(&shown, 2, 5) };
        assert_eq!(mirror.observe(&reading, &shown), FieldOutcome::Echo, "{result:?}");
        assert_eq!(mirror.platform_value(), Some(&PlatformValue::shown(own.clone(), shown.clone())));
        assert_eq!((&mirror.phase, mirror.attention()), (&Phase::Idle, None));
        assert_eq!(observe(&mut mirror, &text("z"), 3, 6), FieldOutcome::News, "an edit is one");
    }
    let mut edited = TextMirror::of(ProductId::new("p").unwrap());
    observe(&mut edited, &text("old"), 1, 0);
    edited.set_desired(own, at(1), None);
    edited.begin("k", at(1), LEASE, None);
    assert_eq!(observe(&mut edited, &text("z"), 2, 2), FieldOutcome::News);
}

#[test]
fn what_is_gone_is_not_due_until_it_is_reported_again() {
    let mut mirror = priced();
    mirror.set_desired(price(1_200), at(1), None);
    mirror.forget(&Report { value: None, ..report(&price(0), 2, 2) });
    assert_eq!((mirror.attention(), mirror.desired), (None, None));
    assert_eq!(observe(&mut mirror, &price(900), 1, 3), FieldOutcome::Stale);
    assert_eq!(observe(&mut mirror, &price(900), 3, 4), FieldOutcome::News);
}

#[test]
fn a_reading_that_was_given_back_is_due_at_once_and_counts_for_none() {
    let mut mirror = priced();
    mirror.wait(None);
    let asked = mirror.read(at(1)).unwrap();
    let under_way = mirror.clone();
    mirror.give_back_reading(asked.waiting.next(), at(2));
    assert_eq!(mirror, under_way, "asked in another waiting");
    mirror.give_back_reading(asked.waiting, at(2));
    assert_eq!((mirror.attention(), mirror.schedule.due_at), (Some(Attention::Read), at(2)));
    assert_eq!(mirror.read(at(2)), Some(asked));
    assert!(matches!(mirror.phase, Phase::Reading { attempts: 1, .. }));
}

#[test]
fn a_refused_price_waits_a_day_unless_another_is_due_or_the_platforms_own_changes() {
    let refused = || {
        let mut mirror = priced();
        mirror.set_desired(price(1_200), at(1), None);
        assert!(matches!(mirror.begin("k", at(1), LEASE, None), Begun::New(_)));
        let result = CallResult::Refused { error: "no".to_owned() };
        assert_eq!(mirror.settle("k", result, at(2)), Settled::Refused);
        mirror
    };
    let mut same = refused();
    observe(&mut same, &price(1_000), 2, 3);
    assert!(matches!(same.phase, Phase::Refused { .. }));
    assert_eq!(same.schedule.due_at, at(2).after(REFUSED_AGAIN_AFTER));
    let mut changed = refused();
    observe(&mut changed, &price(1_100), 2, 3);
    assert_eq!((&changed.phase, changed.schedule.due_at), (&Phase::Idle, at(3)));
    let mut changed = refused();
    assert!(changed.set_desired(price(1_300), at(4), None));
    assert_eq!((&changed.phase, changed.schedule.due_at), (&Phase::Idle, at(4)));
}

#[test]
fn of_an_account_that_is_refused_only_a_later_attempt_keeps_its_key() {
    let account_refused = || CallResult::AccountRefused { error: "401".to_owned() };
    let mut mirror = priced();
    mirror.set_desired(price(1_200), at(1), None);
    mirror.begin("k", at(1), LEASE, None);
    assert_eq!(mirror.settle("k", account_refused(), at(2)), Settled::Done);
    assert_eq!((&mirror.phase, mirror.attention()), (&Phase::Idle, Some(Attention::Write)));
    mirror.begin("k2", at(3), LEASE, None);
    mirror.begin("k3", at(70), LEASE, None);
    assert_eq!(mirror.settle("k2", account_refused(), at(71)), Settled::Done);
    assert_eq!(mirror.phase.write().unwrap().key, "k2");
}

#[test]
fn a_call_that_was_repeated_in_the_second_of_a_later_report_is_read_after() {
    let mut mirror = priced();
    mirror.set_desired(price(1_200), at(1), None);
    mirror.begin("k", at(1), LEASE, None);
    let coarse = |minor, version, seconds| coarse(report(&price(minor), version, seconds));
    assert_eq!(mirror.observe(&coarse(1_200, 2, 2), &price(1_200)), FieldOutcome::Echo);
    assert_eq!(mirror.observe(&coarse(1_500, 3, 3), &price(1_500)), FieldOutcome::News);
    assert!(matches!(mirror.begin("k", at(70), LEASE, None), Begun::Again(_)));
    let result = CallResult::Taken { version: Some(VersionNumber(3)), rendered: None };
    assert_eq!(mirror.settle("k", result, at(71)), Settled::NeedsReading);
    let asked = mirror.read(at(71)).unwrap();
    let reading = Report { read_for: Some(asked.waiting), ..coarse(1_200, 3, 72) };
    assert_eq!(mirror.observe(&reading, &price(1_200)), FieldOutcome::Echo, "no edit of the platform's");
}

#[test]
fn a_refused_comparison_is_due_again_as_the_same_write() {
    let mut mirror = priced();
    mirror.set_desired(price(1_200), at(1), None);
    mirror.begin("k", at(1), LEASE, None);
    assert_eq!(mirror.settle("k", CallResult::Conflict, at(2)), Settled::Done);
    assert_eq!(mirror.attention(), Some(Attention::Write));
    assert!(matches!(mirror.begin("another", at(2), LEASE, None), Begun::Again(write) if write.key == "k"));
}

#[derive(Debug, Clone)]
enum Step {
    Report { minor: i64, read_for: Option<Waiting> },
    Forget,
    Want(i64),
    Begin,
    Settle(CallResult<Money>),
    Read,
}

fn read_for() -> impl Strategy<Value = Option<Waiting>> {
    prop::option::of((0_u32..4).prop_map(Waiting))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let error = || "no".to_owned();
    let results = vec![
        CallResult::Taken { version: Some(VersionNumber(9)), rendered: Some(price(3)) },
        CallResult::Taken { version: None, rendered: None },
        CallResult::Conflict,
        CallResult::Gone,
        CallResult::Refused { error: error() },
        CallResult::AccountRefused { error: error() },
        CallResult::TooOld { error: error() },
    ];
    let step = prop_oneof![
        3 => (0_i64..4, read_for()).prop_map(|(minor, read_for)| Step::Report { minor, read_for }),
        1 => Just(Step::Forget),
        2 => (0_i64..4).prop_map(Step::Want),
        3 => Just(Step::Begin),
        3 => prop::sample::select(results).prop_map(Step::Settle),
        1 => Just(Step::Read),
    ];
    prop::collection::vec(step, 0..30)
}

fn step(mirror: &mut PriceMirror, step: &Step, seconds: i64) {
    match step {
        Step::Report { minor, read_for } => {
            let report = coarse(report(&price(*minor), seconds / 3, seconds));
            let report = Report { read_for: *read_for, ..report };
            mirror.observe(&report, &price(*minor));
        }
        Step::Forget => mirror.forget(&Report { value: None, ..report(&price(0), seconds, seconds) }),
        Step::Want(minor) => {
            mirror.set_desired(price(*minor), at(seconds), None);
        }
        Step::Begin => {
            mirror.begin(&seconds.to_string(), at(seconds), LEASE, None);
        }
        Step::Settle(result) => {
            let key = mirror.phase.write().map(|write| write.key.clone()).unwrap_or_default();
            mirror.settle(&key, result.clone(), at(seconds));
        }
        Step::Read => {
            mirror.read(at(seconds));
        }
    }
}

proptest! {
    #[test]
    fn every_state_is_the_same_once_it_was_written_and_read(steps in steps()) {
        let mut mirror = PriceMirror::of(VariantId::new("v").unwrap());
        for (seconds, next) in (0..).zip(&steps) {
            step(&mut mirror, next, seconds);
            let json = serde_json::to_string(&mirror).unwrap();
            prop_assert_eq!(&serde_json::from_str::<PriceMirror>(&json).unwrap(), &mirror, "{}", json);
        }
    }
}
