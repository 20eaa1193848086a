//! Round trips of a transaction of apply, and what its loads exclude.

use crate::fixture::{location, pieces, report, reported, round_trips, shop, step, store_id, variant};
use model::record::{Facts, FirstKeys, Links, Mirrors, RowKeys};
use std::{collections::BTreeSet, time::Duration};
use store::Consumer;

#[tokio::test]
async fn a_batch_of_reports_costs_four_round_trips_however_long_it_is() {
    let database = shop().await;
    let mut counts = Vec::new();
    for (first, last) in [(1, 1), (2, 2), (3, 201)] {
        let mut all = reported(first, "a", 1, 1);
        for number in first + 1..=last {
            let next = reported(number, "a", 1, 1);
            all.event_outcomes.extend(next.event_outcomes);
            all.applied.extend(next.applied);
            all.movements.extend(next.movements);
            all.stores = next.stores;
        }
        all.links = Links::default();
        let cursor = step(&database.store, Consumer::Apply, last).await;
        let keys = FirstKeys {
            events: all.event_outcomes.iter().map(|ended| (ended.connection.clone(), ended.event)).collect(),
            stores: BTreeSet::from([store_id()]),
            ..FirstKeys::default()
        };
        let rows = RowKeys {
            mirrors: all.mirrors.keys().collect(),
            levels: all.levels.keys().cloned().collect(),
            ..RowKeys::default()
        };
        let payloads = vec![vec![1]; all.applied.len()];
        let before = round_trips();
        let mut transaction = database.store.begin_apply().await.unwrap();
        let mut facts = Facts::default();
        transaction.first(&keys, &mut facts).await.unwrap();
        transaction.rows(&rows, &mut facts).await.unwrap();
        transaction.commit(&all, &payloads, &[cursor]).await.unwrap();
        counts.push(round_trips() - before);
    }
    // The first on a connection prepares its statements, in one more for each of the loads and the writes.
    assert_eq!(counts, [7, 5, 4], "the second prepares the update of the level that the first has made");
}

#[tokio::test]
async fn levels_that_were_loaded_are_changed_by_nobody_else_until_the_commit() {
    let database = shop().await;
    let store = &database.store;
    report(store, 1, "a", 10, 10).await;
    let first = FirstKeys { stores: BTreeSet::from([store_id()]), ..FirstKeys::default() };
    let key = (variant(), location());
    let rows = RowKeys { levels: BTreeSet::from([key.clone()]), ..RowKeys::default() };
    let mut facts = Facts::default();
    let mut transaction = store.begin_apply().await.unwrap();
    transaction.first(&first, &mut facts).await.unwrap();
    transaction.rows(&rows, &mut facts).await.unwrap();
    assert_eq!(facts.levels[&key], pieces(10));

    let other = tokio::spawn({
        let (store, first, rows, key) = (store.clone(), first.clone(), rows.clone(), key.clone());
        async move {
            let mut facts = Facts::default();
            let mut transaction = store.begin_apply().await.unwrap();
            transaction.first(&first, &mut facts).await.unwrap();
            transaction.rows(&rows, &mut facts).await.unwrap();
            transaction.rollback().await.unwrap();
            facts.levels[&key]
        }
    });
    let rebuild = tokio::spawn({
        let store = store.clone();
        async move { store.rebuilding(&store_id(), true).await.unwrap().hold().await.map(drop) }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!other.is_finished() && !rebuild.is_finished(), "both wait for the store");
    let mut changes = reported(2, "a", -1, 9);
    changes.mirrors = Mirrors::default();
    transaction.commit(&changes, &[vec![]], &[step(store, Consumer::Apply, 2).await]).await.unwrap();
    assert_eq!(other.await.unwrap(), pieces(9));
    rebuild.await.unwrap().unwrap();
}
