use crate::fixture::{
    Database, PARTITION, at, commit_silently, connection_id, decide, decide_level, event, external,
    level_key, level_mirror_key, location, origin, pieces, report, report_of, shop, step, store_id, variant,
};
use model::{
    AskedBy, Baseline, BaselineRule, CallResult, ConflictKind, Contact, ContactOutcome, LevelKey,
    LevelMirror, LevelOutcome, Mirror, MirrorKey, MirrorKind, MirrorValue, Phase, PlatformName, Quantity,
    Report, STOPPED_FOR, Settled, VariantId, Waiting,
    record::{Changes, Effect, Facts, FirstKeys, Links, MovementReason, RowKeys},
};
use sqlx::{Connection as _, PgConnection};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use store::{Claim, ConflictFilter, Consumer, DesiredChanges, DueChange, DueRead, DueWrite, Writes};

const LEASE: Duration = Duration::from_mins(1);
/// Number of decimals of every platform's quantities.
const DECIMALS: u32 = 6;
/// Quantity at `b` before anything is written to it.
pub(crate) const FIRST_OF_B: i32 = 4;

pub(crate) fn writes() -> Writes {
    ["shopify", "treez"]
        .into_iter()
        .flat_map(|platform| {
            MirrorKind::ALL.map(|kind| ((PlatformName::new(platform).unwrap(), kind), DECIMALS))
        })
        .collect()
}

pub(crate) fn level_effect() -> Effect {
    let any = Quantity::ZERO;
    let reason = MovementReason::Reported;
    Effect::Level { variant: variant(), location: location(), delta: any, level: any, reason }
}

pub(crate) async fn set(database: &Database, number: i64, effects: &[Effect]) {
    let mut changes = DesiredChanges::default();
    for effect in effects {
        changes.add(number, &event(number, "a"), effect);
    }
    let step = step(&database.store, Consumer::Propagate, number).await;
    database.store.set_desired(&changes, &writes(), at(2), &[step]).await.unwrap();
}

/// Makes propagate consume a change of the level, with that number.
pub(crate) async fn set_level(database: &Database, number: i64) {
    set(database, number, &[level_effect()]).await;
}

/// Links items to variants.
pub(crate) async fn link_items(database: &Database, items: &[(&str, &str, &str)]) {
    let items = items.iter().map(|(connection, id, ours)| {
        ((connection_id(connection), external(id)), Some(VariantId::new(ours).unwrap()))
    });
    let links = Links { items: items.collect(), ..Links::default() };
    commit_silently(&database.store, &Changes { links, ..Changes::default() }).await;
}

/// Links the item of `b`.
pub(crate) async fn link_b(database: &Database) {
    link_items(database, &[("b", "item-b", "v1")]).await;
}

/// Claims the due writes of a connection whose platform accepts every kind.
pub(crate) async fn claim(database: &Database, connection: &str, seconds: i64) -> Vec<DueWrite> {
    claim_kinds(database, connection, &MirrorKind::ALL, seconds).await
}

pub(crate) async fn claim_kinds(
    database: &Database,
    connection: &str,
    kinds: &[MirrorKind],
    seconds: i64,
) -> Vec<DueWrite> {
    claim_some(database, connection, kinds, seconds, 100).await
}

pub(crate) async fn claim_some(
    database: &Database,
    connection: &str,
    kinds: &[MirrorKind],
    seconds: i64,
    limit: i64,
) -> Vec<DueWrite> {
    let claim = Claim {
        connection: &connection_id(connection),
        partition: PARTITION,
        kinds: &kinds.iter().copied().collect(),
        decimals: DECIMALS,
        repeatable_for: &BTreeMap::from([(MirrorKind::Inventory, Duration::from_hours(1))]),
        batched: &BTreeSet::from([MirrorKind::Inventory]),
        lease: LEASE,
        limit,
    };
    database.store.claim_due(&claim, at(seconds)).await.unwrap()
}

