//! A store with a connection of every platform; nobody is at the other ends.

use testkit::{Account, AccountOptions, Merchant, World};

const PLATFORMS: [&str; 3] = ["shopify", "square", "treez"];

/// A store and its connections.
pub(super) struct Shop {
    pub(super) merchant: Merchant,
    accounts: Vec<Account>,
}

impl Shop {
    /// Makes a store of that name.
    pub(super) async fn open(world: &World, name: &str) -> Self {
        let merchant = world.merchant(name).await;
        let mut accounts = Vec::new();
        for platform in PLATFORMS {
            let options = AccountOptions {
                name: format!("{name}-{platform}"),
                token: "client:token".to_owned(),
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

/// The platform's id of the store's location.
pub(super) fn location(platform: &str) -> String {
    match platform {
        "shopify" => Account::SHOPIFY_LOCATION.to_string(),
        "square" => "LMAINSTREET01".to_owned(),
        _ => "front-of-house".to_owned(),
    }
}
