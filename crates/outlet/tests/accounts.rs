//! Access tokens of connections, with a real Postgres and a server that issues them.
#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what it is made of")]

use model::{ConnectionId, Currency, Delivery, PlatformName, StoreId, TenantId, Timestamp};
use outlet::{Accounts, Budgets, CallsConfig, Client, Refusable};
use platforms::{
    Access, AccessToken, AccountRefusal, BODY_BYTES_DEFAULT, CallError, HttpReply, HttpRequest, MapContext,
    Method, Platform, Rate, Rows, Spec, Tokens, Written,
};
use sandbox::{Postgres, PostgresOptions, Scratch};
use serde_json::Value;
use stage::{Reject, RejectClass};
use std::{
    future::ready,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use store::{Connection, IssuedToken, Store, StoreConfig, StoreSetup, Vault};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    task::JoinSet,
};

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
const HOUR: Duration = Duration::from_hours(1);
const WRITTEN: Result<Written, CallError> = Ok(Written { version: None, rendered: None });

/// A platform that issues access tokens: the body of the reply is the token.
struct Issuing;

static SPEC: Spec = Spec {
    name: "issuing",
    topics: &[],
    body_bytes_max: BODY_BYTES_DEFAULT,
    rate: Rate { per_second: 1_000.0, burst: 1_000 },
};

impl Platform for Issuing {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn map(&self, _delivery: &Delivery, _body: &Value, _context: &MapContext) -> Result<Rows, Reject> {
        Ok(Vec::new())
    }

    fn tokens(&self) -> Option<&dyn Tokens> {
        Some(self)
    }
}

impl Tokens for Issuing {
    fn request(&self, access: &Access) -> Result<HttpRequest, Reject> {
        Ok(HttpRequest::new(Method::Post, access.base_url.clone()))
    }

    fn issued(&self, reply: &HttpReply<'_>, now: Timestamp) -> Result<AccessToken, CallError> {
        Ok(AccessToken {
            value: String::from_utf8_lossy(reply.body).into_owned(),
            expires_at: now.after(HOUR),
        })
    }
}

/// Starts a server that issues `token-1`, `token-2` and so on. Returns its URL and the number of tokens so far.
async fn issuer() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (url, issued) = (format!("http://{}", listener.local_addr().unwrap()), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&issued);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if stream.read(&mut [0; 4096]).await.is_ok_and(|count| count > 0) {
                let token = format!("token-{}", counted.fetch_add(1, Ordering::Relaxed) + 1);
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close", token.len());
                stream.write_all(format!("{head}\r\n\r\n{token}").as_bytes()).await.ok();
            }
        }
    });
    (url, issued)
}

/// A connection at a platform that issues access tokens.
struct Shop {
    connection: Connection,
    store: Store,
    issued: Arc<AtomicUsize>,
    postgres: Postgres,
    _scratch: Scratch,
}

impl Shop {
    async fn open() -> Self {
        let scratch = Scratch::new().unwrap();
        let options = PostgresOptions::throwaway(scratch.path().join("postgres"));
        let postgres = Postgres::start(options).await.unwrap();
        let vault = Vault::from_keys([("k1".to_owned(), [1; 32])].into(), "k1").unwrap();
        let store = Store::connect(&StoreConfig::new(postgres.url()), vault).await.unwrap();
        store.migrate().await.unwrap();
        let (base_url, issued) = issuer().await;
        let connection = Connection { base_url, ..connection() };
        store.upsert_tenant(&connection.tenant).await.unwrap();
        let setup = StoreSetup {
            tenant: connection.tenant.clone(),
            id: connection.store.clone(),
            name: "Shop".to_owned(),
            currency: None,
            timezone: "Europe/Berlin".to_owned(),
        };
        store.upsert_store(&setup).await.unwrap();
        store.upsert_connection(&connection).await.unwrap();
        Self { connection, store, issued, postgres, _scratch: scratch }
    }

    /// The accounts of one replica.
    fn replica(&self) -> Accounts {
        let calls = CallsConfig::simulated();
        let budgets = Budgets::new(self.store.clone(), &calls);
        Accounts::new(self.store.clone(), Client::new(calls).unwrap(), budgets)
    }

    /// Makes calls with results that depend on the number of the attempt. Returns the last result and the access token of
    /// each attempt.
    async fn calls<T: Refusable>(&self, result: impl Fn(usize) -> T) -> (T, Vec<String>) {
        let tokens = Mutex::new(Vec::new());
        let calls = |access: Access| {
            let mut tokens = tokens.lock().unwrap();
            tokens.push(access.access_token.unwrap());
            ready(result(tokens.len()))
        };
        let result = self.replica().with_access(&self.connection, &Issuing, NOW, calls).await.unwrap();
        (result, tokens.into_inner().unwrap())
    }

    /// The number of tokens that were issued.
    fn issued(&self) -> usize {
        self.issued.load(Ordering::Relaxed)
    }
}

fn connection() -> Connection {
    Connection {
        tenant: TenantId::new("t1").unwrap(),
        store: StoreId::new("s1").unwrap(),
        id: ConnectionId::new("c1").unwrap(),
        platform: PlatformName::new("issuing").unwrap(),
        enabled: true,
        base_url: String::new(),
        account: "shop".to_owned(),
        api_version: String::new(),
        token: "credential".to_owned(),
        secrets: Vec::new(),
        notification_url: String::new(),
        default_location: None,
        requests_per_minute: None,
        rules: store::Rules::default(),
        currency: Some(Currency::new("USD").unwrap()),
        health: store::Health::Ok,
        health_reason: None,
        health_since: None,
        probe_at: None,
        baseline: model::BaselineRule::Ask,
        ignored_locations: std::collections::BTreeSet::new(),
    }
}

