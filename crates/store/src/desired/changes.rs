//! Changed values of stores, collected from committed events.

use model::{Event, LocationId, ProductId, StoreId, TraceParent, VariantId, record::Effect};
use std::collections::{BTreeMap, BTreeSet};

/// The changed values of stores, each with the number of the last change that touched it.
///
/// Contains only the keys of the values: the present value is read when the desired value is set, so that a number that
/// is passed twice, or late, never restores an older value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DesiredChanges {
    pub(super) levels: BTreeMap<(VariantId, LocationId), Cause>,
    pub(super) prices: BTreeMap<VariantId, Cause>,
    pub(super) texts: BTreeMap<ProductId, Cause>,
    pub(super) linked: BTreeMap<VariantId, Cause>,
    pub(super) stores: BTreeSet<StoreId>,
}

/// The change that makes a value due elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cause {
    number: i64,
    trace: TraceParent,
}

pub(super) fn numbers<'a>(causes: impl Iterator<Item = &'a Cause>) -> Vec<i64> {
    causes.map(|cause| cause.number).collect()
}

pub(super) fn traces<'a>(causes: impl Iterator<Item = &'a Cause>) -> Vec<String> {
    causes.map(|cause| cause.trace.as_str().to_owned()).collect()
}

impl DesiredChanges {
    /// Adds the effect on the store's values of the event that was committed with this number of its partition.
    pub fn add(&mut self, number: i64, event: &Event, effect: &Effect) {
        let cause = Cause { number, trace: event.trace };
        self.stores.insert(event.origin.store.clone());
        match effect {
            Effect::Level { variant, location, .. } => {
                self.levels.insert((variant.clone(), location.clone()), cause);
            }
            Effect::Price { variant, .. } => {
                self.prices.insert(variant.clone(), cause);
            }
            Effect::Text { product } => {
                self.texts.insert(product.clone(), cause);
            }
            Effect::Linked { variant } => {
                self.linked.insert(variant.clone(), cause.clone());
                self.prices.insert(variant.clone(), cause);
            }
        }
    }

    /// Adds further changes; of two changes of one value, the later one is kept.
    pub fn extend(&mut self, others: Self) {
        fn later<K: Ord>(ours: &mut BTreeMap<K, Cause>, others: BTreeMap<K, Cause>) {
            for (key, cause) in others {
                match ours.get_mut(&key) {
                    Some(known) if known.number > cause.number => {}
                    Some(known) => *known = cause,
                    None => drop(ours.insert(key, cause)),
                }
            }
        }
        later(&mut self.levels, others.levels);
        later(&mut self.prices, others.prices);
        later(&mut self.texts, others.texts);
        later(&mut self.linked, others.linked);
        self.stores.extend(others.stores);
    }

    /// Returns true if nothing changed that concerns a platform.
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty() && self.prices.is_empty() && self.texts.is_empty() && self.linked.is_empty()
    }
}
