//! Many stores whose platforms send without a pause, and the checks of all their deliveries afterwards.

use crate::PATIENCE;
use model::{Outcome, Quantity, StoreId};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use testkit::{Account, AccountOptions, Merchant, Sender, Signed, World, eventually};
use tokio::task::JoinSet;

/// Every store's product.
const PRODUCT: u64 = 1000;
/// Time limit for a platform's retries of one delivery.
const RETRY_LIMIT: Duration = Duration::from_secs(90);
/// The pause before a retry.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Stores with an account on Shopify each, and a product of several items.
pub(crate) struct Crowd {
    shops: Vec<Shop>,
    items: u64,
    /// Schemes, hosts and ports of ingest.
    intakes: Arc<Mutex<Vec<String>>>,
    pause: Duration,
}

struct Shop {
    merchant: Merchant,
    account: Arc<Account>,
    /// By item, the intake's ids of its levels, in the order of acceptance.
    taken: BTreeMap<u64, Vec<String>>,
}

/// Accepted deliveries of one sender.
struct Reported {
    shop: usize,
    item: u64,
    deliveries: Vec<String>,
}

/// A stream of deliveries under way.
pub(crate) struct Stream {
    taken: Arc<AtomicUsize>,
    retried: Arc<AtomicUsize>,
    reasons: Arc<Mutex<BTreeSet<String>>>,
    enough: Arc<AtomicBool>,
    senders: JoinSet<Reported>,
}

impl Crowd {
    /// Sets up the stores and sends their products.
    pub(crate) async fn open(world: &World, stores: usize, items: u64) -> Self {
        let names: Vec<String> = (0..stores).map(|index| format!("shop-{index}")).collect();
        Self::named(world, &names, items).await
    }

    /// The same, with one store in each partition.
    pub(crate) async fn in_every_partition(world: &World, items: u64) -> Self {
        let partitions = world.bus.partitions();
        let mut names = BTreeMap::new();
        let mut index = 0;
        while names.len() < usize::from(partitions.get()) {
            let name = format!("shop-{index}");
            names.entry(partitions.of(&StoreId::new(&name).expect("a store's id"))).or_insert(name);
            index += 1;
        }
        Self::named(world, &names.into_values().collect::<Vec<_>>(), items).await
    }

    async fn named(world: &World, names: &[String], items: u64) -> Self {
        let sender = Sender::default();
        let mut shops = Vec::new();
        for name in names {
            let merchant = world.merchant(name).await;
            let account = world.account(&merchant, "shopify", AccountOptions::silent()).await;
            sender.send_until_kept(&account.product("made", PRODUCT, "Tea", items, 0), PATIENCE).await;
            shops.push(Shop { merchant, account: Arc::new(account), taken: BTreeMap::new() });
        }
        Self { shops, items, intakes: Arc::new(Mutex::new(vec![world.ingest_url()])), pause: Duration::ZERO }
    }

