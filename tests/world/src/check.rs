//! Checks of each write when it is made, and of the whole world at rest.

mod listed;
mod replay;
mod trade;

use crate::{
    oracle::{Edited, Field, actual},
    outbound::Due,
    plan::Act,
    shop::{Asked, Outcome, Shop},
    world::{CANARY, World},
};
pub(crate) use listed::complete_read;
use listed::{lacks_many, listed_shops_agree, what_was_deleted_is_retired};
use model::{
    Attention, ConflictKind, FieldMirror, FieldValue, LevelKey, Mirror, MirrorKey, MirrorKind, Phase,
    ProductText, sku_key,
};
use platforms::CallError;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};
use trade::{currencies_are_kept_apart, events_ended, orders_are_kept};

/// Checks a write: its number is the store's, in the platform's scale; a zero needs an empty shelf; no foreign price,
/// and no write during a pause.
pub(crate) fn write(world: &mut World, shop: usize, due: &Due) {
    if let Asked::Price(price) = &due.asked
        && price.currency != world.shops[shop].currency
    {
        let line =
            format!("{} is written {price}, and its prices are in another currency", due.key.subject());
        world.oracle.violations.push(line);
    }
    let id = &world.shops[shop].connection;
    if world.connections.get(id).is_some_and(|connection| !connection.enabled) {
        world.oracle.violations.push(format!("{} is written during a pause", due.key.subject()));
    }
    let (Asked::Level { to, from, .. }, MirrorKey::Level(key)) = (&due.asked, &due.key) else { return };
    if !due.is_new {
        return;
    }
    let record = &world.pipeline.record;
    let Some(mirror) = record.mirrors.levels.get(key) else { return };
    let level = mirror.variant.clone().and_then(|of| record.levels.get(&(of, key.location.clone())));
    let decimals = decimals(&world.shops[shop]);
    if level.is_none_or(|level| level.floored(decimals) != *to) {
        let line = format!("{} is written {to} where the store has {level:?}", key.subject());
        world.oracle.violations.push(line);
    }
    if to.decimal().is_zero() && from.decimal() > Decimal::ZERO {
        nothing_is_left(world, key);
    }
}

/// Checks that an outcome of a new write of a level is true at the platform: the level has moved by the difference, or not
/// at all; after a conflict it is another number than the expected one, and after `Gone` there is none.
pub(crate) fn outcome(world: &mut World, due: &Due, before: Option<Decimal>, outcome: &Outcome) {
    let (Asked::Level { from, to, .. }, MirrorKey::Level(key)) = (&due.asked, &due.key) else { return };
    let after = actual(&world.shops, key);
    let is_true = match outcome {
        // A platform may accept a number of an item that it doesn't count.
        Ok(_) => {
            before.zip(after).is_none_or(|(before, after)| after - before == to.decimal() - from.decimal())
        }
        Err(CallError::Conflict) => before == after && before != Some(from.decimal()),
        Err(CallError::Gone) => before.is_none() && after.is_none(),
        Err(_) => before == after,
    };
    // A repeated write may get the outcome of an earlier attempt.
    if due.is_new && !is_true {
        let line = format!(
            "{} of {} is said to be {outcome:?} after {from} to {to}, and went from {before:?} to {after:?}",
            key.subject(),
            key.connection
        );
        world.oracle.violations.push(line);
    }
}

/// Checks that a zero is written only where the shelf has nothing left.
fn nothing_is_left(world: &mut World, key: &LevelKey) {
    let mirror = world.pipeline.record.mirrors.levels.get(key);
    let Some(variant) = mirror.and_then(|mirror| mirror.variant.clone()) else { return };
    let at = (variant, key.location.clone());
    let Some(shelf) = world.oracle.shelves.get(&at).filter(|shelf| shelf.inexact.is_none()) else { return };
    // Sales that weren't read yet are already off the shelf.
    if shelf.count >= Decimal::ONE && lacks_reports(world, &at) == Decimal::ZERO {
        let line = format!("{} is written 0 and the shelf has {}", key.subject(), shelf.count);
        world.oracle.violations.push(line);
    }
}

