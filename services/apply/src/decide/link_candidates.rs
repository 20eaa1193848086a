//! The variants that a platform's ids may be linked to while a batch is decided.
//!
//! An event may link the object of a later event of its batch, directly or by giving a variant the number that another
//! one is matched by. So the rows of all of them are selected before: some that aren't needed, never too few.

use super::{
    identity::{self, identify},
    view::View,
};
use model::{
    Action, ConnectionId, EntityKind, Event, ExternalId, Instruction, InventoryReport, LocationId,
    MatchedLink, Payload, StockedAt, StoreId, VariantId, record::ExternalKey,
};
use std::collections::{BTreeMap, BTreeSet};

/// The variants of the store that each variant and item of the batch's platforms may be linked to.
#[derive(Debug, Default)]
pub(super) struct LinkCandidates {
    variants: BTreeMap<ExternalKey, BTreeSet<VariantId>>,
    items: BTreeMap<ExternalKey, BTreeSet<VariantId>>,
    /// Items whose baseline may be forgotten, so that the next number is a first contact.
    unsettled: BTreeSet<ExternalKey>,
    /// Locations that are linked by hand.
    locations: BTreeMap<ExternalKey, LocationId>,
}

/// A group linked together: a platform's variant, its items and its numbers.
#[derive(Debug, Default)]
struct Node {
    ids: BTreeSet<VariantId>,
    items: BTreeSet<ExternalId>,
    numbers: BTreeSet<(StoreId, String)>,
}

impl LinkCandidates {
    pub(super) fn of(events: &[&Event], view: &View<'_>) -> Self {
        let mut nodes: BTreeMap<ExternalKey, Node> = BTreeMap::new();
        let mut candidates = Self::default();
        for event in events {
            match &event.payload {
                Payload::Product(_) => product(event, view, &mut nodes),
                Payload::Instruction { instruction: Instruction::LinkLocation { location, to }, .. } => {
                    candidates
                        .locations
                        .insert((event.origin.connection.clone(), location.clone()), to.clone());
                }
                Payload::Instruction { instruction, .. } => instructed(event, instruction, view, &mut nodes),
                Payload::Inventory(InventoryReport { item, .. }) if forgets(event) => {
                    candidates.unsettled.insert((event.origin.connection.clone(), item.clone()));
                }
                Payload::Stocked(StockedAt { item, .. })
                | Payload::Deleted { entity: EntityKind::Inventory, external: item } => {
                    candidates.unsettled.insert((event.origin.connection.clone(), item.clone()));
                }
                _ => {}
            }
        }
        spread(&mut nodes, view);
        for ((connection, external), node) in nodes {
            for item in node.items {
                let ids = candidates.items.entry((connection.clone(), item)).or_default();
                ids.extend(node.ids.iter().cloned());
            }
            candidates.variants.insert((connection, external), node.ids);
        }
        candidates
    }

    /// Returns whether no event of the batch may link or forget anything.
    pub(super) fn is_empty(&self) -> bool {
        self.variants.is_empty()
            && self.items.is_empty()
            && self.unsettled.is_empty()
            && self.locations.is_empty()
    }

    /// The variants that a platform's item may be linked to by an event of the batch.
    pub(super) fn of_item(
        &self,
        connection: &ConnectionId,
        item: &ExternalId,
    ) -> impl Iterator<Item = &VariantId> {
        self.items.get(&(connection.clone(), item.clone())).into_iter().flatten()
    }

    /// Returns whether an event of the batch may forget a baseline of the item.
    pub(super) fn is_unsettled(&self, connection: &ConnectionId, item: &ExternalId) -> bool {
        self.unsettled.contains(&(connection.clone(), item.clone()))
    }

    /// The location that an event of the batch links to a platform's location.
    pub(super) fn of_location(
        &self,
        connection: &ConnectionId,
        location: &ExternalId,
    ) -> Option<&LocationId> {
        self.locations.get(&(connection.clone(), location.clone()))
    }

    /// The variants that a platform's variant may be linked to by an event of the batch.
    pub(super) fn of_variant(
        &self,
        connection: &ConnectionId,
        variant: &ExternalId,
    ) -> impl Iterator<Item = &VariantId> {
        self.variants.get(&(connection.clone(), variant.clone())).into_iter().flatten()
    }
}

/// Returns whether the report of a level may make the mirror forget its former number.
fn forgets(event: &Event) -> bool {
    let is_absent = matches!(&event.payload, Payload::Inventory(report) if report.available.is_none());
    is_absent || event.action == Action::Created
}

fn node<'a>(
    event: &Event,
    variant: &ExternalId,
    view: &View<'_>,
    nodes: &'a mut BTreeMap<ExternalKey, Node>,
) -> &'a mut Node {
    let connection = event.origin.connection.clone();
    let node = nodes.entry((connection.clone(), variant.clone())).or_default();
    node.ids.insert(VariantId::derive(&connection, variant));
    if let Some(linked) = view.variant_link(event, variant) {
        node.items.extend(view.items_of(event, &linked));
        node.ids.insert(linked);
    }
    node
}

fn product(event: &Event, view: &View<'_>, nodes: &mut BTreeMap<ExternalKey, Node>) {
    let Payload::Product(product) = &event.payload else { return };
    let identity = identify(event, product, view);
    for identified in identity.variants {
        let variant = identified.reported;
        let node = node(event, &variant.external, view, nodes);
        node.ids.insert(identified.id);
        node.ids.extend(identified.instead_of);
        node.ids.extend(view.variant(event, variant));
        node.items.extend(variant.item.clone());
        let number = identity::number(variant);
        node.numbers.extend(number.map(|number| (event.origin.store.clone(), number)));
    }
}

fn instructed(
    event: &Event,
    instruction: &Instruction,
    view: &View<'_>,
    nodes: &mut BTreeMap<ExternalKey, Node>,
) {
    match instruction {
        Instruction::Link { variant, to } | Instruction::LinkMatched(MatchedLink { variant, to, .. }) => {
            node(event, variant, view, nodes).ids.insert(to.clone());
        }
        Instruction::Unlink { variant } => drop(node(event, variant, view, nodes)),
        Instruction::LinkLocation { .. } | Instruction::Adopt { .. } | Instruction::Baseline(_) => {}
    }
}

/// Spreads variant ids among nodes that share a number, until no node gets a new one.
fn spread(nodes: &mut BTreeMap<ExternalKey, Node>, view: &View<'_>) {
    let mut having: BTreeMap<(StoreId, String), BTreeSet<VariantId>> = BTreeMap::new();
    for number in nodes.values().flat_map(|node| &node.numbers) {
        let candidates = view.facts.skus.get(number).into_iter().flat_map(BTreeMap::keys);
        having.entry(number.clone()).or_default().extend(candidates.cloned());
    }
    let mut grew = !having.is_empty();
    while grew {
        grew = false;
        for node in nodes.values_mut() {
            for number in &node.numbers {
                let Some(ids) = having.get_mut(number) else { continue };
                let before = ids.len() + node.ids.len();
                ids.extend(node.ids.iter().cloned());
                node.ids.extend(ids.iter().cloned());
                grew |= ids.len() + node.ids.len() > before;
            }
        }
    }
}
