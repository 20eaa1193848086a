//! Overview of a store, for people.

use crate::{
    LISTED_ROWS, Store, StoreError,
    columns::{id, quantity},
    mirrors,
    row::Row as _,
    statement::{query, statements},
};
use model::{
    LocationId, Mirror, Order, PlatformName, Quantity, StoreId, VariantId,
    record::{KeptProductDetails, KeptVariantDetails},
};
use sqlx::Row as _;

/// A store's levels, its platforms' mirrors, and what only the record has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreView {
    /// The store's levels.
    pub levels: Vec<LevelLine>,
    /// The mirrors of levels, prices and texts.
    pub mirrors: Vec<MirrorLine>,
    /// The variants that have details, or whose products have.
    pub details: Vec<DetailsLine>,
    /// The orders, the latest first.
    pub orders: Vec<Order>,
}

/// The details of a variant and of its product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetailsLine {
    /// The variant.
    pub variant: VariantId,
    /// The product's name.
    pub product_title: Option<String>,
    /// The product's details.
    pub of_product: KeptProductDetails,
    /// The variant's details.
    pub of_variant: KeptVariantDetails,
}

/// One level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelLine {
    /// The variant.
    pub variant: VariantId,
    /// The product's name.
    pub product_title: Option<String>,
    /// The variant's name.
    pub variant_title: Option<String>,
    /// The merchant's number.
    pub sku: Option<String>,
    /// The location.
    pub location: LocationId,
    /// The location's name.
    pub location_name: String,
    /// The quantity.
    pub quantity: Quantity,
}

/// One mirror and its platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorLine {
    /// The mirror.
    pub mirror: Mirror,
    /// The platform.
    pub platform: PlatformName,
}

impl Store {
    /// Returns the levels, mirrors, details and orders of a store, at most [`LISTED_ROWS`] of each.
    pub async fn show_store(&self, store: &StoreId) -> Result<StoreView, StoreError> {
        Ok(StoreView {
            levels: self.levels_of(store).await?,
            mirrors: self.mirrors_of(store).await?,
            details: self.details_of(store).await?,
            orders: self.orders_of(store).await?,
        })
    }

    async fn details_of(&self, store: &StoreId) -> Result<Vec<DetailsLine>, StoreError> {
        let statement = query(DETAILS).bind(store.as_str().to_owned()).bind(LISTED_ROWS);
        self.fetch_all(statement)
            .await?
            .iter()
            .map(|row| {
                Ok(DetailsLine {
                    variant: id(row, "variant")?,
                    product_title: row.try_get("product_title")?,
                    of_product: row.json_or_null("of_product")?.unwrap_or_default(),
                    of_variant: row.json_or_null("of_variant")?.unwrap_or_default(),
                })
            })
            .collect()
    }

    async fn orders_of(&self, store: &StoreId) -> Result<Vec<Order>, StoreError> {
        let statement = query(ORDERS).bind(store.as_str().to_owned()).bind(LISTED_ROWS);
        self.fetch_all(statement).await?.iter().map(|row| row.json("body")).collect()
    }

    async fn levels_of(&self, store: &StoreId) -> Result<Vec<LevelLine>, StoreError> {
        let statement = query(LEVELS).bind(store.as_str().to_owned()).bind(LISTED_ROWS);
        self.fetch_all(statement)
            .await?
            .iter()
            .map(|row| {
                Ok(LevelLine {
                    variant: id(row, "variant")?,
                    product_title: row.try_get("product_title")?,
                    variant_title: row.try_get("variant_title")?,
                    sku: row.try_get("sku")?,
                    location: id(row, "location")?,
                    location_name: row.try_get("location_name")?,
                    quantity: quantity(row, "quantity")?,
                })
            })
            .collect()
    }

    async fn mirrors_of(&self, store: &StoreId) -> Result<Vec<MirrorLine>, StoreError> {
        let statement = query(MIRRORS).bind(store.as_str().to_owned()).bind(LISTED_ROWS);
        self.fetch_all(statement)
            .await?
            .iter()
            .map(|row| Ok(MirrorLine { mirror: mirrors::read(row)?, platform: id(row, "platform")? }))
            .collect()
    }
}

statements! {
    const LEVELS: ByKey(text, int8) = "
        SELECT l.variant, p.title AS product_title, v.title AS variant_title, v.sku, l.location,
            site.name AS location_name, l.quantity
        FROM locations site
        JOIN inventory_levels l ON l.location = site.id
        LEFT JOIN variants v ON v.id = l.variant
        LEFT JOIN products p ON p.id = v.product
        WHERE site.store = $1
        ORDER BY l.variant, l.location LIMIT $2";

    const DETAILS: ByKey(text, int8) = "
        SELECT v.id AS variant, p.title AS product_title, p.details AS of_product, v.details AS of_variant
        FROM products p JOIN variants v ON v.product = p.id
        WHERE p.store = $1 AND (p.details IS NOT NULL OR v.details IS NOT NULL)
        ORDER BY v.id LIMIT $2";

    const ORDERS: ByKey(text, int8) = "
        SELECT o.body FROM orders o WHERE o.store = $1 ORDER BY o.placed_at DESC NULLS LAST, o.id LIMIT $2";

    const MIRRORS: ByKey(text, int8) = "
        SELECT m.*, c.platform FROM mirrors m JOIN connections c ON c.id = m.connection
        WHERE m.store = $1 ORDER BY m.internal, m.kind, m.place, m.connection, m.external LIMIT $2";
}
