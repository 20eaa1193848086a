//! A new, empty broker beside an existing record: the sequences that it assigns were already decided.

use crate::{PATIENCE, clients::administrator, crowd::Crowd};
use bus::Feed;
use std::time::Duration;
use testkit::{Program, World, eventually};

const LEVELS: usize = 10;
/// Long enough for accepted deliveries to be decided, if apply did that.
const A_WHILE: Duration = Duration::from_secs(2);

/// The sequence of the last batch in RAW.
async fn end_of_raw(world: &World) -> u64 {
    let mut end = 0;
    for partition in world.bus.partitions().all() {
        let tail = world.bus.tail(Feed::Raw, partition).await.expect("the broker answers");
        end = end.max(tail.map_or(0, |tail| tail.sequence));
    }
    end
}

/// Stops the services and gives the broker an empty disk.
async fn replace_broker(world: &mut World) {
    for program in Program::ALL {
        assert!(world.terminate(program).await.success());
    }
    world.nats.kill().await.expect("it can be killed");
    std::fs::remove_dir_all(world.streams_folder()).expect("a folder can be removed");
    world.nats.restart().await.expect("it begins anew");
}

/// Sets RAW to continue after its former end, as in the runbook.
async fn go_on_behind(world: &World, sequence: u64) {
    world.bus.declare().await.expect("streams can be made");
    let client = administrator(world).await;
    let raw = async_nats::jetstream::new(client).get_stream("RAW-0").await.expect("it was declared");
    raw.purge().sequence(sequence + 1).await.expect("it can be moved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_begins_anew_goes_on_behind_the_record_or_has_apply_wait_and_say_so() {
    let mut world = World::start(&Program::ALL).await;
    let mut crowd = Crowd::open(&world, 2, 2).await;
    for replaced in [false, true] {
        if replaced {
            let end = end_of_raw(&world).await;
            replace_broker(&mut world).await;
            go_on_behind(&world, end).await;
            world.launch(&Program::ALL).await;
        }
        let stream = crowd.send(LEVELS);
        crowd.finish(stream).await;
        crowd.assert_all_there(&world, PATIENCE).await;
    }

    replace_broker(&mut world).await;
    // Apply makes the streams that the other services wait for, and consumes nothing itself.
    world.launch_unready(Program::Apply);
    world.launch(&Program::ALL.into_iter().filter(|it| *it != Program::Apply).collect::<Vec<_>>()).await;
    let stream = crowd.send(LEVELS);
    stream.reaches(LEVELS).await;
    let of_apply = [("stage", "apply")];
    eventually(PATIENCE, "apply says that it waits", async || {
        let interruptions = world.scrape().await.count("tillflow_interruptions_total", &of_apply);
        if interruptions > 0 { Ok(()) } else { Err("it says nothing".to_owned()) }
    })
    .await;
    tokio::time::sleep(A_WHILE).await;
    let consumed = world.scrape().await.count("tillflow_inputs_total", &of_apply);
    assert_eq!(consumed, 0, "nothing passes for decided that isn't");
    stream.end();
}