/// Sum of the differences between platforms' quantities and their mirrors' baselines.
fn lacks_reports(world: &World, at: &(model::VariantId, model::LocationId)) -> Decimal {
    let mirrors = world.pipeline.record.mirrors.levels.iter();
    let of = mirrors.filter(|(key, mirror)| mirror.variant.as_ref() == Some(&at.0) && key.location == at.1);
    of.filter_map(|(key, mirror)| {
        Some((actual(&world.shops, key)? - mirror.baseline.known()?.decimal()).abs())
    })
    .sum()
}

pub(crate) fn decimals(shop: &Shop) -> u32 {
    let platform = platforms::find(shop.kind.as_str());
    platform
        .and_then(|platform| platform.write_limits(MirrorKind::Inventory))
        .map_or(6, |it| it.quantity_decimals)
}

/// Checks everything that must hold at rest.
pub(crate) fn at_rest(world: &mut World) {
    let mut found = Vec::new();
    nothing_waits(world, &mut found);
    levels_agree(world, &mut found);
    shelves_are_right(world, &mut found);
    texts_agree(world, &mut found);
    prices_agree(world, &mut found);
    edits_stand(world, &mut found);
    orders_are_kept(world, &mut found);
    currencies_are_kept_apart(world, &mut found);
    events_ended(world, &mut found);
    numbers_link(world, &mut found);
    listed_shops_agree(world, &mut found);
    what_was_deleted_is_retired(world, &mut found);
    ledger_sums(world, &mut found);
    nobody_is_left(world, &mut found);
    replay::is_the_same(world, &mut found);
    world.oracle.violations.extend(found);
}

fn nothing_waits(world: &World, found: &mut Vec<String>) {
    let record = &world.pipeline.record;
    for mirror in record.mirrors.iter() {
        let phase = match &mirror {
            Mirror::Level(_, mirror) => phase(&mirror.phase),
            Mirror::Price(_, mirror) => phase(&mirror.phase),
            Mirror::Text(_, mirror) => phase(&mirror.phase),
        };
        let key = mirror.key();
        if let Some(phase) = phase {
            found.push(format!("{} of {} is {phase} at rest", key.subject(), key.connection()));
        }
        let attention = mirror.attention();
        let is_explained = record.is_open(key.connection(), &key.subject());
        if attention == Some(Attention::Write) && !is_explained || attention == Some(Attention::Read) {
            found.push(format!("{} of {} waits for {attention:?} at rest", key.subject(), key.connection()));
        }
    }
}

fn phase<V>(phase: &Phase<V>) -> Option<&'static str> {
    matches!(phase, Phase::Writing { .. } | Phase::Reading { .. }).then(|| phase.as_str())
}

fn levels_agree(world: &World, found: &mut Vec<String>) {
    let record = &world.pipeline.record;
    for (key, mirror) in &record.mirrors.levels {
        let Some(actual) = actual(&world.shops, key) else { continue };
        let Some(shop) = world.shops.iter().find(|shop| shop.connection == key.connection) else { continue };
        let (Some(variant), true) = (&mirror.variant, shop.kind.takes(MirrorKind::Inventory)) else {
            continue;
        };
        let Some(level) = record.levels.get(&(variant.clone(), key.location.clone())) else { continue };
        if level.floored(decimals(shop)).decimal() == actual
            || record.is_open(&key.connection, &key.subject())
        {
            continue;
        }
        if mirror.attention() == Some(Attention::Decision) && mirror.is_unproven_zero() {
            continue;
        }
        found.push(format!(
            "{} of {} holds {actual}, the store has {level}: {mirror:?}",
            key.subject(),
            key.connection
        ));
    }
}

