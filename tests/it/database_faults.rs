//! A database that crashes, is slow, resolves deadlocks against a transaction, and refuses transactions.

use crate::{PATIENCE, crowd::Crowd};
use std::time::Duration;
use testkit::{AccountOptions, Program, Sender, World, WorldOptions, eventually};

const STORES: usize = 8;
const ITEMS: u64 = 2;
/// Number of accepted deliveries between two faults.
const BETWEEN: usize = 100;
/// Time limit for the services to process their backlog.
const WORKED_OFF: Duration = Duration::from_mins(1);
/// Number of kills of the database under load.
const KILLS: usize = 3;
/// Number of services that listen to the database's notices.
const LISTENERS: u64 = 4;
/// Number of transactions that are cut off in the middle.
const CUT_OFF: u64 = 10;

async fn assert_nothing_dead(world: &World) {
    let mut reader = world.bus.read_dead(None).await.expect("the broker answers");
    let dead_letter = reader.next().await.expect("the broker answers");
    assert!(dead_letter.is_none(), "an outage is no dead letter: {dead_letter:?}");
}

async fn interruptions(world: &World, program: Program) -> u64 {
    let labels = [("stage", program.name()), ("cause", "fault")];
    world.scrape().await.count("tillflow_interruptions_total", &labels)
}

