//! First contacts: a platform reports a first number of an item at a location.
//!
//! If no other number is known, it is a count. If the store has another number, the connection's rule decides which one
//! stands. An unproven zero never removes stock.

use super::{
    Decision, View, Write,
    oversell::{out_of_bounds, oversold},
};
use model::{
    BaselineRule, Conflict, ConflictKind, Contact, ContactOutcome, Event, Gate, LevelKey, LevelMirror,
    Mirror, Outcome, Quantity, Side, VariantId,
    record::{Effect, MovementReason},
};
use stage::Reject;

/// Decides the first contact of `mirror`, whose baseline is the reported number.
pub(super) fn first(
    event: &Event,
    key: &LevelKey,
    mirror: &mut LevelMirror,
    view: &View<'_>,
) -> Result<Decision, Reject> {
    let Some(variant) = mirror.variant.clone() else { return Ok(Decision::of(Outcome::Unchanged, "")) };
    let level = view.level(&variant, &key.location);
    let is_witnessed = view
        .level_mirrors(&variant, &key.location)
        .any(|(other, other_mirror)| other != key && other_mirror.is_witness());
    let contact = contact(view, key, level, is_witnessed);
    match mirror.contact(&contact) {
        ContactOutcome::Counted(number) => counted(event, key, mirror, &variant, number, view),
        ContactOutcome::Agreed => {
            let mut decision =
                Decision::of(Outcome::Applied, "the first level from here; it is the store's own");
            decision.writes.push(conflict_end(event, key, view));
            Ok(decision)
        }
        ContactOutcome::StoreKept => {
            let mut decision =
                Decision::of(Outcome::Applied, "the first level from here; the store's own stands");
            decision.effects.push(Effect::Linked { variant });
            decision.writes.push(conflict_end(event, key, view));
            Ok(decision)
        }
        ContactOutcome::Asked => {
            let mut decision =
                Decision::of(Outcome::Applied, "the first level from here; which one stands is a conflict");
            decision.writes.push(asked(event, key, mirror, level, view));
            decision.effects.push(Effect::Linked { variant });
            Ok(decision)
        }
        ContactOutcome::Unproven => {
            Ok(Decision::of(Outcome::Applied, "a zero from a platform that never counted the item"))
        }
    }
}

fn contact(view: &View<'_>, key: &LevelKey, level: Option<Quantity>, is_witnessed: bool) -> Contact {
    Contact {
        level,
        is_witnessed,
        rule: view.rule(&key.connection),
        decimals: view.decimals(&key.connection),
    }
}

/// Sets the store's level to a counted number; unproven zeros of the other mirrors become first contacts again.
fn counted(
    event: &Event,
    key: &LevelKey,
    mirror: &LevelMirror,
    variant: &VariantId,
    number: Quantity,
    view: &View<'_>,
) -> Result<Decision, Reject> {
    let before = view.level(variant, &key.location);
    let delta = number.minus(before.unwrap_or_default()).ok_or_else(out_of_bounds)?;
    let reason = if before.is_none() { MovementReason::FirstCount } else { MovementReason::Counted };
    let mut decision = Decision::of(Outcome::Applied, "");
    decision.moves(variant.clone(), key.location.clone(), delta, number, reason);
    decision.writes.extend(oversold(event, variant, &key.location, delta, number, view));
    decision.writes.push(conflict_end(event, key, view));
    for (other, other_mirror) in view.level_mirrors(variant, &key.location) {
        if other == key || !other_mirror.is_unproven_zero() || number.is_zero() {
            continue;
        }
        let mut other_mirror = other_mirror.clone();
        let contact = contact(view, other, Some(number), mirror.is_witness());
        if other_mirror.contact(&contact) == ContactOutcome::Asked {
            decision.writes.push(asked(event, other, &other_mirror, Some(number), view));
        }
        decision.writes.push(Write::Mirror(Mirror::Level(other.clone(), other_mirror)));
    }
    Ok(decision)
}

/// The end of the conflict about a first contact.
pub(super) fn conflict_end(event: &Event, key: &LevelKey, view: &View<'_>) -> Write {
    Write::ConflictEnd(model::ConflictEnd {
        connection: key.connection.clone(),
        ..view.conflict_end(event, ConflictKind::FirstContact, key.subject())
    })
}

fn asked(
    event: &Event,
    key: &LevelKey,
    mirror: &LevelMirror,
    level: Option<Quantity>,
    view: &View<'_>,
) -> Write {
    let reported = mirror.baseline.known().copied().unwrap_or_default();
    let has = level.map_or_else(|| "no level".to_owned(), |level| level.to_string());
    Write::Conflict(Conflict {
        connection: key.connection.clone(),
        detail: format!(
            "the platform reports {reported}, the store has {has}; resolve it with the store's or the platform's number"
        ),
        ..view.conflict(event, ConflictKind::FirstContact, key.subject())
    })
}

/// Applies a new rule to a mirror whose first contact waits for a decision. An unproven zero can't stand as a number:
/// its mirror continues to wait for another number, or for a person.
pub(super) fn resolve(
    event: &Event,
    key: &LevelKey,
    rule: BaselineRule,
    view: &View<'_>,
) -> Result<Decision, Reject> {
    let waiting = |gate| {
        let mirror = view.facts.mirrors.levels.get(key).map(|known| LevelMirror { gate, ..known.clone() });
        mirror.into_iter().map(|mirror| Write::Mirror(Mirror::Level(key.clone(), mirror))).collect()
    };
    let known = view.facts.mirrors.levels.get(key);
    match rule {
        BaselineRule::Store => adopt(event, key, Side::Store, view),
        BaselineRule::Platform if known.is_some_and(LevelMirror::is_unproven_zero) => {
            let mut decision = Decision { writes: waiting(Gate::Unproven), ..applied() };
            decision.writes.push(conflict_end(event, key, view));
            Ok(decision)
        }
        BaselineRule::Platform => adopt(event, key, Side::Platform, view),
        BaselineRule::Ask => {
            let mut decision = Decision { writes: waiting(Gate::Asked), ..applied() };
            if let Some(known) = known.filter(|known| known.gate == Gate::Unproven) {
                let level = known.variant.as_ref().and_then(|variant| view.level(variant, &key.location));
                decision.writes.push(asked(event, key, known, level, view));
            }
            Ok(decision)
        }
    }
}

fn applied() -> Decision {
    Decision::of(Outcome::Applied, "")
}

/// Applies a person's decision to one mirror.
pub(super) fn adopt(event: &Event, key: &LevelKey, side: Side, view: &View<'_>) -> Result<Decision, Reject> {
    let Some(known) = view.facts.mirrors.levels.get(key) else {
        return Ok(Decision::of(Outcome::Unchanged, "the platform never reported the item there"));
    };
    let mut mirror = known.clone();
    let number = mirror.adopt(side);
    let mut decision = match (&mirror.variant, number) {
        (Some(variant), Some(number)) => counted(event, key, &mirror, variant, number, view)?,
        (Some(variant), None) => {
            let mut decision = Decision::of(Outcome::Applied, "the store's level stands");
            decision.effects.push(Effect::Linked { variant: variant.clone() });
            decision.writes.push(conflict_end(event, key, view));
            decision
        }
        (None, _) => Decision::of(Outcome::Unchanged, "the item isn't linked"),
    };
    decision.writes.push(Write::Mirror(Mirror::Level(key.clone(), mirror)));
    Ok(decision)
}
