//! Mirrors as rows: one column has the whole state, and the others serve to find the rows.

use crate::{
    LISTED_ROWS, Store, StoreError,
    columns::{id, json, signed, unreadable},
    row::Row,
    statement::{Bound, Statement, parameters, query, statements},
};
use model::{
    ConnectionId, ExternalId, FieldKey, LevelKey, LocationId, Mirror, MirrorKey, MirrorKind, PriceMirror,
    Quantity, TextMirror,
};
use serde::de::DeserializeOwned;
use sqlx::PgConnection;
use std::collections::BTreeSet;

impl Store {
    /// Returns the mirrors of a connection that wait for a decision on a first contact: at most [`LISTED_ROWS`].
    pub async fn waiting_mirrors(&self, connection: &ConnectionId) -> Result<Vec<Mirror>, StoreError> {
        let statement = query(WAITING).bind(connection.as_str().to_owned()).bind(LISTED_ROWS);
        self.fetch_all(statement).await?.iter().map(read).collect()
    }
}

/// Reads the columns `connection`, `kind`, `external` and `place`.
pub(crate) fn read_key(row: &impl Row) -> Result<MirrorKey, StoreError> {
    let kind = MirrorKind::parse(row.value("kind")?).ok_or_else(|| unreadable("kind"))?;
    let field = || -> Result<FieldKey, StoreError> {
        Ok(FieldKey { connection: id(row, "connection")?, external: id::<ExternalId>(row, "external")? })
    };
    Ok(match kind {
        MirrorKind::Inventory => MirrorKey::Level(LevelKey {
            connection: id(row, "connection")?,
            item: id(row, "external")?,
            location: id::<LocationId>(row, "place")?,
        }),
        MirrorKind::Price => MirrorKey::Price(field()?),
        MirrorKind::Product => MirrorKey::Text(field()?),
    })
}

/// Reads a mirror: its key and the column `state`.
pub(crate) fn read(row: &impl Row) -> Result<Mirror, StoreError> {
    let key = read_key(row)?;
    Ok(match key {
        MirrorKey::Level(key) => Mirror::Level(key, state(row)?),
        MirrorKey::Price(key) => Mirror::Price(key, state::<PriceMirror>(row)?),
        MirrorKey::Text(key) => Mirror::Text(key, state::<TextMirror>(row)?),
    })
}

/// Reads the column `desired`: the desired value of a level's mirror, as in `state`.
pub(crate) fn read_desired(row: &impl Row) -> Result<Option<Quantity>, StoreError> {
    row.json_or_null("desired").map_err(|_| unreadable("desired"))
}

fn state<T: DeserializeOwned>(row: &impl Row) -> Result<T, StoreError> {
    row.json("state").map_err(|_| unreadable("state"))
}

/// Returns the column `place` of a key: empty if there is no location, because a key can't be null.
pub(crate) fn location_column(key: &MirrorKey) -> &str {
    key.location().map_or("", LocationId::as_str)
}

/// Returns the text of the column `state`.
pub(crate) fn state_json(mirror: &Mirror) -> Result<String, StoreError> {
    match mirror {
        Mirror::Level(_, mirror) => json(mirror),
        Mirror::Price(_, mirror) => json(mirror),
        Mirror::Text(_, mirror) => json(mirror),
    }
}

/// The keys of mirrors as four arrays: connection, kind, external, place.
pub(crate) struct KeyColumns<'a> {
    pub(crate) connections: Vec<&'a str>,
    pub(crate) kinds: Vec<&'static str>,
    pub(crate) externals: Vec<&'a str>,
    pub(crate) locations: Vec<&'a str>,
}

impl<'a> KeyColumns<'a> {
    pub(crate) fn of(keys: impl IntoIterator<Item = &'a MirrorKey>) -> Self {
        let mut columns =
            Self { connections: Vec::new(), kinds: Vec::new(), externals: Vec::new(), locations: Vec::new() };
        for key in keys {
            columns.connections.push(key.connection().as_str());
            columns.kinds.push(key.kind().as_str());
            columns.externals.push(key.external().as_str());
            columns.locations.push(location_column(key));
        }
        columns
    }
}

/// Locks and reads the existing mirrors of those keys in the order of their keys, which is the order of locks
/// everywhere.
pub(crate) async fn lock<'a>(
    connection: &mut PgConnection,
    keys: impl IntoIterator<Item = &'a MirrorKey>,
) -> Result<Vec<Mirror>, StoreError> {
    let keys = KeyColumns::of(keys);
    let rows = query(LOCK)
        .bind(keys.connections)
        .bind(keys.kinds)
        .bind(keys.externals)
        .bind(keys.locations)
        .fetch_all(connection)
        .await?;
    rows.iter().map(read).collect()
}

/// Updates mirrors that exist and that the caller has locked.
pub(crate) async fn update(connection: &mut PgConnection, mirrors: &[Mirror]) -> Result<(), StoreError> {
    write(connection, updates, mirrors).await
}

/// Inserts mirrors that don't exist; the caller has locked their stores, so no other transaction inserts the same ones.
pub(crate) async fn insert(connection: &mut PgConnection, mirrors: &[Mirror]) -> Result<(), StoreError> {
    write(connection, inserts, mirrors).await
}

