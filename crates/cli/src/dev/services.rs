//! Runs all services in one process, each with its own connection to the broker.

use super::Servers;
use crate::failure::Failed;
use bus::{Bus, BusConfig, User};
use fetch::{Matching, ScheduledReads};
use outlet::CallsConfig;
use runner::{Failure, Metrics, Readiness, Service};
use std::{future::Future, time::Duration};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// Time limit for all services together to finish the work they have begun.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// The way in which normalize, dedupe and enrich run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Composition {
    /// In one pass, without the streams between them.
    OnePass,
    /// As three services.
    Apart,
}

impl Composition {
    pub(crate) const fn of(apart: bool) -> Self {
        if apart { Self::Apart } else { Self::OnePass }
    }
}

/// The running services.
pub(crate) struct Services {
    tasks: JoinSet<(&'static str, Result<(), Failure>)>,
    stop: CancellationToken,
    buses: Vec<Bus>,
}

impl Services {
    /// Checks the broker, makes the streams, and starts all services on `servers`, with the limits of `intake`, and with `reads` of
    /// lists.
    pub(crate) async fn start(
        servers: &Servers,
        metrics: Metrics,
        listener: TcpListener,
        intake: ingest::Config,
        composition: Composition,
        reads: ScheduledReads,
    ) -> Result<Self, Failed> {
        let first = runner::connect(&servers.bus).await?;
        first.check().await?;
        first.declare().await?;
        let services = Self { tasks: JoinSet::new(), stop: CancellationToken::new(), buses: vec![first] };
        let mut starting = Starting { services, servers, metrics };
        let store = &servers.store;
        let intake = ingest::Config {
            partner_credentials: Some(servers.credentials(&User::Intake)),
            calls: CallsConfig::simulated(),
            ..intake
        };
        let ingest_store = store.clone();
        starting.service("ingest", |service| ingest::serve(service, ingest_store, intake, listener)).await?;
        starting.stages(composition).await?;
        starting
            .service("apply", |service| apply::serve(service, store.clone(), apply::Config::default()))
            .await?;
        let calls = CallsConfig::simulated;
        starting.service("propagate", |service| propagate::serve(service, store.clone(), calls())).await?;
        starting
            .service("fetch", |service| {
                fetch::serve(service, store.clone(), calls(), reads, Matching::default())
            })
            .await?;
        Ok(starting.services)
    }

    /// Adds a service.
    pub(crate) async fn with<Run, Running>(
        self,
        name: &'static str,
        servers: &Servers,
        metrics: Metrics,
        run: Run,
    ) -> Result<Self, Failed>
    where
        Run: FnOnce(Service) -> Running,
        Running: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let mut starting = Starting { services: self, servers, metrics };
        starting.service(name, run).await?;
        Ok(starting.services)
    }

    /// Waits until a service ends without having been stopped.
    pub(crate) async fn first_failure(&mut self) -> Failed {
        match self.tasks.join_next().await {
            Some(Ok((name, Ok(())))) => Failed::Other(format!("{name} ended by itself")),
            Some(Ok((_, Err(failure)))) => failure.into(),
            Some(Err(error)) => Failed::Other(format!("a service broke: {error}")),
            None => std::future::pending().await,
        }
    }

    /// Stops all services and waits for them.
    pub(crate) async fn stop(mut self) -> Result<(), Failed> {
        self.stop.cancel();
        let all = async {
            let mut outcome = Ok(());
            while let Some(ended) = self.tasks.join_next().await {
                match ended {
                    Ok((_, Ok(()))) => {}
                    Ok((_, Err(failure))) => outcome = Err(failure.into()),
                    Err(error) => outcome = Err(Failed::Other(format!("a service broke: {error}"))),
                }
            }
            outcome
        };
        let outcome = tokio::time::timeout(STOP_TIMEOUT, all).await;
        for bus in self.buses {
            bus.drain().await.ok();
        }
        outcome.unwrap_or_else(|_| Err(Failed::Other("the services didn't stop in time".to_owned())))
    }
}

struct Starting<'a> {
    services: Services,
    servers: &'a Servers,
    metrics: Metrics,
}

impl Starting<'_> {
    /// Starts normalize, dedupe and enrich.
    async fn stages(&mut self, composition: Composition) -> Result<(), Failed> {
        let (store, dedupe) = (self.servers.store.clone(), dedupe::Config::default());
        if composition == Composition::OnePass {
            return self.service("transform", |service| transform::serve(service, store, dedupe)).await;
        }
        let normalize = normalize::Config::default();
        self.service("normalize", |service| normalize::run(service, normalize)).await?;
        self.service("dedupe", |service| dedupe::run(service, dedupe)).await?;
        self.service("enrich", |service| enrich::serve(service, store)).await
    }

    async fn service<Run, Running>(&mut self, name: &'static str, run: Run) -> Result<(), Failed>
    where
        Run: FnOnce(Service) -> Running,
        Running: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let user = User::of_service(name).ok_or_else(|| Failed::Other(format!("{name} has no user")))?;
        let config = BusConfig { name: format!("tillflow-{name}"), ..self.servers.bus_of(&user) };
        let bus = runner::connect(&config).await?;
        self.services.buses.push(bus.clone());
        let service = Service {
            bus,
            metrics: self.metrics.clone(),
            readiness: Readiness::default(),
            stop: self.services.stop.clone(),
            replica: runner::replica_name(),
        };
        let running = run(service);
        self.services.tasks.spawn(async move { (name, running.await) });
        Ok(())
    }
}
