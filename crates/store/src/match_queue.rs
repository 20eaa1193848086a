//! The variants that wait to be compared, and the keys by which those that may be one are found.

use crate::{
    LISTED_ROWS, Store, StoreError,
    columns::{id, unreadable},
    error::within,
    statement::{query, statements},
};
use model::{
    ConnectionId, ExternalId, StoreId, TenantId, VariantId,
    matching::{MatchKey, Score, VariantTexts},
};
use serde::Deserialize;
use sqlx::{Row as _, postgres::PgRow, types::Json};
use std::collections::{BTreeMap, BTreeSet};

/// Upper limit of the variants that have a key of a description: beyond it, only numbers and whole names are compared.
const SAME_KEY_MAX: i64 = 64;
/// Upper limit of the variants that one is compared with.
const NEIGHBORS_MAX: usize = 50;

/// A variant that waits to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueVariant {
    /// The variant.
    pub variant: VariantId,
    /// True if just its own matches are decided again.
    pub is_item_only: bool,
    /// The number of its changes since it was last compared.
    pub marks: i64,
}

/// An item of a platform that is linked to a variant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LinkedItem {
    /// The connection.
    pub connection: ConnectionId,
    /// The platform's id.
    pub external: ExternalId,
    /// The time at which the connection was set up, in microseconds.
    pub connected_at: i64,
}

/// A variant with its texts and the items that are linked to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchVariant {
    /// The variant.
    pub id: VariantId,
    /// The tenant.
    pub tenant: TenantId,
    /// The items that are linked to it; none if no platform has it.
    pub items: Vec<LinkedItem>,
    /// True if no other variant of its product is on sale anywhere.
    pub is_alone: bool,
    /// The title of its product.
    pub product_title: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// The vendor of its product.
    pub vendor: Option<String>,
    /// The merchant's number.
    pub sku: Option<String>,
    /// The bar code.
    pub barcode: Option<String>,
}

impl MatchVariant {
    /// The texts by which it is compared.
    pub fn texts(&self) -> VariantTexts<'_> {
        VariantTexts {
            product_title: self.product_title.as_deref(),
            variant_title: self.title.as_deref(),
            is_only_variant: self.is_alone,
            vendor: self.vendor.as_deref(),
            sku: self.sku.as_deref(),
            barcode: self.barcode.as_deref(),
        }
    }
}

impl Store {
    /// Returns the stores with variants to be compared or matches whose links are under way, at most [`LISTED_ROWS`] of
    /// each.
    pub async fn stores_to_match(&self) -> Result<BTreeSet<StoreId>, StoreError> {
        let mut found = BTreeSet::new();
        for statement in [DUE_STORES, UNMATCHED_STORES, UNDER_WAY_STORES] {
            for row in self.fetch_all(query(statement).bind(LISTED_ROWS)).await? {
                found.insert(id(&row, "store")?);
            }
        }
        Ok(found)
    }

    /// Returns the score from which the store's matches are linked without a person; `None` if none is. Puts every variant
    /// of a store that was set up before there were matches among those to be compared.
    pub async fn begin_matching(&self, store: &StoreId) -> Result<Option<Score>, StoreError> {
        let Some(row) = self.fetch_optional(query(MATCH_LIMIT).bind(store.as_str().to_owned())).await? else {
            return Ok(None);
        };
        if !row.try_get::<bool, _>("is_matched")? {
            self.execute(query(ADD_ALL).bind(store.as_str().to_owned())).await?;
            self.execute(query(SET_MATCHED).bind(store.as_str().to_owned())).await?;
        }
        limit(&row)
    }

    /// Returns the score from which the store's matches are linked without a person; `None` if none is.
    pub async fn match_limit(&self, store: &StoreId) -> Result<Option<Score>, StoreError> {
        let row = self.fetch_optional(query(MATCH_LIMIT).bind(store.as_str().to_owned())).await?;
        row.as_ref().map_or(Ok(None), limit)
    }

