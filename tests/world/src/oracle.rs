//! What is so: the shelf and the last edits, as the people in the shops know them.
//!
//! The shelf of a variant at a place moves with everything that people do at a connection that Tillflow is in contact
//! with. Where no rule and no person could say what a number meant (a sale before the first report was read, say), the
//! shelf is not exact any more, and only weaker things are held against it.

use crate::{
    record::{Record, location_id},
    shop::{Good, Kind, PLACES_MAX, Shop, Webhook, place_id},
};
use model::{
    Baseline, ConnectionId, LevelKey, LevelMirror, LocationId, Phase, Quantity, Timestamp, VariantId,
    record::{Movement, MovementReason},
};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// A shelf: how much is there, and why that isn't known exactly.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shelf {
    pub(crate) count: Decimal,
    pub(crate) inexact: Option<&'static str>,
}

/// A field of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    Title,
    Description,
    Price,
}

/// What has a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Edited {
    Product(model::ProductId),
    Variant(VariantId),
}

/// The last edit of a field: its clock and the value, as the shop shows it where it was typed.
#[derive(Debug, Clone)]
pub(crate) struct Edit {
    pub(crate) clock: Timestamp,
    pub(crate) value: String,
}

/// What is so.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) shelves: BTreeMap<(VariantId, LocationId), Shelf>,
    pub(crate) edits: BTreeMap<(Edited, Field), Edit>,
    /// Products and variants whose last edits aren't exact any more.
    pub(crate) blurred: BTreeSet<Edited>,
    /// Connections' items that ever held something at a place.
    held: BTreeSet<LevelKey>,
    /// Webhooks under way, by shop and number: their good, and whether they end a contact.
    under_way: BTreeMap<(usize, u64), (Option<usize>, bool)>,
    pub(crate) violations: Vec<String>,
}

pub(crate) fn key(shop: &Shop, good: &Good, place: usize) -> LevelKey {
    LevelKey { connection: shop.connection.clone(), item: good.item.clone(), location: location_id(place) }
}

/// Returns whether Tillflow is in contact: the next number of the platform is a movement.
fn in_contact(mirror: &LevelMirror) -> bool {
    mirror.variant.is_some()
        && mirror.baseline.known().is_some_and(|number| mirror.proven || !number.is_zero())
}

impl Oracle {
    /// A webhook left, or won't.
    pub(crate) fn sent(&mut self, shop: usize, webhook: &Webhook, is_lost: bool) {
        if !is_lost {
            self.under_way.insert((shop, webhook.number), (webhook.good, webhook.ends_contact));
        }
    }

    /// A webhook arrived.
    pub(crate) fn arrived(&mut self, shop: usize, number: u64) {
        self.under_way.remove(&(shop, number));
    }

    fn is_under_way(&self, shop: usize, good: usize) -> bool {
        self.under_way.iter().any(|((of, _), (about, _))| *of == shop && *about == Some(good))
    }

    /// People moved a level at a shop, which counts it.
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
            self.blur_good(shops, good, "it moved at a connection that isn't linked yet", record);
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

    /// Something that makes a good inexact wherever it is sold.
    pub(crate) fn blur_good(&mut self, shops: &[Shop], good: usize, why: &'static str, record: &Record) {
        for shop in shops.iter().filter(|shop| good < shop.goods.len()) {
            self.blur_levels(shop, good, why, record);
            self.blur_edits(&shop.connection, &shop.goods[good], record);
        }
    }

