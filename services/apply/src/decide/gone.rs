//! Links of what a platform no longer has: retired, with the baselines of their mirrors.

use super::{
    Write, clock, contact,
    identity::Identity,
    links::Links,
    report::{field_key, field_report},
    view::links_of,
};
use model::{
    ConflictKind, ExternalId, FieldMirror, LevelMirror, Mirror, Money, Product, ProductId, VariantId,
    record::ProductRow,
};
use std::collections::BTreeSet;

impl Links<'_> {
    /// Retires the variants that a complete list no longer names: the platform no longer has them.
    pub(super) fn retire_missing(&mut self, reported: &Product, identity: &Identity<'_>) {
        if !reported.variants_complete {
            return;
        }
        let named: BTreeSet<&ExternalId> = reported.variants.iter().map(|it| &it.external).collect();
        let items: BTreeSet<&ExternalId> =
            reported.variants.iter().filter_map(|it| it.item.as_ref()).collect();
        let mut gone = self.view.variants_listed_by(self.event, &reported.external, Some(&identity.product));
        gone.retain(|(external, _)| !named.contains(external));
        for (external, variant) in &gone {
            self.retire(external, variant, &items);
        }
        self.forget_unread(&named, &gone, &identity.product);
        let now = identity.variants.iter().filter_map(|it| self.view.product_of(self.event, &it.id));
        let stays: BTreeSet<&ProductId> = now.chain([&identity.product]).collect();
        let mut left = self.products_of(&gone);
        left.retain(|product| !stays.contains(product));
        self.products_are_left(&reported.external, &gone, left);
    }

    /// Forgets the prices that the product was read for and that the list doesn't name: it isn't known which product of the
    /// platform has their variants, or it is another one.
    fn forget_unread(
        &mut self,
        named: &BTreeSet<&ExternalId>,
        gone: &[(ExternalId, VariantId)],
        product: &ProductId,
    ) {
        if !self.event.is_read_back {
            return;
        }
        for (external, _) in self.view.variants_of(self.event, product) {
            let key = field_key(self.event, &external);
            let report = field_report(self.event, &key, None);
            let waits = |mirror: &&FieldMirror<Money>| {
                mirror.phase.is_reading() && report.read_for == Some(mirror.waiting)
            };
            let is_retired = gone.iter().any(|(retired, _)| *retired == external);
            if !named.contains(&external)
                && !is_retired
                && let Some(mirror) = self.view.facts.mirrors.prices.get(&key).filter(waits)
            {
                let mut mirror = mirror.clone();
                mirror.forget(&report);
                self.writes.push(Write::Mirror(Mirror::Price(key, mirror)));
            }
        }
    }

    /// Retires the link of a platform's product that was deleted, and those of all its variants, whatever they lead to.
    pub(super) fn retire_product(&mut self, external: &ExternalId, product: Option<&ProductId>) {
        if product.is_some() {
            self.changed = true;
            self.writes.push(Write::ProductLink(external.clone(), None));
        }
        let gone = self.view.variants_listed_by(self.event, external, product);
        for (variant, linked) in &gone {
            self.retire(variant, linked, &BTreeSet::new());
        }
        let mut left = self.products_of(&gone);
        left.extend(product.cloned());
        self.products_are_left(external, &gone, left);
    }

    fn retire(&mut self, external: &ExternalId, variant: &VariantId, kept_items: &BTreeSet<&ExternalId>) {
        self.changed = true;
        self.writes.push(Write::VariantLink(external.clone(), None));
        self.end(ConflictKind::SkuAmbiguous, external);
        self.end(ConflictKind::CurrencyMismatch, external);
        self.forget_price(external);
        for item in self.view.items_with(self.event, external, variant) {
            if kept_items.contains(&item) {
                continue;
            }
            self.writes.push(Write::ItemLink(item.clone(), None));
            for key in self.view.levels_of(&self.event.origin.connection, &item) {
                if let Some(known) = self.view.facts.mirrors.levels.get(&key) {
                    let mut mirror: LevelMirror = known.clone();
                    mirror.retire();
                    self.writes.push(contact::conflict_end(self.event, &key, self.view));
                    self.writes.push(Write::Mirror(Mirror::Level(key, mirror)));
                }
            }
        }
    }

    /// Forgets the price of a variant that the platform no longer has: no reading is awaited, and no write is due.
    fn forget_price(&mut self, external: &ExternalId) {
        let key = field_key(self.event, external);
        let Some(known) = self.view.facts.mirrors.prices.get(&key) else { return };
        let mut mirror = known.clone();
        mirror.forget(&field_report(self.event, &key, None));
        mirror.link(None);
        self.writes.push(Write::Mirror(Mirror::Price(key, mirror)));
    }

    fn products_of(&self, links: &[(ExternalId, VariantId)]) -> BTreeSet<ProductId> {
        links.iter().filter_map(|(_, linked)| self.view.product_of(self.event, linked).cloned()).collect()
    }

    /// Marks those products of the store as deleted that no platform has once the links `gone`, and the one of the
    /// platform's product `external`, are retired.
    fn products_are_left(
        &mut self,
        external: &ExternalId,
        gone: &[(ExternalId, VariantId)],
        products: BTreeSet<ProductId>,
    ) {
        for product in products {
            let own = links_of(&self.view.facts.links.products, &self.event.origin.connection);
            let mut others = own.filter(|(other, linked)| **linked == product && *other != external);
            let own = self.view.variants_of(self.event, &product);
            let is_had = self.view.is_linked_by_others(self.event, &product)
                || others.next().is_some()
                || own.iter().any(|link| !gone.contains(link));
            let row = self.view.facts.products.get(&product).filter(|row| row.deleted_at.is_none());
            if let Some(row) = row.filter(|_| !is_had) {
                let deleted_at = Some(clock::changed_at(self.event));
                self.writes.push(Write::Product(ProductRow { deleted_at, ..row.clone() }));
            }
        }
    }
}
