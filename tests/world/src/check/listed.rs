//! Checks of shops that are only read on a schedule.

use crate::{
    oracle,
    shop::{LEVELS, PRODUCTS},
    world::World,
};
use model::{
    Baseline, ConflictKind, ConnectionId, ExternalId, FieldKey, ListRead, ReadOutcome, ReadRange,
    record::ExternalKey,
};

/// Checks that what a complete list of levels had is in the record, and that of any other list if all of it was reported,
/// which is one of seven lists of everything: the baseline of each level is the shop's number, unless it moved while the
/// list was read.
pub(crate) fn complete_read(
    world: &mut World,
    shop: usize,
    name: &str,
    read: &ListRead,
    outcome: ReadOutcome,
) {
    // A lean shop's products have their levels.
    let has_all = read.reports_all && name == PRODUCTS && world.shops[shop].json.is_none();
    let is_all = (has_all || name == LEVELS) && read.range == ReadRange::Whole;
    if outcome != ReadOutcome::Complete || !is_all {
        return;
    }
    let of = &world.shops[shop];
    // A webhook that is late, or a write of ours, may change the baseline while the list is read.
    if !of.kind.is_listed() {
        return;
    }
    let mut found = Vec::new();
    for good in of.gone_and_sold().1.into_iter().filter(|good| good.changed_at() < read.began_at) {
        for (place, count) in &good.stock {
            let mirror = world.pipeline.record.mirrors.levels.get(&oracle::key(of, good, *place));
            let Some(mirror) = mirror else { continue };
            // What is sold out is missing, which counts at the second list without it.
            let is_left_out = count.is_zero() && of.kind.leaves_out_zeros();
            if !is_left_out && mirror.baseline.known().is_some_and(|known| known.decimal() != *count) {
                let (item, known) = (&good.item, mirror.baseline.known());
                found.push(format!(
                    "{item} of {} has {count}, and a complete list left {known:?}",
                    of.connection
                ));
            }
        }
    }
    world.oracle.violations.extend(found);
}

/// Checks that everything that is sold is linked and shows its last number, and that nothing that is gone is linked, unless
/// a conflict names its absence.
pub(super) fn listed_shops_agree(world: &World, found: &mut Vec<String>) {
    let record = &world.pipeline.record;
    let is_listed = |shop: &crate::shop::Shop| world.lists.contains_key(&shop.connection);
    for shop in world.shops.iter().filter(|shop| is_listed(shop)) {
        let (gone, sold) = shop.gone_and_sold();
        let link = |good: &crate::shop::Good| {
            record.links.variants.get(&(shop.connection.clone(), good.variant.clone()))
        };
        // While too many are missing, what is sold out isn't gone.
        let lacks_many = lacks_many(world, &shop.connection);
        for good in sold.into_iter().filter(|_| shop.kind.is_listed()) {
            let is_shown = good.stock.iter().all(|(place, count)| {
                let mirror = record.mirrors.levels.get(&oracle::key(shop, good, *place));
                let known = mirror.and_then(|mirror| mirror.baseline.known());
                // What never had stock was never listed.
                let is_left_out = count.is_zero() && shop.kind.leaves_out_zeros();
                known.map_or(is_left_out, |known| known.decimal() == *count) || is_left_out && lacks_many
            });
            if link(good).is_none() || !is_shown {
                let (item, stock, link) = (&good.item, &good.stock, link(good));
                found.push(format!(
                    "{item} of {} has {stock:?}, linked to {link:?}, and isn't shown so",
                    shop.connection
                ));
            }
        }
        // Where a product that isn't listed may only be sold out, its absence means nothing but that.
        let is_excused = lacks_many || shop.kind.leaves_out_zeros();
        let others = shop.json.iter().flat_map(|json| &json.others.gone);
        for other in others.filter(|_| !is_excused) {
            let variant = ExternalId::new(&other.variant).map(|id| (shop.connection.clone(), id));
            if variant.is_ok_and(|key| record.links.variants.contains_key(&key)) {
                found.push(format!("{} of {} is gone and still linked", other.variant, shop.connection));
            }
        }
        // What no list ever had is never missing (semantics, not guaranteed).
        let was_listed = |good: &crate::shop::Good| {
            world.lists.get(&shop.connection).is_some_and(|lists| lists.had(good.product.as_str()))
        };
        for good in gone.into_iter().filter(|good| was_listed(good) && link(good).is_some() && !is_excused) {
            found.push(format!("{} of {} is gone and still linked", good.item, shop.connection));
        }
    }
}

/// Checks that nothing is linked whose product was reported as deleted, and that nothing that isn't linked has work.
pub(super) fn what_was_deleted_is_retired(world: &World, found: &mut Vec<String>) {
    let record = &world.pipeline.record;
    let links = &record.links;
    let is_deleted = |(connection, _): &ExternalKey, product: &ExternalId| {
        let key = FieldKey { connection: connection.clone(), external: product.clone() };
        let mirror = record.mirrors.texts.get(&key);
        mirror.is_some_and(|mirror| mirror.baseline == Baseline::Absent && mirror.internal.is_none())
    };
    for (kind, live, products) in
        [("variant", &links.variants, &links.variant_products), ("item", &links.items, &links.item_products)]
    {
        for (key, product) in live.keys().filter_map(|key| Some((key, products.get(key)?))) {
            if is_deleted(key, product) {
                found.push(format!("{kind} {key:?} is linked, and its product {product} is deleted"));
            }
        }
    }
    for (key, mirror) in &record.mirrors.levels {
        let is_linked = links.items.contains_key(&(key.connection.clone(), key.item.clone()));
        if !is_linked && (mirror.variant.is_some() || mirror.attention().is_some()) {
            found.push(format!("{} of {} isn't linked: {mirror:?}", key.subject(), key.connection));
        }
    }
}

/// Returns true if a conflict is open that more objects are missing than may count as gone.
pub(super) fn lacks_many(world: &World, connection: &ConnectionId) -> bool {
    let is_it = |(of, kind, _): &crate::record::Open| of == connection && *kind == ConflictKind::ManyMissing;
    world.pipeline.record.open.iter().any(is_it)
}
