//! The products, stock, orders and customers of a shop. Pure: the time is an argument.

pub(crate) use crate::level::Instant;
use crate::level::{Entry, Level};
use crate::shop::{Impossible, ItemIds, NewVariant};
use chrono::{DateTime, TimeDelta};
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// Maximum number of orders that a shop keeps; older ones can't be read any more.
const ORDERS_MAX: usize = 10_000;
/// Maximum number of customers that a shop keeps.
const CUSTOMERS_MAX: usize = 10_000;

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
    /// Fields that the simulator doesn't interpret and returns as they were written.
    pub(crate) extra: Map<String, Value>,
    pub(crate) variants: Vec<Variant>,
}

/// A variant of a product, with a price.
#[derive(Debug, Clone)]
pub(crate) struct Variant {
    pub(crate) id: String,
    pub(crate) item: String,
    pub(crate) sku: String,
    pub(crate) barcode: Option<String>,
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
    /// Time of the refund.
    pub(crate) refunded_at: Option<Instant>,
    /// True if it is a test order.
    pub(crate) is_test: bool,
}

impl Order {
    /// Time of the last change.
    pub(crate) fn updated_at(&self) -> Instant {
        self.at.max(self.cancelled_at.unwrap_or(self.at)).max(self.refunded_at.unwrap_or(self.at))
    }
}

/// The sold item, with its title and price at the time of sale.
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
    /// Price times quantity in the smallest unit, rounded half to even.
    pub(crate) fn total_minor(&self) -> i64 {
        let total = (Decimal::from(self.price_minor) * self.quantity).round();
        i64::try_from(total.mantissa() / 10_i128.pow(total.scale())).unwrap_or(i64::MAX)
    }
}

/// A customer of the shop.
#[derive(Debug, Clone)]
pub(crate) struct Customer {
    pub(crate) id: String,
    pub(crate) given_name: String,
    pub(crate) family_name: String,
    pub(crate) email: String,
    pub(crate) at: Instant,
    pub(crate) version: i64,
}

/// A change made by an act, from which webhooks are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    ProductAdded(String),
    ProductEdited(String),
    ProductDeleted(String),
    /// Item and location.
    Level(String, String),
    /// Item and location that begins to stock it.
    Connected(String, String),
    /// Item and location that no longer stocks it.
    Disconnected(String, String),
    Sold(String),
    /// Id of the cancelled order.
    Cancelled(String),
    /// Id of the refunded order.
    Refunded(String),
    CustomerAdded(String),
    /// Id of the new employee.
    Hired(String),
    /// Id of the employee who left.
    Left(String),
}

