//! Links from platforms' ids to the store's own ids.

use crate::{
    LISTED_ROWS, Store, StoreError,
    columns::{id, unreadable},
    statement::{Bound, query, statements},
};
use model::{ConnectionId, ExternalId, LinkKind, LocationId, StoreId, VariantId};
use sqlx::{Row as _, postgres::PgRow};
use std::collections::{BTreeMap, BTreeSet};

/// The key of a link: a thing of a platform.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkKey {
    /// The platform's account.
    pub connection: ConnectionId,
    /// The kind of thing.
    pub kind: LinkKind,
    /// The platform's id of it.
    pub external: ExternalId,
}

impl Store {
    /// Returns those of the links `keys` that exist, in one statement.
    pub async fn links(&self, keys: &BTreeSet<LinkKey>) -> Result<BTreeMap<LinkKey, String>, StoreError> {
        if keys.is_empty() {
            return Ok(BTreeMap::new());
        }
        read(&self.fetch_all(select(keys)).await?)
    }

    /// Returns the links of a connection's locations, the platform's id first: at most [`LISTED_ROWS`].
    pub async fn location_links(
        &self,
        connection: &ConnectionId,
    ) -> Result<Vec<(ExternalId, LocationId)>, StoreError> {
        let statement = query(OF_LOCATIONS).bind(connection.as_str().to_owned()).bind(LISTED_ROWS);
        let rows = self.fetch_all(statement).await?;
        rows.iter().map(|row| Ok((id(row, "external")?, id(row, "internal")?))).collect()
    }

    /// Returns the number of a connection's linked items, counted up to [`LISTED_ROWS`].
    pub async fn count_items(&self, connection: &ConnectionId) -> Result<i64, StoreError> {
        let statement = query(COUNT_ITEMS).bind(connection.as_str().to_owned()).bind(LISTED_ROWS);
        Ok(self.fetch_one(statement).await?.try_get("items")?)
    }

    /// Returns true if a variant belongs to the store.
    pub async fn has_variant(&self, store: &StoreId, variant: &VariantId) -> Result<bool, StoreError> {
        let statement = query(HAS_VARIANT).bind(variant.as_str().to_owned()).bind(store.as_str().to_owned());
        Ok(self.fetch_one(statement).await?.try_get("found")?)
    }
}

/// Builds the statement that looks up `keys`.
pub(crate) fn select(keys: &BTreeSet<LinkKey>) -> Bound {
    query(LIVE)
        .bind(keys.iter().map(|key| key.connection.as_str()).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| key.kind.as_str()).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| key.external.as_str()).collect::<Vec<_>>())
}

/// Reads the rows of that statement.
pub(crate) fn read(rows: &[PgRow]) -> Result<BTreeMap<LinkKey, String>, StoreError> {
    rows.iter()
        .map(|row| {
            let key = LinkKey {
                connection: id(row, "connection")?,
                kind: kind(row.try_get("kind")?)?,
                external: id(row, "external")?,
            };
            Ok((key, row.try_get("internal")?))
        })
        .collect()
}

fn kind(text: &str) -> Result<LinkKind, StoreError> {
    [LinkKind::Product, LinkKind::Variant, LinkKind::Item, LinkKind::Location]
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| unreadable("kind"))
}

statements! {
    const OF_LOCATIONS: ByKey(text, int8) =
        "SELECT external, internal FROM links WHERE connection = $1 AND kind = 'location' ORDER BY external LIMIT $2";

    const COUNT_ITEMS: ByKey(text, int8) = "
        SELECT count(*) AS items
        FROM (SELECT FROM links WHERE connection = $1 AND kind = 'item' AND retired_at IS NULL LIMIT $2) AS item";

    const HAS_VARIANT: ByKey(text, text) =
        "SELECT EXISTS (SELECT FROM variants WHERE id = $1 AND store = $2) AS found";

    const LIVE: ByKey(text[], text[], text[]) = "
        SELECT l.connection, l.kind, l.external, l.internal
        FROM unnest($1::text[], $2::text[], $3::text[]) AS u(connection, kind, external)
        JOIN links l USING (connection, kind, external)
        WHERE l.retired_at IS NULL";
}
