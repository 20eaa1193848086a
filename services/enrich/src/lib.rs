//! Adds the store's locations to events and refuses events of connections that aren't set up.
//!
//! Connections and links of locations are looked up in batches and cached, and removed from the cache on a change
//! notice of the database. `apply` identifies products and variants in the store's own terms, from the record.

mod lookup;

use bus::Feed;
use model::{
    ConnectionId, Event, ExternalId, InventoryReport, Link, LinkKind, LinkedRef, LocationId, LocationRef,
    Payload, Position,
};
use runner::{Failure, Service};
use serde::Deserialize;
use stage::{Reject, RejectClass, Stage, Verdict};
use std::{collections::HashMap, sync::Arc};
use store::{Store, StoreConfig};

pub use lookup::Lookup;
pub use store::LinkKey;

/// The configuration of the service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The database.
    pub store: StoreConfig,
}

/// Enrich's data of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its present origin; an event of another origin is refused.
    pub origin: model::Origin,
    /// The location of levels that are reported without one.
    pub default_location: Option<LocationId>,
}

/// The data for deciding a batch.
#[derive(Debug, Default)]
pub struct PartitionState {
    /// The existing connections of the batch.
    pub connections: HashMap<ConnectionId, Arc<Known>>,
    /// The existing links of the batch.
    pub links: HashMap<LinkKey, Arc<str>>,
}

/// The stage: adds the store's locations, refuses events of connections that aren't set up. Events of a paused
/// connection are processed too: pausing stops calls, not the record.
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

/// The locations of the event that are linked to one of the store's. Products and variants aren't linked here: links
/// change, and only the record has the right ones when the event is decided.
fn locations(event: &Event, known: &Known, state: &PartitionState) -> Vec<Link> {
    let linked = |external: &ExternalId| {
        let key = location_key(event, external);
        let internal = (**state.links.get(&key)?).to_owned();
        Some(Link { of: LinkedRef::Location(LocationRef::Named(external.clone())), internal })
    };
    let default = || {
        let internal = known.default_location.as_ref()?.as_str().to_owned();
        Some(Link { of: LinkedRef::Location(LocationRef::Default), internal })
    };
    match &event.payload {
        Payload::Inventory(InventoryReport { location: None, .. }) => default().into_iter().collect(),
        _ => located(event).into_iter().filter_map(linked).collect(),
    }
}

/// The key of the link of a location in the event.
pub(crate) fn location_key(event: &Event, external: &ExternalId) -> LinkKey {
    LinkKey {
        connection: event.origin.connection.clone(),
        kind: LinkKind::Location,
        external: external.clone(),
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
        | Payload::Employee(_)
        | Payload::Promotion(_)
        | Payload::Activity { .. }
        | Payload::Account(_)
        | Payload::Instruction { .. }
        | Payload::Deleted { .. } => Vec::new(),
    }
}

/// Runs the service until it is stopped.
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
