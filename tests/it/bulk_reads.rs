//! Lists of large shops, which the platform makes as files in the background.

use simulator::{BulkTrouble, NewVariant};
use std::{os::unix::process::ExitStatusExt as _, time::Duration};
use store::CollectionRow;
use testkit::{Account, Merchant, Program, World, WorldOptions, eventually};

/// Signal number of SIGABRT.
const ABORTED: Option<i32> = Some(6);
/// Time limit for reading a large shop.
const LARGE_PATIENCE: Duration = Duration::from_mins(2);

/// A shop with products, of which no list was read: nothing fetches yet.
async fn open(products: usize, trouble: Option<BulkTrouble>) -> (World, Merchant, Account) {
    // Each list is read once while the test runs.
    let options = WorldOptions { scheduled_reads: vec!["every_seconds = 3600"], ..WorldOptions::default() };
    let others: Vec<_> = Program::ALL.into_iter().filter(|program| *program != Program::Fetch).collect();
    let world = World::start_with(options, &others).await;
    let merchant = world.merchant("shop").await;
    let account = world.simulated(&merchant, "shopify").await;
    let shop = account.shop();
    shop.lose_webhooks(true);
    shop.trouble_bulk_operations(trouble);
    for number in 0..products {
        let variant = NewVariant::stocked(&format!("sku-{number}"), 950, 1, &shop.locations());
        shop.add_product(&format!("Tea {number}"), &[variant]).expect("the shop takes it");
    }
    (world, merchant, account)
}

/// The number of calls of an operation.
fn calls(account: &Account, operation: &str) -> usize {
    account.shop().calls().iter().filter(|call| call.operation == operation).count()
}

async fn list(world: &World, account: &Account, name: &str) -> CollectionRow {
    let rows = world.store.collections(&account.connection).await.expect("the database answers");
    rows.into_iter().find(|row| row.collection == name).expect("it was read")
}

/// Waits until everything was read.
async fn is_read(world: &World, account: &Account, count: usize) {
    eventually(LARGE_PATIENCE, "all lists are read", async || {
        for name in ["products", "levels"] {
            let state = list(world, account, name).await.state;
            let last = state.last.ok_or(format!("{name}: {:?}, {:?}", state.read, state.failure))?;
            if state.complete_at.is_none() || last.read.seen != count as u64 {
                return Err(format!("{name}: {last:?}"));
            }
        }
        Ok(())
    })
    .await;
    for (what, query) in [
        ("products", "SELECT count(*) FROM products WHERE deleted_at IS NULL"),
        ("levels", "SELECT count(*) FROM inventory_levels WHERE quantity = 1"),
    ] {
        eventually(LARGE_PATIENCE, what, async || {
            let found = world.sql(query).await;
            if found == count.to_string() { Ok(()) } else { Err(found) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_shop_is_read_from_a_file_and_a_killed_read_goes_on_within_it() {
    const PRODUCTS: usize = 2_500;
    let (mut world, merchant, account) = open(PRODUCTS, None).await;
    // Within the pages of one list or the other: each has its beginning, its looks and its parts.
    let doomed = world.launch_to_die(Program::Fetch, "fetch.page_accepted:10");
    let (status, said) = world.death(doomed, LARGE_PATIENCE).await;
    assert_eq!(status.signal(), ABORTED, "{said}");
    world.launch(&[Program::Fetch]).await;
    is_read(&world, &account, PRODUCTS).await;
    let [begun, files, pages] =
        ["bulkOperationRunQuery", "file", "products"].map(|name| calls(&account, name));
    println!("{begun} operations, {files} parts of files, {pages} pages of products");
    assert!(begun <= 3, "{begun} operations for two lists and a page that was under way");
    assert!(files >= 4, "{files} parts: there are two files of two parts or more");
    assert!(pages <= 1, "{pages} pages of products were read besides");
    let repeated = "SELECT count(*) FROM (SELECT FROM events GROUP BY event_id HAVING count(*) > 1) AS x";
    assert_eq!(world.sql(repeated).await, "0");
    world.assert_sound(&merchant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_whose_operations_fail_is_read_page_by_page() {
    const PRODUCTS: usize = 1_000;
    let (mut world, merchant, account) = open(PRODUCTS, Some(BulkTrouble::Fails)).await;
    world.launch(&[Program::Fetch]).await;
    is_read(&world, &account, PRODUCTS).await;
    assert!(calls(&account, "products") > 10, "pages were read");
    assert_eq!(calls(&account, "file"), 0, "a part of a list isn't read");
    world.assert_sound(&merchant).await;
}
