//! A database with stores of one connection each, and reports of their platforms.

use apply::replay::{Replay, ReplayError, Span};
use model::{
    Action, BaselineRule, ConnectionId, Currency, DeliveryId, Event, EventId, ExternalId, Origin, Partition,
    Patch, Payload, PlatformName, Position, Product, RawDigest, StoreId, TenantId, Timestamp, TraceParent,
    Variant, record::EventOutcome,
};
use runner::Metrics;
use sandbox::{Postgres, PostgresOptions, Scratch};
use std::{collections::BTreeSet, num::NonZeroUsize};
use store::{Connection, Consumer, Cursor, Health, Rules, Store, StoreConfig, StoreSetup, Vault};
use tokio::process::Child;

/// The stores; each is in the partition of its index.
pub(crate) const SHOPS: [&str; 3] = ["tea", "wine", "books"];

/// The end of a session that keeps its locks.
const HOLD: &str = "SELECT pg_sleep(60)";

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) metrics: Metrics,
    replay: Replay,
    postgres: Postgres,
    _scratch: Scratch,
}

impl World {
    /// With one worker: all waiting batches are committed together.
    pub(crate) async fn start() -> Self {
        Self::start_with(NonZeroUsize::MIN).await
    }

    pub(crate) async fn start_with(workers: NonZeroUsize) -> Self {
        let scratch = Scratch::new().unwrap();
        let postgres =
            Postgres::start(PostgresOptions::throwaway(scratch.path().join("postgres"))).await.unwrap();
        let vault = Vault::from_keys([("k1".to_owned(), [1; 32])].into(), "k1").unwrap();
        let store = Store::connect(&StoreConfig::new(postgres.url()), vault).await.unwrap();
        store.migrate().await.unwrap();
        let tenant = TenantId::new("t1").unwrap();
        store.upsert_tenant(&tenant).await.unwrap();
        for shop in SHOPS {
            store.upsert_store(&setup(shop)).await.unwrap();
            store.upsert_connection(&connection(shop)).await.unwrap();
        }
        let metrics = Metrics::new().unwrap();
        let replay = Replay::new(&store, workers, &metrics);
        Self { store, metrics, replay, postgres, _scratch: scratch }
    }

    /// Runs statements as the superuser.
    pub(crate) async fn sql(&self, statements: &str) -> String {
        let output = self.postgres.psql().unwrap().args(["-c", statements]).output().await.unwrap();
        assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Locks a store until it is released.
    pub(crate) async fn hold(&self, shop: usize) -> Held<'_> {
        let lock = format!("BEGIN; SELECT FROM stores WHERE id = '{}' FOR UPDATE; {HOLD}", SHOPS[shop]);
        let session = self.postgres.psql().unwrap().args(["-c", &lock]).kill_on_drop(true).spawn().unwrap();
        let held = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%{HOLD}'"
        );
        while self.sql(&held).await == "0" {}
        Held { world: self, session }
    }

    /// Number of sessions that wait for a lock.
    pub(crate) async fn waiting_for_locks(&self) -> u64 {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        self.sql(waiting).await.parse().unwrap()
    }

    /// Refuses every row of `table` for which `condition` holds of `NEW`, as a check would.
    pub(crate) async fn refuse(&self, table: &str, condition: &str) {
        self.sql(&format!(
            "CREATE FUNCTION refuse_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 IF {condition} THEN
                     RAISE EXCEPTION 'refused' USING ERRCODE = '23514', CONSTRAINT = 'of_the_test';
                 END IF;
                 RETURN NEW;
             END $$;
             CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW
                 EXECUTE FUNCTION refuse_{table}()"
        ))
        .await;
    }

    pub(crate) async fn cursor(&self, shop: usize) -> Cursor {
        self.store.cursor(Consumer::Apply, partition(shop)).await.unwrap()
    }

    /// Commits these events of a store, in order, as one batch.
    pub(crate) async fn commit(&self, shop: usize, events: Vec<Event>) -> Result<Cursor, ReplayError> {
        let from = self.cursor(shop).await;
        let reaches = events.last().map_or(from.position, |event| event.position);
        let span =
            Span { partition: partition(shop), events, dropped_inputs: vec![], write_log: vec![], reaches };
        self.replay.commit(from, span).await
    }

    /// The outcomes of a store's events, in their order.
    pub(crate) async fn event_outcomes(&self, shop: usize) -> Vec<EventOutcome> {
        let rows = self.store.event_outcomes_of(&store_id(shop), 1000).await.unwrap();
        rows.into_iter().rev().map(|row| row.event_outcome).collect()
    }

    pub(crate) async fn assert_nothing_contradicts(&self) {
        for shop in SHOPS {
            let wrong = self.store.contradictions(&StoreId::new(shop).unwrap()).await.unwrap();
            assert!(wrong.is_empty(), "{shop}: {wrong:?}");
        }
    }
}

