//! A shop's ledger with new ids, the platform's rules for the ledger, and recorded replies.

use crate::ids::Ids;
use crate::ledger::{Change, Customer, Instant, Ledger, Product, Variant};
use crate::level::Entry;
use crate::promotion::Promotions;
use crate::rules::LedgerRules;
use crate::shop::{Impossible, ItemIds, NewVariant, Shop};
use crate::staff::Staff;
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use std::collections::{HashMap, VecDeque};

/// Maximum number of recorded idempotency keys.
const REPLIES_MAX: usize = 10_000;

/// Replies by idempotency key, each with its request.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    replies: HashMap<String, (Value, Value)>,
    order: VecDeque<String>,
}

impl Replies {
    /// Returns the request and the reply recorded under `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&(Value, Value)> {
        self.replies.get(key)
    }

    pub(crate) fn remember(&mut self, key: &str, request: Value, reply: Value) {
        if self.replies.insert(key.to_owned(), (request, reply)).is_none() {
            self.order.push_back(key.to_owned());
        }
        if self.order.len() > REPLIES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.replies.remove(&oldest);
        }
    }

    /// Removes all recorded replies.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// All state of one shop that every platform has.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) shop: Shop,
    pub(crate) ledger: Ledger,
    pub(crate) promotions: Promotions,
    pub(crate) staff: Staff,
    pub(crate) ids: Ids,
    pub(crate) replies: Replies,
    pub(crate) rules: LedgerRules,
}

impl State {
    pub(crate) fn new(shop: Shop, rules: LedgerRules, seed: u64, now: Instant) -> Self {
        Self {
            shop,
            ledger: Ledger::new(now),
            promotions: Promotions::default(),
            staff: Staff::default(),
            ids: Ids::new(seed),
            replies: Replies::default(),
            rules,
        }
    }

    pub(crate) fn object_id(&mut self) -> String {
        (self.rules.object_id)(&mut self.ids)
    }

    pub(crate) fn check_location(&self, location: &str) -> Result<(), Impossible> {
        let known = self.shop.locations.iter().any(|each| each == location);
        if known { Ok(()) } else { Err(Impossible::UnknownLocation) }
    }

    fn check_quantity(&self, quantity: Decimal) -> Result<(), Impossible> {
        if quantity <= Decimal::ZERO {
            return Err(Impossible::NotPositive);
        }
        self.check_fraction(quantity)
    }

    fn check_fraction(&self, quantity: Decimal) -> Result<(), Impossible> {
        let fits = !self.rules.counts_pieces || quantity.fract().is_zero();
        if fits { Ok(()) } else { Err(Impossible::Fractional) }
    }

    /// A description as the platform stores and shows it.
    pub(crate) fn rendered(&self, description: &str) -> String {
        (self.rules.description)(description)
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
        let order = self.object_id();
        let line = self.object_id();
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
        let id = (self.rules.customer_id)(&mut self.ids);
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

    /// Puts a product on sale, or several if the platform allows fewer variants.
    pub(crate) fn add_product(
        &mut self,
        title: &str,
        variants: &[NewVariant],
        now: Instant,
    ) -> Result<(Vec<ItemIds>, Vec<Change>), Impossible> {
        for (location, quantity) in variants.iter().flat_map(|variant| &variant.stock) {
            self.check_location(location)?;
            self.check_fraction(*quantity)?;
        }
        let mut added = (Vec::new(), Vec::new());
        for group in variants.chunks(self.rules.variants_max) {
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
        let product_id = self.object_id();
        let (version, count) = (self.ledger.next_version(), variants.len());
        let present: Vec<Variant> =
            variants.iter().map(|new| self.variant(&product_id, count, new, version, now)).collect();
        let (ids, changes) = added;
        ids.extend(present.iter().map(|variant| ItemIds {
            product: product_id.clone(),
            variant: variant.id.clone(),
            item: variant.item.clone(),
            sku: variant.sku.clone(),
        }));
        changes.push(Change::ProductAdded(product_id.clone()));
        for (variant, new) in present.iter().zip(variants) {
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
            extra: (self.rules.product_fields)(),
            variants: present,
        });
    }

    fn variant(
        &mut self,
        product: &str,
        count: usize,
        new: &NewVariant,
        version: i64,
        now: Instant,
    ) -> Variant {
        let (id, item) = (self.rules.variant_ids)(product, count, &mut self.ids);
        Variant {
            id,
            item,
            sku: new.sku.clone(),
            barcode: None,
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
        let present = self.ledger.find(variant).map(|(_, variant)| variant.price_minor);
        if present.is_none_or(|present| present == price_minor) {
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
        let present = self.ledger.on_sale(product).ok_or(Impossible::UnknownItem)?;
        let title = (self.rules.title)(title);
        if present.title == title {
            return Ok(false);
        }
        self.ledger.edit(product, None, now, |product, _| product.title = title)?;
        Ok(true)
    }
}
