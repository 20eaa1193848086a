//! Acts of the people in a shop, used by both the HTTP server and the state machine.

use crate::ledger::{Change, Instant};
use crate::shop::Impossible;
use crate::state::State;

/// Value returned by an act, with the changes that the act made.
pub(crate) type Acted<T> = Result<(T, Vec<Change>), Impossible>;

impl State {
    pub(crate) fn edit_price(&mut self, variant: &str, price_minor: i64, now: Instant) -> Acted<()> {
        let (product, held) = self.ledger.find(variant).ok_or(Impossible::UnknownItem)?;
        let (product, variant) = (product.id.clone(), held.id.clone());
        let changed = self.set_price(&product, &variant, price_minor, now);
        Ok(((), changed.then_some(Change::ProductEdited(product)).into_iter().collect()))
    }

    pub(crate) fn edit_title(&mut self, product: &str, title: &str, now: Instant) -> Acted<()> {
        let changed = self.set_title(product, title, now)?;
        Ok(((), changed.then(|| Change::ProductEdited(product.to_owned())).into_iter().collect()))
    }

    pub(crate) fn edit_sku(&mut self, variant: &str, sku: &str, now: Instant) -> Acted<()> {
        let (product, held) = self.ledger.find(variant).ok_or(Impossible::UnknownItem)?;
        let (product, variant) = (product.id.clone(), held.id.clone());
        let change = self.ledger.edit(&product, Some(&variant), now, |product, index| {
            if let Some(variant) = index.and_then(|index| product.variants.get_mut(index)) {
                sku.clone_into(&mut variant.sku);
            }
        })?;
        Ok(((), vec![change]))
    }

    pub(crate) fn edit_barcode(&mut self, variant: &str, code: &str, now: Instant) -> Acted<()> {
        let (product, held) = self.ledger.find(variant).ok_or(Impossible::UnknownItem)?;
        let (product, variant) = (product.id.clone(), held.id.clone());
        let change = self.ledger.edit(&product, Some(&variant), now, |product, index| {
            if let Some(variant) = index.and_then(|index| product.variants.get_mut(index)) {
                variant.barcode = Some(code.to_owned());
            }
        })?;
        Ok(((), vec![change]))
    }

    pub(crate) fn edit_description(&mut self, product: &str, description: &str, now: Instant) -> Acted<()> {
        let shown = self.rendered(description);
        let change = self.ledger.edit(product, None, now, |product, _| product.description = shown)?;
        Ok(((), vec![change]))
    }

    pub(crate) fn stop_stocking(&mut self, item: &str, location: &str, now: Instant) -> Acted<()> {
        self.check_location(location)?;
        let item = self.item(item)?;
        self.ledger.disconnect(&item, location, now)?;
        Ok(((), vec![Change::Disconnected(item, location.to_owned())]))
    }

    pub(crate) fn start_stocking(&mut self, item: &str, location: &str, now: Instant) -> Acted<()> {
        self.check_location(location)?;
        let item = self.item(item)?;
        self.ledger.connect(&item, location, now);
        Ok(((), vec![Change::Connected(item, location.to_owned())]))
    }

    pub(crate) fn track(&mut self, item: &str, tracked: bool, now: Instant) -> Acted<()> {
        let item = self.item(item)?;
        let locations = self.ledger.track(&item, tracked, now)?;
        let changes = locations.into_iter().map(|location| Change::Level(item.clone(), location));
        Ok(((), changes.collect()))
    }

    pub(crate) fn cancel_order(&mut self, order: &str, restock: bool, now: Instant) -> Acted<()> {
        if !self.rules.cancels_orders {
            return Err(Impossible::Unsupported);
        }
        Ok(((), self.ledger.cancel(order, restock, now)?))
    }

    pub(crate) fn refund_order(&mut self, order: &str, now: Instant) -> Acted<()> {
        if !self.rules.refunds_orders {
            return Err(Impossible::Unsupported);
        }
        Ok(((), vec![self.ledger.refund(order, now)?]))
    }

    /// Changes for every product on sale and each of its levels, as if all were reported again.
    pub(crate) fn everything(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        for product in self.ledger.products().filter(|product| !product.deleted) {
            changes.push(Change::ProductEdited(product.id.clone()));
            for variant in product.variants.iter().filter(|variant| !variant.deleted) {
                let levels = self.ledger.levels_of(&variant.item);
                changes.extend(
                    levels.map(|(location, _)| Change::Level(variant.item.clone(), location.to_owned())),
                );
            }
        }
        changes
    }
}
