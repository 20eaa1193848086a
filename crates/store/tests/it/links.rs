//! Links of variants: retired, and listed by products of platforms.

use crate::{
    applying::load,
    desired::{catalog, links_of_b, price_key, product_id},
    fixture::{
        Database, commit, commit_silently, connection_id, empty_database, external, report, shop, step,
        store_id, variant,
    },
    propagating::{claim_reads, set},
};
use model::{
    ConnectionId, ExternalId, VariantId,
    record::{Changes, Effect, FirstKeys, Links, Ours, RowKeys},
};
use sqlx::{Connection as _, PgConnection, Row as _};
use std::{collections::BTreeMap, collections::BTreeSet, time::Duration};
use store::Consumer;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations");
/// The last version without the platforms' products of links.
const BEFORE: i64 = 20_261_128_000_080;

#[tokio::test]
async fn a_retired_link_is_not_found_and_may_lead_elsewhere_later() {
    let database = shop().await;
    report(&database.store, 1, "a", 10, 10).await;
    let key = (connection_id("a"), external("item-a"));
    let linked_to = |variant: Option<VariantId>| Changes {
        links: Links { items: BTreeMap::from([(key.clone(), variant)]), ..Links::default() },
        ..Changes::default()
    };
    let asked = RowKeys { links: BTreeSet::from([key.clone()]), ..RowKeys::default() };
    let found = async || load(&database, &FirstKeys::default(), &asked).await.links.items;
    assert_eq!(found().await, BTreeMap::from([(key.clone(), variant())]));
    commit_silently(&database.store, &linked_to(None)).await;
    assert_eq!(found().await, BTreeMap::new());
    let elsewhere = VariantId::new("v2").unwrap();
    commit_silently(&database.store, &linked_to(Some(elsewhere.clone()))).await;
    assert_eq!(found().await, BTreeMap::from([(key.clone(), elsewhere)]));
}

fn key(of: &str) -> (ConnectionId, ExternalId) {
    (connection_id("b"), external(of))
}

fn listing(of: &str, product: &str) -> BTreeMap<(ConnectionId, ExternalId), ExternalId> {
    BTreeMap::from([(key(of), external(product))])
}

/// Links a variant and its item to that variant of the store, or retires both links. With the platform's product that
/// lists them, if any.
async fn link(database: &Database, to: Option<&str>, product: Option<&str>) {
    let to = to.map(|id| VariantId::new(id).unwrap());
    let products = |of| product.map(|product| listing(of, product)).unwrap_or_default();
    let links = Links {
        variants: BTreeMap::from([(key("var-b"), to.clone())]),
        items: BTreeMap::from([(key("item-b"), to)]),
        variant_products: products("var-b"),
        item_products: products("item-b"),
        ..Links::default()
    };
    commit_silently(&database.store, &Changes { links, ..Changes::default() }).await;
}

/// Loads the links that a product of `b` lists.
async fn listed_by(database: &Database, product: &str) -> Links<Ours> {
    let rows = RowKeys { listed_by: BTreeSet::from([key(product)]), ..RowKeys::default() };
    load(database, &FirstKeys::default(), &rows).await.links
}

/// Loads the link of the variant of `b`.
async fn linked(database: &Database) -> Links<Ours> {
    let links = Links { variants: [(key("var-b"), ())].into(), ..Links::default() };
    load(database, &FirstKeys { links, ..FirstKeys::default() }, &RowKeys::default()).await.links
}

#[tokio::test]
async fn the_links_that_a_platforms_product_lists_are_found_whatever_they_lead_to() {
    let database = shop().await;
    link(&database, Some("elsewhere"), Some("prod-b")).await;
    let elsewhere = VariantId::new("elsewhere").unwrap();
    let expected = Links {
        variants: BTreeMap::from([(key("var-b"), elsewhere.clone())]),
        items: BTreeMap::from([(key("item-b"), elsewhere)]),
        variant_products: listing("var-b", "prod-b"),
        item_products: listing("item-b", "prod-b"),
        ..Links::default()
    };
    assert_eq!(listed_by(&database, "prod-b").await, expected);
    assert_eq!(listed_by(&database, "other").await, Links::default());
    // A link by hand doesn't say which product it is.
    link(&database, Some("v1"), None).await;
    assert_eq!(listed_by(&database, "prod-b").await.variants, BTreeMap::from([(key("var-b"), variant())]));
    link(&database, Some("v1"), Some("other")).await;
    assert_eq!(listed_by(&database, "prod-b").await, Links::default());

    link(&database, None, None).await;
    assert_eq!(listed_by(&database, "other").await, Links::default());
    let retired = Links { variant_products: listing("var-b", "other"), ..Links::default() };
    assert_eq!(linked(&database).await, retired, "its product is known, and it leads to nothing");
    link(&database, Some("v1"), None).await;
    assert_eq!(linked(&database).await.variants.len(), 1);
    assert_eq!(listed_by(&database, "other").await.items.len(), 1, "and it is the same one's again");
}

