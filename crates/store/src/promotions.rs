//! Promotions that have to be looked at, because they may begin or end.

use crate::{
    LISTED_ROWS, Store, StoreError,
    apply::promotions::activity,
    columns::{id, time},
    row::Row as _,
    statement::{query, statements},
};
use model::{
    ConnectionId, Origin, PlatformName, PromotionId, StoreId, Timestamp,
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

impl Store {
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

statements! {
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
