//! Promotions that have to be looked at, because they may begin or end; and what people read of promotions and prices.

use crate::{
    LISTED_ROWS, Store, StoreError,
    apply::promotions::activity,
    columns::{id, id_or_null, money, time},
    row::Row as _,
    statement::{query, statements},
};
use model::{
    ConnectionId, ExternalId, Money, Origin, PlatformName, PromotionId, StoreId, Timestamp, VariantId,
    promotion::{Activity, Promotion},
};

/// Upper limit of promotions that are looked at in one page.
const PAGE_MAX: i64 = 200;

/// A promotion that has to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromotionToLookAt {
    /// Our id.
    pub id: PromotionId,
    /// Its owner, and the connection that reported it.
    pub origin: Origin,
    /// The promotion.
    pub promotion: Promotion,
    /// The last begin or end that was announced.
    pub activity: Option<Activity>,
    /// Time up to which that accounts for every begin and end.
    pub watched_from: Timestamp,
    /// Time since which it has to be looked at.
    pub look_at: Timestamp,
    /// The name of the store's time zone, as it was entered.
    pub zone: String,
}

/// A promotion of which everything was announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookedAt {
    /// Our id.
    pub id: PromotionId,
    /// [`PromotionToLookAt::look_at`]: nothing is stored if the promotion changed since.
    pub before: Timestamp,
    /// Time at which it has to be looked at next; `None`: not before it changes.
    pub next: Option<Timestamp>,
    /// The name of the zone by which that was computed.
    pub zone: String,
}

/// A promotion of a store, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromotionLine {
    /// The platform.
    pub platform: PlatformName,
    /// The connection that reported it.
    pub connection: ConnectionId,
    /// The promotion.
    pub promotion: Promotion,
    /// The last begin or end that was announced.
    pub activity: Option<Activity>,
    /// The name of the store's time zone, as it was entered.
    pub zone: String,
}

/// A variant of a store with its price, as one connection has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceLine {
    /// Our id of the variant.
    pub variant: VariantId,
    /// The title of the product; `None` if no platform reported one.
    pub title: Option<String>,
    /// The price without promotions; `None` if there is none.
    pub price: Option<Money>,
    /// The name of the store's time zone, as it was entered.
    pub zone: String,
    /// The connection, and its platform's ids of the product and of the variant; `None` if no connection has it.
    pub linked: Option<PriceLink>,
}

/// The link of a connection to a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceLink {
    /// The platform.
    pub platform: PlatformName,
    /// The connection.
    pub connection: ConnectionId,
    /// The platform's id of the product; `None` if the product itself isn't linked.
    pub product: Option<ExternalId>,
    /// The platform's id of the variant.
    pub variant: ExternalId,
}

impl Store {
    /// Returns the variants of a store with a merchant's number, once for each connection that has them; at most
    /// [`LISTED_ROWS`].
    pub async fn prices_of(&self, store: &StoreId, sku: &str) -> Result<Vec<PriceLine>, StoreError> {
        let statement = query(PRICES).bind(store.as_str().to_owned()).bind(sku.to_owned()).bind(LISTED_ROWS);
        self.fetch_all(statement).await?.iter().map(price_line).collect()
    }

    /// Returns the promotions of a store that exist, at most [`LISTED_ROWS`].
    pub async fn promotions_of(&self, store: &StoreId) -> Result<Vec<PromotionLine>, StoreError> {
        let statement = query(OF_STORE).bind(store.as_str().to_owned()).bind(LISTED_ROWS);
        let read = |row: &sqlx::postgres::PgRow| {
            Ok(PromotionLine {
                platform: id(row, "platform")?,
                connection: id(row, "connection")?,
                promotion: row.json("body")?,
                activity: activity(row)?,
                zone: row.value("timezone")?,
            })
        };
        self.fetch_all(statement).await?.iter().map(read).collect()
    }

