//! Acts on a running shop and reads of its state, for demonstrations and tests.

use crate::chaos::Chaos;
use crate::ledger::{Change, Instant};
use crate::lock;
use crate::promotion::NewPromotion;
use crate::server::{Inner, RecordedCall};
use crate::shop::{Impossible, ItemIds, NewVariant};
use crate::state::State;
use crate::webhooks::SentWebhook;
use chrono::Utc;
use rust_decimal::Decimal;
use std::fmt;
use std::sync::Arc;

/// Acts on a shop as its staff and customers would, and reads its state. Cheap to clone. Every act changes the shop's
/// ledger at once and enqueues the platform's webhooks for it, in the order of the acts; it fails with
/// [`Impossible::Congested`] while that queue is full. Items are named by any of their ids.
#[derive(Clone)]
pub struct ShopHandle {
    pub(crate) inner: Arc<Inner>,
}

impl fmt::Debug for ShopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShopHandle").field("account", &self.account()).finish_non_exhaustive()
    }
}

impl ShopHandle {
    pub(crate) fn act<T>(
        &self,
        act: impl FnOnce(&mut State, Instant) -> Result<(T, Vec<Change>), Impossible>,
    ) -> Result<T, Impossible> {
        let mut shop = lock(&self.inner.shop);
        if self.inner.outbox.is_full() {
            return Err(Impossible::Congested);
        }
        let now = shop.state.ledger.tick(Utc::now());
        let (value, changes) = act(&mut shop.state, now)?;
        let webhooks = shop.announce(&changes, now);
        self.inner.outbox.push(webhooks);
        Ok(value)
    }

