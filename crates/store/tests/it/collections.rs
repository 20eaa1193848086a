use crate::fixture::{connection, connection_id, event, report, shop};
use model::{
    CollectionState, MISSING_IN_A_ROW, MissingCounts, RawDigest, ReadPlan, ReadRange, ReadRequest, Requested,
    Timestamp,
};
use std::time::Duration;
use store::{Changed, CollectionRow, ListedObject, Store};

const PLAN: ReadPlan = ReadPlan {
    changes: None,
    whole: true,
    every: Duration::from_mins(10),
    whole_every: Duration::from_hours(24),
    whole_due: None,
};

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

fn object(key: &str, content: &str) -> ListedObject {
    ListedObject { key: key.to_owned(), digest: RawDigest::of(content.as_bytes()) }
}

async fn row(store: &Store) -> CollectionRow {
    store.collections(&connection_id("a")).await.unwrap().remove(0)
}

async fn add(store: &Store) -> CollectionRow {
    let origin = connection("a", "shopify").origin();
    store.add_collections(&origin, &[("products", CollectionState::default())]).await.unwrap();
    row(store).await
}

/// Lists one object as read 1 of a collection.
pub(crate) async fn list_one(store: &Store) {
    let before = add(store).await;
    assert!(store.save_page(&before, &before.state, (1, NOW), &[object("1", "tea")]).await.unwrap());
}

async fn see(store: &Store, number: u64, keys: &[&str]) {
    let before = row(store).await;
    let objects: Vec<_> = keys.iter().map(|key| object(key, "tea")).collect();
    assert!(store.save_page(&before, &before.state, (number, NOW), &objects).await.unwrap());
}

async fn counts(store: &Store, number: u64) -> [u64; 3] {
    let counts = store.missing_counts(&connection_id("a"), "products", number).await.unwrap();
    let MissingCounts { known, missing, missing_again } = counts;
    [known, missing, missing_again]
}

async fn count_missing(store: &Store, number: u64, by: i16) {
    let before = row(store).await;
    assert!(store.save_missing(&before, &before.state, number, by).await.unwrap());
}

async fn gone(store: &Store, number: u64) -> Vec<String> {
    store.gone_objects(&connection_id("a"), "products", number).await.unwrap()
}

#[tokio::test]
async fn a_state_is_kept_and_of_two_that_follow_the_same_one_the_first_stands() {
    let database = shop().await;
    let store = &database.store;
    let before = add(store).await;
    let mut state = before.state.clone();
    state.begin(&PLAN, NOW);
    assert!(store.save_collection(&before, &state).await.unwrap());
    assert_eq!(row(store).await.state, state);
    let mut other = before.state.clone();
    other.due_at = NOW;
    assert!(!store.save_collection(&before, &other).await.unwrap());
    assert!(!store.save_page(&before, &other, (1, NOW), &[object("1", "tea")]).await.unwrap());
    assert!(!store.save_missing(&before, &other, 1, 1).await.unwrap());
    assert_eq!((row(store).await.state, counts(store, 9).await), (state.clone(), [0, 0, 0]));
    assert_eq!(add(store).await.state, state, "a collection that exists stays as it is");
    assert_eq!(store.collections(&connection_id("b")).await.unwrap(), []);
}

#[tokio::test]
async fn a_request_replaces_the_one_before_is_noticed_and_is_taken_once() {
    let database = shop().await;
    let store = &database.store;
    let before = add(store).await;
    let mut changes = store.listen_changes();
    assert_eq!(changes.next().await, Changed::Everything);
    let names = ["products".to_owned(), "none".to_owned()];
    for requested in [Requested::Due, Requested::Between { since: NOW, until: NOW }] {
        let request = ReadRequest { requested, accepts_missing: false };
        assert_eq!(store.request_read(&connection_id("a"), &names, &request).await.unwrap(), 1);
        assert_eq!(row(store).await.request, Some(request));
        assert_eq!(changes.next().await, Changed::Connection(connection_id("a")));
    }
    assert!(!store.save_collection(&before, &before.state).await.unwrap(), "it didn't see the request");
    let requested = row(store).await;
    assert!(store.save_collection(&requested, &requested.state).await.unwrap());
    assert_eq!(row(store).await.request, None);
}

