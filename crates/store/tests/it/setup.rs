use crate::fixture::{connection, connection_id, external, location, shop, store_id, vault};
use model::{LinkKind, LocationId, TenantId};
use sqlx::{Connection as _, PgConnection, Row as _};
use std::{collections::BTreeSet, time::Duration};
use store::{Changed, Connection, LinkKey, LocationSetup, Rules, Store, StoreConfig, StoreError};

#[tokio::test]
async fn a_connection_reads_as_it_was_set_up_and_its_secrets_are_not_in_the_row() {
    let database = shop().await;
    let found = database.store.connection(&connection_id("a")).await.unwrap().unwrap();
    assert_eq!(found, connection("a", "shopify"));
    assert!(!format!("{found:?}").contains("token of"), "{found:?}");
    assert_eq!(database.store.connection(&connection_id("zzz")).await.unwrap(), None);
    assert_eq!(database.store.connections_of(&[store_id()]).await.unwrap().len(), 2);
    assert_eq!(database.store.stores(None).await.unwrap(), [store_id()]);
    assert_eq!(database.store.locations_of(&store_id()).await.unwrap()[0].id, location());

    let mut raw = PgConnection::connect(&database.url).await.unwrap();
    let row: String = sqlx::query("SELECT c::text FROM connections c WHERE id = 'a'")
        .fetch_one(&mut raw)
        .await
        .unwrap()
        .get(0);
    // Postgres writes a bytea in hexadecimal.
    let hidden = "746f6b656e206f662061";
    assert_eq!(hidden, format!("{:x}", u128::from_be_bytes(*b"\0\0\0\0\0\0token of a")));
    assert!(row.contains("platform.example") && !row.contains("token of") && !row.contains(hidden));
}

#[tokio::test]
async fn credentials_move_to_a_new_key_and_can_not_move_to_another_row() {
    let database = shop().await;
    let config = StoreConfig::new(&database.url);
    let rotating = Store::connect(&config, vault(&[("k1", 1), ("k2", 2)], "k2")).await.unwrap();
    assert_eq!(rotating.reseal_credentials().await.unwrap(), 2);
    let old = database.store.connection(&connection_id("a")).await.unwrap_err();
    assert!(matches!(old, StoreError::Vault(_)), "{old}");

    let rotated = Store::connect(&config, vault(&[("k2", 2)], "k2")).await.unwrap();
    assert_eq!(rotated.reseal_credentials().await.unwrap(), 0);
    assert_eq!(rotated.connection(&connection_id("a")).await.unwrap().unwrap().token, "token of a");

    let mut raw = PgConnection::connect(&database.url).await.unwrap();
    let swap = "UPDATE connections SET credentials = (SELECT credentials FROM connections WHERE id = 'b') WHERE id = 'a'";
    sqlx::query(swap).execute(&mut raw).await.unwrap();
    let moved = rotated.connection(&connection_id("a")).await.unwrap_err();
    assert!(matches!(moved, StoreError::Vault(_)), "{moved}");
}

#[tokio::test]
async fn nothing_that_is_set_up_changes_hands() {
    let database = shop().await;
    let store = &database.store;
    let other = TenantId::new("t2").unwrap();
    store.upsert_tenant(&other).await.unwrap();

    let taken = Connection { tenant: other.clone(), ..connection("a", "shopify") };
    assert!(matches!(store.upsert_connection(&taken).await, Err(StoreError::Refused { .. })));
    let turned = connection("a", "square");
    assert!(matches!(store.upsert_connection(&turned).await, Err(StoreError::Refused { .. })));
    let moved = LocationSetup { tenant: other, store: store_id(), id: location(), name: String::new() };
    assert!(matches!(store.upsert_location(&moved).await, Err(StoreError::Refused { .. })));

    let second =
        LocationSetup { tenant: TenantId::new("t1").unwrap(), id: LocationId::new("l2").unwrap(), ..moved };
    store.upsert_location(&second).await.unwrap();
    let (a, place_of_a, first) = (connection_id("a"), external("loc-a"), location());
    let link = |to| store.upsert_location_link(&a, &place_of_a, to);
    link(&first).await.unwrap();
    link(&first).await.unwrap();
    assert!(matches!(link(&second.id).await, Err(StoreError::Refused { .. })));
    let [key, unknown] = ["loc-a", "loc-b"].map(|name| LinkKey {
        connection: connection_id("a"),
        kind: LinkKind::Location,
        external: external(name),
    });
    let links = store.links(&BTreeSet::from([key.clone(), unknown])).await.unwrap();
    assert_eq!(links.into_iter().collect::<Vec<_>>(), [(key, "l1".to_owned())]);
}

