//! Says what an event is about in the store's own terms.
//!
//! Connections and links are looked up in batches and cached; links never change once made, and what can change is
//! forgotten when the database tells so. Locations are set up by people, so an unknown one is a dead letter that says
//! what to link; items and products are linked by `apply`, which fills in what isn't known here yet.

mod lookup;

use bus::Feed;
use model::{
    ConnectionId, DEFAULT_LOCATION, Event, ExternalId, Link, LinkKind, LocationId, Payload, Position,
    record::LinkKey,
};
use runner::{Failure, Service};
use serde::Deserialize;
use stage::{Reject, RejectClass, Skip, Stage, Verdict};
use std::{collections::HashMap, sync::Arc};
use store::{Store, StoreConfig};

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
    /// Whether it takes part.
    pub enabled: bool,
    /// Where levels are that come without a location.
    pub default_location: Option<LocationId>,
}

/// What the decisions about a batch need.
#[derive(Debug, Default)]
pub struct Lane {
    /// The connections of the batch that there are.
    pub connections: HashMap<ConnectionId, Arc<Known>>,
    /// The links of the batch that there are.
    pub links: HashMap<LinkKey, Arc<str>>,
}

/// The stage: adds links, drops what is switched off, refuses what isn't set up.
pub struct Enrich;

impl Stage for Enrich {
    const NAME: &'static str = "enrich";
    type In = Event;
    type Out = Event;
    type Lane = Lane;

    fn decide(&self, _at: Position, mut event: Event, lane: &mut Lane) -> Verdict<Event> {
        let connection = &event.origin.connection;
        let Some(known) = lane.connections.get(connection) else {
            return Verdict::Reject(Reject::new(
                RejectClass::Config,
                format!("there is no connection {connection}"),
            ));
        };
        if known.origin != event.origin {
            let reason = format!("connection {connection} belongs to another tenant, store or platform");
            return Verdict::Reject(Reject::new(RejectClass::Config, reason));
        }
        if !known.enabled {
            return Verdict::Skip(Skip::Disabled);
        }
        let place = match place(&event, known, lane) {
            Ok(place) => place,
            Err(reject) => return Verdict::Reject(reject),
        };
        let found = |(kind, external): (LinkKind, ExternalId)| {
            let internal = lane.links.get(&(connection.clone(), kind, external.clone()))?;
            Some(Link { kind, external, internal: (**internal).to_owned() })
        };
        let links: Vec<Link> =
            place.into_iter().chain(wanted(&event).into_iter().filter_map(found)).collect();
        event.links = links;
        Verdict::Emit(vec![event])
    }
}

/// The location that a level is at.
fn place(event: &Event, known: &Known, lane: &Lane) -> Result<Option<Link>, Reject> {
    let Payload::Inventory(report) = &event.payload else { return Ok(None) };
    let connection = &event.origin.connection;
    let link = |external: &ExternalId, internal: &str| {
        Some(Link { kind: LinkKind::Location, external: external.clone(), internal: internal.to_owned() })
    };
    match &report.location {
        Some(external) => match lane.links.get(&(connection.clone(), LinkKind::Location, external.clone())) {
            Some(internal) => Ok(link(external, internal)),
            None => Err(Reject::new(
                RejectClass::Config,
                format!(
                    "location {external} of connection {connection} isn't linked to a location of the store"
                ),
            )),
        },
        None => match (&known.default_location, ExternalId::new(DEFAULT_LOCATION)) {
            (Some(internal), Ok(external)) => Ok(link(&external, internal.as_str())),
            (None, _) | (_, Err(_)) => Err(Reject::new(
                RejectClass::Config,
                format!("connection {connection} has no default location, and the platform names none"),
            )),
        },
    }
}

/// The platform's ids in the event, the location's aside.
pub(crate) fn wanted(event: &Event) -> Vec<(LinkKind, ExternalId)> {
    match &event.payload {
        Payload::Inventory(report) => vec![(LinkKind::Item, report.item.clone())],
        Payload::Product(product) => {
            let mut wanted = vec![(LinkKind::Product, product.external.clone())];
            for variant in &product.variants {
                wanted.push((LinkKind::Variant, variant.external.clone()));
                wanted.extend(variant.item.iter().map(|item| (LinkKind::Item, item.clone())));
            }
            wanted
        }
        Payload::Deleted { entity: model::EntityKind::Product, external } => {
            vec![(LinkKind::Product, external.clone())]
        }
        Payload::Order(_)
        | Payload::Customer(_)
        | Payload::Stocked(_)
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
