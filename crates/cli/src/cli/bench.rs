//! Arguments of measurements.

use clap::{Args, Subcommand};
use model::PartitionCount;
use std::{path::PathBuf, time::Duration};

#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    pub(crate) what: Benched,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Benched {
    /// Measure signed deliveries through RAW, all stages and Postgres to APPLIED, beside a plain pass-through.
    #[command(after_help = "Example:\n  tillflow bench pipeline --events 200000\n  \
tillflow bench pipeline --output json > before.json\n  tillflow bench pipeline --compare before.json")]
    Pipeline(PipelineBench),
    /// Measure the time from the intake to APPLIED at a steady rate of deliveries.
    #[command(after_help = "Example:\n  tillflow bench latency --rate 1700")]
    Latency(LatencyBench),
    /// Measure the time from the intake to APPLIED, and to the call that writes the value to another platform.
    ///
    /// Signed webhooks over HTTP report levels at a steady rate. Each store has a second connection, to a simulated
    /// platform, which reports each write back to the intake. A connection is called no more often than its platform
    /// allows, and only with the newest value: values that a newer one replaced before their call are counted apart. At
    /// the end each platform must have the last value of each item.
    #[command(
        mut_arg("events", |argument| argument.default_value("3000")),
        mut_arg("stores", |argument| argument.default_value("20").value_parser(clap::value_parser!(u32).range(1..=200))),
        after_help = "Example:\n  tillflow bench propagate --to square --rate 100 --events 6000\n  \
tillflow bench propagate --stores 2 --items 5      # more than their platform accepts: values are replaced"
    )]
    Propagate(PropagateBench),
    /// Measure the first sync of a store whose platforms' lists are read.
    ///
    /// Each platform has a simulated shop with the same products. The time ends when every list of products and levels
    /// was read to its end and each object has its outcome in the record. With `--sales`, the shops then sell in turn while
    /// webhooks are lost, and the time is measured until the levels of all shops that are written to agree.
    #[command(after_help = "Example:\n  tillflow bench sync --platforms square,treez --products 20000\n  \
tillflow bench sync --platforms square,shopify,blaze --sales 2000 --lost 0.05")]
    Sync(SyncBench),
    /// Measure signed webhooks over HTTP until the response that they are on disk.
    #[command(after_help = "Example:\n  tillflow bench ingest --connections 64")]
    Ingest(IngestBench),
    /// Measure a replay of RAW into an empty database.
    #[command(after_help = "Example:\n  tillflow bench replay --events 100000")]
    Replay(ReplayBench),
}

/// The deliveries of a benchmark.
#[derive(Debug, Clone, Args)]
pub(crate) struct Load {
    /// Number of deliveries.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1000..=10_000_000))]
    pub(crate) events: u64,
    /// Number of stores that they are spread over.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) stores: u32,
    /// Number of items of each store.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=250))]
    pub(crate) items: u32,
    /// Number of partitions; unless set, that of a new installation on this machine.
    #[arg(long, value_parser = partition_count)]
    pub(crate) partitions: Option<PartitionCount>,
    /// Time by which each sync to disk of the broker and the database is prolonged, in ms, as on volumes of clouds. It
    /// needs `strace`.
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1000))]
    pub(crate) sync_delay_ms: u64,
    /// A file with the JSON report of an earlier run: print the ratios to it too.
    #[arg(long, value_name = "FILE")]
    pub(crate) compare: Option<PathBuf>,
}

impl Load {
    /// Time by which each sync to disk is prolonged, if any.
    pub(crate) fn sync_delay(&self) -> Option<Duration> {
        (self.sync_delay_ms > 0).then(|| Duration::from_millis(self.sync_delay_ms))
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct PipelineBench {
    #[command(flatten)]
    pub(crate) load: Load,
    /// Deliveries a second; 0 sends as fast as they are accepted.
    #[arg(long, default_value_t = 0)]
    pub(crate) rate: u64,
    /// Upper limit of deliveries that wait for their response at once; with `--http` at most 256, one for each connection.
    #[arg(long, default_value_t = 2048, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(crate) in_flight: u32,
    /// Send over HTTP, through at most 256 connections, from a thread whose CPU time is reported apart.
    #[arg(long)]
    pub(crate) http: bool,
    /// Run normalize, dedupe and enrich apart, with a stream between each two, instead of in one pass.
    #[arg(long)]
    pub(crate) apart: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct LatencyBench {
    #[command(flatten)]
    pub(crate) load: Load,
    /// Deliveries a second.
    #[arg(long, default_value_t = 1700, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) rate: u64,
    /// Send over HTTP, through at most 256 connections, from a thread whose CPU time is reported apart.
    #[arg(long)]
    pub(crate) http: bool,
    /// Run normalize, dedupe and enrich apart, with a stream between each two, instead of in one pass.
    #[arg(long)]
    pub(crate) apart: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct PropagateBench {
    #[command(flatten)]
    pub(crate) load: Load,
    /// Deliveries a second.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) rate: u64,
    /// The other platform; unless set, the first to which levels are written. Some report a whole product for each level.
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) to: Option<String>,
    /// Run normalize, dedupe and enrich apart, with a stream between each two, instead of in one pass.
    #[arg(long)]
    pub(crate) apart: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SyncBench {
    /// The platforms, separated by commas.
    #[arg(long, value_name = "PLATFORM,…", value_delimiter = ',', required = true)]
    pub(crate) platforms: Vec<String>,
    /// Number of products in each shop.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) products: u32,
    /// Number of sales after the first sync, in the shops in turn; the time is measured until all shops that are
    /// written to have the levels that follow from them.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub(crate) sales: u32,
    /// Sales a second.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rate: u32,
    /// Share of webhooks that are lost, from 0 to 1.
    #[arg(long, default_value_t = 0.05, value_parser = share)]
    pub(crate) lost: f64,
    /// Interval between two reads of each list, in seconds; unless set, the one of each list.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) every_seconds: Option<u64>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct IngestBench {
    #[command(flatten)]
    pub(crate) load: Load,
    /// Webhooks a second; 0 sends as fast as they are accepted.
    #[arg(long, default_value_t = 0)]
    pub(crate) rate: u64,
    /// Number of connections that send, one webhook at a time each; at a low rate no more than twice the rate.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) connections: u32,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ReplayBench {
    #[command(flatten)]
    pub(crate) load: Load,
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("a share is from 0 to 1".to_owned()) }
}

fn partition_count(text: &str) -> Result<PartitionCount, String> {
    let count: u16 = text.parse().map_err(|_| "not a number".to_owned())?;
    PartitionCount::try_from(count).map_err(str::to_owned)
}