async fn number(world: &World, query: &str) -> u64 {
    let said = world.sql(query).await;
    said.parse().unwrap_or_else(|_| panic!("{query}: not a number: {said:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_killed_amid_commits_pauses_the_services_and_nothing_is_lost_repeated_or_given_up() {
    let mut world = World::start(&Program::ALL).await;
    let mut crowd = Crowd::open(&world, STORES, ITEMS).await;
    let stream = crowd.send(usize::MAX);
    for _ in 0..KILLS {
        stream.reaches(stream.taken() + BETWEEN).await;
        let before = interruptions(&world, Program::Apply).await;
        world.postgres.kill().await.expect("the database can be killed");
        eventually(PATIENCE, "apply notices", async || {
            let times = interruptions(&world, Program::Apply).await - before;
            if times > 0 { Ok(()) } else { Err("it hasn't yet") }
        })
        .await;
        // Known connections may continue to send: their deliveries are on disk, if not in the record yet.
        stream.reaches(stream.taken() + BETWEEN).await;
        world.postgres.restart().await.expect("the database comes back");
    }
    stream.reaches(stream.taken() + BETWEEN).await;
    stream.end();
    crowd.finish(stream).await;
    crowd.assert_all_there(&world, WORKED_OFF).await;
    world.quiet(PATIENCE, &crowd.merchants(), &[]).await;
    assert_nothing_dead(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn known_senders_go_on_when_the_database_goes_again_before_they_were_looked_up() {
    let options = WorldOptions { acquire_timeout_ms: Some(1_000), ..WorldOptions::default() };
    let mut world = World::start_with(options, &Program::ALL).await;
    let mut crowd = Crowd::open(&world, 2, 1).await;
    let first = crowd.send(4);
    crowd.finish(first).await;
    world.quiet(PATIENCE, &crowd.merchants(), &[]).await;

    world.postgres.kill().await.expect("the database can be killed");
    world.postgres.restart().await.expect("the database comes back");
    let listening = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
    eventually(PATIENCE, "the services hear of changes again", async || {
        let count = number(&world, listening).await;
        if count >= LISTENERS { Ok(()) } else { Err(format!("{count} do")) }
    })
    .await;
    // The notice that all may have changed passes through the intake.
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.postgres.kill().await.expect("the database can be killed");
    let second = crowd.send(8);
    second.reaches(8).await;
    world.postgres.restart().await.expect("the database comes back");
    crowd.finish(second).await;
    crowd.assert_all_there(&world, WORKED_OFF).await;
    assert_nothing_dead(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_unauthenticated_clients_are_asked_to_come_back_and_look_ups_wait() {
    let options = WorldOptions { acquire_timeout_ms: Some(1_000), ..WorldOptions::default() };
    let mut world = World::start_with(options, &Program::ALL).await;
    let crowd = Crowd::open(&world, 1, 1).await;
    let merchant = world.merchant("newcomer").await;
    let account = world.account(&merchant, "shopify", AccountOptions::silent()).await;
    world.quiet(PATIENCE, &crowd.merchants(), &[]).await;

    world.postgres.kill().await.expect("the database can be killed");
    let sender = Sender::default();
    let first = account.product("made", 1000, "Tea", 1, 0);
    let response = sender.send(&first).await.expect("the intake answers");
    assert_eq!(response.status, 503, "{response:?}");
    assert!(response.header("retry-after").is_some(), "{response:?}");
    // A delivery whose connection the intake has cached, with an item that enrich hasn't.
    let stream = crowd.send(1);
    stream.reaches(1).await;
    eventually(PATIENCE, "enrich pauses", async || {
        let times = interruptions(&world, Program::Enrich).await;
        if times > 0 { Ok(()) } else { Err("it hasn't yet") }
    })
    .await;
    world.postgres.restart().await.expect("the database comes back");

    let (id, _) = sender.send_until_kept(&first, PATIENCE).await;
    world.event_outcome(PATIENCE, &merchant, &id).await;
    let mut crowd = crowd;
    crowd.finish(stream).await;
    crowd.assert_all_there(&world, WORKED_OFF).await;
    assert_nothing_dead(&world).await;
}

/// Terminates sessions of services in the middle of their transactions; returns their number.
async fn cut_off_transactions(world: &World) -> u64 {
    let query = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
        AND state IN ('active', 'idle in transaction')";
    number(world, query).await
}

/// Locks all stores, one by one, in the order opposite to that of apply. Apply detects the deadlock, since this
/// session's `deadlock_timeout` is longer.
async fn cross_locks(world: &World) {
    let mut statements = vec!["BEGIN; SET LOCAL deadlock_timeout = '20s'".to_owned()];
    for index in (0..STORES).rev() {
        let lock = format!("SELECT 1 FROM stores WHERE id = 'shop-{index}' FOR UPDATE");
        statements.push(format!("{lock}; SELECT pg_sleep(0.1)"));
    }
    statements.push("ROLLBACK".to_owned());
    world.sql(&statements.join("; ")).await;
}

/// About half of all cursor updates are refused, some at once, some only at the commit.
const REFUSE: &str = "
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF random() < 0.3 THEN
        RAISE EXCEPTION 'could not serialize access due to a test' USING ERRCODE = '40001';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse_step BEFORE UPDATE ON cursors FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE CONSTRAINT TRIGGER refuse_commit AFTER UPDATE ON cursors
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse();";
const ACCEPT: &str =
    "DROP TRIGGER refuse_step ON cursors; DROP TRIGGER refuse_commit ON cursors; DROP FUNCTION refuse();";

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_are_cut_off_crossed_refused_or_kept_waiting_are_made_again_and_count_once() {
    let options = WorldOptions { statement_timeout_ms: Some(2_000), ..WorldOptions::default() };
    let world = World::start_with(options, &Program::ALL).await;
    let mut crowd = Crowd::open(&world, STORES, ITEMS).await;
    let stream = crowd.send(usize::MAX);

    let mut cut_off = 0;
    eventually(PATIENCE, "transactions are cut off", async || {
        cut_off += cut_off_transactions(&world).await;
        if cut_off >= CUT_OFF { Ok(()) } else { Err(format!("{cut_off} were")) }
    })
    .await;
    stream.reaches(stream.taken() + BETWEEN).await;

    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'";
    let before = number(&world, deadlocks).await;
    eventually(PATIENCE, "apply and another one stand in each other's way", async || {
        cross_locks(&world).await;
        let times = number(&world, deadlocks).await - before;
        if times > 0 { Ok(()) } else { Err("they haven't yet") }
    })
    .await;
    stream.reaches(stream.taken() + BETWEEN).await;

    // Longer than the statement timeout, then shorter.
    for seconds in [4, 1] {
        let kept_waiting =
            format!("BEGIN; SELECT 1 FROM stores FOR UPDATE; SELECT pg_sleep({seconds}); ROLLBACK");
        world.sql(&kept_waiting).await;
    }
    stream.reaches(stream.taken() + BETWEEN).await;

    let before = interruptions(&world, Program::Apply).await;
    world.sql(REFUSE).await;
    eventually(PATIENCE, "commits are refused", async || {
        let times = interruptions(&world, Program::Apply).await - before;
        if times > 10 { Ok(()) } else { Err(format!("{times} were")) }
    })
    .await;
    world.sql(ACCEPT).await;
    stream.reaches(stream.taken() + BETWEEN).await;

    stream.end();
    crowd.finish(stream).await;
    crowd.assert_all_there(&world, WORKED_OFF).await;
    world.quiet(PATIENCE, &crowd.merchants(), &[]).await;
    assert_nothing_dead(&world).await;
}
