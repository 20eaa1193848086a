//! Conflicts: opened once for each subject, listed, ended.

use crate::{
    LISTED_ROWS, Store, StoreError,
    columns::{conflict_kind, hash_id, id, time, time_or_null},
    error::within,
    statement::{Bound, Statement, parameters, query, statements},
};
use model::{Conflict, ConflictEnd, ConflictKind, ConnectionId, EventId, Mirror, StoreId, Timestamp};
use sqlx::{PgConnection, Row as _, postgres::PgRow};
use std::collections::BTreeMap;

/// The subject of conflicts about a connection as a whole; also stands in for an empty subject.
pub(crate) const WHOLE_CONNECTION: &str = "the connection";
/// The name that is stored for a conflict that ended by itself.
const BY_ITSELF: &str = "tillflow";
/// The resolution of a conflict that ended by itself.
pub(crate) const NO_LONGER_SO: &str = "it is no longer so";
/// The resolution of a conflict about a value that is no longer due.
pub(crate) const ANOTHER_VALUE: &str = "another value is due";

/// A stored conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictRow {
    /// Its number.
    pub id: i64,
    /// The conflict, as it was last found.
    pub conflict: Conflict,
    /// The number of times it was found.
    pub seen: i64,
    /// Time of the first finding.
    pub recorded_at: Timestamp,
    /// Time of the latest finding.
    pub last_seen_at: Timestamp,
    /// Its end; `None` while it is open.
    pub resolved: Option<Resolved>,
}

/// The end of a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Time of the end.
    pub at: Timestamp,
    /// The person who ended it, or `tillflow` if it ended by itself.
    pub by: String,
    /// The decision, for people.
    pub resolution: String,
}

/// Filter of a list of conflicts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConflictFilter {
    /// Only those of one store.
    pub store: Option<StoreId>,
    /// Only those of one connection.
    pub connection: Option<ConnectionId>,
    /// Only those of one kind.
    pub kind: Option<ConflictKind>,
    /// True to include resolved ones.
    pub with_resolved: bool,
}

impl Store {
    /// Opens a conflict, or raises its count if it is already open.
    pub async fn note_conflict(&self, conflict: &Conflict) -> Result<(), StoreError> {
        let mut connection = self.bounded(self.pool.acquire()).await?;
        within(self.limit, open(&mut connection, std::slice::from_ref(conflict))).await
    }

    /// Ends a conflict whose cause no longer exists, if it is open.
    pub async fn note_conflict_ended(&self, ended: &ConflictEnd) -> Result<(), StoreError> {
        let mut connection = self.bounded(self.pool.acquire()).await?;
        within(self.limit, end(&mut connection, std::slice::from_ref(ended), NO_LONGER_SO)).await
    }

    /// Returns conflicts, the newest first: at most `limit`, and at most [`LISTED_ROWS`].
    pub async fn conflicts(
        &self,
        filter: &ConflictFilter,
        limit: i64,
    ) -> Result<Vec<ConflictRow>, StoreError> {
        let statement = query(LIST)
            .bind(filter.store.as_ref().map(|store| store.as_str().to_owned()))
            .bind(filter.connection.as_ref().map(|connection| connection.as_str().to_owned()))
            .bind(filter.kind.map(ConflictKind::as_str))
            .bind(filter.with_resolved)
            .bind(limit.min(LISTED_ROWS));
        self.fetch_all(statement).await?.iter().map(read).collect()
    }

    /// Returns for each connection the time at which its account last had to be erased, confirmed by a person or not:
    /// at most [`LISTED_ROWS`].
    pub async fn erasures(&self) -> Result<Vec<(ConnectionId, Timestamp)>, StoreError> {
        let statement = query(ERASURES).bind(LISTED_ROWS);
        let rows = self.fetch_all(statement).await?;
        rows.iter().map(|row| Ok((id(row, "connection")?, time(row, "erased_at")?))).collect()
    }

    /// Returns one conflict; `None` if there is none with that number.
    pub async fn conflict(&self, id: i64) -> Result<Option<ConflictRow>, StoreError> {
        self.fetch_optional(one(id)).await?.map(|row| read(&row)).transpose()
    }

    /// Ends a conflict by a person's decision. Returns `false` if there is no open one with that number.
    pub async fn resolve_conflict(&self, id: i64, by: &str, resolution: &str) -> Result<bool, StoreError> {
        let statement = query(RESOLVE)
            .bind(id)
            .bind(storable(by, Conflict::DETAIL_MAX_BYTES))
            .bind(storable(resolution, Conflict::DETAIL_MAX_BYTES));
        Ok(self.execute(statement).await?.rows_affected() == 1)
    }

