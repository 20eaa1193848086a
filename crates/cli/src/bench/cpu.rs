//! CPU time of processes, from `/proc` (proc(5)).

use std::{fmt::Display, fs};

/// Clock ticks a second; 100 on every Linux that Rust runs on (`sysconf(_SC_CLK_TCK)`).
const TICKS_PER_SECOND: f64 = 100.0;

/// The fields `utime` and `stime` behind the state.
const OWN: [usize; 2] = [10, 11];
/// The fields `cutime` and `cstime`: those of children that have ended.
const OF_ENDED_CHILDREN: [usize; 2] = [12, 13];

/// CPU seconds of our process, the broker, and the database with all its processes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CpuSeconds {
    /// Without the threads of the load.
    pub(crate) ours: f64,
    /// The threads that send and observe.
    pub(crate) load: f64,
    pub(crate) broker: f64,
    pub(crate) database: f64,
}

impl CpuSeconds {
    /// The CPU seconds used so far.
    pub(crate) fn now(broker: u32, database: u32) -> Self {
        let children = children_of(database).into_iter().map(|child| seconds(child, &OWN));
        Self {
            ours: seconds(std::process::id(), &OWN),
            load: 0.0,
            broker: seconds(broker, &OWN),
            database: seconds(database, &[OWN, OF_ENDED_CHILDREN].concat()) + children.sum::<f64>(),
        }
    }

    /// The CPU seconds used since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            ours: self.ours - earlier.ours,
            load: self.load - earlier.load,
            broker: self.broker - earlier.broker,
            database: self.database - earlier.database,
        }
    }

    /// The same, with `seconds` of our process counted as load.
    pub(crate) fn with_load(self, seconds: f64) -> Self {
        Self { ours: self.ours - seconds, load: self.load + seconds, ..self }
    }
}

/// CPU seconds of the calling thread.
pub(crate) fn of_this_thread() -> f64 {
    seconds("thread-self", &OWN)
}

/// The fields of `/proc/<process>/stat` behind the name, which may hold spaces.
fn stat(process: impl Display) -> Option<Vec<u64>> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    Some(fields.split_whitespace().skip(1).map(|field| field.parse().unwrap_or(0)).collect())
}

/// Sum of these fields of a process, in seconds.
fn seconds(process: impl Display, fields: &[usize]) -> f64 {
    let stat = stat(process).unwrap_or_default();
    let ticks: u64 = fields.iter().filter_map(|field| stat.get(*field)).sum();
    #[expect(clippy::cast_precision_loss, reason = "seconds need no more digits")]
    let seconds = ticks as f64 / TICKS_PER_SECOND;
    seconds
}

fn children_of(parent: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| stat(*pid).and_then(|fields| fields.first().copied()) == Some(u64::from(parent)))
        .collect()
}

/// Peak memory of our process, in MiB.
pub(crate) fn peak_memory_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kibibytes.unwrap_or(0) / 1024
}
