//! Services that are stopped in the middle of their work.

use crate::crowd::Crowd;
use std::time::Duration;
use testkit::{Program, World};

const STORES: usize = 8;
const ITEMS: u64 = 4;
/// Number of accepted deliveries between the stops of two services.
const BETWEEN: usize = 180;
/// Time limit for the services to process their backlog.
const WORKED_OFF: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn services_asked_to_stop_under_load_end_well_and_nothing_accepted_is_missing() {
    let mut world = World::start(&Program::ALL).await;
    let mut crowd = Crowd::open(&world, STORES, ITEMS).await;
    let stream = crowd.send(usize::MAX);
    for program in Program::ALL {
        stream.reaches(stream.taken() + BETWEEN).await;
        let status = world.terminate(program).await;
        assert!(status.success(), "{}: {status}", program.name());
        world.launch(&[program]).await;
    }
    stream.reaches(stream.taken() + BETWEEN).await;
    stream.end();
    crowd.finish(stream).await;
    crowd.assert_all_there(&world, WORKED_OFF).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_killed_under_load_lose_and_repeat_nothing_that_was_accepted() {
    let mut world = World::start(&Program::ALL).await;
    let mut crowd = Crowd::open(&world, STORES, ITEMS).await;
    let stream = crowd.send(usize::MAX);
    for program in Program::ALL {
        stream.reaches(stream.taken() + BETWEEN).await;
        world.kill(program).await;
        world.launch(&[program]).await;
    }
    stream.reaches(stream.taken() + BETWEEN).await;
    stream.end();
    crowd.finish(stream).await;
    crowd.assert_all_there(&world, WORKED_OFF).await;
}
