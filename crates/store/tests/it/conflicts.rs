use crate::fixture::{
    Database, at, commit, commit_silently, connection, connection_id, event, external, location, report,
    reported, shop, step, store_id, variant,
};
use model::{
    Conflict, ConflictEnd, ConflictKind, TenantId,
    record::{Changes, StoreStep},
};
use sqlx::{Connection as _, PgConnection, Row as _};
use std::collections::BTreeMap;
use store::{ConflictFilter, ConflictRow, Consumer, Health};

fn conflict(kind: ConflictKind, subject: &str, detail: &str) -> Conflict {
    Conflict {
        tenant: TenantId::new("t1").unwrap(),
        store: store_id(),
        connection: connection_id("a"),
        event: None,
        kind,
        subject: subject.to_owned(),
        detail: detail.to_owned(),
    }
}

fn end(kind: ConflictKind, subject: &str) -> ConflictEnd {
    ConflictEnd { store: store_id(), connection: connection_id("a"), kind, subject: subject.to_owned() }
}

/// Commits these changes as the event `number`, which has no other effect.
async fn decided(database: &Database, number: i64, changes: Changes) {
    let step = step(&database.store, Consumer::Apply, number).await;
    let applied = reported(number, "a", 1, i32::try_from(number).unwrap());
    let stores = BTreeMap::from([(store_id(), StoreStep { last_sequence: Some(number), ended: 1 })]);
    let changes = Changes { stores, applied: applied.applied, ..changes };
    commit(&database.store, &changes, step).await.unwrap();
}

async fn all(database: &Database) -> Vec<ConflictRow> {
    let filter = ConflictFilter { with_resolved: true, ..ConflictFilter::default() };
    database.store.conflicts(&filter, 100).await.unwrap()
}

async fn open(database: &Database) -> Vec<(ConflictKind, String, i64, String)> {
    let rows = database.store.conflicts(&ConflictFilter::default(), 100).await.unwrap();
    rows.into_iter()
        .map(|row| (row.conflict.kind, row.conflict.subject, row.seen, row.conflict.detail))
        .collect()
}

#[tokio::test]
async fn a_conflict_that_is_found_again_is_counted_and_open_once_for_its_subject_and_kind() {
    let database = shop().await;
    let (oversold, skew) = (ConflictKind::Oversold, ConflictKind::ClockSkew);
    let first = Conflict { event: Some(event(1, "a").id), ..conflict(oversold, "item 1", "two pieces") };
    let conflicts =
        vec![first, conflict(oversold, "item 1", "three pieces"), conflict(skew, "item 1", "2099")];
    decided(&database, 1, Changes { conflicts, ..Changes::default() }).await;
    let again = vec![conflict(oversold, "item 1", "four pieces"), conflict(oversold, "item 2", "one piece")];
    decided(&database, 2, Changes { conflicts: again, ..Changes::default() }).await;
    assert_eq!(
        open(&database).await,
        [
            (oversold, "item 2".to_owned(), 1, "one piece".to_owned()),
            (oversold, "item 1".to_owned(), 3, "four pieces".to_owned()),
            (skew, "item 1".to_owned(), 1, "2099".to_owned()),
        ]
    );
    assert_eq!(database.store.open_conflicts_of(&store_id()).await.unwrap(), 3);
    let row = &all(&database).await[1];
    assert_eq!(row.conflict.event, Some(event(1, "a").id), "the event that showed it is kept");
    assert!(row.last_seen_at > row.recorded_at, "{row:?}");
    let of_kind = ConflictFilter { kind: Some(skew), ..ConflictFilter::default() };
    assert_eq!(database.store.conflicts(&of_kind, 100).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_conflict_that_ended_is_kept_and_a_later_one_about_the_same_is_another() {
    let database = shop().await;
    let kind = ConflictKind::FirstContact;
    let found = || vec![conflict(kind, "item 1 at l1", "7 or 9")];
    decided(&database, 1, Changes { conflicts: found(), ..Changes::default() }).await;
    let ended = vec![
        end(kind, "item 1 at l1"),
        end(kind, "item 2 at l1"),
        end(ConflictKind::Oversold, "item 1 at l1"),
    ];
    decided(&database, 2, Changes { conflicts_ended: ended, ..Changes::default() }).await;
    assert_eq!(open(&database).await, []);
    let resolved = all(&database).await.remove(0).resolved.unwrap();
    assert_eq!(resolved.by, "tillflow");

    decided(&database, 3, Changes { conflicts: found(), ..Changes::default() }).await;
    let rows = all(&database).await;
    assert_eq!((rows.len(), rows[0].seen, rows[0].resolved.is_none()), (2, 1, true));

    // The name of a person is added to a conflict that an event ended, and not to one that a person ended.
    database.store.credit_conflict(rows[1].id, "ada", "took the store's").await.unwrap();
    assert!(database.store.resolve_conflict(rows[0].id, "bob", "counted").await.unwrap());
    assert!(!database.store.resolve_conflict(rows[0].id, "eve", "again").await.unwrap());
    assert!(!database.store.resolve_conflict(4_711, "eve", "nothing").await.unwrap());
    database.store.credit_conflict(rows[0].id, "eve", "mine").await.unwrap();
    let by: Vec<_> = all(&database).await.into_iter().map(|row| row.resolved.unwrap().by).collect();
    assert_eq!(by, ["bob", "ada"]);
    assert_eq!(database.store.conflict(4_711).await.unwrap(), None);
}

#[tokio::test]
async fn texts_that_a_column_would_refuse_are_stored_and_ended_all_the_same() {
    let database = shop().await;
    let long = "ü".repeat(Conflict::SUBJECT_MAX_BYTES);
    let found = conflict(ConflictKind::WriteRefused, &long, &"no\0 ".repeat(5_000));
    database.store.note_conflict(&found).await.unwrap();
    database.store.note_conflict(&found).await.unwrap();
    database.store.note_conflict(&conflict(ConflictKind::Flapping, "", "")).await.unwrap();
    let rows = open(&database).await;
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].1.as_str(), rows[1].2), ("the connection", 2));
    assert!(
        rows[1].1.len() <= Conflict::SUBJECT_MAX_BYTES && rows[1].3.len() <= 2 * Conflict::DETAIL_MAX_BYTES
    );
    let ended = vec![end(ConflictKind::WriteRefused, &long), end(ConflictKind::Flapping, "")];
    decided(&database, 1, Changes { conflicts_ended: ended, ..Changes::default() }).await;
    assert_eq!(open(&database).await, []);
}

