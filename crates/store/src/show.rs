//! A store at a glance, for people.

use crate::{
    LISTED_ROWS, Store, StoreError,
    columns::{id, mirror_key, mirror_value, quantity, send_state, time_or_null},
};
use model::{
    LocationId, MirrorKey, MirrorValue, PlatformName, Quantity, SendState, StoreId, Timestamp, VariantId,
};
use sqlx::Row as _;

/// A store's levels and what its platforms have of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreView {
    /// The store's levels.
    pub levels: Vec<LevelLine>,
    /// The platforms' sides of them, of prices and of texts.
    pub mirrors: Vec<MirrorLine>,
}

/// One level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelLine {
    /// What.
    pub variant: VariantId,
    /// The product's name.
    pub product_title: Option<String>,
    /// The variant's name.
    pub variant_title: Option<String>,
    /// The merchant's number.
    pub sku: Option<String>,
    /// Where.
    pub location: LocationId,
    /// The location's name.
    pub location_name: String,
    /// How much.
    pub quantity: Quantity,
}

/// What one platform has of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorLine {
    /// Which mirror.
    pub key: MirrorKey,
    /// The platform.
    pub platform: PlatformName,
    /// Our id of it.
    pub internal: Option<String>,
    /// What the platform last told.
    pub observed: Option<MirrorValue>,
    /// When that was received.
    pub observed_at: Option<Timestamp>,
    /// What it holds, as far as we know.
    pub held: Option<MirrorValue>,
    /// What it should hold.
    pub desired: Option<MirrorValue>,
    /// How far the last write has come.
    pub state: Option<SendState>,
    /// How often that write was tried.
    pub attempts: i32,
    /// Why it failed last.
    pub last_error: Option<String>,
}

impl Store {
    /// The levels and mirrors of a store, at most [`LISTED_ROWS`] of each.
    pub async fn show_store(&self, store: &StoreId) -> Result<StoreView, StoreError> {
        Ok(StoreView { levels: self.levels_of(store).await?, mirrors: self.mirrors_of(store).await? })
    }

    async fn levels_of(&self, store: &StoreId) -> Result<Vec<LevelLine>, StoreError> {
        let statement = sqlx::query(
            "SELECT l.variant, p.title AS product_title, v.title AS variant_title, v.sku, l.location,
                 place.name AS location_name, l.quantity
             FROM locations place
             JOIN inventory_levels l ON l.location = place.id
             LEFT JOIN variants v ON v.id = l.variant
             LEFT JOIN products p ON p.id = v.product
             WHERE place.store = $1
             ORDER BY l.variant, l.location LIMIT $2",
        )
        .bind(store.as_str().to_owned())
        .bind(LISTED_ROWS);
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
        let statement = sqlx::query(
            "SELECT m.*, c.platform FROM mirrors m JOIN connections c ON c.id = m.connection
             WHERE m.store = $1 ORDER BY m.internal, m.kind, m.place, m.connection, m.external LIMIT $2",
        )
        .bind(store.as_str().to_owned())
        .bind(LISTED_ROWS);
        self.fetch_all(statement)
            .await?
            .iter()
            .map(|row| {
                Ok(MirrorLine {
                    key: mirror_key(row)?,
                    platform: id(row, "platform")?,
                    internal: row.try_get("internal")?,
                    observed: mirror_value(row, "observed")?,
                    observed_at: time_or_null(row, "observed_at")?,
                    held: mirror_value(row, "held")?,
                    desired: mirror_value(row, "desired")?,
                    state: send_state(row, "sent_state")?,
                    attempts: row.try_get("attempts")?,
                    last_error: row.try_get("last_error")?,
                })
            })
            .collect()
    }
}
