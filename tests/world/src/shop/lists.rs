//! Complete lists of an item's locations, as Treez reports them: at every other location the item has no stock.

use super::{Good, Kind, place_id};
use model::{Action, ExternalId, Payload, StockedAt};
use platforms::Mapped;
use rust_decimal::Decimal;

/// One in this many reports of a level names only the one location: its parts don't sum up to the total.
const PARTIAL_EVERY: u64 = 5;

/// Returns true if the report after `numbers` webhooks is a partial list, which doesn't cover other locations.
pub(super) const fn is_partial(numbers: u64) -> bool {
    numbers.is_multiple_of(PARTIAL_EVERY)
}

/// The complete list of a good's locations, if the platform reports one.
pub(super) fn complete(kind: Kind, good: &Good, dedupe_key: &str) -> Option<Mapped> {
    let is_listed = kind == Kind::Treez && good.is_tracked;
    is_listed.then(|| stocked(&good.item, good.stock.keys().copied(), dedupe_key))
}

/// A report that a deleted good is at no location, if the platform makes one.
pub(super) fn nowhere(kind: Kind, good: &Good) -> Option<Mapped> {
    matches!(kind, Kind::Treez | Kind::Blaze).then(|| stocked(&good.item, [], "deleted"))
}

/// Removes a good from a location, with its stock there, or begins with none.
pub(super) fn change(good: &mut Good, place: usize, is_stocked: bool) {
    if is_stocked {
        good.stock.insert(place, Decimal::ZERO);
    } else {
        good.stock.remove(&place);
    }
}

/// A complete list of an item's locations.
pub(super) fn stocked(
    item: &ExternalId,
    places: impl IntoIterator<Item = usize>,
    dedupe_key: &str,
) -> Mapped {
    let locations: Vec<_> = places.into_iter().map(place_id).collect();
    let mut identity = vec!["stocked".to_owned(), item.to_string(), dedupe_key.to_owned()];
    identity.extend(locations.iter().map(ToString::to_string));
    let payload = Payload::Stocked(StockedAt { item: item.clone(), locations });
    Mapped { action: Action::Updated, occurred_at: None, version: None, identity, payload }
}
