//! Waits until all work has finished.

use crate::{crowd::Crowd, evidence::Sql};
use bus::{Bus, Feed};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Interval at which the progress is read.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Number of equal readings in a row that count as rest.
const STILL_LOOKS: u32 = 3;
/// Interval at which the remaining work is reported.
const PROGRESS_EVERY: Duration = Duration::from_secs(20);

/// Progress: the last sequence of each partition, the number of changes, and the number of calls to
/// simulated platforms.
type Progress = (Vec<u64>, i64, u64);

/// Waits until every consumer has passed everything that was accepted, everything that is due is written, and no
/// webhook waits. Returns the time that this took, or the remaining work at the limit.
pub(crate) async fn wait_for_rest(
    bus: &Bus,
    sql: &Sql<'_>,
    crowd: &Crowd,
    limit: Duration,
) -> Result<Duration, String> {
    let (began, mut reported) = (Instant::now(), Instant::now());
    let (mut before, mut still) = (None, 0);
    loop {
        let activity = match progress(bus, sql, crowd).await {
            Ok(progress) => {
                still = if before.as_ref() == Some(&progress) { still + 1 } else { 1 };
                before = Some(progress);
                if still >= STILL_LOOKS {
                    return Ok(began.elapsed());
                }
                "it has just come to rest".to_owned()
            }
            Err(activity) => {
                still = 0;
                activity
            }
        };
        if began.elapsed() > limit {
            return Err(activity);
        }
        if reported.elapsed() > PROGRESS_EVERY {
            reported = Instant::now();
            crate::fault::progress(&format!("not at rest: {activity}"));
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn progress(bus: &Bus, sql: &Sql<'_>, crowd: &Crowd) -> Result<Progress, String> {
    for (merchant, simulated) in crowd.simulated() {
        let waiting = simulated.shop().webhooks_waiting();
        if waiting > 0 {
            return Err(format!("{waiting} webhooks of {} {} wait", merchant.id, simulated.platform));
        }
    }
    let cursors = sql.cursors().await?;
    let (mut tails, mut numbers) = (Vec::new(), 0);
    for partition in bus.partitions().all() {
        let tail = bus.tail(Feed::Raw, partition).await.map_err(|error| error.to_string())?;
        let tail = tail.map_or(0, |tail| tail.sequence);
        tails.push(tail);
        if tail == 0 {
            continue;
        }
        let of = |name: &str| cursors.get(&(name.to_owned(), partition.0)).copied().unwrap_or_default();
        let (applied, fetched, propagated) = (of("apply"), of("fetch"), of("propagate"));
        // The tail must be covered as a whole. The index of its last delivery isn't known here; a position of
        // `u32::MAX` is written only when the whole message is done.
        if applied.raw_sequence < tail || applied.delivery < u64::from(u32::MAX) {
            return Err(format!("partition {partition} is applied up to {applied:?} of {tail}"));
        }
        if fetched.raw_sequence < tail {
            return Err(format!("partition {partition} is fetched up to {fetched:?} of {tail}"));
        }
        let counted = of("accepted");
        if counted.raw_sequence < tail {
            return Err(format!("partition {partition} is counted up to {counted:?} of {tail}"));
        }
        if propagated.number < applied.number {
            return Err(format!("partition {partition} is propagated up to {propagated:?} of {applied:?}"));
        }
        numbers += applied.number;
    }
    if let Some(due) = sql.due().await? {
        return Err(due);
    }
    let calls = crate::watch::calls(crowd).values().sum();
    Ok((tails, numbers, calls))
}