/// All records of one shop.
#[derive(Debug)]
pub(crate) struct Ledger {
    products: BTreeMap<String, Product>,
    /// Product and variant, by the id of a variant or of an inventory item.
    owners: HashMap<String, (String, String)>,
    levels: BTreeMap<(String, String), Level>,
    /// Times at which stocking of items last ended.
    unstocked_at: BTreeMap<String, Instant>,
    orders: VecDeque<Order>,
    customers: VecDeque<Customer>,
    /// Products that lists leave out, though they exist.
    pub(crate) unlisted: BTreeSet<String>,
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
            unstocked_at: BTreeMap::new(),
            orders: VecDeque::new(),
            customers: VecDeque::new(),
            unlisted: BTreeSet::new(),
            orders_count: 0,
            version: now.timestamp_millis(),
            clock: now,
        }
    }

    /// Returns a time not before `now` and later than every recorded change, so that no two changes share a time.
    pub(crate) fn tick(&mut self, now: Instant) -> Instant {
        let micros = DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now);
        self.clock = micros.max(self.clock + TimeDelta::microseconds(1));
        self.clock
    }

    /// Returns the next version of the catalog; one counter per shop.
    pub(crate) fn next_version(&mut self) -> i64 {
        self.version += 1;
        self.version
    }

    /// The products that lists have.
    pub(crate) fn listed_products(&self) -> impl Iterator<Item = &Product> {
        self.products.values().filter(|product| !self.unlisted.contains(&product.id))
    }

    pub(crate) fn products(&self) -> impl Iterator<Item = &Product> {
        self.products.values()
    }

    pub(crate) fn product(&self, id: &str) -> Option<&Product> {
        self.products.get(id)
    }

    /// Returns a product that wasn't deleted.
    pub(crate) fn on_sale(&self, id: &str) -> Option<&Product> {
        self.product(id).filter(|product| !product.deleted)
    }

    /// Returns the product and the variant that `id` (of a variant or of an inventory item) names, unless deleted.
    pub(crate) fn find(&self, id: &str) -> Option<(&Product, &Variant)> {
        let (product, variant) = self.owners.get(id)?;
        let product = self.on_sale(product)?;
        let variant = product.variants.iter().find(|each| each.id == *variant && !each.deleted)?;
        Some((product, variant))
    }

    /// Returns the ids of the first variant on sale with that SKU.
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

    /// The item's quantity, summed over all locations.
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

    /// Inserts or replaces a whole product, and registers the ids of its variants.
    pub(crate) fn put(&mut self, product: Product) {
        for variant in &product.variants {
            let owner = (product.id.clone(), variant.id.clone());
            self.owners.insert(variant.item.clone(), owner.clone());
            self.owners.insert(variant.id.clone(), owner);
        }
        self.products.insert(product.id.clone(), product);
    }

    /// Enters a movement or a count that happened at `at`; returns true if the level is new or changed.
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

    /// Takes `quantity` of `id` from `location` and records the order.
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

    /// Cancels an order that isn't cancelled yet, and returns its quantity to stock if `restock`.
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
        // An item that isn't stocked there any more stays so.
        if let Some(item) = item.filter(|_| restock)
            && self.move_stock(&item, &location, quantity, now).is_ok()
        {
            changes.push(Change::Level(item, location));
        }
        Ok(changes)
    }

    /// Refunds an order that isn't cancelled; its stock doesn't change.
    pub(crate) fn refund(&mut self, id: &str, now: Instant) -> Result<Change, Impossible> {
        let order = self.orders.iter_mut().rev().find(|order| order.id == id && order.cancelled_at.is_none());
        order.ok_or(Impossible::UnknownItem)?.refunded_at = Some(now);
        Ok(Change::Refunded(id.to_owned()))
    }

    /// Marks an order as a test order.
    pub(crate) fn is_a_test(&mut self, id: &str) {
        if let Some(order) = self.orders.iter_mut().rev().find(|order| order.id == id) {
            order.is_test = true;
        }
    }

    /// Ends stocking an item at a location.
    pub(crate) fn disconnect(&mut self, item: &str, location: &str, now: Instant) -> Result<(), Impossible> {
        self.levels.remove(&(item.to_owned(), location.to_owned())).ok_or(Impossible::NotStocked)?;
        self.unstocked_at.insert(item.to_owned(), now);
        Ok(())
    }

    /// The time at which stocking of an item last ended, anywhere.
    pub(crate) fn unstocked_at(&self, item: &str) -> Option<Instant> {
        self.unstocked_at.get(item).copied()
    }

    /// Begins stocking an item at a location with a level of zero; a level that exists there is kept.
    pub(crate) fn connect(&mut self, item: &str, location: &str, now: Instant) {
        self.levels.entry((item.to_owned(), location.to_owned())).or_insert_with(|| Level::empty(now));
    }

    /// Switches the tracking of an item, and returns the locations that stock it.
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

    /// Returns true if an item's stock is counted.
    pub(crate) fn is_tracked(&self, item: &str) -> bool {
        self.find(item).is_none_or(|(_, variant)| variant.tracked)
    }

    /// The title of a product on sale and its variants with their levels, in the form that puts a product on sale.
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

    /// Adds `by` (negative: removes) to a level that exists.
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

    /// Edits a product on sale; it and the variant that `variant` names, if any, get a new version and time.
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

    /// Takes a product with all its variants off sale permanently.
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

    /// Advances the time of a product's last change without changing any other field of it.
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
