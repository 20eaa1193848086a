//! Promotions: the last report of their platform stands, whatever order reports arrive in.

use super::{record::Record, *};
use model::{
    EntityKind, PromotionId,
    promotion::{Activity, Percent, Promotion, Reward, Scope, Targets},
    record::PromotionRow,
};

fn percent(off: &str) -> Promotion {
    Promotion {
        is_on: true,
        reward: Reward::PercentOff { percent: Percent::parse(off).unwrap(), at_most: None },
        targets: Targets { scope: Scope::Everything, except: Vec::new() },
        ..Promotion::bare(external("promotion"))
    }
}

fn reported(number: u64, version: Option<i64>, off: &str) -> Event {
    event("a", number, version, Payload::Promotion(percent(off)))
}

fn deleted(number: u64, version: Option<i64>) -> Event {
    let payload = Payload::Deleted { entity: EntityKind::Promotion, external: external("promotion") };
    Event { action: Action::Deleted, ..event("a", number, version, payload) }
}

fn row(record: &Record) -> &PromotionRow {
    &record.tables.promotions[&PromotionId::derive(&connection("a"), &external("promotion"))]
}

/// The outcomes of events, each in a batch of its own.
fn outcomes(record: &mut Record, events: Vec<Event>) -> Vec<Outcome> {
    events.into_iter().filter_map(|event| record.commit(vec![event]).remove(0)).collect()
}

#[test]
fn the_last_report_of_a_promotion_stands() {
    use Outcome::{Applied, Stale, Unchanged};
    let mut record = Record::default();
    let events = vec![
        reported(1, Some(5), "10"),
        reported(2, Some(6), "20"),
        reported(3, Some(5), "10"),
        reported(4, Some(6), "20"),
        reported(5, Some(7), "20"),
        reported(6, Some(6), "30"),
    ];
    let expected = [Applied, Applied, Stale, Unchanged, Unchanged, Stale];
    assert_eq!(outcomes(&mut record, events), expected);
    assert_eq!((&row(&record).promotion, row(&record).version), (&percent("20"), Some(VersionNumber(7))));
}

#[test]
fn a_promotion_that_is_gone_is_never_active_and_no_older_report_brings_it_back() {
    use Outcome::{Applied, Stale, Unchanged};
    let mut record = Record::default();
    let events = vec![
        reported(1, Some(5), "10"),
        deleted(2, Some(8)),
        reported(3, Some(7), "10"),
        deleted(4, Some(9)),
        deleted(5, Some(8)),
    ];
    assert_eq!(outcomes(&mut record, events), [Applied, Applied, Stale, Unchanged, Stale]);
    assert_eq!(row(&record).promotion, Promotion::bare(external("promotion")));
    assert!(row(&record).deleted_at.is_some());
    assert_eq!(outcomes(&mut record, vec![reported(6, Some(10), "30")]), [Applied], "it exists again");
    assert_eq!((row(&record).deleted_at, &row(&record).promotion), (None, &percent("30")));
    let bare = Payload::Promotion(Promotion::bare(external("promotion")));
    let events = vec![deleted(7, Some(11)), event("a", 8, Some(12), bare)];
    assert_eq!(
        outcomes(&mut record, events),
        [Applied, Applied],
        "though it is like what is left of a deleted one"
    );
    assert_eq!(row(&record).deleted_at, None);
}

#[test]
fn a_deletion_before_the_report_leaves_a_tombstone() {
    use Outcome::{Applied, Stale};
    let mut record = Record::default();
    let events = vec![deleted(1, Some(8)), reported(2, Some(7), "10")];
    assert_eq!(outcomes(&mut record, events), [Applied, Stale]);
    assert!(row(&record).deleted_at.is_some() && !row(&record).promotion.is_on);
}

