//! The truth of a world: the shelf and the last edits, from the acts of the people in the shops.
//!
//! The shelf of a variant at a location moves with every act of people at a connection that Tillflow is in contact
//! with. If neither a rule nor a person could decide the meaning of a number (of a sale before the first report was
//! read, for example), the shelf is no longer exact, and only weaker checks apply to it.

use crate::{
    record::{Record, location_id},
    shop::{Good, PLACES_MAX, Shop, Webhook, place_id},
};
use model::{
    Attention, Baseline, ConnectionId, LevelKey, LevelMirror, LocationId, Phase, Quantity, Timestamp,
    VariantId,
    record::{Movement, MovementReason},
};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// A shelf: its count, and the reason if the count isn't exact.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shelf {
    pub(crate) count: Decimal,
    pub(crate) inexact: Option<&'static str>,
}

/// The reason for which the shelves of goods that nobody sells aren't followed.
pub(crate) const NOBODY_SELLS_IT: &str = "nobody sells it";

/// A field of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    Title,
    Description,
    Price,
}

/// Owner of a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Edited {
    Product(model::ProductId),
    Variant(VariantId),
}

/// The last edit of a field: its clock, and its value as the shop where it was typed shows it.
#[derive(Debug, Clone)]
pub(crate) struct Edit {
    pub(crate) clock: Timestamp,
    pub(crate) value: String,
}

/// The shelves and edits, and the violations found so far.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) shelves: BTreeMap<(VariantId, LocationId), Shelf>,
    pub(crate) edits: BTreeMap<(Edited, Field), Edit>,
    /// Products and variants whose last edits are no longer exact.
    pub(crate) inexact_edits: BTreeSet<Edited>,
    /// Items of connections that ever had stock at a location.
    held: BTreeSet<LevelKey>,
    /// Webhooks in transit, by shop and number: their good, and true if they end a contact.
    under_way: BTreeMap<(usize, u64), (Option<usize>, bool)>,
    /// Goods with an edit that only the lists of their shops show, and that wasn't listed yet; with the time of the edit.
    unlisted: BTreeMap<(usize, usize), Timestamp>,
    pub(crate) violations: Vec<String>,
}

pub(crate) fn key(shop: &Shop, good: &Good, place: usize) -> LevelKey {
    LevelKey { connection: shop.connection.clone(), item: good.item.clone(), location: location_id(place) }
}

/// Returns true if Tillflow is in contact, so that the platform's next number is a movement.
fn in_contact(mirror: &LevelMirror) -> bool {
    mirror.variant.is_some()
        && mirror.baseline.known().is_some_and(|number| mirror.proven || !number.is_zero())
}

impl Oracle {
    /// Notes that a webhook was sent or lost.
    pub(crate) fn sent(&mut self, shop: usize, webhook: &Webhook, is_lost: bool) {
        if !is_lost {
            self.under_way.insert((shop, webhook.number), (webhook.good, webhook.ends_contact));
        }
    }

    /// Notes that a webhook arrived.
    pub(crate) fn arrived(&mut self, shop: usize, number: u64) {
        self.under_way.remove(&(shop, number));
    }

    /// Notes that a good was edited, and that only its shop's lists show it.
    pub(crate) fn edited_unlisted(&mut self, shop: usize, good: usize, now: Timestamp) {
        self.unlisted.insert((shop, good), now);
    }

    /// Returns true if the last edit of a good wasn't listed yet.
    pub(crate) fn is_unlisted(&self, shop: usize, good: usize) -> bool {
        self.unlisted.contains_key(&(shop, good))
    }

    /// Notes that goods were on a page that was processed.
    pub(crate) fn listed(&mut self, shop: usize, goods: &[usize]) {
        self.unlisted.retain(|(of, good), _| *of != shop || !goods.contains(good));
    }

    /// Notes that a complete list of a shop that uses JSON was processed, which began at that time.
    pub(crate) fn listed_all(&mut self, shops: &[Shop], shop: usize, began_at: Timestamp) {
        if shops[shop].json.is_some() {
            self.unlisted.retain(|(of, _), edited_at| *of != shop || *edited_at >= began_at);
        }
    }

