use crate::fixture::{
    PARTITION, at, commit, connection_id, event, event_outcome, reported, shop, step, store_id,
};
use model::{
    DroppedInput, Event, Outcome, Position, StoreId, TenantId,
    record::{Changes, StoreStep},
};
use std::collections::{BTreeMap, BTreeSet};
use store::{Consumer, CursorMove, Store, StoreError};

fn position(raw_sequence: u64, event: u32) -> Position {
    Position { raw_sequence, delivery: 0, event }
}

pub(crate) fn dropped_input(event: &Event, position: Position, outcome: Outcome) -> DroppedInput {
    DroppedInput {
        position,
        origin: event.origin.clone(),
        delivery: event.delivery,
        event: Some(event.id),
        stage: "dedupe".into(),
        outcome,
        reason: "".into(),
        received_at: at(1),
    }
}

pub(crate) async fn accept(store: &Store, deliveries: i64, up_to: u64) {
    let from = store.take_epoch(Consumer::Accepted, PARTITION).await.unwrap();
    let step = CursorMove { partition: PARTITION, from, position: position(up_to, 0), number: 0 };
    let counts = BTreeMap::from([((TenantId::new("t1").unwrap(), store_id()), deliveries)]);
    store.count_accepted(step, &counts).await.unwrap();
    let again = store.count_accepted(step, &counts).await;
    assert!(matches!(again, Err(StoreError::Fenced)), "a count is added once");
}

async fn commit_at(store: &Store, changes: &Changes, number: i64, raw_sequence: u64) {
    let step = step(store, Consumer::Apply, number).await;
    commit(store, changes, CursorMove { position: position(raw_sequence, u32::MAX), ..step }).await.unwrap();
}

#[tokio::test]
async fn what_was_accepted_is_what_came_to_an_end_and_what_is_under_way() {
    let database = shop().await;
    let store = &database.store;
    accept(store, 4, 4).await;
    assert_eq!(store.in_flight().await.unwrap(), 4);

    // A delivery of two events, one of them a duplicate; a delivery that is a duplicate; one that is filtered.
    let mut changes = reported(1, "a", 1, 1);
    changes.dropped_inputs = vec![
        dropped_input(&event(1, "a"), position(1, 1), Outcome::Duplicate),
        dropped_input(&event(1, "a"), position(2, 0), Outcome::Duplicate),
        dropped_input(&event(3, "a"), position(3, 0), Outcome::Filtered),
    ];
    changes.stores.insert(store_id(), StoreStep { last_sequence: Some(1), ended: 3 });
    commit_at(store, &changes, 1, 3).await;
    let accounts = store.accounts(Some(&store_id())).await.unwrap();
    let [account] = accounts.as_slice() else { panic!("one store: {accounts:?}") };
    assert_eq!((account.accepted, account.further, account.in_flight), (4, 1, 1));
    let ended = |outcome| account.outcomes[&outcome];
    assert_eq!((ended(Outcome::Applied), ended(Outcome::Duplicate), ended(Outcome::Filtered)), (1, 2, 1));
    assert_eq!(
        account.outcomes.values().sum::<i64>() + account.in_flight,
        account.accepted + account.further
    );
    assert_eq!(store.in_flight().await.unwrap(), 1);

    let positions = BTreeSet::from([(1, 0), (2, 0), (3, 0), (4, 0), (3, 1)]);
    let missing = store.positions_without_outcome(&store_id(), &positions).await.unwrap();
    assert_eq!(missing, BTreeSet::from([(3, 1), (4, 0)]));
    assert!(store.contradictions(&store_id()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_dead_event_that_is_re_ingested_keeps_its_earlier_end_and_its_count_of_attempts() {
    let database = shop().await;
    let store = &database.store;
    let first = event(1, "a");
    let dead = Changes {
        event_outcomes: vec![event_outcome(&first, Outcome::Dead, None)],
        stores: BTreeMap::from([(store_id(), StoreStep { last_sequence: None, ended: 1 })]),
        ..Changes::default()
    };
    commit_at(store, &dead, 0, 1).await;
    let mut revived = reported(1, "a", 1, 1);
    revived.event_outcomes[0].position = position(2, 0);
    revived.revived = BTreeSet::from([(connection_id("a"), first.id)]);
    commit_at(store, &revived, 1, 2).await;
    let row = store.event_outcome(&connection_id("a"), first.id).await.unwrap().unwrap();
    assert_eq!((row.event_outcome.outcome, row.attempts), (Outcome::Applied, 2));
    accept(store, 2, 2).await;
    let account = store.accounts(Some(&store_id())).await.unwrap().remove(0);
    assert_eq!((account.outcomes[&Outcome::Dead], account.outcomes[&Outcome::Applied]), (1, 1));
    assert_eq!(account.in_flight, 0);
    assert!(store.contradictions(&store_id()).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_contradicts_itself_is_named() {
    let database = shop().await;
    let store = &database.store;
    commit_at(store, &reported(1, "a", 1, 1), 1, 1).await;
    assert!(store.contradictions(&store_id()).await.unwrap().is_empty());
    // Its position is before that of the preceding change, the ledger lacks its movement, and its
    // outcome isn't counted.
    let mut late = reported(2, "a", 1, 2);
    late.event_outcomes[0].position = Position { raw_sequence: 0, ..late.event_outcomes[0].position };
    late.movements.clear();
    late.stores.insert(store_id(), StoreStep { last_sequence: Some(2), ended: 0 });
    commit_at(store, &late, 2, 2).await;
    let mut lost = reported(3, "a", 0, 2);
    lost.event_outcomes.clear();
    lost.dropped_inputs = vec![dropped_input(&event(1, "a"), position(1, 0), Outcome::Duplicate)];
    commit_at(store, &lost, 3, 3).await;
    let found = store.contradictions(&store_id()).await.unwrap().join("; ");
    for part in [
        "1 changes without their outcome",
        "1 changes out of the order of acceptance",
        "1 levels that the ledger does not sum up to",
        "1 positions that ended twice",
        "1 deliveries counted as ended that did not",
    ] {
        assert!(found.contains(part), "{part}: {found}");
    }
    let elsewhere = store.contradictions(&StoreId::new("nobody").unwrap()).await.unwrap();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}