/// Reverts the migration of conflicts and connection states.
const AS_BEFORE: [&str; 5] = [
    "DROP TRIGGER connections_revision ON connections",
    "DELETE FROM _sqlx_migrations WHERE version = 20261126000002",
    "DROP INDEX conflicts_open_subject, connections_account",
    "ALTER TABLE conflicts DROP COLUMN subject, DROP COLUMN seen, DROP COLUMN last_seen_at, DROP COLUMN resolved_by,
         DROP COLUMN resolution",
    "ALTER TABLE connections DROP COLUMN health, DROP COLUMN health_reason, DROP COLUMN health_since,
         DROP COLUMN probe_at, DROP COLUMN probe_attempts, DROP COLUMN baseline, DROP COLUMN baseline_initial,
         DROP COLUMN ignored_locations",
];

#[tokio::test]
async fn of_conflicts_that_were_open_twice_the_oldest_stays_open_and_the_others_are_kept() {
    let database = shop().await;
    let mut raw = PgConnection::connect(&database.url).await.unwrap();
    let before = "INSERT INTO conflicts (tenant, store, connection, event_id, kind, detail, resolved_at)
                  SELECT 't1', 's1', 'a', '\\x00', 'final_order_changed', u.detail,
                      CASE WHEN u.resolved THEN now() END
                  FROM (VALUES ('order o1 is completed and was reported otherwise', false),
                               ('order o1 is completed and was reported otherwise', true),
                               ('order o1 is completed and was reported otherwise', false),
                               ('order o2 is cancelled and was reported otherwise', false)) AS u(detail, resolved)";
    for statement in AS_BEFORE
        .into_iter()
        .chain([before, "UPDATE conflicts SET event_id = decode(repeat('00', 16), 'hex')"])
    {
        sqlx::query(statement).execute(&mut raw).await.unwrap();
    }
    database.store.migrate().await.unwrap();
    let rows = all(&database).await;
    let seen: Vec<_> = rows
        .iter()
        .rev()
        .map(|row| (row.conflict.subject.as_str(), row.seen, row.resolved.is_none()))
        .collect();
    assert_eq!(
        seen,
        [("order o1", 2, true), ("order o1", 1, false), ("order o1", 1, false), ("order o2", 1, true)]
    );
    assert!(rows.iter().all(|row| row.conflict.kind == ConflictKind::OrderChanged));

    // New findings are counted with those from before, and an older service may still write its own form.
    database
        .store
        .note_conflict(&conflict(ConflictKind::OrderChanged, "order o1", "open again"))
        .await
        .unwrap();
    assert_eq!(open(&database).await[1].2, 3);
    for _ in 0..2 {
        sqlx::query(
            "INSERT INTO conflicts (tenant, store, connection, event_id, kind, detail)
             VALUES ('t1', 's1', 'a', decode(repeat('00', 16), 'hex'), 'final_order_changed', 'order o3')",
        )
        .execute(&mut raw)
        .await
        .unwrap();
    }
    assert_eq!(open(&database).await.len(), 4);
}

