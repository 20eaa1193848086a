//! A small store with two platforms: `a` has locations of its own, `b` has none.

use model::{
    Action, Baseline, BaselineRule, ConnectionId, Currency, DeliveryId, EntityKind, Event, EventId,
    ExternalId, InventoryReport, LevelKey, LevelMirror, LocationId, Mirror, MirrorKey, Observation, Origin,
    Outcome, Partition, Payload, PlatformName, Position, Quantity, RawDigest, Report, SourceVersion, StoreId,
    TenantId, Timestamp, TraceParent, VariantId,
    record::{
        Applied, Changes, Effect, EventOutcome, Facts, Links, Mirrors, Movement, MovementReason, RowKeys,
        StoreStep,
    },
};
use sandbox::{Postgres, PostgresOptions, Scratch};
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Once, Weak,
        atomic::{AtomicU32, Ordering},
    },
};
use store::{
    Connection, Consumer, CursorMove, Health, LocationSetup, Rules, Store, StoreConfig, StoreError,
    StoreSetup, Vault,
};
use tokio::sync::Mutex;
use tracing::{Metadata, Subscriber, span};

pub(crate) const PARTITION: Partition = Partition(3);

/// One server for the tests that run at the same time; it stops with the last of them.
struct Server {
    postgres: Postgres,
    _scratch: Scratch,
}

static SERVER: Mutex<Weak<Server>> = Mutex::const_new(Weak::new());

pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) store: Store,
    _server: Arc<Server>,
}

thread_local! {
    static ROUND_TRIPS: Cell<usize> = const { Cell::new(0) };
}

/// Returns the number of round trips that this test's thread has made so far, as the clients count them: sqlx makes one
/// for each statement.
pub(crate) fn round_trips() -> usize {
    ROUND_TRIPS.get()
}

struct CountRoundTrips;

impl Subscriber for CountRoundTrips {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        ["sqlx::query", "store::round_trips"].contains(&metadata.target())
    }
    fn event(&self, _: &tracing::Event<'_>) {
        ROUND_TRIPS.set(ROUND_TRIPS.get() + 1);
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// Creates an empty database.
pub(crate) async fn empty_database() -> Database {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    static COUNTING: Once = Once::new();
    COUNTING.call_once(|| tracing::subscriber::set_global_default(CountRoundTrips).unwrap());
    let mut shared = SERVER.lock().await;
    let server = if let Some(server) = shared.upgrade() {
        server
    } else {
        let scratch = Scratch::new().unwrap();
        let postgres =
            Postgres::start(PostgresOptions::throwaway(scratch.path().join("postgres"))).await.unwrap();
        Arc::new(Server { postgres, _scratch: scratch })
    };
    *shared = Arc::downgrade(&server);
    drop(shared);
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let url = server.postgres.create_database(&name).await.unwrap();
    let store = Store::connect(&StoreConfig::new(&url), vault(&[("k1", 1)], "k1")).await.unwrap();
    Database { url, store, _server: server }
}

/// Creates a database with the schema and the store.
pub(crate) async fn shop() -> Database {
    let database = empty_database().await;
    let store = &database.store;
    store.migrate().await.unwrap();
    let tenant = TenantId::new("t1").unwrap();
    store.upsert_tenant(&tenant).await.unwrap();
    let setup = StoreSetup {
        tenant: tenant.clone(),
        id: store_id(),
        name: "Shop".to_owned(),
        currency: Some(Currency::new("USD").unwrap()),
        timezone: "Europe/Berlin".to_owned(),
    };
    store.upsert_store(&setup).await.unwrap();
    let setup = LocationSetup { tenant, store: store_id(), id: location(), name: "Main street".to_owned() };
    store.upsert_location(&setup).await.unwrap();
    store.upsert_connection(&connection("a", "shopify")).await.unwrap();
    store
        .upsert_connection(&Connection { default_location: Some(location()), ..connection("b", "treez") })
        .await
        .unwrap();
    store.upsert_location_link(&connection_id("a"), &external("loc-a"), &location()).await.unwrap();
    store.take_epoch(Consumer::Apply, PARTITION).await.unwrap();
    store.take_epoch(Consumer::Propagate, PARTITION).await.unwrap();
    database
}

pub(crate) fn vault(keys: &[(&str, u8)], current: &str) -> Vault {
    let keys = keys.iter().map(|(id, byte)| ((*id).to_owned(), [*byte; 32])).collect();
    Vault::from_keys(keys, current).unwrap()
}

pub(crate) fn connection(id: &str, platform: &str) -> Connection {
    Connection {
        tenant: TenantId::new("t1").unwrap(),
        store: store_id(),
        id: connection_id(id),
        platform: PlatformName::new(platform).unwrap(),
        enabled: true,
        base_url: "https://platform.example".to_owned(),
        account: "shop".to_owned(),
        api_version: String::new(),
        token: format!("token of {id}"),
        secrets: vec![format!("secret of {id}")],
        notification_url: String::new(),
        default_location: None,
        requests_per_minute: Some(60),
        rules: Rules::default(),
        currency: Some(Currency::new("USD").unwrap()),
        health: Health::Ok,
        health_reason: None,
        health_since: None,
        probe_at: None,
        baseline: BaselineRule::Ask,
        ignored_locations: BTreeSet::new(),
    }
}

pub(crate) fn store_id() -> StoreId {
    StoreId::new("s1").unwrap()
}
pub(crate) fn connection_id(id: &str) -> ConnectionId {
    ConnectionId::new(id).unwrap()
}
pub(crate) fn location() -> LocationId {
    LocationId::new("l1").unwrap()
}
pub(crate) fn variant() -> VariantId {
    VariantId::new("v1").unwrap()
}
pub(crate) fn external(id: &str) -> ExternalId {
    ExternalId::new(id).unwrap()
}
pub(crate) fn pieces(count: i32) -> Quantity {
    Quantity::pieces(count)
}
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000 + seconds * 1_000_000)
}

