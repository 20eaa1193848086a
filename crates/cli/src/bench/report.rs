//! The figures of a measurement, for people and as JSON, and their comparison with an earlier run.

use super::{
    arrivals::{Arrivals, Matched},
    cpu::{CpuSeconds, peak_memory_mib},
    figure,
    latencies::QuantilesMs,
    machine::Machine,
    watch::Seen,
};
use crate::{
    cli::{Load, Output},
    failure::Failed,
    output,
    table::{Table, left, right},
};
use model::PartitionCount;
use serde::{Deserialize, Serialize};
use std::{fs, path::Path};

/// The figures of one run, with what follows from them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    pub(crate) figures: Figures,
    pub(crate) events_per_second: f64,
    pub(crate) cpu_us_per_event: CpuUs,
    pub(crate) peak_memory_mib: u64,
}

/// The figures of one run, as they were measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// The name of the measurement.
    pub(crate) bench: String,
    pub(crate) events: u64,
    pub(crate) seconds: f64,
    /// Deliveries a second that were asked for; 0 if they were sent as fast as they were accepted.
    pub(crate) rate: u64,
    pub(crate) refused: u64,
    pub(crate) latency_ms: Option<QuantilesMs>,
    /// The way of the deliveries' values to another platform, if that was measured.
    pub(crate) propagation: Option<Propagation>,
    pub(crate) partitions: u16,
    /// True if normalize, dedupe and enrich ran apart, with a stream between each two.
    #[serde(default)]
    pub(crate) apart: bool,
    /// Events a second of a plain pass-through of as many streams.
    pub(crate) pass_through_events_per_second: Option<f64>,
    pub(crate) machine: Machine,
}

/// The way of deliveries' values to another platform.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Propagation {
    /// From the intake's receipt of a delivery to the arrival of the call that carries its value.
    pub(crate) latency_ms: QuantilesMs,
    /// Number of values that arrived.
    pub(crate) values: u64,
    /// Number of values that a newer one replaced before they were sent.
    pub(crate) coalesced: u64,
    /// Number of calls, readings too.
    pub(crate) calls: u64,
    /// Number of calls that the platform refused or failed to reply to.
    pub(crate) calls_failed: u64,
    /// Number of reports of these values that the intake accepted from the platform.
    pub(crate) echoes: u64,
}

impl Propagation {
    /// Matches receipts with the calls that were seen; fails if a value was lost.
    pub(crate) fn of(received: &Arrivals, seen: &Seen) -> Result<Self, Failed> {
        let Matched { latencies, coalesced } = received.until(&seen.arrivals)?;
        Ok(Self {
            latency_ms: latencies.quantiles_ms(),
            values: latencies.count(),
            coalesced,
            calls: seen.calls,
            calls_failed: seen.calls_failed,
            echoes: seen.echoes,
        })
    }
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

impl Figures {
    /// Figures that every measurement has; the others are those of one that has none of them.
    pub(crate) fn of(
        bench: &str,
        events: u64,
        seconds: f64,
        partitions: PartitionCount,
        machine: Machine,
    ) -> Self {
        Self {
            bench: bench.to_owned(),
            events,
            seconds,
            rate: 0,
            refused: 0,
            latency_ms: None,
            propagation: None,
            partitions: partitions.get(),
            apart: false,
            pass_through_events_per_second: None,
            machine,
        }
    }
}

impl Report {
    pub(crate) fn of(figures: Figures, cpu: CpuSeconds) -> Self {
        let count = figure(usize::try_from(figures.events).unwrap_or(usize::MAX));
        let each = |seconds: f64| seconds * 1e6 / count;
        let (ours, broker, database) = (each(cpu.ours), each(cpu.broker), each(cpu.database));
        Self {
            events_per_second: count / figures.seconds,
            cpu_us_per_event: CpuUs {
                ours,
                broker,
                database,
                total: ours + broker + database,
                load: each(cpu.load),
            },
            peak_memory_mib: peak_memory_mib(),
            figures,
        }
    }

