use crate::fixture::{
    at, commit, connection, connection_id, empty_database, event, event_outcome, external, shop, step,
    store_id,
};
use model::{BaselineRule, ConflictKind, Outcome, StoreId, TenantId, record::Changes};
use std::collections::{BTreeMap, BTreeSet};
use store::{ConflictFilter, Connection, Consumer, Health, OutcomesIn, Store, StoreError, StoreSetup};

async fn found(store: &Store) -> Connection {
    store.connection(&connection_id("a")).await.unwrap().unwrap()
}

async fn open_kinds(store: &Store) -> Vec<ConflictKind> {
    let rows = store.conflicts(&ConflictFilter::default(), 10).await.unwrap();
    rows.into_iter().map(|row| row.conflict.kind).collect()
}

#[tokio::test]
async fn a_refused_account_is_a_state_of_its_connection_until_a_call_is_accepted() {
    let database = shop().await;
    let (store, a) = (&database.store, connection("a", "shopify"));
    assert!(store.note_account_refused(&a, Health::NeedsReauth, "401 token expired", at(0)).await.unwrap());
    let refused = found(store).await;
    assert_eq!(
        (refused.health, refused.health_since, refused.probe_at),
        (Health::NeedsReauth, Some(at(0)), Some(at(60)))
    );
    assert_eq!(refused.health_reason.as_deref(), Some("401 token expired"));

    // The refusal of another call that was under way, then that of the probe.
    assert!(!store.note_account_refused(&a, Health::NeedsReauth, "401", at(1)).await.unwrap());
    assert_eq!(found(store).await.probe_at, Some(at(60)));
    assert!(!store.note_account_refused(&a, Health::NeedsReauth, "401 still", at(60)).await.unwrap());
    let probed = found(store).await;
    assert_eq!((probed.health_since, probed.probe_at), (Some(at(0)), Some(at(180))));
    assert_eq!(open_kinds(store).await, [ConflictKind::NeedsReauth]);

    // A reason of another kind replaces it.
    assert!(store.note_account_refused(&a, Health::Misconfigured, "404", at(180)).await.unwrap());
    assert_eq!(open_kinds(store).await, [ConflictKind::Misconfigured]);
    assert_eq!(found(store).await.health_since, Some(at(180)));

    assert!(store.note_account_accepted(&a).await.unwrap());
    assert!(!store.note_account_accepted(&a).await.unwrap());
    assert_eq!(found(store).await, connection("a", "shopify"));
    assert_eq!(open_kinds(store).await, []);
    // The pauses start again from the shortest.
    store.note_account_refused(&a, Health::NeedsReauth, "401", at(500)).await.unwrap();
    assert_eq!(found(store).await.probe_at, Some(at(560)));

    for state in [Health::Ok, Health::Revoked] {
        let nonsense = store.note_account_refused(&a, state, "", at(0)).await;
        assert!(matches!(nonsense, Err(StoreError::Refused { .. })), "{state:?}");
    }
    let nobody =
        store.note_account_refused(&connection("zzz", "shopify"), Health::NeedsReauth, "", at(0)).await;
    assert!(matches!(nobody, Err(StoreError::Refused { .. })));
}

