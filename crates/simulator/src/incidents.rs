//! What happens in a shop's worse weeks: acts of its staff beside selling, and dials of the platform.

use crate::handle::ShopHandle;
use crate::lock;
use crate::shop::{Impossible, ItemIds};
use crate::standing::Standing;
use chrono::TimeDelta;

impl ShopHandle {
    /// Ends stocking an item at a location: its level there is gone. Shopify tells it by `inventory_levels/disconnect`;
    /// Square says nothing and lists no count; Treez lists the location no more.
    pub fn stop_stocking(&self, item: &str, location: &str) -> Result<(), Impossible> {
        self.act(|state, _| state.stop_stocking(item, location))
    }

    /// Begins stocking an item at a location, with a level of zero. Shopify tells it by `inventory_levels/connect`, the
    /// others by a level.
    pub fn start_stocking(&self, item: &str, location: &str) -> Result<(), Impossible> {
        self.act(|state, now| state.start_stocking(item, location, now))
    }

    /// Switches the tracking of an item's stock on or off. While it is off, sales move nothing and Shopify tells and
    /// shows a level of null, Square and Treez none. Switched on, the number from before stands again and is reported.
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

    /// Deletes a product and makes it anew with the same title, SKUs, prices and levels, but with other ids; says them.
    pub fn recreate_product(&self, product: &str) -> Result<Vec<ItemIds>, Impossible> {
        self.act(|state, now| {
            let (title, variants) = state.ledger.as_new(product)?;
            let deleted = state.ledger.delete(product, now)?;
            let (ids, added) = state.add_product(&title, &variants, now)?;
            Ok((ids, std::iter::once(deleted).chain(added).collect()))
        })
    }

    /// Cancels a completed order; with `restock` its quantity goes back to the shelf. Shopify tells it by
    /// `orders/cancelled`, Treez by `TICKET_STATUS`. Square knows only refunds of completed orders:
    /// [`Impossible::Unsupported`].
    pub fn cancel_order(&self, order: &str, restock: bool) -> Result<(), Impossible> {
        self.act(|state, now| state.cancel_order(order, restock, now))
    }

    /// Sets how the account stands with its platform: from now on every call is answered accordingly.
    pub fn set_standing(&self, standing: Standing) {
        lock(&self.inner.state).standing = standing;
    }

    /// Sets by how much the clock runs ahead by which Square judges `occurred_at`: by 25 hours, every change is too old
    /// (`INVALID_TIME`). Times that the platform tells stay right.
    pub fn judge_times_ahead(&self, by: TimeDelta) {
        lock(&self.inner.state).judged_ahead = by;
    }

    /// Loses the webhooks of later acts: they are never sent. What waits already still goes.
    pub fn lose_webhooks(&self, lost: bool) {
        lock(&self.inner.state).webhooks_lost = lost;
    }

    /// Has another program restock one of each item that is about to be written, just before each write of a level at
    /// Shopify: every comparison is refused. Other platforms don't compare.
    pub fn restock_before_writes(&self, restocks: bool) {
        lock(&self.inner.state).rival_restocks = restocks;
    }

    /// Forgets all idempotency keys, as platforms do after their retention time: a repeated write has its effect again.
    pub fn forget_idempotency_keys(&self) {
        lock(&self.inner.state).replies.forget();
    }
}
