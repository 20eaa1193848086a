//! The view of a decision: the current facts of the fold, and lookups in them.

use model::{
    BaselineRule, Conflict, ConflictEnd, ConflictKind, ConnectionId, Event, ExternalId, LevelKey,
    LevelMirror, Link, LinkedRef, LocationId, Mirror, Payload, ProductId, Quantity, Variant, VariantId,
    record::{ConnectionFacts, ExternalKey, Facts, Mirrors},
};
use std::collections::BTreeMap;

/// Number of decimals assumed for an unknown platform: as many as a quantity has.
const DECIMALS_MAX: u32 = 6;

/// The level mirrors of each variant at each location, in the order of their keys. Most have one or two.
#[derive(Debug, Default)]
pub(super) struct LevelIndex(BTreeMap<(VariantId, LocationId), Vec<LevelKey>>);

impl LevelIndex {
    pub(super) fn of(mirrors: &Mirrors) -> Self {
        let mut index = Self::default();
        for (key, mirror) in &mirrors.levels {
            index.add(key, mirror);
        }
        index
    }

    fn add(&mut self, key: &LevelKey, mirror: &LevelMirror) {
        if let Some(variant) = &mirror.variant {
            let keys = self.0.entry((variant.clone(), key.location.clone())).or_default();
            if let Err(index) = keys.binary_search(key) {
                keys.insert(index, key.clone());
            }
        }
    }

    /// Records the variant of `mirror`, which replaces the mirror of the same key among `mirrors`.
    pub(super) fn note(&mut self, mirrors: &Mirrors, mirror: &Mirror) {
        let Mirror::Level(key, mirror) = mirror else { return };
        let before = mirrors.levels.get(key).and_then(|before| before.variant.as_ref());
        if before == mirror.variant.as_ref() {
            return;
        }
        if let Some(before) = before
            && let Some(keys) = self.0.get_mut(&(before.clone(), key.location.clone()))
        {
            keys.retain(|other| other != key);
        }
        self.add(key, mirror);
    }
}

/// The links of one connection. Those of others are not looked at: a batch has the links of many connections, and looks
/// for each variant of each of its products.
pub(super) fn links_of<'l, T>(
    links: &'l BTreeMap<ExternalKey, T>,
    connection: &ConnectionId,
) -> impl Iterator<Item = (&'l ExternalId, &'l T)> {
    let of = connection.clone();
    let from = (connection.clone(), ExternalId::least());
    links.range(from..).take_while(move |((by, _), _)| *by == of).map(|((_, external), to)| (external, to))
}

/// The facts at the time when an event is decided.
pub(super) struct View<'a> {
    pub(super) facts: &'a Facts,
    pub(super) level_index: &'a LevelIndex,
}

