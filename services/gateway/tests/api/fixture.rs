//! The routes on a database of their own, and two tenants with a shop each.

use axum::{Router, body::Body};
use bus::BusConfig;
use gateway::{ApiKeyText, Config};
use http_body_util::BodyExt as _;
use hyper::{HeaderMap, Method, Request, StatusCode};
use model::{
    BaselineRule, CollectionState, Conflict, ConflictKind, ConnectionId, LocationId, PlatformName, Role,
    Rules, Scope, StoreId, TenantId,
};
use outlet::CallsConfig;
use sandbox::{Nats, NatsOptions, Postgres, PostgresOptions, Scratch};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use store::{Connection, Health, LocationSetup, NewApiKey, Store, StoreConfig, StoreSetup};
use tokio::sync::Mutex;
use tower::ServiceExt as _;

/// The secrets that no response may contain.
pub(crate) const TOKEN: &str = "the-token-of-";
pub(crate) const SECRET: &str = "the-secret-of-";

struct Server {
    postgres: Postgres,
    nats: Nats,
    _scratch: Scratch,
}

/// The server that the tests of this process share while one of them runs.
static SERVER: Mutex<Weak<Server>> = Mutex::const_new(Weak::new());

/// The routes on a database of their own.
pub(crate) struct Api {
    router: Router,
    pub(crate) store: Store,
    database: String,
    server: Arc<Server>,
}

/// A response that was read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The field of the body, as text.
    pub(crate) fn text_of(&self, pointer: &str) -> String {
        let body = self.json();
        let field = body.pointer(pointer).and_then(Value::as_str);
        field.unwrap_or_else(|| panic!("no {pointer} in {} {}", self.status, self.text)).to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A request to send.
pub(crate) struct Ask {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Value>,
}

impl Ask {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: None }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::POST, path).body(body)
    }

    pub(crate) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Api {
    pub(crate) async fn new() -> Self {
        Self::with(Config { requests_per_second: 10_000, requests_burst: 10_000, ..Config::default() }).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mut shared = SERVER.lock().await;
        let server = if let Some(server) = shared.upgrade() {
            server
        } else {
            let scratch = Scratch::new().unwrap();
            let postgres = Postgres::start(PostgresOptions::throwaway(scratch.path().join("postgres")));
            let nats = Nats::start(NatsOptions::new(scratch.path().join("nats")));
            let (postgres, nats) = (postgres.await.unwrap(), nats.await.unwrap());
            Arc::new(Server { postgres, nats, _scratch: scratch })
        };
        *shared = Arc::downgrade(&server);
        drop(shared);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let url = server.postgres.create_database(&name).await.unwrap();
        let mut store_config = StoreConfig::new(&url);
        store_config.keys.insert("k1".to_owned(), "11".repeat(32));
        "k1".clone_into(&mut store_config.current_key);
        let store = Store::connect(&store_config, store_config.vault().unwrap()).await.unwrap();
        store.migrate().await.unwrap();
        let config = Config {
            webhooks_url: "https://hooks.example".to_owned(),
            calls: CallsConfig::simulated(),
            ..config
        };
        let bus = BusConfig { servers: vec![server.nats.url()], ..BusConfig::default() };
        let bus = runner::connect(&bus).await.unwrap();
        Self { router: gateway::router(bus, store.clone(), config), store, database: name, server }
    }

    /// Changes the database as its owner.
    pub(crate) async fn execute(&self, statement: &str) {
        let mut psql = self.server.postgres.psql().unwrap();
        let done = psql.arg("-c").arg(format!("\\connect {}", self.database)).arg("-c").arg(statement);
        assert!(done.status().await.unwrap().success(), "{statement}");
    }

    /// The number of a tenant's only row of a table.
    async fn number(&self, tenant: &str, table: &str) -> i64 {
        let mut psql = self.server.postgres.psql().unwrap();
        let query = format!("SELECT id FROM {table} WHERE tenant = '{tenant}'");
        psql.arg("-c").arg(format!("\\connect {}", self.database)).arg("-c").arg(query);
        let shown = String::from_utf8(psql.output().await.unwrap().stdout).unwrap();
        shown.trim().parse().unwrap_or_else(|_| panic!("{table}: {shown:?}"))
    }

    /// Sends a request with a key.
    pub(crate) async fn send(&self, key: &str, ask: Ask) -> Reply {
        self.send_plain(ask.header("authorization", format!("Bearer {key}"))).await
    }

    /// Sends a request as it is.
    pub(crate) async fn send_plain(&self, ask: Ask) -> Reply {
        let mut request = Request::builder().method(ask.method).uri(ask.path);
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        let body = match ask.body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Reply { status: parts.status, headers: parts.headers, text }
    }

    /// Issues a key, as an operator does at the database.
    pub(crate) async fn key(&self, role: Role, scope: &Scope) -> String {
        let key = ApiKeyText::random();
        let new = NewApiKey {
            id: &key.id,
            scope,
            role,
            name: "test",
            digest: key.secret.digest(),
            created_by: "test",
            expires_at: runner::now().after(Duration::from_hours(1)),
        };
        assert!(self.store.create_api_key(&new).await.unwrap());
        key.reveal()
    }

    /// Creates a tenant with a store, a location and a connection.
    pub(crate) async fn shop(&self, name: &str) -> Shop {
        let shop = Shop::named(name);
        self.store.upsert_tenant(&shop.tenant).await.unwrap();
        let setup = StoreSetup {
            tenant: shop.tenant.clone(),
            id: shop.store.clone(),
            name: format!("Shop of {name}"),
            currency: None,
            timezone: "UTC".to_owned(),
        };
        self.store.upsert_store(&setup).await.unwrap();
        let setup = LocationSetup {
            tenant: shop.tenant.clone(),
            store: shop.store.clone(),
            id: shop.location.clone(),
            name: format!("Main street of {name}"),
        };
        self.store.upsert_location(&setup).await.unwrap();
        let connection = shop.connection();
        self.store.upsert_connection(&connection).await.unwrap();
        let due = CollectionState { due_at: runner::now(), ..CollectionState::default() };
        self.store.add_collections(&connection.origin(), &[("products", due)]).await.unwrap();
        let conflict = Conflict {
            tenant: shop.tenant.clone(),
            store: shop.store.clone(),
            connection: shop.connection.clone(),
            event: None,
            kind: ConflictKind::Oversold,
            subject: format!("variant {name}-variant at {name}-location"),
            detail: "two sales of the last one".to_owned(),
        };
        self.store.note_conflict(&conflict).await.unwrap();
        self.execute(&format!(
            "INSERT INTO match_candidates (tenant, store, connection, external, variant, candidate, score, reasons, state)
             VALUES ('{name}', '{name}-store', '{name}-connection', '{name}-item', '{name}-variant', '{name}-other', 800,
                 '{{}}', 'proposed')"
        ))
        .await;
        Shop {
            conflict: self.number(name, "conflicts").await,
            found: self.number(name, "match_candidates").await,
            ..shop
        }
    }
}

