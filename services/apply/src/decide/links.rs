//! Links: made, and moved to another variant. `gone.rs` retires them.

use super::{
    Decision, View, Write, contact,
    identity::{self, Identity},
    matched, oversell,
    report::field_key,
};
use model::{
    Conflict, ConflictKind, Event, ExternalId, Mirror, Outcome, Patch, Product, ProductId, Quantity, Variant,
    VariantId,
    record::{Clocked, Effect, MovementReason, ProductRow, VariantRow},
};
use stage::Reject;

/// The link changes of one event.
pub(super) struct Links<'a> {
    pub(super) event: &'a Event,
    pub(super) view: &'a View<'a>,
    pub(super) writes: Vec<Write>,
    pub(super) effects: Vec<Effect>,
    pub(super) changed: bool,
}

impl<'a> Links<'a> {
    pub(super) fn new(event: &'a Event, view: &'a View<'a>) -> Self {
        Self { event, view, writes: Vec::new(), effects: Vec::new(), changed: false }
    }

    /// Makes the links of a product's report.
    pub(super) fn make(&mut self, reported: &Product, identity: &Identity<'_>) -> Result<(), Reject> {
        let linked = self.view.product(self.event, &reported.external);
        if linked.as_ref() != Some(&identity.product) {
            self.changed = true;
            self.writes.push(Write::ProductLink(reported.external.clone(), Some(identity.product.clone())));
            if let Some(before) = linked {
                self.product_is_left(&before);
                // Its variants may have been linked by hand before.
                self.effects.push(Effect::Text { product: identity.product.clone() });
            }
        }
        for identified in &identity.variants {
            let variant = identified.reported;
            let is_new = self.view.variant_link(self.event, &variant.external).is_none();
            if identified.is_ambiguous && is_new {
                self.ambiguous(variant);
            } else if variant.sku != Patch::Keep
                && !identified.is_ambiguous
                && !identity::has_rivals(self.event, identified, self.view)
            {
                self.end(ConflictKind::SkuAmbiguous, &variant.external);
            }
            self.link(
                &variant.external,
                variant.item.as_ref(),
                &identified.id,
                variant.price == Patch::Keep,
            )?;
            self.list(variant, &reported.external);
            if let Some(before) = &identified.instead_of {
                self.move_stock_off(before, variant.item.as_ref());
                self.forget_number(before);
            }
        }
        Ok(())
    }

    /// Keeps which product of the platform lists a variant, unless another one has listed it in a newer report.
    fn list(&mut self, variant: &Variant, product: &ExternalId) {
        if self.view.is_listed_elsewhere_since(self.event, &variant.external, product) {
            return;
        }
        if self.view.listing_of(self.event, &variant.external) != Some(product) {
            self.writes.push(Write::VariantListed(variant.external.clone(), product.clone()));
        }
        let linked = self.view.variant_link(self.event, &variant.external);
        let items = match (&variant.item, linked) {
            (Some(item), _) => vec![item.clone()],
            (None, Some(linked)) => self.view.items_with(self.event, &variant.external, &linked),
            (None, None) => Vec::new(),
        };
        for item in items {
            if self.view.item_listing_of(self.event, &item) != Some(product) {
                self.writes.push(Write::ItemListed(item, product.clone()));
            }
        }
    }

    /// Ends a conflict about a platform's variant, if one may be open.
    pub(super) fn end(&mut self, kind: ConflictKind, variant: &ExternalId) {
        let end = self.view.variant_end(self.event, kind, variant);
        self.writes.extend(end.map(Write::ConflictEnd));
    }

    fn ambiguous(&mut self, variant: &Variant) {
        let number = variant.sku.set().map(String::as_str).unwrap_or_default();
        let subject = Conflict::about_external(&variant.external);
        let conflict = Conflict {
            detail: format!(
                "several variants have its number {number}, so it was matched with none; link it by hand"
            ),
            ..self.view.conflict(self.event, ConflictKind::SkuAmbiguous, subject)
        };
        self.writes.push(Write::Conflict(conflict));
    }

    /// Links a platform's variant, and its item.
    fn link(
        &mut self,
        external: &ExternalId,
        item: Option<&ExternalId>,
        id: &VariantId,
        with_price: bool,
    ) -> Result<(), Reject> {
        if self.view.variant_link(self.event, external).as_ref() != Some(id) {
            self.changed = true;
            self.writes.push(Write::VariantLink(external.clone(), Some(id.clone())));
            self.effects.push(Effect::Linked { variant: id.clone() });
            if with_price {
                self.link_price(external, Some(id));
            }
        }
        if let Some(item) = item
            && self.view.item_link(self.event, item).as_ref() != Some(id)
        {
            self.changed = true;
            self.writes.push(Write::ItemLink(item.clone(), Some(id.clone())));
            self.link_levels(item, id)?;
        }
        Ok(())
    }

    fn link_price(&mut self, external: &ExternalId, id: Option<&VariantId>) {
        let key = field_key(self.event, external);
        let Some(known) = self.view.facts.mirrors.prices.get(&key) else { return };
        let mut mirror = known.clone();
        mirror.link(id.cloned());
        self.writes.push(Write::Mirror(Mirror::Price(key, mirror)));
    }

