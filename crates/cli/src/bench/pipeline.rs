//! Measures signed deliveries through RAW, all stages and Postgres to APPLIED.

use super::{
    cpu::{CpuSeconds, peak_memory_mib},
    feed, figure,
    latencies::Latencies,
    passthrough,
};
use crate::{
    cli::{Output, PipelineBench},
    dev::{Servers, Services},
    failure::Failed,
    output,
    progress::Progress,
};
use ::ingest::{Directory, Intake, Limits, Reply};
use bus::{AppliedReader, Bus, Start};
use model::PartitionCount;
use runner::{Metrics, Readiness, Service};
use sandbox::Scratch;
use serde_json::json;
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// Time without a change after which the measurement is aborted.
const STALLED: Duration = Duration::from_mins(1);
const REQUESTS_PER_MINUTE: u32 = u32::MAX;

struct Measured {
    seconds: f64,
    latencies_ms: Vec<f64>,
    cpu: CpuSeconds,
    refused: u64,
}

pub(crate) async fn run(arguments: PipelineBench, output: Output) -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let servers = super::servers(&scratch, &arguments.load).await?;
    let partitions = servers.bus.partitions;
    let measured = measure(&servers, &arguments).await;
    servers.stop().await?;
    let measured = measured?;
    output::progress("the same number of streams, passed through");
    let plain = passthrough::run(scratch.path(), partitions, arguments.load.events).await?;
    report(&arguments, partitions, &measured, plain, output);
    Ok(())
}

async fn measure(servers: &Servers, arguments: &PipelineBench) -> Result<Measured, Failed> {
    let metrics = Metrics::new().map_err(runner::Failure::from)?;
    let listener = ::ingest::listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let services = Services::start(servers, metrics, listener).await?;
    let service = Service {
        bus: runner::connect(&servers.bus).await?,
        metrics: Metrics::new().map_err(runner::Failure::from)?,
        readiness: Readiness::default(),
        stop: CancellationToken::new(),
        replica: "bench".into(),
    };
    let limits = Limits::new(REQUESTS_PER_MINUTE, REQUESTS_PER_MINUTE);
    let intake = Arc::new(Intake::new(&service, Directory::new(servers.store.clone()), limits)?);
    // The measurement doesn't validate changes: propagate does, and is measured.
    let mut applied = Bus::connect(&servers.bus).await?.read_applied_all(None, Start::First).await?;

    output::progress("stocking the stores");
    let products = feed::products(&arguments.load)?;
    let stocked = products.len();
    for product in products {
        if !matches!(product.send(&intake).await, Reply::Kept { .. }) {
            return Err(Failed::Other("a product was refused".to_owned()));
        }
    }
    wait_for(&mut applied, stocked, "the products").await?;

    output::progress(&format!("signing {} deliveries", arguments.load.events));
    let deliveries = feed::levels(&arguments.load)?;
    output::progress("sending");
    let (nats, postgres) = (servers.nats.pid(), servers.postgres.pid());
    let before = CpuSeconds::now(nats, postgres);
    let began = Instant::now();
    let expected = deliveries.len();
    let rate = arguments.rate;
    let in_flight = usize::try_from(arguments.in_flight).unwrap_or(usize::MAX);
    let sending = tokio::spawn(async move { feed::send(deliveries, &intake, rate, in_flight).await });
    let latencies_ms = wait_for(&mut applied, expected, "the deliveries").await?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = CpuSeconds::now(nats, postgres).since(before);
    let refused = sending.await.map_err(|error| Failed::Other(error.to_string()))?;
    services.stop().await?;
    Ok(Measured { seconds, latencies_ms, cpu, refused })
}

/// Waits for `count` changes; returns the time from the intake to here of each, in ms.
async fn wait_for(applied: &mut AppliedReader, count: usize, what: &'static str) -> Result<Vec<f64>, Failed> {
    let mut latencies_ms = Vec::with_capacity(count);
    let progress = Progress::new(what);
    progress.expect(count as u64);
    while latencies_ms.len() < count {
        let taken = tokio::time::timeout(STALLED, applied.waiting(1024)).await;
        let taken = taken.map_err(|_| {
            Failed::Other(format!("only {} of {count} changes came within {STALLED:?}", latencies_ms.len()))
        })??;
        let now = runner::now();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds need no more digits")]
        latencies_ms.extend(taken.iter().map(|message| now.micros_since(message.event.time) as f64 / 1000.0));
        progress.add(taken.len() as u64);
    }
    progress.finish();
    Ok(latencies_ms)
}

fn report(
    arguments: &PipelineBench,
    partitions: PartitionCount,
    measured: &Measured,
    plain_per_second: f64,
    output: Output,
) {
    let sorted = Latencies::of(measured.latencies_ms.clone());
    let events = figure(sorted.len());
    let per_second = events / measured.seconds;
    let each = |seconds: f64| seconds * 1e6 / events;
    let (p50, p99) = (sorted.quantile(0.5), sorted.quantile(0.99));
    let cpu = measured.cpu;
    if output == Output::Json {
        output::json(&json!({
            "events": sorted.len(), "seconds": measured.seconds, "events_per_second": per_second,
            "latency_ms": {"p50": p50, "p99": p99, "max": sorted.quantile(1.0)},
            "cpu_us_per_event": {
                "ours": each(cpu.ours), "broker": each(cpu.broker), "database": each(cpu.database),
                "total": each(cpu.total()),
            },
            "refused": measured.refused, "peak_memory_mib": peak_memory_mib(),
            "pass_through_events_per_second": plain_per_second, "ratio": per_second / plain_per_second,
            "partitions": partitions.get(), "rate": arguments.rate,
        }));
        return;
    }
    let paced =
        if arguments.rate == 0 { "unpaced".to_owned() } else { format!("at {} a second", arguments.rate) };
    output::line(&format!(
        "{} events, {paced}, partitions: {}, every response after a sync to disk",
        sorted.len(),
        partitions.get()
    ));
    output::line(&format!(
        "  {per_second:.0} events/s in {:.1} s; {} refused and not sent again",
        measured.seconds, measured.refused
    ));
    output::line(&format!("  latency, intake to APPLIED: p50 {p50:.1} ms, p99 {p99:.1} ms"));
    output::line(&format!(
        "  CPU per event: {:.0} µs = ours {:.0} + broker {:.0} + database {:.0}",
        each(cpu.total()),
        each(cpu.ours),
        each(cpu.broker),
        each(cpu.database)
    ));
    output::line(&format!("  memory of our process: {} MiB at most", peak_memory_mib()));
    output::line(&format!(
        "  plain pass-through of as many streams: {plain_per_second:.0} events/s; ratio {:.2}",
        per_second / plain_per_second
    ));
}
