//! Levels: a platform's absolute level is read as a movement against what it held.
//!
//! Two platforms that each sell one of ten both report nine; the truth is eight. So what counts is by how much a
//! report differs from what that platform last held: what it last told, or what we wrote and it took.

use super::{
    Decision, Write, is_stale, link,
    told::{self, Standing},
};
use model::{
    DEFAULT_LOCATION, Event, ExternalId, InventoryReport, LinkKind, LocationId, Mirror, MirrorKey,
    MirrorKind, MirrorValue, Observation, Outcome, Quantity, SendState, VariantId,
    record::{Effect, Facts, MovementReason},
};
use stage::{Reject, RejectClass};

/// The location that a report is about, as enrich linked it.
pub(super) fn location(event: &Event, report: &InventoryReport) -> Option<LocationId> {
    let linked = match &report.location {
        Some(external) => event.link(LinkKind::Location, external),
        None => ExternalId::new(DEFAULT_LOCATION)
            .ok()
            .and_then(|default| event.link(LinkKind::Location, &default)),
    };
    linked.and_then(|token| LocationId::new(token).ok())
}

pub(super) fn key(event: &Event, item: &ExternalId, place: LocationId) -> MirrorKey {
    MirrorKey {
        connection: event.origin.connection.clone(),
        kind: MirrorKind::Inventory,
        external: item.clone(),
        place: Some(place),
    }
}

fn quantity(value: Option<&MirrorValue>) -> Option<Quantity> {
    match value {
        Some(MirrorValue::Quantity(quantity)) => Some(*quantity),
        Some(MirrorValue::Price(_) | MirrorValue::Text(_)) | None => None,
    }
}

/// How a report stands to the last write of ours.
enum Reading {
    /// It is that write, come back; the write is then in this state.
    Echo(SendState),
    /// The write is under way and it is something else: whose change came first is not known yet.
    Unsure,
    /// It has nothing to do with a write, which is then in this state.
    Own(SendState),
    /// Otherwise than what is known, and of the same version: either may be the later.
    Either,
}

fn reading(event: &Event, known: Option<&Mirror>, told: &MirrorValue) -> Reading {
    let own = |state| match told::standing(event, known, told) {
        Standing::Unsure => Reading::Either,
        Standing::Old | Standing::Echo | Standing::News => Reading::Own(state),
    };
    let Some((known, sent)) = known.and_then(|known| Some((known, known.sent.as_ref()?))) else {
        return own(SendState::Settled);
    };
    let differs = known.held.as_ref() != Some(told);
    match sent.state {
        SendState::Pending if sent.value == *told => Reading::Echo(SendState::Echoed),
        SendState::Acknowledged if sent.value == *told => Reading::Echo(SendState::Settled),
        SendState::Pending | SendState::Unsure => Reading::Unsure,
        SendState::Echoed => own(SendState::Echoed),
        SendState::Reading if told::waits(event, known, differs) => own(SendState::Reading),
        SendState::Acknowledged | SendState::Settled | SendState::Reading | SendState::Refused => {
            own(SendState::Settled)
        }
    }
}

/// The mirror when it isn't known which of two levels is the later. If a write is under way, it holds what it would
/// without it from then on; what its echo added is added again if it was taken.
fn read_again(known: &Mirror) -> Mirror {
    let mut mirror = told::read_again(known);
    let echoed = known.sent.as_ref().filter(|sent| sent.state == SendState::Echoed);
    let write = echoed.and_then(|sent| quantity(Some(&sent.value)).zip(quantity(sent.from.as_ref())));
    if let Some(((to, from), held)) = write.zip(quantity(known.held.as_ref())) {
        mirror.held = to.minus(from).and_then(|by| held.minus(by)).map(MirrorValue::Quantity);
    }
    mirror
}

