//! The platform's product that lists a variant or an item.
//!
//! A report of a product states its variants. The last one counts, whatever the variant is linked to: a link by hand or by
//! a match may lead to a variant of another product, and two products of a platform may be one of the store's. A link that
//! no report has listed since products are kept is of the platform's product that is linked to its variant's product, if
//! the connection has no other one.

use super::{
    View,
    report::{field_key, field_report},
    view::links_of,
};
use model::{Baseline, Event, ExternalId, ProductId, ProductText, TextMirror, VariantId};

impl View<'_> {
    /// The platform's product that listed a variant last, also if its link was retired since.
    pub(super) fn listing_of(&self, event: &Event, variant: &ExternalId) -> Option<&ExternalId> {
        self.facts.links.variant_products.get(&(event.origin.connection.clone(), variant.clone()))
    }

    /// The platform's product that listed an item last, also if its link was retired since.
    pub(super) fn item_listing_of(&self, event: &Event, item: &ExternalId) -> Option<&ExternalId> {
        self.facts.links.item_products.get(&(event.origin.connection.clone(), item.clone()))
    }

    /// Returns whether a linked variant is one of the platform's product `external`, which is linked to `product`.
    pub(super) fn is_listed_by(
        &self,
        event: &Event,
        (variant, linked): (&ExternalId, &VariantId),
        (external, product): (&ExternalId, Option<&ProductId>),
    ) -> bool {
        match self.listing_of(event, variant) {
            Some(listing) => listing == external,
            None => product.is_some_and(|product| {
                let row = self.facts.variants.get(linked);
                row.is_some_and(|row| row.product == *product) && self.is_alone(event, external, product)
            }),
        }
    }

    /// The connection's linked variants of the platform's product `external`, which is linked to `product`: the platform's
    /// ids and ours.
    pub(super) fn variants_listed_by(
        &self,
        event: &Event,
        external: &ExternalId,
        product: Option<&ProductId>,
    ) -> Vec<(ExternalId, VariantId)> {
        let listed = links_of(&self.facts.links.variant_products, &event.origin.connection)
            .filter(|(_, listing)| *listing == external)
            .filter_map(|(variant, _)| Some((variant.clone(), self.variant_link(event, variant)?)));
        let product = product.filter(|product| self.is_alone(event, external, product));
        let inferred = product.map(|product| self.variants_of(event, product)).unwrap_or_default();
        let inferred = inferred.into_iter().filter(|(variant, _)| self.listing_of(event, variant).is_none());
        listed.chain(inferred).collect()
    }

    /// The items of a platform's variant that is linked to `linked`. Another variant of the connection that is linked to
    /// the same one keeps its own, as far as the products of both are known.
    pub(super) fn items_with(
        &self,
        event: &Event,
        variant: &ExternalId,
        linked: &VariantId,
    ) -> Vec<ExternalId> {
        let listing = self.listing_of(event, variant);
        let mut items = self.items_of(event, linked);
        items.retain(|item| match (listing, self.item_listing_of(event, item)) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        });
        items
    }

    /// Returns whether another product of the platform was reported in a newer version than the event's since it listed the
    /// linked variant, which is then that product's: platforms' reports of two products arrive in any order.
    pub(super) fn is_listed_elsewhere_since(
        &self,
        event: &Event,
        variant: &ExternalId,
        external: &ExternalId,
    ) -> bool {
        let other = self.listing_of(event, variant).filter(|listing| *listing != external);
        let Some(other) = other.filter(|_| self.variant_link(event, variant).is_some()) else { return false };
        let key = field_key(event, other);
        let report = field_report::<ProductText>(event, &key, None);
        let is_newer = |mirror: &TextMirror| mirror.baseline.known().is_some() && mirror.is_stale(&report);
        self.facts.mirrors.texts.get(&key).is_some_and(is_newer)
    }

    /// Returns whether the platform deleted the product of a variant that isn't linked.
    pub(super) fn is_deleted_with_its_product(&self, event: &Event, variant: &ExternalId) -> bool {
        let Some(listing) = self.listing_of(event, variant) else { return false };
        let mirror = self.facts.mirrors.texts.get(&field_key(event, listing));
        self.variant_link(event, variant).is_none()
            && mirror.is_some_and(|mirror| mirror.baseline == Baseline::Absent)
    }
}