pub(crate) fn level_key(connection: &str) -> LevelKey {
    LevelKey {
        connection: connection_id(connection),
        item: external(&format!("item-{connection}")),
        location: location(),
    }
}

pub(crate) fn level_mirror_key(connection: &str) -> MirrorKey {
    MirrorKey::Level(level_key(connection))
}

pub(crate) fn origin(connection: &str) -> Origin {
    event(0, connection).origin
}

/// Returns a report of `value` with the version `number`, observed at the second `number`.
pub(crate) fn report_of<V>(value: V, number: i64) -> Report<V> {
    Report {
        value: Some(value),
        version: Some(SourceVersion::exact(number)),
        received_at: at(number),
        read_for: None,
        is_reentered: false,
    }
}

pub(crate) fn event(number: i64, connection: &str) -> Event {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let delivery = DeliveryId::from_bytes(id);
    Event {
        id: EventId::from_bytes(id),
        correlation: delivery,
        delivery,
        origin: Origin {
            tenant: TenantId::new("t1").unwrap(),
            store: store_id(),
            connection: connection_id(connection),
            platform: PlatformName::new("shopify").unwrap(),
        },
        action: Action::Updated,
        occurred_at: Some(at(number)),
        received_at: at(number + 1),
        version: Some(SourceVersion::exact(number)),
        payload: Payload::Inventory(InventoryReport {
            item: external(&format!("item-{connection}")),
            location: None,
            available: Some(Quantity::pieces(7)),
        }),
        links: vec![],
        raw_digest: RawDigest::of(b""),
        is_read_back: false,
        asked_by: None,
        attempt: 0,
        trace: TraceParent::from_delivery(delivery),
        position: Position { raw_sequence: number.unsigned_abs(), delivery: 0, event: 0 },
    }
}

pub(crate) fn event_outcome(event: &Event, outcome: Outcome, sequence: Option<i64>) -> EventOutcome {
    EventOutcome {
        tenant: event.origin.tenant.clone(),
        store: event.origin.store.clone(),
        connection: event.origin.connection.clone(),
        event: event.id,
        delivery: event.delivery,
        entity: EntityKind::Inventory,
        external: event.payload.external().clone(),
        action: event.action,
        outcome,
        reason: String::new(),
        position: event.position,
        received_at: event.received_at,
        sequence,
    }
}