#[tokio::test]
async fn of_connections_that_had_one_account_the_oldest_in_use_stays_and_the_others_are_switched_off() {
    let database = shop().await;
    let mut raw = PgConnection::connect(&database.url).await.unwrap();
    for statement in AS_BEFORE {
        sqlx::query(statement).execute(&mut raw).await.unwrap();
    }
    // Columns of the migration are still missing, so the rows are copied in SQL.
    for (id, enabled, account, age) in [
        ("old-off", false, "Shop", 9),
        ("older", true, "shop", 5),
        ("newer", true, "SHOP", 1),
        ("blank", true, "", 2),
    ] {
        sqlx::query(
            "INSERT INTO connections (id, tenant, store, platform, enabled, base_url, account, credentials, key_id, created_at)
             SELECT $1, tenant, store, 'square', $2, base_url, $3, credentials, key_id, now() - make_interval(days => $4)
             FROM connections WHERE id = 'a'",
        )
        .bind(id)
        .bind(enabled)
        .bind(account)
        .bind(age)
        .execute(&mut raw)
        .await
        .unwrap();
    }
    database.store.migrate().await.unwrap();
    let found = sqlx::query(
        "SELECT id, enabled, account, health FROM connections WHERE platform = 'square' ORDER BY id",
    )
    .fetch_all(&mut raw)
    .await
    .unwrap();
    let found: Vec<(String, bool, String, String)> =
        found.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect();
    let expected = [
        ("blank", true, "", "ok"),
        ("newer", false, "SHOP (newer, duplicate of older)", "misconfigured"),
        ("old-off", false, "Shop (old-off, duplicate of older)", "misconfigured"),
        ("older", true, "shop", "ok"),
    ];
    let expected =
        expected.map(|(id, on, account, health)| (id.to_owned(), on, account.to_owned(), health.to_owned()));
    assert_eq!(found, expected);
    assert_eq!(
        database.store.connection(&connection_id("a")).await.unwrap().unwrap(),
        connection("a", "shopify")
    );
}

