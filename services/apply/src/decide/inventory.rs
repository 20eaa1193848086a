//! Levels: a platform's absolute level is read as a movement from its baseline.
//!
//! Two platforms that each sell one of ten both report nine; the truth is eight. So the store's level moves by the
//! difference between a report and the platform's baseline; a first number is a contact (`contact.rs`).
//! `model::LevelMirror` classifies a report; this file applies it to the store.

use super::{
    Decision, View, Write, contact, locations,
    oversell::{out_of_bounds, oversold},
    report::{level_key, level_report},
};
use model::{
    Action, Conflict, ConflictKind, Event, ExternalId, Gate, InventoryReport, LevelKey, LevelMirror,
    LevelOutcome, LocationId, Mirror, Outcome, Quantity, StockedAt, VariantId,
    record::{Effect, MovementReason},
};
use stage::Reject;

/// The reason of a report with a known version and another value.
pub(super) const AMBIGUOUS: &str = "another value of a version that is known; the platform is read again";

/// Decides the report of a level.
pub(super) fn reported(
    event: &Event,
    reported: &InventoryReport,
    view: &View<'_>,
) -> Result<Decision, Reject> {
    let Some(location) = locations::of(event, reported.location.as_ref(), view) else {
        return Ok(locations::unlinked(event, reported.location.as_ref(), view));
    };
    let mut decision = at_location(event, &reported.item, location, reported.available, view)?;
    if let Some(external) = &reported.location {
        decision.writes.extend(locations::linked_again(event, external, view));
    }
    Ok(decision)
}

fn at_location(
    event: &Event,
    item: &ExternalId,
    location: LocationId,
    available: Option<Quantity>,
    view: &View<'_>,
) -> Result<Decision, Reject> {
    let key = level_key(event, item, location);
    let known = view.facts.mirrors.levels.get(&key);
    // A link may have changed since enrich read it: the mirror and the record have the newer one.
    let variant = known.map_or_else(|| view.item_link(event, item), |mirror| mirror.variant.clone());
    let mut mirror = known.cloned().unwrap_or_else(|| LevelMirror::of(variant));
    let report = level_report(event, &key, available);
    if event.action == Action::Created {
        mirror.begins(&report);
    }
    let outcome = mirror.observe(&report);
    let mut decision = match outcome {
        LevelOutcome::Stale => return Ok(Decision::of(Outcome::Stale, "")),
        LevelOutcome::Ambiguous => Decision::of(Outcome::Unchanged, AMBIGUOUS),
        LevelOutcome::Echo => Decision::of(Outcome::Echo, ""),
        LevelOutcome::Contested => Decision::of(
            Outcome::Applied,
            "reported while our own write was under way; the platform is read after it",
        ),
        LevelOutcome::Unchanged | LevelOutcome::Unlinked(false) => Decision::of(Outcome::Unchanged, ""),
        LevelOutcome::Forgotten(true) => {
            Decision::of(Outcome::Applied, "the platform doesn't count the item here any more")
        }
        LevelOutcome::Forgotten(false) => {
            Decision::of(Outcome::Filtered, "the platform doesn't count the item here")
        }
        LevelOutcome::Unlinked(true) => {
            Decision::of(Outcome::Applied, "the item isn't linked to a product yet")
        }
        LevelOutcome::FirstContact => contact::first(event, &key, &mut mirror, view)?,
        LevelOutcome::Moved(by) => moved(event, &key, &mirror, by, view)?,
        LevelOutcome::MovedUncertain(by) => {
            let mut decision = moved(event, &key, &mirror, by, view)?;
            decision.writes.push(Write::Conflict(uncertain(event, &key, view)));
            decision
        }
    };
    if matches!(outcome, LevelOutcome::Forgotten(true)) {
        decision.writes.push(Write::ConflictEnd(view.conflict_end(
            event,
            ConflictKind::FirstContact,
            key.subject(),
        )));
    }
    mirror.accept_agreement(view, &key, decision.level());
    if known != Some(&mirror) {
        decision.writes.push(Write::Mirror(Mirror::Level(key, mirror)));
    }
    Ok(decision)
}