/// Returns the changes of the event `number`: `connection` reports that `level` are left, `delta` more than before.
pub(crate) fn reported(number: i64, connection: &str, delta: i32, level: i32) -> Changes {
    let event = event(number, connection);
    let quantity = Quantity::pieces(level);
    let effect = Effect::Level {
        variant: variant(),
        location: location(),
        delta: Quantity::pieces(delta),
        level: quantity,
        reason: MovementReason::Reported,
    };
    let mirror = LevelMirror {
        observed: Some(Observation {
            value: Some(quantity),
            version: event.version_number(),
            at: event.received_at,
        }),
        baseline: Baseline::Known(quantity),
        proven: true,
        ..LevelMirror::of(Some(variant()))
    };
    let key = level_key(connection);
    Changes {
        event_outcomes: vec![event_outcome(&event, Outcome::Applied, Some(number))],
        links: Links {
            items: BTreeMap::from([((key.connection.clone(), key.item.clone()), Some(variant()))]),
            ..Links::default()
        },
        mirrors: Mirrors { levels: BTreeMap::from([(key, mirror)]), ..Mirrors::default() },
        levels: BTreeMap::from([((variant(), location()), quantity)]),
        movements: vec![Movement {
            tenant: event.origin.tenant.clone(),
            store: store_id(),
            sequence: number,
            variant: variant(),
            location: location(),
            delta: Quantity::pieces(delta),
            level: quantity,
            reason: if number == 1 { MovementReason::FirstCount } else { MovementReason::Reported },
            connection: connection_id(connection),
            at: event.received_at,
        }],
        stores: BTreeMap::from([(store_id(), StoreStep { last_sequence: Some(number), ended: 1 })]),
        applied: vec![(
            PARTITION,
            Applied { number, sequence: number, event, effects: vec![effect], rows: Vec::new() },
        )],
        ..Changes::default()
    }
}

/// Returns the step of a consumer's cursor from its present position to the event `number`.
pub(crate) async fn step(store: &Store, consumer: Consumer, number: i64) -> CursorMove {
    let from = store.cursor(consumer, PARTITION).await.unwrap();
    let position = Position { raw_sequence: number.unsigned_abs(), delivery: 0, event: 0 };
    CursorMove { partition: PARTITION, from, position, number }
}

/// Loads the mirrors of `changes`, as a batch does, keeps the state that propagate gave the level mirrors, and commits.
pub(crate) async fn commit(store: &Store, changes: &Changes, step: CursorMove) -> Result<(), StoreError> {
    let mut transaction = store.begin_apply().await?;
    let keys = RowKeys { mirrors: changes.mirrors.keys().collect(), ..RowKeys::default() };
    let mut facts = Facts::default();
    transaction.rows(&keys, &mut facts).await?;
    let mut changes = changes.clone();
    for (key, mirror) in &mut changes.mirrors.levels {
        let Some(known) = facts.mirrors.levels.remove(key) else { continue };
        (mirror.phase, mirror.schedule) = (known.phase, known.schedule);
        (mirror.desired, mirror.cause) = (known.desired, known.cause);
        // A platform that holds the store's own level holds its desired value.
        let level = changes.levels.get(&(variant(), key.location.clone()));
        if mirror.desired.is_some() && level == mirror.baseline.known() {
            mirror.desired = level.copied();
        }
    }
    let payloads: Vec<_> =
        changes.applied.iter().map(|(_, applied)| vec![0, 255, applied.number.to_be_bytes()[7]]).collect();
    transaction.commit(&changes, &payloads, &[step]).await
}

/// Commits changes that belong to no event.
pub(crate) async fn commit_silently(store: &Store, changes: &Changes) {
    let cursor = store.apply_cursor(PARTITION).await.unwrap();
    let step = step(store, Consumer::Apply, cursor.number).await;
    commit(store, changes, step).await.unwrap();
}

/// Changes a mirror as a batch does: loads it with a lock, changes it, writes it whole.
pub(crate) async fn decide(store: &Store, key: &MirrorKey, decide: impl FnOnce(&mut Mirror)) {
    let cursor = store.apply_cursor(PARTITION).await.unwrap();
    let step = step(store, Consumer::Apply, cursor.number).await;
    let mut transaction = store.begin_apply().await.unwrap();
    let keys = RowKeys { mirrors: BTreeSet::from([key.clone()]), ..RowKeys::default() };
    let mut facts = Facts::default();
    transaction.rows(&keys, &mut facts).await.unwrap();
    let mut mirror = facts.mirrors.get(key).unwrap();
    decide(&mut mirror);
    let mut changes = Changes::default();
    changes.mirrors.insert(mirror);
    transaction.commit(&changes, &[], &[step]).await.unwrap();
}

/// Changes the level mirror of the connection's item, as [`decide`] does.
pub(crate) async fn decide_level(store: &Store, connection: &str, change: impl FnOnce(&mut LevelMirror)) {
    decide(store, &level_mirror_key(connection), |mirror| {
        let Mirror::Level(_, mirror) = mirror else { panic!("not a level: {mirror:?}") };
        change(mirror);
    })
    .await;
}

/// Commits one report as the event `number`.
pub(crate) async fn report(store: &Store, number: i64, connection: &str, delta: i32, level: i32) {
    let step = step(store, Consumer::Apply, number).await;
    commit(store, &reported(number, connection, delta, level), step).await.unwrap();
}
