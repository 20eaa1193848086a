//! Merchants and their accounts on platforms.

use crate::{
    Missigned, Signed, World,
    delivery::{self, hexadecimal, simulated},
};
use model::{BaselineRule, ConnectionId, Currency, ExternalId, LocationId, PlatformName, StoreId, TenantId};
use simulator::{NewVariant, Retries, Shop, ShopHandle, Simulator, SimulatorOptions, Unsigned};
use std::{collections::BTreeSet, time::Duration};
use store::{Connection, Health, LocationSetup, Rules, StoreSetup};

/// Webhook retries of simulated platforms, which end when a test would.
const RETRIES: Retries =
    Retries { count: 30, first: Duration::from_millis(50), ceiling: Duration::from_millis(500) };

/// A store with one location.
#[derive(Debug, Clone)]
pub struct Merchant {
    /// The tenant that it belongs to.
    pub tenant: TenantId,
    /// The store.
    pub store: StoreId,
    /// Its location.
    pub location: LocationId,
}

/// Settings of an account.
#[derive(Debug, Clone)]
pub struct AccountOptions {
    /// Base URL of the platform's API.
    pub base_url: String,
    /// The account's name on the platform.
    pub name: String,
    /// The token that calls carry.
    pub token: String,
    /// The platform's ids of its locations, all linked to the store's one.
    pub locations: Vec<String>,
    /// True if the store's values are propagated to it.
    pub propagates: bool,
    /// Upper limit of requests per minute.
    pub requests_per_minute: u32,
    /// The rule for the first report of an item.
    pub baseline: BaselineRule,
}

impl AccountOptions {
    /// An account at an address where nothing listens, and to which nothing is propagated.
    pub fn silent() -> Self {
        Self {
            base_url: "http://127.0.0.1:9".to_owned(),
            name: "tests".to_owned(),
            token: "token".to_owned(),
            locations: vec![Account::LOCATION.to_string()],
            propagates: false,
            requests_per_minute: 10_000_000,
            baseline: BaselineRule::Store,
        }
    }
}

/// A merchant's connected account on a platform.
#[derive(Debug)]
pub struct Account {
    /// The connection.
    pub connection: ConnectionId,
    /// The platform.
    pub platform: &'static str,
    /// Its name on the platform.
    pub name: String,
    /// The URL that its webhooks are sent to.
    pub webhook_url: String,
    /// The secret that they are signed with.
    pub secret: String,
    /// The platform's simulator, if it has one.
    pub simulator: Option<Simulator>,
}

impl Account {
    /// The platform's id of the location of an account without a simulator: a number, which every platform accepts.
    pub const LOCATION: u64 = 655_441_491;

    /// The shop in the simulator.
    pub fn shop(&self) -> ShopHandle {
        self.simulator.as_ref().expect("the account has a stand-in").shop()
    }

    /// The simulator's only location.
    pub fn location_id(&self) -> String {
        self.shop().locations().swap_remove(0)
    }

    /// Signs a delivery as the platform does. `delivery` is the delivery's id on platforms that send such an id in a
    /// header. `topic` goes into a header too, where the body doesn't state it.
    pub fn sign(&self, topic: &str, delivery: &str, body: Vec<u8>) -> Signed {
        let headers = simulated(self.platform).sign(&self.unsigned(topic, delivery, &body));
        Signed::with_headers(&self.webhook_url, headers, body)
    }

    fn unsigned<'a>(&'a self, topic: &'a str, id: &'a str, body: &'a [u8]) -> Unsigned<'a> {
        Unsigned { account: &self.name, secret: &self.secret, url: &self.webhook_url, topic, id, body }
    }

    /// Like [`Account::sign`], with a wrong signature.
    pub fn missign(&self, how: Missigned, topic: &str, delivery: &str, body: Vec<u8>) -> Signed {
        let platform = simulated(self.platform);
        let header = platform.signature_header();
        let signed = |body| self.sign(topic, delivery, body);
        match how {
            Missigned::Hexadecimal => signed(body).rewriting(header, hexadecimal),
            Missigned::Unpadded => {
                signed(body).rewriting(header, |base64| base64.trim_end_matches('=').to_owned())
            }
            Missigned::Absent => signed(body).without(header),
            Missigned::OtherUrl => {
                let url = format!("{}/", self.webhook_url);
                let unsigned = Unsigned { url: &url, ..self.unsigned(topic, delivery, &body) };
                let headers = platform.sign(&unsigned);
                Signed::with_headers(&self.webhook_url, headers, body)
            }
            Missigned::Former => {
                let headers = platform.sign_as_formerly(&self.unsigned(topic, delivery, &body));
                let headers = headers.expect("the platform has signed otherwise before");
                Signed::with_headers(&self.webhook_url, headers, body)
            }
        }
    }

    /// Signs the platform's delivery of a level at [`Account::LOCATION`].
    pub fn level(&self, delivery: &str, item: u64, available: i64, second: i64) -> Signed {
        let webhook = delivery::level(self.platform, item, Self::LOCATION, available, second);
        self.sign(webhook.topic, delivery, webhook.body.into_bytes())
    }

    /// Signs the platform's delivery of a product.
    pub fn product(&self, delivery: &str, product: u64, title: &str, variants: u64, second: i64) -> Signed {
        let webhook = delivery::product(self.platform, product, title, variants, second);
        self.sign(webhook.topic, delivery, webhook.body.into_bytes())
    }
}