#[tokio::test]
async fn any_change_of_a_connection_makes_it_ok_and_a_probe_due_and_setting_it_up_alike_changes_nothing() {
    let database = shop().await;
    let (store, a) = (&database.store, connection_id("a"));
    let as_it_was = connection("a", "shopify");
    let changes: [(&str, Connection); 4] = [
        ("token", Connection { token: "another".to_owned(), ..as_it_was.clone() }),
        ("secrets", Connection { secrets: vec!["another".to_owned()], ..as_it_was.clone() }),
        ("version", Connection { api_version: "2026-10".to_owned(), ..as_it_was.clone() }),
        ("pause", Connection { enabled: false, ..as_it_was.clone() }),
    ];
    for (what, changed) in changes {
        store.upsert_connection(&as_it_was).await.unwrap();
        store.note_account_refused(&as_it_was, Health::NeedsReauth, "401", at(0)).await.unwrap();
        store.upsert_connection(&as_it_was).await.unwrap();
        assert_eq!(found(store).await.health, Health::NeedsReauth, "{what}");
        store.upsert_connection(&changed).await.unwrap();
        let now = found(store).await;
        assert_eq!(
            (now.health, now.health_reason.clone(), now.health_since),
            (Health::Ok, None, None),
            "{what}"
        );
        assert!(now.probe_at.is_some(), "{what}");
        assert_eq!(open_kinds(store).await, [], "{what}");
    }

    store.upsert_connection(&as_it_was).await.unwrap();
    store.note_account_refused(&as_it_was, Health::NeedsReauth, "401", at(0)).await.unwrap();
    assert!(store.set_enabled(&a, true).await.unwrap());
    assert_eq!(found(store).await.health, Health::NeedsReauth, "it was enabled already");
    assert!(store.set_enabled(&a, false).await.unwrap());
    let paused = found(store).await;
    assert_eq!((paused.enabled, paused.health), (false, Health::Ok));
    assert!(!store.set_enabled(&connection_id("zzz"), false).await.unwrap());
}

#[tokio::test]
async fn what_a_call_came_to_that_was_made_before_a_change_of_the_connection_says_nothing_of_it() {
    let database = shop().await;
    let store = &database.store;
    let before = connection("a", "shopify");
    let changed = Connection { token: "another".to_owned(), ..before.clone() };
    store.upsert_connection(&changed).await.unwrap();
    assert!(!store.note_account_refused(&before, Health::NeedsReauth, "401", at(0)).await.unwrap());
    assert_eq!((found(store).await.health, open_kinds(store).await), (Health::Ok, vec![]));

    // A call with the present credentials does, and a result of the former ones no longer ends that state.
    assert!(store.note_account_refused(&changed, Health::NeedsReauth, "401", at(0)).await.unwrap());
    assert!(!store.note_account_accepted(&before).await.unwrap());
    assert_eq!(found(store).await.health, Health::NeedsReauth);
    assert_eq!(open_kinds(store).await, [ConflictKind::NeedsReauth]);

    // A pause is a change, too.
    assert!(store.set_enabled(&before.id, false).await.unwrap());
    assert!(!store.note_account_refused(&changed, Health::NeedsReauth, "401", at(60)).await.unwrap());
    assert_eq!((found(store).await.health, open_kinds(store).await), (Health::Ok, vec![]));
}

#[tokio::test]
async fn an_account_of_a_platform_is_connected_to_a_store_once() {
    let database = shop().await;
    let store = &database.store;
    for account in ["shop", "SHOP"] {
        let again = Connection { account: account.to_owned(), ..connection("a2", "shopify") };
        let refused = store.upsert_connection(&again).await.unwrap_err();
        assert!(
            refused.to_string().contains("another connection of the store has this account"),
            "{refused}"
        );
    }
    assert_eq!(store.connection(&connection_id("a2")).await.unwrap(), None);

    // Another account, no account, another platform and another store aren't duplicates.
    let other = Connection { account: "other".to_owned(), ..connection("a2", "shopify") };
    store.upsert_connection(&other).await.unwrap();
    let moved = store.upsert_connection(&Connection { account: "shop".to_owned(), ..other }).await;
    assert!(matches!(moved, Err(StoreError::Refused { .. })));
    for id in ["a3", "a4"] {
        store
            .upsert_connection(&Connection { account: String::new(), ..connection(id, "shopify") })
            .await
            .unwrap();
    }
    let branch = StoreId::new("s2").unwrap();
    let setup = StoreSetup {
        tenant: TenantId::new("t1").unwrap(),
        id: branch.clone(),
        name: String::new(),
        currency: None,
        timezone: "UTC".to_owned(),
    };
    store.upsert_store(&setup).await.unwrap();
    store.upsert_connection(&Connection { store: branch, ..connection("a5", "shopify") }).await.unwrap();
}