#[tokio::test]
async fn orders_that_a_platform_made_to_try_something_out_are_no_sales() {
    let database = shop().await;
    let mut raw = PgConnection::connect(&database.url).await.unwrap();
    for (id, status, body) in [
        ("o1", "completed", "{}"),
        ("o2", "completed", r#"{"is_test": true}"#),
        ("o3", "open", r#"{"is_test": true}"#),
        ("o4", "open", r#"{"is_test": false}"#),
    ] {
        sqlx::query(
            "INSERT INTO orders (id, tenant, store, connection, external, status, total_minor, total_currency, is_refund,
                 placed_at, closed_at, body)
             VALUES ($1, 't1', 's1', 'a', $1, $2, 100, 'USD', false, now(), now(), $3::jsonb)",
        )
        .bind(id)
        .bind(status)
        .bind(body)
        .execute(&mut raw)
        .await
        .unwrap();
    }
    let sold =
        sqlx::query("SELECT orders, sold_minor::int8 FROM daily_sales").fetch_all(&mut raw).await.unwrap();
    let sold: Vec<(i64, i64)> = sold.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(sold, [(1, 100)]);
    let current = sqlx::query("SELECT id FROM current_orders").fetch_all(&mut raw).await.unwrap();
    assert_eq!(current.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>(), ["o4"]);
}

#[tokio::test]
async fn an_ignored_location_has_no_open_conflict() {
    let database = shop().await;
    let (store, a) = (&database.store, connection_id("a"));
    let subject = Conflict::about_location(&external("loc-z"));
    store.note_conflict(&conflict(ConflictKind::UnlinkedLocation, &subject, "not linked")).await.unwrap();
    for _ in 0..2 {
        assert!(store.ignore_location(&a, &external("loc-z"), true).await.unwrap());
    }
    assert_eq!(open(&database).await, []);
    let ignored = store.connection(&a).await.unwrap().unwrap().ignored_locations;
    assert_eq!(ignored.into_iter().collect::<Vec<_>>(), [external("loc-z")]);
    assert!(store.ignore_location(&a, &external("loc-z"), false).await.unwrap());
    assert_eq!(store.connection_state(&a).await.unwrap().unwrap().ignored_locations, Vec::<String>::new());
    assert!(!store.ignore_location(&connection_id("zzz"), &external("loc-z"), true).await.unwrap());
}

#[tokio::test]
async fn a_connection_s_open_conflicts_are_counted_with_its_state() {
    let database = shop().await;
    let subject = Conflict::about_item(&external("item-a"), &location());
    database.store.note_conflict(&conflict(ConflictKind::FirstContact, &subject, "7 or 9")).await.unwrap();
    let b = database.store.connection(&connection_id("b")).await.unwrap().unwrap();
    database.store.note_account_refused(&b, Health::Misconfigured, "404", at(1)).await.unwrap();
    let states = database.store.connection_states(Some(&store_id())).await.unwrap();
    let counts: Vec<_> = states
        .iter()
        .map(|state| (state.origin.connection.as_str(), state.open_conflicts, state.health))
        .collect();
    assert_eq!(counts, [("a", 1, Health::Ok), ("b", 1, Health::Misconfigured)]);
    let not_ok = database.store.connections_not_ok().await.unwrap();
    assert_eq!(
        not_ok.iter().map(|state| &state.origin.connection).collect::<Vec<_>>(),
        [&connection_id("b")]
    );
}

#[tokio::test]
async fn oversell_is_one_conflict_of_the_store_that_names_the_last_two_sales() {
    let database = shop().await;
    let store = &database.store;
    report(store, 1, "a", 1, 1).await;
    report(store, 2, "a", -1, 0).await;
    let subject = Conflict::about_variant(&variant(), &location());
    let found = |seller: &str| Conflict {
        connection: connection_id(seller),
        ..conflict(ConflictKind::Oversold, &subject, "0 were left")
    };
    let step = step(store, Consumer::Apply, 3).await;
    let conflicts = vec![found("b")];
    commit(store, &Changes { conflicts, ..reported(3, "b", -1, -1) }, step).await.unwrap();
    commit_silently(store, &Changes { conflicts: vec![found("a")], ..Changes::default() }).await;
    let rows = all(&database).await;
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((row.seen, &row.conflict.connection), (2, &connection_id("b")));
    let sale = |number, seller: &str| format!("-1 through {seller} (event {})", event(number, seller).id);
    assert_eq!(
        row.conflict.detail,
        format!("0 were left; the last to take some: {}, {}", sale(3, "b"), sale(2, "a"))
    );
    // A restocking ends it.
    let ended = vec![end(ConflictKind::Oversold, &subject)];
    commit_silently(store, &Changes { conflicts_ended: ended, ..Changes::default() }).await;
    assert_eq!(store.open_conflicts_of(&store_id()).await.unwrap(), 0);
}

/// Reverts the migration of oversell.
const MANY_OVERSOLD: [&str; 1] = ["DELETE FROM _sqlx_migrations WHERE version = 20261126000013"];

#[tokio::test]
async fn of_oversell_that_was_open_for_several_connections_the_oldest_stays_open() {
    let database = shop().await;
    let mut raw = PgConnection::connect(&database.url).await.unwrap();
    let many = "INSERT INTO conflicts (tenant, store, connection, kind, subject, detail, seen)
                VALUES ('t1', 's1', 'a', 'oversold', 'variant v1 at l1', '', 2),
                       ('t1', 's1', 'b', 'oversold', 'variant v1 at l1', '', 3),
                       ('t1', 's1', 'b', 'oversold', 'variant v2 at l1', '', 1),
                       ('t1', 's1', 'b', 'clock_skew', 'variant v1 at l1', '', 1)";
    for statement in MANY_OVERSOLD.into_iter().chain([many]) {
        sqlx::query(statement).execute(&mut raw).await.unwrap();
    }
    database.store.migrate().await.unwrap();
    let rows = all(&database).await;
    let left: Vec<_> = rows.iter().rev().map(|row| (row.seen, row.resolved.is_none())).collect();
    assert_eq!(left, [(5, true), (3, false), (1, true), (1, true)]);
}