    /// Records the person whose instruction ended a conflict: the event of the instruction ended it without a name.
    pub async fn credit_conflict(&self, id: i64, by: &str, resolution: &str) -> Result<(), StoreError> {
        let statement = query(CREDIT)
            .bind(id)
            .bind(storable(by, Conflict::DETAIL_MAX_BYTES))
            .bind(storable(resolution, Conflict::DETAIL_MAX_BYTES))
            .bind(BY_ITSELF);
        self.execute(statement).await.map(drop)
    }

    /// Returns the number of a store's open conflicts.
    pub async fn open_conflicts_of(&self, store: &StoreId) -> Result<i64, StoreError> {
        let statement = query(COUNT_OPEN).bind(store.as_str().to_owned());
        Ok(self.fetch_one(statement).await?.try_get("count")?)
    }
}

/// Builds the statement that lists conflicts of a store with numbers below `below`, the latest first.
pub(crate) fn of_store(store: &StoreId, filter: &ConflictFilter, below: i64, limit: i64) -> Bound {
    query(OF_STORE)
        .bind(store.as_str().to_owned())
        .bind(filter.connection.as_ref().map(|connection| connection.as_str().to_owned()))
        .bind(filter.kind.map(ConflictKind::as_str))
        .bind(filter.with_resolved)
        .bind(below)
        .bind(limit)
}

/// Builds the statement that looks up one conflict.
pub(crate) fn one(id: i64) -> Bound {
    query(ONE).bind(id)
}

