//! Mirrors as rows: a mirror is read as it was written, in any state.

use crate::{
    applying::load,
    fixture::{
        Database, PARTITION, at, commit_silently, connection_id, decide_level, event, external, level_key,
        level_mirror_key, origin, pieces, report, report_of, reported, shop, step, variant,
    },
    propagating::{
        FIRST_OF_B, claim, claim_reads, due_on_b, level_mirror, link_b, mirror, set_level, settle,
    },
};
use model::{
    AskedBy, Attention, Baseline, CallResult, ConflictKind, Currency, FieldKey, FieldMirror, FieldValue,
    Gate, LevelKey, LevelMirror, LevelOutcome, Meanwhile, Mirror, Money, Observation, Partition, Phase,
    PlatformValue, Position, ProductId, ProductText, Quantity, READINGS_MAX, Report, Schedule, VersionNumber,
    Waiting, Write,
    record::{Changes, Facts, FirstKeys, RowKeys},
};
use sqlx::{Connection as _, PgConnection, Row as _};
use store::{ConflictFilter, Connection, Consumer};

fn write<V>(value: V, from: V) -> Write<V> {
    let trace = Some(event(1, "a").trace);
    Write { value, from, key: "key".to_owned(), begun_at: at(3), attempts: 2, trace, batched: true }
}

/// Returns every phase.
fn phases<V: Clone>(value: &V, from: &V) -> Vec<Phase<V>> {
    let made = || write(value.clone(), from.clone());
    let mut phases = vec![
        Phase::Idle,
        Phase::Acknowledged { write: made(), version: None },
        Phase::Acknowledged { write: made(), version: Some(VersionNumber(7)) },
        Phase::Reading { after: None, attempts: 0 },
        Phase::Reading { after: Some(made()), attempts: 3 },
        Phase::Refused { write: made() },
    ];
    for meanwhile in [Meanwhile::Nothing, Meanwhile::Echo, Meanwhile::Other] {
        phases.push(Phase::Writing { write: made(), meanwhile });
    }
    phases
}

fn schedules() -> [Schedule; 2] {
    let error = Some("busy \"now\"".to_owned());
    [Schedule::default(), Schedule { due_at: at(9), error, refused: true, rounds: 2, rounds_since: at(8) }]
}

fn observations<V: Clone>(value: &V) -> [Option<Observation<V>>; 3] {
    let seen = |value, version| Some(Observation { value, version, at: at(2) });
    [None, seen(None, None), seen(Some(value.clone()), Some(VersionNumber(i64::MAX)))]
}

fn level_mirrors() -> Vec<LevelMirror> {
    let (value, from) = (Quantity::parse("2.5").unwrap(), Quantity::parse("-0.000001").unwrap());
    let mut mirrors = vec![LevelMirror::default()];
    for phase in phases(&value, &from) {
        for baseline in [Baseline::Unheard, Baseline::Absent, Baseline::Known(from)] {
            mirrors.push(LevelMirror {
                baseline,
                phase: phase.clone(),
                desired: Some(value),
                ..LevelMirror::of(Some(variant()))
            });
        }
    }
    for (gate, proven) in [(Gate::Asked, true), (Gate::Unproven, false), (Gate::Stopped, true)] {
        mirrors.push(LevelMirror {
            gate,
            proven,
            baseline: Baseline::Known(Quantity::ZERO),
            cause: Some(event(1, "a").trace),
            ..LevelMirror::of(Some(variant()))
        });
    }
    mirrors.extend(observations(&value).map(|observed| LevelMirror { observed, ..LevelMirror::default() }));
    mirrors.extend(schedules().map(|schedule| LevelMirror { schedule, ..LevelMirror::default() }));
    mirrors.push(LevelMirror { waiting: Waiting(3), ..LevelMirror::default() });
    mirrors
}

fn field_mirrors<V: FieldValue>(internal: &V::Internal, value: &V, from: &V) -> Vec<FieldMirror<V>> {
    let of = || FieldMirror::of(internal.clone());
    let mut mirrors = vec![FieldMirror::default(), of()];
    let shown = PlatformValue::shown(from.clone(), value.clone());
    for phase in phases(value, from) {
        for baseline in [
            Baseline::Unheard,
            Baseline::Absent,
            Baseline::Known(PlatformValue::plain(from.clone())),
            Baseline::Known(shown.clone()),
        ] {
            let desired = Some(value.clone());
            mirrors.push(FieldMirror { baseline, phase: phase.clone(), desired, ..of() });
        }
    }
    mirrors.extend(observations(value).map(|observed| FieldMirror { observed, ..of() }));
    mirrors.extend(schedules().map(|schedule| FieldMirror { schedule, ..of() }));
    mirrors.push(FieldMirror { waiting: Waiting(u32::MAX), ..of() });
    mirrors
}

