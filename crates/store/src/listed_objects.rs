//! The objects of collections: seen on pages, compared with complete lists, forgotten when they are gone.

use crate::{
    Store, StoreError,
    columns::{signed, unreadable},
    statement::{Bound, query, statements},
};
use model::{ConnectionId, KnownObject, ListedObject, MISSING_IN_A_ROW, MissingCounts, RawDigest, Timestamp};
use sqlx::{Row as _, postgres::PgRow};

/// Upper limit of objects that are reported as gone at once.
const GONE_ROWS: i64 = 100;

impl Store {
    /// Returns those of the wanted objects that a former page had. Those of the collection `levels` are items.
    pub async fn known_objects(
        &self,
        connection: &ConnectionId,
        collection: &str,
        keys: &[String],
    ) -> Result<Vec<KnownObject>, StoreError> {
        let statement =
            query(KNOWN).bind(connection.as_str().to_owned()).bind(collection.to_owned()).bind(keys.to_vec());
        self.fetch_all(statement).await?.iter().map(known).collect()
    }

    /// Returns the counts of a collection's objects after the complete read `number`.
    pub async fn missing_counts(
        &self,
        connection: &ConnectionId,
        collection: &str,
        number: u64,
    ) -> Result<MissingCounts, StoreError> {
        let statement = query(COUNT)
            .bind(connection.as_str().to_owned())
            .bind(collection.to_owned())
            .bind(signed(number)?)
            .bind(MISSING_IN_A_ROW - 1);
        let row = self.fetch_one(statement).await?;
        let count = |column: &str| -> Result<u64, StoreError> {
            u64::try_from(row.try_get::<i64, _>(column)?).map_err(|_| unreadable(column))
        };
        Ok(MissingCounts {
            known: count("known")?,
            missing: count("missing")?,
            missing_again: count("missing_again")?,
        })
    }

    /// Returns the keys of objects that were missing often enough up to the read `number`: at most 100.
    pub async fn gone_objects(
        &self,
        connection: &ConnectionId,
        collection: &str,
        number: u64,
    ) -> Result<Vec<String>, StoreError> {
        let statement = query(GONE)
            .bind(connection.as_str().to_owned())
            .bind(collection.to_owned())
            .bind(signed(number)?)
            .bind(MISSING_IN_A_ROW)
            .bind(GONE_ROWS);
        let rows = self.fetch_all(statement).await?;
        rows.iter().map(|row| Ok(row.try_get("key")?)).collect()
    }

    /// Removes objects that were reported as gone.
    pub async fn forget_objects(
        &self,
        connection: &ConnectionId,
        collection: &str,
        keys: &[String],
    ) -> Result<(), StoreError> {
        let statement = query(FORGET)
            .bind(connection.as_str().to_owned())
            .bind(collection.to_owned())
            .bind(keys.to_vec());
        self.execute(statement).await.map(drop)
    }
}

/// Returns the statement that stores the objects of a page of the read `number`, which was requested at `page_at`. The
/// keys are distinct.
pub(crate) fn see(
    connection: &ConnectionId,
    collection: &str,
    (number, page_at): (u64, Timestamp),
    objects: &[ListedObject],
) -> Result<Bound, StoreError> {
    Ok(query(SEE)
        .bind(connection.as_str().to_owned())
        .bind(collection.to_owned())
        .bind(signed(number)?)
        .bind(objects.iter().map(|object| object.key.clone()).collect::<Vec<_>>())
        .bind(objects.iter().map(|object| object.digest.as_bytes().to_vec()).collect::<Vec<_>>())
        .bind(page_at.as_micros()))
}

/// Returns the statement that counts the absence of the objects that the complete read `number` lacks.
pub(crate) fn count_missing(
    connection: &ConnectionId,
    collection: &str,
    number: u64,
    by: i16,
) -> Result<Bound, StoreError> {
    Ok(query(COUNT_MISSING)
        .bind(connection.as_str().to_owned())
        .bind(collection.to_owned())
        .bind(signed(number)?)
        .bind(by)
        .bind(MISSING_IN_A_ROW))
}

fn known(row: &PgRow) -> Result<KnownObject, StoreError> {
    let digest: &[u8] = row.try_get("digest")?;
    let digest = RawDigest::try_from(digest).map_err(|_| unreadable("digest"))?;
    let seen_in = u64::try_from(row.try_get::<i64, _>("seen_in")?).map_err(|_| unreadable("seen_in"))?;
    let time = |column: &str| -> Result<Option<Timestamp>, StoreError> {
        Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_micros))
    };
    Ok(KnownObject {
        object: ListedObject { key: row.try_get("key")?, digest },
        seen_in,
        seen_at: time("seen_at")?,
        observed_at: time("observed_at")?,
    })
}

statements! {
    const KNOWN: ByKey(text, text, text[]) = "
        SELECT o.key, o.digest, o.seen_in, o.seen_at, (
            SELECT max((m.state #>> '{observed,at}')::bigint) FROM mirrors m
            WHERE m.connection = $1 AND m.kind = 'inventory' AND m.external = o.key AND o.collection = 'levels'
        ) AS observed_at
        FROM listed_objects o WHERE o.connection = $1 AND o.collection = $2 AND o.key = ANY($3)";

    const SEE: ByKey(text, text, int8, text[], bytea[], int8) = "
        INSERT INTO listed_objects (tenant, connection, collection, key, digest, seen_in, seen_at)
        SELECT c.tenant, c.id, $2, u.key, u.digest, $3, $6
        FROM connections c, unnest($4::text[], $5::bytea[]) AS u(key, digest)
        WHERE c.id = $1
        ON CONFLICT (connection, collection, key)
        DO UPDATE SET digest = excluded.digest, seen_in = excluded.seen_in, seen_at = excluded.seen_at, missing = 0";

    const COUNT: ByKey(text, text, int8, int2) = "
        SELECT count(*) AS known, count(*) FILTER (WHERE seen_in < $3) AS missing,
            count(*) FILTER (WHERE seen_in < $3 AND missing >= $4) AS missing_again
        FROM listed_objects WHERE connection = $1 AND collection = $2";

    const COUNT_MISSING: ByKey(text, text, int8, int2, int2) = "
        UPDATE listed_objects SET missing = least(missing + $4, $5)
        WHERE connection = $1 AND collection = $2 AND seen_in < $3";

    const GONE: ByKey(text, text, int8, int2, int8) = "
        SELECT key FROM listed_objects
        WHERE connection = $1 AND collection = $2 AND seen_in < $3 AND missing >= $4 ORDER BY key LIMIT $5";

    const FORGET: ByKey(text, text, text[]) =
        "DELETE FROM listed_objects WHERE connection = $1 AND collection = $2 AND key = ANY($3)";
}
