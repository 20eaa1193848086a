//! Full storage: of a stream, or of the broker's whole disk.

use crate::{PATIENCE, crowd::Crowd, crowd::Stream};
use sandbox::Scratch;
use std::{
    fs::{self, File},
    io::Write as _,
    path::PathBuf,
    process::Command,
    time::Duration,
};
use testkit::{Program, World, WorldOptions, eventually};

/// Small enough that a few hundred deliveries fill a feed.
const FEED_BYTES: u64 = 128 * 1024;
/// Small enough that a few hundred changes fill APPLIED, but more than the minimum kept of one partition.
const APPLIED_BYTES: u64 = 384 * 1024;
/// Size of the disk, which is in memory.
const DISK: &str = "80m";
/// Size limit of each stream on that disk, in bytes: their sum is the space that the broker assumes it has.
const STREAM_BYTES: u64 = 6 * 1024 * 1024;
/// Time limit for filling, and for the services to process their backlog.
const A_WHILE: Duration = Duration::from_mins(1);
/// Number of deliveries that are accepted once there is room again.
const FURTHER: usize = 60;
/// Time limit for responses that were sent before.
const ON_THE_WAY: Duration = Duration::from_secs(1);
const STREAM_FULL: &str = "the stream is full";
const BROKER_AWAY: &str = "the broker can't take it now";

async fn assert_nothing_dead(world: &World) {
    let mut reader = world.bus.read_dead(None).await.expect("the broker answers");
    let dead_letter = reader.next().await.expect("the broker answers");
    assert!(dead_letter.is_none(), "no room is no dead letter: {dead_letter:?}");
}

async fn turned_away(stream: &Stream, reason: &str) {
    eventually(A_WHILE, &format!("senders are turned away: {reason}"), async || {
        let reasons = stream.reasons();
        if reasons.contains(reason) { Ok(()) } else { Err(format!("the reasons were {reasons:?}")) }
    })
    .await;
}

/// Waits for further deliveries, then for all outcomes, and asserts that nothing is missing.
async fn recovers(world: &World, mut crowd: Crowd, stream: Stream) {
    stream.reaches(stream.taken() + FURTHER).await;
    stream.end();
    crowd.finish(stream).await;
    crowd.assert_all_there(world, A_WHILE).await;
    assert_nothing_dead(world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_raw_turns_senders_away_and_recovers_by_itself_once_events_are_applied_again() {
    let options = WorldOptions { feed_max_bytes: Some(FEED_BYTES), ..WorldOptions::default() };
    let mut world = World::start_with(options, &Program::ALL).await;
    let crowd = Crowd::open(&world, 4, 4).await;
    world.quiet(PATIENCE, &crowd.merchants(), &[]).await;
    assert!(world.terminate(Program::Apply).await.success());
    let stream = crowd.send(usize::MAX);
    turned_away(&stream, STREAM_FULL).await;
    // The missing service is restarted, and nothing else is done.
    world.launch(&[Program::Apply]).await;
    recovers(&world, crowd, stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_applied_pauses_apply_and_recovers_by_itself_once_it_is_read_again() {
    let options = WorldOptions { applied_max_bytes: Some(APPLIED_BYTES), ..WorldOptions::default() };
    let mut world = World::start_with(options, &Program::ALL).await;
    let crowd = Crowd::open(&world, 1, 12).await;
    world.quiet(PATIENCE, &crowd.merchants(), &[]).await;
    assert!(world.terminate(Program::Propagate).await.success());
    let stream = crowd.send(usize::MAX);
    eventually(A_WHILE, "apply waits for room", async || {
        let usage = world.bus.applied_usage().await.map_err(|error| error.to_string())?;
        let labels = [("stage", "apply"), ("cause", "fault")];
        let times = world.scrape().await.count("tillflow_interruptions_total", &labels);
        if usage > 0.99 && times > 0 { Ok(()) } else { Err(format!("{usage} of it is taken")) }
    })
    .await;
    world.launch(&[Program::Propagate]).await;
    recovers(&world, crowd, stream).await;
}

/// A small disk, unmounted when it is dropped.
struct Disk {
    // Dropped before the folder that contains it.
    _mounted: Mounted,
    folder: PathBuf,
    _scratch: Scratch,
}

struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        // A mount that can't be undone ends with the machine's memory at the latest.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

impl Disk {
    /// `None` if this process may not mount.
    fn small() -> Option<Self> {
        let scratch = Scratch::new().expect("a folder to throw away");
        let folder = scratch.path().join("disk");
        fs::create_dir(&folder).expect("a folder can be made");
        let options = format!("size={DISK},mode=755");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&folder).output();
        let mounted = mounted.is_ok_and(|output| output.status.success());
        mounted.then(|| Self { _mounted: Mounted(folder.clone()), folder, _scratch: scratch })
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Fills the disk completely.
    fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("a file can be made");
        for size in [1 << 20, 1 << 12, 1] {
            let part = vec![1; size];
            while ballast.write_all(&part).is_ok() {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.ballast()).expect("a file can be removed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_the_broker_turns_senders_away_and_costs_nothing_once_it_is_started_again_with_room() {
    let Some(disk) = Disk::small() else {
        eprintln!("not tested: a disk to fill needs the right to mount one");
        return;
    };
    let options = WorldOptions {
        broker_folder: Some(disk.folder.join("nats")),
        feed_max_bytes: Some(STREAM_BYTES),
        applied_max_bytes: Some(STREAM_BYTES),
        dead_max_bytes: Some(STREAM_BYTES),
        ..WorldOptions::default()
    };
    let mut world = World::start_with(options, &Program::ALL).await;
    let crowd = Crowd::open(&world, 4, 4).await;
    let stream = crowd.send(usize::MAX);
    stream.reaches(FURTHER).await;
    disk.fill();
    turned_away(&stream, BROKER_AWAY).await;
    tokio::time::sleep(ON_THE_WAY).await;
    let taken = stream.taken();
    tokio::time::sleep(ON_THE_WAY).await;
    assert_eq!(stream.taken(), taken, "nothing is taken that can't be kept");

    disk.make_room();
    // The broker doesn't detect it by itself; after a restart, it has all that it has acknowledged.
    world.nats.restart().await.expect("the broker comes back");
    recovers(&world, crowd, stream).await;
}