fn usd(minor: i64) -> Money {
    Money { minor, currency: Currency::new("USD").unwrap() }
}

/// Returns mirrors of every kind in every state, each with a name of its own.
fn every_mirror() -> Vec<Mirror> {
    let text = |title: Option<&str>, description: Option<&str>| ProductText {
        title: title.map(ToOwned::to_owned),
        description: description.map(ToOwned::to_owned),
    };
    let (old, new) = (text(Some("Tea"), None), text(None, Some("a\n\"b\" \\ ü")));
    let product = ProductId::new("p1").unwrap();
    let prices = field_mirrors(&variant(), &usd(1_250), &usd(-1));
    let texts = field_mirrors(&product, &new, &old);
    let mut mirrors = Vec::new();
    for (number, mirror) in level_mirrors().into_iter().enumerate() {
        let key = LevelKey { item: external(&format!("m-{number}")), ..level_key("a") };
        mirrors.push(Mirror::Level(key, mirror));
    }
    let key =
        |number| FieldKey { connection: connection_id("a"), external: external(&format!("m-{number}")) };
    mirrors.extend(prices.into_iter().enumerate().map(|(number, it)| Mirror::Price(key(number), it)));
    mirrors.extend(texts.into_iter().enumerate().map(|(number, it)| Mirror::Text(key(number), it)));
    mirrors
}

/// Returns the columns beside a mirror's state: the due work and its time.
async fn columns(database: &Database, mirror: &Mirror) -> (Option<String>, i64) {
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let (key, location) =
        (mirror.key(), mirror.key().location().map_or("", |location| location.as_str()).to_owned());
    let row = sqlx::query(
        "SELECT attention, (extract(epoch FROM next_attempt_at) * 1000000)::int8 AS due, internal FROM mirrors
         WHERE connection = $1 AND kind = $2 AND external = $3 AND place = $4",
    )
    .bind(key.connection().as_str())
    .bind(key.kind().as_str())
    .bind(key.external().as_str())
    .bind(location)
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(row.get::<Option<&str>, _>("internal"), mirror.internal());
    (row.get("attention"), row.get("due"))
}

#[tokio::test]
async fn a_mirror_is_read_as_it_was_written_whatever_its_state() {
    let database = shop().await;
    let mirrors = every_mirror();
    // Each row is first inserted with its own state, then overwritten once with the state of another of its kind.
    let mut shifted = mirrors.clone();
    for pair in 1..mirrors.len() {
        shifted[pair] = match (mirrors[pair].clone(), mirrors[pair - 1].clone()) {
            (Mirror::Level(key, _), Mirror::Level(_, state)) => Mirror::Level(key, state),
            (Mirror::Price(key, _), Mirror::Price(_, state)) => Mirror::Price(key, state),
            (Mirror::Text(key, _), Mirror::Text(_, state)) => Mirror::Text(key, state),
            (own, _) => own,
        };
    }
    for written in [mirrors, shifted] {
        let mut transaction = database.store.begin_apply().await.unwrap();
        let keys = RowKeys { mirrors: written.iter().map(Mirror::key).collect(), ..RowKeys::default() };
        transaction.rows(&keys, &mut Facts::default()).await.unwrap();
        let mut changes = Changes::default();
        for mirror in &written {
            changes.mirrors.insert(mirror.clone());
        }
        let step = step(&database.store, Consumer::Apply, 0).await;
        transaction.commit(&changes, &[], &[step]).await.unwrap();
        for expected in written {
            assert_eq!(mirror(&database, &expected.key()).await, expected);
            let due = expected.attention().map(|attention| attention.as_str().to_owned());
            assert_eq!(columns(&database, &expected).await, (due, expected.due_at().as_micros()));
        }
    }
}

#[tokio::test]
async fn what_was_refused_is_due_again_once_the_connection_was_changed() {
    for is_paused in [false, true] {
        let database = due_on_b().await;
        let store = &database.store;
        // The database's own clock decides the due time of a changed connection's writes.
        let now = seconds_of_now();
        decide_level(store, "b", |mirror| mirror.schedule.due_at = at(now)).await;
        let write = claim(&database, "b", now).await.remove(0);
        settle(&database, &write, CallResult::Refused { error: "not now".to_owned() }, now).await;
        let before = store.connection(&connection_id("b")).await.unwrap().unwrap();
        store.upsert_connection(&before).await.unwrap();
        assert_eq!(claim(&database, "b", now + 60).await, [], "set up alike, nothing changes");
        if is_paused {
            store.set_enabled(&before.id, false).await.unwrap();
        } else {
            let changed = Connection { token: "another".to_owned(), ..before };
            store.upsert_connection(&changed).await.unwrap();
        }
        // The platform reports its former value: that says nothing about the refused one.
        decide_level(store, "b", |mirror| {
            let same = Report { received_at: at(now + 30), ..report_of(pieces(FIRST_OF_B), 2) };
            assert_eq!(mirror.observe(&same), LevelOutcome::Unchanged);
            assert_eq!(mirror.phase.as_str(), "refused");
        })
        .await;
        let again = claim(&database, "b", now + 60).await.remove(0);
        assert_eq!((&again.change, again.attempt), (&write.change, 1), "paused: {is_paused}");
    }
}

