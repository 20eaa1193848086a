//! Installations that run normalize, dedupe and enrich in one pass, and those that change how they run them.

use crate::{PATIENCE, crowd::Crowd};
use bus::Feed;
use model::{Outcome, Quantity};
use std::time::Duration;
use testkit::{AccountOptions, Program, Sender, World};

/// The stages that are one pass or three services.
const APART: [Program; 3] = [Program::Normalize, Program::Dedupe, Program::Enrich];
/// Number of accepted deliveries between two changes.
const BETWEEN: usize = 150;
/// Pause of each sender between two deliveries.
const PAUSE: Duration = Duration::from_millis(10);
/// Time limit for the services to process their backlog.
const WORKED_OFF: Duration = Duration::from_mins(1);

async fn duplicates(world: &World) -> u64 {
    world.scrape().await.count("tillflow_events_total", &[("stage", "dedupe"), ("outcome", "duplicate")])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_moves_to_one_pass_and_back_under_load_without_loss_or_repetition() {
    let mut world = World::start(&Program::ALL).await;
    let mut crowd = Crowd::open(&world, 8, 2).await.with_pause(PAUSE);
    let stream = crowd.send(usize::MAX);
    stream.reaches(BETWEEN).await;

    // Both kinds share the partitions for a while; then the pass has all of them.
    world.launch(&[Program::Transform]).await;
    stream.reaches(2 * BETWEEN).await;
    for program in APART.into_iter().rev() {
        assert!(world.terminate(program).await.success());
    }
    stream.reaches(stream.taken() + BETWEEN).await;

    world.launch(&APART).await;
    stream.reaches(stream.taken() + BETWEEN).await;
    assert!(world.terminate(Program::Transform).await.success());
    stream.reaches(stream.taken() + BETWEEN).await;

    // At once, as when one is deleted and the other is made.
    for program in APART {
        world.kill(program).await;
    }
    world.launch(&[Program::Transform]).await;
    stream.reaches(stream.taken() + BETWEEN).await;
    world.kill(Program::Transform).await;
    world.launch(&APART).await;
    stream.reaches(stream.taken() + BETWEEN).await;

    stream.end();
    crowd.finish(stream).await;
    crowd.assert_all_there(&world, WORKED_OFF).await;
    let dead = world.bus.read_dead(None).await.expect("the broker answers").next().await;
    assert!(dead.expect("the broker answers").is_none(), "nothing is dead");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_passed_on_before_a_change_is_a_duplicate_behind_it() {
    let mut world = World::start(&Program::ALL).await;
    let merchant = world.merchant("tea-house").await;
    let account = world.account(&merchant, "shopify", AccountOptions::silent()).await;
    let sender = Sender::default();
    let mut sent = vec![account.product("made", 1000, "Tea", 1, 0)];
    for round in 0..4_i64 {
        let level = account.level(&format!("level-{round}"), 1101, 10 + round, 1 + round);
        sent.push(level);
        for delivery in &sent {
            sender.send_until_kept(delivery, PATIENCE).await;
        }
        world.quiet(PATIENCE, &[&merchant], &[]).await;
        // All but the new one have been passed on, by this composition or by the other. Counters begin anew with each.
        let repeated = sent.len() as u64 - 1;
        let expected = if round == 0 { 0 } else { repeated };
        assert_eq!(duplicates(&world).await, expected, "round {round}");

        // The intake forgets, so that RAW has what is sent again.
        let one_pass = round % 2 == 0;
        let (old, new): (&[Program], &[Program]) =
            if one_pass { (&APART, &[Program::Transform]) } else { (&[Program::Transform], &APART) };
        for program in old.iter().chain(&[Program::Ingest]) {
            assert!(world.terminate(*program).await.success());
        }
        world.launch(&[Program::Ingest]).await;
        world.launch(new).await;
    }
    assert_eq!(world.count(&merchant, Outcome::Duplicate).await, 0, "an event has one outcome");
    assert_eq!(world.level(&merchant, "sku-1000-1").await, Some(Quantity::pieces(13)));
    assert_eq!(world.assert_sound(&merchant).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_pass_leaves_the_streams_between_its_stages_empty() {
    let world = World::start(&Program::IN_ONE_PASS).await;
    let mut crowd = Crowd::open(&world, 4, 2).await;
    let stream = crowd.send(20);
    crowd.finish(stream).await;
    crowd.assert_all_there(&world, WORKED_OFF).await;
    for partition in world.bus.partitions().all() {
        for feed in [Feed::Normalized, Feed::Unique] {
            let last = world.bus.last_sequence(feed, partition).await.expect("the broker answers");
            assert_eq!(last, 0, "{feed:?} of partition {partition}");
        }
    }
    for stage in ["normalize", "dedupe", "enrich"] {
        let passed = world.scrape().await.count("tillflow_outputs_total", &[("stage", stage)]);
        // Each delivery is one event; the product of each of the four stores is one too.
        assert_eq!(passed, 4 * 2 * 20 + 4, "{stage}");
    }
}