fn shelves_are_right(world: &World, found: &mut Vec<String>) {
    let record = &world.pipeline.record;
    for ((variant, location), shelf) in
        world.oracle.shelves.iter().filter(|(_, shelf)| shelf.inexact.is_none())
    {
        let Some(level) = record.levels.get(&(variant.clone(), location.clone())) else { continue };
        if level.decimal() != shelf.count && !is_uncertain(world, variant, location) {
            found
                .push(format!("the shelf of {variant} at {location} has {}, the store {level}", shelf.count));
        }
    }
}

/// Returns true if an open conflict names an item whose writes have an unknown outcome or were stopped, or so many that are
/// missing that none counts as gone.
fn is_uncertain(world: &World, variant: &model::VariantId, location: &model::LocationId) -> bool {
    let record = &world.pipeline.record;
    let of = record.mirrors.levels.iter();
    of.filter(|(key, mirror)| mirror.variant.as_ref() == Some(variant) && key.location == *location).any(
        |(key, _)| {
            lacks_many(world, &key.connection)
                || [ConflictKind::WriteUncertain, ConflictKind::Flapping]
                    .iter()
                    .any(|kind| record.open.contains(&(key.connection.clone(), *kind, key.subject())))
        },
    )
}

fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_settled<V: FieldValue>(mirror: &FieldMirror<V>) -> bool {
    mirror.internal.is_some() && mirror.baseline.known().is_some()
}

fn texts_agree(world: &World, found: &mut Vec<String>) {
    let record = &world.pipeline.record;
    for (key, mirror) in record.mirrors.texts.iter().filter(|(_, mirror)| is_settled(mirror)) {
        let Some((shop, good)) = live(world, key) else { continue };
        let Some(text) = mirror.internal.as_ref().and_then(|product| record.text(product)) else { continue };
        let is_open = record.is_open(&key.connection, &MirrorKey::Text(key.clone()).subject());
        if !shop.kind.takes(MirrorKind::Product) || is_open {
            continue;
        }
        let shows = |shown: &str, wanted: Option<String>| {
            wanted.is_none_or(|wanted| spaced(shown) == spaced(&wanted))
        };
        let ProductText { title, description } = &text;
        let title = title.as_ref().map(|title| shop.kind.titled(title));
        let description = description.as_ref().map(|description| shop.kind.described(description));
        if !shows(&good.title, title) || !shows(&good.description, description) {
            found.push(format!(
                "product {} of {} shows {:?} {:?}, the store has {text:?}: {mirror:?}",
                key.external, key.connection, good.title, good.description
            ));
        }
    }
}

fn prices_agree(world: &World, found: &mut Vec<String>) {
    let record = &world.pipeline.record;
    for (key, mirror) in record.mirrors.prices.iter().filter(|(_, mirror)| is_settled(mirror)) {
        let Some((shop, good)) = live(world, key) else { continue };
        let row = mirror.internal.as_ref().and_then(|variant| record.variants.get(variant));
        let Some(price) = row.and_then(|row| row.price.as_ref()) else { continue };
        let is_explained = record.is_open(&key.connection, &MirrorKey::Price(key.clone()).subject());
        if shop.kind.takes(MirrorKind::Price) && price.value.minor != good.price && !is_explained {
            found.push(format!(
                "variant {} of {} costs {}, the store says {}: {mirror:?}",
                key.external, key.connection, good.price, price.value
            ));
        }
    }
}

fn live<'a>(world: &'a World, key: &model::FieldKey) -> Option<(&'a Shop, &'a crate::shop::Good)> {
    let shop = world.shops.iter().find(|shop| shop.connection == key.connection)?;
    let good = shop.find(&key.external)?;
    Some((shop, &shop.goods[good]))
}

