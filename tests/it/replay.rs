//! Replays of RAW.

use crate::{PATIENCE, command_line::tillflow};
use model::Outcome;
use simulator::NewVariant;
use testkit::{Account, AccountOptions, Merchant, Program, Sender, World};

const PRODUCT: u64 = 1000;

/// Two platforms that sell and are written to, and a connection with duplicates, stale reports and an invalid one.
pub(crate) async fn lived(world: &World) -> (Merchant, Account, Account) {
    let merchant = world.merchant("shop").await;
    let shopify = world.simulated(&merchant, "shopify").await;
    let square = world.simulated(&merchant, "square").await;
    for account in [&shopify, &square] {
        for sku in ["tea", "mug"] {
            let variant = NewVariant::stocked(sku, 950, 50, &account.shop().locations());
            account.shop().add_product(&format!("Fine {sku}"), &[variant]).expect("the shop takes it");
        }
    }
    world.quiet(PATIENCE, &[&merchant], &[&shopify, &square]).await;
    for round in 0..12 {
        for (account, sku) in [(&shopify, "tea"), (&square, "tea"), (&square, "mug"), (&shopify, "mug")] {
            if round % 3 != 0 || sku == "tea" {
                let item = account.shop().find(sku).expect("it is on sale").item;
                account.shop().sell(&item, &account.location_id(), 1).expect("there are fifty");
            }
        }
        if round % 4 == 0 {
            world.quiet(PATIENCE, &[&merchant], &[&shopify, &square]).await;
        }
    }
    let silent = world.merchant("silent").await;
    let account = world.account(&silent, "shopify", AccountOptions::silent()).await;
    let sender = Sender::default();
    let poison = account.sign("inventory_levels/update", "poison", b"{}".to_vec());
    let item = PRODUCT + 101;
    for delivery in [
        account.product("made", PRODUCT, "Tea", 1, 0),
        account.level("newer", item, 5, 50),
        account.level("older", item, 9, 20),
        poison,
        account.level("newer", item, 5, 50),
        account.level("last", item, 4, 60),
    ] {
        sender.send_until_kept(&delivery, PATIENCE).await;
    }
    world.quiet(PATIENCE, &[&merchant, &silent], &[&shopify, &square]).await;
    assert!(world.count(&merchant, Outcome::Echo).await > 0, "writes of ours came back");
    (merchant, shopify, square)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_into_an_empty_database_comes_to_the_same_and_one_over_the_present_changes_nothing() {
    let world = World::start(&Program::ALL).await;
    let (merchant, shopify, square) = lived(&world).await;
    let calls = || shopify.shop().calls().len() + square.shop().calls().len();
    let (calls_before, digest_before) =
        (calls(), world.store.digest(&merchant.store).await.expect("a digest"));
    let rows_before = rows(&world, 0).await;
    let transaction = world.sql("SELECT pg_snapshot_xmax(pg_current_snapshot())").await;
    let transaction = transaction.parse().expect("a number");

    let said = tillflow(&world, &["replay"]).await;
    let said = said.well();
    assert_eq!(said.last().and_then(|line| line["would_change"].as_u64()), Some(0), "{said:?}");
    assert_eq!(rows(&world, transaction).await, 0, "no row was written");
    assert_eq!(rows(&world, 0).await, rows_before, "no row was deleted");

    let url = world.postgres.create_database("rebuilt").await.expect("a database can be made");
    let said = tillflow(&world, &["replay", "--into", &url]).await;
    assert_eq!(said.code, 0, "{}\n{:?}", said.error, said.lines);
    let summary = said.lines.last().expect("it says what it did");
    assert_eq!((summary["stores"].as_u64(), summary["different"].as_u64()), (Some(2), Some(0)), "{summary}");
    assert_eq!(calls(), calls_before, "nobody was called");
    assert_eq!(world.store.digest(&merchant.store).await.expect("a digest"), digest_before);

    let refused = tillflow(&world, &["replay", "--into", &url]).await;
    assert_eq!(refused.code, 2, "a database that isn't empty is taken only with --resume: {refused:?}");
    let resumed = tillflow(&world, &["replay", "--into", &url, "--resume"]).await.well();
    assert_eq!(resumed.last().and_then(|line| line["different"].as_u64()), Some(0));

    // Without the write log, echoes would count as sales; the comparison detects this.
    world.sql("DELETE FROM write_log").await;
    let other = world.postgres.create_database("without_marks").await.expect("a database can be made");
    let said = tillflow(&world, &["replay", "--into", &other]).await;
    assert_eq!(said.code, 1, "{said:?}");
}

/// Number of rows written by transactions from this one on, without the rows of the services' progress.
async fn rows(world: &World, transaction: u64) -> u64 {
    let count = "format('SELECT count(*) AS n FROM %I WHERE xmin::text::bigint >= %s', relname, $1)";
    let counted =
        format!("(xpath('/row/n/text()', query_to_xml({count}, false, true, '')))[1]::text::bigint");
    let query = format!(
        "SELECT sum({counted}) FROM pg_stat_user_tables WHERE relname NOT IN ('cursors', 'accepted')"
    );
    let rows = world.sql(&query.replace("$1", &transaction.to_string())).await;
    rows.parse().expect("a number")
}
