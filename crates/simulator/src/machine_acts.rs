//! Acts on a shop without its server and reads of its state, for tests.

use crate::machine::ShopMachine;
use crate::promotion::NewPromotion;
use crate::shop::{Impossible, ItemIds, NewVariant};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

/// A variant on sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The title of its product.
    pub title: String,
    /// The description of its product, as the platform shows it.
    pub description: String,
    /// Its price in the currency's smallest unit.
    pub price_minor: i64,
    /// The merchant's SKU of it; empty for none.
    pub sku: String,
    /// True if its stock is counted.
    pub tracked: bool,
    /// Location and quantity, for every location that stocks it.
    pub stock: Vec<(String, Decimal)>,
}

impl ShopMachine {
    /// Puts a product on sale and returns the ids of its variants.
    pub fn add_product(
        &mut self,
        title: &str,
        variants: &[NewVariant],
        now: DateTime<Utc>,
    ) -> Result<Vec<ItemIds>, Impossible> {
        self.act(now, |state, now| state.add_product(title, variants, now))
    }

    /// Adds a customer and returns the customer's id.
    pub fn add_customer(
        &mut self,
        given_name: &str,
        family_name: &str,
        email: &str,
        now: DateTime<Utc>,
    ) -> Result<String, Impossible> {
        self.act(now, |state, now| Ok(state.add_customer(given_name, family_name, email, now)))
    }

    /// Adds an employee and returns the employee's id.
    pub fn hire(
        &mut self,
        given_name: &str,
        family_name: &str,
        email: &str,
        role: &str,
        now: DateTime<Utc>,
    ) -> Result<String, Impossible> {
        self.act(now, |state, now| state.hire(given_name, family_name, email, role, now))
    }

    /// Has an employee leave.
    pub fn let_go(&mut self, employee: &str, now: DateTime<Utc>) -> Result<(), Impossible> {
        self.act(now, |state, now| state.let_go(employee, now))
    }

    /// Sets up a promotion and returns its id.
    pub fn add_promotion(
        &mut self,
        promotion: NewPromotion,
        now: DateTime<Utc>,
    ) -> Result<String, Impossible> {
        self.act(now, |state, now| state.add_promotion(promotion, now))
    }

    /// Sells `quantity` of an item at a location, even below zero, and returns the order's id.
    pub fn sell(
        &mut self,
        item: &str,
        location: &str,
        quantity: Decimal,
        now: DateTime<Utc>,
    ) -> Result<String, Impossible> {
        self.act(now, |state, now| state.sell(item, location, quantity, now))
    }

    /// As [`Self::sell`], but the order is marked as a test.
    pub fn sell_as_test(
        &mut self,
        item: &str,
        location: &str,
        quantity: Decimal,
        now: DateTime<Utc>,
    ) -> Result<String, Impossible> {
        self.act(now, |state, now| {
            let (order, changes) = state.sell(item, location, quantity, now)?;
            state.ledger.is_a_test(&order);
            Ok((order, changes))
        })
    }

    /// Refunds an order; its stock doesn't change. [`Impossible::Unsupported`] where the platform reports no refunds.
    pub fn refund_order(&mut self, order: &str, now: DateTime<Utc>) -> Result<(), Impossible> {
        self.act(now, |state, now| state.refund_order(order, now))
    }

    /// Cancels a completed order; with `restock` its quantity returns to stock. [`Impossible::Unsupported`] where the
    /// platform has only refunds for completed orders.
    pub fn cancel_order(&mut self, order: &str, restock: bool, now: DateTime<Utc>) -> Result<(), Impossible> {
        self.act(now, |state, now| state.cancel_order(order, restock, now))
    }

    /// Adds `quantity` of an item to the stock of a location.
    pub fn restock(
        &mut self,
        item: &str,
        location: &str,
        quantity: Decimal,
        now: DateTime<Utc>,
    ) -> Result<(), Impossible> {
        self.act(now, |state, now| state.restock(item, location, quantity, now))
    }

    /// Sets the title of a product.
    pub fn edit_title(&mut self, product: &str, title: &str, now: DateTime<Utc>) -> Result<(), Impossible> {
        self.act(now, |state, now| state.edit_title(product, title, now))
    }

    /// Sets the description of a product, as the platform renders it.
    pub fn edit_description(
        &mut self,
        product: &str,
        description: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Impossible> {
        self.act(now, |state, now| state.edit_description(product, description, now))
    }

    /// Sets the price of a variant, in the currency's smallest unit.
    pub fn edit_price(
        &mut self,
        variant: &str,
        price_minor: i64,
        now: DateTime<Utc>,
    ) -> Result<(), Impossible> {
        self.act(now, |state, now| state.edit_price(variant, price_minor, now))
    }

    /// Sets the SKU of a variant; empty for none.
    pub fn edit_sku(&mut self, variant: &str, sku: &str, now: DateTime<Utc>) -> Result<(), Impossible> {
        self.act(now, |state, now| state.edit_sku(variant, sku, now))
    }

    /// Switches the tracking of an item's stock on or off.
    pub fn track(&mut self, item: &str, tracked: bool, now: DateTime<Utc>) -> Result<(), Impossible> {
        self.act(now, |state, now| state.track(item, tracked, now))
    }

    /// Ends stocking an item at a location: its level there is removed.
    pub fn stop_stocking(
        &mut self,
        item: &str,
        location: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Impossible> {
        self.act(now, |state, now| state.stop_stocking(item, location, now))
    }

    /// Begins stocking an item at a location, with a level of zero.
    pub fn start_stocking(
        &mut self,
        item: &str,
        location: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Impossible> {
        self.act(now, |state, now| state.start_stocking(item, location, now))
    }

    /// Takes a product off sale permanently.
    pub fn delete_product(&mut self, product: &str, now: DateTime<Utc>) -> Result<(), Impossible> {
        self.act(now, |state, now| Ok(((), vec![state.ledger.delete(product, now)?])))
    }

    /// Leaves products out of lists, though they exist, as a platform with an outage may; all others are listed. No effect
    /// where the platform has no lists.
    pub fn leave_out_of_lists(&mut self, products: &[String]) {
        self.shop.state.ledger.unlisted = products.iter().cloned().collect();
    }

    /// Makes the webhooks of everything on sale, as if it had been saved unchanged.
    pub fn report_everything(&mut self, now: DateTime<Utc>) {
        // This act can't fail.
        self.act(now, |state, _| Ok(((), state.everything()))).ok();
    }

    /// The quantity of an item at a location; `None` where it isn't stocked.
    pub fn level(&self, item: &str, location: &str) -> Option<Decimal> {
        Some(self.shop.state.ledger.level(&self.shop.state.item(item).ok()?, location)?.quantity())
    }

    /// A variant on sale; `None` once it was deleted.
    pub fn offer(&self, variant: &str) -> Option<Offer> {
        let (product, held) = self.shop.state.ledger.find(variant)?;
        let levels = self.shop.state.ledger.levels_of(&held.item);
        Some(Offer {
            title: product.title.clone(),
            description: product.description.clone(),
            price_minor: held.price_minor,
            sku: held.sku.clone(),
            tracked: held.tracked,
            stock: levels.map(|(location, level)| (location.to_owned(), level.quantity())).collect(),
        })
    }
}
