//! Platforms that are slow, fail half of the time, lose their replies, or throttle calls.

use crate::PATIENCE;
use model::Quantity;
use simulator::{Chaos, NewVariant, RecordedCall};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI32, Ordering},
    time::Duration,
};
use testkit::{Account, Merchant, Program, World, eventually};
use tokio::time::timeout;

const STOCK: i32 = 500;
/// Number of sales of each shop while its platform has faults.
const SALES: i32 = 3;
/// Final title of the tea; `PRICE` is its final price.
const NAME: &str = "The best of teas";
const PRICE: i64 = 1250;
/// Time for which the faults continue after that, if calls met them by then: so short that no pause before the next
/// attempt grows beyond seconds.
const TROUBLED: Duration = Duration::from_secs(5);
/// The pause between two further sales, until a call has met the fault.
const SELL_EVERY: Duration = Duration::from_millis(300);
/// Time limit until all agree.
const IN_THE_END: Duration = Duration::from_mins(1);

/// A fault that a pair of shops has.
#[derive(Clone, Copy)]
struct Trouble {
    name: &'static str,
    chaos: Chaos,
    /// Status of some of the calls; 0 for no response.
    status: u16,
    /// True if some of these had their effect and are repeated.
    repeats: bool,
}

fn troubles() -> [Trouble; 5] {
    let calm = Chaos::default();
    let trouble = |name, status, repeats, chaos| Trouble { name, chaos, status, repeats };
    // Webhooks are late, so that the echo of a write doesn't reveal that it had its effect.
    let late = Chaos { delay_ms_max: 3_000, ..calm };
    [
        trouble("failing", 503, false, Chaos { server_error: 0.5, ..calm }),
        trouble("forgetful", 500, true, Chaos { error_after_success: 0.8, ..late }),
        trouble("resetting", 0, true, Chaos { reset_after_success: 0.8, ..late }),
        trouble("slow", 200, false, Chaos { response_ms_max: 2_000, ..calm }),
        trouble("throttling", 429, false, Chaos { throttle_429: 0.7, ..calm }),
    ]
}

/// Two shops of one merchant that sell the same tea.
struct Pair {
    trouble: Trouble,
    merchant: Merchant,
    accounts: [Account; 2],
    sold: AtomicI32,
}

impl Pair {
    async fn open(world: &World, trouble: Trouble) -> Self {
        let merchant = world.merchant(trouble.name).await;
        let accounts =
            [world.simulated(&merchant, "shopify").await, world.simulated(&merchant, "square").await];
        for account in &accounts {
            let tea = NewVariant::stocked("tea", 950, STOCK.into(), &account.shop().locations());
            account.shop().add_product("Green tea", &[tea]).expect("the shop takes it");
        }
        Self { trouble, merchant, accounts, sold: AtomicI32::new(0) }
    }

    fn set(&self, chaos: Chaos) {
        self.accounts.iter().for_each(|account| account.shop().set_chaos(chaos));
    }

    /// Shopify renames the tea and Square raises its price, each several times within a second or two, and each sells
    /// one piece after the other.
    async fn trade(&self) {
        let [shopify, square] = self.accounts.each_ref().map(Account::shop);
        for left in (0..SALES).rev() {
            let name = if left == 0 { NAME.to_owned() } else { format!("Tea that has {left} names to come") };
            let tea = shopify.find("tea").expect("it is on sale");
            shopify.edit_title(&tea.product, &name).expect("it is on sale");
            let tea = square.find("tea").expect("it is on sale");
            square.edit_price(&tea.variant, PRICE - i64::from(left)).expect("it is on sale");
            self.sell();
            tokio::time::sleep(SELL_EVERY).await;
        }
    }

