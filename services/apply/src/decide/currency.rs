//! Currencies: a price in another one than the store's is a conflict, never a number without it.

use super::Sight;
use model::{Conflict, ConflictKind, Event, ExternalId, Money};

/// The conflict of a price that isn't in the store's currency.
pub(super) fn mismatch(
    event: &Event,
    sight: &Sight<'_>,
    variant: &ExternalId,
    price: Money,
) -> Option<Conflict> {
    let currency = sight.connection(event)?.currency?;
    (price.currency != currency).then(|| Conflict {
        detail: format!(
            "the platform reports a price in {}, the store's currency is {currency}; the price is left alone",
            price.currency
        ),
        ..sight.conflict(event, ConflictKind::CurrencyMismatch, format!("variant {variant}"))
    })
}
