//! Sellable quantities of a product, and its locations.

use super::{id, reported::Reported, window};
use crate::{Mapped, Rows, field::Object};
use model::{Action, ExternalId, InventoryReport, Payload, Quantity, RawDigest, Source, StockedAt};
use stage::{Reject, RejectClass};
use std::collections::BTreeMap;

/// Upper limit of a quantity in a product list (documented; not verified to be still in force). Webhooks show more.
const LISTED_QUANTITY_LIMIT: i32 = 30;

/// The level of each location; `None` if a part of it has no quantity.
type Located = BTreeMap<ExternalId, Result<Option<Quantity>, Reject>>;

/// One level for each location, or one for the connection's default location if the parts name no locations. If the
/// levels add up to the total, the list of locations is complete and comes last.
pub(super) fn levels(reported: &Reported<'_>, data: &Object<'_>, for_sale: bool) -> Rows {
    let located = match by_location(data) {
        Ok(located) => located,
        Err(reject) => return vec![Err(reject)],
    };
    let total = data.quantity("sellable_quantity");
    let known_total = total.as_ref().ok().copied().flatten();
    let sum = located.as_ref().and_then(sum);
    let locations: Vec<ExternalId> = located.iter().flat_map(BTreeMap::keys).cloned().collect();
    if reported.is_capped(for_sale, known_total, if locations.is_empty() { known_total } else { sum }) {
        return Vec::new();
    }
    let levels = located.into_iter().flatten();
    let levels = levels.filter_map(|(location, amount)| reported.level(Some(location), amount, for_sale));
    let mut rows: Rows = levels.collect();
    match total {
        total if locations.is_empty() => rows.extend(reported.level(None, total, for_sale)),
        // The total can't be reported; the level of each location still is.
        Err(reject) if for_sale => rows.push(Err(reject)),
        _ => {}
    }
    if sum.is_some() && sum == known_total {
        rows.push(Ok(reported.stocked(locations)));
    }
    rows
}

/// A report that the product is at no location any more.
pub(super) fn nowhere(reported: &Reported<'_>) -> Mapped {
    reported.stocked(Vec::new())
}

/// The sums over all kinds of inventory, by location; `None` without a list, or if a part of it names no location.
fn by_location(data: &Object<'_>) -> Result<Option<Located>, Reject> {
    let Some(parts) = data.objects("sellable_quantity_detail")? else { return Ok(None) };
    let mut located = Located::new();
    for part in parts {
        let Some(location) = id(&part, "location_id")? else { return Ok(None) };
        let amount = part.quantity("sellable_quantity");
        let known = located.remove(&location).unwrap_or(Ok(Some(Quantity::ZERO)));
        located.insert(location, added(&part, known, amount));
    }
    Ok(Some(located))
}

fn added(
    part: &Object<'_>,
    known: Result<Option<Quantity>, Reject>,
    amount: Result<Option<Quantity>, Reject>,
) -> Result<Option<Quantity>, Reject> {
    let (Some(known), Some(amount)) = (known?, amount?) else { return Ok(None) };
    let sum = known.plus(amount).and_then(|sum| Quantity::new(sum.decimal()).ok());
    let too_much = || part.reject(RejectClass::Data, "sellable_quantity", model::InvalidQuantity.to_string());
    sum.map(Some).ok_or_else(too_much)
}

/// The sum over all locations; `None` if the level of one isn't known.
fn sum(located: &Located) -> Option<Quantity> {
    located.values().try_fold(Quantity::ZERO, |sum, amount| sum.plus((*amount.as_ref().ok()?)?))
}

impl Reported<'_> {
    /// Returns true if a list's quantity is at its limit, which means "this or more" and isn't a level. If the parts
    /// add up to more, the limit is not in force.
    fn is_capped(&self, for_sale: bool, total: Option<Quantity>, listed: Option<Quantity>) -> bool {
        let limit = Some(Quantity::pieces(LISTED_QUANTITY_LIMIT));
        self.delivery.source.is_ours() && for_sale && total == limit && listed == limit
    }

    /// The level of the product at a location: zero if it isn't for sale; no event if it isn't known.
    fn level(
        &self,
        location: Option<ExternalId>,
        amount: Result<Option<Quantity>, Reject>,
        for_sale: bool,
    ) -> Option<Result<Mapped, Reject>> {
        let available = match amount {
            _ if !for_sale => Quantity::ZERO,
            Ok(amount) => amount?,
            Err(reject) => return Some(Err(reject)),
        };
        let location_id = location.as_ref().map_or("", ExternalId::as_str).to_owned();
        let identity = self.identity("inventory", [location_id, available.to_string()]);
        let payload = Payload::Inventory(InventoryReport {
            item: self.external.clone(),
            location,
            available: Some(available),
        });
        Some(Ok(Mapped { action: Action::Updated, occurred_at: None, version: None, identity, payload }))
    }

    /// The complete list of the product's locations.
    fn stocked(&self, locations: Vec<ExternalId>) -> Mapped {
        let identity = self.identity("stocked", locations.iter().map(ToString::to_string));
        let payload = Payload::Stocked(StockedAt { item: self.external.clone(), locations });
        Mapped { action: Action::Updated, occurred_at: None, version: None, identity, payload }
    }

    /// Stock changes no version: levels are distinguished by their content, by the rest of the body, and by the time
    /// of receipt.
    fn identity(&self, kind: &str, said: impl IntoIterator<Item = String>) -> Vec<String> {
        let occasion = match self.delivery.source {
            // Each of our own reads is a new event.
            Source::Fetch | Source::ReadBack => self.delivery.received_at.to_string(),
            Source::Webhook | Source::Publish => {
                format!("{}/{}", RawDigest::of(&self.delivery.body), window(self.delivery))
            }
        };
        let known = [kind.to_owned(), self.external.to_string(), self.at.to_string(), occasion];
        known.into_iter().chain(said).collect()
    }
}
