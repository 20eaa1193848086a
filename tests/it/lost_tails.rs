//! A power loss of the broker's machine: data that wasn't synced is lost.
//!
//! Only RAW and DEAD are on disk before they are acknowledged; the other streams may end earlier after a crash. A copy
//! of a stream's folder, restored later, is such a stream.

use crate::{PATIENCE, crowd::Crowd};
use bus::Start;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};
use testkit::{Merchant, Program, World, eventually};

/// Streams that are lost together.
const LOSSES: [&[&str]; 5] = [
    &["NORMALIZED-0"],
    &["UNIQUE-0"],
    &["ENRICHED-0"],
    &["APPLIED"],
    &["NORMALIZED-0", "UNIQUE-0", "ENRICHED-0", "APPLIED"],
];
/// Number of levels that each item reports between two crashes.
const LEVELS: usize = 8;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("a folder can be read") {
        let entry = entry.expect("an entry can be read");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a file can be copied");
        }
    }
}

/// Earlier copies of streams.
struct Copies(Vec<(PathBuf, PathBuf)>);

impl Copies {
    /// Copies the streams' folders. The broker must be down.
    fn of(world: &World, streams: &[&str]) -> Self {
        let folder = world.streams_folder();
        let pairs = streams.iter().map(|name| (folder.join(name), folder.join(format!("../{name}.copy"))));
        let pairs: Vec<_> = pairs.collect();
        for (stream, held) in &pairs {
            copy(stream, held);
        }
        Self(pairs)
    }

    /// Restores the copies. The broker must be down.
    fn put_back(self) {
        for (stream, held) in self.0 {
            fs::remove_dir_all(&stream).expect("a folder can be removed");
            fs::rename(held, stream).expect("a folder can be moved");
        }
    }
}

async fn down(world: &mut World) {
    world.nats.kill().await.expect("the broker can be killed");
}

async fn up(world: &mut World) {
    world.nats.restart().await.expect("the broker comes back");
}

/// Waits until APPLIED has every change of the store.
async fn assert_published(world: &World, merchant: &Merchant) {
    let committed: BTreeSet<i64> = world.events(merchant).await.iter().map(|event| event.sequence).collect();
    let mut published = BTreeSet::new();
    let reader = world.bus.read_applied_all(Some(&merchant.store), Start::First).await;
    let mut reader = reader.expect("the broker answers");
    eventually(PATIENCE, &format!("all changes of {} are in APPLIED", merchant.store), async || {
        let missing: Vec<i64> = committed.difference(&published).copied().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let more = tokio::time::timeout(PATIENCE, reader.waiting(64)).await;
        let Ok(more) = more else { return Err(format!("{missing:?} of {} are missing", committed.len())) };
        for message in more.expect("the broker answers") {
            published.insert(wire::decode_applied(message.payload).expect("a change").sequence);
        }
        Err("it goes on".to_owned())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_takes_from_the_derived_streams_is_made_again_once_and_in_order() {
    let mut world = World::start(&Program::ALL).await;
    let mut crowd = Crowd::open(&world, 4, 2).await;
    for lost in LOSSES {
        let stream = crowd.send(LEVELS);
        crowd.finish(stream).await;
        world.quiet(PATIENCE, &crowd.merchants(), &[]).await;
        down(&mut world).await;
        let copies = Copies::of(&world, lost);
        up(&mut world).await;
        let stream = crowd.send(LEVELS);
        crowd.finish(stream).await;
        world.quiet(PATIENCE, &crowd.merchants(), &[]).await;
        down(&mut world).await;
        copies.put_back();
        up(&mut world).await;
        let stream = crowd.send(LEVELS);
        crowd.finish(stream).await;
        crowd.assert_all_there(&world, PATIENCE).await;
        for merchant in crowd.merchants() {
            assert_published(&world, merchant).await;
        }
    }
}