    /// Reads the report that a run shall be compared with, if any: before it, so that a wrong name costs no run.
    pub(crate) fn earlier(bench: &str, load: &Load) -> Result<Option<Self>, Failed> {
        let Some(path) = &load.compare else { return Ok(None) };
        let earlier = Self::read(path)?;
        if earlier.figures.bench != bench {
            let (path, was) = (path.display(), &earlier.figures.bench);
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
        let Figures { bench, events, seconds, rate, refused, partitions, .. } = &self.figures;
        let (per_second, CpuUs { ours, broker, database, total, load }) =
            (self.events_per_second, self.cpu_us_per_event);
        let paced = if *rate == 0 { "unpaced".to_owned() } else { format!("at {rate} a second") };
        let mut lines = vec![
            format!(
                "{bench}: {events} events, {paced}, partitions: {partitions}, every response after a sync to disk"
            ),
            format!("  {per_second:.0} events/s in {seconds:.1} s; {refused} refused and not sent again"),
        ];
        lines.extend(self.figures.latency_ms.map(|latency| format!("  latency in ms: {latency}")));
        lines.extend(self.figures.propagation.iter().flat_map(Propagation::lines));
        lines.push(format!(
            "  CPU per event: {total:.0} µs = ours {ours:.0} + broker {broker:.0} + database {database:.0}; the load's threads {load:.0}"
        ));
        lines.push(format!("  memory of our process: {} MiB at most", self.peak_memory_mib));
        lines.extend(self.figures.pass_through_events_per_second.map(|plain| {
            let ratio = per_second / plain;
            format!("  plain pass-through of as many streams: {plain:.0} events/s; ratio {ratio:.2}")
        }));
        lines.extend(self.figures.machine.lines());
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
            let figures = &report.figures;
            [
                ("events", figures.events),
                ("rate", figures.rate),
                ("partitions", figures.partitions.into()),
                ("apart", figures.apart.into()),
                ("cores", figures.machine.cores as u64),
                ("sync_delay_ms", figures.machine.sync_delay_ms),
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
        let (before, now) = (&earlier.figures, &self.figures);
        if let (Some(before), Some(now)) = (before.latency_ms, now.latency_ms) {
            ratios.push(Ratio { what: "latency_p50_ms", earlier: before.p50, now: now.p50 });
            ratios.push(Ratio { what: "latency_p99_ms", earlier: before.p99, now: now.p99 });
        }
        if let (Some(before), Some(now)) = (before.propagation, now.propagation) {
            let (before, now) = (before.latency_ms, now.latency_ms);
            ratios.push(Ratio { what: "propagation_p50_ms", earlier: before.p50, now: now.p50 });
            ratios.push(Ratio { what: "propagation_p99_ms", earlier: before.p99, now: now.p99 });
        }
        #[expect(clippy::cast_precision_loss, reason = "a ratio needs no more digits")]
        ratios.push(ratio("peak_memory_mib", |report| report.peak_memory_mib as f64));
        ratios.push(ratio("machine_fsync_ms", |report| report.figures.machine.fsync_ms));
        ratios
    }
}

impl Propagation {
    fn lines(&self) -> [String; 2] {
        let Self { latency_ms, values, coalesced, calls, calls_failed, echoes } = self;
        [
            format!("  latency to the other platform's call in ms: {latency_ms}"),
            format!(
                "  {values} values arrived there, {coalesced} were replaced by a newer one first; {calls} calls, \
                 {calls_failed} of them refused or failed; {echoes} reported back"
            ),
        ]
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
    use crate::bench::{
        latencies::Latencies,
        numbering::{FIRST_LEVEL, LevelReport, Numbering},
    };
    use model::Timestamp;
    use std::time::Duration;

    const MACHINE: Machine =
        Machine { cores: 2, steal_percent: 0.0, fsync_ms: 0.5, fsync_max_ms: 2.0, sync_delay_ms: 0 };

    fn figures(seconds: f64, latency_ms: u64) -> Figures {
        let mut latencies = Latencies::new().unwrap();
        latencies.record(Duration::from_millis(latency_ms)).unwrap();
        Figures {
            latency_ms: Some(latencies.quantiles_ms()),
            ..Figures::of("pipeline", 1000, seconds, PartitionCount::for_cores(1), MACHINE)
        }
    }

    fn report(figures: Figures) -> Report {
        let cpu = CpuSeconds { ours: 0.3, broker: 0.1, database: 0.2, load: 0.0 };
        Report::of(figures, cpu.with_load(0.1))
    }

    /// The propagation of three levels of an item, of which these were written after `milliseconds`.
    fn propagation(written: &[i64], milliseconds: i64) -> Propagation {
        let numbering = Numbering { events: 3, stores: 1, items: 1 };
        let (mut received, mut called) = (Arrivals::new(numbering), Arrivals::new(numbering));
        for level in 1..=3 {
            let report = LevelReport { store: 0, item: 0, available: FIRST_LEVEL + level };
            received.record(&report, Timestamp::from_micros(level));
            if written.contains(&level) {
                called.record(&report, Timestamp::from_micros(level + milliseconds * 1000));
            }
        }
        let seen = Seen { arrivals: called, calls: 4, calls_failed: 1, echoes: 2 };
        Propagation::of(&received, &seen).unwrap()
    }

    #[test]
    fn the_load_is_no_part_of_the_pipelines_time() {
        let CpuUs { ours, total, load, .. } = report(figures(1.0, 10)).cpu_us_per_event;
        let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
        assert!(close(ours, 200.0) && close(load, 100.0) && close(total, 500.0), "{ours} {load} {total}");
    }

    #[test]
    fn a_report_is_read_again_and_compared() {
        let folder = sandbox::Scratch::new().unwrap();
        let file = folder.path().join("earlier.json");
        let propagated = |seconds, latency_ms| {
            let propagation = Some(propagation(&[3], latency_ms));
            report(Figures { propagation, ..figures(seconds, latency_ms.unsigned_abs()) })
        };
        let (earlier, now) = (propagated(2.0, 20), propagated(1.0, 10));
        fs::write(&file, format!("starting\n{}\n", serde_json::to_string(&earlier).unwrap())).unwrap();
        assert!(now.differences(&earlier).is_empty());
        let quicker = report(Figures { rate: 100, ..now.figures.clone() });
        assert_eq!(quicker.differences(&earlier), ["rate differs: 0 earlier, 100 now"]);
        let ratios = now.ratios(&Report::read(&file).unwrap());
        let ratio = |what| ratios.iter().find(|ratio| ratio.what == what).unwrap();
        for (what, expected) in
            [("events_per_second", 2.0), ("latency_p50_ms", 0.5), ("propagation_p99_ms", 0.5)]
        {
            let ratio = ratio(what);
            assert!((ratio.now / ratio.earlier - expected).abs() < 0.01, "{ratio:?}");
        }
        assert!(Report::read(&folder.path().join("none")).is_err());
        fs::write(&file, "{}").unwrap();
        assert!(matches!(Report::read(&file), Err(Failed::Usage(_))));
    }

    #[test]
    fn a_report_of_a_former_version_is_read_too() {
        let mut value = serde_json::to_value(report(figures(1.0, 10))).unwrap();
        for field in ["propagation", "apart"] {
            assert!(value.as_object_mut().unwrap().remove(field).is_some(), "{field}");
        }
        let former: Report = serde_json::from_value(value).unwrap();
        assert!(former.figures.propagation.is_none() && !former.figures.apart);
    }

    #[test]
    fn replaced_values_are_counted_apart_from_those_that_arrived() {
        let propagation = propagation(&[2, 3], 30);
        assert_eq!((propagation.values, propagation.coalesced), (2, 1));
        let lines = report(Figures { propagation: Some(propagation), ..figures(1.0, 10) }).lines().join("\n");
        for said in [
            "latency in ms: p50 10.0,",
            "call in ms: p50 30.0,",
            "2 values arrived there, 1 were replaced",
            "4 calls, 1 of them refused or failed; 2 reported back",
        ] {
            assert!(lines.contains(said), "{said}: {lines}");
        }
    }
}
