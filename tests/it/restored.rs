//! A database restored from an older copy.

use crate::{PATIENCE, command_line::tillflow, crowd::Crowd};
use bus::Feed;
use testkit::{Program, World, eventually};

/// Contents of a copy from before any event: only the setup.
const AS_AT_FIRST: &str = "
TRUNCATE events, event_outcomes, dropped_inputs, mirrors, inventory_levels, inventory_movements, products, variants, orders,
    customers, employees, promotions, cursors, accepted, write_log;
DELETE FROM links WHERE kind <> 'location';
UPDATE stores SET last_sequence = 0, ended = 0";

#[tokio::test(flavor = "multi_thread")]
async fn a_record_older_than_its_feed_is_refused_and_made_whole_from_raw() {
    let mut world = World::start(&Program::ALL).await;
    let mut crowd = Crowd::open(&world, 4, 2).await;
    let stream = crowd.send(20);
    crowd.finish(stream).await;
    world.quiet(PATIENCE, &crowd.merchants(), &[]).await;
    for program in Program::ALL {
        assert!(world.terminate(program).await.success());
    }
    // As after the janitor's purge of the derived feeds, which leaves only their newest messages.
    for partition in world.bus.partitions().all() {
        for feed in [Feed::Normalized, Feed::Unique, Feed::Enriched] {
            if let Some(tail) = world.bus.tail(feed, partition).await.expect("the broker answers") {
                world.bus.purge_below(feed, partition, tail.sequence).await.expect("it makes room");
            }
        }
    }
    world.sql(AS_AT_FIRST).await;

    let others: Vec<Program> =
        Program::ALL.into_iter().filter(|program| *program != Program::Apply).collect();
    world.launch(&others).await;
    world.launch_unready(Program::Apply);
    let stream = crowd.send(1);
    crowd.finish(stream).await;
    eventually(PATIENCE, "apply says what is wrong", async || {
        let log = world.process(Program::Apply).log();
        if log.contains("database-restored") { Ok(()) } else { Err("it doesn't") }
    })
    .await;
    for merchant in crowd.merchants() {
        assert!(world.event_outcomes(merchant).await.is_empty(), "nothing is passed over");
    }

    assert!(world.terminate(Program::Apply).await.success());
    tillflow(&world, &["replay", "--repair"]).await.well();
    world.launch(&[Program::Apply]).await;
    crowd.assert_all_there(&world, PATIENCE).await;
    world.quiet(PATIENCE, &crowd.merchants(), &[]).await;
    assert_eq!(
        tillflow(&world, &["audit"]).await.well().last().map(|sum| sum["missing"].clone()),
        Some(0.into())
    );
}