    /// Links the level mirrors of the item. Levels that were reported before the link, or for another variant, are
    /// first contacts.
    fn link_levels(&mut self, item: &ExternalId, id: &VariantId) -> Result<(), Reject> {
        for key in self.view.levels_of(&self.event.origin.connection, item) {
            let Some(known) = self.view.facts.mirrors.levels.get(&key) else { continue };
            let mut mirror = known.clone();
            mirror.link(Some(id.clone()));
            if mirror.baseline.known().is_some() {
                let Decision { writes, effects, .. } =
                    contact::first(self.event, &key, &mut mirror, self.view)?;
                self.writes.extend(writes);
                self.effects.extend(effects);
            }
            self.writes.push(Write::Mirror(Mirror::Level(key, mirror)));
        }
        Ok(())
    }

    /// Removes the stock of a variant that was identified as another one, to which the stock belongs.
    fn move_stock_off(&mut self, before: &VariantId, item: Option<&ExternalId>) {
        let Some(item) = item else { return };
        for key in self.view.levels_of(&self.event.origin.connection, item) {
            let Some(level) = self.view.level(before, &key.location).filter(|level| !level.is_zero()) else {
                continue;
            };
            let (variant, location) = (before.clone(), key.location.clone());
            let (delta, reason) = (-level, MovementReason::Relinked);
            let level = Quantity::ZERO;
            self.writes.extend(oversell::oversold(self.event, &variant, &location, delta, level, self.view));
            self.writes.push(Write::Level {
                variant: variant.clone(),
                location: location.clone(),
                delta,
                level,
                reason,
            });
            self.effects.push(Effect::Level { variant, location, delta, level, reason });
        }
    }

    /// Clears the number of a variant that no platform has any more, so that it matches nothing.
    fn forget_number(&mut self, before: &VariantId) {
        let Some(row) = self.view.facts.variants.get(before) else { return };
        let at = super::clock::changed_at(self.event);
        let sku = Some(Clocked { value: String::new(), at });
        self.writes.push(Write::Variant(VariantRow { sku, ..row.clone() }));
    }

    pub(super) fn product_is_left(&mut self, before: &ProductId) {
        if self.view.is_linked_by_others(self.event, before) {
            return;
        }
        if let Some(row) = self.view.facts.products.get(before).filter(|row| row.deleted_at.is_none()) {
            let deleted_at = Some(super::clock::changed_at(self.event));
            self.writes.push(Write::Product(ProductRow { deleted_at, ..row.clone() }));
        }
    }

    pub(super) fn decision(self, reason: &'static str) -> Decision {
        let outcome = if self.changed { Outcome::Applied } else { Outcome::Unchanged };
        Decision { outcome, reason, writes: self.writes, effects: self.effects }
    }
}

/// Links a platform's variant by hand.
pub(super) fn by_hand(
    event: &Event,
    external: &ExternalId,
    to: &VariantId,
    view: &View<'_>,
) -> Result<Decision, Reject> {
    if view.facts.variants.get(to).is_none_or(|row| row.store != event.origin.store) {
        return Ok(Decision::of(Outcome::Unchanged, "the store has no such variant"));
    }
    if view.is_deleted_with_its_product(event, external) {
        return Ok(Decision::of(Outcome::Unchanged, "the platform deleted the product of the variant"));
    }
    Ok(moved(event, external, to, view)?.decision("linked by hand"))
}

/// Moves the link of a platform's variant, with its items, to a variant of the store.
pub(super) fn moved<'a>(
    event: &'a Event,
    external: &ExternalId,
    to: &VariantId,
    view: &'a View<'_>,
) -> Result<Links<'a>, Reject> {
    let mut links = Links::new(event, view);
    let before = view.variant_link(event, external).filter(|before| before != to);
    let items = before.as_ref().map(|before| view.items_with(event, external, before)).unwrap_or_default();
    links.link(external, None, to, true)?;
    for item in &items {
        links.link(external, Some(item), to, false)?;
    }
    // No other platform has the former variant: its stock belongs to the other one from now on.
    if let Some(before) = before.filter(|before| !view.is_variant_linked_by_others(event, before)) {
        for item in &items {
            links.move_stock_off(&before, Some(item));
        }
        links.forget_number(&before);
    }
    links.writes.push(Write::ConflictEnd(view.conflict_end(
        event,
        ConflictKind::SkuAmbiguous,
        Conflict::about_external(external),
    )));
    Ok(links)
}

/// Unlinks a platform's variant by hand, so that it is one of its own. It keeps its number, so that it isn't matched by
/// it again.
pub(super) fn undone_by_hand(
    event: &Event,
    external: &ExternalId,
    view: &View<'_>,
) -> Result<Decision, Reject> {
    let Some(linked) = view.variant_link(event, external) else {
        return Ok(Decision::of(Outcome::Unchanged, "the variant isn't linked"));
    };
    let own = VariantId::derive(&event.origin.connection, external);
    if own == linked {
        return Ok(Decision::of(Outcome::Unchanged, "the variant is linked to no other one"));
    }
    let mut links = Links::new(event, view);
    if let Some(row) = view.facts.variants.get(&linked) {
        // A variant that was its own before gets the present number.
        let at = super::clock::changed_at(event);
        let row = match view.facts.variants.get(&own) {
            Some(known) => {
                let sku = row.sku.as_ref().map(|sku| Clocked { value: sku.value.clone(), at });
                VariantRow { sku, ..known.clone() }
            }
            None => VariantRow { id: own.clone(), ..row.clone() },
        };
        links.writes.push(Write::Variant(row));
    }
    links.link(external, None, &own, true)?;
    for item in view.items_with(event, external, &linked) {
        links.link(external, Some(&item), &own, false)?;
    }
    matched::product_returns(&mut links, external, &linked, &own);
    Ok(links.decision("unlinked by hand"))
}
