//! Completes thin notifications by fetching what they speak of.
//!
//! It reads RAW beside normalize. The full objects go through the door into RAW like any delivery, with the
//! notification as their cause; so they are verified, counted, ordered and replayed like everything else.

mod lane;
mod notices;

use outlet::{Budgets, Client, Fetcher};
use platforms::{TopicKind, Validator};
use runner::{Alerts, Failure, Service};
use serde::Deserialize;
use stage::Fault;
use std::{collections::HashMap, sync::Arc};
use store::{Store, StoreConfig};

/// The name of the stage.
pub(crate) const STAGE: &str = "poll";

/// The configuration of the service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The database.
    pub store: StoreConfig,
}

/// Runs the service until it is asked to stop.
pub async fn run(service: Service, config: Config) -> Result<(), Failure> {
    let opened = runner::until_set_up(&service, STAGE, async || Store::open(&config.store).await).await?;
    let Some(store) = opened else { return Ok(()) };
    serve(service, store).await
}

/// Runs the service on an open database.
pub async fn serve(service: Service, store: Store) -> Result<(), Failure> {
    let client = Client::new().map_err(|error| Fault::new("the HTTP client", error))?;
    let fetcher = Fetcher::new(service.bus.clone(), client, Budgets::default());
    let alerts = Alerts::new(STAGE, &service.metrics, Some(&service.bus));
    let shared =
        Arc::new(lane::Shared { service: service.clone(), alerts, store, fetcher, schemas: schemas()? });
    runner::own_partitions(&service, STAGE, move |turn| {
        let shared = Arc::clone(&shared);
        async move { shared.run_lane(&turn).await }
    })
    .await
}

/// The schemas of the platforms that have thin topics.
fn schemas() -> Result<HashMap<&'static str, Validator>, Fault> {
    let thin = |platform: &&&dyn platforms::Platform| {
        platform.topics().iter().any(|topic| topic.kind == TopicKind::Thin)
    };
    let compile = |platform: &&'static dyn platforms::Platform| {
        let validator = Validator::of(*platform).map_err(|error| Fault::new("a valid schema", error))?;
        Ok((platform.name(), validator))
    };
    platforms::all().iter().filter(thin).map(compile).collect()
}
