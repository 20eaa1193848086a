//! The store's values for mirrors, and the platforms' ids that calls need.

use super::{KeyColumns, MirrorKey};
use crate::{
    StoreError,
    columns::{id_or_null, money, quantity},
    statement::{query, statements},
};
use model::{ConnectionId, ExternalId, LocationRef, Mirror, Money, ProductText, Quantity};
use sqlx::{PgConnection, Row as _, postgres::PgRow};

/// The facts that a call for one mirror needs.
pub(super) struct Target {
    /// The store's level.
    pub(super) quantity: Option<Quantity>,
    /// The store's price.
    pub(super) price: Option<Money>,
    /// The store's text; fields that were never set are `None`.
    pub(super) text: Option<ProductText>,
    /// The platform's id of the location.
    pub(super) location: Option<ExternalId>,
    /// The platform's id of the product.
    pub(super) product: Option<ExternalId>,
    /// A key that no write has used.
    pub(super) fresh_key: String,
}

/// A locked mirror, and the facts that a call for it needs.
pub(super) struct Locked {
    pub(super) mirror: Mirror,
    pub(super) target: Target,
}

/// Loads the targets of `locked`.
pub(super) async fn load(
    connection: &mut PgConnection,
    of: &ConnectionId,
    locked: Vec<Mirror>,
) -> Result<Vec<Locked>, StoreError> {
    let keys: Vec<MirrorKey> = locked.iter().map(Mirror::key).collect();
    let columns = KeyColumns::of(&keys);
    let rows = query(TARGETS)
        .bind(of.as_str())
        .bind(columns.kinds)
        .bind(columns.externals)
        .bind(columns.locations)
        .bind(locked.iter().map(Mirror::internal).collect::<Vec<_>>())
        .bind(LocationRef::Default.as_str())
        .fetch_all(connection)
        .await?;
    // The rows are in the order of the keys.
    let with_target = |(mirror, row)| Ok(Locked { mirror, target: read(row)? });
    locked.into_iter().zip(&rows).map(with_target).collect()
}

fn read(row: &PgRow) -> Result<Target, StoreError> {
    let has_text: bool = row.try_get("has_text")?;
    let text = ProductText { title: row.try_get("title")?, description: row.try_get("description")? };
    let has_quantity: bool = row.try_get("has_quantity")?;
    Ok(Target {
        quantity: has_quantity.then(|| quantity(row, "quantity")).transpose()?,
        price: money(row, "price_minor", "price_currency")?,
        text: has_text.then_some(text),
        location: id_or_null(row, "location")?,
        product: id_or_null(row, "product")?,
        fresh_key: row.try_get("fresh_key")?,
    })
}

statements! {
    // Every table is looked up by key, whatever the time of planning: see the note in `desired.rs`.
    // A variant's product is the one that lists it, else one that is linked to the product of the store's variant.
    const TARGETS: ByKey(text, text[], text[], text[], text[], text) = "
        SELECT level.quantity, level.quantity IS NOT NULL AS has_quantity, v.price_minor, v.price_currency,
            p.id IS NOT NULL AS has_text, p.title, p.description, gen_random_uuid()::text AS fresh_key,
            (SELECT min(l.external) FROM links l WHERE l.internal = u.place AND u.place <> '' AND l.kind = 'location'
                AND l.connection = $1 AND l.external <> $6) AS location,
            coalesce(
                (SELECT l.product FROM links l WHERE l.connection = $1 AND l.kind = 'variant' AND l.external = u.external
                    AND u.kind = 'price' AND l.retired_at IS NULL),
                (SELECT min(l.external) FROM links l WHERE l.internal = v.product AND l.kind = 'product'
                    AND l.connection = $1
                    AND l.retired_at IS NULL)) AS product
        FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) WITH ORDINALITY
            AS u(kind, external, place, internal, number)
        LEFT JOIN LATERAL (SELECT * FROM inventory_levels k
                           WHERE u.kind = 'inventory' AND k.variant = u.internal
                               AND k.location || '' = u.place OFFSET 0) AS level
            ON true
        LEFT JOIN LATERAL (SELECT * FROM variants k WHERE u.kind = 'price' AND k.id = u.internal OFFSET 0) AS v ON true
        LEFT JOIN LATERAL (SELECT * FROM products k
                           WHERE u.kind = 'product' AND k.id = u.internal AND k.deleted_at IS NULL
                               OFFSET 0) AS p ON true
        ORDER BY u.number";
}
