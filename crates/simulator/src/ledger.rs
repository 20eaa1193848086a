//! What a shop has, sells and charges. Pure: time comes in from outside.

use crate::level::{Entry, Level};
use crate::shop::{Impossible, ItemIds, NewVariant};
use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// How many orders a shop remembers; older ones can't be read back any more.
const ORDERS_MAX: usize = 10_000;
/// How many customers a shop remembers.
const CUSTOMERS_MAX: usize = 10_000;

pub(crate) type Instant = DateTime<Utc>;

/// A product with its variants.
#[derive(Debug, Clone)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) deleted: bool,
    pub(crate) created_at: Instant,
    pub(crate) updated_at: Instant,
    pub(crate) version: i64,
    /// Fields that the simulator doesn't understand and gives back as they were written.
    pub(crate) extra: Map<String, Value>,
    pub(crate) variants: Vec<Variant>,
}

/// Something with a price.
#[derive(Debug, Clone)]
pub(crate) struct Variant {
    pub(crate) id: String,
    pub(crate) item: String,
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) price_minor: i64,
    /// True if its stock is counted.
    pub(crate) tracked: bool,
    pub(crate) deleted: bool,
    pub(crate) updated_at: Instant,
    pub(crate) version: i64,
    pub(crate) extra: Map<String, Value>,
}

/// A completed sale of one line.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) number: u64,
    pub(crate) location: String,
    pub(crate) line: Line,
    pub(crate) at: Instant,
    pub(crate) cancelled_at: Option<Instant>,
    /// When the money went back.
    pub(crate) refunded_at: Option<Instant>,
    /// True if it was made to try something out.
    pub(crate) is_test: bool,
}

impl Order {
    /// When it last changed.
    pub(crate) fn updated_at(&self) -> Instant {
        self.at.max(self.cancelled_at.unwrap_or(self.at)).max(self.refunded_at.unwrap_or(self.at))
    }
}

/// What was sold, as it was called and cost then.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) product: String,
    pub(crate) variant: String,
    pub(crate) sku: String,
    pub(crate) title: String,
    pub(crate) quantity: Decimal,
    pub(crate) price_minor: i64,
}

impl Line {
    /// Price times quantity in the smallest unit, rounded to even.
    pub(crate) fn total_minor(&self) -> i64 {
        let total = (Decimal::from(self.price_minor) * self.quantity).round();
        i64::try_from(total.mantissa() / 10_i128.pow(total.scale())).unwrap_or(i64::MAX)
    }
}

/// Someone who buys.
#[derive(Debug, Clone)]
pub(crate) struct Customer {
    pub(crate) id: String,
    pub(crate) given_name: String,
    pub(crate) family_name: String,
    pub(crate) email: String,
    pub(crate) at: Instant,
    pub(crate) version: i64,
}

/// What an act changed, for whoever tells others about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    ProductAdded(String),
    ProductEdited(String),
    ProductDeleted(String),
    /// Item and location.
    Level(String, String),
    /// Item and location that stocks it from now on.
    Connected(String, String),
    /// Item and location that stocks it no more.
    Disconnected(String, String),
    Sold(String),
    /// Order that was cancelled.
    Cancelled(String),
    /// Order that was refunded.
    Refunded(String),
    CustomerAdded(String),
}

/// The books of one shop.
#[derive(Debug)]
pub(crate) struct Ledger {
    products: BTreeMap<String, Product>,
    /// Product and variant that an id of a variant or of an item belongs to.
    owners: HashMap<String, (String, String)>,
    levels: BTreeMap<(String, String), Level>,
    orders: VecDeque<Order>,
    customers: VecDeque<Customer>,
    orders_count: u64,
    version: i64,
    clock: Instant,
}

