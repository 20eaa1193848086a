//! Access tokens that a platform issues for a limited time.

use crate::PATIENCE;
use model::Quantity;
use simulator::{NewVariant, Standing};
use store::Health;
use testkit::{Account, Merchant, Program, World, eventually};

/// The path of the request for an access token.
const ISSUES: &str = "/config/api/gettokens";

/// A shop at a platform that issues access tokens; it sells ten of one product.
struct Till<'a> {
    world: &'a World,
    merchant: Merchant,
    account: Account,
}

impl<'a> Till<'a> {
    async fn open(world: &'a World) -> Self {
        let merchant = world.merchant("tokens").await;
        let account = world.simulated(&merchant, "treez").await;
        let shop = account.shop();
        let tea = NewVariant::stocked("tea", 950, 10, &shop.locations());
        shop.add_product("Green tea", &[tea]).expect("the shop takes it");
        let till = Self { world, merchant, account };
        till.has(10).await;
        till
    }

    /// Sells one, and waits until the products of the ticket were read.
    async fn sells(&self, left: i32) {
        let before = self.reads();
        let shop = self.account.shop();
        let item = shop.find("tea").expect("it is on sale").item;
        shop.sell(&item, &self.account.location_id(), 1).expect("it is on sale");
        self.has(left).await;
        eventually(PATIENCE, "the products of the ticket are read", async || {
            if self.reads() > before { Ok(()) } else { Err(self.calls().join(", ")) }
        })
        .await;
    }

    async fn has(&self, pieces: i32) {
        eventually(PATIENCE, &format!("the store has {pieces}"), async || {
            let level = self.world.level(&self.merchant, "tea").await;
            if level == Some(Quantity::pieces(pieces)) { Ok(()) } else { Err(format!("{level:?}")) }
        })
        .await;
    }

    async fn health(&self) -> Health {
        let found = self.world.store.connection(&self.account.connection).await;
        found.expect("the database answers").expect("the connection is there").health
    }

    /// Number of products that were read with success.
    fn reads(&self) -> usize {
        let calls = self.account.shop().calls();
        calls.iter().filter(|call| call.status == 200 && call.path.ends_with("/product_list")).count()
    }

    /// Number of tokens that were issued.
    fn issued(&self) -> usize {
        let calls = self.account.shop().calls();
        calls.iter().filter(|call| call.status == 200 && call.path.ends_with(ISSUES)).count()
    }

    fn calls(&self) -> Vec<String> {
        let calls = self.account.shop().calls();
        calls.iter().map(|call| format!("{} {} {}", call.method, call.path, call.status)).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_is_asked_for_once_and_again_when_it_is_refused() {
    let world = World::start(&Program::ALL).await;
    let till = Till::open(&world).await;
    assert_eq!(till.issued(), 0, "nothing had to be read: {:?}", till.calls());
    till.sells(9).await;
    till.sells(8).await;
    assert_eq!(till.issued(), 1, "one token serves all: {:?}", till.calls());

    till.account.shop().revoke_access_tokens();
    till.sells(7).await;
    till.sells(6).await;
    assert_eq!(till.issued(), 2, "another one, at once: {:?}", till.calls());
    assert_eq!(till.health().await, Health::Ok);
    till.world.assert_sound(&till.merchant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_refused_is_the_account_s_and_not_asked_for_again_and_again() {
    let world = World::start(&Program::ALL).await;
    let till = Till::open(&world).await;
    till.account.shop().set_standing(Standing::TokenRefused);
    let shop = till.account.shop();
    let item = shop.find("tea").expect("it is on sale").item;
    shop.sell(&item, &till.account.location_id(), 1).expect("it is on sale");
    till.has(9).await;
    eventually(PATIENCE, "the account is refused", async || {
        let health = till.health().await;
        if health == Health::NeedsReauth { Ok(()) } else { Err(format!("{health:?}")) }
    })
    .await;
    let calls = till.calls().len();
    shop.sell(&item, &till.account.location_id(), 1).expect("it is on sale");
    till.has(8).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(till.calls().len(), calls, "no call before the probe: {:?}", till.calls());
}
