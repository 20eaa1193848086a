//! Connections' states: the platform's acceptance of their calls, and settings made by hand.

use crate::{
    Connection, LISTED_ROWS, Store, StoreError,
    columns::{health, id, time, time_or_null, unreadable},
    conflicts::{self, WHOLE_CONNECTION, storable},
    connections,
    error::within,
    mirrors,
    statement::{Bound, query, statements},
};
use model::{
    AccountState, BaselineRule, Conflict, ConflictEnd, ConflictKind, ConnectionId, ExternalId, Health,
    Mirror, StoreId, TenantId, Timestamp,
};
use sqlx::{PgConnection, Row as _};
use std::collections::{BTreeMap, BTreeSet};

impl Store {
    /// Records that the platform refused a call because of the credentials or the account. The connection gets that
    /// state (a revoked authorisation takes precedence), the next probe is due after a pause that doubles from one
    /// minute to one hour, and a conflict is open. Returns `true` if the state is new. Changes nothing if the
    /// connection's set-up has changed since the call: the refusal doesn't concern the present one. Refuses
    /// [`Health::Ok`] and [`Health::Revoked`].
    pub async fn note_account_refused(
        &self,
        called_as: &Connection,
        health: Health,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if !matches!(health, Health::NeedsReauth | Health::Misconfigured) {
            return Err(StoreError::refused("a refused call says nothing of this state"));
        }
        let (connection, reason) = (&called_as.id, storable(reason, Conflict::DETAIL_MAX_BYTES));
        let mut transaction = self.bounded(self.pool.begin()).await?;
        let Some((owner, state)) = within(self.limit, lock(&mut transaction, connection)).await? else {
            return Err(StoreError::refused("there is no such connection"));
        };
        if self.was_changed_since(&mut transaction, called_as).await? {
            within(self.limit, transaction.rollback()).await?;
            return Ok(false);
        }
        let refused = state.refused(health, now);
        let write = write_refused(&mut transaction, connection, refused, &reason, now);
        within(self.limit, write).await?;
        if state.health != refused.health {
            let left = state.health.conflict().filter(|_| state.health != Health::Revoked);
            let left: Vec<_> = left.into_iter().map(|kind| owner.conflict_end(connection, kind)).collect();
            within(self.limit, conflicts::end(&mut transaction, &left, "another reason took its place"))
                .await?;
        }
        if let Some(kind) = refused.health.conflict() {
            let found = owner.conflict(connection, kind, reason);
            within(self.limit, conflicts::open(&mut transaction, &[found])).await?;
        }
        within(self.limit, transaction.commit()).await?;
        Ok(state.health != refused.health)
    }

    /// Records that the platform accepted a call: the connection is ok again, and the conflicts about its state end.
    /// Returns `true` if it was not ok. Changes nothing if the connection's set-up has changed since the call.
    pub async fn note_account_accepted(&self, called_as: &Connection) -> Result<bool, StoreError> {
        let connection = &called_as.id;
        let mut transaction = self.bounded(self.pool.begin()).await?;
        let Some((owner, state)) = within(self.limit, lock(&mut transaction, connection)).await? else {
            return Err(StoreError::refused("there is no such connection"));
        };
        if state.health == Health::Ok || self.was_changed_since(&mut transaction, called_as).await? {
            within(self.limit, transaction.rollback()).await?;
            return Ok(false);
        }
        let statement = query(ACCEPTED).bind(connection.as_str());
        within(self.limit, statement.execute(&mut *transaction)).await?;
        let end = end_of_states(&mut transaction, &owner, connection, "the platform accepts calls again");
        within(self.limit, end).await?;
        within(self.limit, transaction.commit()).await?;
        Ok(true)
    }

    /// Returns true if the set-up of a connection, which the transaction has locked, has changed since a call was made.
    async fn was_changed_since(
        &self,
        transaction: &mut PgConnection,
        called_as: &Connection,
    ) -> Result<bool, StoreError> {
        let statement = query(SET_UP).bind(called_as.id.as_str());
        let row = within(self.limit, statement.fetch_one(transaction)).await?;
        Ok(!connections::read(&row, &self.vault)?.is_set_up_like(called_as))
    }

