//! The report of a run, as text and as JSON.

use crate::{
    check::Verdict,
    fault::{Done, Tally},
    memory::MemoryLine,
    seen::Seen,
};
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Write as _};

/// Result of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) passed: bool,
    /// Number of deliveries that were taken out of the stream.
    pub(crate) planned: u64,
    /// Number of deliveries with a 2xx.
    pub(crate) kept: usize,
    /// Number of deliveries in RAW.
    pub(crate) in_raw: usize,
    pub(crate) changes: usize,
    pub(crate) kills: u32,
    pub(crate) faults: BTreeMap<String, FaultLine>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) missing: Vec<String>,
    pub(crate) checks: Vec<Verdict>,
    /// Memory use of each service's replicas.
    pub(crate) memory: BTreeMap<&'static str, MemoryLine>,
    /// Number of starts of each service.
    pub(crate) lives: BTreeMap<&'static str, u32>,
    /// Number of times that a service ended by itself, by service.
    pub(crate) ended: BTreeMap<&'static str, u64>,
    /// Their last log lines, with the number of times of each.
    pub(crate) last_words: BTreeMap<String, u64>,
    pub(crate) seconds_to_rest: Option<f64>,
    pub(crate) seconds: f64,
}

/// One kind of fault.
#[derive(Debug, Serialize)]
pub(crate) struct FaultLine {
    pub(crate) count: u32,
    /// Number of recoveries that were measured.
    pub(crate) measured: usize,
    pub(crate) median_ms: Option<u64>,
    pub(crate) max_ms: Option<u64>,
}

impl From<&Tally> for FaultLine {
    fn from(tally: &Tally) -> Self {
        Self {
            count: tally.count,
            measured: tally.recovery_ms.len(),
            median_ms: tally.median_ms(),
            max_ms: tally.max_ms(),
        }
    }
}

/// The faults, by name.
pub(crate) fn fault_lines(done: &Done) -> BTreeMap<String, FaultLine> {
    done.tallies.iter().map(|(fault, tally)| (fault.to_string(), FaultLine::from(tally))).collect()
}

impl Report {
    /// Writes the report as tables.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("\nseed {}\n\n", self.seed);
        let mut line = |cells: String| {
            text.push_str(cells.trim_end());
            text.push('\n');
        };
        line(format!("{:<48} {:>8} {:>12} {:>10}", "fault", "count", "median ms", "max ms"));
        let figure = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
        for (name, fault) in &self.faults {
            let (median, max) = (figure(fault.median_ms), figure(fault.max_ms));
            line(format!("{name:<48} {:>8} {median:>12} {max:>10}", fault.count));
        }
        let head = ["memory, MiB, of each replica", "highest", "early", "late"];
        line(format!("\n{:<48} {:>8} {:>12} {:>10}", head[0], head[1], head[2], head[3]));
        for (service, memory) in &self.memory {
            let (early, late) = (figure(memory.early_mib), figure(memory.late_mib));
            line(format!("{service:<48} {:>8} {early:>12} {late:>10}", memory.highest_mib));
        }
        line(format!("\n{:<48} {:>8}", "seen", "count"));
        for seen in &self.seen {
            let mark = if seen.required && seen.count == 0 { "  MISSING" } else { "" };
            line(format!("{:<48} {:>8}{mark}", seen.what, seen.count));
        }
        line(format!("\n{:<4} {:<43} {:>8}", "", "what must be true", "broken"));
        for check in &self.checks {
            line(format!("{:<4} {:<43} {:>8}", check.invariant, check.holds, check.violations));
        }
        for check in self.checks.iter().filter(|check| check.violations > 0) {
            line(format!("\nBROKEN: {} ({})", check.holds, check.violations));
            check.named.iter().for_each(|named| line(format!("  {named}")));
        }
        self.missing.iter().for_each(|missing| line(format!("\nMISSING: {missing}")));
        if !self.last_words.is_empty() {
            line("\nended by themselves, and were started again:".to_owned());
            self.last_words.iter().for_each(|(words, count)| line(format!("  {count} × {words}")));
        }
        let rest = self.seconds_to_rest.map_or("never".to_owned(), |seconds| format!("{seconds:.1} s"));
        let verdict = if self.passed { "every check held" } else { "NOT PASSED" };
        let figures = write!(
            text,
            "\n{} of the stream, {} kept with 2xx, {} in RAW, {} changes; {} kills; at rest after {rest}; {:.0} s in \
             all; seed {}: {verdict}\n",
            self.planned, self.kept, self.in_raw, self.changes, self.kills, self.seconds, self.seed
        );
        debug_assert!(figures.is_ok(), "a text can be written to");
        text
    }
}

/// The median; of an even number of values, the upper of the two in the middle.
pub(crate) fn median(values: &[u64]) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}
