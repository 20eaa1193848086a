//! The stores of a run: tenants, connections, and the simulated shops of some stores.

use crate::{
    args::Options,
    plan::{self, Shape},
};
use model::{
    BaselineRule, ConnectionId, Currency, ExternalId, LocationId, PartitionCount, PlatformName, StoreId,
    TenantId,
};
use simulator::{Chaos, NewVariant, Retries, Shop as SimulatedShop, ShopHandle, Simulator, SimulatorOptions};
use std::{collections::BTreeSet, net::SocketAddr, time::Duration};
use store::{Connection, Health, LocationSetup, Rules, Store, StoreSetup};
use testkit::{Account, Signed};

/// Webhook retries of simulated platforms. They last longer than a run: a webhook that its platform discarded would be
/// missing through no fault of Tillflow.
const RETRIES: Retries =
    Retries { count: 5_000, first: Duration::from_millis(50), ceiling: Duration::from_millis(500) };
/// Rate at which a simulated Shopify accepts writes, in points per second: that of its larger plan.
const POINTS_PER_SECOND: f64 = 1_000.0;
/// Upper limit of products in a simulated shop, out of those of its store.
const SIMULATED_PRODUCTS_MAX: u16 = 12;
/// Level of each product in a simulated shop before it receives ours.
const PIECES: i64 = 50;
/// Behaviour of simulated platforms outside faults.
const EVERYDAY: Chaos = Chaos {
    lost: 0.0,
    duplicate: 0.05,
    reorder: 0.0,
    delay_ms_max: 20,
    throttle_429: 0.0,
    server_error: 0.0,
    error_after_success: 0.0,
    reset_after_success: 0.0,
    response_ms_max: 10,
};

/// A store and the accounts that report on it.
pub(crate) struct Merchant {
    /// Its index in the crowd.
    pub(crate) index: u32,
    /// Its id.
    pub(crate) id: StoreId,
    /// The Shopify account that the stream plays; no value is written to it.
    pub(crate) account: Account,
    /// Simulated accounts, which receive our values.
    pub(crate) simulated: Vec<Simulated>,
}

/// A simulated account.
pub(crate) struct Simulated {
    /// Its connection.
    pub(crate) connection: ConnectionId,
    /// The platform.
    pub(crate) platform: &'static str,
    /// The simulator of the platform.
    pub(crate) simulator: Simulator,
}

impl Simulated {
    /// The shop in the simulator.
    pub(crate) fn shop(&self) -> ShopHandle {
        self.simulator.shop()
    }
}

impl Merchant {
    /// Signs a delivery that is addressed to this replica of the intake.
    pub(crate) fn sign(&self, intake: SocketAddr, topic: &str, name: &str, body: Vec<u8>) -> Signed {
        let signed = self.account.sign(topic, name, body);
        Signed { url: self.url(intake), ..signed }
    }

    /// The URL of its deliveries at this replica of the intake.
    pub(crate) fn url(&self, intake: SocketAddr) -> String {
        format!("http://{intake}/webhook/shopify/{}", self.account.connection)
    }
}

/// All stores: first those of the stream, then one in each partition for the run's own probes.
pub(crate) struct Crowd {
    /// The stores, by index.
    pub(crate) stores: Vec<Merchant>,
    /// Number of stores that the stream is about.
    pub(crate) streamed: usize,
    /// Number of products of each of those.
    pub(crate) products: u16,
    /// Behaviour of simulated platforms outside faults.
    pub(crate) everyday: Chaos,
}

