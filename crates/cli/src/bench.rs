//! Measurements, on temporary servers in a temporary folder.

mod arrivals;
mod changes;
mod cpu;
mod day;
mod feed;
mod http;
mod ingest;
mod latencies;
mod load_thread;
mod machine;
mod numbering;
mod passthrough;
mod pipeline;
mod propagate;
mod replay;
mod report;
mod shops;
mod sync;
mod watch;

use crate::{
    cli::{Bench, Benched, LatencyBench, Load, Output, PipelineBench},
    dev::Servers,
    failure::Failed,
    output,
};
use ::ingest::{Directory, Intake, Limits};
use runner::{Metrics, Readiness, Service};
use sandbox::Scratch;
use tokio_util::sync::CancellationToken;

/// Upper limit of deliveries that wait for their response at once, at a rate that the pipeline sustains.
const IN_FLIGHT_MAX: u32 = 4096;
/// Upper limit of connections that send over HTTP.
const CONNECTIONS_MAX: u32 = 256;

pub(crate) async fn run(arguments: Bench, output: Output) -> Result<(), Failed> {
    match arguments.what {
        Benched::Pipeline(arguments) => Box::pin(pipeline::run(arguments, output)).await,
        Benched::Latency(arguments) => {
            let LatencyBench { load, rate, http, apart } = arguments;
            let in_flight = IN_FLIGHT_MAX;
            Box::pin(pipeline::run(PipelineBench { load, rate, in_flight, http, apart }, output)).await
        }
        Benched::Propagate(arguments) => Box::pin(propagate::run(arguments, output)).await,
        Benched::Sync(arguments) => sync::run(arguments, output).await,
        Benched::Ingest(arguments) => ingest::run(arguments, output).await,
        Benched::Replay(arguments) => replay::run(arguments, output).await,
    }
}

/// Starts servers with the stores of a load.
async fn servers(scratch: &Scratch, load: &Load) -> Result<Servers, Failed> {
    output::progress("starting a broker and a database of its own");
    let mut servers = Servers::start_on_slow_disk(scratch.path(), load.sync_delay()).await?;
    if let Some(partitions) = load.partitions {
        servers.bus.partitions = partitions;
    }
    feed::provision(&servers.store, load).await?;
    Ok(servers)
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
    let limits = Limits::new(u32::MAX, u32::MAX);
    Ok(Intake::new(&service, Directory::new(servers.store.clone()), limits)?)
}

/// Fails if deliveries were refused: the record would lack them.
fn none_refused(refused: u64) -> Result<(), Failed> {
    match refused {
        0 => Ok(()),
        refused => Err(Failed::Other(format!("{refused} deliveries were refused: a lower rate is needed"))),
    }
}

/// Converts a count for calculating rates, shares and times.
#[expect(clippy::cast_precision_loss, reason = "figures need no more digits")]
const fn figure(count: usize) -> f64 {
    count as f64
}
