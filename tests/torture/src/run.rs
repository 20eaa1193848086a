//! One run: set up, send and make faults, recover, wait for rest, read the evidence, check it.

use crate::{
    args::Options,
    check,
    crowd::Crowd,
    evidence::{self, Compared, Evidence, Sql, Stillness},
    fault::{Done, FaultRunner, Order, Partner, progress},
    fleet::Fleet,
    plan::{self, Bodies, Plan, Planned, What},
    probe::Prober,
    report::{self, Report},
    rest,
    seen::{self, Caused, Witnessed},
    sending::{DeliverySender, Sending},
    watch::{self, Watch},
};
use sandbox::Scratch;
use simulator::Traffic;
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use testkit::World;
use tokio::{
    sync::{Semaphore, oneshot},
    task::{JoinHandle, JoinSet},
};

/// Upper limit of set-up deliveries that are under way at once.
const SET_UP_AT_ONCE: usize = 64;
/// Time limit for the set-up to come to rest.
const SET_UP_LIMIT: Duration = Duration::from_mins(15);
/// Numbers of the set-up lie beyond those of the stream and of probes.
const SET_UP_NUMBERS: u64 = 1 << 41;
/// One part in this many, at the beginning and at the end of the sending time, is without faults.
const QUIET_SHARE: u32 = 6;
/// Number of times that faults without an effect are repeated.
const ONCE_MORE_MAX: u32 = 5;
/// Time limit for senders to finish after the faults.
const SENDERS_LIMIT: Duration = Duration::from_mins(3);
/// Time limit for replicas to become ready after the faults.
const READY_LIMIT: Duration = Duration::from_mins(1);
/// Time for which platforms are watched for calls once nothing changes.
const STILL_FOR: Duration = Duration::from_secs(5);
/// Number of kills after which a run with `--kills` reports its progress.
const REPORT_EVERY: u32 = 25;

/// Everything that was set up for a run.
struct Stage {
    runner: FaultRunner,
    sender: DeliverySender,
    watch: Watch,
    // Removed last.
    scratch: Scratch,
}

/// Executes a run.
pub(crate) async fn run(options: &Options) -> Report {
    let began = Instant::now();
    let seed = options.seed.unwrap_or_else(rand::random);
    progress(&format!("seed {seed}"));
    let mut stage = set_up(options, seed).await;
    let under = torture(options, seed, &mut stage).await;
    let (planned, late_senders) = heal(under).await;
    let Stage { runner, sender, watch, scratch } = stage;
    progress("waiting for rest");
    let sql = Sql(&runner.world);
    let rested = rest::wait_for_rest(&runner.world.bus, &sql, &runner.crowd, options.rest()).await;
    let stillness = stillness(&runner.crowd).await;
    let watched = watch.finish().await;
    progress("reading what is left");
    let lives = runner.fleet.lives().await;
    let mut evidence =
        read(&runner, &sender, scratch.path(), watched.sent.clone()).await.expect("what is left can be read");
    evidence.stillness = stillness;
    evidence.late_senders = late_senders;
    evidence.activity = rested.as_ref().err().cloned();
    let checks = check::all(&evidence);
    let read_again = runner.fleet.read_again();
    let witnessed = Witnessed { options, done: &runner.done, platforms: &watched.statuses, read_again };
    let seen = seen::all(&evidence, &witnessed);
    let missing = seen::missing(&seen, &witnessed);
    let report = Report {
        seed,
        passed: missing.is_empty() && checks.iter().all(|check| check.violations == 0),
        planned,
        kept: evidence.ledger.reported.values().filter(|reported| reported.kept.is_some()).count(),
        in_raw: evidence.raw.len(),
        changes: evidence.changes.len(),
        kills: runner.done.kills(),
        faults: report::fault_lines(&runner.done),
        memory: runner.fleet.memory().lines(),
        seen,
        missing,
        checks,
        lives,
        ended: evidence.journal.ended,
        last_words: evidence.journal.last_words,
        seconds_to_rest: rested.ok().map(|rested| rested.as_secs_f64()),
        seconds: began.elapsed().as_secs_f64(),
    };
    // The services end before their servers: otherwise they would log errors.
    let FaultRunner { world, fleet, .. } = runner;
    drop((sender, stop_fleet(fleet).await));
    drop(world);
    report
}

async fn stop_fleet(fleet: Arc<Fleet>) {
    if let Some(fleet) = Arc::into_inner(fleet) {
        fleet.stop().await;
    }
}