impl Crowd {
    /// Sets up tenants with their stores, and simulated accounts for some.
    pub(crate) async fn open(
        record: &Store,
        partitions: PartitionCount,
        intakes: &[SocketAddr],
        options: &Options,
    ) -> Self {
        let Options { tenants, stores, products, simulated, overtaking, .. } = *options;
        let everyday = Chaos { reorder: overtaking, ..EVERYDAY };
        let mut crowd = Self { stores: Vec::new(), streamed: 0, products, everyday };
        for tenant in 0..tenants {
            let tenant = TenantId::new(&format!("tenant-{tenant}")).expect("a token");
            record.upsert_tenant(&tenant).await.expect("a tenant can be made");
            for number in 0..stores {
                let id = StoreId::new(&format!("{tenant}-store-{number}")).expect("a token");
                crowd.add(record, &tenant, id, intakes).await;
            }
        }
        crowd.streamed = crowd.stores.len();
        for index in 0..crowd.streamed.min(usize::from(simulated)) {
            let intake = intakes[index % intakes.len()];
            for platform in ["shopify", "square"] {
                let simulated = simulate(record, &crowd.stores[index], intake, platform).await;
                crowd.stores[index].simulated.push(simulated);
            }
        }
        crowd.set_chaos(everyday);
        crowd.add_probes(record, partitions, intakes).await;
        crowd
    }

    /// Adds one store in each partition for the run's own probes.
    async fn add_probes(&mut self, record: &Store, partitions: PartitionCount, intakes: &[SocketAddr]) {
        let tenant = TenantId::new("probe").expect("a token");
        record.upsert_tenant(&tenant).await.expect("a tenant can be made");
        let mut missing: BTreeSet<_> = partitions.all().collect();
        let names = (0..).map(|number| StoreId::new(&format!("probe-{number}")).expect("a token"));
        for id in names {
            if missing.is_empty() {
                return;
            }
            if missing.remove(&partitions.of(&id)) {
                self.add(record, &tenant, id, intakes).await;
            }
        }
    }

    async fn add(&mut self, record: &Store, tenant: &TenantId, id: StoreId, intakes: &[SocketAddr]) {
        let index = u32::try_from(self.stores.len()).expect("few stores");
        let setup = StoreSetup {
            tenant: tenant.clone(),
            id: id.clone(),
            name: format!("Store {id}"),
            currency: Currency::new("USD").ok(),
            timezone: "UTC".to_owned(),
        };
        record.upsert_store(&setup).await.expect("a store can be made");
        let setup = LocationSetup {
            tenant: tenant.clone(),
            store: id.clone(),
            id: location(&id),
            name: "Main".to_owned(),
        };
        record.upsert_location(&setup).await.expect("a location can be made");
        let connection = ConnectionId::new(&format!("{id}-shopify")).expect("a token");
        let webhook_url = format!("http://{}/webhook/shopify/{connection}", intakes[0]);
        let secret = format!("secret-of-{connection}");
        let account = account(connection, "shopify", webhook_url, secret);
        let site = plan::external_location(index).to_string();
        connect(record, tenant, &id, &account, ("http://127.0.0.1:9", "token", &site), false).await;
        self.stores.push(Merchant { index, id, account, simulated: Vec::new() });
    }

    /// The size of the crowd for which the stream is planned.
    pub(crate) fn shape(&self) -> Shape {
        Shape { stores: u32::try_from(self.streamed).expect("few stores"), products: self.products }
    }

    /// The stores of the run's own probes.
    pub(crate) fn probes(&self) -> &[Merchant] {
        &self.stores[self.streamed..]
    }

    /// Number of products of the store at this index.
    pub(crate) fn products_of(&self, index: usize) -> u16 {
        if index < self.streamed { self.products } else { 1 }
    }

    /// Number of products of each simulated shop.
    pub(crate) fn simulated_products(&self) -> u16 {
        self.products.min(SIMULATED_PRODUCTS_MAX)
    }

    /// Every simulated account.
    pub(crate) fn simulated(&self) -> impl Iterator<Item = (&Merchant, &Simulated)> {
        self.stores.iter().flat_map(|store| store.simulated.iter().map(move |simulated| (store, simulated)))
    }

