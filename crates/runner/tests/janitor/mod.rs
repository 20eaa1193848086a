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
    let readers = At(Progress { applied: up_to(1), fetched: up_to(3), propagated: 0 });
    let (stop, service) = world.service();
    let retention = Retention { raw: Duration::ZERO, unique: Duration::ZERO };
    let sweeping = tokio::spawn(Janitor::new(&service, "tests", retention).run(readers));
    let swept = async {
        while left(&world, Feed::Normalized).await.len() == 3 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, swept).await.unwrap();
    stop.cancel();
    sweeping.await.unwrap();
    assert_eq!(left(&world, Feed::Normalized).await, [2, 3]);
    assert_eq!(left(&world, Feed::Unique).await, unique, "nobody has read them yet");
}
