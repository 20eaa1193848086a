//! Measures signed deliveries through RAW, all stages and Postgres to APPLIED.

use super::{
    cpu::{self, CpuSeconds},
    feed, http,
    latencies::Latencies,
    load_thread,
    machine::MachineBefore,
    passthrough,
    report::{Figures, Report},
};
use crate::{
    cli::{Output, PipelineBench},
    dev::{Servers, Services},
    failure::Failed,
    output,
    progress::Progress,
};
use ::ingest::{Directory, Intake, Limits, Reply};
use bus::{AppliedReader, Bus, BusConfig, Start};
use runner::{Metrics, Readiness, Service};
use sandbox::Scratch;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Time without a change after which the measurement is aborted.
const STALLED: Duration = Duration::from_mins(1);
/// Upper limit of changes that are read at once.
const CHANGES_MAX: usize = 1024;
const REQUESTS_PER_MINUTE: u32 = u32::MAX;

pub(crate) async fn run(arguments: PipelineBench, output: Output) -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let servers = super::servers(&scratch, &arguments.load).await?;
    let partitions = servers.bus.partitions;
    let measured = measure(&scratch, &servers, &arguments).await;
    servers.stop().await?;
    let measured = measured?;
    output::progress("the same number of streams, passed through");
    let plain = passthrough::run(scratch.path(), partitions, arguments.load.events).await?;
    let report = Report { pass_through_events_per_second: Some(plain), ..measured };
    report.print(arguments.load.compare.as_deref(), output)
}

async fn measure(scratch: &Scratch, servers: &Servers, arguments: &PipelineBench) -> Result<Report, Failed> {
    let metrics = Metrics::new().map_err(runner::Failure::from)?;
    let listener = ::ingest::listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = listener.local_addr().map_err(|error| Failed::io("no address", error))?;
    let services = Services::start(servers, metrics, listener, http::config()).await?;
    let intake = intake(servers).await?;
    let products = feed::products(&arguments.load)?;
    let (expected, stocked) = (arguments.load.events, products.len());
    let (is_stocked, all_are_stocked) = oneshot::channel();
    let bus = servers.bus.clone();
    let observing = load_thread::run(observe(bus, stocked, is_stocked, expected));
    let observing = tokio::spawn(observing);

    output::progress("stocking the stores");
    for product in products {
        if !matches!(product.send(&intake).await, Reply::Kept { .. }) {
            return Err(Failed::Other("a product was refused".to_owned()));
        }
    }
    // Without its sender, the observer has failed and says why.
    all_are_stocked.await.ok();

    output::progress(&format!("signing {expected} deliveries"));
    let deliveries = feed::levels(&arguments.load)?;
    let machine = MachineBefore::look(scratch.path())?;
    output::progress("sending");
    let (nats, postgres) = (servers.nats.pid(), servers.postgres.pid());
    let before = CpuSeconds::now(nats, postgres);
    let began = Instant::now();
    let (rate, in_flight) = (arguments.rate, arguments.in_flight);
    let sending = if arguments.http {
        let requests = deliveries.iter().map(http::request).collect();
        tokio::spawn(load_thread::run(async move {
            let before = cpu::of_this_thread();
            let sent = http::send(requests, address, in_flight.min(super::CONNECTIONS_MAX), rate).await?;
            Ok((sent.refused, cpu::of_this_thread() - before))
        }))
    } else {
        tokio::spawn(async move {
            let in_flight = usize::try_from(in_flight).unwrap_or(usize::MAX);
            Ok((feed::send(deliveries, &intake, rate, in_flight).await, 0.0))
        })
    };
    let observed = observing.await.map_err(|error| Failed::Other(error.to_string()))??;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = CpuSeconds::now(nats, postgres).since(before);
    let machine = machine.since();
    let (refused, sender) = sending.await.map_err(|error| Failed::Other(error.to_string()))??;
    services.stop().await?;
    Ok(Report::of(Figures {
        bench: if arguments.http { "pipeline over HTTP" } else { "pipeline" },
        events: observed.latencies.count(),
        seconds,
        rate,
        refused,
        latencies: Some(&observed.latencies),
        cpu: cpu.with_load(observed.cpu_seconds + sender),
        partitions: servers.bus.partitions.get(),
        pass_through_events_per_second: None,
        machine,
    }))
}

/// An intake that is called without HTTP.
async fn intake(servers: &Servers) -> Result<Intake, Failed> {
    let service = Service {
        bus: runner::connect(&servers.bus).await?,
        metrics: Metrics::new().map_err(runner::Failure::from)?,
        readiness: Readiness::default(),
        stop: CancellationToken::new(),
        replica: "bench".into(),
    };
    let limits = Limits::new(REQUESTS_PER_MINUTE, REQUESTS_PER_MINUTE);
    Ok(Intake::new(&service, Directory::new(servers.store.clone()), limits)?)
}

/// Changes of deliveries, as a reader of APPLIED saw them.
struct Observed {
    /// The times from the intake to the reader.
    latencies: Latencies,
    /// CPU seconds of the reader.
    cpu_seconds: f64,
}

/// Reads the changes of `stocked` products, reports that, and then those of `expected` deliveries.
async fn observe(
    config: BusConfig,
    stocked: usize,
    is_stocked: oneshot::Sender<()>,
    expected: u64,
) -> Result<Observed, Failed> {
    // The measurement doesn't validate changes: propagate does, and is measured.
    let mut applied = Bus::connect(&config).await?.read_applied_all(None, Start::First).await?;
    wait_for(&mut applied, stocked as u64, "the products").await?;
    is_stocked.send(()).ok();
    let before = cpu::of_this_thread();
    let latencies = wait_for(&mut applied, expected, "the deliveries").await?;
    Ok(Observed { latencies, cpu_seconds: cpu::of_this_thread() - before })
}

/// Waits for `count` changes; returns the time from the intake to here of each.
async fn wait_for(applied: &mut AppliedReader, count: u64, what: &'static str) -> Result<Latencies, Failed> {
    let mut latencies = Latencies::new()?;
    let progress = Progress::new(what);
    progress.expect(count);
    while latencies.count() < count {
        let taken = tokio::time::timeout(STALLED, applied.waiting(CHANGES_MAX)).await;
        let taken = taken.map_err(|_| {
            let came = latencies.count();
            Failed::Other(format!("only {came} of {count} changes came within {STALLED:?}"))
        })??;
        let now = runner::now();
        for message in &taken {
            latencies.record(Duration::from_micros(now.micros_since(message.event.time)))?;
        }
        progress.add(taken.len() as u64);
    }
    progress.finish();
    Ok(latencies)
}
