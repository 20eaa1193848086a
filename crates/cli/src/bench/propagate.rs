//! Measures signed webhooks over HTTP, through all stages, until their values arrive at another platform.

use super::{
    arrivals::Arrivals,
    changes,
    cpu::CpuSeconds,
    feed,
    http::{self, Pace},
    latencies::Latencies,
    load_thread::LoadThread,
    machine::MachineBefore,
    numbering::{self, LevelReport, Numbering},
    report::{Figures, Propagation, Report},
    shops::Shops,
    watch::{Seen, Watch},
};
use crate::{
    cli::{Output, PropagateBench},
    dev::{Composition, Servers, Services},
    failure::Failed,
    output,
};
use ::ingest::Reply;
use bus::{AppliedMessage, AppliedReader};
use fetch::ScheduledReads;
use model::record::Effect;
use runner::Metrics;
use sandbox::Scratch;
use std::{net::SocketAddr, time::Instant};

const BENCH: &str = "propagate";

pub(crate) async fn run(arguments: PropagateBench, output: Output) -> Result<(), Failed> {
    let earlier = Report::earlier(BENCH, &arguments.load)?;
    let scratch = Scratch::new()?;
    let servers = super::servers(&scratch, &arguments.load).await?;
    let measured = measure(&scratch, &servers, &arguments).await;
    servers.stop().await?;
    measured?.print(earlier.as_ref(), output)
}

async fn measure(scratch: &Scratch, servers: &Servers, arguments: &PropagateBench) -> Result<Report, Failed> {
    let (load, numbering) = (&arguments.load, Numbering::of(&arguments.load));
    let metrics = Metrics::new().map_err(runner::Failure::from)?;
    let listener = ::ingest::listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = listener.local_addr().map_err(|error| Failed::io("no address", error))?;
    let composition = Composition::of(arguments.apart);
    let reads = ScheduledReads::none();
    let services = Services::start(servers, metrics, listener, http::config(), composition, reads).await?;
    let thread = LoadThread::start()?;
    let (url, to) = (format!("http://{address}"), arguments.to.as_deref());
    let shops = Shops::start(&thread, &servers.store, &url, load.stores, to).await?;
    let applied = stock(servers, arguments, &thread).await?;
    output::progress("stocking the shops of the other platform");
    shops.stock(numbering).await?;

    output::progress(&format!("signing {} deliveries", load.events));
    let requests = feed::levels(load)?.iter().map(http::request).collect();
    let machine = MachineBefore::look(scratch.path(), load.sync_delay_ms)?;
    output::progress("sending");
    let (nats, postgres) = (servers.nats.pid(), servers.postgres.pid());
    let (before, load_before) = (CpuSeconds::now(nats, postgres), thread.cpu_seconds().await?);
    let (began, watch, rate) = (Instant::now(), shops.watch(numbering), arguments.rate);
    let (observed, seen) = thread.run(propagate(requests, address, rate, applied, watch, numbering)).await?;
    let seconds = began.elapsed().as_secs_f64();
    let load_seconds = thread.cpu_seconds().await? - load_before;
    let cpu = CpuSeconds::now(nats, postgres).since(before).with_load(load_seconds);
    let machine = machine.since();
    shops.check(numbering)?;
    services.stop().await?;
    let propagation = Propagation::of(&observed.received, &seen)?;
    let figures = Figures {
        rate,
        latency_ms: Some(observed.latencies.quantiles_ms()),
        propagation: Some(propagation),
        apart: arguments.apart,
        ..Figures::of(BENCH, observed.latencies.count(), seconds, servers.bus.partitions, machine)
    };
    Ok(Report::of(figures, cpu))
}

/// Reports the products and first levels of the load's platform; returns a reader of the changes after them.
async fn stock(
    servers: &Servers,
    arguments: &PropagateBench,
    thread: &LoadThread,
) -> Result<AppliedReader, Failed> {
    output::progress("stocking the stores");
    let intake = super::intake(servers).await?;
    let mut applied = thread.run(changes::read(servers.bus.clone())).await?;
    // The levels behind the products, which they belong to.
    for deliveries in [feed::products(&arguments.load)?, feed::first_levels(&arguments.load)?] {
        let count = deliveries.len() as u64;
        for delivery in deliveries {
            if !matches!(delivery.send(&intake).await, Reply::Kept { .. }) {
                return Err(Failed::Other("a product or a first level was refused".to_owned()));
            }
        }
        let came = thread.run(async move {
            changes::wait_for(&mut applied, count, "the stock", |_| Ok(true)).await?;
            Ok(applied)
        });
        applied = came.await?;
    }
    Ok(applied)
}

/// Changes of deliveries, as a reader of APPLIED saw them.
struct Observed {
    /// The times from the intake to the reader.
    latencies: Latencies,
    /// The times of their receipt by the intake.
    received: Arrivals,
}

/// Sends webhooks, and observes their changes, the calls with their values and the echoes of these.
async fn propagate(
    requests: Vec<Vec<u8>>,
    address: SocketAddr,
    rate: u64,
    applied: AppliedReader,
    mut watch: Watch,
    numbering: Numbering,
) -> Result<(Observed, Seen), Failed> {
    let pace = Pace { connections: super::CONNECTIONS_MAX, levels: numbering.levels(), rate };
    let sending = async {
        let sent = http::send(requests, address, pace).await?;
        super::none_refused(sent.refused)
    };
    let ((), observed, ()) = tokio::try_join!(sending, observe(applied, numbering), watch.until_complete())?;
    Ok((observed, watch.until_reported().await?))
}

/// Waits for the changes of all deliveries.
async fn observe(mut applied: AppliedReader, numbering: Numbering) -> Result<Observed, Failed> {
    let mut received = Arrivals::new(numbering);
    let is_first = |message: &AppliedMessage| {
        let report = report(message)?;
        Ok(report.is_some_and(|report| received.record(&report, message.event.time)))
    };
    let latencies = changes::wait_for(&mut applied, numbering.events, "the deliveries", is_first).await?;
    Ok(Observed { latencies, received })
}

/// The level of the store after a change of the load's platform; `None` for another change.
fn report(message: &AppliedMessage) -> Result<Option<LevelReport>, Failed> {
    let unreadable = |error| Failed::Other(format!("message {}: {error}", message.sequence));
    let applied = wire::decode_applied(message.payload.clone()).map_err(unreadable)?;
    let Some((store, item)) = numbering::of_item_id(applied.event.payload.external().as_str()) else {
        return Ok(None);
    };
    let level = applied.effects.iter().find_map(|effect| match effect {
        Effect::Level { level, .. } => level.to_string().parse().ok(),
        Effect::Price { .. } | Effect::Text { .. } | Effect::Linked { .. } => None,
    });
    Ok(level.map(|available| LevelReport { store, item, available }))
}
