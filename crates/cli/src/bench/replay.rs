//! Measures a replay of RAW into an empty database.

use super::{cpu::CpuSeconds, feed, figure};
use crate::{
    cli::{Output, ReplayBench},
    dev::Servers,
    failure::Failed,
    output, replay,
};
use ::ingest::{Directory, Intake, Limits};
use runner::{Metrics, Readiness, Service};
use sandbox::Scratch;
use serde_json::json;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// Number of deliveries that wait for their response at once.
const IN_FLIGHT: usize = 4096;

pub(crate) async fn run(arguments: ReplayBench, output: Output) -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    let servers = super::servers(&scratch, &arguments.load).await?;
    let measured = measure(&servers, &arguments).await;
    servers.stop().await?;
    let (deliveries, seconds, cpu) = measured?;
    let deliveries = figure(usize::try_from(deliveries).unwrap_or(usize::MAX));
    let per_second = deliveries / seconds;
    let each = |seconds: f64| seconds * 1e6 / deliveries;
    match output {
        Output::Text => format!(
            "{deliveries} deliveries of RAW into an empty database: {per_second:.0} events/s in {seconds:.1} s\n  \
             CPU per event: {:.0} µs = ours {:.0} + broker {:.0} + database {:.0}",
            each(cpu.total()),
            each(cpu.ours),
            each(cpu.broker),
            each(cpu.database)
        )
        .lines()
        .for_each(output::line),
        Output::Json => output::json(&json!({
            "events": deliveries, "seconds": seconds, "events_per_second": per_second,
            "cpu_us_per_event": {
                "ours": each(cpu.ours), "broker": each(cpu.broker), "database": each(cpu.database),
                "total": each(cpu.total()),
            },
        })),
    }
    Ok(())
}

async fn measure(servers: &Servers, arguments: &ReplayBench) -> Result<(u64, f64, CpuSeconds), Failed> {
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
    feed::send(deliveries, &intake, 0, IN_FLIGHT).await;
    output::progress("replaying");
    let (nats, postgres) = (servers.nats.pid(), servers.postgres.pid());
    let (before, began) = (CpuSeconds::now(nats, postgres), Instant::now());
    let replayed = replay::commit(&bus, &servers.store, &servers.store, true).await?;
    Ok((replayed.deliveries, began.elapsed().as_secs_f64(), CpuSeconds::now(nats, postgres).since(before)))
}
