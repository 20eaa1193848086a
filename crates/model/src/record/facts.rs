//! The rows that the decision of a batch depends on, and the keys that load them.

use super::{CustomerRow, EmployeeRow, OrderRow, ProductRow, PromotionRow, VariantRow};
use crate::{
    BaselineRule, ConflictKind, ConnectionId, Currency, CustomerId, EmployeeId, EventId, ExternalId,
    FieldKey, LevelKey, LevelMirror, LocationId, Mirror, MirrorKey, OrderId, Partition, PlatformName,
    Position, PriceMirror, ProductId, PromotionId, Quantity, StoreId, TextMirror, VariantId,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A platform's id of an object, per connection.
pub type ExternalKey = (ConnectionId, ExternalId);

/// The keys that are loaded first: their rows determine which other rows are needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FirstKeys {
    /// Events that may have been recorded before.
    pub events: BTreeSet<(ConnectionId, EventId)>,
    /// Links that may exist.
    pub links: Links<()>,
    /// Merchant's numbers, in the form used for comparison, of variants that may exist already.
    pub skus: BTreeSet<(StoreId, String)>,
    /// Stores whose sequence is continued.
    pub stores: BTreeSet<StoreId>,
    /// Connections of which a location is linked by hand. All links of their items and locations are needed, and all
    /// locations of their stores.
    pub linking: BTreeSet<ConnectionId>,
}

/// The rows that the batch may change; they are loaded with a lock, in the order of their keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowKeys {
    /// Mirrors, by complete key.
    pub mirrors: BTreeSet<MirrorKey>,
    /// Items whose link may be needed because they have no mirror with it.
    pub links: BTreeSet<ExternalKey>,
    /// Items of which every level mirror may change, at any location.
    pub items: BTreeSet<ExternalKey>,
    /// Levels of which every platform's mirror is needed: those of a first contact.
    pub contacts: BTreeSet<(VariantId, LocationId)>,
    /// Products of which every link is needed, to find whether another platform still has one of their variants.
    pub products_of: BTreeSet<ProductId>,
    /// Platforms' products of which every link of a variant or item is needed, whatever it leads to.
    pub listed_by: BTreeSet<ExternalKey>,
    /// Connections of which every mirror may change that waits for the decision of its first contact.
    pub waiting: BTreeSet<ConnectionId>,
    /// Levels.
    pub levels: BTreeSet<(VariantId, LocationId)>,
    /// Products.
    pub products: BTreeSet<ProductId>,
    /// Variants.
    pub variants: BTreeSet<VariantId>,
    /// Orders.
    pub orders: BTreeSet<OrderId>,
    /// Customers.
    pub customers: BTreeSet<CustomerId>,
    /// Promotions.
    pub promotions: BTreeSet<PromotionId>,
    /// Employees.
    pub employees: BTreeSet<EmployeeId>,
}

impl RowKeys {
    /// Returns whether there are no keys.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the keys that aren't in `asked`.
    #[must_use]
    pub fn without(&self, asked: &Self) -> Self {
        fn rest<K: Ord + Clone>(keys: &BTreeSet<K>, asked: &BTreeSet<K>) -> BTreeSet<K> {
            keys.difference(asked).cloned().collect()
        }
        Self {
            mirrors: rest(&self.mirrors, &asked.mirrors),
            links: rest(&self.links, &asked.links),
            items: rest(&self.items, &asked.items),
            contacts: rest(&self.contacts, &asked.contacts),
            products_of: rest(&self.products_of, &asked.products_of),
            listed_by: rest(&self.listed_by, &asked.listed_by),
            waiting: rest(&self.waiting, &asked.waiting),
            levels: rest(&self.levels, &asked.levels),
            products: rest(&self.products, &asked.products),
            variants: rest(&self.variants, &asked.variants),
            orders: rest(&self.orders, &asked.orders),
            customers: rest(&self.customers, &asked.customers),
            promotions: rest(&self.promotions, &asked.promotions),
            employees: rest(&self.employees, &asked.employees),
        }
    }
}

