//! RAW, decided once more.

use crate::{PATIENCE, command_line::tillflow};
use model::Outcome;
use simulator::{Kind, NewVariant};
use testkit::{Account, AccountOptions, Merchant, Program, Sender, World};

const PRODUCT: u64 = 1000;

/// Two platforms that sell and are written to, and a third connection with duplicates, old news and poison.
pub(crate) async fn lived(world: &World) -> (Merchant, Account, Account) {
    let merchant = world.merchant("shop").await;
    let shopify = world.simulated(&merchant, Kind::Shopify).await;
    let square = world.simulated(&merchant, Kind::Square).await;
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
                account.shop().sell(&item, &account.place(), 1).expect("there are fifty");
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
    let rows = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables
                WHERE relname NOT IN ('cursors', 'accepted')";
    let rows_before = settled(&world, rows).await;

    let said = tillflow(&world, &["replay"]).await;
    let said = said.well();
    assert_eq!(said.last().and_then(|line| line["would_change"].as_u64()), Some(0), "{said:?}");
    assert_eq!(settled(&world, rows).await, rows_before, "no row was written");

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

    // Without what was sent, echoes would count as sales: the comparison sees it.
    world.sql("DELETE FROM send_marks").await;
    let other = world.postgres.create_database("without_marks").await.expect("a database can be made");
    let said = tillflow(&world, &["replay", "--into", &other]).await;
    assert_eq!(said.code, 1, "{said:?}");
}

/// What a query says once the statistics have come to rest.
async fn settled(world: &World, query: &str) -> String {
    let mut before = String::new();
    testkit::eventually(PATIENCE, "statistics rest", async || {
        let now = world.sql(query).await;
        if std::mem::replace(&mut before, now.clone()) == now {
            return Ok(now);
        }
        tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
        Err(now)
    })
    .await
}
