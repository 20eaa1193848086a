//! The public keys of platforms that sign with private ones: fetched from the connection's API, and cached.
//!
//! Anyone can send a request that names a key. A request for a key that isn't cached costs a call of the platform:
//! those are limited per address, one at a time is made for the same key, and few at once.

use crate::{Reply, unknown::UnknownLimit};
use model::Timestamp;
use outlet::{Accounts, Budgets, CallsConfig, Client, Failed};
use platforms::{Access, CallError, KeyId, Platform, PublicKeys};
use runner::Origin;
use std::{sync::Arc, time::Duration};
use store::{Connection, Store};
use tokio::sync::Semaphore;

const STAGE: &str = "ingest";
/// Upper limit of cached keys.
const KEYS_MAX: u64 = 10_000;
/// Time after which a key is fetched again: the platform may have withdrawn it.
const FRESH_FOR: Duration = Duration::from_hours(1);
/// Time for which a key is used as last known while the platform can't be asked.
const LAST_KNOWN_FOR: Duration = Duration::from_hours(24);
/// Upper limit of ids that are cached as those of no key.
const ABSENT_MAX: u64 = 10_000;
/// Time for which such an id is cached.
const ABSENT_FOR: Duration = Duration::from_mins(1);
/// Upper limit of keys that are fetched at once.
const FETCHES_MAX: usize = 8;
/// Time limit for a fetch, including the wait for a permit and for an access token.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// Upper limit of fetches of keys that were never known, per address and minute.
const UNKNOWN_PER_MINUTE_MAX: u32 = 20;

/// A key's origin and id. Connections with the same origin share a key; a tenant that sets another origin gets keys that
/// count for its own connections only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Source {
    base_url: String,
    id: KeyId,
}

/// The reason why there is no key.
#[derive(Debug, Clone)]
enum NoKey {
    /// The platform has none of that id.
    Absent,
    /// The platform can't be asked now; the text is for the log.
    Unavailable(String),
}

/// The cached keys of all connections.
pub(crate) struct KeyCache {
    client: Client,
    accounts: Accounts,
    known: moka::future::Cache<Source, Arc<[u8]>>,
    last_known: moka::future::Cache<Source, Arc<[u8]>>,
    absent: moka::future::Cache<Source, ()>,
    unknown: UnknownLimit,
    fetches: Semaphore,
}

/// A request for a key.
pub(crate) struct KeyRequest<'a> {
    pub(crate) platform: &'a dyn Platform,
    pub(crate) keys: &'a dyn PublicKeys,
    pub(crate) connection: &'a Connection,
    pub(crate) id: KeyId,
}

impl KeyCache {
    /// An empty cache.
    pub(crate) fn new(store: Store, calls: CallsConfig) -> Result<Self, Failed> {
        let budgets = Budgets::new(store.clone(), &calls);
        let client = Client::new(calls)?;
        let cache = |max: u64, time_to_live| {
            moka::future::Cache::builder().max_capacity(max).time_to_live(time_to_live).build()
        };
        Ok(Self {
            accounts: Accounts::new(store, client.clone(), budgets),
            client,
            known: cache(KEYS_MAX, FRESH_FOR),
            last_known: cache(KEYS_MAX, LAST_KNOWN_FOR),
            absent: moka::future::Cache::builder().max_capacity(ABSENT_MAX).time_to_live(ABSENT_FOR).build(),
            unknown: UnknownLimit::new(UNKNOWN_PER_MINUTE_MAX),
            fetches: Semaphore::new(FETCHES_MAX),
        })
    }

    /// The key of that id, or `None` if the platform has no such key. Concurrent calls for one key share a fetch.
    /// `origin` is the client that sent the request.
    pub(crate) async fn find(
        &self,
        wanted: &KeyRequest<'_>,
        origin: Option<Origin>,
        now: Timestamp,
    ) -> Result<Option<Arc<[u8]>>, Reply> {
        let source = Source { base_url: wanted.connection.base_url.clone(), id: wanted.id.clone() };
        if let Some(key) = self.known.get(&source).await {
            return Ok(Some(key));
        }
        if self.absent.contains_key(&source) {
            return Ok(None);
        }
        let last_known = self.last_known.get(&source).await;
        if let Some(origin) = origin.filter(|_| last_known.is_none()) {
            self.unknown.check(origin).map_err(Reply::TooManyUnknown)?;
            self.unknown.note(origin);
        }
        let fetched = self.known.try_get_with_by_ref(&source, self.fetch(wanted, now)).await;
        match fetched.map_err(|error| NoKey::clone(&error)) {
            Ok(key) => {
                self.last_known.insert(source, Arc::clone(&key)).await;
                Ok(Some(key))
            }
            Err(NoKey::Absent) => {
                self.last_known.invalidate(&source).await;
                self.absent.insert(source, ()).await;
                Ok(None)
            }
            Err(NoKey::Unavailable(reason)) => {
                tracing::warn!(
                    stage = STAGE, connection.id = %wanted.connection.id, reason, "a public key can't be fetched"
                );
                last_known.map(Some).ok_or(Reply::KeyUnavailable)
            }
        }
    }

    async fn fetch(&self, wanted: &KeyRequest<'_>, now: Timestamp) -> Result<Arc<[u8]>, NoKey> {
        let fetching = async {
            // Never closed.
            let _permit = self.fetches.acquire().await;
            let KeyRequest { platform, keys, connection, id } = wanted;
            let call = async |access: Access| {
                let request = keys.request(id, &access)?;
                let reply = self.client.call(request, None).await.map_err(Failed::into_call_error)?;
                keys.key(&reply.as_reply())
            };
            self.accounts.with_access(connection, *platform, now, call).await?
        };
        match tokio::time::timeout(FETCH_TIMEOUT, fetching).await {
            Ok(Ok(key)) => Ok(key.into()),
            Ok(Err(CallError::Gone)) => Err(NoKey::Absent),
            Ok(Err(error)) => Err(NoKey::Unavailable(error.to_string())),
            Err(_) => Err(NoKey::Unavailable(format!("no key within {} s", FETCH_TIMEOUT.as_secs()))),
        }
    }
}