/// Live links of a batch: the store's own ids for platforms' ids. With `()`, only the platforms' ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links<T: Linked> {
    /// Products.
    pub products: BTreeMap<ExternalKey, T::Product>,
    /// Variants, as they are sold.
    pub variants: BTreeMap<ExternalKey, T::Variant>,
    /// Variants, as they are counted.
    pub items: BTreeMap<ExternalKey, T::Variant>,
    /// Locations.
    pub locations: BTreeMap<ExternalKey, T::Location>,
    /// The platform's product that listed each variant last, whatever the variant is linked to; also of links that were
    /// retired since. Nothing of a variant that no report has listed.
    pub variant_products: BTreeMap<ExternalKey, T::Listing>,
    /// The same of items.
    pub item_products: BTreeMap<ExternalKey, T::Listing>,
}

/// The types that links lead to.
pub trait Linked {
    /// The type for a product.
    type Product;
    /// The type for a variant.
    type Variant;
    /// The type for a location.
    type Location;
    /// The type for the platform's product that lists a variant.
    type Listing;
}

impl Linked for () {
    type Product = ();
    type Variant = ();
    type Location = ();
    type Listing = ();
}

/// Links that lead to our ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ours;

impl Linked for Ours {
    type Product = ProductId;
    type Variant = VariantId;
    type Location = LocationId;
    type Listing = ExternalId;
}

/// Links that changed; `None` if a link was retired. Links of locations are never retired. A variant or item of which the
/// platform's product changed is among those that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed;

impl Linked for Changed {
    type Product = Option<ProductId>;
    type Variant = Option<VariantId>;
    type Location = LocationId;
    type Listing = ExternalId;
}

impl<T: Linked> Default for Links<T> {
    fn default() -> Self {
        Self {
            products: BTreeMap::new(),
            variants: BTreeMap::new(),
            items: BTreeMap::new(),
            locations: BTreeMap::new(),
            variant_products: BTreeMap::new(),
            item_products: BTreeMap::new(),
        }
    }
}

impl<T: Linked> Links<T> {
    /// Returns whether there are no links.
    pub fn is_empty(&self) -> bool {
        self.products.is_empty()
            && self.variants.is_empty()
            && self.items.is_empty()
            && self.locations.is_empty()
            && self.variant_products.is_empty()
            && self.item_products.is_empty()
    }
}

/// Mirrors of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirrors {
    /// Mirrors of levels.
    pub levels: BTreeMap<LevelKey, LevelMirror>,
    /// Mirrors of prices.
    pub prices: BTreeMap<FieldKey, PriceMirror>,
    /// Mirrors of texts.
    pub texts: BTreeMap<FieldKey, TextMirror>,
}

impl Mirrors {
    /// Inserts a mirror, or replaces the one with the same key.
    pub fn insert(&mut self, mirror: Mirror) {
        match mirror {
            Mirror::Level(key, mirror) => drop(self.levels.insert(key, mirror)),
            Mirror::Price(key, mirror) => drop(self.prices.insert(key, mirror)),
            Mirror::Text(key, mirror) => drop(self.texts.insert(key, mirror)),
        }
    }

    /// Returns the mirror with that key.
    pub fn get(&self, key: &MirrorKey) -> Option<Mirror> {
        Some(match key {
            MirrorKey::Level(key) => Mirror::Level(key.clone(), self.levels.get(key)?.clone()),
            MirrorKey::Price(key) => Mirror::Price(key.clone(), self.prices.get(key)?.clone()),
            MirrorKey::Text(key) => Mirror::Text(key.clone(), self.texts.get(key)?.clone()),
        })
    }

    /// Returns the kinds of conflicts that end once `mirror` replaces the one with the same key.
    pub fn ended_by(&self, mirror: &Mirror) -> Vec<ConflictKind> {
        let open = match mirror {
            Mirror::Level(key, _) => self.levels.get(key).map(LevelMirror::open_kinds),
            Mirror::Price(key, _) => self.prices.get(key).map(PriceMirror::open_kinds),
            Mirror::Text(key, _) => self.texts.get(key).map(TextMirror::open_kinds),
        };
        mirror.closes(open.unwrap_or_default())
    }

