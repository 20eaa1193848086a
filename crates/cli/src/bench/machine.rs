//! The machine of a measurement: its cores, the time that its host took, and the speed of its disk.

use crate::{dev::cores, failure::Failed};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
    time::Instant,
};

/// Number of writes of which each is synced.
const SYNCS: usize = 64;
/// Size of each of them: a page of a database.
const WRITE_BYTES: usize = 8192;

/// The machine during a measurement.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// Number of cores.
    pub(crate) cores: usize,
    /// Share of the time that the host took for others, in percent.
    pub(crate) steal_percent: f64,
    /// Median time to sync a page to the disk of the temporary folder before the measurement, in ms.
    pub(crate) fsync_ms: f64,
    /// The slowest of them.
    pub(crate) fsync_max_ms: f64,
    /// Time by which each sync of the broker and the database was prolonged, in ms.
    pub(crate) sync_delay_ms: u64,
}

impl Machine {
    /// The machine in words.
    pub(crate) fn lines(&self) -> Vec<String> {
        let Self { cores, steal_percent, fsync_ms, fsync_max_ms, sync_delay_ms } = self;
        let mut lines = vec![format!(
            "  the machine: {cores} cores, {steal_percent:.1} % of their time taken by its host; a sync to disk took \
             {fsync_ms:.2} ms, {fsync_max_ms:.2} ms at most"
        )];
        if *sync_delay_ms > 0 {
            lines.push(format!(
                "  each sync of the broker and the database was prolonged by {sync_delay_ms} ms"
            ));
        }
        lines
    }
}

/// The machine before a measurement.
pub(crate) struct MachineBefore {
    syncs_ms: Vec<f64>,
    sync_delay_ms: u64,
    cpu: CpuTicks,
}

impl MachineBefore {
    /// Times syncs in `folder` and begins to count the stolen time.
    pub(crate) fn look(folder: &Path, sync_delay_ms: u64) -> Result<Self, Failed> {
        let failed = |error| Failed::io("the disk's speed can't be measured", error);
        let mut syncs_ms = syncs_ms(&folder.join("fsync")).map_err(failed)?;
        syncs_ms.sort_by(f64::total_cmp);
        Ok(Self { syncs_ms, sync_delay_ms, cpu: CpuTicks::now() })
    }

    /// The machine since then.
    pub(crate) fn since(&self) -> Machine {
        Machine {
            cores: cores(),
            steal_percent: CpuTicks::now().steal_percent_since(self.cpu),
            fsync_ms: self.syncs_ms[SYNCS / 2],
            fsync_max_ms: self.syncs_ms[SYNCS - 1],
            sync_delay_ms: self.sync_delay_ms,
        }
    }
}

fn syncs_ms(path: &Path) -> std::io::Result<Vec<f64>> {
    let mut file = File::create(path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&[0; WRITE_BYTES])?;
        file.sync_data()?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    fs::remove_file(path)?;
    Ok(times)
}

/// The CPU time of the whole machine so far, in clock ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CpuTicks {
    total: u64,
    steal: u64,
}

impl CpuTicks {
    fn now() -> Self {
        Self::parse(&fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    /// Reads the first line of `/proc/stat` (proc(5)): user, nice, system, idle, iowait, irq, softirq, steal, and the
    /// time of guests, which the first two include.
    fn parse(text: &str) -> Self {
        let line = text.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = line.split_whitespace().skip(1).take(8).flat_map(str::parse).collect();
        Self { total: ticks.iter().sum(), steal: ticks.get(7).copied().unwrap_or(0) }
    }

    fn steal_percent_since(self, earlier: Self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
        let share = self.steal.saturating_sub(earlier.steal) as f64
            / self.total.saturating_sub(earlier.total).max(1) as f64;
        share * 100.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stolen_time_is_a_share_of_all_time_and_guests_count_once() {
        let before = CpuTicks::parse("cpu  100 0 50 800 10 0 0 40 70 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n");
        assert_eq!(before, CpuTicks { total: 1000, steal: 40 });
        let after = CpuTicks::parse("cpu  140 0 60 820 10 0 0 70 110 0\n");
        assert!((after.steal_percent_since(before) - 30.0).abs() < 1e-9);
    }

    #[test]
    fn a_sync_takes_time() {
        let folder = sandbox::Scratch::new().unwrap();
        let machine = MachineBefore::look(folder.path(), 0).unwrap().since();
        assert!(machine.fsync_ms > 0.0 && machine.fsync_ms <= machine.fsync_max_ms, "{machine:?}");
    }
}
