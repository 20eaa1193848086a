//! Access tokens that platforms issue for a limited time, sealed; and who asks for the next one.

use crate::{
    Connection, Sealed, Store, StoreError,
    columns::time,
    statement::{query, statements},
};
use model::{RawDigest, Timestamp};
use sqlx::Row as _;
use std::{fmt, time::Duration};

/// The column that tokens are sealed for.
const TOKEN: &str = "access_token";

/// An issued access token.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// The token; secret.
    pub value: String,
    /// Time after which the platform refuses it.
    pub expires_at: Timestamp,
}

impl fmt::Debug for IssuedToken {
    // The token is never logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl Store {
    /// Returns the token that was issued for the connection's present credentials; `None` if there is none, or if it
    /// was sealed with a key that is no longer known.
    pub async fn access_token(&self, connection: &Connection) -> Result<Option<IssuedToken>, StoreError> {
        let statement = query(ISSUED).bind(connection.id.as_str().to_owned()).bind(issued_for(connection));
        let rows = self.fetch_all(statement).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let sealed = Sealed { key_id: row.try_get("key_id")?, bytes: row.try_get("token")? };
        let opened = self.vault.open(&connection.tenant, &connection.id, TOKEN, &sealed);
        let value = opened.ok().and_then(|plain| String::from_utf8(plain).ok());
        let expires_at = time(row, "expires_at")?;
        Ok(value.map(|value| IssuedToken { value, expires_at }))
    }

    /// Reserves the right to ask the platform for a new token, for `lease`. Returns false while somebody else has it.
    pub async fn begin_token_refresh(
        &self,
        connection: &Connection,
        lease: Duration,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let statement = query(BEGIN_REFRESH)
            .bind(connection.id.as_str().to_owned())
            .bind(connection.tenant.as_str().to_owned())
            .bind(now.after(lease).as_chrono())
            .bind(now.as_chrono());
        Ok(!self.fetch_all(statement).await?.is_empty())
    }

    /// Stores a new token and ends the reservation; without a token, ends the reservation only.
    pub async fn end_token_refresh(
        &self,
        connection: &Connection,
        token: Option<&IssuedToken>,
    ) -> Result<(), StoreError> {
        let Some(IssuedToken { value, expires_at }) = token else {
            let statement = query(END_REFRESH).bind(connection.id.as_str().to_owned());
            return self.execute(statement).await.map(drop);
        };
        let sealed = self.vault.seal(&connection.tenant, &connection.id, TOKEN, value.as_bytes())?;
        let statement = query(KEEP)
            .bind(connection.id.as_str().to_owned())
            .bind(sealed.bytes)
            .bind(sealed.key_id)
            .bind(issued_for(connection))
            .bind(expires_at.as_chrono());
        self.execute(statement).await.map(drop)
    }
}

/// Identifies the credentials and the account that a token is issued for.
fn issued_for(connection: &Connection) -> Vec<u8> {
    let parts = [&connection.base_url, &connection.account, &connection.token];
    RawDigest::of(parts.map(String::as_str).join("\0").as_bytes()).as_bytes().to_vec()
}

statements! {
    const ISSUED: ByKey(text, bytea) = "
        SELECT token, key_id, expires_at FROM access_tokens
        WHERE connection = $1 AND issued_for = $2 AND token IS NOT NULL";

    const BEGIN_REFRESH: ByKey(text, text, timestamptz, timestamptz) = "
        INSERT INTO access_tokens AS held (connection, tenant, refreshing_until) VALUES ($1, $2, $3)
        ON CONFLICT (connection) DO UPDATE SET refreshing_until = excluded.refreshing_until
        WHERE held.refreshing_until IS NULL OR held.refreshing_until <= $4
        RETURNING connection";

    const END_REFRESH: ByKey(text) = "UPDATE access_tokens SET refreshing_until = NULL WHERE connection = $1";

    const KEEP: ByKey(text, bytea, text, bytea, timestamptz) = "
        UPDATE access_tokens SET token = $2, key_id = $3, issued_for = $4, expires_at = $5, refreshing_until = NULL
        WHERE connection = $1";

    /// Discards the tokens that were sealed with another key.
    pub(crate) const DISCARD_SEALED_OTHERWISE: Any(text) = "DELETE FROM access_tokens WHERE key_id <> $1";
}
