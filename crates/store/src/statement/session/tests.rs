use crate::{
    StoreError,
    row::Row as _,
    sessions::Lease,
    statement::{
        Bound, Statement, parameters, query,
        tests::{Database, migrated},
    },
};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);
/// Settings that decide about plans, times and texts.
const SETTINGS: [&str; 13] = [
    "application_name",
    "client_encoding",
    "enable_hashjoin",
    "enable_mergejoin",
    "enable_seqscan",
    "idle_in_transaction_session_timeout",
    "jit",
    "lock_timeout",
    "plan_cache_mode",
    "role",
    "search_path",
    "statement_timeout",
    "timezone",
];

fn setting(name: &str) -> Bound {
    const SETTING: Statement<parameters!(text)> = Statement::new("SELECT current_setting($1) AS value");
    query(SETTING).bind(name)
}

fn append(text: &str) -> Bound {
    const APPEND: Statement<parameters!(text)> = Statement::new(
        "SELECT set_config('tillflow.tenant', coalesce(current_setting('tillflow.tenant', true), '') || $1, true)
             AS value",
    );
    query(APPEND).bind(text)
}

fn divide(by: i64) -> Bound {
    const DIVIDE: Statement<parameters!(int8)> = Statement::new("SELECT 1 / $1::int8 AS value");
    query(DIVIDE).bind(by)
}

fn sleep(seconds: &str) -> Bound {
    const SLEEP: Statement<parameters!(text)> =
        Statement::new("SELECT pg_sleep($1::text::float8)::text AS value");
    query(SLEEP).bind(seconds)
}

async fn take(database: &Database) -> Lease {
    database.store.sessions.take().await.unwrap()
}

/// Returns what the only statement returned.
async fn value(lease: &mut Lease, statement: Bound) -> Result<String, StoreError> {
    let answer = lease.send(LIMIT, vec![statement]).await?.pop().unwrap()?;
    answer.rows[0].value("value")
}

/// Returns whether nobody else holds the lock of these tests, and holds it until the end of the transaction.
fn lock() -> Bound {
    const LOCK: Statement<parameters!()> =
        Statement::new("SELECT pg_try_advisory_xact_lock(7)::text AS value");
    query(LOCK)
}

#[tokio::test]
async fn a_connection_of_apply_has_the_settings_of_the_pool() {
    let database = migrated().await;
    let mut lease = take(&database).await;
    for name in SETTINGS {
        let of_the_pool = database.store.fetch_one(setting(name)).await.unwrap();
        let of_the_pool: String = of_the_pool.value("value").unwrap();
        assert_eq!(value(&mut lease, setting(name)).await.unwrap(), of_the_pool, "{name}");
    }
}

#[tokio::test]
async fn statements_that_are_sent_together_are_executed_in_order_in_one_transaction() {
    let database = migrated().await;
    let mut lease = take(&database).await;
    let numbers: Vec<String> = (0..100).map(|number| format!("{number} ")).collect();
    let answers = lease.send(LIMIT, numbers.iter().map(|text| append(text)).collect()).await.unwrap();
    let last = answers.into_iter().next_back().unwrap().unwrap();
    assert_eq!(last.rows[0].value::<String>("value").unwrap(), numbers.concat());
    assert_eq!(last.affected, 1);
    assert_eq!(value(&mut lease, append("")).await.unwrap(), numbers.concat(), "the same transaction");
    lease.commit(LIMIT).await.unwrap();
    assert_eq!(value(&mut lease, append("")).await.unwrap(), "", "another one");
}

#[tokio::test]
async fn a_refused_statement_refuses_those_behind_it_and_the_connection_serves_again() {
    let database = migrated().await;
    let mut lease = take(&database).await;
    let sent = vec![divide(1), divide(0), divide(1)];
    let mut answers = lease.send(LIMIT, sent).await.unwrap().into_iter();
    assert!(answers.next().unwrap().is_ok());
    let refused = answers.next().unwrap().err().unwrap();
    assert!(matches!(&refused, StoreError::Refused { what } if what == "error 22012"), "{refused}");
    assert!(answers.next().unwrap().is_err());
    lease.roll_back(LIMIT).await.unwrap();
    lease.give_back();

    let mut again = take(&database).await;
    assert_eq!(value(&mut again, append("x")).await.unwrap(), "x");
}

#[tokio::test]
async fn a_dropped_transaction_is_rolled_back_and_its_connection_closed() {
    let database = migrated().await;
    let mut lease = take(&database).await;
    assert_eq!(value(&mut lease, lock()).await.unwrap(), "true");
    let is_free = async || {
        let row = database.store.fetch_one(lock()).await.unwrap();
        row.value::<String>("value").unwrap() == "true"
    };
    assert!(!is_free().await);
    drop(lease);
    for _ in 0..200 {
        if is_free().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the transaction is still open");
}

#[tokio::test]
async fn a_call_that_takes_too_long_leaves_its_connection_of_no_use() {
    let database = migrated().await;
    let mut lease = take(&database).await;
    let late = lease.send(Duration::from_millis(100), vec![sleep("5")]).await.err().unwrap();
    assert!(late.is_retryable(), "{late}");
    assert!(lease.roll_back(LIMIT).await.unwrap_err().is_retryable());
    assert!(!lease.is_free());
}

#[tokio::test]
async fn a_statement_s_time_limit_and_a_lost_connection_can_be_retried() {
    const LIMITED: Statement<parameters!()> =
        Statement::new("SELECT set_config('statement_timeout', '50', true) AS value");
    const CLOSED: Statement<parameters!()> =
        Statement::new("SELECT set_config('idle_in_transaction_session_timeout', '50', true) AS value");
    let database = migrated().await;
    let mut lease = take(&database).await;
    value(&mut lease, query(LIMITED)).await.unwrap();
    let late = value(&mut lease, sleep("5")).await.unwrap_err();
    assert!(late.is_retryable(), "{late}");
    drop(lease);

    let mut lease = take(&database).await;
    value(&mut lease, query(CLOSED)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let lost = value(&mut lease, append("x")).await.unwrap_err();
    assert!(lost.is_retryable(), "{lost}");
    assert!(lease.commit(LIMIT).await.is_err());
    lease.give_back();
    assert!(value(&mut take(&database).await, append("x")).await.is_ok());
}

#[tokio::test]
async fn after_a_restart_of_the_server_an_idle_connection_is_replaced() {
    let mut database = migrated().await;
    let mut lease = take(&database).await;
    value(&mut lease, append("x")).await.unwrap();
    lease.commit(LIMIT).await.unwrap();
    assert!(lease.is_free());
    lease.give_back();
    database.server.restart().await.unwrap();
    assert_eq!(value(&mut take(&database).await, append("x")).await.unwrap(), "x");
}

#[tokio::test]
async fn a_quarter_of_the_connections_and_no_more_are_opened_and_none_after_the_end() {
    let database = migrated().await;
    let first = take(&database).await;
    let second = take(&database).await;
    let third = tokio::time::timeout(Duration::from_millis(200), database.store.sessions.take()).await;
    assert!(third.is_err(), "the default of eight allows two");
    drop(first);
    let third = take(&database).await;
    second.give_back();
    database.store.close().await;
    third.give_back();
    let closed = database.store.sessions.take().await.err().unwrap();
    assert!(closed.is_retryable(), "{closed}");
}
