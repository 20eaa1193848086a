//! A replay of everything, and a rebuild from the committed changes, come to the same record.

use crate::{record::Record, world::World};
use apply::rebuild::Rebuilt;
use model::{
    Baseline, ConflictKind, FieldMirror, FieldValue, Held, LevelMirror,
    record::{Movement, State},
};

/// Conflicts that calls open: a replay calls nobody. What people see of them is kept by the marks.
const OF_CALLS: [ConflictKind; 4] =
    [ConflictKind::WriteRefused, ConflictKind::Flapping, ConflictKind::Unreadable, ConflictKind::NeedsReauth];

pub(super) fn is_the_same(world: &World, found: &mut Vec<String>) {
    let record = &world.pipeline.record;
    let replayed = world.pipeline.replayed(world.rules_at_begin.clone());
    let mut differs = |part: &str, one: String, other: String| {
        found.push(format!("a replay comes to other {part}: {one}, not {other}"));
    };
    macro_rules! same {
        ($part:literal, $of:expr) => {
            let (one, other) = ($of(&replayed), $of(record));
            if one != other {
                differs($part, format!("{one:?}"), format!("{other:?}"));
            }
        };
    }
    same!("levels", |record: &Record| record.levels.clone());
    same!("lines of the ledger", |record: &Record| record.movements.clone());
    same!("products", |record: &Record| record.products.clone());
    same!("variants", |record: &Record| record.variants.clone());
    same!("orders", |record: &Record| record.orders.clone());
    same!("customers", |record: &Record| record.customers.clone());
    same!("links", |record: &Record| record.links.clone());
    same!("ends of events", |record: &Record| (record.seen.clone(), record.dead.clone()));
    same!("changes", |record: &Record| record
        .applied
        .iter()
        .map(|applied| (applied.sequence, applied.event.id, applied.effects.clone(), applied.rows.clone()))
        .collect::<Vec<_>>());
    same!("conflicts", |record: &Record| record
        .open
        .iter()
        .filter(|(_, kind, _)| !OF_CALLS.contains(kind))
        .cloned()
        .collect::<Vec<_>>());
    mirrors(record, &replayed, found);
    rebuilt(record, found);
}

/// What platforms reported and hold, and how far writes have come. What is desired and when it is due are set by propagate,
/// which a replay doesn't run.
fn mirrors(record: &Record, replayed: &Record, found: &mut Vec<String>) {
    for (key, mirror) in record.mirrors.levels.iter().filter(|(_, mirror)| mirror.observed.is_some()) {
        let again = replayed.mirrors.levels.get(key);
        if again.map(level) != Some(level(mirror)) {
            found.push(format!(
                "a replay comes to another mirror of {}: {again:?}, not {mirror:?}",
                key.subject()
            ));
        }
    }
    for (key, mirror) in record.mirrors.prices.iter().filter(|(_, mirror)| mirror.observed.is_some()) {
        let again = replayed.mirrors.prices.get(key);
        if again.map(field) != Some(field(mirror)) {
            found.push(format!(
                "a replay comes to another price mirror of {key:?}: {again:?}, not {mirror:?}"
            ));
        }
    }
    for (key, mirror) in record.mirrors.texts.iter().filter(|(_, mirror)| mirror.observed.is_some()) {
        let again = replayed.mirrors.texts.get(key);
        if again.map(field) != Some(field(mirror)) {
            found
                .push(format!("a replay comes to another text mirror of {key:?}: {again:?}, not {mirror:?}"));
        }
    }
}

fn level(mirror: &LevelMirror) -> impl PartialEq + '_ {
    (&mirror.observed, &mirror.baseline, mirror.proven, mirror.gate, &mirror.variant, mirror.phase.as_str())
}

fn field<V: FieldValue>(mirror: &FieldMirror<V>) -> impl PartialEq + '_ {
    let held: &Baseline<Held<V>> = &mirror.baseline;
    (&mirror.observed, held, &mirror.internal, mirror.phase.as_str())
}

/// The committed changes alone come to the same state and ledger.
fn rebuilt(record: &Record, found: &mut Vec<String>) {
    let (mut rebuilt, mut lines) = (Rebuilt::default(), Vec::<Movement>::new());
    for applied in &record.applied {
        match rebuilt.take(applied.clone()) {
            Ok(taken) => lines.extend(taken),
            Err(broken) => return found.push(format!("the committed changes have a gap: {broken}")),
        }
    }
    let state = State {
        levels: record.levels.clone(),
        products: record.products.clone(),
        variants: record.variants.clone(),
        orders: record.orders.clone(),
    };
    if rebuilt.state != state {
        found.push(format!("the committed changes come to {:?}, the record has {state:?}", rebuilt.state));
    }
    if lines != record.movements {
        found
            .push(format!("the committed changes have other lines of the ledger than the record: {lines:?}"));
    }
}
