//! Memory use of the replicas, over their lives.

use crate::{journal::Life, report::median};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fs,
    sync::{Mutex, PoisonError},
};

/// Upper limit of samples of a life: one day at one sample each 5 seconds.
const SAMPLES_MAX: usize = 17_280;
/// Lower limit of samples from which growth is reported.
const SAMPLES_MIN: usize = 24;

/// Samples of resident memory (`VmRSS`, proc(5)), in KiB; shared.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<BTreeMap<Life, Vec<u64>>>);

/// Memory use of the replicas of a service, in MiB.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(clippy::struct_field_names, reason = "units stand last in names")]
pub(crate) struct MemoryLine {
    /// The highest of all samples.
    pub(crate) highest_mib: u64,
    /// The median of the second quarter of the longest life; none if no life was long enough.
    pub(crate) early_mib: Option<u64>,
    /// The median of the last quarter of the same life.
    pub(crate) late_mib: Option<u64>,
}

impl Memory {
    /// Takes a sample of this life's process.
    pub(crate) fn sample(&self, life: Life, pid: u32) {
        let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { return };
        if let Some(resident) = resident_kib(&status) {
            self.note(life, resident);
        }
    }

    fn note(&self, life: Life, resident_kib: u64) {
        let mut lives = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let samples = lives.entry(life).or_default();
        if samples.len() < SAMPLES_MAX {
            samples.push(resident_kib);
        }
    }

    /// Memory use by service.
    pub(crate) fn lines(&self) -> BTreeMap<&'static str, MemoryLine> {
        let lives = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut of: BTreeMap<&'static str, Vec<&[u64]>> = BTreeMap::new();
        lives.iter().for_each(|((service, ..), samples)| of.entry(service).or_default().push(samples));
        of.into_iter().map(|(service, lives)| (service, line(&lives))).collect()
    }
}

fn line(lives: &[&[u64]]) -> MemoryLine {
    let mib = |kib: u64| kib.div_ceil(1024);
    let highest = lives.iter().flat_map(|samples| samples.iter()).max().copied().unwrap_or(0);
    let longest = lives.iter().max_by_key(|samples| samples.len()).copied().unwrap_or_default();
    let quarter = longest.len() / 4;
    let long_enough = longest.len() >= SAMPLES_MIN;
    let of = |samples: &[u64]| median(samples).filter(|_| long_enough).map(mib);
    MemoryLine {
        highest_mib: mib(highest),
        early_mib: of(&longest[quarter..2 * quarter]),
        late_mib: of(&longest[longest.len() - quarter..]),
    }
}

/// The value of `VmRSS: 1234 kB`.
fn resident_kib(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_reported_of_the_longest_life_and_the_highest_of_all() {
        let memory = Memory::default();
        memory.note(("apply", 0, 1), 900 * 1024);
        (0..40).for_each(|sample| memory.note(("apply", 0, 2), (100 + sample) * 1024));
        let apply = memory.lines().remove("apply").unwrap();
        assert_eq!(apply.highest_mib, 900);
        assert_eq!((apply.early_mib, apply.late_mib), (Some(115), Some(135)));
        memory.note(("fetch", 0, 1), 1);
        assert_eq!(memory.lines()["fetch"].late_mib, None);
    }

    #[test]
    fn our_own_memory_can_be_read() {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        assert!(resident_kib(&status).unwrap() > 100);
        assert_eq!(resident_kib("Name:\tx\n"), None);
    }
}