/// Returns the seconds from the fixture's beginning to the present.
fn seconds_of_now() -> i64 {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros();
    (i64::try_from(now).unwrap() - at(0).as_micros()) / 1_000_000
}

#[tokio::test]
async fn what_the_platform_has_no_more_is_forgotten_and_nothing_is_due_until_it_reports_it() {
    let database = shop().await;
    report(&database.store, 1, "a", 10, 10).await;
    link_b(&database).await;
    set_level(&database, 1).await;
    let asked_by = claim_reads(&database, "b", 9).await.remove(0).asked_by;
    assert_eq!(asked_by, AskedBy { mirror: level_mirror_key("b"), waiting: Waiting(1) });
    let waiting = level_mirror(&database, "b").await;
    let before = AskedBy { waiting: Waiting(0), ..asked_by.clone() };
    database.store.note_gone(PARTITION, &origin("b"), &before).await.unwrap();
    assert_eq!(level_mirror(&database, "b").await, waiting, "asked in another waiting");
    database.store.note_gone(PARTITION, &origin("b"), &asked_by).await.unwrap();
    let row = level_mirror(&database, "b").await;
    assert_eq!((&row.baseline, &row.phase), (&Baseline::Absent, &Phase::Idle));
    assert_eq!(row.attention(), None::<Attention>);
    assert_eq!(claim_reads(&database, "b", 99_999).await, []);
    assert_eq!(claim(&database, "b", 99_999).await, []);
    let position = database.store.apply_cursor(PARTITION).await.unwrap().position;
    let (write_log, _) = database.store.write_log(PARTITION, None, position).await.unwrap();
    assert_eq!(write_log.last().unwrap().mirror, Mirror::Level(level_key("b"), row), "a replay meets it");

    let report = report_of(pieces(3), 20);
    decide_level(&database.store, "b", |mirror| {
        assert_eq!(mirror.observe(&report), LevelOutcome::FirstContact);
    })
    .await;
    assert_eq!(claim(&database, "b", 99_999).await.len(), 1);
    // Without a mirror this has no effect.
    let nothing = AskedBy { mirror: level_mirror_key("zzz"), waiting: Waiting(1) };
    database.store.note_gone(PARTITION, &origin("b"), &nothing).await.unwrap();
}

#[tokio::test]
async fn a_reading_that_was_claimed_and_not_made_is_given_again_at_once() {
    let database = shop().await;
    report(&database.store, 1, "a", 10, 10).await;
    link_b(&database).await;
    set_level(&database, 1).await;
    let asked_by = claim_reads(&database, "b", 9).await.remove(0).asked_by;
    assert_eq!(claim_reads(&database, "b", 10).await, [], "it is under way");
    let before = AskedBy { waiting: Waiting(0), ..asked_by.clone() };
    database.store.give_back_reading(PARTITION, &origin("b"), &before, at(10)).await.unwrap();
    assert_eq!(claim_reads(&database, "b", 10).await, [], "asked in another waiting");
    // Returned more often than a reading may be claimed; it still doesn't count as unreadable.
    for _ in 0..10 {
        database.store.give_back_reading(PARTITION, &origin("b"), &asked_by, at(10)).await.unwrap();
        assert_eq!(claim_reads(&database, "b", 10).await.remove(0).asked_by, asked_by);
    }
    let row = level_mirror(&database, "b").await;
    assert!(matches!(row.phase, Phase::Reading { attempts: 1, .. }), "{:?}", row.phase);
    // One too many is an open conflict, which ends when the reading is returned.
    let open = async || database.store.conflicts(&ConflictFilter::default(), 9).await.unwrap().len();
    for count in 1..=i64::from(READINGS_MAX) {
        assert_eq!(open().await, 0, "{count}");
        assert_eq!(claim_reads(&database, "b", 10 + 61 * count).await.len(), 1);
    }
    assert_eq!(open().await, 1);
    database.store.give_back_reading(PARTITION, &origin("b"), &asked_by, at(500)).await.unwrap();
    assert_eq!(open().await, 0);
    let nothing = AskedBy { mirror: level_mirror_key("zzz"), waiting: Waiting(1) };
    database.store.give_back_reading(PARTITION, &origin("b"), &nothing, at(10)).await.unwrap();
}

