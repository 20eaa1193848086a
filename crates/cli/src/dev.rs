//! Runs everything on this machine, in one process except for the broker and the database.

mod api;
mod demo;
pub(crate) mod provision;
mod services;

use crate::{
    cli::{Dev, Output},
    environment::{Running, RunningConnection, USERS_FOLDER, as_user, dev_store_config, write_secret},
    failure::Failed,
    output, port,
};
use bus::{Bus, BusConfig, Credentials, Keyring, User, seed_file};
use fetch::ScheduledReads;
use model::PartitionCount;
use runner::{AdminServer, LogConfig, LogFormat, Metrics, Readiness};
use sandbox::{Nats, NatsOptions, Postgres, PostgresOptions};
use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};
use store::Store;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

pub(crate) use services::{Composition, Services};

/// Upper limit of requests a minute per connection: development and demos are not limited.
const REQUESTS_PER_MINUTE: u32 = 10_000_000;
/// Interval between checks of the keys of the broker's users.
const USERS_LOOKED_AT_EVERY: Duration = Duration::from_secs(1);

/// A broker and a database of one's own, with tables and streams.
pub(crate) struct Servers {
    pub(crate) nats: Nats,
    pub(crate) postgres: Postgres,
    /// The broker's configuration, as its administrator.
    pub(crate) bus: BusConfig,
    /// The folder of the keys of the broker's users.
    pub(crate) users: PathBuf,
    pub(crate) store: Store,
}

impl Servers {
    /// Starts both in `dir` and brings the tables up to date.
    pub(crate) async fn start(dir: &Path) -> Result<Self, Failed> {
        Self::start_on_slow_disk(dir, None).await
    }

    /// The same, with each sync to disk prolonged by `sync_delay`.
    pub(crate) async fn start_on_slow_disk(dir: &Path, sync_delay: Option<Duration>) -> Result<Self, Failed> {
        sandbox::own_folder(dir)?;
        let users = dir.join(USERS_FOLDER);
        let authorization = dev_users(&users)?;
        let authorization = Some(authorization);
        let nats = NatsOptions { authorization, sync_delay, ..NatsOptions::new(dir.join("nats")) };
        let postgres = PostgresOptions { sync_delay, ..PostgresOptions::new(dir.join("postgres")) };
        let (nats, postgres) = tokio::try_join!(Nats::start(nats), Postgres::start(postgres))?;
        let bus = BusConfig {
            servers: vec![nats.url()],
            monitoring_url: Some(nats.monitoring_url()),
            ..BusConfig::default()
        };
        let mut bus = as_user(bus, &users, &User::Administrator);
        let installed = Bus::installed_partitions(&bus).await?;
        bus.partitions = installed.unwrap_or_else(|| PartitionCount::for_cores(cores()));
        let store_config = dev_store_config(dir, &postgres.url())?;
        let store = Store::connect(&store_config, store_config.vault()?).await?;
        store.migrate().await?;
        store.maintain().await?;
        Ok(Self { nats, postgres, bus, users, store })
    }

    /// The broker's configuration, as that user.
    pub(crate) fn bus_of(&self, user: &User) -> BusConfig {
        let anybody = BusConfig { inbox_prefix: None, ..self.bus.clone() };
        as_user(anybody, &self.users, user)
    }

    /// The location of a user's seed.
    pub(crate) fn credentials(&self, user: &User) -> Credentials {
        Credentials::Seed { seed_file: seed_file(&self.users, &user.name()) }
    }

    /// Reloads the broker's users whenever `tillflow nats-auth` has written them; ends only on a failure.
    async fn follow_users(&self) -> Failed {
        let block = || Ok::<_, Failed>(Keyring::open(&self.users)?.authorization(&BusConfig::default())?);
        let mut known = None;
        loop {
            let found = match block() {
                Ok(found) => found,
                Err(failed) => return failed,
            };
            if known.as_ref().is_some_and(|known| *known != found)
                && let Err(error) = self.nats.reload(found.clone()).await
            {
                return error.into();
            }
            known = Some(found);
            tokio::time::sleep(USERS_LOOKED_AT_EVERY).await;
        }
    }

    /// Stops both in order.
    pub(crate) async fn stop(self) -> Result<(), Failed> {
        self.store.close().await;
        let (postgres, nats) = tokio::join!(self.postgres.stop(), self.nats.stop());
        postgres?;
        Ok(nats?)
    }
}

/// The number of cores of this machine.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Creates the users of a dev environment's broker at its first start; returns them in the form of the
/// server's configuration.
pub(crate) fn dev_users(folder: &Path) -> Result<serde_json::Value, Failed> {
    let mut keyring = Keyring::open(folder)?;
    keyring.add_ours()?;
    let config = BusConfig::default();
    keyring.save(folder, &config)?;
    Ok(keyring.authorization(&config)?)
}

pub(crate) async fn run(arguments: Dev, output: Output) -> Result<(), Failed> {
    let filter = std::env::var("TILLFLOW_LOG").unwrap_or_else(|_| "warn,sqlx=error".to_owned());
    runner::start_logging(&LogConfig { format: LogFormat::Text, filter });
    let mut stop_signals = StopSignals::new()?;
    let servers = tokio::select! {
        servers = Servers::start(&arguments.dir) => servers?,
        () = stop_signals.wait() => return Ok(()),
    };
    let outcome = with_servers(&arguments, output, &servers, &mut stop_signals).await;
    std::fs::remove_file(Running::file(&arguments.dir)).ok();
    output::progress("stopping the database and the broker");
    servers.stop().await?;
    outcome
}