    /// Something that makes a pair of good and place inexact at every connection.
    pub(crate) fn blur_levels(&mut self, shop: &Shop, good: usize, why: &'static str, record: &Record) {
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

    /// A shop is about to stop counting a good: what it didn't report by then it never will.
    pub(crate) fn stops_counting(&mut self, shops: &[Shop], shop: usize, good: usize, record: &Record) {
        let (shop, good) = (&shops[shop], &shops[shop].goods[good]);
        // Of a list of locations, those that are missing are reported as well.
        let is_counted = |place: &usize| shop.kind == Kind::Treez || good.stock.contains_key(place);
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

    /// A write was too old to be repeated: whether it was made isn't known, if it met a number that it would have made.
    pub(crate) fn in_doubt(&mut self, key: &LevelKey, record: &Record) {
        let Some(mirror) = record.mirrors.levels.get(key) else { return };
        if let Some(variant) = &mirror.variant {
            let shelf = self.shelves.entry((variant.clone(), key.location.clone())).or_default();
            shelf.inexact.get_or_insert("a write was too old to be repeated");
        }
    }

    /// Notes what a shop holds from the begin.
    pub(crate) fn holds(&mut self, shop: &Shop, good: usize) {
        let good = &shop.goods[good];
        for (place, _) in good.stock.iter().filter(|(_, count)| !count.is_zero()) {
            self.held.insert(key(shop, good, *place));
        }
    }

    /// Holds movements of the ledger against what is so.
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

    /// A zero of the platform's own making never takes stock away.
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

    /// A count: the shelf is what the store has once the batch is through, and what platforms moved since they last
    /// reported.
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
                None => shelf.inexact = Some("it was counted while a platform no longer counted it"),
            }
        }
        self.shelves.insert(at.clone(), shelf);
    }

    /// People edited a field.
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
        let Some(product) = record.variants.get(&variant).map(|row| row.product.clone()) else { return };
        let siblings = shops[shop].siblings(good);
        let others_wait =
            (0..shops.len()).any(|other| siblings.iter().any(|it| self.is_under_way(other, *it)));
        let is_known = match edit.0 {
            Field::Price => {
                let key = model::FieldKey { connection: of.0.clone(), external: of.1.clone() };
                record.mirrors.prices.get(&key).is_some_and(|mirror| settled(&mirror.baseline, &mirror.phase))
            }
            Field::Title | Field::Description => {
                let key = model::FieldKey { connection: of.0.clone(), external: about.product.clone() };
                record.mirrors.texts.get(&key).is_some_and(|mirror| settled(&mirror.baseline, &mirror.phase))
            }
        };
        let of = match edit.0 {
            // A price in another currency is none of the store's.
            Field::Price if crate::plan::is_foreign(shops[shop].currency) => return,
            Field::Price => Edited::Variant(variant),
            Field::Title | Field::Description => Edited::Product(product),
        };
        if others_wait || !is_known {
            self.blurred.insert(of.clone());
        }
        self.edits.insert((of, edit.0), Edit { clock, value: edit.1.to_owned() });
    }

    /// The edits of a good can't be reported any more.
    pub(crate) fn blur_edits(&mut self, connection: &ConnectionId, good: &Good, record: &Record) {
        let of = (connection.clone(), good.variant.clone());
        let Some(variant) = record.links.variants.get(&of) else { return };
        self.blurred.insert(Edited::Variant(variant.clone()));
        let row = record.variants.get(variant);
        self.blurred.extend(row.map(|row| Edited::Product(row.product.clone())));
        let linked = record.links.products.get(&(connection.clone(), good.product.clone()));
        self.blurred.extend(linked.cloned().map(Edited::Product));
    }
}

fn settled<V>(baseline: &Baseline<V>, phase: &Phase<impl Sized>) -> bool {
    matches!(baseline, Baseline::Known(_)) && matches!(phase, Phase::Idle | Phase::Acknowledged { .. })
}

/// The quantity that a platform holds of a mirror's item there, if it counts it.
pub(crate) fn actual(shops: &[Shop], key: &LevelKey) -> Option<Decimal> {
    let shop = shops.iter().find(|shop| shop.connection == key.connection)?;
    let good = shop.goods.iter().find(|good| good.item == key.item && !good.is_deleted && good.is_tracked)?;
    let count = good.stock.get(&crate::record::place_of(&key.location)).copied();
    // Of a list of locations, those that are missing have none.
    count.or_else(|| (shop.kind == Kind::Treez).then_some(Decimal::ZERO))
}
