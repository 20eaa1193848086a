//! Measures a day of sales in shops whose webhooks are partly lost, until the shops agree.

use super::{
    feed,
    load_thread::LoadThread,
    sync::{Listed, PIECES},
};
use crate::{cli::SyncBench, dev::Servers, failure::Failed, output, progress::Progress};
use serde::Serialize;
use simulator::{Chaos, ItemIds, ShopHandle};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep, sleep_until};

/// The lists that show sales.
const LISTS: [&str; 2] = ["levels", "products"];
/// Interval between two looks at the shops.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Number of intervals after the last sale, and time beyond them, within which the shops agree; otherwise the
/// measurement fails.
const INTERVALS_MAX: u32 = 3;
const GRACE: Duration = Duration::from_mins(1);
/// Distance of two products that are sold one after the other.
const STRIDE: usize = 7919;

/// The figures of the sales after a first sync.
#[derive(Debug, Serialize)]
pub(super) struct Day {
    sales: u32,
    /// Time during which they were made.
    seconds: f64,
    webhooks_lost: u64,
    /// Time after the last sale until the levels of all shops that are written to were what follows from the sales.
    agree_after_seconds: f64,
    /// The longest interval between two reads of a list of levels.
    interval_seconds: u64,
    /// Number of calls of each platform during the day.
    calls: BTreeMap<&'static str, u64>,
}

/// A shop that sells.
struct Selling {
    name: &'static str,
    handle: ShopHandle,
    items: Vec<ItemIds>,
    is_written: bool,
}

/// Sells in the shops in turn.
pub(super) async fn measure(
    thread: &LoadThread,
    servers: &Servers,
    shops: &[Listed],
    arguments: &SyncBench,
) -> Result<Day, Failed> {
    let SyncBench { sales, rate, lost, .. } = *arguments;
    let selling: Vec<_> = shops.iter().map(Selling::of).collect();
    let interval = shops.iter().filter_map(interval).max();
    let interval = arguments.every_seconds.map(Duration::from_secs).or(interval).unwrap_or_default();
    for shop in &selling {
        shop.handle.set_chaos(Chaos { lost, ..Chaos::default() });
    }
    let calls = |shop: &Selling| shop.handle.calls_since(u64::MAX).1;
    let before: Vec<u64> = selling.iter().map(calls).collect();
    let began = Instant::now();
    output::progress(&format!("making {sales} sales, {rate} a second"));
    let (selling, expected) = thread.run(sell(selling, sales, rate)).await?;
    let seconds = began.elapsed().as_secs_f64();
    output::progress(&format!("waiting for the shops to agree; a list is read every {interval:?}"));
    let agree_after_seconds = until_agreed(servers, &selling, &expected, interval).await?;
    let during = selling.iter().zip(before).map(|(shop, before)| (shop.name, calls(shop) - before));
    Ok(Day {
        sales,
        seconds,
        webhooks_lost: selling.iter().map(|shop| shop.handle.webhooks_lost()).sum(),
        agree_after_seconds,
        interval_seconds: interval.as_secs(),
        calls: during.collect(),
    })
}

/// The interval between two reads of the list that shows the shop's levels.
fn interval(listed: &Listed) -> Option<Duration> {
    let lists = platforms::find(listed.platform.name())?.collections()?.all();
    LISTS.iter().find_map(|name| lists.iter().find(|list| list.name == *name)).map(|list| list.every)
}

/// The levels that follow from the sales, by the number of the product.
type Expected = BTreeMap<usize, i64>;

async fn sell(shops: Vec<Selling>, sales: u32, rate: u32) -> Result<(Vec<Selling>, Expected), Failed> {
    let (began, mut expected) = (std::time::Instant::now(), Expected::new());
    let progress = Progress::new("sales");
    progress.expect(u64::from(sales));
    for index in 0..sales as usize {
        sleep_until(feed::due(began, index, u64::from(rate)).into()).await;
        let shop = &shops[index % shops.len()];
        let number = index / shops.len() * STRIDE % shop.items.len();
        let (item, location) = (&shop.items[number].item, shop.handle.locations().swap_remove(0));
        let sold = shop.handle.sell(item, &location, 1);
        sold.map_err(|error| Failed::Other(format!("{} can't sell: {error}", shop.name)))?;
        *expected.entry(number).or_insert(PIECES) -= 1;
        progress.add(1);
    }
    progress.finish();
    Ok((shops, expected))
}

/// Waits until every shop that is written to has the levels, and nothing is under way; returns the time.
async fn until_agreed(
    servers: &Servers,
    shops: &[Selling],
    expected: &Expected,
    interval: Duration,
) -> Result<f64, Failed> {
    let began = Instant::now();
    loop {
        let differing: usize = shops.iter().map(|shop| shop.differing(expected)).sum();
        if differing == 0 && servers.store.in_flight().await? == 0 {
            return Ok(began.elapsed().as_secs_f64());
        }
        if began.elapsed() > interval * INTERVALS_MAX + GRACE {
            let after = began.elapsed().as_secs();
            return Err(Failed::Other(format!(
                "{differing} levels still differ {after} s after the last sale"
            )));
        }
        sleep(LOOK_EVERY).await;
    }
}

impl Selling {
    fn of(listed: &Listed) -> Self {
        Self {
            name: listed.platform.name(),
            handle: listed.simulator.shop(),
            items: listed.items.clone(),
            is_written: listed.is_writable(),
        }
    }

    /// The number of levels that aren't what follows from the sales of all shops.
    fn differing(&self, expected: &Expected) -> usize {
        let location = self.handle.locations().swap_remove(0);
        let differs = |(number, level): &(&usize, &i64)| {
            let held = self.handle.level(&self.items[**number].item, &location);
            held.as_deref() != Some(level.to_string().as_str())
        };
        if self.is_written { expected.iter().filter(differs).count() } else { 0 }
    }
}

impl Day {
    pub(super) fn lines(&self) -> Vec<String> {
        let Self { sales, seconds, webhooks_lost, agree_after_seconds, interval_seconds, calls } = self;
        let calls: Vec<_> = calls.iter().map(|(name, count)| format!("{name} {count}")).collect();
        vec![
            format!("{sales} sales in {seconds:.0} s, {webhooks_lost} webhooks lost"),
            format!(
                "  the shops agree {agree_after_seconds:.1} s after the last sale; a list is read every {interval_seconds} s"
            ),
            format!("  calls during the day: {}", calls.join(", ")),
        ]
    }
}
