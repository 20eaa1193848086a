use crate::fixture::{connection, connection_id, shop};
use model::{Position, Timestamp};
use sqlx::{Connection as _, PgConnection, Row as _};
use store::{ParkedNotice, Store};

fn notice(raw_sequence: u64) -> ParkedNotice {
    ParkedNotice {
        position: Position { raw_sequence, delivery: 0, event: 0 },
        delivery: vec![1, 2, u8::try_from(raw_sequence).unwrap()],
        since: Timestamp::from_micros(1_700_000_000_000_000),
    }
}

async fn park(store: &Store, id: &str, raw_sequence: u64, topic: &str, only_newest: bool) {
    let origin = connection(id, "shopify").origin();
    store.park_notice(&origin, topic, &notice(raw_sequence), only_newest).await.unwrap();
}

/// Returns the positions of the parked notifications, newest first.
async fn parked(store: &Store, id: &str) -> Vec<u64> {
    let rows = store.parked_beyond(&connection_id(id), 0).await.unwrap();
    rows.iter().map(|notice| notice.position.raw_sequence).collect()
}

#[tokio::test]
async fn notices_wait_in_their_order_until_they_are_taken_away() {
    let database = shop().await;
    let store = &database.store;
    for raw_sequence in [7, 5, 6, 5] {
        park(store, "a", raw_sequence, "order.updated", false).await;
    }
    park(store, "b", 1, "order.updated", false).await;
    assert_eq!(parked(store, "a").await, [7, 6, 5]);
    assert_eq!(store.parked_connections().await.unwrap().len(), 2);

    let oldest = store.oldest_parked(&connection_id("a")).await.unwrap().unwrap();
    assert_eq!(oldest, notice(5));
    store.unpark_notice(&connection_id("a"), oldest.position).await.unwrap();
    assert_eq!(parked(store, "a").await, [7, 6]);
    assert_eq!(parked(store, "b").await, [1]);
    let beyond = store.parked_beyond(&connection_id("a"), 1).await.unwrap();
    assert_eq!(beyond, [notice(6)]);
}

#[tokio::test]
async fn a_notice_that_only_says_that_something_changed_takes_the_place_of_the_one_before() {
    let database = shop().await;
    let store = &database.store;
    for raw_sequence in [3, 4, 6] {
        park(store, "a", raw_sequence, "catalog.version.updated", true).await;
    }
    park(store, "a", 5, "order.updated", false).await;
    park(store, "b", 2, "catalog.version.updated", true).await;
    assert_eq!(parked(store, "a").await, [6, 5]);
    assert_eq!(parked(store, "b").await, [2]);
}

#[tokio::test]
async fn a_tenant_sees_its_own_parked_notices_and_nobody_elses_and_never_a_delivery() {
    let database = shop().await;
    park(&database.store, "a", 1, "order.updated", false).await;
    let mut raw = PgConnection::connect(&database.url).await.unwrap();
    sqlx::query("SET ROLE tillflow_tenant").execute(&mut raw).await.unwrap();
    for (tenant, rows) in [("t1", 1_i64), ("t2", 0)] {
        let set = sqlx::query("SELECT set_config('tillflow.tenant', $1, false)").bind(tenant);
        set.execute(&mut raw).await.unwrap();
        let count = sqlx::query("SELECT count(topic) FROM parked_notices").fetch_one(&mut raw).await.unwrap();
        assert_eq!(count.get::<i64, _>(0), rows, "{tenant}");
    }
    assert!(sqlx::query("SELECT delivery FROM parked_notices").fetch_all(&mut raw).await.is_err());
}
