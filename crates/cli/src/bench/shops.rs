//! Simulated shops of a second platform, to which the levels of the load are written.

use super::{
    changes::STALLED,
    feed,
    load_thread::LoadThread,
    numbering::{self, Numbering},
    watch::{LOOKED_AT_EVERY, Watch},
};
use crate::{
    dev::provision::{self, Wanted},
    failure::Failed,
};
use model::MirrorKind;
use simulator::{NewVariant, Shop, SimulatedPlatform, Simulator, SimulatorOptions};
use std::time::Instant;
use store::{Rules, Store};

/// The pieces of each item before its first level is written.
const PIECES: i64 = 500;
/// The price of each item.
const PRICE_MINOR: i64 = 1999;

/// The platform of the shops: that of the name, or the first besides the load's to which levels are written.
fn platform(name: Option<&str>) -> Result<&'static dyn SimulatedPlatform, Failed> {
    let load = feed::platform()?.name();
    let is_written = |simulated: &&'static dyn SimulatedPlatform| {
        let limits = platforms::find(simulated.name()).and_then(|of| of.write_limits(MirrorKind::Inventory));
        simulated.name() != load && limits.is_some()
    };
    let unwritten = || {
        let name = name.unwrap_or("any platform");
        Failed::Usage(format!("levels can't be written to {name} from {load}"))
    };
    let is_named =
        |simulated: &&'static dyn SimulatedPlatform| name.is_none_or(|name| simulated.name() == name);
    simulator::all().filter(is_written).find(is_named).ok_or_else(unwritten)
}

/// The shops, one of each store; their servers and their webhooks run on the thread of the load.
pub(crate) struct Shops(Vec<Simulator>);

impl Shops {
    /// Starts the shops and connects each to its store.
    pub(crate) async fn start(
        thread: &LoadThread,
        store: &Store,
        ingest_url: &str,
        count: u32,
        to: Option<&str>,
    ) -> Result<Self, Failed> {
        let platform = platform(to)?;
        let mut shops = Vec::new();
        for number in 0..count {
            let store_id = numbering::store_id(number);
            let shop = Shop {
                platform: platform.name(),
                account: format!("account-{number}"),
                token: provision::secret(),
                webhook_secret: provision::secret(),
                webhook_url: None,
                currency: "USD".to_owned(),
                locations: vec![platform.samples().location.to_owned()],
            };
            let (options, opened) = (SimulatorOptions::default(), shop.clone());
            let started = thread.run(async move { Ok(Simulator::start(options, opened).await) });
            let simulator = started.await?.map_err(|error| {
                Failed::Other(format!("the simulator of {store_id} can't start: {error}"))
            })?;
            let wanted = Wanted {
                platform: platform.name(),
                base_url: simulator.base_url(),
                token: platform.client_token(&shop),
                account: shop.account,
                secret: shop.webhook_secret,
                locations: shop.locations,
                rules: Rules { propagate_inventory: true, ..provision::READ_ONLY },
            };
            let connection = provision::connection(store, &store_id, ingest_url, wanted).await?;
            simulator.set_webhook(&connection.webhook_url);
            shops.push(simulator);
        }
        Ok(Self(shops))
    }

    /// Puts the items of the load on sale, with levels that differ from those of their stores, and waits until those are
    /// written there and reported back.
    pub(crate) async fn stock(&self, numbering: Numbering) -> Result<(), Failed> {
        for (store, simulator) in (0..).zip(&self.0) {
            let shop = simulator.shop();
            let locations = shop.locations();
            let variant =
                |item| NewVariant::stocked(&numbering::sku(store, item), PRICE_MINOR, PIECES, &locations);
            let variants: Vec<NewVariant> = (0..numbering.items).map(variant).collect();
            shop.add_product("Product", &variants)
                .map_err(|error| Failed::Other(format!("a shop can't be stocked: {error}")))?;
        }
        let (mut calls, mut changed) = (0, Instant::now());
        let first = Numbering { events: 0, ..numbering };
        while let Err(failed) = self.check(first) {
            tokio::time::sleep(LOOKED_AT_EVERY).await;
            let now = self.0.iter().map(|simulator| simulator.shop().calls_since(u64::MAX).1).sum();
            if now > calls {
                (calls, changed) = (now, Instant::now());
            } else if changed.elapsed() > STALLED {
                return Err(failed);
            }
        }
        self.watch(first).until_reported().await.map(drop)
    }

    /// Fails unless each item has the level of its last delivery.
    pub(crate) fn check(&self, numbering: Numbering) -> Result<(), Failed> {
        for (store, simulator) in (0..).zip(&self.0) {
            let shop = simulator.shop();
            let location = shop.locations().swap_remove(0);
            for item in 0..numbering.items {
                let sku = numbering::sku(store, item);
                let held = shop.find(&sku).and_then(|ids| shop.level(&ids.item, &location));
                let last = numbering.last_level(store, item).to_string();
                if held.as_ref() != Some(&last) {
                    let held = held.as_deref().unwrap_or("no");
                    let store = numbering::store_id(store);
                    return Err(Failed::Other(format!("{sku} of {store} has {held} pieces, not {last}")));
                }
            }
        }
        Ok(())
    }

    /// Begins to look at the calls that arrive from now on.
    pub(crate) fn watch(&self, numbering: Numbering) -> Watch {
        Watch::new(self.0.iter().map(Simulator::shop), numbering)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_shop_without_the_last_level_of_an_item_fails_the_measurement() {
        let platform = platform(None).unwrap();
        let shop = Shop {
            platform: platform.name(),
            account: "account".to_owned(),
            token: "token".to_owned(),
            webhook_secret: "secret".to_owned(),
            webhook_url: None,
            currency: "USD".to_owned(),
            locations: vec!["L".to_owned()],
        };
        let simulator = Simulator::start(SimulatorOptions::default(), shop).await.unwrap();
        let (shop, shops) = (simulator.shop(), Shops(vec![simulator]));
        // Two reports of the first item, one of the second.
        let numbering = Numbering { events: 3, stores: 1, items: 2 };
        assert!(shops.check(numbering).is_err(), "nothing is on sale");
        let variants = [("S0-0", 1001), ("S0-1", 1001)]
            .map(|(sku, pieces)| NewVariant::stocked(sku, PRICE_MINOR, pieces, &shop.locations()));
        let items = shop.add_product("Product", &variants).unwrap();
        let failed = shops.check(numbering).unwrap_err().to_string();
        assert_eq!(failed, "S0-0 of store-0 has 1001 pieces, not 1002");
        shop.restock(&items[0].item, "L", 1).unwrap();
        shops.check(numbering).unwrap();
        shop.sell(&items[1].item, "L", 1).unwrap();
        assert!(shops.check(numbering).is_err());
    }
}
