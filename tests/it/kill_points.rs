//! Crashes of every service at every point where a crash could separate two steps that belong together.

use crate::{PATIENCE, command_line::tillflow, crowd::Crowd};
use model::{ConflictKind, Quantity};
use simulator::{NewVariant, ShopHandle};
use std::{
    collections::BTreeSet,
    os::unix::process::ExitStatusExt as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use store::ConflictFilter;
use testkit::{Account, AccountOptions, Merchant, Program, Sender, World, eventually};
use tokio::task::JoinHandle;
use wire::Original;

/// The points, by service. In each round every service crashes at its next one, all of them at about the same time.
type Points = &'static [(Program, &'static [&'static str])];

const POINTS: Points = &[
    (Program::Ingest, &["ingest.taken", "ingest.appended"]),
    (Program::Normalize, &["normalize.loaded", "normalize.dead_lettered", "normalize.appended"]),
    (Program::Dedupe, &["dedupe.loaded", "dedupe.appended"]),
    (Program::Enrich, &["enrich.loaded", "enrich.appended"]),
    (
        Program::Apply,
        &[
            "apply.begun",
            "apply.loaded",
            "apply.folded",
            "apply.dead_lettered",
            "apply.committed",
            "apply.published",
        ],
    ),
    (Program::Propagate, &["propagate.marked", "propagate.called", "propagate.desired", "propagate.settled"]),
    (Program::Fetch, &["fetch.fetched", "fetch.noted"]),
];
/// The points of the stages before apply in one pass, and of apply, which reads it.
const POINTS_OF_ONE_PASS: Points = &[
    (
        Program::Transform,
        &["normalize.loaded", "dedupe.loaded", "enrich.loaded", "enrich.dead_lettered", "enrich.appended"],
    ),
    (Program::Apply, &["apply.folded", "apply.committed"]),
];
/// Number of the pass at which they crash: some work succeeds before.
const PASS: u32 = 3;
/// Signal number of SIGABRT.
const ABORTED: Option<i32> = Some(6);
/// Pauses between two deliveries of one sender, two sales, two invalid deliveries.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(80), Duration::from_millis(150)];
const STOCK: i32 = 100_000;
/// Time limit for a service to reach its point.
const DEATH: Duration = Duration::from_secs(45);
/// Time limit for everything at the end; a write that was under way when its service crashed is due again after half a
/// minute, a reading after one minute.
const WORKED_OFF: Duration = Duration::from_mins(2);

/// Two shops that sell the same tea.
struct Shops {
    merchant: Merchant,
    accounts: [Account; 2],
}

impl Shops {
    async fn open(world: &World) -> Self {
        let merchant = world.merchant("tea-house").await;
        let shopify = world.simulated(&merchant, "shopify").await;
        let square = world.simulated(&merchant, "square").await;
        let accounts = [shopify, square];
        for account in &accounts {
            let tea = NewVariant::stocked("tea", 950, STOCK.into(), &account.shop().locations());
            account.shop().add_product("Green tea", &[tea]).expect("the shop takes it");
        }
        let shops = Self { merchant, accounts };
        world.quiet(PATIENCE, &[&shops.merchant], &[&shops.accounts[0], &shops.accounts[1]]).await;
        shops
    }

    /// Sells at both and renames the tea at Square, whose notification of that is thin; returns the number of sales.
    fn trade(&self, enough: &Arc<AtomicBool>) -> JoinHandle<i32> {
        let shops = [self.accounts[0].shop(), self.accounts[1].shop()];
        let enough = Arc::clone(enough);
        tokio::spawn(async move {
            let mut sold = 0;
            while !enough.load(Ordering::Relaxed) {
                let shop = &shops[usize::try_from(sold % 2).expect("0 or 1")];
                sell(shop);
                sold += 1;
                let tea = shops[1].find("tea").expect("it is on sale");
                shops[1].edit_title(&tea.product, &name(sold)).expect("the shop takes it");
                tokio::time::sleep(PAUSES[1]).await;
            }
            sold
        })
    }

    /// Resolves stopped writes, as a person would; returns true if there were any.
    async fn is_seen_to(&self, world: &World) -> bool {
        let filter = ConflictFilter {
            store: Some(self.merchant.store.clone()),
            kind: Some(ConflictKind::Flapping),
            ..ConflictFilter::default()
        };
        let stopped = world.store.conflicts(&filter, 2).await.expect("the database answers");
        for conflict in &stopped {
            let arguments = ["conflicts", "resolve", &conflict.id.to_string(), "--note", "many sales"];
            tillflow(world, &arguments).await.well();
        }
        !stopped.is_empty()
    }

    async fn assert_agreed(&self, world: &World, sold: i32) {
        let accounts = [&self.accounts[0], &self.accounts[1]];
        world.quiet(WORKED_OFF, &[&self.merchant], &accounts).await;
        // So many sales in a minute may look like another program's reactions to our writes.
        while self.is_seen_to(world).await {
            world.quiet(WORKED_OFF, &[&self.merchant], &accounts).await;
        }
        let left = STOCK - sold;
        assert_eq!(
            world.level(&self.merchant, "tea").await,
            Some(Quantity::pieces(left)),
            "{sold} were sold"
        );
        for account in accounts {
            let tea = account.shop().find("tea").expect("it is on sale");
            let level = account.shop().level(&tea.item, &account.location_id());
            assert_eq!(level, Some(left.to_string()), "{}: {sold} were sold", account.platform);
        }
        for account in accounts {
            let tea = account.shop().find("tea").expect("it is on sale");
            let held = account.shop().title(&tea.product);
            assert_eq!(held, Some(name(sold)), "{}: the last name that Square gave it", account.platform);
        }
        world.assert_sound(&self.merchant).await;
    }
}

/// The title of the tea after `sold` sales.
fn name(sold: i32) -> String {
    format!("Green tea {sold}")
}

fn sell(shop: &ShopHandle) {
    let tea = shop.find("tea").expect("it is on sale");
    let location = shop.locations().swap_remove(0);
    shop.sell(&tea.item, &location, 1).expect("there is enough");
}

/// Sends deliveries that normalize has to reject; returns the intake's ids of the accepted ones.
async fn poison(account: Account, enough: Arc<AtomicBool>) -> BTreeSet<String> {
    let sender = Sender::default();
    let mut taken = BTreeSet::new();
    for number in 1.. {
        if enough.load(Ordering::Relaxed) {
            break;
        }
        let delivery = account.sign("inventory_levels/update", &format!("poison-{number}"), b"{}".to_vec());
        taken.insert(sender.send_until_kept(&delivery, WORKED_OFF).await.0);
        tokio::time::sleep(PAUSES[2]).await;
    }
    taken
}

async fn assert_dead(world: &World, expected: &BTreeSet<String>) {
    eventually(PATIENCE, "all that was rejected lies in DEAD", async || {
        let mut reader = world.bus.read_dead(None).await.expect("the broker answers");
        let mut dead = BTreeSet::new();
        while let Some(message) = reader.next().await.expect("the broker answers") {
            let dead_letter = wire::decode_dead(message.payload).expect("a dead letter");
            dead.insert(match dead_letter.original {
                Original::Delivery(delivery) => delivery.id.to_string(),
                Original::Event(event) => event.delivery.to_string(),
            });
            assert_eq!(dead_letter.reject.class.as_str(), "schema", "{:?}", dead_letter.reject);
        }
        let strange = dead.difference(expected).count();
        assert_eq!(strange, 0, "nothing is there that wasn't poison");
        let missing = expected.difference(&dead).count();
        if missing == 0 { Ok(()) } else { Err(format!("{missing} of {} are missing", expected.len())) }
    })
    .await;
}

/// Crashes the services at the points of a round, and restarts them.
async fn die_and_rise(world: &mut World, points: Points, round: usize) {
    let points = points.iter().filter_map(|(program, points)| Some((*program, *points.get(round)?)));
    let mut doomed = Vec::new();
    for (program, point) in points {
        assert!(world.terminate(program).await.success(), "{} ends well", program.name());
        let replica = world.launch_to_die(program, &format!("{point}:{PASS}"));
        doomed.push((replica, point));
    }
    for (replica, point) in &doomed {
        let (status, said) = world.death(*replica, DEATH).await;
        let name = replica.program().name();
        assert_eq!(status.signal(), ABORTED, "{name} dies at {point}: {status}\n{said}");
        let (_, of_stage) = point.split_once('.').expect("a stage and a point of it");
        assert!(said.contains(&format!("\"point\":\"{of_stage}\"")), "{name} dies at {point}:\n{said}");
        // Each is restarted as soon as it is dead: others may need it to reach their own points.
        world.launch(&[replica.program()]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_dies_at_any_point_of_its_work_loses_and_repeats_nothing() {
    dies_at(&Program::ALL, POINTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stages_in_one_pass_that_die_at_any_point_of_their_work_lose_and_repeat_nothing() {
    dies_at(&Program::IN_ONE_PASS, POINTS_OF_ONE_PASS).await;
}

async fn dies_at(programs: &[Program], points: Points) {
    let mut world = World::start(programs).await;
    let shops = Shops::open(&world).await;
    let poisoned = world.merchant("poisoned").await;
    let poisoned = world.account(&poisoned, "shopify", AccountOptions::silent()).await;
    let mut crowd = Crowd::open(&world, 4, 2).await.with_pause(PAUSES[0]);
    let stream = crowd.send(usize::MAX);
    let enough = Arc::new(AtomicBool::new(false));
    let trade = shops.trade(&enough);
    let poison = tokio::spawn(poison(poisoned, Arc::clone(&enough)));

    let rounds = points.iter().map(|(_, points)| points.len()).max().unwrap_or_default();
    for round in 0..rounds {
        die_and_rise(&mut world, points, round).await;
    }

    enough.store(true, Ordering::Relaxed);
    stream.end();
    let sold = trade.await.expect("the shops trade");
    let poison = poison.await.expect("poison is sent");
    crowd.finish(stream).await;
    crowd.assert_all_there(&world, WORKED_OFF).await;
    assert_dead(&world, &poison).await;
    shops.assert_agreed(&world, sold).await;
}
