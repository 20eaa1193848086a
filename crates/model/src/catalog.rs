//! Products, variants and levels, as a platform tells of them.

use crate::{ExternalId, Money, Quantity};
use serde::{Deserialize, Serialize};

/// A field that a platform may leave out, empty on purpose, or set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Patch<T> {
    /// The platform didn't say: what is known stays.
    #[default]
    Keep,
    /// The platform says that it is empty.
    Clear,
    /// The platform says what it is.
    Set(T),
}

impl<T> Patch<T> {
    /// The value, where one was set.
    pub const fn set(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }

    /// `Set` for a value, `Clear` for a null: for a field that was present.
    pub fn present(value: Option<T>) -> Self {
        value.map_or(Self::Clear, Self::Set)
    }
}

/// Whether a product is for sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProductStatus {
    /// For sale.
    Active,
    /// Not yet.
    Draft,
    /// No longer.
    Archived,
}

impl ProductStatus {
    /// The name that rows carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draft => "draft",
            Self::Archived => "archived",
        }
    }
}

/// A product as a platform tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// The platform's id.
    pub external: ExternalId,
    /// Its name.
    pub title: Option<String>,
    /// What it is, as HTML or plain text.
    pub description: Patch<String>,
    /// Who makes it.
    pub vendor: Patch<String>,
    /// What it is kept under.
    pub category: Patch<String>,
    /// Whether it is for sale.
    pub status: Option<ProductStatus>,
    /// Its tags; `None` if the platform didn't say.
    pub tags: Option<Vec<String>>,
    /// The variants that the platform reported of.
    pub variants: Vec<Variant>,
    /// Whether those are all it has: only then is a missing one gone.
    pub variants_complete: bool,
}

/// A variant as a platform tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// The platform's id of what is sold.
    pub external: ExternalId,
    /// The platform's id of what is counted; `None` if the platform didn't say.
    pub item: Option<ExternalId>,
    /// Its name within the product.
    pub title: Option<String>,
    /// The merchant's own number, by which a store's variants on different platforms are found to be one.
    pub sku: Patch<String>,
    /// The bar code.
    pub barcode: Patch<String>,
    /// What it costs.
    pub price: Patch<Money>,
    /// What it cost before.
    pub compare_at_price: Patch<Money>,
}

/// A level as a platform tells of it: absolute, and read as a movement against what the platform last held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryReport {
    /// The platform's id of what is counted.
    pub item: ExternalId,
    /// The platform's id of where; `None` means the connection's default location.
    pub location: Option<ExternalId>,
    /// The quantity that can be sold; `None` means that the platform doesn't count the item there: not tracked, not
    /// stocked, gone.
    pub available: Option<Quantity>,
}

/// The complete list of the locations at which a platform counts an item: at every other one it has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockedAt {
    /// The platform's id of what is counted.
    pub item: ExternalId,
    /// The platform's ids of the locations; empty if the item is counted nowhere.
    pub locations: Vec<ExternalId>,
}