#[tokio::test]
async fn what_happens_before_anything_of_a_partition_is_applied_is_marked_at_its_beginning() {
    let database = shop().await;
    report(&database.store, 1, "a", 10, 10).await;
    link_b(&database).await;
    set_level(&database, 1).await;
    let untouched = Partition(PARTITION.0 + 1);
    let asked_by = claim_reads(&database, "b", 9).await.remove(0).asked_by;
    database.store.note_gone(untouched, &origin("b"), &asked_by).await.unwrap();
    let (write_log, _) = database.store.write_log(untouched, None, Position::default()).await.unwrap();
    assert_eq!(write_log.iter().map(|entry| entry.after).collect::<Vec<_>>(), [Position::default()]);
}

#[tokio::test]
async fn a_connection_that_is_changed_waits_for_its_mirrors_before_it_is_locked() {
    let database = due_on_b().await;
    let write = claim(&database, "b", 9).await.remove(0);
    settle(&database, &write, CallResult::Refused { error: "no".to_owned() }, 9).await;
    // A batch locks the mirror first and the connection last.
    let mut batch = PgConnection::connect(&database.url).await.unwrap();
    let mut watch = PgConnection::connect(&database.url).await.unwrap();
    let lock = "SELECT FROM mirrors WHERE connection = 'b' AND kind = 'inventory' FOR NO KEY UPDATE";
    for statement in ["BEGIN", lock] {
        sqlx::query(statement).execute(&mut batch).await.unwrap();
    }
    let b = connection_id("b");
    let changed = async { database.store.set_enabled(&b, false).await.unwrap() };
    let batched = async {
        let waits = "SELECT count(*) AS waits FROM pg_locks WHERE NOT granted";
        while sqlx::query(waits).fetch_one(&mut watch).await.unwrap().get::<i64, _>("waits") == 0 {
            tokio::task::yield_now().await;
        }
        for statement in ["UPDATE connections SET baseline = 'store' WHERE id = 'b'", "COMMIT"] {
            sqlx::query(statement).execute(&mut batch).await.unwrap();
        }
    };
    assert!(tokio::join!(changed, batched).0);
    let due_at = level_mirror(&database, "b").await.schedule.due_at;
    assert_ne!(due_at, at(9 + 86_400), "what was refused is due anew, and not after a day");
}

#[tokio::test]
async fn mirrors_that_wait_for_an_answer_are_found_by_their_connection() {
    let database = shop().await;
    let mut changes = reported(1, "a", 10, 10);
    (changes.applied, changes.movements, changes.event_outcomes) = (Vec::new(), Vec::new(), Vec::new());
    changes.stores.clear();
    let mut asked = Vec::new();
    for (id, gate) in [("a", Gate::Asked), ("a", Gate::Unproven), ("a", Gate::Stopped), ("b", Gate::Asked)] {
        let key = LevelKey { item: external(&format!("{gate:?}")), ..level_key(id) };
        let baseline = Baseline::Known(pieces(0));
        let state = LevelMirror { gate, baseline, ..LevelMirror::of(Some(variant())) };
        changes.mirrors.insert(Mirror::Level(key.clone(), state));
        asked.push(key);
    }
    commit_silently(&database.store, &changes).await;
    let rows = RowKeys { waiting: [connection_id("a")].into(), ..RowKeys::default() };
    let found = load(&database, &FirstKeys::default(), &rows).await;
    assert_eq!(found.mirrors.levels.keys().collect::<Vec<_>>(), [&asked[0], &asked[1]]);
}

#[tokio::test]
async fn a_mirror_that_cannot_be_read_is_an_open_conflict_once_and_is_asked_for_seldom() {
    let database = shop().await;
    report(&database.store, 1, "a", 10, 10).await;
    link_b(&database).await;
    set_level(&database, 1).await;
    for minute in 0..8 {
        assert_eq!(claim_reads(&database, "b", 60 * (minute + 1)).await.len(), 1, "{minute}");
    }
    let open = async || {
        let rows = database.store.conflicts(&ConflictFilter::default(), 10).await.unwrap();
        rows.into_iter().map(|row| (row.conflict.kind, row.conflict.subject, row.seen)).collect::<Vec<_>>()
    };
    assert_eq!(open().await, []);
    let found = |seen| [(ConflictKind::Unreadable, level_key("b").subject(), seen)];
    assert_eq!(claim_reads(&database, "b", 540).await.len(), 1);
    assert_eq!(open().await, found(1));
    assert_eq!(claim_reads(&database, "b", 540 + 3_599).await, []);
    let asked_by = claim_reads(&database, "b", 540 + 3_600).await.remove(0).asked_by;
    assert_eq!(open().await, found(2));
    database.store.note_gone(PARTITION, &origin("b"), &asked_by).await.unwrap();
    assert_eq!(open().await, [], "that there is nothing is an answer");
}
