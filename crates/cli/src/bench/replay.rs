//! Measures a replay of RAW into an empty database.

use super::{
    cpu::CpuSeconds,
    feed,
    machine::MachineBefore,
    report::{Figures, Report},
};
use crate::{
    cli::{Output, ReplayBench},
    dev::Servers,
    failure::Failed,
    output, replay,
};
use ::ingest::{Directory, Intake, Limits};
use runner::{Metrics, Readiness, Service};
use sandbox::Scratch;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// Number of deliveries that wait for their response at once.
const IN_FLIGHT: usize = 2048;

pub(crate) async fn run(arguments: ReplayBench, output: Output) -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let servers = super::servers(&scratch, &arguments.load).await?;
    let measured = measure(&scratch, &servers, &arguments).await;
    servers.stop().await?;
    measured?.print(arguments.load.compare.as_deref(), output)
}

async fn measure(scratch: &Scratch, servers: &Servers, arguments: &ReplayBench) -> Result<Report, Failed> {
    let bus = runner::connect(&servers.bus).await?;
    bus.check().await?;
    bus.declare().await?;
    let service = Service {
        bus: bus.clone(),
        metrics: Metrics::new().map_err(runner::Failure::from)?,
        readiness: Readiness::default(),
        stop: CancellationToken::new(),
        replica: "bench".into(),
    };
    let limits = Limits::new(u32::MAX, u32::MAX);
    let intake = Intake::new(&service, Directory::new(servers.store.clone()), limits)?;
    output::progress("filling RAW");
    let mut deliveries = feed::products(&arguments.load)?;
    deliveries.extend(feed::levels(&arguments.load)?);
    let refused = feed::send(deliveries, &intake, 0, IN_FLIGHT).await;
    let machine = MachineBefore::look(scratch.path())?;
    output::progress("replaying");
    let (nats, postgres) = (servers.nats.pid(), servers.postgres.pid());
    let (before, began) = (CpuSeconds::now(nats, postgres), Instant::now());
    let replayed = replay::commit(&bus, &servers.store, &servers.store, true).await?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = CpuSeconds::now(nats, postgres).since(before);
    Ok(Report::of(Figures {
        bench: "replay",
        events: replayed.deliveries,
        seconds,
        rate: 0,
        refused,
        latencies: None,
        cpu,
        partitions: servers.bus.partitions.get(),
        pass_through_events_per_second: None,
        machine: machine.since(),
    }))
}
