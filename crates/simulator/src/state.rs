//! A shop's ledger with the state that its platform needs besides: new ids, recorded replies, budgets, tokens.

use crate::exchange::{Incoming, Outgoing, Reply};
use crate::ledger::{Change, Customer, Instant, Ledger, Product, Variant};
use crate::level::Entry;
use crate::shop::{Impossible, ItemIds, Kind, NewVariant, Shop};
use crate::standing::Standing;
use crate::{shopify, square, treez};
use chrono::TimeDelta;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use std::collections::{HashMap, VecDeque};

/// Maximum number of recorded idempotency keys.
const REPLIES_MAX: usize = 10_000;
/// Maximum number of access tokens that are valid at once.
pub(crate) const TOKENS_MAX: usize = 100;

/// Generates ids in the platforms' formats.
#[derive(Debug)]
pub(crate) struct Ids {
    kind: Kind,
    rng: StdRng,
    last: u64,
}

impl Ids {
    /// An integer greater than a float can hold exactly, like Shopify's ids.
    pub(crate) fn number(&mut self) -> u64 {
        self.last += self.rng.random_range(1..1_000_000_u64) * 2 + 1;
        self.last
    }

    pub(crate) fn opaque(&mut self) -> String {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        (0..24).map(|_| char::from(ALPHABET[self.rng.random_range(0..ALPHABET.len())])).collect()
    }

    pub(crate) fn uuid(&mut self) -> String {
        let mut bytes: [u8; 16] = self.rng.random();
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let digits = hex::encode(bytes);
        [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
    }

    /// `bytes` random bytes in hexadecimal.
    pub(crate) fn hex(&mut self, bytes: usize) -> String {
        (0..bytes).map(|_| hex::encode([self.rng.random::<u8>()])).collect()
    }

    pub(crate) fn object(&mut self) -> String {
        match self.kind {
            Kind::Shopify => self.number().to_string(),
            Kind::Square => self.opaque(),
            Kind::Treez => self.uuid(),
        }
    }

    fn customer(&mut self) -> String {
        match self.kind {
            Kind::Treez => (self.number() % 1_000_000).to_string(),
            Kind::Shopify | Kind::Square => self.object(),
        }
    }

    /// True in one of `n` cases.
    pub(crate) fn one_in(&mut self, n: u32) -> bool {
        self.rng.random_ratio(1, n)
    }
}

/// Replies by idempotency key, each with its request.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    held: HashMap<String, (Value, Value)>,
    order: VecDeque<String>,
}

impl Replies {
    /// Returns the request and the reply recorded under `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&(Value, Value)> {
        self.held.get(key)
    }

    pub(crate) fn remember(&mut self, key: &str, request: Value, reply: Value) {
        if self.held.insert(key.to_owned(), (request, reply)).is_none() {
            self.order.push_back(key.to_owned());
        }
        if self.order.len() > REPLIES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.held.remove(&oldest);
        }
    }

    /// Removes all recorded replies.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// All state of one shop.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) shop: Shop,
    pub(crate) ledger: Ledger,
    pub(crate) ids: Ids,
    pub(crate) replies: Replies,
    pub(crate) bucket: shopify::Bucket,
    /// Treez: tokens and their times of expiry.
    pub(crate) tokens: VecDeque<(String, Instant)>,
    pub(crate) standing: Standing,
    /// Lead of the clock that judges the age of changes.
    pub(crate) judged_ahead: TimeDelta,
    /// True if webhooks of later acts are dropped.
    pub(crate) webhooks_lost: bool,
    /// True if another program restocks one of each item just before each write of Shopify's levels.
    pub(crate) rival_restocks: bool,
}

impl State {
    pub(crate) fn new(shop: Shop, seed: u64, points_per_second: f64, now: Instant) -> Self {
        let ids =
            Ids { kind: shop.platform, rng: StdRng::seed_from_u64(seed), last: 788_032_119_674_292_922 };
        Self {
            shop,
            ledger: Ledger::new(now),
            ids,
            replies: Replies::default(),
            bucket: shopify::Bucket::full(points_per_second, now),
            tokens: VecDeque::new(),
            standing: Standing::default(),
            judged_ahead: TimeDelta::zero(),
            webhooks_lost: false,
            rival_restocks: false,
        }
    }