    fn is_under_way(&self, shop: usize, good: usize) -> bool {
        self.under_way.iter().any(|((of, _), (about, _))| *of == shop && *about == Some(good))
    }

    /// Notes that people moved a level at a shop that counts it.
    pub(crate) fn moved(
        &mut self,
        shops: &[Shop],
        shop: usize,
        good: usize,
        place: usize,
        by: Decimal,
        record: &Record,
    ) {
        let (of, about) = (&shops[shop], &shops[shop].goods[good]);
        let key = key(of, about, place);
        if about.stock.get(&place).is_some_and(|count| !count.is_zero()) {
            self.held.insert(key.clone());
        }
        let mirror = record.mirrors.levels.get(&key);
        let Some((mirror, variant)) = mirror.and_then(|mirror| Some((mirror, mirror.variant.clone()?)))
        else {
            self.mark_good_inexact(shops, good, "it moved at a connection that isn't linked yet", record);
            return;
        };
        let shelf = self.shelves.entry((variant, key.location)).or_default();
        let ends = |((of, _), (about, ends)): (&(usize, u64), &(Option<usize>, bool))| {
            *of == shop && *about == Some(good) && *ends
        };
        if self.under_way.iter().any(ends) {
            shelf.inexact.get_or_insert("it moved while the end of a contact was under way");
        } else if in_contact(mirror) {
            shelf.count += by;
        } else {
            shelf.inexact.get_or_insert("it moved at a connection that has no baseline");
        }
    }

    /// Marks a good as inexact wherever it is sold.
    pub(crate) fn mark_good_inexact(
        &mut self,
        shops: &[Shop],
        good: usize,
        why: &'static str,
        record: &Record,
    ) {
        for shop in shops.iter().filter(|shop| good < shop.goods.len()) {
            self.mark_levels_inexact(shop, good, why, record);
            self.mark_edits_inexact(&shop.connection, &shop.goods[good], record);
        }
    }

    /// Marks the shelves of a shop's good as inexact.
    pub(crate) fn mark_levels_inexact(
        &mut self,
        shop: &Shop,
        good: usize,
        why: &'static str,
        record: &Record,
    ) {
        let good = &shop.goods[good];
        let of = record.mirrors.levels.iter();
        let variants: Vec<_> = of
            .filter(|(key, _)| key.connection == shop.connection && key.item == good.item)
            .filter_map(|(key, mirror)| Some((mirror.variant.clone()?, key.location.clone())))
            .collect();
        for at in variants {
            self.shelves.entry(at).or_default().inexact.get_or_insert(why);
        }
    }

    /// Notes that a shop is about to stop counting a good: movements not reported by then never will be.
    pub(crate) fn stops_counting(&mut self, shops: &[Shop], shop: usize, good: usize, record: &Record) {
        let (shop, good) = (&shops[shop], &shops[shop].goods[good]);
        // A list of locations also reports those that are missing from it.
        let is_counted = |place: &usize| shop.kind.lists_locations() || good.stock.contains_key(place);
        for place in (0..PLACES_MAX).filter(is_counted) {
            let key = key(shop, good, place);
            let Some(mirror) = record.mirrors.levels.get(&key) else { continue };
            let Some(variant) = mirror.variant.clone() else { continue };
            let is_reported = mirror.baseline.known().map(|known| known.decimal()) == actual(shops, &key);
            if !is_reported {
                let shelf = self.shelves.entry((variant, key.location)).or_default();
                shelf.inexact.get_or_insert("it was no longer counted before it was reported");
            }
        }
    }

    /// Marks a shelf as inexact after a write whose outcome no call shows any more: if the platform already had the written
    /// number, it is unknown if the write was made.
    pub(crate) fn in_doubt(&mut self, key: &LevelKey, record: &Record) {
        let Some(mirror) = record.mirrors.levels.get(key) else { return };
        if let Some(variant) = &mirror.variant {
            let shelf = self.shelves.entry((variant.clone(), key.location.clone())).or_default();
            shelf.inexact.get_or_insert("it is unknown if a write was made");
        }
    }