pub(crate) async fn claim_reads(database: &Database, connection: &str, seconds: i64) -> Vec<DueRead> {
    let origin = origin(connection);
    database.store.claim_reads(PARTITION, &origin, at(seconds), 10).await.unwrap()
}

pub(crate) async fn settle(
    database: &Database,
    write: &DueWrite,
    result: CallResult<MirrorValue>,
    seconds: i64,
) -> Settled {
    let origin = origin(write.key.connection().as_str());
    let settled =
        database.store.settle_write(PARTITION, &origin, &write.key, &write.sent_key, result, at(seconds));
    settled.await.unwrap()
}

pub(crate) fn taken() -> CallResult<MirrorValue> {
    CallResult::Taken { version: None, rendered: None }
}

/// Makes `b` report a first number that differs from the store's; the store's is taken.
pub(crate) async fn first_number_of_b(database: &Database) {
    decide_level(&database.store, "b", |mirror| {
        assert_eq!(mirror.observe(&report_of(pieces(FIRST_OF_B), 1)), LevelOutcome::FirstContact);
        let contact = Contact {
            level: Some(pieces(10)),
            is_witnessed: true,
            rule: BaselineRule::Store,
            decimals: DECIMALS,
        };
        assert_eq!(mirror.contact(&contact), ContactOutcome::StoreKept);
    })
    .await;
}

/// Returns a database in which `a` reported ten, and `b` has the item linked, holds another number, and should
/// hold ten too.
pub(crate) async fn due_on_b() -> Database {
    let database = shop().await;
    report(&database.store, 1, "a", 10, 10).await;
    link_b(&database).await;
    set_level(&database, 1).await;
    first_number_of_b(&database).await;
    database
}

pub(crate) async fn mirror(database: &Database, key: &MirrorKey) -> Mirror {
    let mut facts = Facts::default();
    let mut transaction = database.store.begin_apply().await.unwrap();
    let keys = RowKeys { mirrors: BTreeSet::from([key.clone()]), ..RowKeys::default() };
    transaction.rows(&keys, &mut facts).await.unwrap();
    transaction.rollback().await.unwrap();
    facts.mirrors.get(key).unwrap()
}

pub(crate) async fn level_mirror(database: &Database, connection: &str) -> LevelMirror {
    let mirror = mirror(database, &level_mirror_key(connection)).await;
    let Mirror::Level(_, mirror) = mirror else { panic!("not a level: {mirror:?}") };
    mirror
}

fn to(write: &DueWrite) -> Quantity {
    let DueChange::Level { to, .. } = write.change else { panic!("not a level: {write:?}") };
    to
}

fn level(from: i32, to: i32) -> DueChange {
    DueChange::Level { from: pieces(from), to: pieces(to) }
}

#[tokio::test]
async fn a_level_goes_to_every_other_platform_that_knows_item_and_place() {
    let database = due_on_b().await;
    let store = &database.store;
    let both = [connection_id("a"), connection_id("b")];
    assert_eq!(store.due_connections(&both, at(2)).await.unwrap(), [connection_id("b")]);
    assert_eq!(store.due_connections(&both, at(1)).await.unwrap(), []);
    assert_eq!(claim(&database, "a", 9).await, [], "the platform that reported it holds it");

    let due = claim(&database, "b", 9).await;
    let write = &due[0];
    assert_eq!((due.len(), &write.key, &write.change), (1, &level_mirror_key("b"), &level(FIRST_OF_B, 10)));
    assert_eq!((write.attempt, write.begun_at, &write.location), (1, at(9), &None));
    assert_eq!(write.trace, Some(event(1, "a").trace));

    // In the other direction, a platform with locations gets its own id of the location.
    report(store, 2, "b", -1, 9).await;
    set_level(&database, 2).await;
    let due = claim(&database, "a", 9).await;
    assert_eq!((&due[0].change, &due[0].location), (&level(10, 9), &Some(external("loc-a"))));
}

