use crate::fixture::{connection_id, shop};
use model::Timestamp;
use sqlx::{Connection as _, PgConnection, Row as _};
use std::time::Duration;
use store::{Connection, IssuedToken, Store};

const LEASE: Duration = Duration::from_secs(15);

fn token(value: &str) -> IssuedToken {
    IssuedToken { value: value.to_owned(), expires_at: Timestamp::from_micros(1_800_000_000_000_000) }
}

async fn saved(store: &Store, id: &str) -> Connection {
    store.connection(&connection_id(id)).await.unwrap().unwrap()
}

fn after(seconds: u64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000).after(Duration::from_secs(seconds))
}

#[tokio::test]
async fn one_at_a_time_asks_for_a_token_and_all_get_it() {
    let database = shop().await;
    let store = &database.store;
    let (a, b) = (saved(store, "a").await, saved(store, "b").await);
    assert_eq!(store.access_token(&a).await.unwrap(), None);
    assert!(store.begin_token_refresh(&a, LEASE, after(0)).await.unwrap());
    assert!(!store.begin_token_refresh(&a, LEASE, after(14)).await.unwrap());
    assert!(store.begin_token_refresh(&b, LEASE, after(14)).await.unwrap(), "another connection");
    store.end_token_refresh(&a, Some(&token("first"))).await.unwrap();
    assert_eq!(store.access_token(&a).await.unwrap(), Some(token("first")));
    assert_eq!(store.access_token(&b).await.unwrap(), None);

    assert!(store.begin_token_refresh(&a, LEASE, after(15)).await.unwrap());
    assert_eq!(store.access_token(&a).await.unwrap(), Some(token("first")), "until there is another");
    store.end_token_refresh(&a, Some(&token("second"))).await.unwrap();
    assert_eq!(store.access_token(&a).await.unwrap(), Some(token("second")));
}

#[tokio::test]
async fn who_asks_and_fails_or_dies_holds_nobody_up_for_longer_than_the_lease() {
    let database = shop().await;
    let store = &database.store;
    let a = saved(store, "a").await;
    assert!(store.begin_token_refresh(&a, LEASE, after(0)).await.unwrap());
    store.end_token_refresh(&a, None).await.unwrap();
    assert!(store.begin_token_refresh(&a, LEASE, after(1)).await.unwrap(), "it failed");
    assert!(!store.begin_token_refresh(&a, LEASE, after(15)).await.unwrap());
    assert!(store.begin_token_refresh(&a, LEASE, after(16)).await.unwrap(), "it died");
}

#[tokio::test]
async fn a_token_belongs_to_the_credentials_that_it_was_issued_for() {
    let database = shop().await;
    let store = &database.store;
    let a = saved(store, "a").await;
    store.begin_token_refresh(&a, LEASE, after(0)).await.unwrap();
    store.end_token_refresh(&a, Some(&token("issued"))).await.unwrap();
    for changed in [
        Connection { token: "another".to_owned(), ..a.clone() },
        Connection { account: "another".to_owned(), ..a.clone() },
        Connection { base_url: "https://another.example".to_owned(), ..a.clone() },
    ] {
        assert_eq!(store.access_token(&changed).await.unwrap(), None);
    }
    let paused = Connection { enabled: false, ..a };
    assert_eq!(store.access_token(&paused).await.unwrap(), Some(token("issued")));
}

#[tokio::test]
async fn a_token_is_sealed_and_no_tenant_reads_the_table() {
    let database = shop().await;
    let store = &database.store;
    let a = saved(store, "a").await;
    store.begin_token_refresh(&a, LEASE, after(0)).await.unwrap();
    store.end_token_refresh(&a, Some(&token("the-issued-token"))).await.unwrap();
    assert!(!format!("{:?}", store.access_token(&a).await.unwrap()).contains("the-issued-token"));
    let mut raw = PgConnection::connect(&database.url).await.unwrap();
    let row = sqlx::query("SELECT token FROM access_tokens").fetch_one(&mut raw).await.unwrap();
    let kept: Vec<u8> = row.get("token");
    assert!(!kept.windows(9).any(|bytes| bytes == b"the-issue"));
    sqlx::query("SET ROLE tillflow_tenant").execute(&mut raw).await.unwrap();
    assert!(sqlx::query("SELECT connection FROM access_tokens").fetch_all(&mut raw).await.is_err());
}