    pub(crate) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&lock(&self.inner.shop).state)
    }

    /// Puts a product on sale and returns the ids of its variants, in their order. Where the platform has no variants,
    /// each becomes a product of its own.
    pub fn add_product(&self, title: &str, variants: &[NewVariant]) -> Result<Vec<ItemIds>, Impossible> {
        self.act(|state, now| state.add_product(title, variants, now))
    }

    /// Sells `quantity` of an item at a location, even below zero, and returns the order's id.
    pub fn sell(
        &self,
        item: &str,
        location: &str,
        quantity: impl Into<Decimal>,
    ) -> Result<String, Impossible> {
        let quantity = quantity.into();
        self.act(|state, now| state.sell(item, location, quantity, now))
    }

    /// Adds `quantity` of an item to the stock of a location.
    pub fn restock(
        &self,
        item: &str,
        location: &str,
        quantity: impl Into<Decimal>,
    ) -> Result<(), Impossible> {
        let quantity = quantity.into();
        self.act(|state, now| state.restock(item, location, quantity, now))
    }

    /// Sets the price of a variant, in the currency's smallest unit. The same price has no effect and causes no
    /// webhook.
    pub fn edit_price(&self, variant: &str, price_minor: i64) -> Result<(), Impossible> {
        self.act(|state, now| state.edit_price(variant, price_minor, now))
    }

    /// Sets the title of a product. The same title has no effect and causes no webhook.
    pub fn edit_title(&self, product: &str, title: &str) -> Result<(), Impossible> {
        self.act(|state, now| state.edit_title(product, title, now))
    }

    /// Sets the bar code of a variant; without effect where the simulator reports none.
    pub fn edit_barcode(&self, variant: &str, code: &str) -> Result<(), Impossible> {
        self.act(|state, now| state.edit_barcode(variant, code, now))
    }

    /// Takes a product with all its variants off sale permanently.
    pub fn delete_product(&self, product: &str) -> Result<(), Impossible> {
        self.act(|state, now| Ok(((), vec![state.ledger.delete(product, now)?])))
    }

    /// Adds a customer and returns the customer's id.
    pub fn add_customer(
        &self,
        given_name: &str,
        family_name: &str,
        email: &str,
    ) -> Result<String, Impossible> {
        self.act(|state, now| Ok(state.add_customer(given_name, family_name, email, now)))
    }

    /// Adds an employee and returns the employee's id.
    pub fn hire(
        &self,
        given_name: &str,
        family_name: &str,
        email: &str,
        role: &str,
    ) -> Result<String, Impossible> {
        self.act(|state, now| state.hire(given_name, family_name, email, role, now))
    }

    /// Has an employee leave.
    pub fn let_go(&self, employee: &str) -> Result<(), Impossible> {
        self.act(|state, now| state.let_go(employee, now))
    }

    /// Sets up a promotion and returns its id.
    pub fn add_promotion(&self, promotion: NewPromotion) -> Result<String, Impossible> {
        self.act(|state, now| state.add_promotion(promotion, now))
    }

    /// Changes a promotion: what was set up, and the switch by which it is on.
    pub fn edit_promotion(
        &self,
        id: &str,
        edit: impl FnOnce(&mut NewPromotion, &mut bool),
    ) -> Result<(), Impossible> {
        self.act(|state, now| state.edit_promotion(id, now, edit))
    }

    /// Removes a promotion permanently.
    pub fn delete_promotion(&self, id: &str) -> Result<(), Impossible> {
        self.act(|state, _| state.delete_promotion(id))
    }

    /// The name of the simulated platform.
    pub fn platform(&self) -> &'static str {
        self.read(|state| state.shop.platform)
    }

    /// The shop's name on the platform.
    pub fn account(&self) -> String {
        self.read(|state| state.shop.account.clone())
    }

    /// The shop's stock locations.
    pub fn locations(&self) -> Vec<String> {
        self.read(|state| state.shop.locations.clone())
    }

    /// Every variant on sale.
    pub fn items(&self) -> Vec<ItemIds> {
        self.read(|state| state.ledger.items().collect())
    }

    /// The variant on sale with that SKU.
    pub fn find(&self, sku: &str) -> Option<ItemIds> {
        self.read(|state| state.ledger.find_sku(sku))
    }

    /// The quantity of an item at a location, as a decimal without trailing zeros; `None` where it isn't stocked.
    pub fn level(&self, item: &str, location: &str) -> Option<String> {
        self.read(|state| Some(state.ledger.level(&state.item(item).ok()?, location)?.text()))
    }

    /// The price of a variant in the currency's smallest unit.
    pub fn price(&self, variant: &str) -> Option<i64> {
        self.read(|state| Some(state.ledger.find(variant)?.1.price_minor))
    }

    /// The title of a product.
    pub fn title(&self, product: &str) -> Option<String> {
        self.read(|state| Some(state.ledger.on_sale(product)?.title.clone()))
    }

    /// The last calls that the platform received, oldest first; at most 20,000.
    pub fn calls(&self) -> Vec<RecordedCall> {
        self.calls_since(0).0
    }

    /// The last delivery attempts of webhooks, oldest first; at most 20,000.
    pub fn webhooks_sent(&self) -> Vec<SentWebhook> {
        self.webhooks_sent_since(0).0
    }

    /// The calls after the first `seen` of all that the platform ever received, as far as they are still recorded, and
    /// the count of all calls ever received.
    pub fn calls_since(&self, seen: u64) -> (Vec<RecordedCall>, u64) {
        lock(&self.inner.calls).since(seen)
    }

    /// The delivery attempts of webhooks after the first `seen` of all, as far as they are still recorded, and the
    /// count of all attempts.
    pub fn webhooks_sent_since(&self, seen: u64) -> (Vec<SentWebhook>, u64) {
        self.inner.outbox.attempts_since(seen)
    }

    /// The number of webhooks that fault injection lost.
    pub fn webhooks_lost(&self) -> u64 {
        self.inner.outbox.lost()
    }

    /// The number of webhooks in the queue, without the one that is being delivered.
    pub fn webhooks_waiting(&self) -> usize {
        self.inner.outbox.waiting()
    }

    /// Delays webhooks from now on if `held`, else releases them in their order.
    pub fn hold_webhooks(&self, held: bool) {
        self.inner.outbox.hold(held);
    }

    /// Delivers the queued webhooks even if webhooks are delayed; returns when each was delivered or discarded.
    pub async fn deliver_now(&self) {
        self.inner.outbox.let_through().await;
    }

    /// Sets the URL for webhooks of later acts, exactly as registered; the platform pings it, if it does that.
    pub fn set_webhook(&self, url: &str) {
        let checks = lock(&self.inner.shop).register(url);
        self.inner.outbox.push(checks);
    }

    /// Has the platform check the URL for webhooks, as a person does who enters it. [`Impossible::Unsupported`] where the
    /// platform makes no such request, or no URL is set.
    pub fn check_webhook_url(&self) -> Result<(), Impossible> {
        let request = lock(&self.inner.shop).check_url()?;
        self.inner.outbox.push(vec![request]);
        Ok(())
    }

    /// Sets the fault rates.
    pub fn set_chaos(&self, chaos: Chaos) {
        lock(&self.inner.faults).chaos = chaos;
    }
}
