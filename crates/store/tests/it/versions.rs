//! Versions of objects: effects of reports and replies.

use crate::{
    desired::{catalog, links_of_b, price_key},
    fixture::{
        Database, PARTITION, at, commit, commit_silently, decide, decide_level, level_mirror_key, pieces,
        report_of, shop, step, variant,
    },
    propagating::{claim, claim_reads, due_on_b, level_mirror, mirror, set, settle},
};
use model::{
    CallResult, Currency, LevelOutcome, Mirror, Money, Phase, PriceMirror, Report, SourceVersion,
    VersionNumber, record::Effect,
};
use store::{Consumer, DueWrite};

fn usd(minor: i64) -> Money {
    Money { minor, currency: Currency::new("USD").unwrap() }
}

async fn price(database: &Database) -> PriceMirror {
    let mirror = mirror(database, &price_key()).await;
    let Mirror::Price(_, mirror) = mirror else { panic!("no price: {mirror:?}") };
    mirror
}

async fn reports_price(database: &Database, report: Report<Money>) {
    decide(&database.store, &price_key(), |mirror| {
        let Mirror::Price(_, mirror) = mirror else { panic!("no price: {mirror:?}") };
        let value = report.value.unwrap();
        mirror.observe(&report, &value);
    })
    .await;
}

/// Returns a database in which `b` reported 10.00 in version 1 and should show 12.50, and the write of that, which
/// is under way.
async fn price_under_way() -> (Database, DueWrite) {
    let database = shop().await;
    let store = &database.store;
    commit(store, &catalog(), step(store, Consumer::Apply, 1).await).await.unwrap();
    commit_silently(store, &links_of_b()).await;
    set(&database, 1, &[Effect::Price { variant: variant(), price: usd(1_250) }]).await;
    reports_price(&database, report_of(usd(1_000), 1)).await;
    let write = claim(&database, "b", 9).await.remove(0);
    (database, write)
}

#[tokio::test]
async fn the_version_that_a_write_made_is_raised_and_never_lowered() {
    let (database, write) = price_under_way().await;
    let begun = mirror(&database, &price_key()).await;
    // The report during the call, if any: its price and version. Then the version in the reply; then the version known
    // afterwards, the platform's value, and the phase.
    for (reported, reply, known, holds, after) in [
        (Some((1_100, Some(5))), Some(7), Some(7), 1_250, "acknowledged"),
        (Some((1_100, Some(5))), Some(5), Some(5), 1_100, "reading"),
        (Some((1_100, Some(5))), Some(3), Some(5), 1_100, "reading"),
        (Some((1_100, Some(5))), None, Some(5), 1_250, "acknowledged"),
        (Some((1_250, Some(5))), Some(7), Some(7), 1_250, "idle"),
        (Some((1_250, Some(5))), Some(5), Some(5), 1_250, "idle"),
        (Some((1_100, None)), Some(7), Some(7), 1_250, "acknowledged"),
        (None, Some(7), Some(7), 1_250, "acknowledged"),
        (None, None, Some(1), 1_250, "acknowledged"),
    ] {
        decide(&database.store, &price_key(), |mirror| *mirror = begun.clone()).await;
        if let Some((price, version)) = reported {
            let report = Report { version: version.map(SourceVersion::exact), ..report_of(usd(price), 9) };
            reports_price(&database, report).await;
        }
        let result = CallResult::Taken { version: reply.map(VersionNumber), rendered: None };
        settle(&database, &write, result, 9).await;
        let row = price(&database).await;
        let case = format!("{reported:?} {reply:?}");
        let seen = row.observed.as_ref().and_then(|seen| seen.version);
        assert_eq!(seen, known.map(VersionNumber), "{case}");
        assert_eq!(row.baseline.known().map(|held| held.value), Some(usd(holds)), "{case}");
        assert_eq!(row.phase.as_str(), after, "{case}");
        let position = database.store.apply_cursor(PARTITION).await.unwrap().position;
        let (write_log, _) = database.store.write_log(PARTITION, None, position).await.unwrap();
        let Mirror::Price(_, noted) = &write_log.last().unwrap().mirror else {
            panic!("no price: {write_log:?}")
        };
        assert_eq!(noted, &row, "a replay meets it: {case}");
    }
}

#[tokio::test]
async fn the_version_that_the_reply_for_a_level_names_is_kept_with_the_write() {
    let database = due_on_b().await;
    let write = claim(&database, "b", 9).await.remove(0);
    let result = CallResult::Taken { version: Some(VersionNumber(7)), rendered: None };
    settle(&database, &write, result, 9).await;
    let row = level_mirror(&database, "b").await;
    assert!(matches!(row.phase, Phase::Acknowledged { version: Some(VersionNumber(7)), .. }), "{row:?}");
}

#[tokio::test]
async fn what_was_never_written_to_can_wait_for_a_reading() {
    let database = due_on_b().await;
    let (store, coarse) = (&database.store, Some(SourceVersion::coarse(1)));
    assert_eq!(level_mirror(&database, "a").await.phase, Phase::Idle);
    decide_level(store, "a", |mirror| {
        // Another number with the version that was already observed: only a reading resolves the ambiguity.
        let other = Report { version: coarse, received_at: at(8), ..report_of(pieces(8), 1) };
        assert_eq!(mirror.observe(&other), LevelOutcome::Ambiguous);
    })
    .await;
    let waits = Phase::Reading { after: None, attempts: 0 };
    assert_eq!(level_mirror(&database, "a").await.phase, waits);

    let due = claim_reads(&database, "a", 9).await;
    assert_eq!(due.iter().map(|read| &read.asked_by.mirror).collect::<Vec<_>>(), [&level_mirror_key("a")]);
    assert_eq!(claim_reads(&database, "a", 68).await, [], "given once a minute");
    assert_eq!(claim_reads(&database, "a", 69).await.len(), 1);

    // The reading shows a new value: another reading is due at once.
    decide_level(store, "a", |mirror| {
        let read_for = Some(mirror.waiting);
        let reading = Report { version: coarse, read_for, received_at: at(70), ..report_of(pieces(9), 1) };
        assert_eq!(mirror.observe(&reading), LevelOutcome::Moved(pieces(-1)));
    })
    .await;
    assert_eq!(claim_reads(&database, "a", 70).await.len(), 1);
}