#[tokio::test]
async fn a_digest_says_that_a_link_is_retired_and_not_when() {
    let (one, other) = (shop().await, shop().await);
    let digest = async |of: &Database| of.store.digest(&store_id()).await.unwrap()["links"].clone();
    for database in [&one, &other] {
        link(database, Some("v1"), Some("prod-b")).await;
    }
    let live = digest(&one).await;
    link(&one, None, None).await;
    assert_ne!(digest(&one).await, live);
    tokio::time::sleep(Duration::from_millis(2)).await;
    link(&other, None, None).await;
    assert_eq!(digest(&one).await, digest(&other).await);
}

#[tokio::test]
async fn the_product_of_a_price_is_the_one_that_lists_its_variant() {
    for (is_listed, expected) in [(false, "prod-b"), (true, "other")] {
        let database = shop().await;
        let store = &database.store;
        commit(store, &catalog(), step(store, Consumer::Apply, 1).await).await.unwrap();
        let mut changes = links_of_b();
        if is_listed {
            changes.links.variant_products = listing("var-b", "other");
        }
        commit_silently(store, &changes).await;
        set(&database, 1, &[Effect::Linked { variant: variant() }]).await;
        let reads = claim_reads(&database, "b", 9).await;
        let of_price = reads.iter().find(|read| read.asked_by.mirror == price_key()).unwrap();
        assert_eq!(of_price.product, Some(external(expected)));
    }
}

#[tokio::test]
async fn an_upgrade_knows_the_product_of_what_a_platform_reported_as_new_and_guesses_no_other() {
    let database = empty_database().await;
    let mut raw = PgConnection::connect(&database.url).await.unwrap();
    MIGRATIONS.run_to(BEFORE, &mut raw).await.unwrap();
    let own = |of: &str| VariantId::derive(&connection_id("b"), &external(of));
    let product = product_id();
    // `moved` was linked by hand to a variant of another product, `matched` by its number at its first report; two of the
    // platform's products were linked to the product of `twice`.
    let rows = format!(
        "INSERT INTO tenants (id) VALUES ('t1');
         INSERT INTO stores (id, tenant, name, timezone) VALUES ('s1', 't1', 'Shop', 'UTC');
         INSERT INTO connections (id, tenant, store, platform, enabled, base_url, account, credentials, key_id)
         VALUES ('b', 't1', 's1', 'treez', true, 'https://platform.example', 'shop', '\\x00', 'k1');
         INSERT INTO variants (id, tenant, store, product)
         VALUES ('{own}', 't1', 's1', '{product}'), ('{moved}', 't1', 's1', '{product}'), ('{twice}', 't1', 's1', 'p2'),
             ('v9', 't1', 's1', 'p9');
         INSERT INTO links (tenant, connection, kind, external, internal, retired_at)
         VALUES ('t1', 'b', 'product', 'prod-1', '{product}', NULL), ('t1', 'b', 'product', 'prod-2', 'p2', NULL),
             ('t1', 'b', 'product', 'prod-3', 'p2', now()), ('t1', 'b', 'product', 'prod-9', 'p9', NULL),
             ('t1', 'b', 'variant', 'own', '{own}', NULL), ('t1', 'b', 'item', 'item-own', '{own}', NULL),
             ('t1', 'b', 'variant', 'moved', 'v9', NULL), ('t1', 'b', 'variant', 'matched', 'v9', NULL),
             ('t1', 'b', 'item', 'item-moved', 'v9', NULL), ('t1', 'b', 'variant', 'twice', '{twice}', NULL)",
        own = own("own"),
        moved = own("moved"),
        twice = own("twice"),
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(rows)).execute(&mut raw).await.unwrap();
    database.store.migrate().await.unwrap();
    let statement = "SELECT external, product FROM links WHERE kind IN ('variant', 'item') ORDER BY external";
    let found = sqlx::query(statement).fetch_all(&mut raw).await.unwrap();
    let found: Vec<(String, Option<String>)> =
        found.iter().map(|row| (row.get("external"), row.get("product"))).collect();
    let known = Some("prod-1".to_owned());
    let expected = [
        ("item-moved", None),
        ("item-own", known.clone()),
        ("matched", None),
        ("moved", known.clone()),
        ("own", known),
        ("twice", None),
    ];
    assert_eq!(found, expected.map(|(of, product)| (of.to_owned(), product)));
}
