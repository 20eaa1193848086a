//! Only the events that the database refuses for good are discarded; all others are committed.

use crate::fixture::{SHOPS, World, partition, product, store_id};
use model::{DeliveryId, Event, Outcome};

/// Number of events of a batch.
const EVENTS: u64 = 100;
const BAD: &str = "NEW.sku = 'bad'";

/// A batch of a store in which the events of these numbers are bad.
fn batch(shop: usize, bad: &[u64]) -> Vec<Event> {
    let sku = |number| if bad.contains(&number) { "bad".to_owned() } else { format!("good-{number}") };
    (1..=EVENTS).map(|number| product(shop, number, "Tea", &sku(number))).collect()
}

#[tokio::test]
async fn an_event_that_the_database_refuses_is_given_up_alone_and_all_before_behind_and_beside_it_applies() {
    let world = World::start().await;
    world.refuse("variants", BAD).await;
    let bad: [&[u64]; 3] = [&[1, 37, 38], &[], &[EVENTS]];
    let commits = (0..SHOPS.len()).map(|shop| world.commit(shop, batch(shop, bad[shop])));
    for (shop, committed) in futures::future::join_all(commits).await.into_iter().enumerate() {
        let cursor = committed.unwrap();
        assert_eq!(cursor, world.cursor(shop).await);
        assert_eq!(cursor.position.raw_sequence, EVENTS);
        assert_eq!(cursor.number, i64::try_from(EVENTS - bad[shop].len() as u64).unwrap());
        let event_outcomes = world.event_outcomes(shop).await;
        let dead: Vec<u64> = event_outcomes
            .iter()
            .filter(|event_outcome| event_outcome.outcome == Outcome::Dead)
            .map(|event_outcome| event_outcome.position.raw_sequence)
            .collect();
        assert_eq!(dead, bad[shop], "{}", SHOPS[shop]);
        let applied: Vec<i64> =
            event_outcomes.iter().filter_map(|event_outcome| event_outcome.sequence).collect();
        assert!(applied.iter().copied().eq(1..=cursor.number), "in order, without gaps: {applied:?}");
        for event_outcome in
            event_outcomes.iter().filter(|event_outcome| event_outcome.outcome == Outcome::Dead)
        {
            let reason = &event_outcome.reason;
            assert!(
                reason.starts_with("bug: ") && reason.contains("error 23514, constraint of_the_test"),
                "{reason}"
            );
            assert!(!reason.contains("bad"), "no value: {reason}");
        }
    }
    world.assert_nothing_contradicts().await;
    let ended = "SELECT string_agg(ended::text, ' ' ORDER BY id) FROM stores";
    assert_eq!(world.sql(ended).await, format!("{EVENTS} {EVENTS} {EVENTS}"), "each delivery ended once");
    let page = String::from_utf8(world.metrics.render()).unwrap();
    assert!(page.contains("tillflow_permanent_errors_total{kind=\"input\",stage=\"apply\"} 4"), "{page}");
    assert!(page.contains("tillflow_events_total{outcome=\"dead\",stage=\"apply\"} 4"), "{page}");
}

#[tokio::test]
async fn what_was_discarded_is_applied_when_it_comes_again_and_nothing_refuses_it() {
    let world = World::start().await;
    world.refuse("variants", BAD).await;
    world.commit(0, batch(0, &[2])).await.unwrap();
    world.sql("DROP TRIGGER refuse ON variants").await;
    let mut again = product(0, 2, "Tea", "bad");
    again.delivery = DeliveryId::from_bytes([9; 16]);
    (again.attempt, again.position.raw_sequence) = (1, EVENTS + 1);
    world.commit(0, vec![again]).await.unwrap();
    let event_outcomes = world.event_outcomes(0).await;
    assert!(
        event_outcomes.iter().all(|event_outcome| event_outcome.outcome == Outcome::Applied),
        "{event_outcomes:?}"
    );
    let kept = "SELECT outcome || ' ' || raw_sequence FROM dropped_inputs";
    assert_eq!(world.sql(kept).await, "dead 2", "how it ended the first time is kept");
    world.assert_nothing_contradicts().await;
}

#[tokio::test]
async fn an_event_whose_own_outcome_is_refused_ends_without_its_texts() {
    let world = World::start().await;
    world.refuse("event_outcomes", "NEW.external = 'product-3'").await;
    let cursor = world.commit(0, batch(0, &[])).await.unwrap();
    assert_eq!(cursor.position.raw_sequence, EVENTS);
    assert_eq!(world.event_outcomes(0).await.len(), 99);
    let bare = "SELECT stage || ' ' || outcome || ' ' || raw_sequence || ' ' || (reason LIKE '%23514%') FROM dropped_inputs";
    assert_eq!(world.sql(bare).await, "apply dead 3 true");
    world.assert_nothing_contradicts().await;
}

#[tokio::test]
async fn a_database_that_is_not_set_up_or_refuses_everything_costs_no_event() {
    let world = World::start().await;
    for (break_it, repair) in [
        ("ALTER TABLE variants RENAME TO elsewhere", "ALTER TABLE elsewhere RENAME TO variants"),
        ("REVOKE INSERT ON variants FROM tillflow_pipeline", "GRANT INSERT ON variants TO tillflow_pipeline"),
        (
            "ALTER TABLE stores ADD CONSTRAINT never CHECK (ended = 0)",
            "ALTER TABLE stores DROP CONSTRAINT never",
        ),
    ] {
        world.sql(break_it).await;
        let refused = world.commit(0, batch(0, &[])).await.unwrap_err();
        let text = runner::chain(&refused);
        assert!(text.starts_with("the database is not set up as it has to be"), "{break_it}: {text}");
        world.sql(repair).await;
        assert!(world.event_outcomes(0).await.is_empty(), "{break_it}");
        assert_eq!(world.cursor(0).await.position.raw_sequence, 0, "{break_it}");
    }
    world.commit(0, batch(0, &[])).await.unwrap();
    assert_eq!(world.event_outcomes(0).await.len(), 100);
}

#[tokio::test]
async fn a_merchants_number_longer_than_an_index_row_is_kept_and_found() {
    let world = World::start().await;
    let long: String = (0..3000_u32).map(|n| char::from_u32(0x4e00 + n * 7919 % 20_000).unwrap()).collect();
    let other = format!("{long}x");
    let events = vec![product(0, 1, "Scroll", &long), product(0, 2, "Other", &other)];
    world.commit(0, events).await.unwrap();
    assert!(
        world.event_outcomes(0).await.iter().all(|event_outcome| event_outcome.outcome == Outcome::Applied)
    );
    let variants = "SELECT count(*) FROM variants";
    assert_eq!(world.sql(variants).await, "2", "numbers that differ behind the index's part are two");
    assert_eq!(world.store.cursor(store::Consumer::Apply, partition(0)).await.unwrap().number, 2);
    assert!(world.store.contradictions(&store_id(0)).await.unwrap().is_empty());
}