    /// Pauses or resumes a connection. A change resets it to ok until a call shows otherwise. Returns `false` if there
    /// is no such connection.
    pub async fn set_enabled(&self, connection: &ConnectionId, enabled: bool) -> Result<bool, StoreError> {
        let mut transaction = self.bounded(self.pool.begin()).await?;
        let refused = within(self.limit, Refused::lock(&mut transaction, connection)).await?;
        let Some((owner, _)) = within(self.limit, lock(&mut transaction, connection)).await? else {
            return Ok(false);
        };
        let statement = query(SET_ENABLED).bind(connection.as_str()).bind(enabled);
        if within(self.limit, statement.execute(&mut *transaction)).await?.rows_affected() == 1 {
            within(self.limit, begin_anew(&mut transaction, &owner, connection, refused)).await?;
        }
        within(self.limit, transaction.commit()).await?;
        Ok(true)
    }

    /// Ignores a platform's location, or stops ignoring it. An open conflict about its missing link ends when it is
    /// ignored. Returns `false` if there is no such connection.
    pub async fn ignore_location(
        &self,
        connection: &ConnectionId,
        external: &ExternalId,
        ignored: bool,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.bounded(self.pool.begin()).await?;
        let Some((owner, _)) = within(self.limit, lock(&mut transaction, connection)).await? else {
            return Ok(false);
        };
        let statement =
            query(IGNORE_LOCATION).bind(connection.as_str()).bind(external.as_str()).bind(ignored);
        within(self.limit, statement.execute(&mut *transaction)).await?;
        if ignored {
            let end = ConflictEnd {
                store: owner.store,
                connection: connection.clone(),
                kind: ConflictKind::UnlinkedLocation,
                subject: Conflict::about_location(external),
            };
            within(self.limit, conflicts::end(&mut transaction, &[end], "the location is ignored")).await?;
        }
        within(self.limit, transaction.commit()).await?;
        Ok(true)
    }
}

/// Tenant and store of a connection.
pub(crate) struct Owner {
    pub(crate) tenant: TenantId,
    pub(crate) store: StoreId,
}

impl Owner {
    fn conflict(&self, connection: &ConnectionId, kind: ConflictKind, detail: String) -> Conflict {
        Conflict {
            tenant: self.tenant.clone(),
            store: self.store.clone(),
            connection: connection.clone(),
            event: None,
            kind,
            subject: WHOLE_CONNECTION.to_owned(),
            detail,
        }
    }

    fn conflict_end(&self, connection: &ConnectionId, kind: ConflictKind) -> ConflictEnd {
        ConflictEnd {
            store: self.store.clone(),
            connection: connection.clone(),
            kind,
            subject: WHOLE_CONNECTION.to_owned(),
        }
    }
}

async fn lock(
    transaction: &mut PgConnection,
    connection: &ConnectionId,
) -> Result<Option<(Owner, AccountState)>, StoreError> {
    let row = query(LOCK).bind(connection.as_str()).fetch_optional(transaction).await?;
    let Some(row) = row else { return Ok(None) };
    let attempts: i32 = row.try_get("probe_attempts")?;
    let state = AccountState {
        health: health(&row, "health")?,
        probe_at: time_or_null(&row, "probe_at")?,
        probe_attempts: u32::try_from(attempts).map_err(|_| unreadable("probe_attempts"))?,
    };
    Ok(Some((Owner { tenant: id(&row, "tenant")?, store: id(&row, "store")? }, state)))
}

async fn write_refused(
    transaction: &mut PgConnection,
    connection: &ConnectionId,
    state: AccountState,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    query(REFUSED)
        .bind(connection.as_str())
        .bind(state.health.as_str())
        .bind(reason)
        .bind(state.probe_at.map(Timestamp::as_chrono))
        .bind(i32::try_from(state.probe_attempts).unwrap_or(i32::MAX))
        .bind(now.as_chrono())
        .execute(transaction)
        .await?;
    Ok(())
}

/// Mirrors of a connection whose value was refused. Locked before the connection, as everywhere.
pub(crate) struct Refused(Vec<Mirror>, Timestamp);

impl Refused {
    /// Locks at most [`LISTED_ROWS`] of them; others wait for their daily attempt.
    pub(crate) async fn lock(
        transaction: &mut PgConnection,
        connection: &ConnectionId,
    ) -> Result<Self, StoreError> {
        let rows =
            query(LOCK_REFUSED).bind(connection.as_str()).bind(LISTED_ROWS).fetch_all(transaction).await?;
        let now = rows.first().map(|row| time(row, "now")).transpose()?.unwrap_or_default();
        Ok(Self(rows.iter().map(mirrors::read).collect::<Result<_, _>>()?, now))
    }
}

