//! Several processes of one service that share its work, start, stop, and resume after others have replaced them.

use crate::{PATIENCE, clients::administrator, crowd::Crowd};
use async_nats::jetstream;
use futures::TryStreamExt as _;
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use testkit::{Program, Replica, World, WorldOptions, eventually};

/// Services whose replicas share partitions; all but `fetch`, which has nothing to do here.
const SHARING: [Program; 5] =
    [Program::Normalize, Program::Dedupe, Program::Enrich, Program::Apply, Program::Propagate];
const WITHOUT_FETCH: [Program; 6] = [
    Program::Ingest,
    Program::Normalize,
    Program::Dedupe,
    Program::Enrich,
    Program::Apply,
    Program::Propagate,
];
/// Number of accepted deliveries between two incidents.
const BETWEEN: usize = 150;
/// Time limit for the services to process their backlog.
const WORKED_OFF: Duration = Duration::from_mins(1);

fn partitions(world: &World) -> u64 {
    u64::from(world.bus.partitions().get())
}

async fn owned(world: &World, replica: Replica) -> u64 {
    let scrape = world.scrape_of(replica).await;
    scrape.count("tillflow_partitions_owned", &[("stage", replica.program().name())])
}

/// Waits until the replicas of each service own all partitions together, and none more than its share; returns the
/// number that each owns.
async fn shared_evenly(world: &World, programs: &[Program]) -> BTreeMap<Replica, u64> {
    let all = partitions(world);
    let mut shares = BTreeMap::new();
    for program in programs {
        let replicas = world.replicas(*program);
        let share = all.div_ceil(replicas.len() as u64);
        eventually(PATIENCE, &format!("the replicas of {} share evenly", program.name()), async || {
            let mut each = Vec::new();
            for replica in &replicas {
                each.push(owned(world, *replica).await);
            }
            if each.iter().sum::<u64>() != all || each.iter().any(|owned| *owned > share) {
                return Err(format!("they own {each:?}"));
            }
            shares.extend(replicas.iter().copied().zip(each));
            Ok(())
        })
        .await;
    }
    shares
}

async fn inputs(world: &World, replica: Replica) -> u64 {
    world.scrape_of(replica).await.count("tillflow_inputs_total", &[("stage", replica.program().name())])
}

