//! Measures signed webhooks over HTTP, until the response that they are on disk.

use super::{
    cpu::{self, CpuSeconds},
    feed,
    http::{self, Pace},
    load_thread,
    machine::MachineBefore,
    numbering::Numbering,
    report::{Figures, Report},
};
use crate::{
    cli::{IngestBench, Output},
    dev::Servers,
    failure::Failed,
    output,
};
use runner::{Metrics, Readiness, Service};
use sandbox::Scratch;
use std::{net::SocketAddr, time::Instant};
use tokio_util::sync::CancellationToken;

const BENCH: &str = "ingest";

pub(crate) async fn run(arguments: IngestBench, output: Output) -> Result<(), Failed> {
    let earlier = Report::earlier(BENCH, &arguments.load)?;
    let scratch = Scratch::new()?;
    let servers = super::servers(&scratch, &arguments.load).await?;
    let measured = measure(&scratch, &servers, &arguments).await;
    servers.stop().await?;
    measured?.print(earlier.as_ref(), output)
}

async fn measure(scratch: &Scratch, servers: &Servers, arguments: &IngestBench) -> Result<Report, Failed> {
    let bus = runner::connect(&servers.bus).await?;
    bus.check().await?;
    bus.declare().await?;
    let listener = ::ingest::listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = listener.local_addr().map_err(|error| Failed::io("no address", error))?;
    let stop = CancellationToken::new();
    let service = Service {
        bus,
        metrics: Metrics::new().map_err(runner::Failure::from)?,
        readiness: Readiness::default(),
        stop: stop.clone(),
        replica: runner::replica_name(),
    };
    let serving = tokio::spawn(::ingest::serve(service, servers.store.clone(), http::config(), listener));

    output::progress(&format!("signing {} webhooks", arguments.load.events));
    let requests = feed::levels(&arguments.load)?.iter().map(http::request).collect();
    let machine = MachineBefore::look(scratch.path(), arguments.load.sync_delay_ms)?;
    output::progress("sending");
    let (nats, postgres) = (servers.nats.pid(), servers.postgres.pid());
    let (before, began) = (CpuSeconds::now(nats, postgres), Instant::now());
    let IngestBench { connections, rate, .. } = *arguments;
    let pace = Pace { connections, levels: Numbering::of(&arguments.load).levels(), rate };
    let (sent, load) = load_thread::run(async move {
        let sent = http::send(requests, address, pace).await?;
        Ok((sent, cpu::of_this_thread()))
    })
    .await?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = CpuSeconds::now(nats, postgres).since(before).with_load(load);
    let machine = machine.since();
    stop.cancel();
    serving.await.map_err(|error| Failed::Other(error.to_string()))??;
    let figures = Figures {
        rate,
        refused: sent.refused,
        latency_ms: Some(sent.latencies.quantiles_ms()),
        ..Figures::of(BENCH, sent.latencies.count(), seconds, servers.bus.partitions, machine)
    };
    Ok(Report::of(figures, cpu))
}
