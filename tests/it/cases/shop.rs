//! Stores with a connection of every platform.

use simulator::{Kind, Shop as Simulated, Simulator, SimulatorOptions};
use testkit::{Account, AccountOptions, Merchant, World};

const KINDS: [Kind; 3] = [Kind::Shopify, Kind::Square, Kind::Treez];
/// The token of the account that all stores have at each platform.
const TOKEN: &str = "token";

/// The simulated platforms: they are empty, have none of the ids in cases, and send nothing.
pub(super) struct Platforms(Vec<(Kind, Simulator)>);

impl Platforms {
    /// Starts a simulator for every platform.
    pub(super) async fn start() -> Self {
        let mut running = Vec::new();
        for kind in KINDS {
            let shop = Simulated {
                platform: kind,
                account: account_at(kind),
                token: TOKEN.to_owned(),
                webhook_secret: "none".to_owned(),
                webhook_url: None,
                currency: "USD".to_owned(),
                locations: vec![location(kind.as_str())],
            };
            let started = Simulator::start(SimulatorOptions::default(), shop).await;
            running.push((kind, started.expect("a stand-in can be started")));
        }
        Self(running)
    }
}

/// A store and its connections.
pub(super) struct Shop {
    pub(super) merchant: Merchant,
    accounts: Vec<Account>,
}

impl Shop {
    /// Makes a store of that name.
    pub(super) async fn open(world: &World, platforms: &Platforms, name: &str) -> Self {
        let merchant = world.merchant(name).await;
        let mut accounts = Vec::new();
        for (kind, simulator) in &platforms.0 {
            let options = AccountOptions {
                base_url: simulator.base_url(),
                name: account_at(*kind),
                token: if *kind == Kind::Treez { format!("client:{TOKEN}") } else { TOKEN.to_owned() },
                locations: vec![location(kind.as_str())],
                ..AccountOptions::silent()
            };
            accounts.push(world.account(&merchant, kind.as_str(), options).await);
        }
        Self { merchant, accounts }
    }

    /// Its connection to that platform.
    pub(super) fn account(&self, platform: &str) -> &Account {
        let account = self.accounts.iter().find(|account| account.platform == platform);
        account.unwrap_or_else(|| panic!("there is no platform {platform}"))
    }
}

/// The name of the account, as in the deliveries of cases.
fn account_at(kind: Kind) -> String {
    let name = match kind {
        Kind::Shopify => "demo",
        Kind::Square => "MEXAMPLE",
        Kind::Treez => "cases",
    };
    name.to_owned()
}

/// The platform's id of the store's location.
pub(super) fn location(platform: &str) -> String {
    match platform {
        "shopify" => Account::SHOPIFY_LOCATION.to_string(),
        "square" => "LMAINSTREET01".to_owned(),
        _ => "front-of-house".to_owned(),
    }
}
