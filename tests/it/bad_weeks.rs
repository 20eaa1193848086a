//! Everyday incidents that once cost a shop its stock or a change, in the order in which they happen, with the
//! services' own processes and simulated platforms. Rules: `model::mirror`, and `services/apply/src/decide`.

mod clocks;
mod contacts;
mod deletions;
mod flapping;
mod links;
mod refusals;
mod rendering;

use crate::PATIENCE;
use model::{BaselineRule, ConflictKind, Quantity};
use simulator::{ItemIds, NewVariant};
use std::time::Duration;
use store::{ConflictFilter, Connection};
use testkit::{Account, Merchant, World, eventually};

/// Time in which nothing may happen at a shop at rest: propagate looks for due work every second.
const STILL: Duration = Duration::from_millis(2_500);
/// The title of the product in every shop.
const TITLE: &str = "Green tea";
/// Its price in every shop, in cents.
const PRICE: i64 = 950;

/// A merchant with an account at Shopify and one at Square.
struct Shop<'a> {
    world: &'a World,
    merchant: Merchant,
    shopify: Account,
    square: Account,
}

/// Number of calls that each platform received.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Calls {
    shopify: usize,
    square: usize,
}

impl<'a> Shop<'a> {
    /// Opens a shop that sells nothing yet; `rule` decides first contacts of both accounts.
    async fn open(world: &'a World, name: &str, rule: BaselineRule) -> Self {
        let merchant = world.merchant(name).await;
        let shopify = world.simulated_with(&merchant, "shopify", rule).await;
        let square = world.simulated_with(&merchant, "square", rule).await;
        Self { world, merchant, shopify, square }
    }

    /// Opens a shop that sells tea, with `pieces` of it at both platforms.
    async fn with_tea(world: &'a World, name: &str, rule: BaselineRule, pieces: i64) -> Self {
        let shop = Self::open(world, name, rule).await;
        for account in [&shop.shopify, &shop.square] {
            add(account, "tea", pieces);
            shop.quiet().await;
        }
        shop.agrees(&pieces.to_string()).await;
        shop
    }

    async fn quiet(&self) {
        let accounts = [&self.shopify, &self.square];
        self.world.quiet(PATIENCE, &[&self.merchant], &accounts).await;
    }

    /// The level of the tea in the store, at Shopify and at Square.
    async fn levels(&self) -> [Option<String>; 3] {
        let store = self.world.level(&self.merchant, "tea").await;
        [store.map(|level| level.to_string()), level(&self.shopify), level(&self.square)]
    }

    /// Waits until the store, Shopify and Square have these levels and nothing is under way.
    async fn holds(&self, store: &str, shopify: &str, square: &str) {
        let wanted = [store, shopify, square].map(|level| Some(level.to_owned()));
        let name = &self.merchant.store;
        eventually(PATIENCE, &format!("{name} holds {wanted:?}"), async || {
            let held = self.levels().await;
            if held == wanted { Ok(()) } else { Err(format!("{held:?}; {}", self.mirrors().await)) }
        })
        .await;
        self.quiet().await;
        assert_eq!(self.levels().await, wanted, "{name}: and it stays so");
        self.world.assert_sound(&self.merchant).await;
    }

    async fn agrees(&self, level: &str) {
        self.holds(level, level, level).await;
    }

    /// The open conflicts, each with its connection.
    async fn conflicts(&self) -> Vec<(ConflictKind, String)> {
        let filter = ConflictFilter { store: Some(self.merchant.store.clone()), ..ConflictFilter::default() };
        let rows = self.world.store.conflicts(&filter, 100).await.expect("the database answers");
        rows.into_iter().map(|row| (row.conflict.kind, row.conflict.connection.to_string())).collect()
    }

    /// Waits until exactly these conflicts are open.
    async fn has_conflicts(&self, wanted: &[(ConflictKind, &Account)]) {
        let mut wanted: Vec<_> =
            wanted.iter().map(|(kind, account)| (*kind, account.connection.to_string())).collect();
        wanted.sort_unstable();
        let name = &self.merchant.store;
        eventually(PATIENCE, &format!("{name} has the conflicts {wanted:?}"), async || {
            let mut found = self.conflicts().await;
            found.sort_unstable();
            if found == wanted { Ok(()) } else { Err(format!("{found:?}; {}", self.mirrors().await)) }
        })
        .await;
    }

    fn calls(&self) -> Calls {
        let count = |account: &Account| account.shop().calls().len();
        Calls { shopify: count(&self.shopify), square: count(&self.square) }
    }

    /// Asserts that nothing is due, and that no platform is called any more.
    async fn is_at_rest(&self) {
        self.quiet().await;
        let before = self.calls();
        tokio::time::sleep(STILL).await;
        assert_eq!(self.calls(), before, "{} is at rest", self.merchant.store);
    }

    /// The mirrors and event outcomes, for failure messages.
    async fn mirrors(&self) -> String {
        let view = self.world.store.show_store(&self.merchant.store).await.expect("the database answers");
        let outcomes = self.world.event_outcomes(&self.merchant).await;
        let mirrors = view.mirrors.iter().map(|line| format!("\n{:?}", line.mirror));
        let outcomes = outcomes.iter().map(|it| {
            format!(
                "\n{} {} {:?} {} {:?} {}",
                it.position, it.connection, it.entity, it.external, it.outcome, it.reason
            )
        });
        mirrors.chain(outcomes).collect()
    }
}

/// The ids of an account's tea.
fn tea(account: &Account) -> ItemIds {
    account.shop().find("tea").expect("it is on sale")
}

/// The level of the tea at a platform.
fn level(account: &Account) -> Option<String> {
    let item = account.shop().find("tea")?.item;
    account.shop().level(&item, &account.location_id())
}

async fn connection(world: &World, account: &Account) -> Connection {
    let found = world.store.connection(&account.connection).await.expect("the database answers");
    found.expect("the connection is there")
}

/// Puts a product with one variant on sale.
fn add(account: &Account, sku: &str, pieces: i64) -> ItemIds {
    let shop = account.shop();
    let variant = NewVariant::stocked(sku, PRICE, pieces, &shop.locations());
    shop.add_product(TITLE, &[variant]).expect("the shop takes it").swap_remove(0)
}

fn sell(account: &Account, pieces: i64) {
    let item = tea(account).item;
    account.shop().sell(&item, &account.location_id(), pieces).expect("it is on sale");
}

/// Waits until `is_so` returns true.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    eventually(PATIENCE, what, async || if is_so().await { Ok(()) } else { Err("not yet") }).await;
}

#[expect(clippy::unnecessary_wraps, reason = "compared with levels that may be missing")]
fn pieces(count: i32) -> Option<Quantity> {
    Some(Quantity::pieces(count))
}
