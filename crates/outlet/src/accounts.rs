//! Access to connections' accounts: their credentials, and the access tokens that are issued for these.

use crate::{Budgets, Client};
use model::{ConnectionId, Timestamp};
use platforms::{Access, AccessToken, CallError, Platform, Tokens};
use std::{sync::Arc, time::Duration};
use store::{Connection, IssuedToken, Store};

/// Time before its expiry from which a token isn't used any more: longer than a call takes, and than clocks differ.
const UNUSED_BEFORE_EXPIRY: Duration = Duration::from_mins(5);
/// Time for which nobody else asks for a token: longer than the call takes at its time limits.
const REFRESH_LEASE: Duration = Duration::from_secs(15);
/// Pause between looks for a token that somebody else asks for.
const REFRESH_POLL: Duration = Duration::from_millis(200);
/// Upper limit of those looks: as long as the lease.
const REFRESH_POLLS_MAX: u32 = 75;
/// Upper limit of tokens kept in memory; others are read from the database.
const TOKENS_MAX: u64 = 10_000;

/// Gives access to accounts; cheap to clone. A platform is asked for a new access token once, whatever the number of
/// replicas and of calls that need it.
#[derive(Clone)]
pub struct Accounts {
    store: Store,
    client: Client,
    budgets: Budgets,
    tokens: moka::sync::Cache<ConnectionId, Arc<Held>>,
}

/// A token with the credential that it was issued for.
struct Held {
    issued_for: String,
    token: IssuedToken,
}

impl Accounts {
    /// Accounts of the connections in `store`; new tokens are asked for with `client`.
    pub fn new(store: Store, client: Client, budgets: Budgets) -> Self {
        Self { store, client, budgets, tokens: moka::sync::Cache::new(TOKENS_MAX) }
    }

    /// The access for calls of the connection. `refused` is the access token that the platform refused just now: another
    /// one is needed, even if that one should still be valid.
    pub async fn access(
        &self,
        connection: &Connection,
        platform: &dyn Platform,
        refused: Option<&str>,
        now: Timestamp,
    ) -> Result<Access, CallError> {
        let mut access = Access::from(connection);
        if let Some(tokens) = platform.tokens() {
            let asking = Asking { connection, platform, tokens, refused, now };
            access.access_token = Some(self.token(&asking, &access).await?);
        }
        Ok(access)
    }

    async fn token(&self, asking: &Asking<'_>, access: &Access) -> Result<String, CallError> {
        let id = &asking.connection.id;
        if let Some(held) = self.tokens.get(id)
            && held.issued_for == asking.connection.token
            && asking.is_usable(&held.token)
        {
            return Ok(held.token.value.clone());
        }
        for _ in 0..REFRESH_POLLS_MAX {
            if let Some(token) =
                self.store.access_token(asking.connection).await.map_err(|error| unavailable(&error))?
                && asking.is_usable(&token)
            {
                return Ok(self.hold(asking, token));
            }
            let reserved = self.store.begin_token_refresh(asking.connection, REFRESH_LEASE, asking.now);
            if reserved.await.map_err(|error| unavailable(&error))? {
                let issued = self.ask(asking, access).await;
                let stored = self.store.end_token_refresh(asking.connection, issued.as_ref().ok()).await;
                let token = issued?;
                stored.map_err(|error| unavailable(&error))?;
                return Ok(self.hold(asking, token));
            }
            tokio::time::sleep(REFRESH_POLL).await;
        }
        Err(CallError::transient("nobody got an access token in time"))
    }

    async fn ask(&self, asking: &Asking<'_>, access: &Access) -> Result<IssuedToken, CallError> {
        let request = asking.tokens.request(access)?;
        self.budgets.wait(&asking.connection.id, asking.platform).await;
        let reply = self.client.call(request, None).await.map_err(crate::Failed::into_call_error)?;
        let AccessToken { value, expires_at } = asking.tokens.issued(&reply.as_reply(), asking.now)?;
        Ok(IssuedToken { value, expires_at })
    }

    fn hold(&self, asking: &Asking<'_>, token: IssuedToken) -> String {
        let value = token.value.clone();
        let issued_for = asking.connection.token.clone();
        self.tokens.insert(asking.connection.id.clone(), Arc::new(Held { issued_for, token }));
        value
    }
}

/// A request for an access token.
struct Asking<'a> {
    connection: &'a Connection,
    platform: &'a dyn Platform,
    tokens: &'a dyn Tokens,
    refused: Option<&'a str>,
    now: Timestamp,
}

impl Asking<'_> {
    fn is_usable(&self, token: &IssuedToken) -> bool {
        self.refused != Some(token.value.as_str()) && self.now.after(UNUSED_BEFORE_EXPIRY) < token.expires_at
    }
}

fn unavailable(error: &store::StoreError) -> CallError {
    CallError::transient(format!("access tokens can't be read or stored: {error}"))
}