fn unauthorized() -> Result<Written, CallError> {
    let reject = Reject::new(RejectClass::Auth, "the token is refused");
    Err(CallError::AccountRefused(AccountRefusal::Unauthorized, reject))
}

#[tokio::test]
async fn calls_whose_token_is_refused_are_made_once_more_with_another() {
    let shop = Shop::open().await;
    let (single, tokens) = shop.calls(|attempt| if attempt == 1 { unauthorized() } else { WRITTEN }).await;
    assert_eq!((single, tokens), (WRITTEN, vec!["token-1".to_owned(), "token-2".to_owned()]));

    let all = |attempt| vec![if attempt == 1 { unauthorized() } else { WRITTEN }; 2];
    let (batch, tokens) = shop.calls(all).await;
    assert_eq!((batch, tokens), (vec![WRITTEN; 2], vec!["token-2".to_owned(), "token-3".to_owned()]));

    let (batch, tokens) = shop.calls(|_| vec![unauthorized(); 2]).await;
    assert_eq!((batch, tokens.len()), (vec![unauthorized(); 2], 2), "no third time");
}

#[tokio::test]
async fn calls_are_made_once_if_not_all_were_refused_or_no_other_token_can_be_had() {
    let shop = Shop::open().await;
    let (batch, tokens) = shop.calls(|_| vec![unauthorized(), WRITTEN]).await;
    assert_eq!((batch, tokens.len()), (vec![unauthorized(), WRITTEN], 1), "one of two was made");
    let (none, tokens) = shop.calls(|_| Vec::<Result<Written, CallError>>::new()).await;
    assert_eq!((none.len(), tokens.len()), (0, 1), "there was no call");
    assert_eq!(shop.issued(), 1);

    let shopify = platforms::find("shopify").unwrap();
    let count = AtomicUsize::new(0);
    let calls = |access: Access| {
        count.fetch_add(1, Ordering::Relaxed);
        assert_eq!(access.access_token, None);
        ready(unauthorized())
    };
    let result = shop.replica().with_access(&shop.connection, shopify, NOW, calls).await;
    assert_eq!((result, count.into_inner()), (Ok(unauthorized()), 1), "it issues no tokens");
}

#[tokio::test]
async fn however_many_replicas_need_a_token_the_platform_is_asked_once() {
    let shop = Shop::open().await;
    let mut replicas = JoinSet::new();
    for _ in 0..8 {
        let (accounts, connection) = (shop.replica(), shop.connection.clone());
        replicas.spawn(async move {
            let calls = |access: Access| ready(Ok::<_, CallError>(access.access_token));
            accounts.with_access(&connection, &Issuing, NOW, calls).await.unwrap()
        });
    }
    let tokens = replicas.join_all().await;
    assert_eq!(tokens, vec![Ok(Some("token-1".to_owned())); 8]);
    assert_eq!(shop.issued(), 1);
}

#[tokio::test]
async fn a_token_that_another_replica_stored_before_the_reservation_is_used() {
    let shop = Shop::open().await;
    let expired = IssuedToken { value: "of-another".to_owned(), expires_at: NOW };
    shop.store.begin_token_refresh(&shop.connection, HOUR, NOW).await.unwrap();
    shop.store.end_token_refresh(&shop.connection, Some(&expired)).await.unwrap();

    // Another replica is about to store a token: its row can be read as it was, and waits to be changed.
    let mut other = shop.postgres.psql().unwrap();
    let mut other = other.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut commands = other.stdin.take().unwrap();
    let change = "BEGIN;\nUPDATE access_tokens SET expires_at = '2100-01-01';\nSELECT 'changed';\n";
    commands.write_all(change.as_bytes()).await.unwrap();
    let mut said = BufReader::new(other.stdout.take().unwrap()).lines();
    assert_eq!(said.next_line().await.unwrap().as_deref(), Some("changed"));

    let commits = async {
        loop {
            let waiting = ["-c", "SELECT count(*) FROM pg_locks WHERE NOT granted"];
            let output = shop.postgres.psql().unwrap().args(waiting).output().await.unwrap();
            if output.stdout.starts_with(b"1") {
                break;
            }
        }
        commands.write_all(b"COMMIT;\n").await.unwrap();
    };
    let ((_, tokens), ()) = tokio::join!(shop.calls(|_| WRITTEN), commits);
    assert_eq!((tokens, shop.issued()), (vec!["of-another".to_owned()], 0));
    assert!(shop.store.begin_token_refresh(&shop.connection, HOUR, NOW).await.unwrap(), "it is free again");
}

#[tokio::test]
async fn who_waits_for_a_token_asks_for_one_when_the_reservation_of_another_ends() {
    let shop = Shop::open().await;
    let lease = Duration::from_millis(500);
    assert!(shop.store.begin_token_refresh(&shop.connection, lease, NOW).await.unwrap());
    let (_, tokens) = shop.calls(|_| WRITTEN).await;
    assert_eq!(tokens, ["token-1"]);
}
