//! The process around a service: configuration, telemetry, signals, health and the exit code.

use crate::{
    AdminServer, COMMIT, Config, ConfigError, Metrics, Readiness, VERSION, arguments::Arguments,
    config::keys, ours, telemetry,
};
use bus::{Bus, BusError};
use model::Timestamp;
use serde::de::DeserializeOwned;
use stage::Fault;
use std::{future::Future, process::ExitCode, sync::Arc, time::Duration};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Time limit of a service for finishing its work after it was asked to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// The context of a running service; cheap to clone.
#[derive(Clone)]
pub struct Service {
    /// The broker.
    pub bus: Bus,
    /// The metrics of the process.
    pub metrics: Metrics,
    /// Readiness of the process: set once everything that the service needs is open, by
    /// [`crate::own_partitions`] for stages.
    pub readiness: Readiness,
    /// Cancelled when the service has to stop.
    pub stop: CancellationToken,
    /// The unique name of this replica.
    pub replica: Arc<str>,
}

/// Cause of the end of a service that wasn't asked to stop.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The broker isn't available or not set up as required.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// Something else that the service needs isn't available.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A metric that can't be registered: a bug in this repository.
    #[error("metrics can't be registered")]
    Metrics(#[from] prometheus::Error),
    /// An I/O error, such as an address that is in use.
    #[error("{what}")]
    Io {
        /// The operation that failed.
        what: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The system grants fewer descriptors than the limits of connections may need.
    #[error(
        "{needed} file descriptors may be needed and the system grants {granted}: raise the limit (`ulimit -Hn`, \
         `LimitNOFILE=`) or lower `connections_max`"
    )]
    Descriptors {
        /// The number needed for connections and everything else.
        needed: u64,
        /// The hard limit (`RLIMIT_NOFILE`).
        granted: u64,
    },
    /// The service was asked to stop and didn't within its time limit.
    #[error("not done within {} s of being asked to stop", DRAIN_TIMEOUT.as_secs())]
    NotDrained,
}

/// Returns the present time. The only clock of the services; decisions get the time as a value.
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Returns a name for this replica: the host's, which is the pod's in Kubernetes, and 64 random bits. Ids of batches
/// begin with it, so no two processes may ever share one.
pub fn replica_name() -> Arc<str> {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host: String =
        host.trim().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(40).collect();
    format!("{host}-{:016x}", rand::random::<u64>()).into()
}

/// Runs the service `name`: reads its arguments and configuration, opens the bus, serves health and metrics, calls `run`,
/// and stops on the first SIGTERM or SIGINT. Returns exit code 0 only for a clean stop; 2 for arguments or a
/// configuration that can't be used. `about` is the description in its `--help`.
pub fn main<Own, Run, Running>(name: &'static str, about: &'static str, run: Run) -> ExitCode
where
    Own: DeserializeOwned + Default + Send + 'static,
    Run: FnOnce(Service, Own) -> Running,
    Running: Future<Output = Result<(), Failure>>,
{
    let arguments = match Arguments::read(name, about, &keys::<Config<Own>>()) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    let outcome = runtime.block_on(async {
        let mut config =
            Config::<Own>::load().inspect_err(|_| telemetry::start(&crate::LogConfig::default()))?;
        config.bus.allow_unsafe |= arguments.allow_unsafe;
        telemetry::start(&config.log);
        serve(name, config, run).await
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tracing::error!(service = name, error = chain(&failure), "stopped");
            if matches!(failure, Failure::Config(_)) { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// Returns an error's text with its causes, which the JSON format leaves out. A cause that is already part of the text,
/// as in some libraries' errors, isn't repeated.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let said = source.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = source.source();
    }
    text
}

async fn serve<Own, Run, Running>(name: &'static str, config: Config<Own>, run: Run) -> Result<(), Failure>
where
    Run: FnOnce(Service, Own) -> Running,
    Running: Future<Output = Result<(), Failure>>,
{
    let stop = stop_on_signal()?;
    let metrics = Metrics::new()?;
    let readiness = Readiness::default();
    let listen = config.admin.listen;
    let admin = AdminServer::bind(listen)
        .await
        .map_err(|source| Failure::Io { what: format!("can't listen on {listen} for metrics"), source })?;
    tracing::info!(service = name, version = VERSION, commit = COMMIT, admin = %admin.address(), "starting");
    let admin_stop = CancellationToken::new();
    let admin = tokio::spawn(admin.serve(metrics.clone(), readiness.clone(), admin_stop.clone()));

    let opening = ours::open(config.bus, name);
    let bus = tokio::select! {
        bus = opening => bus?,
        () = stop.cancelled() => return Ok(()),
    };
    let service =
        Service { bus, metrics, readiness: readiness.clone(), stop: stop.clone(), replica: replica_name() };
    let outcome = drained(run(service, config.service), &stop, &readiness).await;
    admin_stop.cancel();
    if admin.await.is_err() {
        tracing::warn!(service = name, "the server of metrics had ended before");
    }
    outcome
}

async fn drained(
    running: impl Future<Output = Result<(), Failure>>,
    stop: &CancellationToken,
    readiness: &Readiness,
) -> Result<(), Failure> {
    tokio::pin!(running);
    tokio::select! {
        outcome = &mut running => return outcome,
        () = stop.cancelled() => readiness.set(false),
    }
    tokio::time::timeout(DRAIN_TIMEOUT, running).await.unwrap_or(Err(Failure::NotDrained))
}

fn stop_on_signal() -> Result<CancellationToken, Failure> {
    let io = |source| Failure::Io { what: "can't wait for signals".to_owned(), source };
    let mut terminate = signal(SignalKind::terminate()).map_err(io)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(io)?;
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to stop");
        token.cancel();
    });
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn a_chain_says_each_cause_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("{said}")]
        struct Reported {
            said: &'static str,
            source: io::Error,
        }
        let refused = || io::Error::other("connection refused");
        let quiet = Reported { said: "the database is not available", source: refused() };
        assert_eq!(chain(&quiet), "the database is not available: connection refused");
        let quoting = Reported { said: "no response: connection refused", source: refused() };
        assert_eq!(chain(&quoting), "no response: connection refused");
        let fault = Fault::transient(
            "the database",
            Reported { said: "the database is not available", source: refused() },
        );
        assert_eq!(chain(&fault), "the database is not available: connection refused");
    }
}
