use crate::fixture::{connection, connection_id, shop};
use model::{CallBudget, CallClass, CallGrant, CallRate, CallWant};
use std::time::Duration;
use store::Store;

/// Takes leases of one call until there is none, as one of several processes would; returns the number of calls.
async fn take_all(store: Store, rate: CallRate) -> usize {
    let (origin, mut calls) = (connection("a", "shopify").origin(), 0);
    loop {
        let row = store.call_budget(&origin).await.unwrap();
        let mut budget = row.budget.clone();
        let grant = budget.take(rate, CallWant { class: CallClass::List, calls: 1 }, row.now);
        let saved = store.save_call_budget(&origin.connection, &row, budget).await.unwrap();
        match grant {
            CallGrant::Lease(waits) if waits.iter().all(Duration::is_zero) => {
                calls += if saved.is_some() { waits.len() } else { 0 };
            }
            CallGrant::Lease(_) | CallGrant::Later(_) | CallGrant::Held(_) => return calls,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_take_calls_at_the_same_time_never_have_more_than_the_budget() {
    let database = shop().await;
    // Nothing is refilled while the test runs.
    let rate = CallRate::new(1.0 / 3600.0, 60);
    let takers = (0..3).map(|_| tokio::spawn(take_all(database.store.clone(), rate)));
    let mut taken = 0;
    for taker in takers.collect::<Vec<_>>() {
        taken += taker.await.unwrap();
    }
    assert_eq!(taken, 60);
}

#[tokio::test]
async fn a_budget_that_was_stored_meanwhile_stands() {
    let database = shop().await;
    let store = &database.store;
    let rate = CallRate::new(1.0, 5);
    let origin = connection("a", "shopify").origin();
    let before = store.call_budget(&origin).await.unwrap();
    assert_eq!(before.budget, CallBudget::default());
    let mut refused = before.budget.clone();
    refused.refuse(rate, None, before.now);
    let saved = store.save_call_budget(&origin.connection, &before, refused.clone()).await.unwrap().unwrap();
    assert_eq!(saved.budget, refused);
    assert!(saved.now >= before.now);
    let other = CallBudget::default();
    assert_eq!(store.save_call_budget(&origin.connection, &before, other).await.unwrap(), None);
    assert_eq!(store.call_budget(&origin).await.unwrap().budget, refused);
    let again = store.save_call_budget(&origin.connection, &saved, CallBudget::default()).await.unwrap();
    assert!(again.is_some(), "what was stored can be followed without another look");
    let elsewhere = store.call_budget(&connection("b", "square").origin()).await.unwrap();
    assert_eq!(elsewhere.budget, CallBudget::default());
    let unknown = model::Origin { connection: connection_id("none"), ..origin };
    assert!(store.call_budget(&unknown).await.is_err(), "there is no such connection");
}