    /// Sells one piece at each shop.
    fn sell(&self) {
        for account in &self.accounts {
            let tea = account.shop().find("tea").expect("it is on sale");
            account.shop().sell(&tea.item, &account.location_id(), 1).expect("there is enough");
            self.sold.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Continues to sell until calls have met the fault, since the affected calls are random.
    async fn meet_trouble(&self) {
        let met = async {
            while !self.has_met_trouble() {
                self.sell();
                tokio::time::sleep(SELL_EVERY).await;
            }
        };
        timeout(IN_THE_END, met).await.unwrap_or_else(|_| panic!("{}: no call met it", self.trouble.name));
    }

    /// Returns true if some calls had this fault's status and, where the fault causes repetitions, some call repeated
    /// an idempotency key.
    fn has_met_trouble(&self) -> bool {
        let calls = self.calls();
        let mut keys = BTreeMap::new();
        for key in calls.iter().filter_map(|call| call.idempotency_key.as_deref()) {
            *keys.entry(key).or_insert(0) += 1;
        }
        let is_repeated = keys.values().any(|times| *times > 1);
        calls.iter().any(|call| call.status == self.trouble.status) && (is_repeated || !self.trouble.repeats)
    }

    /// Returns an error with the shops' state if it isn't the expected one.
    async fn differs(&self, world: &World) -> Result<(), String> {
        let left = STOCK - self.sold.load(Ordering::Relaxed);
        let wanted = (Some(left.to_string()), Some(PRICE), Some(NAME.to_owned()));
        for account in &self.accounts {
            let shop = account.shop();
            let tea = shop.find("tea").expect("it is on sale");
            let held = (
                shop.level(&tea.item, &account.location_id()),
                shop.price(&tea.variant),
                shop.title(&tea.product),
            );
            if held != wanted {
                return Err(format!(
                    "{} of {} has {held:?}, not {wanted:?}",
                    account.platform, self.trouble.name
                ));
            }
        }
        let ours = world.level(&self.merchant, "tea").await;
        if ours == Some(Quantity::pieces(left)) { Ok(()) } else { Err(format!("the store has {ours:?}")) }
    }

    fn calls(&self) -> Vec<RecordedCall> {
        self.accounts.iter().flat_map(|account| account.shop().calls()).collect()
    }
}

async fn assert_nothing_dead(world: &World) {
    let mut reader = world.bus.read_dead(None).await.expect("the broker answers");
    let dead_letter = reader.next().await.expect("the broker answers");
    assert!(dead_letter.is_none(), "a platform's outage is no dead letter: {dead_letter:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_platforms_do_to_calls_all_agree_in_the_end_and_no_write_takes_effect_twice() {
    let mut world = World::start(&Program::ALL).await;
    let mut pairs = Vec::new();
    for trouble in troubles() {
        pairs.push(Pair::open(&world, trouble).await);
    }
    let merchants: Vec<&Merchant> = pairs.iter().map(|pair| &pair.merchant).collect();
    let accounts: Vec<&Account> = pairs.iter().flat_map(|pair| &pair.accounts).collect();
    world.quiet(PATIENCE, &merchants, &accounts).await;

    for pair in &pairs {
        pair.set(pair.trouble.chaos);
    }
    futures::future::join_all(pairs.iter().map(Pair::trade)).await;
    let status = world.terminate(Program::Propagate).await;
    assert!(status.success(), "it hands over what it hasn't begun, and ends: {status}");
    world.launch(&[Program::Propagate]).await;
    tokio::time::sleep(TROUBLED).await;
    futures::future::join_all(pairs.iter().map(Pair::meet_trouble)).await;
    for pair in &pairs {
        pair.set(Chaos::default());
    }
    eventually(IN_THE_END, "all agree", async || {
        for pair in &pairs {
            pair.differs(&world).await?;
        }
        Ok::<_, String>(())
    })
    .await;
    world.quiet(IN_THE_END, &merchants, &accounts).await;
    for pair in &pairs {
        pair.differs(&world).await.expect("and it stays so");
        world.assert_sound(&pair.merchant).await;
    }
    assert_nothing_dead(&world).await;
}