/// Resets a connection to ok because its set-up was changed: a probe is due at once, and refused values are due again.
pub(crate) async fn begin_anew(
    transaction: &mut PgConnection,
    owner: &Owner,
    connection: &ConnectionId,
    Refused(mut refused, now): Refused,
) -> Result<(), StoreError> {
    query(RESET).bind(connection.as_str()).execute(&mut *transaction).await?;
    refused.retain_mut(|mirror| mirror.rearm(now));
    mirrors::update(&mut *transaction, &refused).await?;
    end_of_states(transaction, owner, connection, "the connection was changed").await
}

/// Ends the open conflicts about a connection's state.
async fn end_of_states(
    transaction: &mut PgConnection,
    owner: &Owner,
    connection: &ConnectionId,
    resolution: &str,
) -> Result<(), StoreError> {
    let kinds = Health::ALL.into_iter().filter_map(Health::conflict);
    let ends: Vec<_> = kinds.map(|kind| owner.conflict_end(connection, kind)).collect();
    conflicts::end(transaction, &ends, resolution).await
}

/// Returns the statement that sets connections' rules for first contacts.
pub(crate) fn write_rules(rules: &BTreeMap<ConnectionId, BaselineRule>) -> Bound {
    query(WRITE_RULES)
        .bind(rules.keys().map(ConnectionId::as_str).collect::<Vec<_>>())
        .bind(rules.values().map(|rule| rule.as_str()).collect::<Vec<_>>())
}

/// Returns the statement that marks connections as revoked.
pub(crate) fn write_revoked(revoked: &BTreeSet<ConnectionId>) -> Bound {
    query(WRITE_REVOKED).bind(revoked.iter().map(ConnectionId::as_str).collect::<Vec<_>>())
}

statements! {
    const ACCEPTED: ByKey(text) = "
        UPDATE connections SET health = 'ok', health_reason = NULL, health_since = NULL, probe_at = NULL,
            probe_attempts = 0
        WHERE id = $1";

    const SET_UP: ByKey(text) =
        "SELECT c.*, s.currency FROM connections c JOIN stores s ON s.id = c.store WHERE c.id = $1";

    const SET_ENABLED: ByKey(text, bool) =
        "UPDATE connections SET enabled = $2, updated_at = now() WHERE id = $1 AND enabled <> $2";

    const IGNORE_LOCATION: ByKey(text, text, bool) = "
        UPDATE connections
        SET ignored_locations = array_remove(ignored_locations, $2) || CASE WHEN $3 THEN ARRAY[$2] ELSE '{}' END,
            updated_at = now()
        WHERE id = $1";

    const LOCK: ByKey(text) =
        "SELECT tenant, store, health, probe_at, probe_attempts FROM connections WHERE id = $1 FOR NO KEY UPDATE";

    const REFUSED: ByKey(text, text, text, timestamptz, int4, timestamptz) = "
        UPDATE connections
        SET health_since = CASE WHEN health = $2 THEN health_since ELSE $6 END, health = $2, health_reason = $3,
            probe_at = $4, probe_attempts = $5
        WHERE id = $1";

    const LOCK_REFUSED: ByKey(text, int8) = "
        SELECT m.connection, m.kind, m.external, m.place, m.state, now() AS now FROM mirrors m
        WHERE m.connection = $1 AND m.attention = 'write' AND m.state -> 'phase' ? 'refused'
        ORDER BY m.connection, m.kind, m.external, m.place LIMIT $2 FOR NO KEY UPDATE";

    const RESET: ByKey(text) = "
        UPDATE connections SET health = 'ok', health_reason = NULL, health_since = NULL, probe_at = now(),
            probe_attempts = 0
        WHERE id = $1";

    const WRITE_RULES: ByKey(text[], text[]) = "
        UPDATE connections c SET baseline = u.baseline, updated_at = now()
        FROM unnest($1::text[], $2::text[]) AS u(id, baseline) WHERE c.id = u.id";

    const WRITE_REVOKED: ByKey(text[]) = "
        UPDATE connections
        SET health_since = CASE WHEN health = 'revoked' THEN health_since ELSE now() END, health = 'revoked',
            health_reason = 'the platform revoked the authorisation', probe_at = NULL, probe_attempts = 0
        WHERE id = ANY($1)";
}
