//! A platform with one shop, as a state machine: ledger, versions, idempotency keys, effects of writes, replies.
//!
//! There are two kinds: one uses JSON, through `simulator::ShopMachine`; the lean one reports in the types of `model`
//! what the simulator reports in JSON.

mod calls;
mod json;
mod kind;
mod lists;
mod pages;

pub(crate) use calls::{Outcome, Read};
pub(crate) use kind::Kind;
pub(crate) use pages::{LEVELS, ListedGood, PRODUCTS, Page};

use json::Json;
use model::{
    Action, ConnectionId, Currency, EntityKind, ExternalId, InventoryReport, Money, Patch, Payload, Product,
    ProductText, Quantity, SourceVersion, Timestamp, Variant,
};
use platforms::Mapped;
use rust_decimal::Decimal;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Maximum age of a change at a platform that validates times.
const AGE_MAX: Duration = Duration::from_hours(24);
const SECOND: i64 = 1_000_000;

/// Maximum number of locations of a shop.
pub(crate) const PLACES_MAX: usize = 2;

/// One product with its one variant.
#[derive(Debug, Clone)]
pub(crate) struct Good {
    /// The platform's id of the product.
    pub(crate) product: ExternalId,
    /// The platform's id of the variant.
    pub(crate) variant: ExternalId,
    /// The platform's id of the inventory item.
    pub(crate) item: ExternalId,
    /// The merchant's SKU of it; empty for none.
    pub(crate) sku: String,
    /// Its name.
    pub(crate) title: String,
    /// Its description, as shown.
    pub(crate) description: String,
    /// Its price in cents.
    pub(crate) price: i64,
    /// True if its stock is counted.
    pub(crate) is_tracked: bool,
    /// True if it was deleted.
    pub(crate) is_deleted: bool,
    /// Quantity at each location that stocks it.
    pub(crate) stock: BTreeMap<usize, Decimal>,
    /// Locations whose zero was set by the platform itself, not by a count or a sale.
    pub(crate) made_zero: BTreeSet<usize>,
    level_at: BTreeMap<usize, Timestamp>,
    updated_at: Timestamp,
}

impl Good {
    /// Time of its last change, of its levels or of anything else.
    pub(crate) fn changed_at(&self) -> Timestamp {
        self.level_at.values().copied().fold(self.updated_at, Timestamp::max)
    }
}

/// A webhook in transit.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    /// Its number among the shop's webhooks.
    pub(crate) number: u64,
    /// The good that it concerns.
    pub(crate) good: Option<usize>,
    /// Its content; the objects of a thin one are fetched when it arrives.
    pub(crate) content: Content,
    /// True if a person's act caused it, false if a write of ours did.
    pub(crate) by_people: bool,
    /// Lead of its clock.
    pub(crate) leads_by: Duration,
    /// True if the database refuses its events.
    pub(crate) is_refused: bool,
    /// True if it may end the counting of the good somewhere.
    pub(crate) ends_contact: bool,
}

/// A good to be made.
#[derive(Debug, Clone)]
pub(crate) struct NewGood {
    pub(crate) index: usize,
    pub(crate) sku: String,
    pub(crate) title: String,
    pub(crate) stock: BTreeMap<usize, Decimal>,
}

/// A person's edit of a product.
#[derive(Debug, Clone)]
pub(crate) enum Edit {
    Title(String),
    Description(String),
    Price(i64),
    Sku(String),
    Delete,
}

/// Content of a webhook.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// Whole objects.
    Full(Vec<Mapped>),
    /// A notice that something about the good changed.
    Thin,
    /// Headers and body, as sent; true if it is thin.
    Raw(simulator::MachineWebhook, bool),
    /// The same of a thin one that was accepted: only what it names waits to be fetched.
    Parked(simulator::MachineWebhook),
}

/// A write as the platform receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Change a level from one number to another.
    Level {
        /// The location.
        place: usize,
        /// The expected number.
        from: Quantity,
        /// The new number.
        to: Quantity,
    },
    /// Set a price.
    Price(Money),
    /// Set a text.
    Text(ProductText),
}