/// The ids of a tenant's shop.
pub(crate) struct Shop {
    pub(crate) tenant: TenantId,
    pub(crate) store: StoreId,
    pub(crate) location: LocationId,
    pub(crate) connection: ConnectionId,
    /// The number of its conflict.
    pub(crate) conflict: i64,
    /// The number of its match.
    pub(crate) found: i64,
}

impl Shop {
    pub(crate) fn named(name: &str) -> Self {
        Self {
            tenant: TenantId::new(name).unwrap(),
            store: StoreId::new(&format!("{name}-store")).unwrap(),
            location: LocationId::new(&format!("{name}-location")).unwrap(),
            connection: ConnectionId::new(&format!("{name}-connection")).unwrap(),
            conflict: 999_999,
            found: 999_999,
        }
    }

    pub(crate) fn scope(&self) -> Scope {
        Scope::Tenant(self.tenant.clone())
    }

    fn connection(&self) -> Connection {
        Connection {
            tenant: self.tenant.clone(),
            store: self.store.clone(),
            id: self.connection.clone(),
            platform: PlatformName::new("square").unwrap(),
            enabled: true,
            base_url: "https://connect.squareup.com".to_owned(),
            account: format!("{}-account", self.tenant),
            api_version: String::new(),
            token: format!("{TOKEN}{}", self.tenant),
            secrets: vec![format!("{SECRET}{}", self.tenant)],
            notification_url: format!("https://hooks.example/webhook/square/{}", self.connection),
            default_location: Some(self.location.clone()),
            requests_per_minute: None,
            rules: Rules::default(),
            health: Health::Ok,
            health_reason: None,
            health_since: None,
            probe_at: None,
            baseline: BaselineRule::Ask,
            ignored_locations: BTreeSet::new(),
            currency: None,
        }
    }
}
