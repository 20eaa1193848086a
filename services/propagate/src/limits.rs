//! Limits of writes: the kinds that may be begun at a connection, their decimals and repeat times.

use model::{MirrorKind, PlatformName};
use platforms::Platform;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use store::{Rules, Writes};

/// The limits of one connection's writes.
pub(crate) struct Limits {
    /// The kinds that the platform accepts and the rules allow.
    pub(crate) kinds: BTreeSet<MirrorKind>,
    /// The decimals of its quantities.
    pub(crate) decimals: u32,
    /// The time for which a write of a kind may be repeated.
    pub(crate) repeatable_for: BTreeMap<MirrorKind, Duration>,
    /// The number of writes of a kind in one request, where it is more than one.
    batch_max: BTreeMap<MirrorKind, usize>,
}

impl Limits {
    /// The number of writes of that kind in one request.
    pub(crate) fn batch_max(&self, kind: MirrorKind) -> usize {
        self.batch_max.get(&kind).copied().unwrap_or(1)
    }

    /// The kinds of which several writes are made in one request.
    pub(crate) fn batched(&self) -> BTreeSet<MirrorKind> {
        self.batch_max.keys().copied().collect()
    }

    /// The largest number of writes in one request.
    pub(crate) fn largest_batch(&self) -> i64 {
        self.batch_max.values().max().and_then(|largest| i64::try_from(*largest).ok()).unwrap_or(1)
    }

    pub(crate) fn of(platform: &dyn Platform, rules: Rules) -> Self {
        let (mut kinds, mut decimals) = (BTreeSet::new(), 0);
        let (mut repeatable_for, mut batch_max) = (BTreeMap::new(), BTreeMap::new());
        for kind in MirrorKind::ALL {
            let Some(limits) = platform.write_limits(kind) else { continue };
            if kind == MirrorKind::Inventory {
                decimals = limits.quantity_decimals;
            }
            if let Some(limit) = limits.repeatable_for {
                repeatable_for.insert(kind, limit);
            }
            if limits.batch_max > 1 {
                batch_max.insert(kind, limits.batch_max);
            }
            let is_let_out = match kind {
                MirrorKind::Inventory => rules.propagate_inventory,
                MirrorKind::Price => rules.propagate_prices,
                MirrorKind::Product => rules.propagate_products,
            };
            if is_let_out {
                kinds.insert(kind);
            }
        }
        Self { kinds, decimals, repeatable_for, batch_max }
    }
}

/// The kinds that each platform accepts, with the decimals of its quantities.
pub(crate) fn writes() -> Writes {
    let mut writes = Writes::new();
    for platform in platforms::all() {
        let Ok(name) = PlatformName::new(platform.name()) else { continue };
        for kind in MirrorKind::ALL {
            if let Some(limits) = platform.write_limits(kind) {
                writes.insert((name.clone(), kind), limits.quantity_decimals);
            }
        }
    }
    writes
}
