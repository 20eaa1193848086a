//! Agreement between platforms after simultaneous sales.

use crate::PATIENCE;
use model::Quantity;
use testkit::{Account, Program, World, eventually};

/// Number of rounds in which both sell at the same moment.
const ROUNDS: i32 = 3;

fn level(account: &Account) -> Option<String> {
    let item = account.shop().find("tea")?.item;
    account.shop().level(&item, &account.location_id())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_platforms_that_each_sell_one_of_ten_at_the_same_moment_end_at_eight() {
    let world = World::start(&Program::ALL).await;
    let (merchant, [shopify, square]) = world.tea_shop(["shopify", "square"], PATIENCE).await;
    let accounts = [&shopify, &square];

    for round in 1..=ROUNDS {
        let before = 10 - 2 * (round - 1);
        assert_eq!(world.level(&merchant, "tea").await, Some(Quantity::pieces(before)));
        for account in accounts {
            account.shop().hold_webhooks(true);
        }
        for account in accounts {
            let item = account.shop().find("tea").expect("it is on sale").item;
            account.shop().sell(&item, &account.location_id(), 1).expect("there is one");
            assert_eq!(level(account), Some((before - 1).to_string()), "neither knows of the other's sale");
        }
        for account in accounts {
            account.shop().hold_webhooks(false);
        }

        let wanted = before - 2;
        eventually(PATIENCE, &format!("all of them have {wanted}"), async || {
            let ours = world.level(&merchant, "tea").await;
            let theirs = accounts.map(level);
            let agreed = ours == Some(Quantity::pieces(wanted))
                && theirs.iter().all(|level| *level == Some(wanted.to_string()));
            if agreed { Ok(()) } else { Err(format!("we have {ours:?}, Shopify and Square {theirs:?}")) }
        })
        .await;
        world.quiet(PATIENCE, &[&merchant], &accounts).await;
        assert_eq!(
            accounts.map(level),
            [Some(wanted.to_string()), Some(wanted.to_string())],
            "and it stays so"
        );
    }
    world.assert_sound(&merchant).await;
}
