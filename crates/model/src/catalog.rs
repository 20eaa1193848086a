//! Products, variants and levels, as reported by a platform.

use crate::{ExternalId, Money, ProductDetails, Quantity, VariantDetails};
use serde::{Deserialize, Serialize};

/// A field of a report that may be absent, empty on purpose, or set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Patch<T> {
    /// The report doesn't contain the field: the known value stays.
    #[default]
    Keep,
    /// The field is reported as empty.
    Clear,
    /// The field is reported with this value.
    Set(T),
}

impl<T> Patch<T> {
    /// Returns the value, if one was set.
    pub const fn set(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }

    /// Returns `Set` for a value and `Clear` for a null, for a field that is present in a report.
    pub fn present(value: Option<T>) -> Self {
        value.map_or(Self::Clear, Self::Set)
    }
}

/// The sales status of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProductStatus {
    /// It is for sale.
    Active,
    /// It is not yet for sale.
    Draft,
    /// It is no longer for sale.
    Archived,
}

impl ProductStatus {
    /// Returns the name used in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draft => "draft",
            Self::Archived => "archived",
        }
    }
}

/// A product as reported by a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// The platform's id.
    pub external: ExternalId,
    /// The name.
    pub title: Option<String>,
    /// The description, as HTML or plain text.
    pub description: Patch<String>,
    /// The manufacturer.
    pub vendor: Patch<String>,
    /// The category.
    pub category: Patch<String>,
    /// The sales status.
    pub status: Option<ProductStatus>,
    /// The tags; `None` if the platform didn't report them.
    pub tags: Option<Vec<String>>,
    /// The variants in the report.
    pub variants: Vec<Variant>,
    /// True if those are all variants of the product: only then does a missing one no longer exist.
    pub variants_complete: bool,
    /// The images and attributes.
    pub details: ProductDetails,
}

/// A variant as reported by a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// The platform's id of the variant, as it is sold.
    pub external: ExternalId,
    /// The platform's id of the item, as it is counted; `None` if the platform didn't report it.
    pub item: Option<ExternalId>,
    /// The name within the product.
    pub title: Option<String>,
    /// The merchant's own number (SKU); it identifies a store's variants on different platforms as one.
    pub sku: Patch<String>,
    /// The bar code.
    pub barcode: Patch<String>,
    /// The price.
    pub price: Patch<Money>,
    /// The former price.
    pub compare_at_price: Patch<Money>,
    /// The images, lab results and prices by quantity.
    pub details: VariantDetails,
}

/// A level as reported by a platform: an absolute number, read as a movement from the platform's baseline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryReport {
    /// The platform's id of the item.
    pub item: ExternalId,
    /// The platform's id of the location; `None` means the connection's default location.
    pub location: Option<ExternalId>,
    /// The quantity that can be sold; `None` means that the platform doesn't count the item there: not tracked, not
    /// stocked, or deleted.
    pub available: Option<Quantity>,
}

/// The complete list of the locations at which a platform counts an item; at every other location it has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockedAt {
    /// The platform's id of the item.
    pub item: ExternalId,
    /// The platform's ids of the locations; empty if the item is counted nowhere.
    pub locations: Vec<ExternalId>,
}
