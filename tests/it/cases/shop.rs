//! Stores with a connection of every platform.

use simulator::{Shop as Simulated, Simulator, SimulatorOptions};
use testkit::{Account, AccountOptions, Merchant, World};

/// The token of the account that all stores have at each platform.
const TOKEN: &str = "token";

/// The simulated platforms: they are empty, have none of the ids in cases, and send nothing.
pub(super) struct Platforms(Vec<Running>);

/// A simulated platform, and the credential that calls carry there.
struct Running {
    platform: &'static str,
    simulator: Simulator,
    token: String,
}

impl Platforms {
    /// Starts a simulator for every platform.
    pub(super) async fn start() -> Self {
        let mut running = Vec::new();
        for simulated in simulator::all() {
            let platform = simulated.name();
            let shop = Simulated {
                platform,
                account: account_at(platform),
                token: TOKEN.to_owned(),
                webhook_secret: "none".to_owned(),
                webhook_url: None,
                currency: "USD".to_owned(),
                locations: vec![location(platform)],
            };
            let token = simulated.client_token(&shop);
            let started = Simulator::start(SimulatorOptions::default(), shop).await;
            let simulator = started.expect("a stand-in can be started");
            running.push(Running { platform, simulator, token });
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
        for Running { platform, simulator, token } in &platforms.0 {
            let options = AccountOptions {
                base_url: simulator.base_url(),
                name: account_at(platform),
                token: token.clone(),
                locations: vec![location(platform)],
                ..AccountOptions::silent()
            };
            accounts.push(world.account(&merchant, platform, options).await);
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
fn account_at(platform: &str) -> String {
    let name = match platform {
        "blaze" => "5e00000000000000000000aa",
        "shopify" => "demo",
        "square" => "MEXAMPLE",
        _ => "cases",
    };
    name.to_owned()
}

/// The platform's id of the store's location.
pub(super) fn location(platform: &str) -> String {
    let simulated = simulator::find(platform).expect("the platform is simulated");
    simulated.samples().location.to_owned()
}