#[tokio::test]
async fn events_set_the_rule_and_revoke_and_a_copy_begins_as_the_connection_was_made() {
    let database = shop().await;
    let (store, a) = (&database.store, connection_id("a"));
    let b = Connection { baseline: BaselineRule::Store, ..connection("b2", "square") };
    store.upsert_connection(&b).await.unwrap();
    let changes = Changes {
        event_outcomes: vec![event_outcome(&event(1, "a"), Outcome::Unchanged, None)],
        rules: BTreeMap::from([(b.id.clone(), BaselineRule::Platform)]),
        revoked: BTreeSet::from([a.clone()]),
        ..Changes::default()
    };
    let mut step = step(store, Consumer::Apply, 1).await;
    step.number = 0;
    commit(store, &changes, step).await.unwrap();
    let revoked = found(store).await;
    assert_eq!((revoked.health, revoked.probe_at), (Health::Revoked, None));
    assert!(revoked.health_since.is_some());
    // Another set-up doesn't change the rule for first contacts: only an instruction does.
    store.upsert_connection(&b).await.unwrap();
    assert_eq!(store.connection(&b.id).await.unwrap().unwrap().baseline, BaselineRule::Platform);
    // A refused call counts less than the platform's own notice.
    let as_it_is = connection("a", "shopify");
    store.note_account_refused(&as_it_is, Health::NeedsReauth, "401", at(0)).await.unwrap();
    assert_eq!(found(store).await.health, Health::Revoked);

    let empty = empty_database().await;
    empty.store.migrate().await.unwrap();
    store.copy_set_up(&empty.store).await.unwrap();
    assert_eq!(found(&empty.store).await, connection("a", "shopify"));
    assert_eq!(empty.store.connection(&b.id).await.unwrap().unwrap().baseline, BaselineRule::Store);
}

#[tokio::test]
async fn every_outcome_of_a_delivery_is_found_in_whichever_stage_it_ended() {
    let database = shop().await;
    let store = &database.store;
    let source = event(3, "a");
    let elsewhere = model::Position { event: 1, ..source.position };
    let changes = Changes {
        event_outcomes: vec![
            event_outcome(&source, Outcome::Stale, None),
            event_outcome(&event(4, "a"), Outcome::Unchanged, None),
        ],
        dropped_inputs: vec![crate::accounting::dropped_input(&source, elsewhere, Outcome::Filtered)],
        ..Changes::default()
    };
    assert_eq!(store.newest_outcome(&store_id()).await.unwrap(), 0);
    let mut step = step(store, Consumer::Apply, 4).await;
    step.number = 0;
    commit(store, &changes, step).await.unwrap();
    assert_eq!(store.newest_outcome(&store_id()).await.unwrap(), 4);

    let (s1, s2) = (store_id(), StoreId::new("s2").unwrap());
    for of in [OutcomesIn::AllStores, OutcomesIn::Store(&s1), OutcomesIn::StoreAfter(&s1, 2)] {
        let outcomes = store.outcomes_of_delivery(source.delivery, of).await.unwrap();
        let reported: Vec<_> = outcomes
            .iter()
            .map(|outcome| (outcome.stage.as_str(), outcome.outcome, outcome.position))
            .collect();
        let (apply, other) = (("apply", Outcome::Stale, source.position), outcomes[1].stage.as_str());
        assert_eq!(reported, [apply, (other, Outcome::Filtered, elsewhere)], "{of:?}");
        assert_eq!(outcomes[0].about, Some(("inventory".to_owned(), external("item-a").to_string())));
    }
    for of in [OutcomesIn::Store(&s2), OutcomesIn::StoreAfter(&s1, 3)] {
        assert_eq!(store.outcomes_of_delivery(source.delivery, of).await.unwrap(), [], "{of:?}");
    }
}
