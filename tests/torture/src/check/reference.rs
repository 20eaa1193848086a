//! A second, plain implementation of the stream's result, written from the invariants alone: the newest version of each
//! object counts, in the order of the deliveries in RAW.

use crate::{
    evidence::{EventOutcome, Evidence, Thing},
    ledger::Reported,
    plan::{self, OrderStage, What},
};
use model::{DeliveryId, Position};
use std::collections::{BTreeMap, HashMap};

/// One event of the stream, at its first position in RAW.
struct Accepted<'a> {
    position: Position,
    reported: &'a Reported,
    /// Every delivery of this event.
    deliveries: Vec<DeliveryId>,
}

/// Key of a level, product or order: the index of its store in the crowd, and its own number.
type Key = (u32, u32);

#[derive(Default)]
struct Reference {
    levels: HashMap<Key, (u32, i64)>,
    products: HashMap<Key, u32>,
    orders: HashMap<Key, (u32, &'static str, i64)>,
}

const fn status(stage: OrderStage) -> &'static str {
    match stage {
        OrderStage::Open => "open",
        OrderStage::Completed | OrderStage::Refunded => "completed",
        OrderStage::Cancelled => "cancelled",
    }
}

impl Reference {
    /// Applies an event and returns the outcome that it must have; `None` if the reference can't predict it.
    fn take(&mut self, reported: &Reported, predictable: bool) -> Option<&'static str> {
        match reported.what {
            What::Level { product, version, level } => {
                let key = (reported.store, u32::from(product));
                let known = self.levels.get(&key).copied();
                if known.is_some_and(|(newest, _)| version < newest) {
                    return Some("stale");
                }
                self.levels.insert(key, (version, level));
                Some(if known.is_some_and(|(_, actual)| actual == level) { "unchanged" } else { "applied" })
            }
            What::Product { product, version } => {
                let key = (reported.store, u32::from(product));
                if self.products.get(&key).is_some_and(|newest| version < *newest) {
                    return Some("stale");
                }
                self.products.insert(key, version);
                predictable.then_some("applied")
            }
            What::Order { order, version, state } => {
                let (key, status) = ((reported.store, order), status(state.stage));
                let now = (version, status, state.total_minor);
                match self.orders.get_mut(&key) {
                    Some((newest, ..)) if version < *newest => return Some("stale"),
                    Some((newest, known, total)) if (*known, *total) == (status, state.total_minor) => {
                        *newest = version;
                        return Some("unchanged");
                    }
                    // A final order is reported in a status that can't follow its own: the order stays, and a conflict
                    // is recorded.
                    Some((_, known, _))
                        if *known == "cancelled" || (*known == "completed" && status == "open") =>
                    {
                        return Some("unchanged");
                    }
                    _ => drop(self.orders.insert(key, now)),
                }
                Some("applied")
            }
            // The location belongs to another store.
            What::Misplaced { .. } => Some("filtered"),
            _ => None,
        }
    }
}

/// The events of the stream by store, in the order of RAW.
fn accepted(evidence: &Evidence) -> Vec<Accepted<'_>> {
    let mut events: BTreeMap<(u32, u64), Accepted<'_>> = BTreeMap::new();
    for (id, reported) in &evidence.ledger.reported {
        let Some(kept) = evidence.raw.get(id) else { continue };
        let first = Accepted { position: kept.position, reported, deliveries: Vec::new() };
        let event = events.entry((reported.store, reported.number)).or_insert(first);
        event.position = event.position.min(kept.position);
        event.deliveries.push(*id);
    }
    let mut events: Vec<_> = events.into_values().collect();
    events.sort_by_key(|event| (event.reported.store, event.position));
    events
}

