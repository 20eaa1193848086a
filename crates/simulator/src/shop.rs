//! A shop as its clients see it.

use rust_decimal::Decimal;
use std::fmt;

/// The platform that is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Shopify's Admin API (GraphQL) and its webhooks.
    Shopify,
    /// Square's Connect v2 and its webhooks.
    Square,
    /// Treez' dispensary API v2.0 and its webhooks.
    Treez,
}

impl Kind {
    /// The name in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shopify => "shopify",
            Self::Square => "square",
            Self::Treez => "treez",
        }
    }
}

/// One merchant's account on one platform.
#[derive(Clone)]
pub struct Shop {
    /// The platform.
    pub platform: Kind,
    /// Its name there: Shopify's shop domain, Square's merchant id, Treez' dispensary.
    pub account: String,
    /// The credential that calls must carry: Shopify's and Square's access token; Treez' API key, which is also
    /// accepted as an access token.
    pub token: String,
    /// The key that webhooks are signed with; the static bearer token on Treez.
    pub webhook_secret: String,
    /// The URL for webhooks, exactly as registered (Square signs it). `None`: there is no subscription, and no webhooks
    /// are made.
    pub webhook_url: Option<String>,
    /// Currency code of ISO 4217.
    pub currency: String,
    /// The platform's ids of its stock locations; decimal numbers on Shopify. Never empty.
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

impl Shop {
    pub(crate) fn check(&self) -> Result<(), Unfit> {
        if self.locations.is_empty() {
            return Err(Unfit::NoLocation);
        }
        let numeric = |id: &String| id.parse::<u64>().is_ok();
        if self.platform == Kind::Shopify && !self.locations.iter().all(numeric) {
            return Err(Unfit::LocationNotNumeric);
        }
        Ok(())
    }
}

/// Reason why a shop can't be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The shop has no stock location.
    #[error("the shop has no location")]
    NoLocation,
    /// A location isn't a number, as Shopify's ids are.
    #[error("a location of a Shopify shop isn't a number")]
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
    /// The item that is counted: the inventory item on Shopify, else the same as the variant.
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
    /// No such location.
    #[error("the shop has no such location")]
    UnknownLocation,
    /// The item was never stocked there.
    #[error("the item isn't stocked at the location")]
    NotStocked,
    /// The quantity isn't whole: Shopify counts pieces.
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