/// Opens conflicts, or raises the counts of those that are already open; the newest detail is kept.
pub(crate) async fn open(connection: &mut PgConnection, conflicts: &[Conflict]) -> Result<(), StoreError> {
    for statement in opens(conflicts) {
        statement.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Returns the statements of [`open`]: one for the conflicts of connections, one for those of stores.
pub(crate) fn opens(conflicts: &[Conflict]) -> Vec<Bound> {
    let (of_stores, of_connections): (Vec<_>, Vec<_>) =
        conflicts.iter().partition(|conflict| conflict.kind.is_of_store());
    let parts = [(OPEN_OF_CONNECTIONS, of_connections), (OPEN_OF_STORES, of_stores)];
    let parts = parts.into_iter().filter(|(_, conflicts)| !conflicts.is_empty());
    parts.map(|(statement, conflicts)| open_with(statement, &conflicts)).collect()
}

/// Tenant, store, connection, event, kind, subject, detail and count.
type Columns = parameters!(text[], text[], text[], bytea[], text[], text[], text[], int8[]);

/// The conflicts of a batch that are one row.
struct Found<'a> {
    newest: &'a Conflict,
    /// The newest event of any of them.
    event: Option<EventId>,
    times: i64,
}

fn open_with(statement: Statement<Columns>, conflicts: &[&Conflict]) -> Bound {
    // A statement can't update one row twice.
    let mut found: BTreeMap<_, Found<'_>> = BTreeMap::new();
    for conflict in conflicts {
        let by = (!conflict.kind.is_of_store()).then_some(&conflict.connection);
        let key = (&conflict.store, by, conflict.kind, subject(&conflict.subject));
        let found = found.entry(key).or_insert(Found { newest: conflict, event: None, times: 0 });
        *found = Found {
            newest: conflict,
            event: conflict.event.or(found.event),
            times: found.times.saturating_add(1),
        };
    }
    let newest = || found.values().map(|found| found.newest);
    query(statement)
        .bind(newest().map(|conflict| conflict.tenant.as_str()).collect::<Vec<_>>())
        .bind(newest().map(|conflict| conflict.store.as_str()).collect::<Vec<_>>())
        .bind(newest().map(|conflict| conflict.connection.as_str()).collect::<Vec<_>>())
        .bind(
            found
                .values()
                .map(|found| found.event.map(|event| event.as_bytes().to_vec()))
                .collect::<Vec<_>>(),
        )
        .bind(newest().map(|conflict| conflict.kind.as_str()).collect::<Vec<_>>())
        .bind(found.keys().map(|(.., subject)| subject.as_str()).collect::<Vec<_>>())
        .bind(
            newest()
                .map(|conflict| storable(&conflict.detail, Conflict::DETAIL_MAX_BYTES))
                .collect::<Vec<_>>(),
        )
        .bind(found.values().map(|found| found.times).collect::<Vec<_>>())
}

/// Ends those of the conflicts that are open.
pub(crate) async fn end(
    connection: &mut PgConnection,
    ended: &[ConflictEnd],
    resolution: &str,
) -> Result<(), StoreError> {
    for statement in ends(ended, resolution) {
        statement.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Returns the statements of [`end`]: one for the conflicts of connections, one for those of stores.
pub(crate) fn ends(ended: &[ConflictEnd], resolution: &str) -> Vec<Bound> {
    let (of_stores, of_connections): (Vec<_>, Vec<_>) = ended.iter().partition(|end| end.kind.is_of_store());
    let parts = [(END_OF_CONNECTIONS, of_connections), (END_OF_STORES, of_stores)];
    let parts = parts.into_iter().filter(|(_, ended)| !ended.is_empty());
    let statement = |(statement, ended): (_, Vec<&ConflictEnd>)| {
        query(statement)
            .bind(ended.iter().map(|end| end.store.as_str()).collect::<Vec<_>>())
            .bind(ended.iter().map(|end| end.connection.as_str()).collect::<Vec<_>>())
            .bind(ended.iter().map(|end| end.kind.as_str()).collect::<Vec<_>>())
            .bind(ended.iter().map(|end| subject(&end.subject)).collect::<Vec<_>>())
            .bind(BY_ITSELF)
            .bind(resolution)
    };
    parts.map(statement).collect()
}

/// Ends the conflicts about a mirror's former state that no longer apply.
pub(crate) async fn end_about(
    connection: &mut PgConnection,
    store: &StoreId,
    before: &Mirror,
    now: &Mirror,
) -> Result<(), StoreError> {
    let ended = ended_about(store, before, now);
    if ended.is_empty() { Ok(()) } else { end(connection, &ended, NO_LONGER_SO).await }
}

/// Returns the ends of the conflicts about a mirror's former state that no longer apply.
pub(crate) fn ended_about(store: &StoreId, before: &Mirror, now: &Mirror) -> Vec<ConflictEnd> {
    let end = |kind| {
        let key = now.key();
        let (store, connection) = (store.clone(), key.connection().clone());
        ConflictEnd { store, connection, kind, subject: key.subject() }
    };
    now.ended_since(before).into_iter().map(end).collect()
}

/// Returns a subject as it is stored.
fn subject(text: &str) -> String {
    if text.is_empty() {
        return WHOLE_CONNECTION.to_owned();
    }
    storable(text, Conflict::SUBJECT_MAX_BYTES)
}

/// Returns a text that a column accepts: cut to at most `max` bytes, with NUL replaced, which Postgres refuses.
pub(crate) fn storable(text: &str, max: usize) -> String {
    let end = (0..=max.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text[..end].replace('\0', "\u{fffd}")
}

pub(crate) fn read(row: &PgRow) -> Result<ConflictRow, StoreError> {
    let event: Option<&[u8]> = row.try_get("event_id")?;
    let resolved_by: Option<String> = row.try_get("resolved_by")?;
    let resolution: Option<String> = row.try_get("resolution")?;
    let conflict = Conflict {
        tenant: id(row, "tenant")?,
        store: id(row, "store")?,
        connection: id(row, "connection")?,
        event: event.map(|_| hash_id(row, "event_id")).transpose()?,
        kind: conflict_kind(row, "kind")?,
        subject: row.try_get("subject")?,
        detail: row.try_get("detail")?,
    };
    Ok(ConflictRow {
        id: row.try_get("id")?,
        conflict,
        seen: row.try_get("seen")?,
        recorded_at: time(row, "recorded_at")?,
        last_seen_at: time(row, "last_seen_at")?,
        resolved: time_or_null(row, "resolved_at")?.map(|at| Resolved {
            at,
            by: resolved_by.unwrap_or_default(),
            resolution: resolution.unwrap_or_default(),
        }),
    })
}

macro_rules! insert_open {
    () => {
        "
        INSERT INTO conflicts AS c (tenant, store, connection, event_id, kind, subject, detail, seen)
        SELECT u.tenant, u.store, u.connection, u.event_id, u.kind, u.subject, u.detail, u.seen
        FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::text[], $8::int8[])
            AS u(tenant, store, connection, event_id, kind, subject, detail, seen)"
    };
}

macro_rules! or_count {
    () => {
        "
        ON CONFLICT (store, connection, kind, subject) WHERE resolved_at IS NULL AND subject <> ''
        DO UPDATE SET seen = c.seen + excluded.seen, last_seen_at = now(), detail = excluded.detail,
            event_id = coalesce(excluded.event_id, c.event_id)"
    };
}

/// Finds and locks the open conflict of each row of `u`, one after the other: with a plain join, a plan made while
/// there are no open conflicts reads all of them for each row.
macro_rules! find_open {
    ($of:literal) => {
        concat!(
            "
            CROSS JOIN LATERAL (SELECT k.id FROM conflicts k
                                WHERE k.store = u.store AND k.kind = u.kind AND k.subject = u.subject
                                    AND k.resolved_at IS NULL AND k.subject <> '' AND ",
            $of,
            "
                                FOR NO KEY UPDATE) AS open"
        )
    };
}

macro_rules! end_open {
    ($of:literal) => {
        concat!(
            "
            UPDATE conflicts c SET resolved_at = now(), resolved_by = $5, resolution = $6
            FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS u(store, connection, kind, subject)",
            find_open!($of),
            "
            WHERE c.id = open.id"
        )
    };
}

statements! {
    const LIST: Any(text, text, text, bool, int8) = "
        SELECT * FROM conflicts
        WHERE ($1::text IS NULL OR store = $1) AND ($2::text IS NULL OR connection = $2)
          AND ($3::text IS NULL OR kind = $3) AND ($4 OR resolved_at IS NULL)
        ORDER BY id DESC LIMIT $5";

    const OF_STORE: Any(text, text, text, bool, int8, int8) = "
        SELECT * FROM conflicts
        WHERE store = $1 AND ($2::text IS NULL OR connection = $2) AND ($3::text IS NULL OR kind = $3)
          AND ($4 OR resolved_at IS NULL) AND id < $5
        ORDER BY id DESC LIMIT $6";

    const ERASURES: Any(int8) = "
        SELECT connection, max(last_seen_at) AS erased_at FROM conflicts WHERE kind = 'erase_account'
        GROUP BY connection ORDER BY erased_at DESC LIMIT $1";

    const ONE: ByKey(int8) = "SELECT * FROM conflicts WHERE id = $1";

    // All open conflicts may be read, once for a decision of a person.
    const RESOLVE: Any(int8, text, text) = "
        UPDATE conflicts SET resolved_at = now(), resolved_by = $2, resolution = $3
        WHERE id = $1 AND resolved_at IS NULL";

    const CREDIT: ByKey(int8, text, text, text) = "
        UPDATE conflicts SET resolved_by = $2, resolution = $3
        WHERE id = $1 AND resolved_at IS NOT NULL AND resolved_by = $4";

    const COUNT_OPEN: ByKey(text) =
        "SELECT count(*) AS count FROM conflicts WHERE store = $1 AND resolved_at IS NULL";

    const OPEN_OF_CONNECTIONS: ByKey(text[], text[], text[], bytea[], text[], text[], text[], int8[]) =
        concat!(insert_open!(), or_count!());

    // The caller has locked the stores, so no other transaction opens the same conflict meanwhile.
    const OPEN_OF_STORES: ByKey(text[], text[], text[], bytea[], text[], text[], text[], int8[]) = concat!(
        "
        WITH found AS (
            UPDATE conflicts c SET seen = c.seen + u.seen, last_seen_at = now(), detail = u.detail,
                event_id = coalesce(u.event_id, c.event_id)
            FROM unnest($2::text[], $4::bytea[], $5::text[], $6::text[], $7::text[], $8::int8[])
                AS u(store, event_id, kind, subject, detail, seen)",
        find_open!("true"),
        "
            WHERE c.id = open.id
            RETURNING c.store, c.kind, c.subject
        )",
        insert_open!(),
        "
        WHERE NOT EXISTS (SELECT FROM found f
                          WHERE f.store = u.store AND f.kind = u.kind AND f.subject = u.subject)",
        or_count!()
    );

    const END_OF_CONNECTIONS: ByKey(text[], text[], text[], text[], text, text) =
        end_open!("k.connection = u.connection");

    const END_OF_STORES: ByKey(text[], text[], text[], text[], text, text) = end_open!("true");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_holds_nothing_that_postgres_refuses() {
        assert_eq!(storable("naïve", 3), "na");
        assert_eq!(storable("naïve", 4), "naï");
        assert_eq!(storable("a\0b", 10), "a\u{fffd}b");
        assert_eq!(subject(""), WHOLE_CONNECTION);
        assert_eq!(subject(&"x".repeat(1_000)).len(), Conflict::SUBJECT_MAX_BYTES);
    }
}
