//! Rebuild of state and ledger, compared with the expected ones.

use crate::fixture::{at, connection_id, external, location, report, reported, shop, store_id, variant};
use model::{
    Currency, Money, Order, OrderId, OrderStatus, ProductId, ProductStatus, PromotionId, Quantity,
    Settlement, TenantId, VariantId, VersionNumber,
    promotion::Promotion,
    record::{
        Clocked, KeptProductDetails, KeptVariantDetails, Movement, OrderRow, ProductRow, PromotionRow, State,
        VariantRow,
    },
};
use sqlx::{Connection as _, PgConnection, Row as _};
use std::collections::BTreeMap;
use store::{Difference, Store, Wrong};

fn clocked<T>(value: T, second: i64) -> Clocked<T> {
    Clocked { value, at: at(second) }
}

fn euros(minor: i64) -> Money {
    Money { minor, currency: Currency::new("EUR").unwrap() }
}

/// A row of each kind, with fields that are set, empty on purpose, and never reported.
fn state() -> State {
    let (tenant, store) = (TenantId::new("t1").unwrap(), store_id());
    let product = ProductRow {
        id: ProductId::new("p1").unwrap(),
        tenant: tenant.clone(),
        store: store.clone(),
        title: Some(clocked("Tea".to_owned(), 1)),
        description: Some(clocked(String::new(), 2)),
        vendor: None,
        category: None,
        status: Some(clocked(ProductStatus::Active, 3)),
        tags: Some(clocked(vec!["a".to_owned(), "b".to_owned()], 4)),
        details: KeptProductDetails { images: Some(clocked(Vec::new(), 8)), attributes: None },
        deleted_at: None,
    };
    let variant = VariantRow {
        id: variant(),
        tenant: tenant.clone(),
        store: store.clone(),
        product: product.id.clone(),
        title: None,
        sku: Some(clocked("T-1".to_owned(), 5)),
        barcode: None,
        price: Some(clocked(euros(950), 6)),
        compare_at_price: Some(clocked(None, 7)),
        details: KeptVariantDetails::default(),
    };
    let order = Order {
        external: external("o1"),
        is_test: false,
        number: Some("17".to_owned()),
        status: OrderStatus::Completed,
        total: Some(euros(1900)),
        tax: None,
        discount: None,
        placed_at: Some(at(8)),
        closed_at: None,
        customer: None,
        location: None,
        employee: None,
        refund_of: None,
        lines: Vec::new(),
        settlement: Settlement { tip: Some(euros(100)), ..Settlement::default() },
    };
    let promotion = PromotionRow {
        id: PromotionId::new("pro1").unwrap(),
        tenant: tenant.clone(),
        store: store.clone(),
        connection: connection_id("a"),
        version: Some(VersionNumber(5)),
        promotion: Promotion { name: Some("Tuesdays".to_owned()), ..Promotion::bare(external("pro-a")) },
        deleted_at: None,
        activity: None,
        watched_from: at(7),
    };
    let order = OrderRow {
        id: OrderId::new("ord1").unwrap(),
        tenant,
        store,
        connection: connection_id("a"),
        version: Some(VersionNumber(4)),
        order,
    };
    State {
        levels: BTreeMap::from([((variant.id.clone(), location()), Quantity::parse("2.5").unwrap())]),
        products: BTreeMap::from([(product.id.clone(), product)]),
        variants: BTreeMap::from([(variant.id.clone(), variant)]),
        orders: BTreeMap::from([(order.id.clone(), order)]),
        promotions: BTreeMap::from([(promotion.id.clone(), promotion)]),
    }
}

async fn settle(store: &Store, state: &State, mends: bool) -> Vec<Difference> {
    let mut step = store.rebuilding(&store_id(), mends).await.unwrap();
    let (tenant, _) = step.hold().await.unwrap();
    let found = step.state(&tenant, state).await.unwrap();
    step.commit().await.unwrap();
    found
}

fn differs(table: &'static str, key: &str, columns: &[&str]) -> Difference {
    let columns = columns.iter().map(|column| (*column).to_owned()).collect();
    Difference { table, key: key.to_owned(), what: Wrong::Differs(columns) }
}

#[tokio::test]
async fn what_is_missing_is_made_and_every_column_is_held_against_what_it_has_to_be() {
    let database = shop().await;
    let (store, state) = (&database.store, state());
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let missing = settle(store, &state, false).await;
    assert_eq!(settle(store, &state, true).await, missing, "a look changes nothing");
    let tables: Vec<&str> = missing.iter().map(|difference| difference.table).collect();
    assert_eq!(tables, ["inventory_levels", "products", "variants", "orders", "promotions"]);
    assert!(missing.iter().all(|difference| difference.what == Wrong::Missing));
    assert_eq!(settle(store, &state, true).await, []);
    let digest = store.digest(&store_id()).await.unwrap();

    for (table, key) in [
        ("inventory_levels", "v1 l1"),
        ("products", "p1"),
        ("variants", "v1"),
        ("orders", "ord1"),
        ("promotions", "pro1"),
    ] {
        // When a promotion is looked at next is no part of the record.
        let columns = sqlx::query(
            "SELECT column_name::text AS name, udt_name::text AS kind FROM information_schema.columns
             WHERE table_name = $1 AND column_name NOT IN ('id', 'variant', 'location', 'look_at', 'looked_in')
             ORDER BY ordinal_position",
        );
        for column in columns.bind(table).fetch_all(&mut connection).await.unwrap() {
            let (name, kind): (String, String) = (column.get("name"), column.get("kind"));
            let other = match (&*name, &*kind) {
                ("status", _) => "'draft'",
                (_, "text") => "'another'",
                (_, "numeric" | "int8") => "1",
                (_, "bool") => "true",
                (_, "jsonb") => "'{}'",
                (_, "timestamptz") => "'2001-01-01Z'",
                _ => panic!("{table}.{name} is a {kind}"),
            };
            let other = if (table, &*name) == ("orders", "status") { "'open'" } else { other };
            let damage = sqlx::AssertSqlSafe(format!("UPDATE {table} SET {name} = {other}"));
            sqlx::query(damage).execute(&mut connection).await.unwrap();
            let found = settle(store, &state, true).await;
            assert_eq!(found, [differs(table, key, &[&name])]);
            assert_eq!(store.digest(&store_id()).await.unwrap(), digest, "{table}.{name} is as before");
        }
    }
}