/// The tenant of merchants that need no tenant of their own.
const TENANT: &str = "tests";

impl World {
    /// Creates a store with one location.
    pub async fn merchant(&self, name: &str) -> Merchant {
        self.merchant_of(TENANT, name).await
    }

    /// Like [`World::merchant`], for this tenant.
    pub async fn merchant_of(&self, tenant: &str, name: &str) -> Merchant {
        let tenant = TenantId::new(tenant).expect("a tenant's id");
        let store = StoreId::new(name).expect("a store's id");
        let location = LocationId::new(&format!("{name}-main")).expect("a location's id");
        self.store.upsert_tenant(&tenant).await.expect("a tenant can be made");
        let setup = StoreSetup {
            tenant: tenant.clone(),
            id: store.clone(),
            name: format!("Store {name}"),
            currency: Currency::new("USD").ok(),
            timezone: "UTC".to_owned(),
        };
        self.store.upsert_store(&setup).await.expect("a store can be made");
        let setup = LocationSetup {
            tenant: tenant.clone(),
            store: store.clone(),
            id: location.clone(),
            name: "Main".to_owned(),
        };
        self.store.upsert_location(&setup).await.expect("a location can be made");
        Merchant { tenant, store, location }
    }

    /// Connects an account without a simulator.
    pub async fn account(&self, of: &Merchant, platform: &'static str, options: AccountOptions) -> Account {
        let connection = ConnectionId::new(&format!("{}-{platform}", of.store)).expect("a connection's id");
        let webhook_url = format!("{}/webhook/{platform}/{connection}", self.ingest_url());
        let secret = format!("secret-of-{connection}");
        let row = Connection {
            tenant: of.tenant.clone(),
            store: of.store.clone(),
            id: connection.clone(),
            platform: PlatformName::new(platform).expect("a platform's name"),
            enabled: true,
            base_url: options.base_url,
            account: options.name.clone(),
            api_version: String::new(),
            token: options.token,
            secrets: vec![secret.clone()],
            notification_url: webhook_url.clone(),
            default_location: Some(of.location.clone()),
            requests_per_minute: Some(options.requests_per_minute),
            rules: Rules {
                propagate_inventory: options.propagates,
                propagate_prices: options.propagates,
                propagate_products: options.propagates,
            },
            currency: None,
            health: Health::Ok,
            health_reason: None,
            health_since: None,
            probe_at: None,
            baseline: options.baseline,
            ignored_locations: BTreeSet::new(),
        };
        self.store.upsert_connection(&row).await.expect("a connection can be made");
        for external in &options.locations {
            let external = ExternalId::new(external).expect("a platform's id");
            let linked = self.store.upsert_location_link(&connection, &external, &of.location).await;
            linked.expect("a location can be linked");
        }
        Account { connection, platform, name: options.name, webhook_url, secret, simulator: None }
    }

    /// Connects an account on a simulator of the platform, which sends webhooks and accepts writes.
    pub async fn simulated(&self, of: &Merchant, platform: &'static str) -> Account {
        self.simulated_with(of, platform, BaselineRule::Store).await
    }

    /// Like [`World::simulated`], with this rule for the first report of an item.
    pub async fn simulated_with(
        &self,
        of: &Merchant,
        platform: &'static str,
        baseline: BaselineRule,
    ) -> Account {
        let simulated = simulated(platform);
        let location = simulated.samples().location.to_owned();
        let name = format!("{}-{platform}", of.store);
        let shop = Shop {
            platform,
            account: name.clone(),
            token: format!("token-of-{name}"),
            webhook_secret: format!("secret-of-{name}"),
            webhook_url: None,
            currency: "USD".to_owned(),
            locations: vec![location.clone()],
        };
        let token = simulated.client_token(&shop);
        let options = SimulatorOptions { retries: Some(RETRIES), ..SimulatorOptions::default() };
        let simulator = Simulator::start(options, shop).await.expect("a stand-in can be started");
        let options = AccountOptions {
            base_url: simulator.base_url(),
            name,
            token,
            locations: vec![location],
            propagates: true,
            baseline,
            ..AccountOptions::silent()
        };
        let account = self.account(of, platform, options).await;
        simulator.set_webhook(&account.webhook_url);
        Account { simulator: Some(simulator), ..account }
    }

    /// Creates a merchant `shop` with simulated accounts on these platforms, in this order. Each has the product tea
    /// with a level of ten. Waits until the store and the accounts agree; panics after `limit`.
    pub async fn tea_shop<const N: usize>(
        &self,
        platforms: [&'static str; N],
        limit: Duration,
    ) -> (Merchant, [Account; N]) {
        let merchant = self.merchant("shop").await;
        let mut accounts = Vec::new();
        for platform in platforms {
            accounts.push(self.simulated(&merchant, platform).await);
        }
        for account in &accounts {
            let tea = NewVariant::stocked("tea", 950, 10, &account.shop().locations());
            account.shop().add_product("Green tea", &[tea]).expect("the shop takes it");
        }
        self.quiet(limit, &[&merchant], &accounts.iter().collect::<Vec<_>>()).await;
        (merchant, accounts.try_into().expect("one account for each platform"))
    }
}