/// Events whose outcome differs from the reference.
pub(super) fn outcomes(evidence: &Evidence) -> Vec<String> {
    let event_outcomes: HashMap<DeliveryId, &EventOutcome> =
        evidence.event_outcomes.iter().map(|event_outcome| (event_outcome.delivery, event_outcome)).collect();
    let mut reference = Reference::default();
    let mut found = Vec::new();
    for event in accepted(evidence) {
        let reported = event.reported;
        let expected = reference.take(reported, evidence.predictable.contains(&reported.store));
        let event_outcome = event.deliveries.iter().find_map(|id| event_outcomes.get(id));
        let (Some(expected), Some(event_outcome)) = (expected, event_outcome) else { continue };
        if event_outcome.outcome != expected {
            let (store, number) = (evidence.store_name(reported.store), reported.number);
            let (outcome, at, what, reason) =
                (&event_outcome.outcome, event.position, reported.what, &event_outcome.reason);
            found.push(format!(
                "{store} number {number} at {at} ended as {outcome} ({reason}) and not as {expected}: {what:?}"
            ));
        }
    }
    found
}

/// Values of the record that differ from the newest that was reported, of stores that only the stream reports on.
pub(super) fn values(evidence: &Evidence) -> Vec<String> {
    let mut reference = Reference::default();
    for event in accepted(evidence) {
        reference.take(event.reported, true);
    }
    let mut found = wrong_levels(evidence, &reference);
    found.extend(wrong_products(evidence, &reference));
    found.extend(wrong_orders(evidence, &reference));
    found
}

fn wrong_levels(evidence: &Evidence, reference: &Reference) -> Vec<String> {
    let rows: HashMap<(&str, &str), Option<&str>> = evidence
        .levels
        .iter()
        .filter_map(|level| Some(((level.store.as_str(), level.sku.as_deref()?), level.quantity.as_deref())))
        .collect();
    let known = reference.levels.iter().filter(|((store, _), _)| evidence.predictable.contains(store));
    let mut found = Vec::new();
    for ((store, product), (version, level)) in known {
        let name = evidence.store_name(*store);
        let sku = u16::try_from(*product).map(|product| plan::sku(*store, product)).unwrap_or_default();
        let actual = rows.get(&(name, sku.as_str())).copied().flatten();
        if actual != Some(level.to_string().as_str()) {
            found.push(format!("{name} {sku} is {actual:?}, its version {version} says {level}"));
        }
    }
    found
}

fn wrong_products(evidence: &Evidence, reference: &Reference) -> Vec<String> {
    let rows: HashMap<(&str, &str), Option<&str>> = evidence
        .products
        .iter()
        .map(|product| ((product.connection.as_str(), product.external.as_str()), product.text.as_deref()))
        .collect();
    let known = reference.products.iter().filter(|((store, _), _)| evidence.predictable.contains(store));
    let mut found = Vec::new();
    for ((store, product), version) in known {
        let Ok(product) = u16::try_from(*product) else { continue };
        let (connection, external) =
            (evidence.connection(*store), plan::product_id(*store, product).to_string());
        let expected = plan::title(*store, product, *version);
        let actual = rows.get(&(connection, external.as_str())).copied().flatten();
        if actual != Some(expected.as_str()) {
            found.push(format!("{connection} product {external} is {actual:?} and not {expected:?}"));
        }
    }
    found
}

fn wrong_orders<'a>(evidence: &'a Evidence, reference: &Reference) -> Vec<String> {
    let key_of = |order: &'a Thing| (order.connection.as_str(), order.external.as_str());
    let value_of = |order: &'a Thing| (order.text.as_deref(), order.total_minor);
    let rows: HashMap<_, _> = evidence.orders.iter().map(|order| (key_of(order), value_of(order))).collect();
    let mut found = Vec::new();
    for ((store, order), (version, status, total)) in &reference.orders {
        let (connection, external) =
            (evidence.connection(*store), plan::order_id(*store, *order).to_string());
        let actual = rows.get(&(connection, external.as_str())).copied();
        if actual != Some((Some(status), Some(*total))) {
            found.push(format!(
                "{connection} order {external} is {actual:?}, its version {version} says {status} {total}"
            ));
        }
    }
    found
}