    /// Notes the stock of a shop's good at the beginning.
    pub(crate) fn holds(&mut self, shop: &Shop, good: usize) {
        let good = &shop.goods[good];
        for (place, _) in good.stock.iter().filter(|(_, count)| !count.is_zero()) {
            self.held.insert(key(shop, good, *place));
        }
    }

    /// Checks movements of the ledger against the shelves.
    pub(crate) fn ledger(
        &mut self,
        movements: &[(Movement, Option<model::Event>)],
        shops: &[Shop],
        record: &Record,
    ) {
        let is_relinked = movements.iter().any(|(movement, _)| movement.reason == MovementReason::Relinked);
        for (movement, event) in movements {
            let at = (movement.variant.clone(), movement.location.clone());
            let before = movement.level.minus(movement.delta).unwrap_or_default();
            match movement.reason {
                MovementReason::Reported => self.zero_of_its_own(movement, event.as_ref(), before, shops),
                MovementReason::FirstCount | MovementReason::Counted => {
                    let is_wiped = movement.level.is_zero() && before > Quantity::ZERO;
                    let by_person = event
                        .as_ref()
                        .is_some_and(|event| matches!(event.payload, model::Payload::Instruction { .. }));
                    if is_wiped && !by_person && !self.ever_held(movement, event.as_ref()) {
                        self.violations.push(format!(
                            "{before} of {} became 0 by the zero of {}, which never held any",
                            movement.variant, movement.connection
                        ));
                    }
                    let level = record.levels.get(&at).copied().unwrap_or(movement.level);
                    self.counted(&at, level, shops, record);
                }
                MovementReason::Relinked => {}
            }
            if is_relinked {
                self.shelves.entry(at).or_default().inexact.get_or_insert("stock went to another variant");
            }
        }
    }

    fn ever_held(&self, movement: &Movement, event: Option<&model::Event>) -> bool {
        let Some(model::Payload::Inventory(report)) = event.map(|event| &event.payload) else { return true };
        let (connection, location) = (movement.connection.clone(), movement.location.clone());
        self.held.contains(&LevelKey { connection, item: report.item.clone(), location })
    }

    /// Checks that a zero which the platform made itself takes no stock away.
    fn zero_of_its_own(
        &mut self,
        movement: &Movement,
        event: Option<&model::Event>,
        before: Quantity,
        shops: &[Shop],
    ) {
        let Some(model::Payload::Inventory(report)) = event.map(|event| &event.payload) else { return };
        if report.available.is_none_or(|count| !count.is_zero()) || before <= Quantity::ZERO {
            return;
        }
        let Some(shop) = shops.iter().find(|shop| shop.connection == movement.connection) else { return };
        let place = crate::record::place_of(&movement.location);
        let good = shop.goods.iter().find(|good| good.item == report.item);
        if good
            .is_some_and(|good| good.made_zero.contains(&place) && report.location == Some(place_id(place)))
        {
            self.violations.push(format!(
                "{before} of {} became {} by a zero that {} made when it began to stock it",
                movement.variant, movement.level, movement.connection
            ));
        }
    }

    /// Sets the shelf after a count: the store's level at the end of the batch, plus the platforms' movements since
    /// their last report.
    fn counted(&mut self, at: &(VariantId, LocationId), level: Quantity, shops: &[Shop], record: &Record) {
        let mut shelf = Shelf { count: level.decimal(), inexact: None };
        for (key, mirror) in record
            .mirrors
            .levels
            .iter()
            .filter(|(key, mirror)| mirror.variant.as_ref() == Some(&at.0) && key.location == at.1)
        {
            let Some(baseline) = mirror.baseline.known().filter(|_| in_contact(mirror)) else { continue };
            if matches!(
                mirror.phase,
                Phase::Writing { .. } | Phase::Reading { .. } | Phase::Acknowledged { .. }
            ) {
                shelf.inexact = Some("it was counted while a write was under way");
                continue;
            }
            match actual(shops, key) {
                Some(actual) => shelf.count += actual - baseline.decimal(),
                None if shops.iter().any(|shop| shop.is_of_others(&key.item)) => {
                    shelf.inexact = Some(NOBODY_SELLS_IT);
                }
                None => shelf.inexact = Some("it was counted while a platform no longer counted it"),
            }
        }
        self.shelves.insert(at.clone(), shelf);
    }