/// Returns the statement of [`update`]; it changes a row for each mirror.
pub(crate) fn updates(mirrors: &[Mirror]) -> Result<Bound, StoreError> {
    bind(UPDATE, mirrors)
}

/// Returns the statement of [`insert`]; it inserts a row for each mirror.
pub(crate) fn inserts(mirrors: &[Mirror]) -> Result<Bound, StoreError> {
    bind(INSERT, mirrors)
}

/// Returns the error of a mirror that another transaction made or removed meanwhile.
pub(crate) fn changed_meanwhile() -> StoreError {
    StoreError::unavailable("a mirror was made while the batch was decided")
}

/// Returns the error of a mirror of an unknown connection.
pub(crate) fn unknown_connection() -> StoreError {
    StoreError::refused("a mirror's connection isn't set up")
}

/// Connection, kind, external, place, internal, state, attention and the time of the next attempt.
type Columns = parameters!(text[], text[], text[], text[], text[], text[], text[], timestamptz[]);

fn bind(statement: Statement<Columns>, mirrors: &[Mirror]) -> Result<Bound, StoreError> {
    let keys: Vec<MirrorKey> = mirrors.iter().map(Mirror::key).collect();
    let columns = KeyColumns::of(&keys);
    let attentions = mirrors.iter().map(|mirror| mirror.attention().map(model::Attention::as_str));
    Ok(query(statement)
        .bind(columns.connections)
        .bind(columns.kinds)
        .bind(columns.externals)
        .bind(columns.locations)
        .bind(mirrors.iter().map(Mirror::internal).collect::<Vec<_>>())
        .bind(mirrors.iter().map(state_json).collect::<Result<Vec<_>, _>>()?)
        .bind(attentions.collect::<Vec<_>>())
        .bind(mirrors.iter().map(|mirror| mirror.due_at().as_chrono()).collect::<Vec<_>>()))
}

async fn write(
    connection: &mut PgConnection,
    statement: fn(&[Mirror]) -> Result<Bound, StoreError>,
    mirrors: &[Mirror],
) -> Result<(), StoreError> {
    if mirrors.is_empty() {
        return Ok(());
    }
    let written = statement(mirrors)?.execute(&mut *connection).await?;
    if written.rows_affected() == signed(mirrors.len())?.unsigned_abs() {
        return Ok(());
    }
    let connections = connections_of(mirrors);
    let expected = signed(connections.len())?.unsigned_abs();
    let found = find_connections(&connections).execute(connection).await?.rows_affected();
    Err(if found == expected { changed_meanwhile() } else { unknown_connection() })
}

/// Returns the connections of mirrors.
pub(crate) fn connections_of(mirrors: &[Mirror]) -> BTreeSet<ConnectionId> {
    mirrors.iter().map(|mirror| mirror.key().connection().clone()).collect()
}

/// Returns a statement with a row for each of those connections that exists.
pub(crate) fn find_connections(connections: &BTreeSet<ConnectionId>) -> Bound {
    query(FIND_CONNECTIONS).bind(connections.iter().map(ConnectionId::as_str).collect::<Vec<_>>())
}

statements! {
    const WAITING: ByKey(text, int8) = "
        SELECT m.connection, m.kind, m.external, m.place, m.state FROM mirrors m
        WHERE m.connection = $1 AND m.attention = 'answer'
        ORDER BY m.connection, m.kind, m.external, m.place LIMIT $2";

    pub(crate) const LOCK: ByKey(text[], text[], text[], text[]) = "
        SELECT m.connection, m.kind, m.external, m.place, m.state
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS u(connection, kind, external, place)
        JOIN mirrors m USING (connection, kind, external, place)
        ORDER BY m.connection, m.kind, m.external, m.place
        FOR NO KEY UPDATE OF m";

    const FIND_CONNECTIONS: ByKey(text[]) = "SELECT FROM connections WHERE id = ANY($1)";

    const UPDATE: ByKey(text[], text[], text[], text[], text[], text[], text[], timestamptz[]) = "
        UPDATE mirrors m
        SET internal = u.internal, state = u.state::jsonb, attention = u.attention, next_attempt_at = u.next_attempt_at
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::timestamptz[])
            AS u(connection, kind, external, place, internal, state, attention, next_attempt_at)
        WHERE m.connection = u.connection AND m.kind = u.kind AND m.external = u.external AND m.place = u.place";

    const INSERT: ByKey(text[], text[], text[], text[], text[], text[], text[], timestamptz[]) = "
        INSERT INTO mirrors (connection, kind, external, place, tenant, store, internal, state, attention,
            next_attempt_at)
        SELECT u.connection, u.kind, u.external, u.place, c.tenant, c.store, u.internal, u.state::jsonb, u.attention,
            u.next_attempt_at
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::timestamptz[])
            AS u(connection, kind, external, place, internal, state, attention, next_attempt_at)
        JOIN connections c ON c.id = u.connection
        ON CONFLICT (connection, kind, external, place) DO NOTHING";
}
