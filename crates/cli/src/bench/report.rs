//! The figures of a measurement, for people and as JSON, and their comparison with an earlier run.

use super::{
    cpu::{CpuSeconds, peak_memory_mib},
    figure,
    latencies::{Latencies, QuantilesMs},
    machine::Machine,
};
use crate::{
    cli::{Load, Output},
    failure::Failed,
    output,
    table::{Table, left, right},
};
use serde::{Deserialize, Serialize};
use std::{fs, path::Path};

/// The figures of one run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The name of the measurement.
    pub(crate) bench: String,
    pub(crate) events: u64,
    pub(crate) seconds: f64,
    pub(crate) events_per_second: f64,
    /// Deliveries a second that were asked for; 0 if they were sent as fast as they were accepted.
    pub(crate) rate: u64,
    pub(crate) refused: u64,
    pub(crate) latency_ms: Option<QuantilesMs>,
    pub(crate) cpu_us_per_event: CpuUs,
    pub(crate) peak_memory_mib: u64,
    pub(crate) partitions: u16,
    /// True if normalize, dedupe and enrich ran apart, with a stream between each two.
    #[serde(default)]
    pub(crate) apart: bool,
    /// Events a second of a plain pass-through of as many streams.
    pub(crate) pass_through_events_per_second: Option<f64>,
    pub(crate) machine: Machine,
}

/// CPU time per event, in µs.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct CpuUs {
    pub(crate) ours: f64,
    pub(crate) broker: f64,
    pub(crate) database: f64,
    /// The sum of these three.
    pub(crate) total: f64,
    /// Time of the load of the measurement, as far as it has threads of its own.
    pub(crate) load: f64,
}

/// The figures of a run, as they were measured.
pub(crate) struct Figures<'f> {
    pub(crate) bench: &'static str,
    pub(crate) events: u64,
    pub(crate) seconds: f64,
    pub(crate) rate: u64,
    pub(crate) refused: u64,
    pub(crate) latencies: Option<&'f Latencies>,
    pub(crate) cpu: CpuSeconds,
    pub(crate) partitions: u16,
    pub(crate) machine: Machine,
}

impl Report {
    pub(crate) fn of(figures: Figures<'_>) -> Self {
        let Figures { bench, events, seconds, rate, refused, latencies, cpu, partitions, machine, .. } =
            figures;
        let count = figure(usize::try_from(events).unwrap_or(usize::MAX));
        let each = |seconds: f64| seconds * 1e6 / count;
        let (ours, broker, database) = (each(cpu.ours), each(cpu.broker), each(cpu.database));
        Self {
            bench: bench.to_owned(),
            events,
            seconds,
            events_per_second: count / seconds,
            rate,
            refused,
            latency_ms: latencies.map(Latencies::quantiles_ms),
            cpu_us_per_event: CpuUs {
                ours,
                broker,
                database,
                total: ours + broker + database,
                load: each(cpu.load),
            },
            peak_memory_mib: peak_memory_mib(),
            partitions,
            apart: false,
            pass_through_events_per_second: None,
            machine,
        }
    }

    /// Reads the report that a run shall be compared with, if any: before it, so that a wrong name costs no run.
    pub(crate) fn earlier(bench: &str, load: &Load) -> Result<Option<Self>, Failed> {
        let Some(path) = &load.compare else { return Ok(None) };
        let earlier = Self::read(path)?;
        if earlier.bench != bench {
            let (path, was) = (path.display(), &earlier.bench);
            return Err(Failed::Usage(format!("{path} is a report of {was}, not of {bench}")));
        }
        Ok(Some(earlier))
    }