    /// Notes an edit of a field.
    pub(crate) fn edited(
        &mut self,
        shops: &[Shop],
        shop: usize,
        good: usize,
        edit: (Field, &str),
        clock: Timestamp,
        record: &Record,
    ) {
        let about = &shops[shop].goods[good];
        let of = (shops[shop].connection.clone(), about.variant.clone());
        let Some(variant) = record.links.variants.get(&of).cloned() else { return };
        // Variants of one product of the platform may be of several products of the store: the text is that of the product
        // which the platform's is linked to.
        let product = record.links.products.get(&(of.0.clone(), about.product.clone())).cloned();
        let siblings = shops[shop].siblings(good);
        let others_wait = (0..shops.len()).any(|other| {
            let is_unlisted = |it| other != shop && self.unlisted.contains_key(&(other, it));
            siblings.iter().any(|it| self.is_under_way(other, *it) || is_unlisted(*it))
        });
        // A write that is due overwrites an edit that wasn't reported before (semantics, not guaranteed).
        let is_known = match edit.0 {
            Field::Price => {
                let key = model::FieldKey { connection: of.0.clone(), external: of.1.clone() };
                record.mirrors.prices.get(&key).is_some_and(|mirror| {
                    settled(&mirror.baseline, &mirror.phase) && mirror.attention() != Some(Attention::Write)
                })
            }
            Field::Title | Field::Description => {
                let key = model::FieldKey { connection: of.0.clone(), external: about.product.clone() };
                record.mirrors.texts.get(&key).is_some_and(|mirror| {
                    settled(&mirror.baseline, &mirror.phase) && mirror.attention() != Some(Attention::Write)
                })
            }
        };
        let of = match edit.0 {
            // A price in another currency doesn't set the store's.
            Field::Price if crate::plan::is_foreign(shops[shop].currency) => return,
            Field::Price => Edited::Variant(variant),
            Field::Title | Field::Description => match product {
                Some(product) => Edited::Product(product),
                None => return,
            },
        };
        if others_wait || !is_known {
            self.inexact_edits.insert(of.clone());
        }
        self.edits.insert((of, edit.0), Edit { clock, value: edit.1.to_owned() });
    }

    /// Marks the edits of a good as inexact: they may not be reported any more.
    pub(crate) fn mark_edits_inexact(&mut self, connection: &ConnectionId, good: &Good, record: &Record) {
        let of = (connection.clone(), good.variant.clone());
        let Some(variant) = record.links.variants.get(&of) else { return };
        self.inexact_edits.insert(Edited::Variant(variant.clone()));
        let row = record.variants.get(variant);
        self.inexact_edits.extend(row.map(|row| Edited::Product(row.product.clone())));
        let linked = record.links.products.get(&(connection.clone(), good.product.clone()));
        self.inexact_edits.extend(linked.cloned().map(Edited::Product));
    }
}

fn settled<V>(baseline: &Baseline<V>, phase: &Phase<impl Sized>) -> bool {
    matches!(baseline, Baseline::Known(_)) && matches!(phase, Phase::Idle | Phase::Acknowledged { .. })
}

/// The platform's quantity of a mirror's item, if it counts the item there.
pub(crate) fn actual(shops: &[Shop], key: &LevelKey) -> Option<Decimal> {
    let shop = shops.iter().find(|shop| shop.connection == key.connection)?;
    // What a list lacks has no stock.
    if shop.kind.is_listed() && shop.gone_and_sold().0.iter().any(|good| good.item == key.item) {
        return Some(Decimal::ZERO);
    }
    let good = shop.goods.iter().find(|good| good.item == key.item && !good.is_deleted && good.is_tracked)?;
    let count = good.stock.get(&crate::record::place_of(&key.location)).copied();
    // Locations missing from a list of locations have no stock.
    count.or_else(|| shop.kind.lists_locations().then_some(Decimal::ZERO))
}