impl View<'_> {
    /// The set-up of the event's connection.
    pub(super) fn connection(&self, event: &Event) -> Option<&ConnectionFacts> {
        self.facts.connections.get(&event.origin.connection)
    }

    /// Returns whether a conflict of that kind may be open of the event's connection.
    pub(super) fn may_be_open(&self, event: &Event, kind: ConflictKind) -> bool {
        self.connection(event).is_some_and(|connection| connection.open.contains(&kind))
    }

    /// The end of a conflict about a variant of the event's platform, if one may be open.
    pub(super) fn variant_end(
        &self,
        event: &Event,
        kind: ConflictKind,
        variant: &ExternalId,
    ) -> Option<ConflictEnd> {
        let is_open = self.may_be_open(event, kind);
        is_open.then(|| self.conflict_end(event, kind, Conflict::about_external(variant)))
    }

    /// The rule of a connection for first contacts.
    pub(super) fn rule(&self, connection: &ConnectionId) -> BaselineRule {
        self.facts.connections.get(connection).map_or(BaselineRule::Ask, |connection| connection.baseline)
    }

    /// The number of decimals the quantities of a connection's platform have.
    pub(super) fn decimals(&self, connection: &ConnectionId) -> u32 {
        let connection = self.facts.connections.get(connection);
        connection.and_then(|connection| connection.decimals).unwrap_or(DECIMALS_MAX)
    }

    /// The store's level.
    pub(super) fn level(&self, variant: &VariantId, location: &LocationId) -> Option<Quantity> {
        self.facts.levels.get(&(variant.clone(), location.clone())).copied()
    }

    /// Returns every platform's mirror of the variant at the location.
    pub(super) fn level_mirrors(
        &self,
        variant: &VariantId,
        location: &LocationId,
    ) -> impl Iterator<Item = (&LevelKey, &LevelMirror)> {
        let keys = self.level_index.0.get(&(variant.clone(), location.clone()));
        keys.into_iter().flatten().filter_map(|key| self.facts.mirrors.levels.get_key_value(key))
    }

    /// The keys of a connection's mirrors of an item.
    pub(super) fn levels_of(&self, connection: &ConnectionId, item: &ExternalId) -> Vec<LevelKey> {
        keys_of(&self.facts.mirrors, connection, item)
    }

    /// The product that the connection links to `external`.
    pub(super) fn product(&self, event: &Event, external: &ExternalId) -> Option<ProductId> {
        self.facts.links.products.get(&(event.origin.connection.clone(), external.clone())).cloned()
    }

    /// The variant that the connection links to `external`.
    pub(super) fn variant_link(&self, event: &Event, external: &ExternalId) -> Option<VariantId> {
        self.facts.links.variants.get(&(event.origin.connection.clone(), external.clone())).cloned()
    }

    /// The variant that the connection links to the item `external`.
    pub(super) fn item_link(&self, event: &Event, external: &ExternalId) -> Option<VariantId> {
        self.facts.links.items.get(&(event.origin.connection.clone(), external.clone())).cloned()
    }

    /// The location that the connection links to `external`, if that link was loaded.
    pub(super) fn location_link(&self, event: &Event, external: &ExternalId) -> Option<LocationId> {
        self.facts.links.locations.get(&(event.origin.connection.clone(), external.clone())).cloned()
    }

    /// The variant that a reported one is linked to, by its own link or by its item's.
    pub(super) fn variant(&self, event: &Event, variant: &Variant) -> Option<VariantId> {
        let by_item = || variant.item.as_ref().and_then(|item| self.item_link(event, item));
        self.variant_link(event, &variant.external).or_else(by_item)
    }

    /// The product of a variant, from the record or from a candidate of a merchant's number.
    pub(super) fn product_of(&self, event: &Event, variant: &VariantId) -> Option<&ProductId> {
        let candidates = || {
            self.facts
                .skus
                .iter()
                .filter(|((store, _), _)| *store == event.origin.store)
                .find_map(|(_, found)| found.get(variant).map(|candidate| &candidate.product))
        };
        self.facts.variants.get(variant).map(|row| &row.product).or_else(candidates)
    }

    /// The connection's variants of a product: the platform's ids and ours.
    pub(super) fn variants_of(&self, event: &Event, product: &ProductId) -> Vec<(ExternalId, VariantId)> {
        links_of(&self.facts.links.variants, &event.origin.connection)
            .filter(|(_, variant)| {
                self.facts.variants.get(*variant).is_some_and(|row| row.product == *product)
            })
            .map(|(external, variant)| (external.clone(), variant.clone()))
            .collect()
    }

    /// The connection's items of a variant.
    pub(super) fn items_of(&self, event: &Event, variant: &VariantId) -> Vec<ExternalId> {
        links_of(&self.facts.links.items, &event.origin.connection)
            .filter(|(_, linked)| *linked == variant)
            .map(|(external, _)| external.clone())
            .collect()
    }

    /// Returns whether `external` is the connection's only product that is linked to `product`. Two of its products may
    /// be one product of another platform; then it isn't known which of the two a variant belongs to.
    pub(super) fn is_alone(&self, event: &Event, external: &ExternalId, product: &ProductId) -> bool {
        let own = links_of(&self.facts.links.products, &event.origin.connection);
        own.filter(|(_, linked)| *linked == product).all(|(other, _)| other == external)
    }

    /// Returns whether another connection links a variant of the product.
    pub(super) fn is_linked_by_others(&self, event: &Event, product: &ProductId) -> bool {
        let variants = self.facts.variants.values().filter(|row| row.product == *product);
        variants
            .filter_map(|row| self.facts.linked_by.get(&row.id))
            .flatten()
            .any(|by| *by != event.origin.connection)
    }

    /// Returns whether another connection links the variant.
    pub(super) fn is_variant_linked_by_others(&self, event: &Event, variant: &VariantId) -> bool {
        let linked_by = self.facts.linked_by.get(variant);
        linked_by.is_some_and(|by| by.iter().any(|by| *by != event.origin.connection))
    }

    /// A conflict of the event's connection, with an empty detail.
    #[expect(clippy::unused_self, reason = "conflicts are said of what is seen")]
    pub(super) fn conflict(&self, event: &Event, kind: ConflictKind, subject: String) -> Conflict {
        Conflict {
            tenant: event.origin.tenant.clone(),
            store: event.origin.store.clone(),
            connection: event.origin.connection.clone(),
            event: Some(event.id),
            kind,
            subject,
            detail: String::new(),
        }
    }

    /// The end of a conflict of the event's connection.
    #[expect(clippy::unused_self, reason = "conflicts are said of what is seen")]
    pub(super) fn conflict_end(&self, event: &Event, kind: ConflictKind, subject: String) -> ConflictEnd {
        ConflictEnd {
            store: event.origin.store.clone(),
            connection: event.origin.connection.clone(),
            kind,
            subject,
        }
    }
}

