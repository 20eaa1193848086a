//! Runs normalize, dedupe and enrich in one pass, from RAW to ENRICHED.
//!
//! It replaces the three services where none of them has to be scaled alone. The decisions are theirs; only NORMALIZED
//! and UNIQUE are left out. It owns partitions under the name of enrich: both append to ENRICHED, so an installation
//! moves from one to the other while both run (`docs/runbooks/transform.md`).

use bus::Feed;
use dedupe::{Dedupe, Memory};
use enrich::{Enrich, Lookup};
use model::Event;
use normalize::{Normalize, Nothing};
use runner::{Chained, Failure, Service, Single};
use serde::Deserialize;
use store::{Store, StoreConfig};

/// The name under which partitions are owned.
const STAGE: &str = "enrich";

/// The configuration of the service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The configuration of dedupe.
    pub dedupe: dedupe::Config,
    /// The database.
    pub store: StoreConfig,
}

/// Runs the service until it is stopped.
pub async fn run(service: Service, config: Config) -> Result<(), Failure> {
    let Config { dedupe, store } = config;
    let opened = runner::until_set_up(&service, STAGE, async || Store::open(&store).await).await?;
    let Some(store) = opened else { return Ok(()) };
    serve(service, store, dedupe).await
}

/// Runs the service on an open database.
pub async fn serve(service: Service, store: Store, dedupe: dedupe::Config) -> Result<(), Failure> {
    let lookup = Lookup::new(store);
    let watch = tokio::spawn(lookup.clone().forget_what_changes(service.stop.clone()));
    let memory = Memory::new(&service, STAGE, dedupe);
    let enrich = Single::new(Enrich, lookup);
    let dedupe = Chained::new(Dedupe::<Event>::default(), memory, enrich);
    let all = Chained::new(Normalize::new()?, Nothing, dedupe);
    runner::run_pass(&service, all, Feed::Raw, Feed::Enriched).await?;
    watch.abort();
    Ok(())
}
