//! Checks that a replay of everything, and a rebuild from the committed changes, result in the same record.

use crate::{record::Record, world::World};
use apply::rebuild::Rebuilt;
use model::{
    Baseline, ConflictKind, ConnectionId, FieldMirror, FieldValue, LevelMirror, Phase, PlatformValue,
    record::{Movement, State},
};
use std::collections::{BTreeMap, BTreeSet};

/// Conflicts that calls open: a replay makes no calls. The write log keeps what people see of them.
const OF_CALLS: [ConflictKind; 5] = [
    ConflictKind::WriteRefused,
    ConflictKind::Flapping,
    ConflictKind::Unreadable,
    ConflictKind::NeedsReauth,
    ConflictKind::ManyMissing,
];

pub(super) fn is_the_same(world: &World, found: &mut Vec<String>) {
    let record = &world.pipeline.record;
    let replayed = world.pipeline.replayed(world.rules_at_begin.clone());
    let mut differs = |part: &str, difference: String| {
        found.push(format!("a replay comes to other {part}: {difference}"));
    };
    macro_rules! same {
        ($part:literal, $of:expr) => {
            let (one, other) = ($of(&replayed), $of(record));
            if one != other {
                differs($part, first_difference(&format!("{one:?}"), &format!("{other:?}")));
            }
        };
    }
    same!("levels", |record: &Record| record.levels.clone());
    same!("lines of the ledger", |record: &Record| record.movements.clone());
    same!("products", |record: &Record| record.products.clone());
    same!("variants", |record: &Record| record.variants.clone());
    same!("orders", |record: &Record| record.orders.clone());
    same!("customers", |record: &Record| record.customers.clone());
    same!("employees", |record: &Record| record.employees.clone());
    same!("links", |record: &Record| record.links.clone());
    same!("ends of events", |record: &Record| (record.seen.clone(), record.dead.clone()));
    same!("changes", |record: &Record| record
        .applied
        .iter()
        .map(|applied| (applied.sequence, applied.event.id, applied.effects.clone(), applied.rows.clone()))
        .collect::<Vec<_>>());
    // If several connections show one conflict of the store in one batch, any of them may be named.
    let own =
        |connection: &ConnectionId, kind: ConflictKind| (!kind.is_of_store()).then(|| connection.clone());
    same!("conflicts", |record: &Record| record
        .open
        .iter()
        .filter(|(_, kind, _)| !OF_CALLS.contains(kind))
        .map(|(connection, kind, subject)| (own(connection, *kind), *kind, subject.clone()))
        .collect::<BTreeSet<_>>());
    mirrors(record, &replayed, found);
    rebuilt(record, found);
}

/// Compares reports, baselines and the progress of writes. Desired values and their due times are set by propagate,
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

/// Progress of a write. A refused value counts as idle, because whether it is still desired isn't replayed.
fn phase<V>(phase: &Phase<V>) -> &'static str {
    if phase.is_refused() { Phase::<V>::Idle.as_str() } else { phase.as_str() }
}

fn level(mirror: &LevelMirror) -> impl PartialEq + '_ {
    (&mirror.observed, &mirror.baseline, mirror.proven, mirror.gate, &mirror.variant, phase(&mirror.phase))
}

fn field<V: FieldValue>(mirror: &FieldMirror<V>) -> impl PartialEq + '_ {
    let held: &Baseline<PlatformValue<V>> = &mirror.baseline;
    (&mirror.observed, held, &mirror.internal, phase(&mirror.phase))
}

/// Checks that the committed changes alone result in the same state and ledger.
fn rebuilt(record: &Record, found: &mut Vec<String>) {
    let (mut rebuilt, mut lines) = (Rebuilt::default(), Vec::<Movement>::new());
    for applied in &record.applied {
        match rebuilt.take(applied.clone()) {
            Ok(taken) => lines.extend(taken),
            Err(broken) => return found.push(format!("the committed changes have a gap: {broken}")),
        }
    }
    // A report with a newer version and the same content isn't a change.
    rebuilt.state.orders.values_mut().for_each(|row| row.version = None);
    let mut state = State {
        levels: record.levels.clone(),
        products: record.products.clone(),
        variants: record.variants.clone(),
        orders: record.orders.clone(),
        // No platform of the world has promotions.
        promotions: BTreeMap::new(),
    };
    state.orders.values_mut().for_each(|row| row.version = None);
    if rebuilt.state != state {
        let difference = first_difference(&format!("{:?}", rebuilt.state), &format!("{state:?}"));
        found.push(format!("the committed changes come to another state: {difference}"));
    }
    if lines != record.movements {
        found
            .push(format!("the committed changes have other lines of the ledger than the record: {lines:?}"));
    }
}

/// Number of characters shown before and after the first difference.
const SHOWN_LETTERS: usize = 160;

/// Returns both texts around their first difference.
fn first_difference(one: &str, other: &str) -> String {
    let same = one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count();
    let shown = |text: &str| {
        text.chars().skip(same.saturating_sub(SHOWN_LETTERS)).take(2 * SHOWN_LETTERS).collect::<String>()
    };
    format!("…{}…, not …{}…", shown(one), shown(other))
}