    /// Returns all mirrors, kind by kind in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = Mirror> {
        let levels = self.levels.iter().map(|(key, mirror)| Mirror::Level(key.clone(), mirror.clone()));
        let prices = self.prices.iter().map(|(key, mirror)| Mirror::Price(key.clone(), mirror.clone()));
        let texts = self.texts.iter().map(|(key, mirror)| Mirror::Text(key.clone(), mirror.clone()));
        levels.chain(prices).chain(texts)
    }

    /// Returns the keys of all mirrors.
    pub fn keys(&self) -> impl Iterator<Item = MirrorKey> {
        let levels = self.levels.keys().cloned().map(MirrorKey::Level);
        let prices = self.prices.keys().cloned().map(MirrorKey::Price);
        levels.chain(prices).chain(self.texts.keys().cloned().map(MirrorKey::Text))
    }

    /// Returns the number of mirrors.
    pub fn len(&self) -> usize {
        self.levels.len() + self.prices.len() + self.texts.len()
    }

    /// Returns whether there are no mirrors.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The loaded content of the record. An object that isn't in a map isn't in the record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// Requested events that were recorded before, except dead ones.
    pub seen: BTreeMap<(ConnectionId, EventId), Position>,
    /// Requested events that were recorded as dead: they are decided anew when they are re-ingested.
    pub dead: BTreeMap<(ConnectionId, EventId), Position>,
    /// The connections of the batch.
    pub connections: BTreeMap<ConnectionId, ConnectionFacts>,
    /// Live links. Links of locations are loaded only if an event arrived without them, or if one is linked by hand.
    pub links: Links<Ours>,
    /// The locations of each store in which one is linked by hand.
    pub locations: BTreeMap<StoreId, BTreeSet<LocationId>>,
    /// The connections with a link to the variant, for each variant of the batch.
    pub linked_by: BTreeMap<VariantId, BTreeSet<ConnectionId>>,
    /// The variants with that merchant's number.
    pub skus: BTreeMap<(StoreId, String), BTreeMap<VariantId, SkuCandidate>>,
    /// The last sequence number of each store; 0 before its first event.
    pub stores: BTreeMap<StoreId, i64>,
    /// Mirrors.
    pub mirrors: Mirrors,
    /// Levels.
    pub levels: BTreeMap<(VariantId, LocationId), Quantity>,
    /// Products.
    pub products: BTreeMap<ProductId, ProductRow>,
    /// Variants.
    pub variants: BTreeMap<VariantId, VariantRow>,
    /// Orders.
    pub orders: BTreeMap<OrderId, OrderRow>,
    /// Customers.
    pub customers: BTreeMap<CustomerId, CustomerRow>,
    /// Promotions.
    pub promotions: BTreeMap<PromotionId, PromotionRow>,
    /// Employees.
    pub employees: BTreeMap<EmployeeId, EmployeeRow>,
    /// Mirrors as left by propagate while the events were decided the first time, in order, by partition. Only a
    /// replay has any.
    pub write_log: BTreeMap<Partition, VecDeque<WriteLogEntry>>,
}

/// The set-up of a connection, as far as decisions depend on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionFacts {
    /// The store's currency; prices in another one are a conflict.
    pub currency: Option<Currency>,
    /// The rule for a first contact.
    pub baseline: BaselineRule,
    /// The platform.
    pub platform: Option<PlatformName>,
    /// The number of decimals that quantities have on the platform; `None` for as many as a quantity has. The database
    /// doesn't know it: whoever loads the facts sets it.
    pub decimals: Option<u32>,
    /// The platform's ids of locations that are ignored.
    pub ignored_locations: BTreeSet<ExternalId>,
    /// The kinds in [`ConflictKind::ENDED_BY_REPORTS`] of which a conflict may be open.
    pub open: BTreeSet<ConflictKind>,
}

/// A mirror as left by propagate when it began or ended a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteLogEntry {
    /// Events up to this position were decided without the entry, later ones with it.
    pub after: Position,
    /// The mirror.
    pub mirror: Mirror,
}

/// A variant with a merchant's number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkuCandidate {
    /// Its product.
    pub product: ProductId,
    /// The connections that have a variant linked to it.
    pub linked_by: BTreeSet<ConnectionId>,
}
