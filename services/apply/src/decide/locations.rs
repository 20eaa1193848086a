//! Locations: matches a report's location to one of the store's, and links locations by hand.

use super::{Decision, View, Write, report::level_key};
use model::{Conflict, ConflictKind, Event, ExternalId, LevelKey, LevelMirror, LocationId, Mirror, Outcome};

/// The location of a report: as enrich linked it, or as it was linked since.
pub(super) fn of(event: &Event, external: Option<&ExternalId>, view: &View<'_>) -> Option<LocationId> {
    let since = || view.location_link(event, external?);
    event.location(external).and_then(|token| LocationId::new(token).ok()).or_else(since)
}

/// Decides a level at a location that isn't linked to one of the store's: opens one conflict for the location, not one
/// for each report.
pub(super) fn unlinked(event: &Event, external: Option<&ExternalId>, view: &View<'_>) -> Decision {
    let ignored = view.connection(event).is_some_and(|connection| {
        external.is_some_and(|external| connection.ignored_locations.contains(external))
    });
    if ignored {
        return Decision::of(Outcome::Filtered, "the connection ignores the location");
    }
    let mut decision = Decision::of(Outcome::Filtered, "the location isn't linked to one of the store's");
    decision.writes.push(Write::Conflict(Conflict {
        detail: "levels are reported there; link it to a location of the store, or ignore it".to_owned(),
        ..view.conflict(event, ConflictKind::UnlinkedLocation, subject(external))
    }));
    decision
}

fn subject(external: Option<&ExternalId>) -> String {
    external.map_or_else(|| "the connection has no default location".to_owned(), Conflict::about_location)
}

/// Ends the conflict about a location that is linked by now. Only the first report of an item there does so.
pub(super) fn linked_again(event: &Event, external: &ExternalId, view: &View<'_>) -> Option<Write> {
    let location = of(event, Some(external), view)?;
    let is_first = match &event.payload {
        model::Payload::Inventory(report) => {
            !view.facts.mirrors.levels.contains_key(&level_key(event, &report.item, location))
        }
        _ => false,
    };
    is_first.then(|| {
        Write::ConflictEnd(view.conflict_end(event, ConflictKind::UnlinkedLocation, subject(Some(external))))
    })
}

/// Links a platform's location by hand. Earlier reports of levels there were not stored, so the platform is read for
/// each of its items.
pub(super) fn link(event: &Event, external: &ExternalId, to: &LocationId, view: &View<'_>) -> Decision {
    let connection = &event.origin.connection;
    let is_of_store = view.facts.locations.get(&event.origin.store).is_some_and(|of| of.contains(to));
    let mut own = view.facts.links.locations.iter().filter(|((by, _), _)| by == connection);
    let known = view.location_link(event, external);
    let refusal = match known {
        _ if !is_of_store => Some("the store has no such location"),
        Some(known) if known != *to => Some("the platform's location is linked to another one"),
        None if own.any(|(_, linked)| linked == to) => {
            Some("another location of the platform is linked to this one")
        }
        Some(_) | None => None,
    };
    if let Some(refusal) = refusal {
        return Decision::of(Outcome::Unchanged, refusal);
    }
    let end = view.conflict_end(event, ConflictKind::UnlinkedLocation, subject(Some(external)));
    if view.location_link(event, external).is_some() {
        let writes = vec![Write::ConflictEnd(end)];
        return Decision {
            writes,
            ..Decision::of(Outcome::Unchanged, "the location is linked to it already")
        };
    }
    let mut decision = Decision::of(Outcome::Applied, "linked by hand");
    decision.writes.push(Write::LocationLink(external.clone(), to.clone()));
    decision.writes.push(Write::ConflictEnd(end));
    for key in levels_at(event, to, view) {
        if !view.facts.mirrors.levels.contains_key(&key) {
            let mirror = LevelMirror::to_be_read(view.item_link(event, &key.item), event.received_at);
            decision.writes.push(Write::Mirror(Mirror::Level(key, mirror)));
        }
    }
    decision
}

/// The keys of the mirrors of the connection's items at a location of the store.
pub(super) fn levels_at(event: &Event, location: &LocationId, view: &View<'_>) -> Vec<LevelKey> {
    let items = view.facts.links.items.keys().filter(|(by, _)| *by == event.origin.connection);
    items.map(|(_, item)| level_key(event, item, location.clone())).collect()
}