/// Sends one level to each partition, and asserts that each replica consumed one for every partition that it owns, so
/// that each partition has one owner.
async fn each_partition_has_one_owner(world: &World, crowd: &mut Crowd, shares: &BTreeMap<Replica, u64>) {
    world.quiet(PATIENCE, &crowd.merchants(), &[]).await;
    let mut before = BTreeMap::new();
    for replica in shares.keys() {
        before.insert(*replica, inputs(world, *replica).await);
    }
    let stream = crowd.send(1);
    crowd.finish(stream).await;
    crowd.assert_all_there(world, WORKED_OFF).await;
    world.quiet(PATIENCE, &crowd.merchants(), &[]).await;
    for (replica, share) in shares {
        let consumed = inputs(world, *replica).await - before[replica];
        assert_eq!(consumed, *share, "{replica:?} consumed what is in its partitions and nothing else");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_the_partitions_evenly_and_each_has_one_owner() {
    let mut world = World::start(&WITHOUT_FETCH).await;
    let mut crowd = Crowd::in_every_partition(&world, 1).await;
    for replicas in [2, 3] {
        for program in SHARING {
            world.launch_replicas(program, 1).await;
            assert_eq!(world.replicas(program).len(), replicas);
        }
        let shares = shared_evenly(&world, &SHARING).await;
        each_partition_has_one_owner(&world, &mut crowd, &shares).await;
    }
    for program in SHARING {
        let first = world.replicas(program)[0];
        world.kill_replica(first).await;
    }
    let shares = shared_evenly(&world, &SHARING).await;
    each_partition_has_one_owner(&world, &mut crowd, &shares).await;
}

/// URLs for webhooks, those of the oldest replicas first.
fn intakes(world: &World) -> Vec<String> {
    world.replicas(Program::Ingest).into_iter().map(|intake| world.webhooks_of(intake)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_are_killed_and_rolled_over_under_load_lose_and_repeat_nothing() {
    let mut world = World::start(&Program::ALL).await;
    for program in Program::ALL {
        world.launch_replicas(program, 1).await;
    }
    let mut crowd = Crowd::in_every_partition(&world, 1).await;
    crowd.spread_over(intakes(&world));
    let stream = crowd.send(usize::MAX);

    for program in Program::ALL {
        stream.reaches(stream.taken() + BETWEEN).await;
        let victim = world.replicas(program)[0];
        world.kill_replica(victim).await;
        if program == Program::Ingest {
            crowd.spread_over(intakes(&world));
        }
    }
    shared_evenly(&world, &SHARING).await;
    stream.reaches(stream.taken() + BETWEEN).await;

    // As in a rolling deployment: the new replica accepts work before the old one is stopped.
    for program in Program::ALL {
        let old = world.replicas(program)[0];
        world.launch_replicas(program, 1).await;
        if program == Program::Ingest {
            crowd.spread_over(intakes(&world).split_off(1));
        }
        stream.reaches(stream.taken() + BETWEEN).await;
        let status = world.terminate_replica(old).await;
        assert!(status.success(), "{}: {status}", program.name());
    }
    shared_evenly(&world, &SHARING).await;
    stream.end();
    crowd.finish(stream).await;
    crowd.assert_all_there(&world, WORKED_OFF).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_was_paused_past_its_time_can_neither_append_nor_commit() {
    // The database aborts a transaction that a paused owner keeps open after this time.
    let options = WorldOptions { statement_timeout_ms: Some(3_000), ..WorldOptions::default() };
    let mut world = World::start_with(options, &WITHOUT_FETCH).await;
    let fenced_ones = [Program::Normalize, Program::Apply, Program::Propagate];
    for program in fenced_ones {
        world.launch_replicas(program, 1).await;
    }
    let mut crowd = Crowd::in_every_partition(&world, 1).await;
    shared_evenly(&world, &fenced_ones).await;
    let stream = crowd.send(usize::MAX);

    for program in fenced_ones {
        stream.reaches(stream.taken() + BETWEEN).await;
        let replicas = world.replicas(program);
        let (paused, other) = (replicas[0], replicas[1]);
        world.replica(paused).pause();
        let what = format!("the other replica of {} takes all over", program.name());
        eventually(PATIENCE, &what, async || {
            let so_many = owned(&world, other).await;
            if so_many == partitions(&world) { Ok(()) } else { Err(format!("it owns {so_many}")) }
        })
        .await;
        let before = inputs(&world, other).await;
        eventually(PATIENCE, "it makes progress", async || {
            let so_far = inputs(&world, other).await - before;
            if so_far > BETWEEN as u64 { Ok(()) } else { Err(format!("it took {so_far} up")) }
        })
        .await;
        world.replica(paused).resume();
        let labels = [("stage", program.name()), ("cause", "fenced")];
        eventually(PATIENCE, &format!("the paused replica of {} is fenced", program.name()), async || {
            let scrape = world.scrape_of(paused).await;
            let fenced = scrape.count("tillflow_interruptions_total", &labels);
            if fenced > 0 { Ok(()) } else { Err("it isn't yet") }
        })
        .await;
        shared_evenly(&world, &[program]).await;
    }
    stream.reaches(stream.taken() + BETWEEN).await;
    stream.end();
    crowd.finish(stream).await;
    crowd.assert_all_there(&world, WORKED_OFF).await;
}

/// The members that haven't left.
async fn members(world: &World, program: Program) -> Vec<String> {
    let client = administrator(world).await;
    let stream = jetstream::new(client).get_stream("MEMBERS").await.expect("there are members");
    let subjects = stream.info_with_subjects(format!("pos.members.{}.*", program.name())).await;
    let subjects: Vec<(String, usize)> =
        subjects.expect("the broker answers").try_collect().await.expect("the broker answers");
    let mut there = Vec::new();
    for (subject, _) in subjects {
        // A leaving member marks this in its last heartbeat.
        let last = stream.direct_get_last_for_subject(subject.as_str()).await;
        let sign = last.ok().and_then(|last| serde_json::from_slice::<Value>(&last.payload).ok());
        there.extend(sign.filter(|sign| sign["leaves"] != true).map(|_| subject));
    }
    there
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_asked_to_stop_hands_its_partitions_over_before_it_ends() {
    let mut world = World::start(&WITHOUT_FETCH).await;
    for program in SHARING {
        world.launch_replicas(program, 1).await;
    }
    let mut crowd = Crowd::in_every_partition(&world, 1).await;
    shared_evenly(&world, &SHARING).await;
    let stream = crowd.send(usize::MAX);
    for program in SHARING {
        stream.reaches(stream.taken() + BETWEEN).await;
        assert_eq!(members(&world, program).await.len(), 2, "both are there");
        let leaving = world.replicas(program)[0];
        let status = world.terminate_replica(leaving).await;
        let there = members(&world, program).await;
        assert!(status.success(), "{}: {status}", program.name());
        assert_eq!(there.len(), 1, "nobody waits until the time to live is over: {there:?}");
    }
    shared_evenly(&world, &SHARING).await;
    stream.end();
    crowd.finish(stream).await;
    crowd.assert_all_there(&world, WORKED_OFF).await;
}