    /// Prints the figures, and their ratios to those of an earlier run.
    pub(crate) fn print(&self, earlier: Option<&Self>, output: Output) -> Result<(), Failed> {
        match output {
            Output::Text => {
                self.lines().iter().for_each(|line| output::line(line));
                if let Some(earlier) = earlier {
                    self.differences(earlier).iter().for_each(|line| output::line(line));
                    output::table(self.compared(earlier));
                }
            }
            Output::Json => {
                let mut value =
                    serde_json::to_value(self).map_err(|error| Failed::Other(error.to_string()))?;
                if let Some(earlier) = earlier {
                    let ratios =
                        self.ratios(earlier).into_iter().map(|ratio| (ratio.what.to_owned(), ratio.value()));
                    value["ratios"] = ratios.collect::<serde_json::Map<_, _>>().into();
                }
                output::json(&value);
            }
        }
        Ok(())
    }

    /// Reads the report that `--output json` printed to a file: its last line.
    fn read(path: &Path) -> Result<Self, Failed> {
        let text = fs::read_to_string(path)
            .map_err(|error| Failed::io(format!("{} can't be read", path.display()), error))?;
        serde_json::from_str(text.lines().last().unwrap_or_default()).map_err(|error| {
            Failed::Usage(format!("{} isn't a report of `bench --output json`: {error}", path.display()))
        })
    }

    fn lines(&self) -> Vec<String> {
        let Self { events, seconds, events_per_second, refused, partitions, machine, .. } = self;
        let paced = if self.rate == 0 { "unpaced".to_owned() } else { format!("at {} a second", self.rate) };
        let CpuUs { ours, broker, database, total, load } = self.cpu_us_per_event;
        let mut lines = vec![
            format!(
                "{}: {events} events, {paced}, partitions: {partitions}, every response after a sync to disk",
                self.bench
            ),
            format!(
                "  {events_per_second:.0} events/s in {seconds:.1} s; {refused} refused and not sent again"
            ),
        ];
        lines.extend(self.latency_ms.map(|QuantilesMs { p50, p90, p99, p999, max }| {
            format!(
                "  latency in ms: p50 {p50:.1}, p90 {p90:.1}, p99 {p99:.1}, p99.9 {p999:.1}, at most {max:.1}"
            )
        }));
        lines.push(format!(
            "  CPU per event: {total:.0} µs = ours {ours:.0} + broker {broker:.0} + database {database:.0}; the load's threads {load:.0}"
        ));
        lines.push(format!("  memory of our process: {} MiB at most", self.peak_memory_mib));
        lines.extend(self.pass_through_events_per_second.map(|plain| {
            let ratio = events_per_second / plain;
            format!("  plain pass-through of as many streams: {plain:.0} events/s; ratio {ratio:.2}")
        }));
        let Machine { cores, steal_percent, fsync_ms, fsync_max_ms, sync_delay_ms } = machine;
        lines.push(format!(
            "  the machine: {cores} cores, {steal_percent:.1} % of their time taken by its host; a sync to disk took \
             {fsync_ms:.2} ms, {fsync_max_ms:.2} ms at most"
        ));
        if *sync_delay_ms > 0 {
            lines.push(format!(
                "  each sync of the broker and the database was prolonged by {sync_delay_ms} ms"
            ));
        }
        lines
    }

    fn compared(&self, earlier: &Self) -> Table {
        let mut table = Table::new([left("figure"), right("earlier"), right("now"), right("ratio")]);
        for ratio in self.ratios(earlier) {
            let Ratio { what, earlier, now } = ratio;
            table.row([
                what.to_owned(),
                format!("{earlier:.1}"),
                format!("{now:.1}"),
                format!("{:.2}", now / earlier),
            ]);
        }
        table
    }

    /// The parameters in which the runs differ: their figures say less about the software then.
    fn differences(&self, earlier: &Self) -> Vec<String> {
        let parameters = |report: &Self| {
            [
                ("events", report.events),
                ("rate", report.rate),
                ("partitions", report.partitions.into()),
                ("apart", report.apart.into()),
                ("cores", report.machine.cores as u64),
                ("sync_delay_ms", report.machine.sync_delay_ms),
            ]
        };
        let pairs = parameters(earlier).into_iter().zip(parameters(self));
        pairs
            .filter(|(before, now)| before != now)
            .map(|((what, before), (_, now))| format!("{what} differs: {before} earlier, {now} now"))
            .collect()
    }

