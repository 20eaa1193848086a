//! Incidents in a shop: acts of its staff other than selling, and faults of the platform.

use crate::handle::ShopHandle;
use crate::lock;
use crate::shop::{Impossible, ItemIds};
use crate::standing::Standing;
use chrono::TimeDelta;

impl ShopHandle {
    /// Ends stocking an item at a location: its level there is removed. Shopify reports it by
    /// `inventory_levels/disconnect`; Square sends nothing and lists no count; Treez no longer lists the location.
    pub fn stop_stocking(&self, item: &str, location: &str) -> Result<(), Impossible> {
        self.act(|state, _| state.stop_stocking(item, location))
    }

    /// Begins stocking an item at a location, with a level of zero. Shopify reports it by `inventory_levels/connect`,
    /// the other platforms by a level.
    pub fn start_stocking(&self, item: &str, location: &str) -> Result<(), Impossible> {
        self.act(|state, now| state.start_stocking(item, location, now))
    }

    /// Switches the tracking of an item's stock on or off. While it is off, sales change no stock, and Shopify reports
    /// and shows a level of null, Square and Treez none. Switched on again, the previous number applies and is
    /// reported.
    pub fn track(&self, item: &str, tracked: bool) -> Result<(), Impossible> {
        self.act(|state, now| state.track(item, tracked, now))
    }

    /// Sets the merchant's own number of a variant; empty for none.
    pub fn edit_sku(&self, variant: &str, sku: &str) -> Result<(), Impossible> {
        self.act(|state, now| state.edit_sku(variant, sku, now))
    }

    /// Sets the description of a product, as the platform renders it.
    pub fn edit_description(&self, product: &str, description: &str) -> Result<(), Impossible> {
        self.act(|state, now| state.edit_description(product, description, now))
    }

    /// The description of a product, as the platform shows it.
    pub fn description(&self, product: &str) -> Option<String> {
        self.read(|state| Some(state.ledger.on_sale(product)?.description.clone()))
    }

    /// Deletes a product and creates it again with the same title, SKUs, prices and levels; returns the new ids.
    pub fn recreate_product(&self, product: &str) -> Result<Vec<ItemIds>, Impossible> {
        self.act(|state, now| {
            let (title, variants) = state.ledger.as_new(product)?;
            let deleted = state.ledger.delete(product, now)?;
            let (ids, added) = state.add_product(&title, &variants, now)?;
            Ok((ids, std::iter::once(deleted).chain(added).collect()))
        })
    }

    /// Cancels a completed order; with `restock` its quantity returns to stock. Shopify reports it by
    /// `orders/cancelled`, Treez by `TICKET_STATUS`. Square has only refunds for completed orders:
    /// [`Impossible::Unsupported`].
    pub fn cancel_order(&self, order: &str, restock: bool) -> Result<(), Impossible> {
        self.act(|state, now| state.cancel_order(order, restock, now))
    }

    /// Sets the standing of the account with its platform; it decides the response to every later call.
    pub fn set_standing(&self, standing: Standing) {
        lock(&self.inner.state).standing = standing;
    }

    /// Sets the lead of the clock by which Square judges `occurred_at`: at 25 hours, every change is too old
    /// (`INVALID_TIME`). Times that the platform reports stay correct.
    pub fn judge_times_ahead(&self, by: TimeDelta) {
        lock(&self.inner.state).judged_ahead = by;
    }

    /// Drops the webhooks of later acts: they are never sent. Webhooks already in the queue are still sent.
    pub fn lose_webhooks(&self, lost: bool) {
        lock(&self.inner.state).webhooks_lost = lost;
    }

    /// Lets another program restock one of each item to be written, just before each write of a level at Shopify: every
    /// comparison is refused. Other platforms don't compare.
    pub fn restock_before_writes(&self, restocks: bool) {
        lock(&self.inner.state).rival_restocks = restocks;
    }

    /// Clears all idempotency keys, as platforms do after their retention time: a repeated write has its effect again.
    pub fn forget_idempotency_keys(&self) {
        lock(&self.inner.state).replies.forget();
    }
}