/// A level as a platform tells of it.
pub(super) fn reported(event: &Event, report: &InventoryReport, facts: &Facts) -> Result<Decision, Reject> {
    let Some(place) = location(event, report) else {
        return Err(Reject::new(RejectClass::Config, "the location isn't linked to one of the store's"));
    };
    let Some(available) = report.available else {
        return Ok(Decision::ends(Outcome::Filtered, "the platform doesn't track this item"));
    };
    let variant =
        link(event, facts, LinkKind::Item, &report.item).and_then(|token| VariantId::new(&token).ok());
    let key = key(event, &report.item, place.clone());
    let known = facts.mirrors.get(&key);
    if is_stale(event, known) {
        return Ok(Decision::ends(Outcome::Stale, ""));
    }
    let told = MirrorValue::Quantity(available);
    let reading = reading(event, known, &told);
    let mut mirror = known.cloned().unwrap_or_else(|| Mirror::new(key, None));
    mirror.internal = variant.as_ref().map(ToString::to_string);
    let observed_before = mirror.observed.replace(observation(event, told.clone()));
    let set_state = |mirror: &mut Mirror, state| {
        if let Some(sent) = &mut mirror.sent {
            sent.state = state;
        }
    };
    match reading {
        Reading::Either => {
            let writes = known.map(|known| Write::Mirror(read_again(known))).into_iter().collect();
            Ok(Decision { writes, ..Decision::ends(Outcome::Unchanged, told::EITHER) })
        }
        Reading::Echo(state) => {
            set_state(&mut mirror, state);
            mirror.held = Some(told);
            Ok(Decision { writes: vec![Write::Mirror(mirror)], ..Decision::ends(Outcome::Echo, "") })
        }
        Reading::Unsure => {
            set_state(&mut mirror, SendState::Unsure);
            let reason = "told while our own write was under way; read again after it";
            Ok(Decision { writes: vec![Write::Mirror(mirror)], ..Decision::ends(Outcome::Applied, reason) })
        }
        Reading::Own(state) => {
            set_state(&mut mirror, state);
            let held = quantity(mirror.held.replace(told).as_ref());
            let moved = variant.map(|variant| moved(facts, &variant, &place, held, available));
            let news = observed_before.is_none_or(|before| Some(&before.value) != mirror.held.as_ref());
            Ok(own(mirror, moved, news))
        }
    }
}

fn own(mirror: Mirror, moved: Option<Moved>, news: bool) -> Decision {
    let mut decision = match moved {
        None if news => Decision::ends(Outcome::Applied, "the item isn't linked to a product yet"),
        None | Some(Moved::Not) => Decision::ends(Outcome::Unchanged, ""),
        Some(Moved::By { write, effect }) => {
            Decision { writes: vec![*write], effects: vec![effect], ..Decision::ends(Outcome::Applied, "") }
        }
        Some(Moved::FirstHere(effect)) => {
            let reason = "first level from here; the store's own stands";
            Decision { effects: vec![effect], ..Decision::ends(Outcome::Applied, reason) }
        }
    };
    decision.writes.push(Write::Mirror(mirror));
    decision
}

/// What a report does to the store's level.
pub(super) enum Moved {
    /// It moves it.
    By { write: Box<Write>, effect: Effect },
    /// It is the first from this platform, and the store has a level already: that one stands, and is due there.
    FirstHere(Effect),
    /// It doesn't.
    Not,
}

/// Reads `available` against what the platform `held`.
pub(super) fn moved(
    facts: &Facts,
    variant: &VariantId,
    place: &LocationId,
    held: Option<Quantity>,
    available: Quantity,
) -> Moved {
    let level = facts.levels.get(&(variant.clone(), place.clone())).copied();
    let (delta, level, reason) = match (level, held) {
        (None, _) => (available, available, MovementReason::FirstCount),
        (Some(_), None) => return Moved::FirstHere(Effect::Linked { variant: variant.clone() }),
        (Some(level), Some(held)) => {
            let delta = available.minus(held).unwrap_or(Quantity::ZERO);
            (delta, level.plus(delta).unwrap_or(level), MovementReason::Reported)
        }
    };
    if delta.is_zero() && reason == MovementReason::Reported {
        return Moved::Not;
    }
    let (variant, location) = (variant.clone(), place.clone());
    let write = Write::Level { variant: variant.clone(), location: location.clone(), delta, level, reason };
    Moved::By { write: Box::new(write), effect: Effect::Level { variant, location, delta, level, reason } }
}

/// The platform no longer keeps a level of the item anywhere: what it held is forgotten, and nothing moves.
pub(super) fn untracked(event: &Event, item: &ExternalId, facts: &Facts) -> Decision {
    let mut decision = Decision::ends(Outcome::Applied, "the platform no longer stocks the item");
    let mirrors = facts.mirrors.values().filter(|mirror| {
        let key = &mirror.key;
        key.kind == MirrorKind::Inventory
            && key.connection == event.origin.connection
            && key.external == *item
    });
    for mirror in mirrors.filter(|mirror| mirror.held.is_some()) {
        decision.writes.push(Write::Mirror(Mirror { observed: None, held: None, ..mirror.clone() }));
    }
    if decision.writes.is_empty() {
        return Decision::ends(Outcome::Unchanged, "");
    }
    decision
}

pub(super) fn observation(event: &Event, value: MirrorValue) -> Observation {
    Observation { value, version: event.version, at: event.received_at }
}
