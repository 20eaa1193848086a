//! Lists of large shops, which the platform makes as files in the background.

use model::CollectionState;
use simulator::{BulkTrouble, NewVariant};
use std::{os::unix::process::ExitStatusExt as _, time::Duration};
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

/// The state of a list that was begun.
async fn list(world: &World, account: &Account, name: &str) -> Option<CollectionState> {
    let rows = world.store.collections(&account.connection).await.expect("the database answers");
    rows.into_iter().find(|row| row.collection == name).map(|row| row.state)
}

/// Waits until everything was read.
async fn is_read(world: &World, account: &Account, count: usize) {
    eventually(LARGE_PATIENCE, "all lists are read", async || {
        for name in ["products", "levels"] {
            let state = list(world, account, name).await.ok_or(format!("{name}: none"))?;
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
    // The pages before are the beginnings and looks of products and levels, and the other lists.
    let doomed = world.launch_to_die(Program::Fetch, "fetch.page_accepted:11");
    let (status, said) = world.death(doomed, LARGE_PATIENCE).await;
    assert_eq!(status.signal(), ABORTED, "{said}");
    let killed =
        list(&world, &account, "products").await.and_then(|state| state.read).expect("it is under way");
    assert!(killed.cursor.as_ref().is_some_and(|cursor| cursor.contains("Begun")), "{killed:?}");
    world.launch(&[Program::Fetch]).await;
    is_read(&world, &account, PRODUCTS).await;
    let [begun, files, pages] =
        ["bulkOperationRunQuery", "file", "products"].map(|name| calls(&account, name));
    println!("{begun} operations, {files} parts of files, {pages} pages of products");
    assert!(begun <= 3, "{begun} operations for two lists and a page that was under way");
    assert!(files >= 3, "{files} parts: the file of products has two, that of levels one");
    assert!(pages == 0, "{pages} pages of products were read besides");
    let read =
        list(&world, &account, "products").await.and_then(|state| state.last).expect("it has ended").read;
    assert_eq!((read.number, read.is_shifted), (killed.number, false), "the same read");
    let repeated = "SELECT count(*) FROM (SELECT FROM events GROUP BY event_id HAVING count(*) > 1) AS x";
    assert_eq!(world.sql(repeated).await, "0");
    world.assert_sound(&merchant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_whose_operations_fail_is_read_page_by_page() {
    const PRODUCTS: usize = 1_000;
    let (mut world, merchant, account) = open(PRODUCTS, Some(BulkTrouble::Fails)).await;
    world.launch(&[Program::Fetch]).await;
    // Its pages take minutes: the budget of points is a small shop's.
    eventually(LARGE_PATIENCE, "pages are read", async || {
        let pages = calls(&account, "products");
        if pages > 5 { Ok(()) } else { Err(pages) }
    })
    .await;
    assert_eq!(calls(&account, "file"), 0, "a part of a list isn't read");
    assert!(calls(&account, "bulkOperationRunQuery") <= 2, "operations aren't begun again");
    world.assert_sound(&merchant).await;
}
