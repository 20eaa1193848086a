//! Promotions of a till that is polled: each begins and ends at its time, in the zone of its store, once.

use crate::PATIENCE;
use chrono::{DateTime, NaiveTime, TimeDelta, Timelike as _, Utc};
use model::{Action, Payload, Timestamp, Zone};
use simulator::NewPromotion;
use std::time::Duration;
use store::StoreSetup;
use testkit::{Account, Merchant, Program, World, WorldOptions, eventually};

/// Every list is read each five seconds: often enough, and seldom enough for a till that takes one call a second.
pub(crate) const SELDOM: [&str; 1] = ["every_seconds = 5"];
/// An island without a change of clocks, far from universal time on both sides of midnight.
const ZONE: &str = "Pacific/Honolulu";

async fn open(zone: &str) -> (World, Merchant, Account) {
    let options = WorldOptions { scheduled_reads: SELDOM.to_vec(), ..WorldOptions::default() };
    let world = World::start_with(options, &Program::ALL).await;
    let merchant = world.merchant("shop").await;
    move_to(&world, &merchant, zone).await;
    let till = world.simulated(&merchant, "leaflogix").await;
    (world, merchant, till)
}

/// Sets the zone of the store.
async fn move_to(world: &World, merchant: &Merchant, zone: &str) {
    let setup = StoreSetup {
        tenant: merchant.tenant.clone(),
        id: merchant.store.clone(),
        name: "Store".to_owned(),
        currency: model::Currency::new("USD").ok(),
        timezone: zone.to_owned(),
    };
    world.store.upsert_store(&setup).await.expect("a store can be set up");
}

/// A promotion of everything, during these hours of each day.
pub(crate) fn happy_hour(daily: Option<(NaiveTime, NaiveTime)>) -> NewPromotion {
    NewPromotion {
        title: "Happy hour".to_owned(),
        percent: 10,
        product: None,
        from: None,
        until: None,
        daily,
    }
}

/// The time that clocks in a zone show, in whole seconds.
pub(crate) fn clock(at: DateTime<Utc>, zone: &str) -> NaiveTime {
    let local = Zone::parse(zone).expect("a zone").local(Timestamp::from(at)).time();
    local.with_nanosecond(0).expect("a whole second")
}

/// The begins and ends of the store's promotions, with their times, in order.
pub(crate) async fn begins_and_ends(world: &World, merchant: &Merchant) -> Vec<(Action, Timestamp)> {
    let events = world.events(merchant).await;
    let changes =
        events.into_iter().map(|row| wire::decode_applied(row.payload.into()).expect("a change").event);
    let announced = changes.filter_map(|event| match event.payload {
        Payload::Activity { activity, .. } => Some((event.action, activity.since)),
        _ => None,
    });
    announced.collect()
}

/// Time limit for a begin or an end that is seconds ahead.
const LONG_PATIENCE: Duration = PATIENCE.saturating_mul(2);

/// Waits until that many begins and ends were announced, and returns them.
pub(crate) async fn announced(world: &World, merchant: &Merchant, count: usize) -> Vec<(Action, Timestamp)> {
    eventually(LONG_PATIENCE, &format!("{count} begins and ends are announced"), async || {
        let found = begins_and_ends(world, merchant).await;
        if found.len() >= count { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    begins_and_ends(world, merchant).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_of_a_polled_till_begins_and_ends_at_its_time_in_the_zone_of_its_store() {
    let (world, merchant, till) = open(ZONE).await;
    let now = Utc::now();
    let (begins, ends) = (now + TimeDelta::seconds(15), now + TimeDelta::seconds(20));
    let hours = (clock(begins, ZONE), clock(ends, ZONE));
    till.shop().add_promotion(happy_hour(Some(hours))).expect("a till has promotions");
    let whole = |at: DateTime<Utc>| Timestamp::from(at.with_nanosecond(0).expect("a whole second"));
    let expected = vec![(Action::Started, whole(begins)), (Action::Ended, whole(ends))];
    assert_eq!(announced(&world, &merchant, 2).await, expected);
    let state = world.sql("SELECT is_active::text FROM promotions").await;
    assert_eq!(state, "false");
    world.assert_sound(&merchant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_at_which_nothing_ran_is_announced_late_with_its_own_time_and_an_edit_ends_at_once() {
    let (mut world, merchant, till) = open(ZONE).await;
    let shop = till.shop();
    let id = shop.add_promotion(happy_hour(None)).expect("a till has promotions");
    let first = announced(&world, &merchant, 1).await;
    assert_eq!(first[0].0, Action::Started, "an active promotion begins when it is reported");

    // It is switched off: the end is that of the report.
    shop.edit_promotion(&id, |_, is_on| *is_on = false).expect("it can be edited");
    let second = announced(&world, &merchant, 2).await;
    assert_eq!(second[1].0, Action::Ended);
    assert!(second[1].1 > first[0].1);

    // It is on again, up to a moment at which no process watches.
    let ends = Utc::now() + TimeDelta::seconds(20);
    shop.edit_promotion(&id, |set_up, is_on| {
        *is_on = true;
        set_up.until = Some(ends);
    })
    .expect("it can be edited");
    assert_eq!(announced(&world, &merchant, 3).await[2].0, Action::Started);
    world.kill(Program::Fetch).await;
    while Utc::now() <= ends {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(begins_and_ends(&world, &merchant).await.len(), 3, "nobody watched");
    world.launch(&[Program::Fetch]).await;
    let all = announced(&world, &merchant, 4).await;
    assert_eq!(all[3], (Action::Ended, Timestamp::from_micros(ends.timestamp_micros())));
    world.assert_sound(&merchant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_ends_when_its_store_moves_to_a_zone_where_it_is_over() {
    let (world, merchant, till) = open(ZONE).await;
    // Two hours around now in Honolulu; elsewhere it is another time of day.
    let now = Utc::now();
    let hours = (clock(now - TimeDelta::hours(1), ZONE), clock(now + TimeDelta::hours(1), ZONE));
    till.shop().add_promotion(happy_hour(Some(hours))).expect("a till has promotions");
    let begun = announced(&world, &merchant, 1).await;
    assert_eq!(begun[0].0, Action::Started);
    eventually(PATIENCE, "its end was computed in the first zone", async || {
        let zone = world.sql("SELECT looked_in FROM promotions").await;
        if zone == ZONE { Ok(()) } else { Err(zone) }
    })
    .await;
    move_to(&world, &merchant, "UTC").await;
    let ended = announced(&world, &merchant, 2).await;
    assert!(ended[1].0 == Action::Ended && ended[1].1 > begun[0].1, "{ended:?}");
    world.assert_sound(&merchant).await;
}
