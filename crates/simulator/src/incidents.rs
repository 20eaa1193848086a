//! Incidents in a shop: acts of its staff other than selling, and faults of the platform.

use crate::backend::{BulkTrouble, Disturbance};
use crate::handle::ShopHandle;
use crate::lock;
use crate::shop::{Impossible, ItemIds};
use crate::standing::Standing;
use chrono::TimeDelta;

impl ShopHandle {
    /// Ends stocking an item at a location: its level there is removed. Platforms report it by a webhook of its own, by
    /// a list of locations, or not at all.
    pub fn stop_stocking(&self, item: &str, location: &str) -> Result<(), Impossible> {
        self.act(|state, now| state.stop_stocking(item, location, now))
    }

    /// Begins stocking an item at a location, with a level of zero. Platforms report it by a webhook of its own, or by a
    /// level.
    pub fn start_stocking(&self, item: &str, location: &str) -> Result<(), Impossible> {
        self.act(|state, now| state.start_stocking(item, location, now))
    }

    /// Switches the tracking of an item's stock on or off. While it is off, sales change no stock, and the platform
    /// reports and shows a level of null, or none. Switched on again, the previous number applies and is reported.
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

    /// Refunds an order; its stock doesn't change. [`Impossible::Unsupported`] where the platform reports no refunds.
    pub fn refund_order(&self, order: &str) -> Result<(), Impossible> {
        self.act(|state, now| state.refund_order(order, now))
    }

    /// Cancels a completed order; with `restock` its quantity returns to stock. [`Impossible::Unsupported`] where the
    /// platform has only refunds for completed orders.
    pub fn cancel_order(&self, order: &str, restock: bool) -> Result<(), Impossible> {
        self.act(|state, now| state.cancel_order(order, restock, now))
    }

    /// Sets the standing of the account with its platform; it decides the response to every later call.
    pub fn set_standing(&self, standing: Standing) {
        lock(&self.inner.shop).standing = standing;
    }

    /// Sets the lead of the clock by which the platform computes the age of changes, if it does: one lead beyond the
    /// maximum age makes every change too old. Times that the platform reports stay correct.
    pub fn set_clock_lead(&self, by: TimeDelta) {
        lock(&self.inner.shop).disturb(Disturbance::ClockAhead(by));
    }

    /// Drops the webhooks of later acts: they are never sent. Webhooks already in the queue are still sent.
    pub fn lose_webhooks(&self, lost: bool) {
        lock(&self.inner.shop).loses_webhooks = lost;
    }

    /// Leaves products out of lists, though they exist, as a platform with an outage may; all others are listed. No effect
    /// where the platform has no lists.
    pub fn leave_out_of_lists(&self, products: &[String]) {
        lock(&self.inner.shop).state.ledger.unlisted = products.iter().cloned().collect();
    }

    /// Lets another program restock one of each item to be written, just before each write that compares a level: every
    /// comparison is refused. No effect where the platform doesn't compare.
    pub fn restock_before_writes(&self, restocks: bool) {
        lock(&self.inner.shop).disturb(Disturbance::RivalRestocks(restocks));
    }

    /// Sets the trouble that queries have which the platform runs in the background. No effect where there are none.
    pub fn trouble_bulk_operations(&self, trouble: Option<BulkTrouble>) {
        lock(&self.inner.shop).disturb(Disturbance::BulkOperations(trouble));
    }

    /// Refuses the access tokens issued so far, before their time. No effect where credentials make calls themselves.
    pub fn revoke_access_tokens(&self) {
        lock(&self.inner.shop).disturb(Disturbance::TokensRevoked);
    }

    /// Clears all idempotency keys, as platforms do after their retention time: a repeated write has its effect again.
    pub fn forget_idempotency_keys(&self) {
        lock(&self.inner.shop).state.replies.forget();
    }
}