/// Checks that the record has the last edit of a field as the shop where it was typed shows it, not as another platform
/// renders it: a rendered form that is taken for an edit destroys the typed value.
fn edits_stand(world: &World, found: &mut Vec<String>) {
    let record = &world.pipeline.record;
    let exact = |(of, _): &&(Edited, Field)| !world.oracle.inexact_edits.contains(of);
    for key in world.oracle.edits.keys().filter(exact) {
        let ((of, field), Some(edit)) = (key, world.oracle.edits.get(key)) else { continue };
        let text = match of {
            Edited::Product(product) => record.text(product),
            Edited::Variant(_) => None,
        };
        let price = match of {
            Edited::Variant(variant) => record.variants.get(variant).and_then(|row| row.price.as_ref()),
            Edited::Product(_) => None,
        };
        let now = match field {
            Field::Title => text.and_then(|text| text.title),
            Field::Description => text.and_then(|text| text.description),
            Field::Price => price.map(|price| price.value.minor.to_string()),
        };
        let Some(now) = now else { continue };
        if spaced(&edit.value) != spaced(&now) {
            found.push(format!(
                "the last {field:?} of {of:?} was {:?} at {}, the store has {now:?}",
                edit.value, edit.clock
            ));
        }
    }
}

/// Checks that goods with the same SKU at all connected shops are one variant.
fn numbers_link(world: &World, found: &mut Vec<String>) {
    let record = &world.pipeline.record;
    let mut holders: BTreeMap<String, BTreeMap<model::ConnectionId, Vec<&crate::shop::Good>>> =
        BTreeMap::new();
    for shop in world.shops.iter().filter(|shop| world.connections.contains_key(&shop.connection)) {
        for good in shop.goods.iter().filter(|good| !good.is_deleted) {
            let Some(number) = sku_key(&good.sku) else { continue };
            holders.entry(number).or_default().entry(shop.connection.clone()).or_default().push(good);
        }
    }
    let was_shared = world.plan.steps.iter().any(|step| {
        let is_other = |sku: &str, good: usize| *sku != crate::plan::sku(good) && sku_key(sku).is_some();
        match &step.act {
            Act::Sku { sku, good, .. } => is_other(sku, *good),
            Act::Link { .. } | Act::Unlink { .. } => true,
            _ => false,
        }
    });
    for (number, by) in
        holders.iter().filter(|(_, by)| by.values().all(|goods| goods.len() == 1) && !was_shared)
    {
        let linked: BTreeSet<_> = by
            .iter()
            .flat_map(|(connection, goods)| {
                goods.iter().map(move |good| (connection.clone(), good.variant.clone()))
            })
            .map(|key| record.links.variants.get(&key).cloned())
            .collect();
        let is_asked = record.open.iter().any(|(_, kind, _)| *kind == ConflictKind::SkuAmbiguous);
        if linked.len() > 1 && !is_asked {
            found.push(format!("{number} is sold by {} shops and is not one variant: {linked:?}", by.len()));
        }
    }
}

fn ledger_sums(world: &World, found: &mut Vec<String>) {
    let record = &world.pipeline.record;
    for ((variant, location), level) in &record.levels {
        let lines = record.movements.iter().filter(|it| it.variant == *variant && it.location == *location);
        let sum = lines.map(|line| line.delta.decimal()).sum::<rust_decimal::Decimal>();
        if sum != level.decimal() {
            found.push(format!("the ledger of {variant} at {location} sums to {sum}, the level is {level}"));
        }
    }
}

fn nobody_is_left(world: &World, found: &mut Vec<String>) {
    let record = &world.pipeline.record;
    for row in record.customers.values().filter(|row| world.erased.contains(&row.customer.external)) {
        if row.customer != row.customer.without_personal_data() {
            found.push(format!(
                "personal data of the deleted customer {} is in the record",
                row.customer.external
            ));
        }
    }
    let of_events = record.applied.iter().any(|applied| match &applied.event.payload {
        model::Payload::Customer(customer) => customer.email.set().is_some_and(|email| email == CANARY),
        _ => false,
    });
    if of_events {
        found.push("personal data is in an applied event".to_owned());
    }
    for row in record.orders.values().filter(|row| !row.order.status.is_final()) {
        found.push(format!("the deleted order {} is open", row.order.external));
    }
}