#[tokio::test]
async fn nothing_is_written_to_a_platform_before_it_was_read() {
    let database = shop().await;
    report(&database.store, 1, "a", 10, 10).await;
    link_b(&database).await;
    set_level(&database, 1).await;
    let (store, both) = (&database.store, [connection_id("a"), connection_id("b")]);
    assert_eq!(level_mirror(&database, "b").await.desired, Some(pieces(10)));
    assert_eq!(store.due_connections(&both, at(9)).await.unwrap(), []);
    assert_eq!(store.connections_to_read(&both, at(1)).await.unwrap(), []);
    assert_eq!(store.connections_to_read(&both, at(9)).await.unwrap(), [connection_id("b")]);
    assert_eq!(claim(&database, "b", 9).await, []);
    let asked_by = AskedBy { mirror: level_mirror_key("b"), waiting: Waiting(1) };
    let read = DueRead { asked_by, location: None, product: None };
    assert_eq!(claim_reads(&database, "b", 9).await, [read]);
    first_number_of_b(&database).await;
    assert_eq!(claim(&database, "b", 9).await[0].change, level(FIRST_OF_B, 10));
}

#[tokio::test]
async fn a_write_under_way_keeps_its_value_and_its_key_until_it_is_settled() {
    let database = due_on_b().await;
    let first = claim(&database, "b", 9).await.remove(0);
    assert_eq!(claim(&database, "b", 9).await, [], "claimed");
    assert_eq!(claim(&database, "b", 68).await, [], "leased");

    report(&database.store, 2, "a", -1, 9).await;
    set_level(&database, 2).await;
    let again = claim(&database, "b", 69).await.remove(0);
    assert_eq!(again, DueWrite { attempt: 2, ..first.clone() });

    assert_eq!(settle(&database, &first, taken(), 70).await, Settled::Done);
    let next = claim(&database, "b", 70).await.remove(0);
    assert_eq!((&next.change, next.attempt), (&level(10, 9), 1));
    assert_ne!(next.sent_key, first.sent_key);
}

#[tokio::test]
async fn writes_that_begin_together_know_it_where_they_are_made_in_one_request() {
    let database = due_on_b().await;
    let other = MirrorKey::Level(LevelKey { item: external("item-c"), ..level_key("b") });
    let is_batched = async |key: &MirrorKey| {
        let Mirror::Level(_, mirror) = mirror(&database, key).await else { panic!("{key:?}") };
        mirror.phase.write().unwrap().batched
    };
    assert_eq!(claim(&database, "b", 9).await.len(), 1);
    assert!(!is_batched(&level_mirror_key("b")).await, "it is alone");

    link_items(&database, &[("b", "item-c", "v1")]).await;
    set_level(&database, 2).await;
    decide(&database.store, &other, |mirror| {
        let Mirror::Level(_, mirror) = mirror else { panic!("{mirror:?}") };
        mirror.observe(&report_of(pieces(5), 1));
    })
    .await;
    assert_eq!(claim(&database, "b", 69).await.len(), 2, "one of them for the second time");
    assert!(is_batched(&level_mirror_key("b")).await && is_batched(&other).await);
}

#[tokio::test]
async fn a_write_that_is_too_old_to_be_repeated_is_given_up_and_its_platform_read() {
    let database = due_on_b().await;
    claim(&database, "b", 9).await;
    assert_eq!(claim(&database, "b", 9 + 3_600).await.len(), 1, "not older than may be repeated");
    assert_eq!(claim(&database, "b", 9 + 3_661).await, []);
    assert_eq!(level_mirror(&database, "b").await.phase.as_str(), "reading");
    assert_eq!(claim_reads(&database, "b", 9 + 3_661).await.len(), 1);
}