/// A platform with one shop.
#[derive(Debug)]
pub(crate) struct Shop {
    /// The platform.
    pub(crate) kind: Kind,
    /// Our connection to it.
    pub(crate) connection: ConnectionId,
    /// Its goods.
    pub(crate) goods: Vec<Good>,
    /// True if it accepts the token.
    pub(crate) takes_token: bool,
    /// Goods that were deleted and created again.
    gone: Vec<Good>,
    /// The outcomes of calls by their idempotency keys.
    keys: BTreeMap<String, Vec<Outcome>>,
    numbers: u64,
    pub(crate) currency: Currency,
    /// The machine that it runs on, if it uses JSON; the goods are then read from there.
    pub(crate) json: Option<Box<Json>>,
}

fn external(text: &str) -> ExternalId {
    // Ids are written here, within their limits.
    ExternalId::new(text).unwrap_or_else(|_| unreachable!("an id of the world is an id"))
}

/// The platform's id of a location.
pub(crate) fn place_id(place: usize) -> ExternalId {
    external(&format!("90{place}"))
}

impl Shop {
    /// A shop without goods.
    pub(crate) fn new(
        kind: Kind,
        connection: ConnectionId,
        currency: Currency,
        speaks_json: bool,
        now: Timestamp,
    ) -> Self {
        let json =
            if kind.speaks_json(speaks_json) { Json::open(kind, &connection, currency, now) } else { None };
        Self {
            json,
            kind,
            connection,
            goods: Vec::new(),
            takes_token: true,
            gone: Vec::new(),
            keys: BTreeMap::new(),
            numbers: 0,
            currency,
        }
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Makes goods with their own ids; a good with the index of an existing one replaces it. Several are the variants
    /// of one product.
    pub(crate) fn make(&mut self, made: &[NewGood], now: Timestamp) {
        let ids = match &mut self.json {
            Some(json) => json.make(made, now),
            None => Vec::new(),
        };
        for (order, new) in made.iter().enumerate() {
            let (product, variant, item) = match ids.get(order) {
                Some(ids) => (ids.product.clone(), ids.variant.clone(), self.kind.item(ids)),
                None => self.lean_ids(),
            };
            let zeros = new.stock.iter().filter(|(_, count)| count.is_zero()).map(|(place, _)| *place);
            let good = Good {
                product: external(&product),
                variant: external(&variant),
                item: external(&item),
                sku: new.sku.clone(),
                title: new.title.clone(),
                description: format!("{}, as sold.", new.title),
                price: 1_000,
                is_tracked: true,
                is_deleted: false,
                level_at: new.stock.keys().map(|place| (*place, now)).collect(),
                made_zero: zeros.collect(),
                stock: new.stock.clone(),
                updated_at: now,
            };
            if new.index < self.goods.len() {
                self.gone.push(std::mem::replace(&mut self.goods[new.index], good));
            } else {
                self.goods.push(good);
            }
        }
        self.look(now);
    }

    fn lean_ids(&mut self) -> (String, String, String) {
        let number = self.number();
        let item = match self.kind {
            Kind::Shopify => format!("3{number}"),
            Kind::Square | Kind::Treez => format!("2{number}"),
            // A product is its own variant and its own item.
            _ => return (format!("1{number}"), format!("1{number}"), format!("1{number}")),
        };
        let variant = if self.kind == Kind::Treez { format!("1{number}") } else { format!("2{number}") };
        let item = if self.kind == Kind::Treez { variant.clone() } else { item };
        (format!("1{number}"), variant, item)
    }

    /// The goods that are variants of the same product, including the given one.
    pub(crate) fn siblings(&self, index: usize) -> Vec<usize> {
        let product = &self.goods[index].product;
        (0..self.goods.len()).filter(|other| self.goods[*other].product == *product).collect()
    }

    fn webhook(&mut self, good: Option<usize>, content: Content, by_people: bool) -> Webhook {
        let ends_contact = match &content {
            Content::Full(mapped) => mapped.iter().any(|mapped| match &mapped.payload {
                Payload::Inventory(report) => report.available.is_none(),
                Payload::Deleted { .. } => true,
                _ => false,
            }),
            Content::Thin | Content::Raw(..) | Content::Parked(_) => false,
        };
        let leads_by = Duration::ZERO;
        let number = self.number();
        Webhook { number, good, content, by_people, leads_by, is_refused: false, ends_contact }
    }

    fn version(&self, at: Timestamp) -> Timestamp {
        match self.kind {
            Kind::Shopify => Timestamp::from_micros(at.as_micros() / SECOND * SECOND),
            _ => at,
        }
    }

    /// The version that a report of that time states.
    fn stated(&self, at: Timestamp) -> SourceVersion {
        match self.kind {
            Kind::Shopify => SourceVersion::coarse(at),
            _ => SourceVersion::exact(at),
        }
    }

    /// The level of a good at a location, as the platform reports it; `None` where it reports nothing.
    fn level(&self, good: &Good, place: usize, dedupe_key: &str) -> Option<Mapped> {
        let known = good.stock.get(&place).filter(|_| good.is_tracked);
        let available = match (self.kind, known) {
            (_, Some(count)) => Some(Quantity::recorded(*count).ok()?),
            (Kind::Shopify, None) => None,
            (_, None) => return None,
        };
        let at = self.version(good.level_at.get(&place).copied()?);
        let is_versioned = matches!(self.kind, Kind::Shopify | Kind::Square);
        let mut identity = vec![
            "inventory".to_owned(),
            good.item.to_string(),
            place.to_string(),
            at.to_string(),
            format!("{available:?}"),
        ];
        if self.kind != Kind::Square {
            identity.push(dedupe_key.to_owned());
        }
        Some(Mapped {
            action: Action::Updated,
            occurred_at: is_versioned.then_some(at),
            version: is_versioned.then(|| self.stated(at)),
            identity,
            payload: Payload::Inventory(InventoryReport {
                item: good.item.clone(),
                location: Some(place_id(place)),
                available,
            }),
        })
    }

    /// A report that the platform counts nothing at a location, with the time `now`.
    fn absent(&self, good: &Good, place: usize, now: Timestamp) -> Mapped {
        let is_versioned = self.kind == Kind::Shopify;
        Mapped {
            action: Action::Updated,
            occurred_at: Some(now),
            version: is_versioned.then(|| self.stated(now)),
            identity: vec!["absent".to_owned(), good.item.to_string(), place.to_string(), now.to_string()],
            payload: Payload::Inventory(InventoryReport {
                item: good.item.clone(),
                location: Some(place_id(place)),
                available: None,
            }),
        }
    }

    /// The product as the platform reports it.
    fn product(&self, good: &Good, dedupe_key: &str) -> Mapped {
        let at = self.version(good.updated_at);
        let patch = |text: &str| if text.is_empty() { Patch::Clear } else { Patch::Set(text.to_owned()) };
        let variant = Variant {
            external: good.variant.clone(),
            item: Some(good.item.clone()),
            title: None,
            sku: patch(&good.sku),
            barcode: Patch::Keep,
            price: Patch::Set(Money { minor: good.price, currency: self.currency }),
            compare_at_price: Patch::Keep,
            details: model::VariantDetails::default(),
        };
        let product = Product {
            external: good.product.clone(),
            title: Some(good.title.trim().to_owned()),
            description: patch(good.description.trim()),
            vendor: Patch::Keep,
            category: Patch::Keep,
            status: None,
            tags: None,
            variants: vec![variant],
            variants_complete: true,
            details: model::ProductDetails::default(),
        };
        let mut identity = vec!["product".to_owned(), good.product.to_string(), at.to_string()];
        match self.kind {
            Kind::Shopify => identity.push(dedupe_key.to_owned()),
            Kind::Square => {}
            _ => identity.push(format!("{product:?}")),
        }
        let payload = Payload::Product(product);
        let version = Some(self.stated(at));
        Mapped { action: Action::Updated, occurred_at: Some(at), version, identity, payload }
    }

    fn deleted(&self, good: &Good) -> Mapped {
        let at = self.version(good.updated_at);
        let identity = vec!["product/deleted".to_owned(), good.product.to_string(), at.to_string()];
        let payload = Payload::Deleted { entity: EntityKind::Product, external: good.product.clone() };
        let version = Some(self.stated(at));
        Mapped { action: Action::Deleted, occurred_at: Some(at), version, identity, payload }
    }

    /// All reports of a good in its present state.
    pub(crate) fn report(&self, good: usize, dedupe_key: &str) -> Vec<Mapped> {
        let good = &self.goods[good];
        if good.is_deleted {
            return self.deleted_everywhere(good);
        }
        let levels = good.level_at.keys().filter_map(|place| self.level(good, *place, dedupe_key));
        let list = lists::complete(self.kind, good, dedupe_key);
        [self.product(good, dedupe_key)].into_iter().chain(levels).chain(list).collect()
    }

    /// A deletion; where lists of locations are reported, an empty list comes first.
    fn deleted_everywhere(&self, good: &Good) -> Vec<Mapped> {
        lists::nowhere(self.kind, good).into_iter().chain([self.deleted(good)]).collect()
    }

    /// Deletions that a full report lists; Shopify lists none.
    pub(crate) fn deletions(&self) -> Vec<Mapped> {
        let is_listed = self.kind != Kind::Shopify;
        self.gone.iter().filter(|_| is_listed).flat_map(|good| self.deleted_everywhere(good)).collect()
    }

    /// The result of fetching a thin notice of a good: the catalog's object.
    pub(crate) fn fetched(&self, good: usize, dedupe_key: &str) -> Vec<Mapped> {
        let good = &self.goods[good];
        vec![if good.is_deleted { self.deleted(good) } else { self.product(good, dedupe_key) }]
    }

    fn of_product(&mut self, index: usize, by_people: bool) -> Webhook {
        let dedupe_key = format!("w{}", self.numbers + 1);
        let content = match self.kind {
            Kind::Shopify => Content::Full(self.fetched(index, &dedupe_key)),
            Kind::Square if self.goods[index].is_deleted => Content::Full(self.fetched(index, &dedupe_key)),
            Kind::Square => Content::Thin,
            _ => Content::Full(self.report(index, &dedupe_key)),
        };
        self.webhook(Some(index), content, by_people)
    }

    fn of_level(&mut self, index: usize, place: usize, by_people: bool) -> Option<Webhook> {
        let dedupe_key = format!("w{}", self.numbers + 1);
        let good = &self.goods[index];
        let mapped = match self.kind {
            Kind::Treez if lists::is_partial(self.numbers) => [self.product(good, &dedupe_key)]
                .into_iter()
                .chain(self.level(good, place, &dedupe_key))
                .collect(),
            Kind::Treez => self.report(index, &dedupe_key),
            _ => vec![self.level(good, place, &dedupe_key)?],
        };
        Some(self.webhook(Some(index), Content::Full(mapped), by_people))
    }

    /// The webhooks of a new good.
    pub(crate) fn announce(&mut self, index: usize) -> Vec<Webhook> {
        if self.json.is_some() {
            return self.reported(index, true, false);
        }
        let places: Vec<usize> = self.goods[index].stock.keys().copied().collect();
        let product = self.of_product(index, true);
        if self.kind == Kind::Treez {
            return vec![product];
        }
        let levels: Vec<Webhook> =
            places.into_iter().filter_map(|place| self.of_level(index, place, true)).collect();
        [product].into_iter().chain(levels).collect()
    }

    /// Moves a level by an act of people; nothing happens where it isn't counted. Returns the webhooks if it moved.
    pub(crate) fn moves(
        &mut self,
        index: usize,
        place: usize,
        by: Decimal,
        is_test: bool,
        now: Timestamp,
    ) -> Option<Vec<Webhook>> {
        let good = self.goods.get_mut(index).filter(|good| !good.is_deleted && good.is_tracked)?;
        let count = good.stock.get_mut(&place)?;
        good.made_zero.remove(&place);
        if let Some(json) = &mut self.json {
            json.moves(good, place, by, is_test, now)?;
            self.look(now);
            return Some(self.reported(index, true, false));
        }
        *count += by;
        good.level_at.insert(place, now);
        Some(self.of_level(index, place, true).into_iter().collect())
    }

    /// Switches tracking.
    pub(crate) fn tracks(&mut self, index: usize, is_tracked: bool, now: Timestamp) -> Vec<Webhook> {
        let Some(good) =
            self.goods.get_mut(index).filter(|good| !good.is_deleted && good.is_tracked != is_tracked)
        else {
            return Vec::new();
        };
        if let Some(json) = &mut self.json {
            json.tracks(good, is_tracked, now);
            self.look(now);
            return self.reported(index, true, !is_tracked);
        }
        good.is_tracked = is_tracked;
        good.level_at.values_mut().for_each(|at| *at = now);
        let places: Vec<usize> = good.stock.keys().copied().collect();
        places.into_iter().filter_map(|place| self.of_level(index, place, true)).collect()
    }

    /// Ends or begins stocking at a location; it begins with zero. Shopify reports that it no longer counts there;
    /// Treez's list lacks the location, which means that nothing is there.
    pub(crate) fn stocks(
        &mut self,
        index: usize,
        place: usize,
        is_stocked: bool,
        now: Timestamp,
    ) -> Vec<Webhook> {
        let Some(good) = self.goods.get_mut(index).filter(|good| !good.is_deleted) else { return Vec::new() };
        if good.stock.contains_key(&place) == is_stocked || place >= self.kind.places() {
            return Vec::new();
        }
        good.level_at.insert(place, now);
        if let Some(json) = &mut self.json {
            json.stocks(good, place, is_stocked, now);
            if is_stocked {
                good.made_zero.insert(place);
            }
            self.look(now);
            return self.reported(index, true, !is_stocked);
        }
        if self.kind == Kind::Treez {
            lists::change(good, place, is_stocked);
            return vec![self.of_product(index, true)];
        }
        if is_stocked {
            good.stock.insert(place, Decimal::ZERO);
            good.made_zero.insert(place);
            return self.of_level(index, place, true).into_iter().collect();
        }
        good.stock.remove(&place);
        let mapped = self.absent(&self.goods[index], place, now);
        vec![self.webhook(Some(index), Content::Full(vec![mapped]), true)]
    }

    /// Edits a product by an act of people.
    pub(crate) fn edits(&mut self, index: usize, edit: Edit, now: Timestamp) -> Vec<Webhook> {
        let kind = self.kind;
        let Some(good) = self.goods.get_mut(index).filter(|good| !good.is_deleted) else { return Vec::new() };
        if let Some(json) = &mut self.json {
            let ends = matches!(edit, Edit::Delete);
            json.edits(good, &edit, now);
            self.look(now);
            return self.reported(index, true, ends);
        }
        match edit {
            Edit::Title(text) => good.title = kind.titled(&text),
            Edit::Description(text) => good.description = kind.described(&text),
            Edit::Price(cents) => good.price = cents,
            Edit::Sku(sku) => good.sku = sku,
            Edit::Delete => good.is_deleted = true,
        }
        good.updated_at = now;
        vec![self.of_product(index, true)]
    }

    /// A webhook that doesn't concern a good.
    pub(crate) fn says(&mut self, mapped: Mapped) -> Webhook {
        self.webhook(None, Content::Full(vec![mapped]), true)
    }

    /// The good that now has a product, variant or item of that id.
    pub(crate) fn find(&self, id: &ExternalId) -> Option<usize> {
        self.goods
            .iter()
            .position(|good| !good.is_deleted && [&good.product, &good.variant, &good.item].contains(&id))
    }
}