/// The keys of a connection's mirrors of an item among `mirrors`.
pub(super) fn keys_of(mirrors: &Mirrors, connection: &ConnectionId, item: &ExternalId) -> Vec<LevelKey> {
    let is_before = |key: &LevelKey| (&key.connection, &key.item) < (connection, item);
    let mut found = Vec::new();
    // Keys are ordered by connection, item, location: a search would need a location that sorts before all others.
    let Ok(first) = LocationId::new("-") else { return found };
    let from = LevelKey { connection: connection.clone(), item: item.clone(), location: first };
    for (key, _) in mirrors.levels.range(from..) {
        if is_before(key) || key.connection != *connection || key.item != *item {
            break;
        }
        found.push(key.clone());
    }
    found
}

/// The links of an event's product, variants or item, for readers of the committed change.
pub(super) fn links(event: &Event, facts: &Facts) -> Vec<Link> {
    let key = |external: &ExternalId| (event.origin.connection.clone(), external.clone());
    let link = |of: fn(ExternalId) -> LinkedRef, external: &ExternalId, internal: Option<&str>| {
        internal.map(|internal| Link { of: of(external.clone()), internal: internal.to_owned() })
    };
    let item = |external: &ExternalId| {
        let known = facts.links.items.get(&key(external)).map(VariantId::as_str);
        let reflected = || {
            let keys = keys_of(&facts.mirrors, &event.origin.connection, external);
            let mirror = keys.first().and_then(|key| facts.mirrors.levels.get(key));
            mirror.and_then(|mirror| mirror.variant.as_ref()).map(VariantId::as_str)
        };
        link(LinkedRef::Item, external, known.or_else(reflected))
    };
    match &event.payload {
        Payload::Inventory(report) => item(&report.item).into_iter().collect(),
        Payload::Stocked(stocked) => item(&stocked.item).into_iter().collect(),
        Payload::Product(product) => {
            let known = facts.links.products.get(&key(&product.external)).map(ProductId::as_str);
            let mut links: Vec<Link> =
                link(LinkedRef::Product, &product.external, known).into_iter().collect();
            for variant in &product.variants {
                let known = facts.links.variants.get(&key(&variant.external)).map(VariantId::as_str);
                links.extend(link(LinkedRef::Variant, &variant.external, known));
                links.extend(variant.item.as_ref().and_then(item));
            }
            links
        }
        Payload::Order(_)
        | Payload::Customer(_)
        | Payload::Employee(_)
        | Payload::Promotion(_)
        | Payload::Activity { .. }
        | Payload::Account(_)
        | Payload::Instruction { .. }
        | Payload::Deleted { .. } => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_links_of_a_connection_are_found_whatever_their_ids_and_no_others() {
        let connection = |name: &str| ConnectionId::new(name).unwrap();
        let external = |id: &str| ExternalId::new(id).unwrap();
        let ids = [" ", " a", "!", "0", "9", "Z", "a", "~", "\u{a0}", "é", "\u{10ffff}"];
        let mut links = BTreeMap::new();
        for (by, id) in ["a", "a-b", "b", "b1", "c"].iter().flat_map(|by| ids.iter().map(move |id| (by, id)))
        {
            links.insert((connection(by), external(id)), format!("{by} {id}"));
        }
        let found: Vec<&String> = links_of(&links, &connection("b")).map(|(_, to)| to).collect();
        assert_eq!(found, ids.map(|id| format!("b {id}")).iter().collect::<Vec<_>>());
        assert_eq!(links_of(&links, &connection("nobody")).count(), 0);
    }
}
