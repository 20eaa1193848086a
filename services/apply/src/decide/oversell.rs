//! Levels below zero.

use super::{View, Write};
use model::{Conflict, ConflictKind, Event, LocationId, Quantity, VariantId};
use stage::{Reject, RejectClass};

/// The reject of a change after which the level couldn't be recorded.
pub(super) fn out_of_bounds() -> Reject {
    Reject::new(RejectClass::Data, "the level would leave the bounds of what can be recorded")
}

/// Opens a conflict of the store when a level falls below zero, and ends it once the level is no longer negative,
/// wherever the item was sold, restocked or counted.
pub(super) fn oversold(
    event: &Event,
    variant: &VariantId,
    location: &LocationId,
    delta: Quantity,
    level: Quantity,
    view: &View<'_>,
) -> Option<Write> {
    let before = level.minus(delta).unwrap_or_default();
    let subject = Conflict::about_variant(variant, location);
    if level < Quantity::ZERO && delta < Quantity::ZERO {
        let detail = format!("{before} were left, {} went: {level} remain", -delta);
        let conflict = Conflict { detail, ..view.conflict(event, ConflictKind::Oversold, subject) };
        return Some(Write::Conflict(conflict));
    }
    let is_over = before < Quantity::ZERO && level >= Quantity::ZERO;
    is_over.then(|| Write::ConflictEnd(view.conflict_end(event, ConflictKind::Oversold, subject)))
}