#[tokio::test]
async fn what_is_written_is_the_store_s_value_at_that_moment() {
    let database = due_on_b().await;
    let write = claim(&database, "b", 9).await.remove(0);
    assert_eq!(settle(&database, &write, taken(), 9).await, Settled::Done);
    decide_level(&database.store, "b", |mirror| {
        assert_eq!(mirror.observe(&report_of(pieces(10), 10)), LevelOutcome::Echo);
    })
    .await;
    // `b` sold one: its mirror and the level have moved, but propagate hasn't consumed the change. It holds
    // the store's level.
    report(&database.store, 2, "b", -1, 9).await;
    let store = &database.store;
    assert_eq!(level_mirror(&database, "b").await.desired, Some(pieces(9)));
    assert_eq!(store.due_connections(&[connection_id("b")], at(99)).await.unwrap(), []);
    // The former desired value must not be written over the sale, though it differs from the platform's value.
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let outdated = "UPDATE mirrors SET state = jsonb_set(state, '{desired}', '\"10\"'), attention = 'write'
                    WHERE connection = 'b'";
    assert_eq!(sqlx::query(outdated).execute(&mut connection).await.unwrap().rows_affected(), 1);
    assert_eq!(store.due_connections(&[connection_id("b")], at(99)).await.unwrap(), [connection_id("b")]);
    assert_eq!(claim(&database, "b", 99).await, []);
    assert_eq!(store.due_connections(&[connection_id("b")], at(99)).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_wanted_already_is_not_written_again_and_waits_for_nobody() {
    let database = due_on_b().await;
    // Another transaction has locked the store and the mirrors, as a batch that changes them does.
    let mut transaction = database.store.begin_apply().await.unwrap();
    let stores = FirstKeys { stores: BTreeSet::from([store_id()]), ..FirstKeys::default() };
    let keys = BTreeSet::from([level_mirror_key("a"), level_mirror_key("b")]);
    let mirrors = RowKeys { mirrors: keys, ..RowKeys::default() };
    transaction.first(&stores, &mut Facts::default()).await.unwrap();
    transaction.rows(&mirrors, &mut Facts::default()).await.unwrap();
    set_level(&database, 2).await;
}

/// A report during a call.
#[derive(Debug, Clone, Copy)]
enum Before {
    Nothing,
    Other,
    Echo,
    /// The write itself had ended.
    Ended,
}

impl Before {
    fn happens(self, mirror: &mut LevelMirror) {
        match self {
            Self::Nothing => {}
            Self::Other => assert_eq!(mirror.observe(&report_of(pieces(7), 9)), LevelOutcome::Contested),
            Self::Echo => assert_eq!(mirror.observe(&report_of(pieces(10), 9)), LevelOutcome::Echo),
            Self::Ended => mirror.phase = Phase::Idle,
        }
    }
}

#[tokio::test]
async fn every_end_of_a_call_leaves_the_mirror_as_it_should() {
    use Before::{Echo, Ended, Nothing, Other};
    use Settled::{Done, NeedsReading, Passed, Refused};
    const A_DAY: i64 = 86_400;
    let retry = CallResult::Retry { at: at(500), error: "busy".to_owned() };
    let refused = CallResult::Refused { error: "no such value".to_owned() };
    let turned_away = CallResult::AccountRefused { error: "no access".to_owned() };
    let too_old = CallResult::TooOld { error: "expired".to_owned() };
    let (taken, conflict, gone) = (taken(), CallResult::Conflict, CallResult::Gone);
    let database = due_on_b().await;
    let write = claim(&database, "b", 9).await.remove(0);
    let begun = level_mirror(&database, "b").await;
    // The report during the call and the result of the call; then the consequence, the phase after it, the platform's
    // value, and the second from which on the next write can be claimed.
    for (before, result, follows, after, holds, due) in [
        (Nothing, &taken, Done, "acknowledged", Some(10), None),
        (Nothing, &conflict, NeedsReading, "reading", Some(4), None),
        (Nothing, &retry, Done, "pending", Some(4), Some(500)),
        (Nothing, &refused, Refused, "refused", Some(4), Some(9 + A_DAY)),
        (Nothing, &turned_away, Done, "idle", Some(4), Some(9)),
        (Nothing, &too_old, NeedsReading, "reading", Some(4), None),
        (Nothing, &gone, Done, "idle", None, None),
        (Other, &taken, NeedsReading, "reading", Some(10), None),
        (Other, &conflict, NeedsReading, "reading", Some(4), None),
        (Other, &retry, Done, "contested", Some(4), Some(500)),
        (Other, &refused, NeedsReading, "reading", Some(4), None),
        (Echo, &taken, Done, "idle", Some(10), None),
        (Echo, &conflict, NeedsReading, "reading", Some(4), None),
        (Echo, &retry, Done, "echoed", Some(10), Some(500)),
        (Echo, &refused, NeedsReading, "reading", Some(4), None),
        (Ended, &taken, Passed, "idle", Some(4), None),
        (Ended, &conflict, Passed, "idle", Some(4), None),
    ] {
        decide_level(&database.store, "b", |mirror| {
            *mirror = begun.clone();
            before.happens(mirror);
        })
        .await;
        let case = format!("{before:?} {result:?}");
        let another = DueWrite { sent_key: "another".to_owned(), ..write.clone() };
        let unsettled = level_mirror(&database, "b").await;
        assert_eq!(settle(&database, &another, result.clone(), 9).await, Passed);
        assert_eq!(level_mirror(&database, "b").await, unsettled, "{case}");
        assert_eq!(settle(&database, &write, result.clone(), 9).await, follows, "{case}");
        let row = level_mirror(&database, "b").await;
        let known = row.baseline.known().copied();
        assert_eq!((row.phase.as_str(), known), (after, holds.map(pieces)), "{case}");
        let is_read = claim_reads(&database, "b", 9).await.len() == 1;
        assert_eq!(is_read, follows == NeedsReading, "{case}");
        if matches!(before, Ended) {
            continue;
        }
        // A write that waits for nothing is due at once; the others aren't due before their time, if ever.
        if due != Some(9) {
            assert_eq!(claim(&database, "b", due.unwrap_or(2 * A_DAY) - 1).await, [], "{case}");
        }
        if let Some(due) = due {
            assert_eq!(claim(&database, "b", due).await.len(), 1, "{case}");
        }
    }
}

#[tokio::test]
async fn what_a_supposed_echo_moved_is_given_back_when_the_platform_refuses_the_write() {
    // b held 10; we write 8; b itself sells two and reports 8, which is taken for the echo; then it sells one more: 7.
    for (result, held) in [(CallResult::Conflict, 9), (taken(), 7)] {
        let database = due_on_b().await;
        let first = claim(&database, "b", 9).await.remove(0);
        settle(&database, &first, taken(), 9).await;
        report(&database.store, 2, "a", -2, 8).await;
        set_level(&database, 2).await;
        let write = claim(&database, "b", 9).await.remove(0);
        assert_eq!(write.change, level(10, 8));

        decide_level(&database.store, "b", |mirror| {
            assert_eq!(mirror.observe(&report_of(pieces(8), 9)), LevelOutcome::Echo);
            assert_eq!(mirror.observe(&report_of(pieces(7), 10)), LevelOutcome::Moved(pieces(-1)));
        })
        .await;
        settle(&database, &write, result.clone(), 9).await;
        let row = level_mirror(&database, "b").await;
        assert_eq!(row.baseline, Baseline::Known(pieces(held)), "{result:?}");
    }
}

#[tokio::test]
async fn a_refused_value_is_a_conflict_until_another_is_taken_and_is_tried_again_after_a_day() {
    let database = due_on_b().await;
    let write = claim(&database, "b", 9).await.remove(0);
    let refused = CallResult::Refused { error: "x".repeat(2_000) };
    assert_eq!(settle(&database, &write, refused.clone(), 9).await, Settled::Refused);
    set_level(&database, 1).await;
    assert_eq!(claim(&database, "b", 9 + 86_399).await, []);
    let lines = database.store.show_store(&store_id()).await.unwrap().mirrors;
    let line = lines.iter().find(|line| line.mirror.key() == level_mirror_key("b")).unwrap();
    assert_eq!(line.mirror.summary().error.unwrap().len(), 500);
    let again = claim(&database, "b", 9 + 86_400).await.remove(0);
    assert_eq!((to(&again), again.sent_key == write.sent_key), (pieces(10), false));
    assert_eq!(settle(&database, &again, refused, 9 + 86_400).await, Settled::Refused);
    let open = database.store.conflicts(&ConflictFilter::default(), 10).await.unwrap();
    let found: Vec<_> =
        open.iter().map(|row| (row.conflict.kind, row.conflict.subject.clone(), row.seen)).collect();
    assert_eq!(found, [(ConflictKind::WriteRefused, level_key("b").subject(), 2)]);

    report(&database.store, 2, "a", -1, 9).await;
    set_level(&database, 2).await;
    let next = claim(&database, "b", 9 + 86_400).await.remove(0);
    assert_eq!(to(&next), pieces(9));
    assert_eq!(settle(&database, &next, taken(), 9 + 86_400).await, Settled::Done);
    assert_eq!(database.store.open_conflicts_of(&store_id()).await.unwrap(), 0);
}

#[tokio::test]
async fn comparisons_that_are_refused_over_and_over_are_a_conflict_and_stop_the_writes_for_a_while() {
    let database = due_on_b().await;
    let mut last = Settled::Done;
    for round in 0..6 {
        let write = claim(&database, "b", 10 + round).await.remove(0);
        last = settle(&database, &write, CallResult::Conflict, 10 + round).await;
        decide_level(&database.store, "b", |mirror| {
            let reading =
                Report { read_for: Some(mirror.waiting), ..report_of(pieces(FIRST_OF_B), 10 + round) };
            assert_eq!(mirror.observe(&reading), LevelOutcome::Unchanged);
        })
        .await;
    }
    assert_eq!(last, Settled::Flapping);
    let pause = i64::try_from(STOPPED_FOR.as_secs()).unwrap();
    assert_eq!(claim(&database, "b", 14 + pause).await, []);
    let open = database.store.conflicts(&ConflictFilter::default(), 10).await.unwrap();
    assert_eq!(open.iter().map(|row| row.conflict.kind).collect::<Vec<_>>(), [ConflictKind::Flapping]);

    assert_eq!(claim(&database, "b", 15 + pause).await.len(), 1);
    assert_eq!(database.store.open_conflicts_of(&store_id()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_read_back_that_does_not_come_is_asked_for_again_and_then_writing_goes_on_at_once() {
    let database = due_on_b().await;
    let store = &database.store;
    let write = claim(&database, "b", 9).await.remove(0);
    assert_eq!(settle(&database, &write, CallResult::Conflict, 9).await, Settled::NeedsReading);
    assert_eq!(claim_reads(&database, "b", 9).await[0].asked_by.mirror, level_mirror_key("b"));
    assert_eq!(claim_reads(&database, "b", 68).await, []);
    assert_eq!(claim_reads(&database, "b", 69).await.len(), 1);
    assert_eq!(claim_reads(&database, "b", 70).await, []);
    assert_eq!(claim(&database, "b", 70).await, []);

    decide_level(store, "b", |mirror| {
        let reading = Report { read_for: Some(mirror.waiting), ..report_of(pieces(FIRST_OF_B), 70) };
        assert_eq!(mirror.observe(&reading), LevelOutcome::Unchanged);
    })
    .await;
    assert_eq!(claim_reads(&database, "b", 999).await, []);
    assert_eq!(claim(&database, "b", 70).await.len(), 1);
}
