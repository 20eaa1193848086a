//! A shop as someone outside of it sees it.

use rust_decimal::Decimal;
use std::fmt;

/// Whose HTTP side is stood in for.
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
    /// What calls must carry: Shopify's and Square's access token; Treez' API key, taken as an access token too.
    pub token: String,
    /// What webhooks are signed with; the static bearer token on Treez.
    pub webhook_secret: String,
    /// Where webhooks go, exactly as registered (Square signs it). `None`: nobody has subscribed and none are made.
    pub webhook_url: Option<String>,
    /// ISO 4217.
    pub currency: String,
    /// The platform's ids of its places of stock; decimal numbers on Shopify. Never empty.
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

/// Why a shop can't be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Stock has to be somewhere.
    #[error("the shop has no location")]
    NoLocation,
    /// Shopify's ids are integers.
    #[error("a location of a Shopify shop isn't a number")]
    LocationNotNumeric,
}

/// A variant to be put on sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVariant {
    /// The merchant's own number for it.
    pub sku: String,
    /// In the currency's smallest unit.
    pub price_minor: i64,
    /// Location and how much is there; locations that are left out don't stock it.
    pub stock: Vec<(String, Decimal)>,
}

impl NewVariant {
    /// A variant with the same whole number of pieces at each of `locations`.
    pub fn stocked(sku: &str, price_minor: i64, pieces: i64, locations: &[String]) -> Self {
        let stock = locations.iter().map(|location| (location.clone(), Decimal::from(pieces))).collect();
        Self { sku: sku.to_owned(), price_minor, stock }
    }
}

/// What the platform calls a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemIds {
    /// The product that it is of.
    pub product: String,
    /// The variant.
    pub variant: String,
    /// What is counted: the inventory item on Shopify, else the same as the variant.
    pub item: String,
    /// The merchant's own number for it.
    pub sku: String,
}

/// Why something can't be done in the shop.
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
    /// Shopify counts pieces.
    #[error("the platform counts whole pieces")]
    Fractional,
    /// Sales and deliveries of goods are of something.
    #[error("the quantity isn't positive")]
    NotPositive,
    /// Nobody can do that on this platform.
    #[error("the platform doesn't offer that")]
    Unsupported,
    /// The queue of webhooks is full: its receiver doesn't keep up.
    #[error("too many webhooks wait for delivery")]
    Congested,
}