    /// Puts the stores' first products on sale in their simulated shops, and returns their number.
    pub(crate) fn stock(&self) -> usize {
        let mut count = 0;
        for (store, simulated) in self.simulated() {
            let shop = simulated.shop();
            for product in 0..self.simulated_products() {
                let number = plan::sku(store.index, product);
                let variant = NewVariant::stocked(&number, 999, PIECES, &shop.locations());
                shop.add_product(&format!("Theirs {product}"), &[variant]).expect("the shop takes it");
                count += 1;
            }
        }
        count
    }

    /// Sets the behaviour of all simulated platforms.
    pub(crate) fn set_chaos(&self, chaos: Chaos) {
        self.simulated().for_each(|(_, simulated)| simulated.simulator.set_chaos(chaos));
    }
}

fn location(store: &StoreId) -> LocationId {
    LocationId::new(&format!("{store}-main")).expect("a token")
}

/// Returns an account that can only sign.
pub(crate) fn account(
    connection: ConnectionId,
    platform: &'static str,
    webhook_url: String,
    secret: String,
) -> Account {
    Account { name: connection.to_string(), connection, platform, webhook_url, secret, simulator: None }
}

/// Writes the connection to the record and links its location.
async fn connect(
    record: &Store,
    tenant: &TenantId,
    store: &StoreId,
    account: &Account,
    (base_url, token, site): (&str, &str, &str),
    propagates: bool,
) {
    let row = Connection {
        tenant: tenant.clone(),
        store: store.clone(),
        id: account.connection.clone(),
        platform: PlatformName::new(account.platform).expect("a token"),
        enabled: true,
        base_url: base_url.to_owned(),
        account: account.connection.to_string(),
        api_version: String::new(),
        token: token.to_owned(),
        secrets: vec![account.secret.clone()],
        notification_url: account.webhook_url.clone(),
        default_location: Some(location(store)),
        requests_per_minute: Some(10_000_000),
        rules: Rules {
            propagate_inventory: propagates,
            propagate_prices: propagates,
            propagate_products: propagates,
        },
        currency: None,
        health: Health::Ok,
        health_reason: None,
        health_since: None,
        probe_at: None,
        baseline: BaselineRule::Store,
        ignored_locations: BTreeSet::new(),
    };
    record.upsert_connection(&row).await.expect("a connection can be made");
    let external = ExternalId::new(site).expect("a platform's id");
    let linked = record.upsert_location_link(&account.connection, &external, &location(store)).await;
    linked.expect("a location can be linked");
}

async fn simulate(record: &Store, store: &Merchant, intake: SocketAddr, platform: &'static str) -> Simulated {
    let connection = ConnectionId::new(&format!("{}-simulated-{platform}", store.id)).expect("a token");
    // A number, which every platform accepts.
    let site = (700_000 + u64::from(store.index)).to_string();
    let webhook_url = format!("http://{intake}/webhook/{platform}/{connection}");
    let secret = format!("secret-of-{connection}");
    let shop = SimulatedShop {
        platform,
        account: connection.to_string(),
        token: "token".to_owned(),
        webhook_secret: secret.clone(),
        webhook_url: Some(webhook_url.clone()),
        currency: "USD".to_owned(),
        locations: vec![site.clone()],
    };
    let options = SimulatorOptions {
        seed: u64::from(store.index),
        retries: Some(RETRIES),
        points_per_second: Some(POINTS_PER_SECOND),
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::start(options, shop).await.expect("a stand-in can be started");
    let account = account(connection.clone(), platform, webhook_url, secret);
    let tenant = tenant_of(&store.id);
    connect(record, &tenant, &store.id, &account, (&simulator.base_url(), "token", &site), true).await;
    Simulated { connection, platform, simulator }
}

fn tenant_of(store: &StoreId) -> TenantId {
    let tenant = store.as_str().split("-store-").next().unwrap_or_default();
    TenantId::new(tenant).expect("a store's id begins with its tenant's")
}
