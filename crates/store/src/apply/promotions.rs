//! Promotions.

use super::together::Loads;
use crate::{
    StoreError,
    columns::{id, json, time, time_or_null},
    row::Row as _,
    statement::{Bound, query, statements},
};
use model::{PromotionId, Timestamp, VersionNumber, promotion::Activity, record::PromotionRow};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn promotions(loads: &mut Loads, keys: &BTreeSet<PromotionId>) {
    let statement = query(LOCK_PROMOTIONS).bind(keys.iter().map(PromotionId::as_str).collect::<Vec<_>>());
    loads.add(statement, |row, facts| {
        let promotion = PromotionRow {
            id: id(row, "id")?,
            tenant: id(row, "tenant")?,
            store: id(row, "store")?,
            connection: id(row, "connection")?,
            version: row.value::<Option<i64>>("version")?.map(VersionNumber),
            promotion: row.json("body")?,
            deleted_at: time_or_null(row, "deleted_at")?,
            activity: activity(row)?,
            watched_from: time(row, "watched_from")?,
        };
        facts.promotions.insert(promotion.id.clone(), promotion);
        Ok(())
    });
}

/// Reads what was announced of a promotion.
pub(crate) fn activity(row: &impl crate::row::Row) -> Result<Option<Activity>, StoreError> {
    let is_active = row.value("is_active")?;
    Ok(time_or_null(row, "active_since")?.map(|since| Activity { is_active, since }))
}

pub(super) fn write_promotions(
    promotions: &BTreeMap<PromotionId, PromotionRow>,
) -> Result<Bound, StoreError> {
    let rows = || promotions.values();
    Ok(query(WRITE_PROMOTIONS)
        .bind(rows().map(|row| row.id.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.tenant.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.store.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.connection.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.promotion.external.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.version.map(|version| version.0)).collect::<Vec<_>>())
        .bind(rows().map(|row| row.promotion.name.as_deref()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.promotion.is_on).collect::<Vec<_>>())
        .bind(rows().map(|row| json(&row.promotion)).collect::<Result<Vec<_>, _>>()?)
        .bind(rows().map(|row| row.deleted_at.map(Timestamp::as_chrono)).collect::<Vec<_>>())
        .bind(rows().map(|row| row.activity.is_some_and(|activity| activity.is_active)).collect::<Vec<_>>())
        .bind(rows().map(|row| row.activity.map(|activity| activity.since.as_chrono())).collect::<Vec<_>>())
        .bind(rows().map(|row| row.watched_from.as_chrono()).collect::<Vec<_>>()))
}

statements! {
    const LOCK_PROMOTIONS: ByKey(text[]) =
        "SELECT p.* FROM promotions p WHERE p.id = ANY($1) ORDER BY p.id FOR NO KEY UPDATE";

    const WRITE_PROMOTIONS: ByKey(
        text[], text[], text[], text[], text[], int8[], text[], bool[], text[], timestamptz[], bool[], timestamptz[],
        timestamptz[]
    ) = "
        INSERT INTO promotions (id, tenant, store, connection, external, version, name, is_on, body, deleted_at,
            is_active, active_since, watched_from, look_at)
        SELECT id, tenant, store, connection, external, version, name, is_on, body::jsonb, deleted_at, is_active,
            active_since, watched_from, watched_from
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int8[], $7::text[], $8::bool[],
                $9::text[], $10::timestamptz[], $11::bool[], $12::timestamptz[], $13::timestamptz[])
            AS u(id, tenant, store, connection, external, version, name, is_on, body, deleted_at, is_active,
                active_since, watched_from)
        ON CONFLICT (id) DO UPDATE
        SET version = excluded.version, name = excluded.name, is_on = excluded.is_on, body = excluded.body,
            deleted_at = excluded.deleted_at, is_active = excluded.is_active,
            active_since = excluded.active_since, watched_from = excluded.watched_from, look_at = excluded.look_at";
}
