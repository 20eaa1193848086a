//! The reader of APPLIED.

use super::latencies::Latencies;
use crate::{failure::Failed, progress::Progress};
use bus::{AppliedMessage, AppliedReader, Bus, BusConfig, Start};
use std::time::Duration;

/// Time without a change after which the measurement is aborted.
pub(crate) const STALLED: Duration = Duration::from_mins(1);
/// Upper limit of changes that are read at once.
const CHANGES_MAX: usize = 1024;

/// Opens a reader of all changes. The measurement doesn't validate them: propagate does, and is measured.
pub(crate) async fn read(config: BusConfig) -> Result<AppliedReader, Failed> {
    Ok(Bus::connect(&config).await?.read_applied_all(None, Start::First).await?)
}

/// Waits for `count` changes that `is_one` accepts; returns the time from the intake to here of each.
pub(crate) async fn wait_for(
    applied: &mut AppliedReader,
    count: u64,
    what: &'static str,
    mut is_one: impl FnMut(&AppliedMessage) -> Result<bool, Failed>,
) -> Result<Latencies, Failed> {
    let mut latencies = Latencies::new()?;
    let progress = Progress::new(what);
    progress.expect(count);
    while latencies.count() < count {
        let taken = tokio::time::timeout(STALLED, applied.waiting(CHANGES_MAX)).await;
        let taken = taken.map_err(|_| {
            let came = latencies.count();
            Failed::Other(format!("only {came} of {count} changes came within {STALLED:?}"))
        })??;
        let (now, before) = (runner::now(), latencies.count());
        for message in &taken {
            if is_one(message)? {
                latencies.record(Duration::from_micros(now.micros_since(message.event.time)))?;
            }
        }
        progress.add(latencies.count() - before);
    }
    progress.finish();
    Ok(latencies)
}