async fn set_up(options: &Options, seed: u64) -> Stage {
    let scratch = Scratch::new().expect("a folder to throw away");
    let world = World::start(&[]).await;
    let fleet = Arc::new(Fleet::start(&world, scratch.path(), options.programs(), options.replicas).await);
    progress("the services take work");
    let (intakes, partitions) = (fleet.intakes(), world.bus.partitions());
    let crowd = Arc::new(Crowd::open(&world.store, partitions, &intakes, options).await);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let bodies = Bodies { begins: i64::try_from(since.as_secs()).unwrap_or(0) };
    let sender = DeliverySender::new(Arc::clone(&crowd), &intakes, bodies, seed);
    let watch = Watch::start(Arc::clone(&crowd));
    report_products(&sender).await;
    let sql = Sql(&world);
    let rested = rest::wait_for_rest(&world.bus, &sql, &crowd, SET_UP_LIMIT).await;
    rested.unwrap_or_else(|activity| panic!("the products aren't known: {activity}"));
    if crowd.stock() > 0 {
        let rested = rest::wait_for_rest(&world.bus, &sql, &crowd, SET_UP_LIMIT).await;
        rested.unwrap_or_else(|activity| panic!("the simulated shops don't agree: {activity}"));
    }
    progress(&format!("{} stores are set up", crowd.stores.len()));
    let prober = Arc::new(Prober::new(sender.clone(), world.store.clone(), world.bus.clone()));
    let order = Order::new(seed, &options.groups(), options.programs());
    let (overlapping, misbehaved, done) = (options.overlapping, Arc::default(), Done::default());
    let (partner, let_in) = (Partner::let_in(&world).await, Arc::default());
    let runner =
        FaultRunner { world, fleet, crowd, prober, order, overlapping, misbehaved, partner, let_in, done };
    Stage { runner, sender, watch, scratch }
}

/// Reports every product of every store. For a store with simulated shops it also reports each product's first level:
/// otherwise the level of a simulated shop, much lower than any of the stream, would be the store's first.
async fn report_products(sender: &DeliverySender) {
    let permits = Arc::new(Semaphore::new(SET_UP_AT_ONCE));
    let mut reporting = JoinSet::new();
    let mut number = SET_UP_NUMBERS;
    for (index, merchant) in sender.crowd.stores.iter().enumerate() {
        for product in 0..sender.crowd.products_of(index) {
            let mut first = vec![What::Product { product, version: 0 }];
            if !merchant.simulated.is_empty() {
                first.push(What::Level { product, version: 0, level: plan::LEVEL_FROM });
            }
            let store = merchant.index;
            let first: Vec<_> = first
                .into_iter()
                .map(|what| {
                    number += 1;
                    Planned { number, twin: false, store, what, repeats: 0 }
                })
                .collect();
            let (sender, permits) = (sender.clone(), Arc::clone(&permits));
            reporting.spawn(async move {
                let _permit = permits.acquire_owned().await;
                for planned in first {
                    sender.until_kept(&planned, None).await;
                }
            });
        }
    }
    reporting.join_all().await;
}

/// The stream and the shoppers, both under way.
struct Under {
    sending: Sending,
    stop: oneshot::Sender<()>,
    people: JoinHandle<()>,
}

/// Sends the stream, and makes faults in the middle two thirds of the time.
async fn torture(options: &Options, seed: u64, stage: &mut Stage) -> Under {
    let runner = &mut stage.runner;
    let sending = stage.sender.stream(Plan::new(seed, runner.crowd.shape()), options.rate);
    let (stop, stopped) = oneshot::channel::<()>();
    let shops = runner.crowd.simulated().map(|(_, simulated)| simulated.shop()).collect();
    let per_minute = options.shopping;
    let people = tokio::spawn(async move {
        Traffic::run(shops, per_minute, seed, async { stopped.await.unwrap_or_default() }).await;
    });
    let under = Under { sending, stop, people };
    let began = Instant::now();
    let calm = options.sending() / QUIET_SHARE;
    tokio::time::sleep(calm).await;
    let until = began + options.sending().saturating_sub(calm);
    let (mut reported, mut once_more) = (0, 0);
    loop {
        let enough = match options.kills {
            Some(kills) => runner.done.kills() >= kills,
            None => Instant::now() >= until,
        };
        if enough && !runner.order.owes() {
            let faults = caused(runner, &stage.sender, &stage.watch).nothing_by(&options.groups());
            if faults.is_empty() || once_more == ONCE_MORE_MAX {
                break;
            }
            once_more += 1;
            runner.order.again(faults);
        }
        if !runner.next().await {
            tokio::time::sleep(until.saturating_duration_since(Instant::now())).await;
            break;
        }
        if runner.done.kills() / REPORT_EVERY > reported {
            reported = runner.done.kills() / REPORT_EVERY;
            progress(&format!(
                "{} kills, {} deliveries kept",
                runner.done.kills(),
                stage.sender.ledger.kept()
            ));
        }
    }
    progress("no more faults");
    tokio::time::sleep(calm).await;
    under
}

