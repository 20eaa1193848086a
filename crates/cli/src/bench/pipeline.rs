//! Measures signed deliveries through RAW, all stages and Postgres to APPLIED.

use super::{
    changes,
    cpu::{self, CpuSeconds},
    feed,
    http::{self, Pace},
    latencies::Latencies,
    load_thread,
    machine::MachineBefore,
    numbering::Numbering,
    passthrough,
    report::{Figures, Report},
};
use crate::{
    cli::{Load, Output, PipelineBench},
    dev::{Composition, Servers, Services},
    failure::Failed,
    output,
};
use ::ingest::{Intake, Reply, WAITING_MAX};
use bus::BusConfig;
use fetch::ScheduledReads;
use runner::Metrics;
use sandbox::Scratch;
use std::{net::SocketAddr, pin::Pin, time::Instant};
use tokio::{sync::oneshot, task::JoinHandle};

pub(crate) async fn run(arguments: PipelineBench, output: Output) -> Result<(), Failed> {
    let bench = if arguments.http { "pipeline over HTTP" } else { "pipeline" };
    let earlier = Report::earlier(bench, &arguments.load)?;
    let scratch = Scratch::new()?;
    let servers = super::servers(&scratch, &arguments.load).await?;
    let partitions = servers.bus.partitions;
    let measured = measure(bench, &scratch, &servers, &arguments).await;
    servers.stop().await?;
    let measured = measured?;
    output::progress("the same number of streams, passed through");
    let Load { events, .. } = arguments.load;
    let streams = if arguments.apart { passthrough::ALL } else { passthrough::OF_ONE_PASS };
    let plain =
        passthrough::run(scratch.path(), partitions, events, arguments.load.sync_delay(), streams).await?;
    let figures = Figures { pass_through_events_per_second: Some(plain), ..measured.figures };
    Report { figures, ..measured }.print(earlier.as_ref(), output)
}

async fn measure(
    bench: &'static str,
    scratch: &Scratch,
    servers: &Servers,
    arguments: &PipelineBench,
) -> Result<Report, Failed> {
    let metrics = Metrics::new().map_err(runner::Failure::from)?;
    let listener = ::ingest::listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = listener.local_addr().map_err(|error| Failed::io("no address", error))?;
    let composition = Composition::of(arguments.apart);
    let reads = ScheduledReads::none();
    let services = Services::start(servers, metrics, listener, http::config(), composition, reads).await?;
    let intake = super::intake(servers).await?;
    let products = feed::products(&arguments.load)?;
    let (expected, stocked) = (arguments.load.events, products.len());
    let (is_stocked, all_are_stocked) = oneshot::channel();
    let bus = servers.bus.clone();
    let observing = tokio::spawn(load_thread::run(observe(bus, stocked, is_stocked, expected)));

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
    let sending: Pin<Box<dyn Future<Output = Result<f64, Failed>> + Send>> = if arguments.http {
        let requests = deliveries.into_iter().map(|signed| http::request(&signed)).collect();
        let levels = Numbering::of(&arguments.load).levels();
        let connections = arguments.in_flight.min(super::CONNECTIONS_MAX);
        Box::pin(send_over_http(requests, address, Pace { connections, levels, rate: arguments.rate }))
    } else {
        Box::pin(send(deliveries, intake, in_flight(arguments, servers), arguments.rate))
    };
    let machine = MachineBefore::look(scratch.path(), arguments.load.sync_delay_ms)?;
    output::progress("sending");
    let (nats, postgres) = (servers.nats.pid(), servers.postgres.pid());
    let before = CpuSeconds::now(nats, postgres);
    let began = Instant::now();
    let (observed, sender) = tokio::try_join!(ended(observing), ended(tokio::spawn(sending)))?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = CpuSeconds::now(nats, postgres).since(before);
    let machine = machine.since();
    services.stop().await?;
    let figures = Figures {
        rate: arguments.rate,
        latency_ms: Some(observed.latencies.quantiles_ms()),
        apart: arguments.apart,
        ..Figures::of(bench, observed.latencies.count(), seconds, servers.bus.partitions, machine)
    };
    Ok(Report::of(figures, cpu.with_load(observed.cpu_seconds + sender)))
}

/// Waits for a task.
async fn ended<T>(task: JoinHandle<Result<T, Failed>>) -> Result<T, Failed> {
    task.await.map_err(|error| Failed::Other(error.to_string()))?
}

/// The number of deliveries that may wait for their response at once: no more than the intake's queues hold.
fn in_flight(arguments: &PipelineBench, servers: &Servers) -> usize {
    let asked_for = usize::try_from(arguments.in_flight).unwrap_or(usize::MAX);
    asked_for.min(WAITING_MAX * usize::from(servers.bus.partitions.get()))
}

/// Sends all deliveries through the intake, and returns the CPU seconds of the load's own threads: none. A refused
/// delivery ends the measurement, because the record would lack it.
async fn send(
    deliveries: Vec<feed::Signed>,
    intake: Intake,
    in_flight: usize,
    rate: u64,
) -> Result<f64, Failed> {
    super::none_refused(feed::send(deliveries, &intake, rate, in_flight).await)?;
    Ok(0.0)
}

/// The same over HTTP, from a thread of the load.
async fn send_over_http(requests: Vec<Vec<u8>>, address: SocketAddr, pace: Pace) -> Result<f64, Failed> {
    let (refused, seconds) = load_thread::run(async move {
        let sent = http::send(requests, address, pace).await?;
        Ok((sent.refused, cpu::of_this_thread()))
    })
    .await?;
    super::none_refused(refused)?;
    Ok(seconds)
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
    let mut applied = changes::read(config).await?;
    changes::wait_for(&mut applied, stocked as u64, "the products", |_| Ok(true)).await?;
    is_stocked.send(()).ok();
    let before = cpu::of_this_thread();
    let latencies = changes::wait_for(&mut applied, expected, "the deliveries", |_| Ok(true)).await?;
    Ok(Observed { latencies, cpu_seconds: cpu::of_this_thread() - before })
}