/// A store that another session has locked.
pub(crate) struct Held<'w> {
    world: &'w World,
    session: Child,
}

impl Held<'_> {
    pub(crate) async fn release(mut self) {
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%{HOLD}'"
        );
        self.world.sql(&end).await;
        self.session.wait().await.unwrap();
    }
}

pub(crate) fn partition(shop: usize) -> Partition {
    Partition(u16::try_from(shop).unwrap())
}

pub(crate) fn store_id(shop: usize) -> StoreId {
    StoreId::new(SHOPS[shop]).unwrap()
}

fn setup(shop: &str) -> StoreSetup {
    StoreSetup {
        tenant: TenantId::new("t1").unwrap(),
        id: StoreId::new(shop).unwrap(),
        name: shop.to_owned(),
        currency: Some(Currency::new("USD").unwrap()),
        timezone: "Europe/Berlin".to_owned(),
    }
}

fn connection(shop: &str) -> Connection {
    Connection {
        tenant: TenantId::new("t1").unwrap(),
        store: StoreId::new(shop).unwrap(),
        id: ConnectionId::new(shop).unwrap(),
        platform: PlatformName::new("shopify").unwrap(),
        enabled: true,
        base_url: "https://platform.example".to_owned(),
        account: shop.to_owned(),
        api_version: String::new(),
        token: "token".to_owned(),
        secrets: vec!["secret".to_owned()],
        notification_url: String::new(),
        default_location: None,
        requests_per_minute: None,
        rules: Rules::default(),
        health: Health::Ok,
        health_reason: None,
        health_since: None,
        probe_at: None,
        baseline: BaselineRule::Store,
        ignored_locations: BTreeSet::new(),
        currency: Some(Currency::new("USD").unwrap()),
    }
}

/// The event `number` of a store: a product of that name with one variant of that merchant's number.
pub(crate) fn product(shop: usize, number: u64, title: &str, sku: &str) -> Event {
    let mut id = [u8::try_from(shop).unwrap(); 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let delivery = DeliveryId::from_bytes(id);
    let external = |kind: &str| ExternalId::new(&format!("{kind}-{number}")).unwrap();
    let variant = Variant {
        external: external("variant"),
        item: Some(external("item")),
        title: None,
        sku: Patch::Set(sku.to_owned()),
        barcode: Patch::Keep,
        price: Patch::Keep,
        compare_at_price: Patch::Keep,
        details: model::VariantDetails::default(),
    };
    let product = Product {
        external: external("product"),
        title: Some(title.to_owned()),
        description: Patch::Keep,
        vendor: Patch::Keep,
        category: Patch::Keep,
        status: None,
        tags: None,
        variants: vec![variant],
        variants_complete: true,
        details: model::ProductDetails::default(),
    };
    let at = Timestamp::from_micros(1_800_000_000_000_000 + i64::try_from(number).unwrap());
    Event {
        id: EventId::from_bytes(id),
        correlation: delivery,
        delivery,
        origin: Origin {
            tenant: TenantId::new("t1").unwrap(),
            store: store_id(shop),
            connection: ConnectionId::new(SHOPS[shop]).unwrap(),
            platform: PlatformName::new("shopify").unwrap(),
        },
        action: Action::Created,
        occurred_at: Some(at),
        received_at: at,
        version: None,
        payload: Payload::Product(product),
        links: vec![],
        raw_digest: RawDigest::of(b""),
        is_read_back: false,
        asked_by: None,
        attempt: 0,
        trace: TraceParent::from_delivery(delivery),
        position: Position { raw_sequence: number, delivery: 0, event: 0 },
    }
}
