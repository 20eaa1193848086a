//! The janitor against a real broker.

use super::*;
use runner::{Janitor, Progress, Readers, Retention};

/// Readers that stay where they are.
struct At(Progress);

impl Readers for At {
    async fn prepare(&mut self, _: bool) {}
    async fn progress(&self, _: Partition) -> Result<Progress, Fault> {
        Ok(self.0)
    }
    async fn before_purge(&self, _: Partition, _: u64) -> Result<(), Fault> {
        Ok(())
    }
}

/// The last position of that number.
fn up_to(raw_sequence: u64) -> Position {
    Position { raw_sequence, delivery: u32::MAX, event: u32::MAX }
}

/// The sequences of the messages that a feed still has.
async fn left(world: &World, feed: Feed) -> Vec<u64> {
    let last = world.bus.last_sequence(feed, HERE).await.unwrap();
    let mut reader = world.bus.read(feed, HERE, Start::First).await.unwrap();
    let mut left = Vec::new();
    while left.last().is_none_or(|sequence| *sequence < last) {
        let messages = tokio::time::timeout(PATIENCE, reader.waiting(8)).await.unwrap().unwrap();
        left.extend(messages.iter().map(|message| message.sequence));
    }
    left
}

/// Sweeps until a feed has fewer messages than before.
async fn sweep(world: &World, feed: Feed, progress: Progress, unique: Duration) {
    let before = left(world, feed).await.len();
    let (stop, service) = world.service();
    let retention = Retention { raw: Duration::ZERO, unique };
    let sweeping = tokio::spawn(Janitor::new(&service, "tests", retention).run(At(progress)));
    let swept = async {
        while left(world, feed).await.len() == before {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, swept).await.unwrap();
    stop.cancel();
    sweeping.await.unwrap();
}

/// Appends a batch for each of these messages of RAW.
async fn append_each(world: &World, feed: Feed, numbers: std::ops::RangeInclusive<u64>) {
    let tail = world.bus.tail(feed, HERE).await.unwrap();
    let mut appender = world.bus.appender(feed, HERE, tail.as_ref());
    for number in numbers {
        appender.append(Event::encode(&[event(number)], &[]), up_to(number), number, 1).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dedupe_is_rebuilt_from_is_kept_for_its_span_and_the_streams_that_a_pass_leaves_out_are_emptied()
{
    let world = World::start().await;
    append_each(&world, Feed::Normalized, 1..=4).await;
    append_each(&world, Feed::Unique, 1..=2).await;
    append_each(&world, Feed::Enriched, 1..=6).await;
    let done = Progress { applied: up_to(5), fetched: up_to(9), propagated: 0 };
    sweep(&world, Feed::Normalized, done, Duration::from_hours(1)).await;
    assert_eq!(left(&world, Feed::Normalized).await, [4], "the pass has done all");
    assert_eq!(left(&world, Feed::Unique).await, [1, 2]);
    assert_eq!(left(&world, Feed::Enriched).await, [1, 2, 3, 4, 5, 6]);
    sweep(&world, Feed::Unique, done, Duration::ZERO).await;
    assert_eq!(left(&world, Feed::Unique).await, [2]);
    assert_eq!(left(&world, Feed::Enriched).await, [6], "not applied yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_keeps_what_the_slowest_of_its_readers_has_not_done() {
    let world = World::start().await;
    for number in 1..=3 {
        world.put(number..=number).await;
    }
    let (stop, _, task) = world.run(0);
    world.passed_on(3).await;
    stop.cancel();
    task.await.unwrap();
    let unique = left(&world, Feed::Unique).await;

    // The next stage has done all three; only the first is committed.
    let progress = Progress { applied: up_to(1), fetched: up_to(3), propagated: 0 };
    sweep(&world, Feed::Normalized, progress, Duration::ZERO).await;
    assert_eq!(left(&world, Feed::Normalized).await, [2, 3]);
    assert_eq!(left(&world, Feed::Unique).await, unique, "nobody has read them yet");
}
