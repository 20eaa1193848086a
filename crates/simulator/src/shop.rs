//! A shop as its clients see it.

use rust_decimal::Decimal;
use std::fmt;

/// One merchant's account on one platform.
#[derive(Clone)]
pub struct Shop {
    /// The name of the platform in the registry.
    pub platform: &'static str,
    /// Its name there.
    pub account: String,
    /// The credential that calls must carry: an access token, or the key to get one with.
    pub token: String,
    /// The key that webhooks are signed with, or the token that they carry.
    pub webhook_secret: String,
    /// The URL for webhooks, exactly as registered. `None`: there is no subscription, and no webhooks are made.
    pub webhook_url: Option<String>,
    /// Currency code of ISO 4217.
    pub currency: String,
    /// The platform's ids of its stock locations. Never empty.
    pub locations: Vec<String>,
}

impl fmt::Debug for Shop {
    // Tokens and secrets never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shop")
            .field("platform", &self.platform)
            .field("account", &self.account)
            .field("locations", &self.locations)
            .finish_non_exhaustive()
    }
}

/// Reason why a shop can't be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The registry has no platform of that name.
    #[error("the platform isn't simulated")]
    UnknownPlatform,
    /// The shop has no stock location.
    #[error("the shop has no location")]
    NoLocation,
    /// A location isn't a number, as the platform's ids are.
    #[error("a location isn't a number, as the platform's ids are")]
    LocationNotNumeric,
}

/// A variant to be put on sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVariant {
    /// The merchant's SKU of it.
    pub sku: String,
    /// Price in the currency's smallest unit.
    pub price_minor: i64,
    /// Location and quantity; locations that are left out don't stock it.
    pub stock: Vec<(String, Decimal)>,
}

impl NewVariant {
    /// A variant with the same whole number of pieces at each of `locations`.
    pub fn stocked(sku: &str, price_minor: i64, pieces: i64, locations: &[String]) -> Self {
        let stock = locations.iter().map(|location| (location.clone(), Decimal::from(pieces))).collect();
        Self { sku: sku.to_owned(), price_minor, stock }
    }
}

/// The platform's ids of a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemIds {
    /// Its product.
    pub product: String,
    /// The variant.
    pub variant: String,
    /// The item that is counted; the same as the variant where the platform doesn't distinguish them.
    pub item: String,
    /// The merchant's SKU of it.
    pub sku: String,
}

/// Reason why an act fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// No such product, variant or item, or it was deleted.
    #[error("the shop has no such item")]
    UnknownItem,
    /// No such employee, or one who left.
    #[error("the shop has no such employee")]
    UnknownEmployee,
    /// No such location.
    #[error("the shop has no such location")]
    UnknownLocation,
    /// The item was never stocked there.
    #[error("the item isn't stocked at the location")]
    NotStocked,
    /// The quantity isn't whole, and the platform counts pieces.
    #[error("the platform counts whole pieces")]
    Fractional,
    /// The quantity isn't above zero, as a sale or a delivery of goods requires.
    #[error("the quantity isn't positive")]
    NotPositive,
    /// The platform doesn't offer that act.
    #[error("the platform doesn't offer that")]
    Unsupported,
    /// The queue of webhooks is full: its receiver is too slow.
    #[error("too many webhooks wait for delivery")]
    Congested,
}
