//! Mirrors of the former schema version: one column for each value, and no state column.

use crate::{
    fixture::{
        Database, PARTITION, at, connection_id, empty_database, external, level_key, origin, pieces, variant,
    },
    propagating::{claim, mirror},
};
use model::{
    Attention, Baseline, Currency, FieldKey, FieldMirror, LevelKey, LevelMirror, Meanwhile, Mirror, Money,
    Observation, Phase, PlatformValue, Position, ProductId, ProductText, Schedule, VersionNumber, Write,
};
use sqlx::{Connection as _, PgConnection, Row as _};
use store::Consumer;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations");
/// The last version with the old columns.
const BEFORE: i64 = 20_261_126_000_003;

/// Returns a database of the former version, with a store and its connection `b`, and no mirrors.
async fn as_before() -> (Database, PgConnection) {
    let database = empty_database().await;
    let mut raw = PgConnection::connect(&database.url).await.unwrap();
    MIGRATIONS.run_to(BEFORE, &mut raw).await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO tenants (id) VALUES ('t1');
         INSERT INTO stores (id, tenant, name, timezone) VALUES ('s1', 't1', 'Shop', 'UTC');
         INSERT INTO connections (id, tenant, store, platform, enabled, base_url, account, credentials, key_id)
         VALUES ('b', 't1', 's1', 'treez', true, 'https://platform.example', 'shop', '\\x00', 'k1')",
    )
    .execute(&mut raw)
    .await
    .unwrap();
    (database, raw)
}

/// Inserts a row with a value for each column, null where the text is empty.
async fn insert(raw: &mut PgConnection, kind: &str, name: &str, columns: [&str; 6]) {
    let [observed, held, desired, sent, sent_from, sent_state] = columns;
    let at = at(0).as_chrono();
    sqlx::query(
        "INSERT INTO mirrors (connection, kind, external, place, tenant, store, internal, observed, observed_version,
             observed_at, held, desired, sent, sent_from, sent_state, sent_key, sent_at, attempts, next_attempt_at,
             last_error)
         SELECT 'b', $1, $2, CASE $1 WHEN 'inventory' THEN 'l1' ELSE '' END, 't1', 's1',
             CASE $1 WHEN 'product' THEN 'p1' ELSE 'v1' END, nullif($3, '')::jsonb,
             CASE WHEN $3 <> '' THEN 5 END, CASE WHEN $3 <> '' THEN $9 + interval '2 seconds' END,
             nullif($4, '')::jsonb, nullif($5, '')::jsonb, nullif($6, '')::jsonb, nullif($7, '')::jsonb,
             nullif($8, ''), CASE WHEN $8 <> '' THEN 'key' END, CASE WHEN $8 <> '' THEN $9 + interval '3 seconds' END,
             CASE WHEN $8 <> '' THEN 2 ELSE 0 END, $9 + interval '9 seconds', CASE WHEN $8 = 'refused' THEN 'no' END",
    )
    .bind(kind)
    .bind(name)
    .bind(observed)
    .bind(held)
    .bind(desired)
    .bind(sent)
    .bind(sent_from)
    .bind(sent_state)
    .bind(at)
    .execute(raw)
    .await
    .unwrap();
}

fn write<V>(value: V, from: V) -> Write<V> {
    Write { value, from, key: "key".to_owned(), begun_at: at(3), attempts: 2, trace: None, batched: false }
}

fn seen<V>(value: V) -> Observation<V> {
    Observation { value: Some(value), version: Some(VersionNumber(5)), at: at(2) }
}

fn schedule(is_refused: bool) -> Schedule {
    Schedule { due_at: at(9), error: is_refused.then(|| "no".to_owned()), ..Schedule::default() }
}

fn key(name: &str) -> LevelKey {
    LevelKey { item: external(name), ..level_key("b") }
}

async fn attention(raw: &mut PgConnection, name: &str) -> Option<String> {
    let row = sqlx::query("SELECT attention FROM mirrors WHERE external = $1").bind(name);
    row.fetch_one(raw).await.unwrap().get(0)
}

