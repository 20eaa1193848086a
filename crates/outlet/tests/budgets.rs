//! Budgets of calls that several processes share, with a real Postgres.
#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what it is made of")]

use model::{CallClass, ConnectionId, Delivery, PlatformName, StoreId, TenantId};
use outlet::{Budgets, CallsConfig};
use platforms::{BODY_BYTES_DEFAULT, CallError, MapContext, Platform, Rate, Rows, Spec};
use sandbox::{Postgres, PostgresOptions, Scratch};
use serde_json::Value;
use stage::Reject;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use store::{Connection, Store, StoreConfig, StoreSetup, Vault};

/// Calls at once; so few follow that none does while a test runs.
const BURST: u32 = 6;
/// Time for which the absence of further calls is checked.
const STILL: Duration = Duration::from_millis(300);
const HOUR: Duration = Duration::from_hours(1);

/// A platform whose rate is its burst, as far as a test runs.
struct Slow;

static SLOW: Spec = SPEC;
static QUICK: Spec = Spec { name: "quick", rate: Rate { per_second: 1_000.0, burst: 500 }, ..SPEC };
const SPEC: Spec = Spec {
    name: "slow",
    topics: &[],
    body_bytes_max: BODY_BYTES_DEFAULT,
    rate: Rate { per_second: 1.0 / 3600.0, burst: BURST },
};

impl Platform for Slow {
    fn spec(&self) -> &'static Spec {
        &SLOW
    }

    fn map(&self, _delivery: &Delivery, _body: &Value, _context: &MapContext) -> Result<Rows, Reject> {
        Ok(Vec::new())
    }
}

/// A platform with a rate at which a lease is more than one call.
struct Quick;

impl Platform for Quick {
    fn spec(&self) -> &'static Spec {
        &QUICK
    }

    fn map(&self, _delivery: &Delivery, _body: &Value, _context: &MapContext) -> Result<Rows, Reject> {
        Ok(Vec::new())
    }
}

struct Shop {
    connection: Connection,
    store: Store,
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
        let connection = connection();
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
        Self { connection, store, postgres, _scratch: scratch }
    }

    /// The budgets of one process.
    fn process(&self) -> Budgets {
        Budgets::new(self.store.clone(), &CallsConfig::default())
    }

    /// Has a caller call as often as it may; returns the number of its calls so far.
    fn calls(&self, budgets: Budgets, class: CallClass) -> Arc<AtomicUsize> {
        let (calls, connection) = (Arc::new(AtomicUsize::new(0)), self.connection.clone());
        let counted = Arc::clone(&calls);
        tokio::spawn(async move {
            while budgets.wait(&connection, &Slow, class).await.is_ok() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        calls
    }

    /// The first value that a statement returns.
    async fn first(&self, statement: &str) -> String {
        let output = self.postgres.psql().unwrap().args(["-tAc", statement]).output().await.unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

fn connection() -> Connection {
    Connection {
        tenant: TenantId::new("t1").unwrap(),
        store: StoreId::new("s1").unwrap(),
        id: ConnectionId::new("c1").unwrap(),
        platform: PlatformName::new("slow").unwrap(),
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
        currency: None,
        health: store::Health::Ok,
        health_reason: None,
        health_since: None,
        probe_at: None,
        baseline: model::BaselineRule::Ask,
        ignored_locations: std::collections::BTreeSet::new(),
    }
}

async fn still() {
    tokio::time::sleep(STILL).await;
}

async fn until(calls: &[Arc<AtomicUsize>], count: usize) {
    while calls.iter().map(|calls| calls.load(Ordering::Relaxed)).sum::<usize>() < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_together_make_no_more_calls_than_the_platform_allows() {
    let shop = Shop::open().await;
    let mut calls = Vec::new();
    for class in [CallClass::Stock, CallClass::List, CallClass::Price] {
        calls.push(shop.calls(shop.process(), class));
        calls.push(shop.calls(shop.process(), class));
    }
    until(&calls, BURST as usize).await;
    still().await;
    let made: usize = calls.iter().map(|calls| calls.load(Ordering::Relaxed)).sum();
    assert_eq!(made, BURST as usize);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_one_process_got_holds_up_the_others_and_those_that_start_later() {
    let shop = Shop::open().await;
    let (one, other) = (shop.process(), shop.process());
    other.wait(&shop.connection, &Slow, CallClass::Stock).await.unwrap();
    let refused: Result<(), _> = Err(CallError::RateLimited { after: Some(HOUR) });
    assert_eq!(one.heed(&shop.connection, &Slow, refused.clone()).await, refused, "it is passed on");
    for budgets in [&one, &other, &shop.process()] {
        for class in CallClass::ALL {
            let called = budgets.wait(&shop.connection, &Slow, class).await;
            let Err(CallError::RateLimited { after: Some(after) }) = called else { panic!("{called:?}") };
            assert!(after > HOUR / 2 && after <= HOUR, "{after:?}");
        }
    }
    let passed = one.heed(&shop.connection, &Slow, Err::<(), _>(CallError::Gone)).await;
    assert_eq!(passed, Err(CallError::Gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_error_or_a_success_holds_up_nobody() {
    let shop = Shop::open().await;
    let budgets = shop.process();
    for result in [Ok(()), Err(CallError::Conflict), Err(CallError::transient("an outage"))] {
        budgets.heed(&shop.connection, &Slow, result).await.ok();
    }
    budgets.wait(&shop.connection, &Slow, CallClass::List).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_on_with_a_share_of_the_rate_while_the_database_is_away() {
    let mut shop = Shop::open().await;
    shop.postgres.kill().await.unwrap();
    let budgets = shop.process();
    let calls = [shop.calls(budgets.clone(), CallClass::Stock), shop.calls(budgets.clone(), CallClass::List)];
    until(&calls, 1).await;
    still().await;
    let made: usize = calls.iter().map(|calls| calls.load(Ordering::Relaxed)).sum();
    assert_eq!(made, 1, "the share has no burst");

    let refused: Result<(), _> = Err(CallError::RateLimited { after: Some(HOUR) });
    budgets.heed(&shop.connection, &Slow, refused).await.unwrap_err();
    let called = budgets.wait(&shop.connection, &Slow, CallClass::Price).await;
    assert!(matches!(called, Err(CallError::RateLimited { .. })), "its refusals count here: {called:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_calls_are_one_exchange_with_the_database() {
    let shop = Shop::open().await;
    let budgets = shop.process();
    for _ in 0..1_000 {
        budgets.wait(&shop.connection, &Quick, CallClass::Stock).await.unwrap();
    }
    let exchanges: usize = shop.first("SELECT revision FROM call_budgets").await.parse().unwrap();
    assert!(exchanges <= 100, "{exchanges} exchanges for 1,000 calls");
}