#[tokio::test]
async fn an_object_is_known_with_its_last_content_and_the_read_that_saw_it() {
    let database = shop().await;
    let store = &database.store;
    list_one(store).await;
    let keys = ["1".to_owned(), "2".to_owned()];
    let known = async || store.known_objects(&connection_id("a"), "products", &keys).await.unwrap();
    let first = known().await;
    assert_eq!(first.len(), 1);
    assert_eq!((&first[0].object, first[0].seen_in), (&object("1", "tea"), 1));
    let before = row(store).await;
    assert!(store.save_page(&before, &before.state, (2, NOW), &[object("1", "green tea")]).await.unwrap());
    let second = known().await;
    assert_eq!((&second[0].object, second[0].seen_in), (&object("1", "green tea"), 2));
    let elsewhere = store.known_objects(&connection_id("a"), "orders", &keys).await.unwrap();
    assert_eq!(elsewhere, []);
}

#[tokio::test]
async fn a_level_is_known_with_the_times_of_its_page_and_of_its_last_report() {
    let database = shop().await;
    let store = &database.store;
    report(store, 1, "a", 10, 10).await;
    let origin = connection("a", "shopify").origin();
    let states = ["levels", "products"].map(|name| (name, CollectionState::default()));
    store.add_collections(&origin, &states).await.unwrap();
    for before in store.collections(&connection_id("a")).await.unwrap() {
        let objects = [object("item-a", "10"), object("item-b", "10")];
        assert!(store.save_page(&before, &before.state, (1, NOW), &objects).await.unwrap());
    }
    let keys = ["item-a".to_owned(), "item-b".to_owned()];
    let known = async |collection| {
        let mut known = store.known_objects(&connection_id("a"), collection, &keys).await.unwrap();
        known.sort_by(|one, other| one.object.key.cmp(&other.object.key));
        known.into_iter().map(|known| (known.seen_at, known.observed_at)).collect::<Vec<_>>()
    };
    let reported_at = Some(event(1, "a").received_at);
    assert_eq!(known("levels").await, [(Some(NOW), reported_at), (Some(NOW), None)]);
    assert_eq!(known("products").await, [(Some(NOW), None), (Some(NOW), None)], "no items");
}

#[tokio::test]
async fn an_object_is_gone_after_two_lists_in_a_row_that_lack_it() {
    let database = shop().await;
    let store = &database.store;
    add(store).await;
    see(store, 1, &["kept", "gone", "back"]).await;
    see(store, 2, &["kept"]).await;
    assert_eq!(counts(store, 2).await, [3, 2, 0]);
    count_missing(store, 2, 1).await;
    assert_eq!(gone(store, 2).await, Vec::<String>::new());
    see(store, 3, &["kept", "back"]).await;
    assert_eq!(counts(store, 3).await, [3, 1, 1]);
    count_missing(store, 3, 1).await;
    assert_eq!(gone(store, 3).await, ["gone"]);
    see(store, 4, &["kept"]).await;
    assert_eq!(counts(store, 4).await, [3, 2, 1], "its absence before doesn't count any more");
    store.forget_objects(&connection_id("a"), "products", &["gone".to_owned()]).await.unwrap();
    assert_eq!(counts(store, 4).await, [2, 1, 0]);
}

#[tokio::test]
async fn accepted_absence_counts_at_once() {
    let database = shop().await;
    let store = &database.store;
    add(store).await;
    see(store, 1, &["1", "2"]).await;
    count_missing(store, 2, MISSING_IN_A_ROW).await;
    assert_eq!(gone(store, 2).await, ["1", "2"]);
}

#[tokio::test]
async fn the_range_of_a_read_survives_the_database() {
    let database = shop().await;
    let store = &database.store;
    let before = add(store).await;
    let mut state = before.state.clone();
    let requested = Requested::Between { since: NOW, until: NOW.after(Duration::from_hours(1)) };
    let plan = ReadPlan { changes: Some(Duration::ZERO), ..PLAN };
    state.begin_requested(&ReadRequest { requested, accepts_missing: false }, &plan, NOW);
    assert!(store.save_collection(&before, &state).await.unwrap());
    let kept = row(store).await.state.read.unwrap();
    assert!(matches!(kept.range, ReadRange::Changed { until: Some(_), .. }), "{kept:?}");
}
