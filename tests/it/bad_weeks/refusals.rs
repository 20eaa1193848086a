//! Accounts that refuse calls, pauses, and items that are removed while a write is due.

use super::{STILL, Shop, connection, level, sell, tea, until};
use crate::command_line::tillflow;
use chrono::TimeDelta;
use model::{BaselineRule, ConflictKind};
use simulator::{Chaos, Standing};
use store::Health;
use testkit::{Account, Program, World};

/// Upper limit of calls for one change at a platform once it accepts calls again.
const CALLS_PER_CHANGE: usize = 8;

impl Shop<'_> {
    async fn health(&self, account: &Account) -> Health {
        connection(self.world, account).await.health
    }

    /// Refuses the account while a write is due at it; then the platform accepts calls again, and the connection is
    /// changed.
    async fn refuses(&self, refusing: &Account, standing: Standing, health: Health, kind: ConflictKind) {
        let (other, before) = if refusing.platform == "shopify" {
            (&self.square, level(&self.square))
        } else {
            (&self.shopify, level(&self.shopify))
        };
        let left = before.and_then(|level| level.parse::<i64>().ok()).expect("a whole number") - 1;
        refusing.shop().set_standing(standing);
        sell(other, 1);
        until(&format!("{standing:?} makes it {health:?}"), async || self.health(refusing).await == health)
            .await;
        self.has_conflicts(&[(kind, refusing)]).await;
        assert_eq!(level(refusing), Some((left + 1).to_string()), "{standing:?}");
        let calls = refusing.shop().calls().len();
        tokio::time::sleep(STILL).await;
        assert_eq!(refusing.shop().calls().len(), calls, "{standing:?}: no call before the probe");

        refusing.shop().set_standing(Standing::Good);
        let mut changed = connection(self.world, refusing).await;
        changed.requests_per_minute = changed.requests_per_minute.map(|count| count - 1);
        self.world.store.upsert_connection(&changed).await.expect("a connection can be changed");
        self.agrees(&left.to_string()).await;
        assert_eq!(self.health(refusing).await, Health::Ok);
        self.has_conflicts(&[]).await;
        let calls = refusing.shop().calls().len() - calls;
        assert!(calls <= CALLS_PER_CHANGE, "{standing:?}: {calls} calls");
    }

    async fn pauses(&self, account: &Account, verb: &str) {
        tillflow(self.world, &["connection", verb, account.connection.as_str()]).await.well();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_an_account_refused_arrives_when_the_account_takes_calls_again() {
    let world = World::start(&Program::ALL).await;
    let all = [
        (Standing::TokenRefused, Health::NeedsReauth, ConflictKind::NeedsReauth),
        (Standing::Frozen, Health::Misconfigured, ConflictKind::Misconfigured),
        (Standing::Closed, Health::Misconfigured, ConflictKind::Misconfigured),
    ];
    let played = all.map(async |(standing, health, kind)| {
        let shop = Shop::with_tea(&world, &format!("{standing:?}"), BaselineRule::Store, 10).await;
        shop.refuses(&shop.square, standing, health, kind).await;
        shop.refuses(&shop.shopify, standing, health, kind).await;
        shop.is_at_rest().await;
    });
    futures::future::join_all(played).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_too_old_for_its_platform_is_read_and_begun_anew() {
    let world = World::start(&Program::ALL).await;
    let shop = Shop::with_tea(&world, "too-old", BaselineRule::Store, 10).await;
    let square = shop.square.shop();
    let calls = square.calls().len();
    square.set_clock_lead(TimeDelta::hours(25));
    sell(&shop.shopify, 2);
    until("the write was refused", async || square.calls()[calls..].iter().any(|call| call.status == 400))
        .await;
    tokio::time::sleep(STILL).await;
    let refused = square.calls().len() - calls;
    square.set_clock_lead(TimeDelta::zero());
    shop.agrees("8").await;
    shop.has_conflicts(&[]).await;
    assert!(refused <= CALLS_PER_CHANGE, "{refused} calls while the platform refused the time");
    shop.is_at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_during_a_pause_arrives_after_it() {
    let world = World::start(&Program::ALL).await;
    let shop = Shop::with_tea(&world, "paused", BaselineRule::Store, 10).await;

    shop.pauses(&shop.square, "pause").await;
    let calls = shop.calls().square;
    sell(&shop.shopify, 2);
    until("the store has it", async || world.level(&shop.merchant, "tea").await == super::pieces(8)).await;
    tokio::time::sleep(STILL).await;
    assert_eq!((level(&shop.square).as_deref(), shop.calls().square), (Some("10"), calls), "paused");
    shop.pauses(&shop.square, "resume").await;
    shop.agrees("8").await;

    shop.pauses(&shop.square, "pause").await;
    sell(&shop.square, 3);
    let (square, shopify) = (shop.square.shop(), shop.shopify.shop());
    square.edit_title(&tea(&shop.square).product, "Better tea").expect("it is on sale");
    square.edit_price(&tea(&shop.square).variant, 1_250).expect("it is on sale");
    square.deliver_now().await;
    sell(&shop.shopify, 1);
    let calls = shop.calls().square;
    tokio::time::sleep(STILL).await;
    assert_eq!(shop.calls().square, calls, "paused");
    shop.pauses(&shop.square, "resume").await;
    shop.agrees("4").await;
    until("Shopify has the new name and price", async || {
        let ids = tea(&shop.shopify);
        shopify.title(&ids.product).as_deref() == Some("Better tea")
            && shopify.price(&ids.variant) == Some(1_250)
    })
    .await;
    shop.has_conflicts(&[]).await;
    shop.is_at_rest().await;
}

/// Reason for an item's absence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gone {
    Untracked,
    NotStocked,
    Deleted,
}

impl Shop<'_> {
    /// Removes Shopify's item while a write is due there: no write has begun if the account is refused, one is under
    /// way if calls fail.
    async fn item_goes(&self, gone: Gone, is_under_way: bool) {
        let (shopify, ids) = (self.shopify.shop(), tea(&self.shopify));
        let before = shopify.calls().len();
        if is_under_way {
            shopify.set_chaos(Chaos { server_error: 1.0, ..Chaos::default() });
        } else {
            shopify.set_standing(Standing::TokenRefused);
        }
        sell(&self.square, 1);
        until("the call failed", async || shopify.calls().len() > before).await;
        // If the refusal is noted only after the connection is changed below, it doesn't apply to the changed one.
        match gone {
            Gone::Untracked => shopify.track(&ids.item, false),
            Gone::NotStocked => shopify.stop_stocking(&ids.item, &self.shopify.location_id()),
            Gone::Deleted => shopify.delete_product(&ids.product),
        }
        .expect("it is on sale");
        shopify.deliver_now().await;
        shopify.set_chaos(Chaos::default());
        shopify.set_standing(Standing::Good);
        let mut changed = connection(self.world, &self.shopify).await;
        changed.requests_per_minute = changed.requests_per_minute.map(|count| count - 1);
        self.world.store.upsert_connection(&changed).await.expect("a connection can be changed");
        self.is_at_rest().await;
        let calls = shopify.calls().len() - before;
        assert!(calls <= CALLS_PER_CHANGE, "{gone:?} {is_under_way}: {calls} calls");
        let store = self.world.level(&self.merchant, "tea").await;
        assert_eq!(store, super::pieces(9), "{gone:?} {is_under_way}");
        assert_eq!(level(&self.square).as_deref(), Some("9"), "{gone:?} {is_under_way}");
        self.has_conflicts(&[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_due_at_an_item_that_went_while_a_write_was_due() {
    let world = World::start(&Program::ALL).await;
    let all = [Gone::Untracked, Gone::NotStocked, Gone::Deleted].map(|gone| [(gone, false), (gone, true)]);
    let played = all.into_iter().flatten().map(async |(gone, is_under_way)| {
        let name = format!("{gone:?}-{is_under_way}");
        let shop = Shop::with_tea(&world, &name, BaselineRule::Store, 10).await;
        shop.item_goes(gone, is_under_way).await;
    });
    futures::future::join_all(played).await;
}
