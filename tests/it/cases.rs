//! Cases made after public reports by engineers in this field, and thousands of malformed payloads, against the real
//! services. Each file of `tests/cases` names the source of its case and the right behaviour.

mod case;
mod encode;
mod expect;
mod mutated;
mod partitions;
mod play;
mod shop;
mod tokens;

use case::Case;
use futures::{StreamExt as _, future, stream};
use partitions::Partitions;
use play::Player;
use shop::Platforms;
use testkit::{Program, World, WorldOptions};

/// Number of cases that are played at once.
const AT_ONCE: usize = 24;

/// Size limit of each stream in bytes: these tests need little, and the broker reserves it.
const STREAM_BYTES_MAX: u64 = 256 * 1024 * 1024;

async fn start() -> World {
    let limit = Some(STREAM_BYTES_MAX);
    let options = WorldOptions {
        feed_max_bytes: limit,
        applied_max_bytes: limit,
        dead_max_bytes: limit,
        ..WorldOptions::default()
    };
    World::start_with(options, &Program::ALL).await
}

/// Prints the complaints about a case, the right behaviour and the source.
#[expect(clippy::print_stdout, reason = "a failing case doesn't hide the others")]
fn report(case: &Case, complaints: &[String]) {
    println!("{} {}", if complaints.is_empty() { "held  " } else { "FAILED" }, case.name);
    if complaints.is_empty() {
        return;
    }
    for complaint in complaints {
        println!("         {complaint}");
    }
    println!("       right: {}", case.right);
    println!("       source: {}", case.provenance());
}

/// Plays these cases, several at once, and returns the names of the failed ones.
async fn play(player: &Player<'_>, cases: &[Case]) -> Vec<String> {
    let numbered = (0_u64..).zip(cases);
    let played = stream::iter(numbered)
        .map(async |(number, case)| (case, player.play(number, case).await))
        .buffer_unordered(AT_ONCE);
    let mut results: Vec<(&Case, Vec<String>)> = played.collect().await;
    results.sort_by_key(|(case, _)| &case.name);
    for (case, complaints) in &results {
        report(case, complaints);
    }
    let failed = results.into_iter().filter(|(_, complaints)| !complaints.is_empty());
    failed.map(|(case, _)| case.name.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_comes_out_right_and_every_partition_goes_on() {
    let world = start().await;
    let platforms = Platforms::start().await;
    let partitions = Partitions::open(&world, &platforms).await;
    let (last, first): (Vec<Case>, Vec<Case>) =
        case::selected().into_iter().partition(|case| case.plays_last);
    let (watch, outcomes) = play::watch();
    let player = Player::new(&world, &platforms, outcomes);
    let playing = async {
        let mut failed = play(&player, &first).await;
        failed.extend(play(&player, &last).await);
        (failed, partitions.complaints(&player).await)
    };
    let watching = watch.keep_looking(&world);
    let future::Either::Left(((failed, stopped), _)) =
        future::select(Box::pin(playing), Box::pin(watching)).await
    else {
        unreachable!("looking never ends")
    };
    for complaint in &stopped {
        println!("FAILED {complaint}");
    }
    assert!(
        failed.is_empty() && stopped.is_empty(),
        "{} of {} cases failed: {failed:?}; partitions: {stopped:?}",
        failed.len(),
        first.len() + last.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_wrong_payload_stops_a_partition() {
    let world = start().await;
    let platforms = Platforms::start().await;
    let partitions = Partitions::open(&world, &platforms).await;
    let (watch, outcomes) = play::watch();
    let player = Player::new(&world, &platforms, outcomes);
    let sending = async {
        let mut complaints = mutated::send(&player, partitions.shops()).await;
        complaints.extend(partitions.complaints(&player).await);
        complaints
    };
    let watching = watch.keep_looking(&world);
    let future::Either::Left((complaints, _)) = future::select(Box::pin(sending), Box::pin(watching)).await
    else {
        unreachable!("looking never ends")
    };
    assert!(complaints.is_empty(), "{complaints:#?}");
}