    /// Returns the platform's reply to a call.
    pub(crate) fn answer(&mut self, call: &Incoming, now: Instant) -> Reply {
        if let Some(refused) = self.standing.answer(self.shop.platform) {
            return refused;
        }
        match self.shop.platform {
            Kind::Shopify => shopify::answer(self, call, now),
            Kind::Square => square::answer(self, call, now),
            Kind::Treez => treez::answer(self, call, now),
        }
    }

    /// Returns the platform's reply to a call beyond its rate limit.
    pub(crate) fn throttled(&self, now: Instant) -> Reply {
        match self.shop.platform {
            Kind::Shopify => shopify::throttled(self, now),
            Kind::Square => square::throttled(),
            Kind::Treez => treez::throttled(),
        }
    }

    /// Makes the webhooks that report `changes`; none without a subscription.
    pub(crate) fn announce(&mut self, changes: &[Change], now: Instant) -> Vec<Outgoing> {
        let Some(url) = self.shop.webhook_url.clone() else { return Vec::new() };
        if changes.is_empty() || self.webhooks_lost {
            return Vec::new();
        }
        match self.shop.platform {
            Kind::Shopify => shopify::announce(self, changes, &url, now),
            Kind::Square => square::announce(self, changes, &url, now),
            Kind::Treez => treez::announce(self, changes, &url, now),
        }
    }

    pub(crate) fn check_location(&self, location: &str) -> Result<(), Impossible> {
        let known = self.shop.locations.iter().any(|each| each == location);
        if known { Ok(()) } else { Err(Impossible::UnknownLocation) }
    }

    fn check_quantity(&self, quantity: Decimal) -> Result<(), Impossible> {
        if quantity <= Decimal::ZERO {
            return Err(Impossible::NotPositive);
        }
        if self.shop.platform == Kind::Shopify && !quantity.fract().is_zero() {
            return Err(Impossible::Fractional);
        }
        Ok(())
    }

    /// A description as the platform stores and shows it.
    pub(crate) fn rendered(&self, description: &str) -> String {
        match self.shop.platform {
            Kind::Shopify => description.trim().to_owned(),
            Kind::Square => square::rendered(description),
            Kind::Treez => description.to_owned(),
        }
    }

    /// The inventory item that any of its ids names.
    pub(crate) fn item(&self, id: &str) -> Result<String, Impossible> {
        let (_, variant) = self.ledger.find(id).ok_or(Impossible::UnknownItem)?;
        Ok(variant.item.clone())
    }

    pub(crate) fn sell(
        &mut self,
        id: &str,
        location: &str,
        quantity: Decimal,
        now: Instant,
    ) -> Result<(String, Vec<Change>), Impossible> {
        self.check_location(location)?;
        self.check_quantity(quantity)?;
        let order = self.ids.object();
        let line = self.ids.object();
        let changes = self.ledger.sell(id, location, quantity, (order.clone(), line), now)?;
        Ok((order, changes))
    }

    pub(crate) fn restock(
        &mut self,
        id: &str,
        location: &str,
        quantity: Decimal,
        now: Instant,
    ) -> Result<((), Vec<Change>), Impossible> {
        self.check_location(location)?;
        self.check_quantity(quantity)?;
        let item = self.item(id)?;
        self.ledger.move_stock(&item, location, quantity, now)?;
        Ok(((), vec![Change::Level(item, location.to_owned())]))
    }

    pub(crate) fn add_customer(
        &mut self,
        given_name: &str,
        family_name: &str,
        email: &str,
        now: Instant,
    ) -> (String, Vec<Change>) {
        let id = self.ids.customer();
        let customer = Customer {
            id: id.clone(),
            given_name: given_name.to_owned(),
            family_name: family_name.to_owned(),
            email: email.to_owned(),
            at: now,
            version: 0,
        };
        (id, vec![self.ledger.add_customer(customer)])
    }