fn caused(runner: &FaultRunner, sender: &DeliverySender, watch: &Watch) -> Caused {
    Caused {
        fenced: seen::fenced(&runner.fleet.journal().scrape()),
        sent_away: sender.ledger.responses(503),
        unknown_commits: runner.done.unknown_commits,
        sessions_ended: runner.done.sessions_ended,
        platforms: runner.crowd.simulated().next().map(|_| watch.statuses()),
    }
}

/// Ends the stream. Returns the number of deliveries, and the number of senders that weren't done in time.
async fn heal(under: Under) -> (u64, usize) {
    under.stop.send(()).ok();
    drop(under.people.await);
    under.sending.finish(SENDERS_LIMIT).await
}

/// Counts the calls to platforms at the beginning and at the end of a time in which nothing changes.
async fn stillness(crowd: &Crowd) -> Stillness {
    let before = watch::calls(crowd);
    tokio::time::sleep(STILL_FOR).await;
    let after = watch::calls(crowd);
    let calls: BTreeMap<_, _> = before
        .into_iter()
        .map(|(connection, before)| (connection.clone(), (before, after[&connection])))
        .collect();
    Stillness { calls }
}

/// Reads all evidence.
async fn read(
    runner: &FaultRunner,
    sender: &DeliverySender,
    folder: &Path,
    simulated: std::collections::HashSet<model::DeliveryId>,
) -> Result<Evidence, String> {
    let (sql, bus, crowd) = (Sql(&runner.world), &runner.world.bus, &runner.crowd);
    let changes = sql.changes().await?;
    let mut last: HashMap<u16, i64> = HashMap::new();
    for change in &changes {
        let number = last.entry(change.partition).or_default();
        *number = change.number.max(*number);
    }
    let mirrors = sql.mirrors().await?;
    let compared = compared(crowd, &mirrors);
    let simulated_count = crowd.simulated().count();
    let names = |merchant: &crate::crowd::Merchant| {
        (merchant.id.to_string(), merchant.account.connection.to_string())
    };
    let predictable = crowd.stores.iter().filter(|merchant| merchant.simulated.is_empty());
    Ok(Evidence {
        ledger: sender.ledger.close(),
        stores: crowd.stores.iter().map(names).collect(),
        predictable: predictable.map(|merchant| merchant.index).collect(),
        raw: evidence::raw(bus).await?,
        simulated,
        event_outcomes: sql.event_outcomes().await?,
        changes,
        accounts: sql.accounts().await?,
        audit: evidence::audit(&runner.world, folder).await?,
        levels: sql.levels().await?,
        orphans: sql.orphans().await?,
        mirrors,
        products: sql.products().await?,
        orders: sql.orders().await?,
        dead_letters: evidence::dead_letters(bus).await?,
        conflicts: sql.conflicts().await?,
        compared,
        compared_min: simulated_count * 3 * usize::from(crowd.simulated_products()),
        not_ready: runner.fleet.ready(READY_LIMIT).await,
        uncovered: evidence::uncovered(bus).await?,
        unpublished: evidence::gaps_in_applied(bus, &last).await?,
        stuck: runner.done.stuck.clone(),
        let_in: runner.let_in.load(Ordering::Relaxed),
        foreign: foreign(bus).await?,
        journal: runner.fleet.close().await,
        ..Evidence::default()
    })
}

/// The `FOREIGN` records of messages that aren't ours.
async fn foreign(bus: &bus::Bus) -> Result<Vec<String>, String> {
    let records = bus.foreign_records().await.map_err(|error| error.to_string())?;
    Ok(records.iter().map(|record| format!("{record:?}")).collect())
}

/// The values of simulated platforms beside ours.
fn compared(crowd: &Crowd, mirrors: &[evidence::MirrorRow]) -> Vec<Compared> {
    let shops: HashMap<String, _> = crowd
        .simulated()
        .map(|(_, simulated)| (simulated.connection.to_string(), simulated.shop()))
        .collect();
    let compare = |mirror: &evidence::MirrorRow| {
        let shop = shops.get(&mirror.connection)?;
        let (external, ours) = (mirror.external.as_str(), mirror.ours.clone());
        let theirs = match mirror.kind.as_str() {
            "inventory" => shop.level(external, shop.locations().first()?),
            "price" => shop.price(external).map(|price| price.to_string()),
            _ => shop.title(external),
        };
        let what = format!("{} {} {external}", mirror.connection, mirror.kind);
        Some(Compared { what, ours, theirs })
    };
    mirrors.iter().filter_map(compare).collect()
}
