//! Adds the store's locations to events and refuses those of connections that aren't set up.
//!
//! Connections and links of locations are looked up in batches and cached, and forgotten when the database says that
//! they changed. What products and variants are in the store's own terms is decided by `apply` with the record.

mod lookup;

use bus::Feed;
use model::{
    ConnectionId, DEFAULT_LOCATION, Event, ExternalId, InventoryReport, Link, LinkKind, LocationId, Payload,
    Position,
};
use runner::{Failure, Service};
use serde::Deserialize;
use stage::{Reject, RejectClass, Stage, Verdict};
use std::{collections::HashMap, sync::Arc};
use store::{LinkKey, Store, StoreConfig};

pub use lookup::Lookup;

/// The configuration of the service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The database.
    pub store: StoreConfig,
}

/// What enrich knows of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Whose it is now; an event that says otherwise is refused.
    pub origin: model::Origin,
    /// Where levels are that come without a location.
    pub default_location: Option<LocationId>,
}

/// What the decisions about a batch need.
#[derive(Debug, Default)]
pub struct PartitionState {
    /// The connections of the batch that there are.
    pub connections: HashMap<ConnectionId, Arc<Known>>,
    /// The links of the batch that there are.
    pub links: HashMap<LinkKey, Arc<str>>,
}

/// The stage: adds the store's locations, refuses what isn't set up. A paused connection is no exception: pausing stops
/// calls, not what is known.
pub struct Enrich;

impl Stage for Enrich {
    const NAME: &'static str = "enrich";
    type In = Event;
    type Out = Event;
    type PartitionState = PartitionState;

    fn decide(&self, _at: Position, mut event: Event, state: &mut PartitionState) -> Verdict<Event> {
        let connection = &event.origin.connection;
        let Some(known) = state.connections.get(connection) else {
            return Verdict::Reject(Reject::new(
                RejectClass::Config,
                format!("there is no connection {connection}"),
            ));
        };
        if known.origin != event.origin {
            let reason = format!("connection {connection} belongs to another tenant, store or platform");
            return Verdict::Reject(Reject::new(RejectClass::Config, reason));
        }
        event.links = locations(&event, known, state);
        Verdict::Emit(vec![event])
    }
}

/// The locations that the event is about, as far as they are linked to one of the store's. What products and variants
/// are in the store's own terms, only the record knows for sure when the event is decided: links change.
fn locations(event: &Event, known: &Known, state: &PartitionState) -> Vec<Link> {
    let linked = |external: &ExternalId| {
        let key = (event.origin.connection.clone(), LinkKind::Location, external.clone());
        let internal = (**state.links.get(&key)?).to_owned();
        Some(Link { kind: LinkKind::Location, external: external.clone(), internal })
    };
    let default = || {
        let (internal, external) =
            (known.default_location.as_ref()?, ExternalId::new(DEFAULT_LOCATION).ok()?);
        Some(Link { kind: LinkKind::Location, external, internal: internal.as_str().to_owned() })
    };
    match &event.payload {
        Payload::Inventory(InventoryReport { location: None, .. }) => default().into_iter().collect(),
        _ => located(event).into_iter().filter_map(linked).collect(),
    }
}

/// The platform's ids of the locations in the event.
pub(crate) fn located(event: &Event) -> Vec<&ExternalId> {
    match &event.payload {
        Payload::Inventory(report) => report.location.iter().collect(),
        Payload::Stocked(stocked) => stocked.locations.iter().collect(),
        Payload::Product(_)
        | Payload::Order(_)
        | Payload::Customer(_)
        | Payload::Account(_)
        | Payload::Instruction { .. }
        | Payload::Deleted { .. } => Vec::new(),
    }
}

/// Runs the service until it is asked to stop.
pub async fn run(service: Service, config: Config) -> Result<(), Failure> {
    let opened = runner::until_set_up(&service, "enrich", async || Store::open(&config.store).await).await?;
    let Some(store) = opened else { return Ok(()) };
    serve(service, store).await
}

/// Runs the service on an open database.
pub async fn serve(service: Service, store: Store) -> Result<(), Failure> {
    let lookup = Lookup::new(store);
    let watch = tokio::spawn(lookup.clone().forget_what_changes(service.stop.clone()));
    runner::run_stage(&service, Enrich, lookup, Feed::Unique, Feed::Enriched).await?;
    watch.abort();
    Ok(())
}

#[cfg(test)]
mod tests;
