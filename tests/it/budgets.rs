//! The budget of a connection's calls, which the processes that call its platform share.

use crate::PATIENCE;
use simulator::{ItemIds, NewVariant, RecordedCall};
use testkit::{Account, Program, World, WorldOptions, eventually};

/// Share of the rates that the test allows, in percent; of both platforms' rate it is the calls a second below.
const SETTINGS: [&str; 1] = ["rate_percent = 20"];
const CALLS_PER_SECOND: f64 = 2.0;
/// Calls at once; those of the leases that two processes may hold meanwhile; and those that arrive late.
const CALLS_AT_ONCE: f64 = 2.0 + 2.0 + 2.0;
/// Products, each of which has one write.
const PRODUCTS: usize = 16;

fn add(account: &Account, pieces: i64) -> Vec<ItemIds> {
    let shop = account.shop();
    let add = |number: usize| {
        let variant = NewVariant::stocked(&format!("sku-{number}"), 950, pieces, &shop.locations());
        shop.add_product(&format!("Tea {number}"), &[variant]).expect("the shop takes it").remove(0)
    };
    (0..PRODUCTS).map(add).collect()
}

/// The calls beyond what the rate allows between the first and the last; negative if there are fewer.
fn beyond_the_rate(calls: &[RecordedCall]) -> f64 {
    let (Some(first), Some(last)) = (calls.first(), calls.last()) else { return 0.0 };
    let seconds = (last.arrived_at - first.arrived_at).as_seconds_f64();
    f64::from(u32::try_from(calls.len()).expect("there are few")) - CALLS_PER_SECOND * seconds
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_writes_of_separate_processes_share_one_rate_and_stock_comes_first() {
    let options = WorldOptions {
        scheduled_reads: vec!["every_seconds = 1"],
        calls_settings: SETTINGS.to_vec(),
        ..WorldOptions::default()
    };
    let world = World::start_with(options, &Program::ALL).await;
    let merchant = world.merchant("shop").await;
    let web = world.simulated(&merchant, "shopify").await;
    web.shop().lose_webhooks(true);
    let sold = add(&web, 10);
    let till = world.simulated(&merchant, "square").await;
    till.shop().lose_webhooks(true);
    let items = add(&till, 10);
    // Every list of the till is read for the first time, and then each second.
    eventually(PATIENCE, "the shops agree", async || {
        let pairs = "SELECT count(*) FROM (SELECT internal FROM links WHERE kind = 'variant'
            GROUP BY internal HAVING count(*) = 2) AS pair";
        let linked = world.sql(pairs).await;
        let levels = world
            .sql("SELECT count(*) FROM mirrors WHERE kind = 'inventory' AND state -> 'baseline' ? 'known'")
            .await;
        let all = [PRODUCTS.to_string(), (2 * PRODUCTS).to_string()];
        if [&linked, &levels] == [&all[0], &all[1]] { Ok(()) } else { Err(format!("{linked}, {levels}")) }
    })
    .await;
    web.shop().lose_webhooks(false);
    let before = till.shop().calls_since(0).1;
    for item in &sold {
        web.shop().sell(&item.item, &web.location_id(), 1).expect("there is some");
    }
    eventually(PATIENCE, "every sale is written to the till", async || {
        let level = |item: &ItemIds| till.shop().level(&item.item, &till.location_id());
        let written = items.iter().filter(|item| level(item).as_deref() == Some("9")).count();
        if written == PRODUCTS { Ok(()) } else { Err(format!("{written} were")) }
    })
    .await;

    let all = till.shop().calls();
    let beyond = beyond_the_rate(&all);
    assert!(beyond <= CALLS_AT_ONCE, "{beyond} calls of {} are beyond the rate", all.len());
    let calls = till.shop().calls_since(before).0;
    let is_write = |call: &RecordedCall| !call.levels.is_empty();
    let first = calls.iter().position(is_write).expect("there are writes");
    let last = calls.iter().rposition(is_write).expect("there are writes");
    let others = calls[first..=last].iter().filter(|call| !is_write(call)).count();
    println!("{} calls, {beyond:.1} beyond the rate; {others} others between {PRODUCTS} writes", all.len());
    assert!(others <= PRODUCTS / 2, "{others} other calls came between {PRODUCTS} writes of stock");
    assert!(calls.len() > PRODUCTS, "lists are read meanwhile, and after it");
    world.assert_sound(&merchant).await;
}