    /// Sets that score, and decides the store's waiting matches again. Returns `false` if there is no such store.
    pub async fn set_match_limit(&self, store: &StoreId, limit: Option<Score>) -> Result<bool, StoreError> {
        let per_mille = limit.map(|limit| i16::try_from(limit.per_mille()));
        let per_mille = per_mille.transpose().map_err(|_| StoreError::refused("the score is too high"))?;
        let statement = query(SET_LIMIT).bind(store.as_str().to_owned()).bind(per_mille);
        let is_set = self.execute(statement).await?.rows_affected() == 1;
        if is_set {
            self.execute(query(ADD_WAITING).bind(store.as_str().to_owned())).await?;
        }
        Ok(is_set)
    }

    /// Returns the store's first variants to be compared, at most `limit`.
    pub async fn variants_to_match(
        &self,
        store: &StoreId,
        limit: i64,
    ) -> Result<Vec<DueVariant>, StoreError> {
        let statement = query(DUE).bind(store.as_str().to_owned()).bind(limit.min(LISTED_ROWS));
        let rows = self.fetch_all(statement).await?;
        rows.iter()
            .map(|row| {
                Ok(DueVariant {
                    variant: id(row, "variant")?,
                    is_item_only: row.try_get("is_item_only")?,
                    marks: row.try_get("marks")?,
                })
            })
            .collect()
    }

    /// Adds variants whose own matches are to be decided again.
    pub async fn match_items_again(
        &self,
        tenant: &TenantId,
        store: &StoreId,
        variants: &BTreeSet<VariantId>,
    ) -> Result<(), StoreError> {
        let statement = query(ADD_ITEMS)
            .bind(tenant.as_str().to_owned())
            .bind(store.as_str().to_owned())
            .bind(variants.iter().map(VariantId::as_str).collect::<Vec<_>>());
        self.execute(statement).await.map(drop)
    }

    /// Removes variants that were compared, unless they changed meanwhile.
    pub async fn note_compared(&self, store: &StoreId, compared: &[DueVariant]) -> Result<(), StoreError> {
        let statement = query(DONE)
            .bind(store.as_str().to_owned())
            .bind(compared.iter().map(|due| due.variant.as_str()).collect::<Vec<_>>())
            .bind(compared.iter().map(|due| due.marks).collect::<Vec<_>>());
        self.execute(statement).await.map(drop)
    }

    /// Returns those of the variants that the store has.
    pub async fn variants_with_texts(
        &self,
        store: &StoreId,
        variants: &BTreeSet<VariantId>,
    ) -> Result<BTreeMap<VariantId, MatchVariant>, StoreError> {
        let statement = query(WITH_TEXTS)
            .bind(store.as_str().to_owned())
            .bind(variants.iter().map(VariantId::as_str).collect::<Vec<_>>());
        let rows = self.fetch_all(statement).await?;
        rows.iter().map(|row| read(row).map(|variant| (variant.id.clone(), variant))).collect()
    }

    /// Stores the keys of variants in place of those that they had.
    pub async fn set_match_keys(
        &self,
        tenant: &TenantId,
        store: &StoreId,
        keys: &BTreeMap<VariantId, Vec<MatchKey>>,
    ) -> Result<(), StoreError> {
        let ids: Vec<&str> = keys.keys().map(VariantId::as_str).collect();
        let mut stored: BTreeMap<VariantId, BTreeSet<i64>> = BTreeMap::new();
        for row in self.fetch_all(query(KEYS_OF).bind(ids)).await? {
            stored.entry(id(&row, "variant")?).or_default().insert(row.try_get("key")?);
        }
        let hashes = |keys: &[MatchKey]| keys.iter().map(|key| key.hash()).collect::<BTreeSet<i64>>();
        let is_other = |(variant, keys): &(&VariantId, &Vec<MatchKey>)| {
            stored.get(*variant).cloned().unwrap_or_default() != hashes(keys)
        };
        let changed: Vec<_> = keys.iter().filter(is_other).collect();
        if changed.is_empty() {
            return Ok(());
        }
        let rows: Vec<(&str, i64)> = changed
            .iter()
            .flat_map(|(variant, keys)| hashes(keys).into_iter().map(|key| (variant.as_str(), key)))
            .collect();
        let removed =
            query(REMOVE_KEYS).bind(changed.iter().map(|(variant, _)| variant.as_str()).collect::<Vec<_>>());
        let added = query(ADD_KEYS)
            .bind(tenant.as_str().to_owned())
            .bind(store.as_str().to_owned())
            .bind(rows.iter().map(|(variant, _)| *variant).collect::<Vec<_>>())
            .bind(rows.iter().map(|(_, key)| *key).collect::<Vec<_>>());
        let mut transaction = self.bounded(self.pool.begin()).await?;
        within(self.limit, removed.execute(&mut *transaction)).await?;
        within(self.limit, added.execute(&mut *transaction)).await?;
        within(self.limit, transaction.commit()).await
    }