async fn with_servers(
    arguments: &Dev,
    output: Output,
    servers: &Servers,
    stop_signals: &mut StopSignals,
) -> Result<(), Failed> {
    let listener = ingest::listen(arguments.listen)
        .map_err(|failed| port::unavailable(arguments.listen, "--listen", failed.into()))?;
    let address = listener.local_addr().map_err(|error| Failed::io("no address for webhooks", error))?;
    let ingest_url = format!("http://{address}");
    let admin = AdminServer::bind(arguments.admin_listen).await.map_err(|error| {
        let failed = Failed::io(format!("can't listen on {} for metrics", arguments.admin_listen), error);
        port::unavailable(arguments.admin_listen, "--admin-listen", failed)
    })?;
    let api_listener = api::listen(arguments.api_listen).await?;
    let metrics_url = format!("http://{}/metrics", admin.address());

    let metrics = Metrics::new().map_err(runner::Failure::from)?;
    let readiness = Readiness::default();
    let stop = CancellationToken::new();
    let admin = tokio::spawn(admin.serve(metrics.clone(), readiness.clone(), stop.clone()));
    let intake = ingest::Config { requests_per_minute: REQUESTS_PER_MINUTE, ..ingest::Config::default() };
    let composition = Composition::of(arguments.apart);
    let reads = ScheduledReads::default();
    let services = Services::start(servers, metrics.clone(), listener, intake, composition, reads).await?;
    let (mut services, api) =
        api::start(services, servers, metrics, api_listener, &ingest_url, &arguments.dir).await?;

    let demo =
        if arguments.demo { Some(demo::Demo::start(&servers.store, &ingest_url).await?) } else { None };
    let connections = match &demo {
        Some(demo) => demo.connections(),
        None => provision::examples(&servers.store, &ingest_url).await?,
    };
    let running = Running {
        nats_url: servers.nats.url(),
        partitions: servers.bus.partitions,
        postgres_url: servers.postgres.url(),
        ingest_url,
        metrics_url,
        api_url: api.url,
        api_key: api.key,
        connections,
        simulators: demo.as_ref().map(demo::Demo::simulators).unwrap_or_default(),
        nats_monitoring_url: servers.nats.monitoring_url(),
        nats_users: servers.users.clone(),
    };
    let text = serde_json::to_vec(&running).map_err(|error| Failed::Other(error.to_string()))?;
    write_secret(&Running::file(&arguments.dir), &text)?;
    readiness.set(true);
    say_ready(&running, arguments, output);

    let traffic = demo.as_ref().map(|demo| demo.live(arguments.traffic_per_minute));
    let outcome = tokio::select! {
        () = stop_signals.wait() => Ok(()),
        failed = services.first_failure() => Err(failed),
        failed = servers.follow_users() => Err(failed),
    };
    readiness.set(false);
    output::progress("");
    output::progress("stopping: what was accepted is finished first");
    if let Some(traffic) = traffic {
        traffic.stop().await;
    }
    if let Some(demo) = demo {
        demo.stop().await;
    }
    let stopped = services.stop().await;
    stop.cancel();
    admin.await.ok();
    outcome.and(stopped)
}

fn say_ready(running: &Running, arguments: &Dev, output: Output) {
    if output == Output::Json {
        return output::json(&serde_json::json!(running));
    }
    let RunningConnection { id, platform, store, .. } = &running.connections[0];
    output::lines(
        "Tillflow is running: ingest, normalize, dedupe, enrich, apply, propagate, fetch and gateway.\n",
    );
    output::line(&format!("  webhooks   {}/webhook/{{platform}}/{{connection}}", running.ingest_url));
    output::line(&format!("  API        {0}, described by {0}/openapi.json", running.api_url));
    output::line(&format!("  API key    {}", running.api_key));
    output::line(&format!("  metrics    {}", running.metrics_url));
    output::line(&format!("  broker     {}, users in {}", running.nats_url, running.nats_users.display()));
    output::line(&format!("  database   {}", without_password(&running.postgres_url)));
    for connection in &running.connections {
        output::line(&format!(
            "  connection {} ({}, store {})",
            connection.id, connection.platform, connection.store
        ));
    }
    for simulator in &running.simulators {
        output::line(&format!("  simulator  {} at {}", simulator.platform, simulator.url));
    }
    let dir = if arguments.dir == Path::new(".tillflow") {
        String::new()
    } else {
        format!(" --dir {}", arguments.dir.display())
    };
    output::lines("\nIn another terminal:");
    output::line(&format!("  tillflow tail --store {store}{dir}         what is committed, as it happens"));
    output::line(&format!(
        "  tillflow show store {store}{dir}           levels, and what each platform has of them"
    ));
    output::line(&format!("  tillflow events --store {store}{dir}       how each event ended"));
    if let Some(topic) = crate::trigger::first_topic(platform) {
        output::line(&format!("  tillflow trigger {platform} {topic} --connection {id} --dup 3{dir}"));
    }
    output::lines("\nCtrl-C stops everything.");
}

/// A database's URL without its password; the full one is in the environment's own file.
fn without_password(url: &str) -> String {
    let shown = url.split_once("://").and_then(|(scheme, rest)| {
        let (user, host) = rest.rsplit_once('@')?;
        Some(format!("{scheme}://{}@{host}", user.split(':').next().unwrap_or_default()))
    });
    shown.unwrap_or_else(|| url.to_owned())
}

struct StopSignals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl StopSignals {
    fn new() -> Result<Self, Failed> {
        let io = |error| Failed::io("can't wait for signals", error);
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(io)?,
            interrupt: signal(SignalKind::interrupt()).map_err(io)?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
