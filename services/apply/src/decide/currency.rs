//! Currencies: a price in a currency other than the store's is a conflict, never a number without its currency.

use super::View;
use model::{Conflict, ConflictEnd, ConflictKind, Event, ExternalId, Money, Patch, Variant};

/// Returns whether an amount is in another currency than the store's.
pub(super) fn is_foreign(event: &Event, view: &View<'_>, price: Money) -> bool {
    let currency = view.connection(event).and_then(|connection| connection.currency);
    currency.is_some_and(|currency| price.currency != currency)
}

/// The conflict of a price that isn't in the store's currency.
pub(super) fn mismatch(
    event: &Event,
    view: &View<'_>,
    variant: &ExternalId,
    price: Money,
) -> Option<Conflict> {
    let currency = view.connection(event)?.currency?;
    (price.currency != currency).then(|| Conflict {
        detail: format!(
            "the platform reports a price in {}, the store's currency is {currency}; the price is left alone",
            price.currency
        ),
        ..view.conflict(event, ConflictKind::CurrencyMismatch, Conflict::about_external(variant))
    })
}

/// The end of the conflict about a variant's currency, if one may be open: the report has a price or reports that there
/// is none, and no amount in it is in a currency other than the store's. A reading of our own ends none, because it may
/// contain only one of the two amounts.
pub(super) fn agrees(event: &Event, view: &View<'_>, reported: &Variant) -> Option<ConflictEnd> {
    let of = &reported.external;
    let amounts = [reported.price.set(), reported.compare_at_price.set()];
    let differs = amounts.into_iter().flatten().any(|amount| mismatch(event, view, of, *amount).is_some());
    let end = view.variant_end(event, ConflictKind::CurrencyMismatch, of)?;
    (!event.is_read_back && reported.price != Patch::Keep && !differs).then_some(end)
}
