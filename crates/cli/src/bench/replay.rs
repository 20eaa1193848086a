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
use ::ingest::WAITING_MAX;
use sandbox::Scratch;
use std::time::Instant;

const BENCH: &str = "replay";

pub(crate) async fn run(arguments: ReplayBench, output: Output) -> Result<(), Failed> {
    let earlier = Report::earlier(BENCH, &arguments.load)?;
    let scratch = Scratch::new()?;
    let servers = super::servers(&scratch, &arguments.load).await?;
    let measured = measure(&scratch, &servers, &arguments).await;
    servers.stop().await?;
    measured?.print(earlier.as_ref(), output)
}

async fn measure(scratch: &Scratch, servers: &Servers, arguments: &ReplayBench) -> Result<Report, Failed> {
    let bus = runner::connect(&servers.bus).await?;
    bus.check().await?;
    bus.declare().await?;
    let intake = super::intake(servers).await?;
    output::progress("filling RAW");
    let mut deliveries = feed::products(&arguments.load)?;
    deliveries.extend(feed::levels(&arguments.load)?);
    let refused = feed::send(deliveries, &intake, 0, WAITING_MAX).await;
    let machine = MachineBefore::look(scratch.path(), arguments.load.sync_delay_ms)?;
    output::progress("replaying");
    let (nats, postgres) = (servers.nats.pid(), servers.postgres.pid());
    let (before, began) = (CpuSeconds::now(nats, postgres), Instant::now());
    let replayed = replay::commit(&bus, &servers.store, &servers.store, true).await?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = CpuSeconds::now(nats, postgres).since(before);
    let machine = machine.since();
    let figures = Figures {
        refused,
        ..Figures::of(BENCH, replayed.deliveries, seconds, servers.bus.partitions, machine)
    };
    Ok(Report::of(figures, cpu))
}