    /// The figures that both reports have.
    fn ratios(&self, earlier: &Self) -> Vec<Ratio> {
        let ratio = |what, of: fn(&Self) -> f64| Ratio { what, earlier: of(earlier), now: of(self) };
        let mut ratios = vec![
            ratio("events_per_second", |report| report.events_per_second),
            ratio("cpu_us_per_event", |report| report.cpu_us_per_event.total),
        ];
        if let (Some(before), Some(now)) = (self.latency_ms.and(earlier.latency_ms), self.latency_ms) {
            ratios.push(Ratio { what: "latency_p50_ms", earlier: before.p50, now: now.p50 });
            ratios.push(Ratio { what: "latency_p99_ms", earlier: before.p99, now: now.p99 });
        }
        #[expect(clippy::cast_precision_loss, reason = "a ratio needs no more digits")]
        ratios.push(ratio("peak_memory_mib", |report| report.peak_memory_mib as f64));
        ratios.push(ratio("machine_fsync_ms", |report| report.machine.fsync_ms));
        ratios
    }
}

/// A figure of two runs.
#[derive(Debug, Clone, Copy)]
struct Ratio {
    what: &'static str,
    earlier: f64,
    now: f64,
}

impl Ratio {
    fn value(self) -> serde_json::Value {
        (self.now / self.earlier).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn report(seconds: f64, latency_ms: u64) -> Report {
        let mut latencies = Latencies::new().unwrap();
        latencies.record(Duration::from_millis(latency_ms)).unwrap();
        let cpu = CpuSeconds { ours: 0.3, broker: 0.1, database: 0.2, load: 0.0 };
        Report::of(Figures {
            bench: "pipeline",
            events: 1000,
            seconds,
            rate: 0,
            refused: 0,
            latencies: Some(&latencies),
            cpu: cpu.with_load(0.1),
            partitions: 1,
            machine: Machine {
                cores: 2,
                steal_percent: 0.0,
                fsync_ms: 0.5,
                fsync_max_ms: 2.0,
                sync_delay_ms: 0,
            },
        })
    }

    #[test]
    fn the_load_is_no_part_of_the_pipelines_time() {
        let CpuUs { ours, total, load, .. } = report(1.0, 10).cpu_us_per_event;
        let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
        assert!(close(ours, 200.0) && close(load, 100.0) && close(total, 500.0), "{ours} {load} {total}");
    }

    #[test]
    fn a_report_is_read_again_and_compared() {
        let folder = sandbox::Scratch::new().unwrap();
        let file = folder.path().join("earlier.json");
        let earlier = report(2.0, 20);
        fs::write(&file, format!("starting\n{}\n", serde_json::to_string(&earlier).unwrap())).unwrap();
        let now = report(1.0, 10);
        assert!(now.differences(&earlier).is_empty());
        let quicker = Report { rate: 100, ..now.clone() };
        assert_eq!(quicker.differences(&earlier), ["rate differs: 0 earlier, 100 now"]);
        let ratios = now.ratios(&Report::read(&file).unwrap());
        let ratio = |what| ratios.iter().find(|ratio| ratio.what == what).unwrap();
        assert!((ratio("events_per_second").now / ratio("events_per_second").earlier - 2.0).abs() < 1e-9);
        assert!((ratio("latency_p50_ms").now / ratio("latency_p50_ms").earlier - 0.5).abs() < 0.01);
        assert!(Report::read(&folder.path().join("none")).is_err());
        fs::write(&file, "{}").unwrap();
        assert!(matches!(Report::read(&file), Err(Failed::Usage(_))));
    }
}