    /// Returns for each of the variants those with which it has the weightiest keys in common, at most 50. Of words that
    /// more than 64 variants of the store have, none is looked up.
    pub async fn match_neighbors(
        &self,
        store: &StoreId,
        keys: &BTreeMap<VariantId, Vec<MatchKey>>,
    ) -> Result<BTreeMap<VariantId, Vec<VariantId>>, StoreError> {
        let all = || keys.iter().flat_map(|(variant, keys)| keys.iter().map(move |key| (variant, key)));
        let statement = query(NEIGHBORS)
            .bind(store.as_str().to_owned())
            .bind(all().map(|(variant, _)| variant.as_str()).collect::<Vec<_>>())
            .bind(all().map(|(_, key)| key.hash()).collect::<Vec<_>>())
            .bind(all().map(|(_, key)| key.weight()).collect::<Vec<_>>())
            .bind(all().map(|(_, key)| key.is_telling()).collect::<Vec<_>>())
            .bind(SAME_KEY_MAX);
        let mut found: BTreeMap<VariantId, Vec<VariantId>> = BTreeMap::new();
        for row in self.fetch_all(statement).await? {
            let of = found.entry(id(&row, "variant")?).or_default();
            if of.len() < NEIGHBORS_MAX {
                of.push(id(&row, "neighbor")?);
            }
        }
        Ok(found)
    }
}

fn limit(row: &PgRow) -> Result<Option<Score>, StoreError> {
    let per_mille: Option<i16> = row.try_get("match_limit")?;
    per_mille.map(|per_mille| score(per_mille, "match_limit")).transpose()
}

/// Reads a score.
pub(crate) fn score(per_mille: i16, column: &str) -> Result<Score, StoreError> {
    let score = u16::try_from(per_mille).ok().and_then(|per_mille| Score::new(per_mille).ok());
    score.ok_or_else(|| unreadable(column))
}

fn read(row: &PgRow) -> Result<MatchVariant, StoreError> {
    let mut items = row.try_get::<Json<Vec<LinkedItem>>, _>("items")?.0;
    items.sort_by(|one, other| (&one.connection, &one.external).cmp(&(&other.connection, &other.external)));
    Ok(MatchVariant {
        id: id(row, "id")?,
        tenant: id(row, "tenant")?,
        items,
        is_alone: row.try_get("is_alone")?,
        product_title: row.try_get("product_title")?,
        title: row.try_get("title")?,
        vendor: row.try_get("vendor")?,
        sku: row.try_get("sku")?,
        barcode: row.try_get("barcode")?,
    })
}