#[test]
fn without_versions_the_order_of_receipt_decides() {
    use Outcome::{Applied, Stale, Unchanged};
    let mut record = Record::default();
    let events = vec![
        reported(1, None, "10"),
        reported(2, None, "20"),
        reported(3, None, "20"),
        deleted(5, None),
        reported(4, None, "10"),
        reported(6, None, "10"),
    ];
    let found = outcomes(&mut record, events);
    assert_eq!(found, [Applied, Applied, Unchanged, Applied, Stale, Applied]);
}

#[test]
fn one_batch_decides_as_several_do() {
    let events = || {
        vec![
            reported(1, Some(5), "10"),
            deleted(2, Some(6)),
            reported(3, Some(5), "20"),
            reported(4, Some(7), "30"),
        ]
    };
    let (mut together, mut apart) = (Record::default(), Record::default());
    let at_once: Vec<Outcome> = together.commit(events()).into_iter().flatten().collect();
    assert_eq!(at_once, outcomes(&mut apart, events()));
    assert_eq!(together.tables.promotions, apart.tables.promotions);
}

#[test]
fn two_connections_have_promotions_of_their_own() {
    let mut record = Record::default();
    let elsewhere = event("b", 2, Some(1), Payload::Promotion(percent("50")));
    assert_eq!(outcomes(&mut record, vec![reported(1, Some(5), "10"), elsewhere]), [Outcome::Applied; 2]);
    assert_eq!(record.tables.promotions.len(), 2);
    assert_eq!(row(&record).promotion, percent("10"));
}

fn announced(number: u64, promotion: Promotion, is_active: bool, since: u64) -> Event {
    let activity = Activity { is_active, since: received(since) };
    event("a", number, None, Payload::Activity { promotion, activity })
}

#[test]
fn a_begin_and_an_end_are_applied_once_and_in_order() {
    use Outcome::{Applied, Stale, Unchanged};
    let mut record = Record::default();
    let ten = || percent("10");
    let events = vec![
        reported(1, Some(5), "10"),
        announced(3, ten(), true, 2),
        announced(4, ten(), true, 2),
        announced(6, ten(), false, 5),
        announced(7, ten(), true, 2),
    ];
    assert_eq!(outcomes(&mut record, events), [Applied, Applied, Unchanged, Applied, Stale]);
    let expected = Some(Activity { is_active: false, since: received(5) });
    assert_eq!((row(&record).activity, row(&record).watched_from), (expected, received(5)));
}

#[test]
fn a_begin_of_a_promotion_that_was_changed_since_is_stale() {
    use Outcome::{Applied, Stale};
    let mut record = Record::default();
    let events = vec![
        announced(1, percent("10"), true, 1),
        reported(2, Some(5), "10"),
        reported(3, Some(6), "20"),
        announced(4, percent("10"), true, 2),
        announced(5, percent("20"), true, 3),
    ];
    assert_eq!(outcomes(&mut record, events), [Stale, Applied, Applied, Stale, Applied]);
    assert_eq!(row(&record).activity, Some(Activity { is_active: true, since: received(3) }));
}

#[test]
fn an_edit_keeps_what_was_announced_and_is_watched_from_its_receipt() {
    let mut record = Record::default();
    let begun = Some(Activity { is_active: true, since: received(2) });
    outcomes(&mut record, vec![reported(1, Some(5), "10"), announced(3, percent("10"), true, 2)]);
    outcomes(&mut record, vec![reported(4, Some(6), "10")]);
    assert_eq!((row(&record).activity, row(&record).watched_from), (begun, received(2)), "the same again");
    outcomes(&mut record, vec![reported(5, Some(7), "20")]);
    assert_eq!((row(&record).activity, row(&record).watched_from), (begun, received(5)));
    outcomes(&mut record, vec![deleted(6, Some(8))]);
    assert_eq!((row(&record).activity, row(&record).watched_from), (begun, received(6)));
    let bare = Promotion::bare(external("promotion"));
    assert_eq!(outcomes(&mut record, vec![announced(7, bare, false, 6)]), [Outcome::Applied]);
    assert!(row(&record).deleted_at.is_some() && !row(&record).activity.unwrap().is_active);
}