#[tokio::test]
async fn a_level_of_the_version_before_is_in_the_phase_that_its_write_had_come_to() {
    let (database, mut raw) = as_before().await;
    let quantity = |count: i32| format!(r#"{{"quantity": "{count}"}}"#);
    let (four, ten) = (quantity(4), quantity(10));
    let (four, unheard) = (four.as_str(), "");
    let made = || write(pieces(10), pieces(4));
    let writing = |meanwhile| Phase::Writing { write: made(), meanwhile };
    let reading = Phase::Reading { after: None, attempts: 0 };
    // The platform's value, the sent value and the one it replaces, the state of the write; then the expected phase and
    // the work that is due.
    let cases = [
        (four, "", "", "", Phase::Idle, Some(Attention::Write)),
        (four, &*ten, four, "pending", writing(Meanwhile::Nothing), Some(Attention::Write)),
        (four, &*ten, four, "unsure", writing(Meanwhile::Other), Some(Attention::Write)),
        (four, &*ten, four, "echoed", writing(Meanwhile::Echo), Some(Attention::Write)),
        (&*ten, &*ten, four, "acknowledged", Phase::Acknowledged { write: made(), version: None }, None),
        (four, &*ten, four, "refused", Phase::Refused { write: made() }, Some(Attention::Write)),
        (&*ten, &*ten, four, "settled", Phase::Idle, None),
        (four, &*ten, four, "reading", reading.clone(), Some(Attention::Read)),
        // Nothing is written to a mirror that never reported, and a write without the value that it
        // replaces doesn't count.
        (unheard, "", "", "", Phase::Idle, Some(Attention::Read)),
        (unheard, &*ten, "", "pending", reading, Some(Attention::Read)),
        (unheard, &*ten, "", "settled", Phase::Idle, Some(Attention::Read)),
    ];
    for (number, (held, sent, from, state, ..)) in cases.iter().enumerate() {
        let columns = [*held, *held, ten.as_str(), *sent, *from, *state];
        insert(&mut raw, "inventory", &format!("m-{number}"), columns).await;
    }
    database.store.migrate().await.unwrap();
    for (number, (held, _, _, state, phase, due)) in cases.into_iter().enumerate() {
        let name = format!("m-{number}");
        let count = if held == ten { 10 } else { 4 };
        let known = (!held.is_empty()).then(|| pieces(count));
        let expected = LevelMirror {
            observed: known.map(seen),
            baseline: known.map_or(Baseline::Unheard, Baseline::Known),
            proven: known.is_some(),
            desired: Some(pieces(10)),
            phase,
            schedule: schedule(state == "refused"),
            ..LevelMirror::of(Some(variant()))
        };
        let expected = Mirror::Level(key(&name), expected);
        assert_eq!(mirror(&database, &expected.key()).await, expected, "{state} of {held}");
        assert_eq!(expected.attention(), due, "{state} of {held}");
        let column = attention(&mut raw, &name).await;
        assert_eq!(column.as_deref(), due.map(Attention::as_str), "{state} of {held}");
    }
    database.store.take_epoch(Consumer::Apply, PARTITION).await.unwrap();
    // Everything that is due can be claimed, so that nothing stays due for ever.
    assert_eq!(claim(&database, "b", 9).await.len(), 5);
    let reads = database.store.claim_reads(PARTITION, &origin("b"), at(9), 100).await.unwrap();
    assert_eq!(reads.len(), 4);
}

#[tokio::test]
async fn a_price_and_a_text_of_the_version_before_are_what_they_were() {
    let (database, mut raw) = as_before().await;
    let usd = |minor| Money { minor, currency: Currency::new("USD").unwrap() };
    let price = |minor: i64| format!(r#"{{"price": {{"minor": {minor}, "currency": "USD"}}}}"#);
    let (old, new) = (price(1_000), price(1_250));
    insert(&mut raw, "price", "price", [&old, &old, &new, &new, &old, "pending"]).await;
    let text = |title: &str| format!(r#"{{"text": {{"title": "{title}", "description": null}}}}"#);
    let (tea, spaced, better) = (text("Green tea"), text("Green\\n tea "), text("Better tea"));
    insert(&mut raw, "product", "spaced", [&tea, &tea, &spaced, "", "", ""]).await;
    insert(&mut raw, "product", "refused", [&tea, &tea, &better, &better, &tea, "refused"]).await;
    database.store.migrate().await.unwrap();

    let name = |name: &str| FieldKey { connection: connection_id("b"), external: external(name) };
    let words = |title: &str| ProductText { title: Some(title.to_owned()), description: None };
    let expected_price = FieldMirror {
        observed: Some(seen(usd(1_000))),
        baseline: Baseline::Known(PlatformValue::plain(usd(1_000))),
        desired: Some(usd(1_250)),
        phase: Phase::Writing { write: write(usd(1_250), usd(1_000)), meanwhile: Meanwhile::Nothing },
        schedule: schedule(false),
        ..FieldMirror::of(variant())
    };
    let product = ProductId::new("p1").unwrap();
    let held = FieldMirror {
        observed: Some(seen(words("Green tea"))),
        baseline: Baseline::Known(PlatformValue::plain(words("Green tea"))),
        desired: Some(words("Green\n tea ")),
        schedule: schedule(false),
        ..FieldMirror::of(product)
    };
    let refused = FieldMirror {
        desired: Some(words("Better tea")),
        phase: Phase::Refused { write: write(words("Better tea"), words("Green tea")) },
        schedule: schedule(true),
        ..held.clone()
    };
    for (expected, due) in [
        (Mirror::Price(name("price"), expected_price), Some("write")),
        (Mirror::Text(name("spaced"), held), None),
        (Mirror::Text(name("refused"), refused), Some("write")),
    ] {
        assert_eq!(mirror(&database, &expected.key()).await, expected);
        assert_eq!(expected.attention().map(Attention::as_str), due);
        assert_eq!(attention(&mut raw, expected.key().external().as_str()).await.as_deref(), due);
    }
}

#[tokio::test]
async fn what_was_noted_for_replays_is_the_state_of_a_mirror() {
    let (database, mut raw) = as_before().await;
    sqlx::query(
        r#"INSERT INTO send_marks (partition, raw_sequence, delivery, event, tenant, store, connection, kind, external,
             place, internal, held, sent, sent_from, sent_state, sent_key, observed_version, recorded_at)
         VALUES (3, 1, 0, 0, 't1', 's1', 'b', 'inventory', 'item-b', 'l1', 'v1', '{"quantity": "10"}',
             '{"quantity": "10"}', '{"quantity": "4"}', 'acknowledged', 'key', 5, $1)"#,
    )
    .bind(at(3).as_chrono())
    .execute(&mut raw)
    .await
    .unwrap();
    database.store.migrate().await.unwrap();
    let position = Position { raw_sequence: 1, delivery: 0, event: 0 };
    let (entries, _) = database.store.write_log(PARTITION, None, position).await.unwrap();
    let expected = LevelMirror {
        observed: Some(Observation { value: Some(pieces(10)), version: Some(VersionNumber(5)), at: at(3) }),
        baseline: Baseline::Known(pieces(10)),
        proven: true,
        phase: Phase::Acknowledged {
            write: Write { attempts: 1, ..write(pieces(10), pieces(4)) },
            version: None,
        },
        schedule: Schedule { due_at: at(3), ..Schedule::default() },
        ..LevelMirror::of(Some(variant()))
    };
    assert_eq!((entries.len(), &entries[0].mirror), (1, &Mirror::Level(level_key("b"), expected)));
}

#[tokio::test]
async fn services_of_the_version_before_go_on_under_the_old_names() {
    let (database, mut raw) = as_before().await;
    sqlx::raw_sql("INSERT INTO cursors (name, partition, epoch, raw_sequence) VALUES ('poll', 3, 2, 17)")
        .execute(&mut raw)
        .await
        .unwrap();
    database.store.migrate().await.unwrap();
    let id = "decode(repeat('07', 16), 'hex')";
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "SET ROLE tillflow_pipeline;
         INSERT INTO endings AS e (tenant, store, connection, event_id, delivery_id, entity, external, action, outcome,
             reason, raw_sequence, delivery_index, event_index, received_at)
         VALUES ('t1', 's1', 'b', {id}, {id}, 'product', 'x', 'updated', 'dead', '', 1, 0, 0, now());
         INSERT INTO endings AS e (tenant, store, connection, event_id, delivery_id, entity, external, action, outcome,
             reason, raw_sequence, delivery_index, event_index, received_at)
         VALUES ('t1', 's1', 'b', {id}, {id}, 'product', 'x', 'updated', 'applied', '', 2, 0, 0, now())
         ON CONFLICT (connection, event_id) DO UPDATE
         SET outcome = excluded.outcome, recorded_at = excluded.recorded_at, attempts = e.attempts + 1
         WHERE e.outcome = 'dead';
         INSERT INTO dismissals (tenant, store, connection, raw_sequence, delivery_index, event_index, delivery_id,
             stage, outcome, reason, received_at)
         VALUES ('t1', 's1', 'b', 3, 0, 0, {id}, 'dedupe', 'duplicate', '', now());
         INSERT INTO send_marks (partition, raw_sequence, delivery, event, tenant, store, connection, kind, external, place,
             state)
         VALUES (3, 1, 0, 0, 't1', 's1', 'b', 'inventory', 'x', 'l1', '{{}}');
         INSERT INTO fetch_marks (connection, what, since) VALUES ('b', 'catalog', now())
         ON CONFLICT (connection, what) DO UPDATE SET since = excluded.since
         WHERE fetch_marks.since < excluded.since;
         UPDATE cursors SET raw_sequence = 18 WHERE name = 'poll' AND partition = 3"
    )))
    .execute(&mut raw)
    .await
    .unwrap();
    let row = sqlx::query(
        "SELECT outcome, attempts, (SELECT count(*) FROM dropped_inputs) AS dropped,
             (SELECT count(*) FROM write_log) AS written, (SELECT count(*) FROM fetch_cursors) AS fetched
         FROM event_outcomes",
    )
    .fetch_one(&mut raw)
    .await
    .unwrap();
    assert_eq!((row.get("outcome"), row.get::<i32, _>("attempts")), ("applied", 2));
    let counts = ["dropped", "written", "fetched"].map(|column| row.get::<i64, _>(column));
    assert_eq!(counts, [1, 1, 1]);
    let cursor = database.store.cursor(Consumer::Fetch, PARTITION).await.unwrap();
    assert_eq!((cursor.position.raw_sequence, cursor.epoch), (17, 2), "fetch goes on where poll was");
    assert_eq!(
        database.store.cursors_moved().await.unwrap().len(),
        1,
        "those of poll are the other version's"
    );
}
