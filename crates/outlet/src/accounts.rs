//! Access to connections' accounts: their credentials, and the access tokens that are issued for these.

use crate::{Budgets, Client};
use model::{CallClass, ConnectionId, Timestamp};
use platforms::{Access, AccessToken, CallError, Platform, Tokens};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
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

/// Makes calls with the access to accounts; cheap to clone. A platform is asked for a new access token once, whatever the
/// number of replicas and of calls that need it.
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

    /// Makes calls of the connection. If the platform refuses the access token, the calls are made once more with another
    /// one: refused calls weren't made. An error means that there is no access, and that no call was made.
    pub async fn with_access<C>(
        &self,
        connection: &Connection,
        platform: &dyn Platform,
        now: Timestamp,
        calls: impl Fn(Access) -> C,
    ) -> Result<C::Output, CallError>
    where
        C: Future<Output: Refusable>,
    {
        let access = self.access(connection, platform, None, now).await?;
        let token = access.access_token.clone();
        let result = calls(access).await;
        let Some(refused) = token.filter(|_| result.is_unauthorized()) else { return Ok(result) };
        let access = self.access(connection, platform, Some(&refused), now).await?;
        Ok(calls(access).await)
    }

    /// The access for calls of the connection. `refused` is the access token that the platform refused just now: another
    /// one is needed, even if that one should still be valid.
    async fn access(
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
        let began = Instant::now();
        for _ in 0..REFRESH_POLLS_MAX {
            if let Some(token) = self.stored(asking).await? {
                return Ok(self.hold(asking, token));
            }
            let now = asking.now.after(began.elapsed());
            let reserved = self.store.begin_token_refresh(asking.connection, REFRESH_LEASE, now);
            if reserved.await.map_err(|error| unavailable(&error))? {
                return self.refresh(asking, access).await;
            }
            tokio::time::sleep(REFRESH_POLL).await;
        }
        Err(CallError::transient("nobody got an access token in time"))
    }

    /// The usable token in the database.
    async fn stored(&self, asking: &Asking<'_>) -> Result<Option<IssuedToken>, CallError> {
        let stored = self.store.access_token(asking.connection).await.map_err(|error| unavailable(&error))?;
        Ok(stored.filter(|token| asking.is_usable(token)))
    }

    /// Gets a new token under the reservation, and ends that.
    async fn refresh(&self, asking: &Asking<'_>, access: &Access) -> Result<String, CallError> {
        // Another replica may have stored one between the look at the database and the reservation. To some platforms, one
        // more request would end the validity of that one.
        if let Some(token) = self.stored(asking).await? {
            let ended = self.store.end_token_refresh(asking.connection, None).await;
            ended.map_err(|error| unavailable(&error))?;
            return Ok(self.hold(asking, token));
        }
        let issued = self.ask(asking, access).await;
        let stored = self.store.end_token_refresh(asking.connection, issued.as_ref().ok()).await;
        let token = issued?;
        stored.map_err(|error| unavailable(&error))?;
        Ok(self.hold(asking, token))
    }

    async fn ask(&self, asking: &Asking<'_>, access: &Access) -> Result<IssuedToken, CallError> {
        let request = asking.tokens.request(access)?;
        let (connection, platform) = (asking.connection, asking.platform);
        self.budgets.wait(connection, platform, CallClass::Stock).await?;
        let reply = self.client.call(request, None).await.map_err(crate::Failed::into_call_error)?;
        let issued = asking.tokens.issued(&reply.as_reply(), asking.now);
        let AccessToken { value, expires_at } = self.budgets.heed(connection, platform, issued).await?;
        Ok(IssuedToken { value, expires_at })
    }

    fn hold(&self, asking: &Asking<'_>, token: IssuedToken) -> String {
        let value = token.value.clone();
        let issued_for = asking.connection.token.clone();
        self.tokens.insert(asking.connection.id.clone(), Arc::new(Held { issued_for, token }));
        value
    }
}

/// A result of calls, from which it is known if the platform refused the access token.
pub trait Refusable {
    /// Returns true if the platform refused the access token of all calls, so that none of them was made.
    fn is_unauthorized(&self) -> bool;
}

impl<T> Refusable for Result<T, CallError> {
    fn is_unauthorized(&self) -> bool {
        self.as_ref().err().is_some_and(CallError::is_unauthorized)
    }
}

/// The results of a batch. A platform that refuses the access token refuses the whole request.
impl<T: Refusable> Refusable for Vec<T> {
    fn is_unauthorized(&self) -> bool {
        !self.is_empty() && self.iter().all(Refusable::is_unauthorized)
    }
}

/// The result of calls that may have been impossible.
impl<T: Refusable> Refusable for Option<T> {
    fn is_unauthorized(&self) -> bool {
        self.as_ref().is_some_and(Refusable::is_unauthorized)
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