    /// Puts a product on sale; on Treez, which has no variants, one product for each of `variants`.
    pub(crate) fn add_product(
        &mut self,
        title: &str,
        variants: &[NewVariant],
        now: Instant,
    ) -> Result<(Vec<ItemIds>, Vec<Change>), Impossible> {
        for (location, quantity) in variants.iter().flat_map(|variant| &variant.stock) {
            self.check_location(location)?;
            let whole = quantity.fract().is_zero();
            if self.shop.platform == Kind::Shopify && !whole {
                return Err(Impossible::Fractional);
            }
        }
        let per_product = if self.shop.platform == Kind::Treez { 1 } else { variants.len().max(1) };
        let mut added = (Vec::new(), Vec::new());
        for group in variants.chunks(per_product) {
            self.add_group(title, group, now, &mut added);
        }
        Ok(added)
    }

    fn add_group(
        &mut self,
        title: &str,
        variants: &[NewVariant],
        now: Instant,
        added: &mut (Vec<ItemIds>, Vec<Change>),
    ) {
        let product_id = self.ids.object();
        let version = self.ledger.next_version();
        let held: Vec<Variant> =
            variants.iter().map(|new| self.variant(&product_id, new, version, now)).collect();
        let (ids, changes) = added;
        ids.extend(held.iter().map(|variant| ItemIds {
            product: product_id.clone(),
            variant: variant.id.clone(),
            item: variant.item.clone(),
            sku: variant.sku.clone(),
        }));
        changes.push(Change::ProductAdded(product_id.clone()));
        for (variant, new) in held.iter().zip(variants) {
            for (location, quantity) in &new.stock {
                self.ledger.enter(&variant.item, location, now, Entry::Count(*quantity), now);
                changes.push(Change::Level(variant.item.clone(), location.clone()));
            }
        }
        self.ledger.put(Product {
            id: product_id,
            title: title.to_owned(),
            description: format!("{title}, as sold in the shop."),
            deleted: false,
            created_at: now,
            updated_at: now,
            version,
            extra: square::item_extra(self.shop.platform),
            variants: held,
        });
    }

    fn variant(&mut self, product: &str, new: &NewVariant, version: i64, now: Instant) -> Variant {
        let id = match self.shop.platform {
            Kind::Treez => product.to_owned(),
            Kind::Shopify | Kind::Square => self.ids.object(),
        };
        let item = match self.shop.platform {
            Kind::Shopify => self.ids.object(),
            Kind::Square | Kind::Treez => id.clone(),
        };
        Variant {
            id,
            item,
            sku: new.sku.clone(),
            name: "Regular".to_owned(),
            price_minor: new.price_minor,
            tracked: true,
            deleted: false,
            updated_at: now,
            version,
            extra: Map::new(),
        }
    }
}

impl State {
    /// Sets a price; returns true if it changed.
    pub(crate) fn set_price(&mut self, product: &str, variant: &str, price_minor: i64, now: Instant) -> bool {
        let held = self.ledger.find(variant).map(|(_, variant)| variant.price_minor);
        if held.is_none_or(|held| held == price_minor) {
            return false;
        }
        let edited = self.ledger.edit(product, Some(variant), now, |product, index| {
            if let Some(variant) = index.and_then(|index| product.variants.get_mut(index)) {
                variant.price_minor = price_minor;
            }
        });
        edited.is_ok()
    }

    /// Sets a title; returns true if it changed.
    pub(crate) fn set_title(&mut self, product: &str, title: &str, now: Instant) -> Result<bool, Impossible> {
        let held = self.ledger.on_sale(product).ok_or(Impossible::UnknownItem)?;
        let title = if self.shop.platform == Kind::Shopify { title.trim() } else { title };
        if held.title == title {
            return Ok(false);
        }
        self.ledger.edit(product, None, now, |product, _| title.clone_into(&mut product.title))?;
        Ok(true)
    }
}
