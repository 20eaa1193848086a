//! Overview of a store, for people.

use crate::{
    LISTED_ROWS, Store, StoreError,
    columns::{id, quantity},
    mirrors,
    statement::{query, statements},
};
use model::{LocationId, Mirror, PlatformName, Quantity, StoreId, VariantId};
use sqlx::Row as _;

/// A store's levels and its platforms' mirrors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreView {
    /// The store's levels.
    pub levels: Vec<LevelLine>,
    /// The mirrors of levels, prices and texts.
    pub mirrors: Vec<MirrorLine>,
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
    /// Returns the levels and mirrors of a store, at most [`LISTED_ROWS`] of each.
    pub async fn show_store(&self, store: &StoreId) -> Result<StoreView, StoreError> {
        Ok(StoreView { levels: self.levels_of(store).await?, mirrors: self.mirrors_of(store).await? })
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

    const MIRRORS: ByKey(text, int8) = "
        SELECT m.*, c.platform FROM mirrors m JOIN connections c ON c.id = m.connection
        WHERE m.store = $1 ORDER BY m.internal, m.kind, m.place, m.connection, m.external LIMIT $2";
}