impl Ledger {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            products: BTreeMap::new(),
            owners: HashMap::new(),
            levels: BTreeMap::new(),
            orders: VecDeque::new(),
            customers: VecDeque::new(),
            orders_count: 0,
            version: now.timestamp_millis(),
            clock: now,
        }
    }

    /// The present, later than everything in the books: no two changes share a time.
    pub(crate) fn tick(&mut self, now: Instant) -> Instant {
        let micros = DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now);
        self.clock = micros.max(self.clock + TimeDelta::microseconds(1));
        self.clock
    }

    /// The next version of the catalog; one counter per shop.
    pub(crate) fn next_version(&mut self) -> i64 {
        self.version += 1;
        self.version
    }

    pub(crate) fn products(&self) -> impl Iterator<Item = &Product> {
        self.products.values()
    }

    pub(crate) fn product(&self, id: &str) -> Option<&Product> {
        self.products.get(id)
    }

    /// A product that wasn't deleted.
    pub(crate) fn on_sale(&self, id: &str) -> Option<&Product> {
        self.product(id).filter(|product| !product.deleted)
    }

    /// The product and the variant that `id` (of a variant or of an item) names, unless deleted.
    pub(crate) fn find(&self, id: &str) -> Option<(&Product, &Variant)> {
        let (product, variant) = self.owners.get(id)?;
        let product = self.on_sale(product)?;
        let variant = product.variants.iter().find(|each| each.id == *variant && !each.deleted)?;
        Some((product, variant))
    }

    /// The ids of the first variant on sale with that SKU.
    pub(crate) fn find_sku(&self, sku: &str) -> Option<ItemIds> {
        self.items().find(|ids| ids.sku == sku)
    }

    /// Every variant on sale.
    pub(crate) fn items(&self) -> impl Iterator<Item = ItemIds> {
        self.products().filter(|product| !product.deleted).flat_map(|product| {
            product.variants.iter().filter(|variant| !variant.deleted).map(|variant| ItemIds {
                product: product.id.clone(),
                variant: variant.id.clone(),
                item: variant.item.clone(),
                sku: variant.sku.clone(),
            })
        })
    }

    pub(crate) fn level(&self, item: &str, location: &str) -> Option<&Level> {
        self.levels.get(&(item.to_owned(), location.to_owned()))
    }

    /// Every level of an item, by location.
    pub(crate) fn levels_of<'a>(&'a self, item: &'a str) -> impl Iterator<Item = (&'a str, &'a Level)> {
        self.levels
            .range((item.to_owned(), String::new())..)
            .take_while(move |((of, _), _)| of == item)
            .map(|((_, at), level)| (at.as_str(), level))
    }

    /// Every level.
    pub(crate) fn levels(&self) -> impl Iterator<Item = (&str, &str, &Level)> {
        self.levels.iter().map(|((item, location), level)| (item.as_str(), location.as_str(), level))
    }

    /// The sum over all locations.
    pub(crate) fn total(&self, item: &str) -> Decimal {
        self.levels_of(item).map(|(_, level)| level.quantity()).sum()
    }

    pub(crate) fn order(&self, id: &str) -> Option<&Order> {
        self.orders.iter().rev().find(|order| order.id == id)
    }

    pub(crate) fn orders(&self) -> impl DoubleEndedIterator<Item = &Order> {
        self.orders.iter()
    }

    pub(crate) fn customer(&self, id: &str) -> Option<&Customer> {
        self.customers.iter().rev().find(|customer| customer.id == id)
    }

    pub(crate) fn customers(&self) -> impl DoubleEndedIterator<Item = &Customer> {
        self.customers.iter()
    }

    /// Puts a product in or replaces it as a whole, and learns the ids of its variants.
    pub(crate) fn put(&mut self, product: Product) {
        for variant in &product.variants {
            let owner = (product.id.clone(), variant.id.clone());
            self.owners.insert(variant.item.clone(), owner.clone());
            self.owners.insert(variant.id.clone(), owner);
        }
        self.products.insert(product.id.clone(), product);
    }

    /// Enters a movement or a count that happened at `at`; true if the level is another than before.
    pub(crate) fn enter(
        &mut self,
        item: &str,
        location: &str,
        at: Instant,
        entry: Entry,
        now: Instant,
    ) -> bool {
        let key = (item.to_owned(), location.to_owned());
        let fresh = !self.levels.contains_key(&key);
        let level = self.levels.entry(key).or_insert_with(|| Level::empty(at));
        let before = level.quantity();
        level.enter(at, entry);
        let changed = fresh || level.quantity() != before;
        if changed {
            level.calculated_at = now;
        }
        changed
    }

    /// Takes `quantity` of `id` from `location` and writes the order.
    pub(crate) fn sell(
        &mut self,
        id: &str,
        location: &str,
        quantity: Decimal,
        ids: (String, String),
        now: Instant,
    ) -> Result<Vec<Change>, Impossible> {
        let (product, variant) = self.find(id).ok_or(Impossible::UnknownItem)?;
        let (order_id, line_id) = ids;
        let line = Line {
            id: line_id,
            product: product.id.clone(),
            variant: variant.id.clone(),
            sku: variant.sku.clone(),
            title: product.title.clone(),
            quantity,
            price_minor: variant.price_minor,
        };
        let (item, tracked) = (variant.item.clone(), variant.tracked);
        if tracked {
            self.move_stock(&item, location, -quantity, now)?;
            if let Some(level) = self.levels.get_mut(&(item.clone(), location.to_owned())) {
                level.sold += quantity;
            }
        }
        self.orders_count += 1;
        let order = Order {
            id: order_id.clone(),
            number: 1_000 + self.orders_count,
            location: location.to_owned(),
            line,
            at: now,
            cancelled_at: None,
            refunded_at: None,
            is_test: false,
        };
        self.orders.push_back(order);
        if self.orders.len() > ORDERS_MAX {
            self.orders.pop_front();
        }
        let moved = tracked.then(|| Change::Level(item, location.to_owned()));
        Ok(std::iter::once(Change::Sold(order_id)).chain(moved).collect())
    }

    /// Cancels an order that wasn't yet, and puts what it sold back if `restock`.
    pub(crate) fn cancel(
        &mut self,
        id: &str,
        restock: bool,
        now: Instant,
    ) -> Result<Vec<Change>, Impossible> {
        let order = self.orders.iter_mut().rev().find(|order| order.id == id && order.cancelled_at.is_none());
        let order = order.ok_or(Impossible::UnknownItem)?;
        order.cancelled_at = Some(now);
        let (variant, location, quantity) =
            (order.line.variant.clone(), order.location.clone(), order.line.quantity);
        let mut changes = vec![Change::Cancelled(id.to_owned())];
        let item = self.find(&variant).filter(|(_, held)| held.tracked).map(|(_, held)| held.item.clone());
        if let Some(item) = item.filter(|_| restock) {
            self.move_stock(&item, &location, quantity, now)?;
            changes.push(Change::Level(item, location));
        }
        Ok(changes)
    }

    /// Gives the money of an order back that stands; the goods stay where they are.
    pub(crate) fn refund(&mut self, id: &str, now: Instant) -> Result<Change, Impossible> {
        let order = self.orders.iter_mut().rev().find(|order| order.id == id && order.cancelled_at.is_none());
        order.ok_or(Impossible::UnknownItem)?.refunded_at = Some(now);
        Ok(Change::Refunded(id.to_owned()))
    }

    /// Marks an order as one that was made to try something out.
    pub(crate) fn is_a_test(&mut self, id: &str) {
        if let Some(order) = self.orders.iter_mut().rev().find(|order| order.id == id) {
            order.is_test = true;
        }
    }

    /// Ends stocking an item at a location.
    pub(crate) fn disconnect(&mut self, item: &str, location: &str) -> Result<(), Impossible> {
        let removed = self.levels.remove(&(item.to_owned(), location.to_owned()));
        removed.map(drop).ok_or(Impossible::NotStocked)
    }

    /// Begins stocking an item at a location with a level of zero; one that is stocked there keeps its level.
    pub(crate) fn connect(&mut self, item: &str, location: &str, now: Instant) {
        self.levels.entry((item.to_owned(), location.to_owned())).or_insert_with(|| Level::empty(now));
    }

    /// Switches the tracking of an item, and says where it is stocked.
    pub(crate) fn track(
        &mut self,
        item: &str,
        tracked: bool,
        now: Instant,
    ) -> Result<Vec<String>, Impossible> {
        let (product, variant) = self.find(item).ok_or(Impossible::UnknownItem)?;
        let (product, variant) = (product.id.clone(), variant.id.clone());
        let held = self.products.get_mut(&product).ok_or(Impossible::UnknownItem)?;
        for each in held.variants.iter_mut().filter(|each| each.id == variant) {
            each.tracked = tracked;
        }
        let locations: Vec<String> = self.levels_of(item).map(|(location, _)| location.to_owned()).collect();
        for location in &locations {
            if let Some(level) = self.levels.get_mut(&(item.to_owned(), location.clone())) {
                level.calculated_at = now;
            }
        }
        Ok(locations)
    }

    /// Returns whether an item's stock is counted.
    pub(crate) fn is_tracked(&self, item: &str) -> bool {
        self.find(item).is_none_or(|(_, variant)| variant.tracked)
    }

    /// The title of a product on sale and its variants with their levels, as if they were to be put on sale.
    pub(crate) fn as_new(&self, product: &str) -> Result<(String, Vec<NewVariant>), Impossible> {
        let held = self.on_sale(product).ok_or(Impossible::UnknownItem)?;
        let variants = held.variants.iter().filter(|variant| !variant.deleted).map(|variant| NewVariant {
            sku: variant.sku.clone(),
            price_minor: variant.price_minor,
            stock: self
                .levels_of(&variant.item)
                .map(|(location, level)| (location.to_owned(), level.quantity()))
                .collect(),
        });
        Ok((held.title.clone(), variants.collect()))
    }

    /// Adds `by` (negative: takes away) to a level that exists.
    pub(crate) fn move_stock(
        &mut self,
        item: &str,
        location: &str,
        by: Decimal,
        now: Instant,
    ) -> Result<(), Impossible> {
        self.level(item, location).ok_or(Impossible::NotStocked)?;
        self.enter(item, location, now, Entry::Delta(by), now);
        Ok(())
    }

    /// Changes a product that is on sale; it and, if `variant` names one, that variant get a new version and time.
    pub(crate) fn edit(
        &mut self,
        product: &str,
        variant: Option<&str>,
        now: Instant,
        change: impl FnOnce(&mut Product, Option<usize>),
    ) -> Result<Change, Impossible> {
        let version = self.next_version();
        let held =
            self.products.get_mut(product).filter(|held| !held.deleted).ok_or(Impossible::UnknownItem)?;
        let index = match variant {
            Some(id) => {
                Some(held.variants.iter().position(|each| each.id == id).ok_or(Impossible::UnknownItem)?)
            }
            None => None,
        };
        change(held, index);
        held.updated_at = now;
        held.version = version;
        if let Some(touched) = index.and_then(|index| held.variants.get_mut(index)) {
            touched.updated_at = now;
            touched.version = version;
        }
        Ok(Change::ProductEdited(product.to_owned()))
    }

    /// Takes a product with all its variants off sale for ever.
    pub(crate) fn delete(&mut self, product: &str, now: Instant) -> Result<Change, Impossible> {
        self.edit(product, None, now, |held, _| {
            held.deleted = true;
            for variant in &mut held.variants {
                variant.deleted = true;
                variant.updated_at = now;
            }
        })?;
        Ok(Change::ProductDeleted(product.to_owned()))
    }

    /// Says that a product was written without anything in it having changed.
    pub(crate) fn touch(&mut self, product: &str, now: Instant) {
        if let Some(held) = self.products.get_mut(product) {
            held.updated_at = now;
        }
    }

    pub(crate) fn add_customer(&mut self, customer: Customer) -> Change {
        let id = customer.id.clone();
        self.customers.push_back(customer);
        if self.customers.len() > CUSTOMERS_MAX {
            self.customers.pop_front();
        }
        Change::CustomerAdded(id)
    }
}