    /// Sets the pause of every sender between two deliveries.
    pub(crate) fn with_pause(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// Sends deliveries to these intakes in turn from now on, each retry to the next one, as behind a load balancer.
    pub(crate) fn spread_over(&self, intakes: Vec<String>) {
        *lock(&self.intakes) = intakes;
    }

    /// The stores.
    pub(crate) fn merchants(&self) -> Vec<&Merchant> {
        self.shops.iter().map(|shop| &shop.merchant).collect()
    }

    /// Sends `count` further levels of each item of each store, one after the other, all items at once.
    pub(crate) fn send(&self, count: usize) -> Stream {
        let (taken, retried) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let enough = Arc::new(AtomicBool::new(false));
        let reasons = Arc::new(Mutex::new(BTreeSet::new()));
        let sender = Sender::default();
        let mut senders = JoinSet::new();
        for (shop, Shop { account, taken: before, .. }) in self.shops.iter().enumerate() {
            for item in 1..=self.items {
                let reported = before.get(&item).map_or(0, Vec::len);
                let (account, sender, enough) = (Arc::clone(account), sender.clone(), Arc::clone(&enough));
                let (taken, retried) = (Arc::clone(&taken), Arc::clone(&retried));
                let (intakes, reasons, pause) = (Arc::clone(&self.intakes), Arc::clone(&reasons), self.pause);
                senders.spawn(async move {
                    let mut deliveries = Vec::new();
                    for level in (1..).skip(reported).take(count) {
                        if enough.load(Ordering::Relaxed) {
                            break;
                        }
                        let delivery =
                            account.level(&format!("{item}-{level}"), PRODUCT + item + 100, level, level);
                        let (delivery, attempts) = keep(&sender, delivery, &intakes, &reasons).await;
                        deliveries.push(delivery);
                        taken.fetch_add(1, Ordering::Relaxed);
                        retried.fetch_add(usize::from(attempts > 1), Ordering::Relaxed);
                        if !pause.is_zero() {
                            tokio::time::sleep(pause).await;
                        }
                    }
                    Reported { shop, item, deliveries }
                });
            }
        }
        Stream { taken, retried, reasons, enough, senders }
    }

    /// Waits until all of the stream was accepted, and records it.
    pub(crate) async fn finish(&mut self, stream: Stream) {
        for reported in stream.senders.join_all().await {
            self.shops[reported.shop].taken.entry(reported.item).or_default().extend(reported.deliveries);
        }
    }

    /// Asserts that every accepted delivery has one row, and that each store has them in order.
    pub(crate) async fn assert_all_there(&self, world: &World, patience: Duration) {
        for shop in &self.shops {
            let merchant = &shop.merchant;
            let taken: BTreeSet<&str> = shop.taken.values().flatten().map(String::as_str).collect();
            eventually(patience, &format!("all of {} has ended", merchant.store), async || {
                let event_outcomes = world.event_outcomes(merchant).await;
                let ended: BTreeSet<String> =
                    event_outcomes.iter().map(|event_outcome| event_outcome.delivery.to_string()).collect();
                let missing: Vec<&str> = taken.iter().filter(|id| !ended.contains(**id)).copied().collect();
                let Some(first) = missing.first() else { return Ok(()) };
                let outcomes = world.outcomes().await;
                let (count, known) = (missing.len(), outcomes.of(first));
                Err(format!("{count} of {} are missing, {first} among them: {known:?}", taken.len()))
            })
            .await;
            self.assert_shop(world, shop, taken.len()).await;
        }
    }

    async fn assert_shop(&self, world: &World, shop: &Shop, taken: usize) {
        let merchant = &shop.merchant;
        let events = world.assert_sound(merchant).await;
        assert_eq!(events.len(), taken + 1, "{}: each delivery and the product, once", merchant.store);
        let event_outcomes = world.event_outcomes(merchant).await;
        assert!(
            event_outcomes.iter().all(|event_outcome| event_outcome.outcome == Outcome::Applied),
            "each was news"
        );
        let order: BTreeMap<String, usize> = event_outcomes
            .iter()
            .enumerate()
            .map(|(index, event_outcome)| (event_outcome.delivery.to_string(), index))
            .collect();
        for (item, taken) in &shop.taken {
            let positions: Vec<usize> = taken.iter().map(|id| order[id]).collect();
            assert!(positions.is_sorted(), "{} item {item}: in the order of the 2xx", merchant.store);
            let last = i32::try_from(taken.len()).expect("few");
            let level = world.level(merchant, &format!("sku-{PRODUCT}-{item}")).await;
            assert_eq!(level, Some(Quantity::pieces(last)), "the last one counts");
        }
    }
}

impl Stream {
    /// Waits until `taken` deliveries were accepted.
    pub(crate) async fn reaches(&self, taken: usize) {
        eventually(RETRY_LIMIT, &format!("{taken} were taken"), async || {
            let so_far = self.taken.load(Ordering::Relaxed);
            if so_far >= taken { Ok(()) } else { Err(format!("{so_far} were")) }
        })
        .await;
    }

    /// Ends every sender after its present delivery.
    pub(crate) fn end(&self) {
        self.enough.store(true, Ordering::Relaxed);
    }

    /// Number of accepted deliveries.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// All reasons so far for which senders were turned away.
    pub(crate) fn reasons(&self) -> BTreeSet<String> {
        lock(&self.reasons).clone()
    }

    /// Number of deliveries that were sent more than once.
    pub(crate) fn retried(&self) -> usize {
        self.retried.load(Ordering::Relaxed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends to one intake after the other until one accepts; returns the intake's delivery id and the number of attempts.
async fn keep(
    sender: &Sender,
    delivery: Signed,
    intakes: &Mutex<Vec<String>>,
    reasons: &Mutex<BTreeSet<String>>,
) -> (String, u32) {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let path =
        delivery.url.find("/webhook/").map(|at| delivery.url[at..].to_owned()).expect("a webhook's URL");
    let deadline = Instant::now() + RETRY_LIMIT;
    let mut attempts = 0;
    loop {
        let turn = TURN.fetch_add(1, Ordering::Relaxed);
        let intake = {
            let intakes = lock(intakes);
            intakes[turn % intakes.len()].clone()
        };
        let response = sender.send(&Signed { url: format!("{intake}{path}"), ..delivery.clone() }).await;
        attempts += 1;
        if let Some(response) = response.as_ref().filter(|response| (200..300).contains(&response.status)) {
            return (response.delivery().expect("the topic is known"), attempts);
        }
        if let Some(response) = response.as_ref().filter(|response| response.status == 503) {
            assert!(response.header("retry-after").is_some(), "{response:?}");
            lock(reasons).extend(response.body["detail"].as_str().map(str::to_owned));
        }
        assert!(Instant::now() < deadline, "not taken within {RETRY_LIMIT:?}; at last: {response:?}");
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}