#[tokio::test]
async fn a_location_is_one_place_at_a_platform_and_what_is_wrong_with_another_link_is_said() {
    let database = shop().await;
    let store = &database.store;
    let second = LocationSetup {
        tenant: TenantId::new("t1").unwrap(),
        store: store_id(),
        id: LocationId::new("l2").unwrap(),
        name: String::new(),
    };
    store.upsert_location(&second).await.unwrap();
    let nowhere = LocationId::new("l9").unwrap();
    let refused = async |connection: &str, name: &str, to: &LocationId| {
        let linked = store.upsert_location_link(&connection_id(connection), &external(name), to).await;
        linked.unwrap_err().to_string()
    };
    assert_eq!(
        refused("a", "loc-z", &location()).await,
        "the database refused: another location of the platform is linked to this one"
    );
    assert_eq!(
        refused("a", "loc-a", &second.id).await,
        "the database refused: the platform's location is linked to another one"
    );
    let unknown = "the database refused: there is no such connection, or the location isn't of its store";
    assert_eq!(refused("a", "loc-z", &nowhere).await, unknown);
    assert_eq!(refused("zzz", "loc-z", &location()).await, unknown);
    store.upsert_location_link(&connection_id("a"), &external("loc-z"), &second.id).await.unwrap();
    store.upsert_location_link(&connection_id("b"), &external("loc-b"), &second.id).await.unwrap();
}

#[tokio::test]
async fn changes_to_the_set_up_are_heard_and_a_lost_database_means_everything() {
    const PATIENCE: Duration = Duration::from_secs(20);
    let database = shop().await;
    let mut listener = database.store.listen_changes();
    assert_eq!(tokio::time::timeout(PATIENCE, listener.next()).await.unwrap(), Changed::Everything);

    let rules = Rules { propagate_prices: false, ..Rules::default() };
    database.store.upsert_connection(&Connection { rules, ..connection("a", "shopify") }).await.unwrap();
    let heard = tokio::time::timeout(PATIENCE, listener.next()).await.unwrap();
    assert_eq!(heard, Changed::Connection(connection_id("a")));
    assert_eq!(database.store.connection(&connection_id("a")).await.unwrap().unwrap().rules, rules);

    database.store.upsert_location_link(&connection_id("b"), &external("loc-b"), &location()).await.unwrap();
    let heard = tokio::time::timeout(PATIENCE, listener.next()).await.unwrap();
    assert_eq!(heard, Changed::Connection(connection_id("b")));

    let mut raw = PgConnection::connect(&database.url).await.unwrap();
    sqlx::query("UPDATE stores SET last_sequence = 0; ").execute(&mut raw).await.unwrap();
    sqlx::query("UPDATE stores SET timezone = 'UTC'").execute(&mut raw).await.unwrap();
    let heard = tokio::time::timeout(PATIENCE, listener.next()).await.unwrap();
    assert_eq!(heard, Changed::Store(store_id()));

    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sqlx::query(cut).execute(&mut raw).await.unwrap();
    assert_eq!(tokio::time::timeout(PATIENCE, listener.next()).await.unwrap(), Changed::Everything);
    sqlx::query("UPDATE stores SET timezone = 'Europe/Berlin'").execute(&mut raw).await.unwrap();
    let heard = tokio::time::timeout(PATIENCE, listener.next()).await.unwrap();
    assert_eq!(heard, Changed::Store(store_id()));
}

#[tokio::test]
async fn a_fetch_cursor_never_goes_back() {
    let database = shop().await;
    let (store, a) = (&database.store, connection_id("a"));
    assert_eq!(store.fetch_cursor(&a, "catalog").await.unwrap(), None);
    for (set, found) in [(5, 5), (3, 5), (9, 9)] {
        store.set_fetch_cursor(&a, "catalog", crate::fixture::at(set)).await.unwrap();
        assert_eq!(store.fetch_cursor(&a, "catalog").await.unwrap(), Some(crate::fixture::at(found)));
    }
}