statements! {
    // One store after the other: the rows between are never read.
    const DUE_STORES: ByKey(int8) = "
        WITH RECURSIVE due AS (
            (SELECT d.store FROM match_due d WHERE d.store > '' ORDER BY d.store LIMIT 1)
            UNION ALL
            SELECT (SELECT d.store FROM match_due d WHERE d.store > due.store ORDER BY d.store LIMIT 1)
            FROM due WHERE due.store IS NOT NULL
        )
        SELECT store FROM due WHERE store IS NOT NULL LIMIT $1";

    const UNMATCHED_STORES: ByKey(int8) =
        "SELECT id AS store FROM stores WHERE NOT is_matched AND id > '' ORDER BY id LIMIT $1";

    const UNDER_WAY_STORES: ByKey(int8) = "
        SELECT DISTINCT store FROM match_candidates
        WHERE state IN ('automatic', 'accepted') AND linked_at IS NULL AND store > '' ORDER BY store LIMIT $1";

    const MATCH_LIMIT: ByKey(text) = "SELECT match_limit, is_matched FROM stores WHERE id = $1";

    const SET_MATCHED: ByKey(text) = "UPDATE stores SET is_matched = true WHERE id = $1";

    const SET_LIMIT: ByKey(text, int2) = "UPDATE stores SET match_limit = $2 WHERE id = $1";

    const ADD_ALL: ByKey(text) = "
        INSERT INTO match_due AS d (tenant, store, variant)
        SELECT v.tenant, v.store, v.id FROM products p JOIN variants v ON v.product = p.id
        WHERE p.store = $1 AND v.store = $1 ORDER BY v.id
        ON CONFLICT (store, variant) DO UPDATE SET marks = d.marks + 1, is_item_only = false";

    const ADD_WAITING: ByKey(text) = "
        INSERT INTO match_due AS d (tenant, store, variant, is_item_only)
        SELECT DISTINCT m.tenant, m.store, m.variant, true FROM match_candidates m
        WHERE m.store = $1 AND m.state = 'proposed' ORDER BY m.variant
        ON CONFLICT (store, variant) DO UPDATE SET marks = d.marks + 1";

    const ADD_ITEMS: ByKey(text, text, text[]) = "
        INSERT INTO match_due AS d (tenant, store, variant, is_item_only)
        SELECT $1, $2, u.variant, true FROM unnest($3::text[]) AS u(variant) ORDER BY u.variant
        ON CONFLICT (store, variant) DO UPDATE SET marks = d.marks + 1";

    const DUE: ByKey(text, int8) = "
        SELECT variant, marks, is_item_only FROM match_due WHERE store = $1 ORDER BY variant LIMIT $2";

    // A row that apply has locked changes: it is left to the next comparison. So no two wait for each other.
    const DONE: ByKey(text, text[], int8[]) = "
        DELETE FROM match_due d
        USING unnest($2::text[], $3::int8[]) AS u(variant, marks)
        CROSS JOIN LATERAL (SELECT o.variant FROM match_due o
                            WHERE o.store = $1 AND o.variant = u.variant AND o.marks = u.marks
                            FOR UPDATE SKIP LOCKED) AS o
        WHERE d.store = $1 AND d.variant = o.variant";

    const WITH_TEXTS: ByKey(text, text[]) = "
        SELECT v.id, v.tenant, v.title, v.sku, v.barcode, p.title AS product_title, p.vendor,
            NOT EXISTS (SELECT FROM variants o
                        JOIN links k ON k.internal = o.id AND k.kind = 'variant' AND k.retired_at IS NULL
                        WHERE o.product = v.product AND o.id <> v.id) AS is_alone,
            (SELECT coalesce(jsonb_agg(jsonb_build_object('connection', l.connection, 'external', l.external,
                    'connected_at', floor(extract(epoch FROM c.created_at) * 1000000)::int8)), '[]')
             FROM links l JOIN connections c ON c.id = l.connection
             WHERE l.internal = v.id AND l.kind = 'variant' AND l.retired_at IS NULL) AS items
        FROM unnest($2::text[]) AS u(id)
        JOIN variants v ON v.id = u.id
        LEFT JOIN products p ON p.id = v.product
        WHERE v.store = $1";

    const KEYS_OF: ByKey(text[]) = "SELECT variant, key FROM match_keys WHERE variant = ANY($1)";

    const REMOVE_KEYS: ByKey(text[]) = "DELETE FROM match_keys WHERE variant = ANY($1)";

    const ADD_KEYS: ByKey(text, text, text[], int8[]) = "
        INSERT INTO match_keys (tenant, store, key, variant)
        SELECT $1, $2, u.key, u.variant FROM unnest($3::text[], $4::int8[]) AS u(variant, key)
        ON CONFLICT DO NOTHING";

    const NEIGHBORS: ByKey(text, text[], int8[], int4[], bool[], int8) = "
        SELECT u.variant, k.variant AS neighbor
        FROM unnest($2::text[], $3::int8[], $4::int4[], $5::bool[]) AS u(variant, key, weight, is_telling)
        CROSS JOIN LATERAL (SELECT array_agg(n.variant) AS variants
                            FROM (SELECT m.variant FROM match_keys m
                                  WHERE m.store = $1 AND m.key = u.key AND m.variant <> u.variant
                                  ORDER BY m.variant LIMIT $6 + 1) AS n) AS found
        CROSS JOIN LATERAL unnest(found.variants) AS k(variant)
        WHERE u.is_telling OR cardinality(found.variants) <= $6
        GROUP BY u.variant, k.variant
        ORDER BY u.variant, sum(u.weight) DESC, k.variant";
}