/// Moves the store's level by the same amount as the platform's.
fn moved(
    event: &Event,
    key: &LevelKey,
    mirror: &LevelMirror,
    by: Quantity,
    view: &View<'_>,
) -> Result<Decision, Reject> {
    let Some(variant) = &mirror.variant else { return Ok(Decision::of(Outcome::Unchanged, "")) };
    let level = view.level(variant, &key.location);
    let (delta, level, reason) = if let Some(level) = level {
        (by, level.plus(by).ok_or_else(out_of_bounds)?, MovementReason::Reported)
    } else {
        let number = mirror.baseline.known().copied().unwrap_or_default();
        (number, number, MovementReason::FirstCount)
    };
    let mut decision = Decision::of(Outcome::Applied, "");
    decision.moves(variant.clone(), key.location.clone(), delta, level, reason);
    decision.writes.extend(oversold(event, variant, &key.location, delta, level, view));
    Ok(decision)
}

fn uncertain(event: &Event, key: &LevelKey, view: &View<'_>) -> Conflict {
    Conflict {
        detail:
            "a write was too old to be repeated and its reply was lost; the number read since may count it"
                .to_owned(),
        ..view.conflict(event, ConflictKind::WriteUncertain, key.subject())
    }
}

/// Forgets the levels of an item that the platform no longer counts anywhere: no level moves.
pub(super) fn untracked(event: &Event, item: &ExternalId, view: &View<'_>) -> Result<Decision, Reject> {
    everywhere_but(event, item, &[], None, view)
}

/// Decides the complete list of an item's locations: at every other location the platform has none.
pub(super) fn stocked(event: &Event, stocked: &StockedAt, view: &View<'_>) -> Result<Decision, Reject> {
    let named: Vec<LocationId> =
        stocked.locations.iter().filter_map(|external| locations::of(event, Some(external), view)).collect();
    everywhere_but(event, &stocked.item, &named, Some(Quantity::ZERO), view)
}

/// Reports `available` at every location of the item that has a baseline and isn't among `named`.
fn everywhere_but(
    event: &Event,
    item: &ExternalId,
    named: &[LocationId],
    available: Option<Quantity>,
    view: &View<'_>,
) -> Result<Decision, Reject> {
    let mut together = Decision::of(Outcome::Unchanged, "");
    for key in view.levels_of(&event.origin.connection, item) {
        let is_known = view.facts.mirrors.levels.get(&key).is_some_and(|it| it.baseline.known().is_some());
        if !is_known || named.contains(&key.location) {
            continue;
        }
        let decision = at_location(event, item, key.location, available, view)?;
        if decision.outcome == Outcome::Applied {
            (together.outcome, together.reason) = (decision.outcome, decision.reason);
        }
        together.writes.extend(decision.writes);
        together.effects.extend(decision.effects);
    }
    Ok(together)
}

/// Agreement of a mirror with the store's level.
pub(super) trait Agreement {
    /// Sets the desired level to the store's own one where the platform already holds it, so that no write becomes due.
    /// `level` is the level that results from the event, if it moves it.
    fn accept_agreement(&mut self, view: &View<'_>, key: &LevelKey, level: Option<Quantity>);
}

impl Agreement for LevelMirror {
    fn accept_agreement(&mut self, view: &View<'_>, key: &LevelKey, level: Option<Quantity>) {
        let Some(variant) = &self.variant else { return };
        let level = level.or_else(|| view.level(variant, &key.location));
        let wanted = level.map(|level| level.floored(view.decimals(&key.connection)));
        if self.desired.is_some() && self.gate == Gate::Open && wanted == self.baseline.known().copied() {
            (self.desired, self.cause) = (wanted, None);
            self.end_refusal();
        }
    }
}

impl Decision {
    /// Moves a level.
    pub(super) fn moves(
        &mut self,
        variant: VariantId,
        location: LocationId,
        delta: Quantity,
        level: Quantity,
        reason: MovementReason,
    ) {
        let (of, at) = (variant.clone(), location.clone());
        self.writes.push(Write::Level { variant: of, location: at, delta, level, reason });
        self.effects.push(Effect::Level { variant, location, delta, level, reason });
    }

    /// The resulting level, if the decision moves just one.
    fn level(&self) -> Option<Quantity> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Level { level, .. } => Some(*level),
            _ => None,
        })
    }
}