#[tokio::test]
async fn later_clocks_and_higher_versions_are_never_set_back() {
    let database = shop().await;
    let (store, state) = (&database.store, state());
    settle(store, &state, true).await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    for statement in [
        "UPDATE products SET title_at = title_at + interval '1 day', vendor_at = now()",
        "UPDATE orders SET version = 9",
    ] {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    assert_eq!(settle(store, &state, true).await, [differs("products", "p1", &["vendor_at"])]);
    sqlx::query("UPDATE products SET title = 'Poor'").execute(&mut connection).await.unwrap();
    assert_eq!(settle(store, &state, true).await, [differs("products", "p1", &["title"])]);
    let later = sqlx::query(
        "SELECT p.title = 'Tea' AND p.title_at > p.status_at + interval '12 hours' AND o.version = 9 AS later
         FROM products p, orders o",
    );
    assert!(later.fetch_one(&mut connection).await.unwrap().get::<bool, _>("later"));
}

#[tokio::test]
async fn rows_that_no_event_made_and_lines_that_differ_are_named_and_stay() {
    let database = shop().await;
    let store = &database.store;
    report(store, 1, "a", 10, 10).await;
    report(store, 2, "a", -1, 9).await;
    let mut lines: Vec<Movement> = reported(1, "a", 10, 10).movements;
    lines.extend(reported(2, "a", -1, 9).movements);
    let third = reported(3, "a", -2, 7).movements.remove(0);
    lines[1].level = Quantity::pieces(8);
    let reported = [lines[0].clone(), lines[1].clone(), third.clone()];
    let wrong = |key: &str, what| Difference { table: "inventory_movements", key: key.to_owned(), what };
    let columns = vec!["level".to_owned()];
    let (differs, missing) = (wrong("2 v1 l1", Wrong::Differs(columns)), wrong("3 v1 l1", Wrong::Missing));
    for expected in [vec![differs.clone(), missing], vec![differs]] {
        let mut step = store.rebuilding(&store_id(), true).await.unwrap();
        let mut found = step.ledger(&reported, i64::MIN, 3).await.unwrap();
        step.commit().await.unwrap();
        found.sort();
        assert_eq!(found.iter().map(Difference::is_correctable).filter(|corrected| !corrected).count(), 1);
        found.sort_by_key(|difference| difference.key.clone());
        assert_eq!(found, expected);
    }
    let mut step = store.rebuilding(&store_id(), true).await.unwrap();
    let beyond = step.ledger(&[third], 1, 3).await.unwrap();
    assert_eq!(beyond, [wrong("2 v1 l1", Wrong::WithoutEvent)]);

    let found = settle(store, &State::default(), true).await;
    let level = Difference { table: "inventory_levels", key: "v1 l1".to_owned(), what: Wrong::WithoutEvent };
    assert_eq!(found, [level]);
    assert!(!found[0].is_correctable());
    let another = State {
        levels: BTreeMap::from([((VariantId::new("v2").unwrap(), location()), Quantity::ZERO)]),
        ..State::default()
    };
    assert_eq!(settle(store, &another, true).await.len(), 2);
    assert_eq!(settle(store, &another, true).await, found, "it stays");
}

#[tokio::test]
async fn a_run_goes_on_with_the_stores_that_it_had_not_come_to() {
    let database = shop().await;
    let store = &database.store;
    report(store, 1, "a", 10, 10).await;
    let run = store.begin_rebuild(false).await.unwrap();
    assert_eq!((run.stores.len(), run.stores[0].last_sequence, run.done_before), (1, 1, 0));
    let again = store.begin_rebuild(false).await.unwrap();
    assert_eq!((&again.stores, again.done_before), (&run.stores, 0), "nothing was done");
    let mut step = store.rebuilding(&store_id(), true).await.unwrap();
    assert_eq!(step.hold().await.unwrap(), (TenantId::new("t1").unwrap(), 1));
    assert_eq!(step.changes(0, 10).await.unwrap().len(), 1);
    step.finish(&run, 1, 3).await.unwrap();
    let next = store.begin_rebuild(false).await.unwrap();
    assert_eq!((next.stores.len(), next.left_alone_before), (1, 0), "the one before had come to its end");

    let setup = store::StoreSetup {
        tenant: TenantId::new("t1").unwrap(),
        id: model::StoreId::new("s2").unwrap(),
        name: "Second".to_owned(),
        currency: None,
        timezone: "UTC".to_owned(),
    };
    store.upsert_store(&setup).await.unwrap();
    let run = store.begin_rebuild(true).await.unwrap();
    assert_eq!(run.stores.len(), 2);
    store.rebuilding(&store_id(), true).await.unwrap().finish(&run, 1, 3).await.unwrap();
    let rest = store.begin_rebuild(false).await.unwrap();
    assert_eq!((rest.stores.len(), rest.done_before, rest.left_alone_before), (1, 1, 3));
    assert_eq!(store.begin_rebuild(true).await.unwrap().stores.len(), 2);
}