    /// Returns a page of the promotions that have to be looked at by `now`, those after `after` in the order of that
    /// time; empty after the last.
    pub async fn promotions_to_look_at(
        &self,
        now: Timestamp,
        after: Option<&PromotionToLookAt>,
    ) -> Result<Vec<PromotionToLookAt>, StoreError> {
        let statement = query(TO_LOOK_AT)
            .bind(now.as_chrono())
            .bind(after.map_or(Timestamp::from_micros(0), |after| after.look_at).as_chrono())
            .bind(after.map_or(String::new(), |after| after.id.to_string()))
            .bind(PAGE_MAX);
        let rows = self.fetch_all(statement).await?;
        let read = |row: &sqlx::postgres::PgRow| {
            Ok(PromotionToLookAt {
                id: id(row, "id")?,
                origin: Origin {
                    tenant: id(row, "tenant")?,
                    store: id(row, "store")?,
                    connection: id(row, "connection")?,
                    platform: id(row, "platform")?,
                },
                promotion: row.json("body")?,
                activity: activity(row)?,
                watched_from: time(row, "watched_from")?,
                look_at: time(row, "look_at")?,
                zone: row.value("timezone")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Stores when promotions have to be looked at next. One that changed since it was read stays as it is.
    pub async fn looked_at(&self, promotions: &[LookedAt]) -> Result<(), StoreError> {
        let rows = || promotions.iter();
        let statement = query(LOOKED_AT)
            .bind(rows().map(|row| row.id.to_string()).collect::<Vec<_>>())
            .bind(rows().map(|row| row.before.as_chrono()).collect::<Vec<_>>())
            .bind(rows().map(|row| row.next.map(Timestamp::as_chrono)).collect::<Vec<_>>())
            .bind(rows().map(|row| row.zone.clone()).collect::<Vec<_>>());
        self.execute(statement).await.map(drop)
    }

    /// Has the promotions of stores whose time zone was changed looked at from `now` on; returns their number.
    pub async fn look_at_rezoned_promotions(&self, now: Timestamp) -> Result<u64, StoreError> {
        Ok(self.execute(query(REZONED).bind(now.as_chrono())).await?.rows_affected())
    }
}

fn price_line(row: &sqlx::postgres::PgRow) -> Result<PriceLine, StoreError> {
    let connection: Option<ConnectionId> = id_or_null(row, "connection")?;
    let linked = connection.map(|connection| {
        Ok::<_, StoreError>(PriceLink {
            platform: id(row, "platform")?,
            connection,
            product: id_or_null(row, "product_external")?,
            variant: id(row, "variant_external")?,
        })
    });
    Ok(PriceLine {
        variant: id(row, "variant")?,
        title: row.value("title")?,
        price: money(row, "price_minor", "price_currency")?,
        zone: row.value("timezone")?,
        linked: linked.transpose()?,
    })
}

statements! {
    const PRICES: ByKey(text, text, int8) = "
        SELECT v.id AS variant, p.title, v.price_minor, v.price_currency, s.timezone, c.platform, l.connection,
            l.external AS variant_external, o.external AS product_external
        FROM variants v JOIN products p ON p.id = v.product JOIN stores s ON s.id = v.store
        LEFT JOIN links l ON l.internal = v.id AND l.kind = 'variant' AND l.retired_at IS NULL
        LEFT JOIN connections c ON c.id = l.connection
        LEFT JOIN links o ON o.internal = v.product AND o.kind = 'product' AND o.connection = l.connection
            AND o.retired_at IS NULL
        WHERE v.store = $1 AND left(v.sku, 255) = left($2, 255) AND v.sku = $2
        ORDER BY v.id, c.platform, l.connection, l.external, o.external LIMIT $3";

    const OF_STORE: ByKey(text, int8) = "
        SELECT c.platform, p.connection, p.body, p.is_active, p.active_since, s.timezone
        FROM promotions p JOIN stores s ON s.id = p.store JOIN connections c ON c.id = p.connection
        WHERE p.store = $1 AND p.deleted_at IS NULL ORDER BY c.platform, p.external LIMIT $2";

    const TO_LOOK_AT: ByKey(timestamptz, timestamptz, text, int8) = r#"
        SELECT p.id, p.tenant, p.store, p.connection, c.platform, p.body, p.is_active, p.active_since, p.watched_from,
            p.look_at, s.timezone
        FROM promotions p JOIN stores s ON s.id = p.store JOIN connections c ON c.id = p.connection
        WHERE p.look_at <= $1 AND (p.look_at, p.id) > ($2, $3 COLLATE "C")
        ORDER BY p.look_at, p.id LIMIT $4"#;

    // Rows are locked in the order in which apply locks them.
    const LOOKED_AT: ByKey(text[], timestamptz[], timestamptz[], text[]) = "
        WITH looked AS (
            SELECT p.id, u.next, u.zone
            FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::text[]) AS u(id, before, next, zone)
            JOIN promotions p ON p.id = u.id AND p.look_at = u.before
            ORDER BY p.id FOR NO KEY UPDATE OF p
        )
        UPDATE promotions p SET look_at = looked.next, looked_in = looked.zone
        FROM looked WHERE p.id = looked.id";

    const REZONED: Any(timestamptz) = "
        WITH rezoned AS (
            SELECT p.id, s.timezone FROM promotions p JOIN stores s ON s.id = p.store
            WHERE p.looked_in <> s.timezone ORDER BY p.id FOR NO KEY UPDATE OF p
        )
        UPDATE promotions p SET look_at = $1, looked_in = rezoned.timezone
        FROM rezoned WHERE p.id = rezoned.id";
}
