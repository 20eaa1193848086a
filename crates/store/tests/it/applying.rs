use crate::{
    details::{product_details, settlement, variant_details},
    employees::employee,
    fixture::{
        Database, PARTITION, at, commit, commit_silently, connection_id, decide_level, empty_database, event,
        event_outcome, external, level_key, level_mirror_key, location, pieces, report, report_of, reported,
        shop, step, store_id, variant,
    },
    promotions::promotion,
    propagating::{claim, first_number_of_b, level_mirror, link_b, set_level},
};
use model::{
    BaselineRule, Currency, Customer, CustomerId, FieldKey, LevelMirror, LevelOutcome, LocationId, Mirror,
    Money, Order, OrderId, OrderLine, OrderStatus, Outcome, Patch, PlatformName, ProductId, ProductStatus,
    Quantity, StoreId, TenantId, TextMirror, VariantId, VersionNumber,
    record::{
        Changed, Changes, Clocked, Conflict, ConflictKind, ConnectionFacts, CustomerRow, Erasure, Facts,
        FirstKeys, Links, OrderRow, Ours, ProductRow, RowKeys, SkuCandidate, StoreStep, VariantRow,
    },
};
use sqlx::{Connection as _, PgConnection, Row as _};
use std::collections::{BTreeMap, BTreeSet};
use store::{ConflictFilter, Consumer, CursorMove, LocationSetup, StoreError};

fn clocked<T>(value: T) -> Clocked<T> {
    Clocked { value, at: at(5) }
}

fn tenant() -> TenantId {
    TenantId::new("t1").unwrap()
}

fn product() -> ProductRow {
    ProductRow {
        id: ProductId::new("p1").unwrap(),
        tenant: tenant(),
        store: store_id(),
        title: Some(clocked("Tea".to_owned())),
        description: Some(clocked(String::new())),
        vendor: None,
        category: Some(clocked("Drinks".to_owned())),
        status: Some(clocked(ProductStatus::Active)),
        tags: Some(clocked(vec!["green".to_owned(), "naïve \"quoted\", {braced}".to_owned()])),
        details: product_details(),
        deleted_at: None,
    }
}

fn variant_row(id: &str, sku: &str) -> VariantRow {
    let usd = Currency::new("USD").unwrap();
    VariantRow {
        id: VariantId::new(id).unwrap(),
        tenant: tenant(),
        store: store_id(),
        product: product().id,
        title: None,
        sku: Some(clocked(sku.to_owned())),
        barcode: None,
        price: Some(clocked(Money { minor: 1_999, currency: usd })),
        compare_at_price: Some(clocked(None)),
        details: variant_details(),
    }
}

fn order() -> OrderRow {
    let usd = Currency::new("USD").unwrap();
    let line = OrderLine {
        external: external("line-1"),
        variant: Some(external("var-a")),
        sku: None,
        title: Some("Tea".to_owned()),
        quantity: Quantity::parse("2.5").unwrap(),
        unit_price: Some(Money { minor: 800, currency: usd }),
        total: None,
    };
    OrderRow {
        id: OrderId::new("o1").unwrap(),
        tenant: tenant(),
        store: store_id(),
        connection: connection_id("a"),
        version: Some(VersionNumber(7)),
        order: Order {
            external: external("ord-a"),
            is_test: false,
            number: Some("#1001".to_owned()),
            status: OrderStatus::Completed,
            total: Some(Money { minor: 2_000, currency: usd }),
            tax: None,
            discount: None,
            placed_at: Some(at(1)),
            closed_at: Some(at(2)),
            customer: Some(external("cus-a")),
            location: None,
            employee: None,
            refund_of: None,
            lines: vec![line],
            settlement: settlement(),
        },
    }
}

fn customer() -> CustomerRow {
    CustomerRow {
        id: CustomerId::new("c1").unwrap(),
        tenant: tenant(),
        store: store_id(),
        connection: connection_id("a"),
        version: None,
        customer: Customer {
            external: external("cus-a"),
            first_name: Patch::Set("Ada".to_owned()),
            last_name: Patch::Set(String::new()),
            email: Patch::Clear,
            phone: Patch::Keep,
            tags: Some(vec![]),
            merged_into: None,
        },
        deleted_at: Some(at(3)),
    }
}

/// Returns changes of every kind of row.
fn everything() -> Changes {
    let mut changes = reported(1, "a", 10, 10);
    let text = FieldKey { connection: connection_id("a"), external: external("prod-a") };
    changes.mirrors.insert(Mirror::Text(text, TextMirror::default()));
    changes.products = BTreeMap::from([(product().id, product())]);
    for (id, sku) in [("v1", "TEA"), ("v2", "TWICE"), ("v3", "TWICE")] {
        let row = variant_row(id, sku);
        changes.variants.insert(row.id.clone(), row);
    }
    changes.orders = BTreeMap::from([(order().id, order())]);
    changes.customers = BTreeMap::from([(customer().id, customer())]);
    changes.promotions = BTreeMap::from([(promotion().id, promotion())]);
    changes.employees = BTreeMap::from([(employee("e1", "a").id, employee("e1", "a"))]);
    changes.links.products.insert((connection_id("a"), external("prod-a")), Some(product().id));
    changes.links.variants.insert((connection_id("a"), external("var-a")), Some(variant()));
    changes.links.variant_products.insert((connection_id("a"), external("var-a")), external("prod-a"));
    changes.links.item_products.insert((connection_id("a"), external("item-a")), external("prod-a"));
    changes.conflicts.push(Conflict {
        tenant: tenant(),
        store: store_id(),
        connection: connection_id("a"),
        event: Some(event(1, "a").id),
        kind: ConflictKind::SkuAmbiguous,
        subject: "item 7".to_owned(),
        detail: "two variants".to_owned(),
    });
    changes
}

/// Returns the links that are live.
fn live(links: &Links<Changed>) -> Links<Ours> {
    let product = |(key, to): (&_, &Option<_>)| Some((Clone::clone(key), to.clone()?));
    let variant = |(key, to): (&_, &Option<_>)| Some((Clone::clone(key), to.clone()?));
    Links {
        products: links.products.iter().filter_map(product).collect(),
        variants: links.variants.iter().filter_map(variant).collect(),
        items: links.items.iter().filter_map(variant).collect(),
        locations: links.locations.clone(),
        variant_products: links.variant_products.clone(),
        item_products: links.item_products.clone(),
    }
}

fn names_of(links: &Links<Changed>) -> Links<()> {
    Links {
        products: links.products.keys().map(|key| (key.clone(), ())).collect(),
        variants: links.variants.keys().map(|key| (key.clone(), ())).collect(),
        items: links.items.keys().map(|key| (key.clone(), ())).collect(),
        locations: links.locations.keys().map(|key| (key.clone(), ())).collect(),
        ..Links::default()
    }
}

fn set_up(platform: &str) -> ConnectionFacts {
    ConnectionFacts {
        currency: Some(Currency::new("USD").unwrap()),
        baseline: BaselineRule::Ask,
        platform: Some(PlatformName::new(platform).unwrap()),
        ..ConnectionFacts::default()
    }
}

pub(crate) async fn load(database: &Database, first: &FirstKeys, rows: &RowKeys) -> Facts {
    let mut facts = Facts::default();
    let mut transaction = database.store.begin_apply().await.unwrap();
    transaction.first(first, &mut facts).await.unwrap();
    transaction.rows(rows, &mut facts).await.unwrap();
    transaction.rollback().await.unwrap();
    facts
}

#[tokio::test]
async fn what_was_committed_is_what_the_next_batch_loads() {
    let database = shop().await;
    let changes = everything();
    commit(&database.store, &changes, step(&database.store, Consumer::Apply, 1).await).await.unwrap();

    let sku = |text: &str| (store_id(), text.to_owned());
    let unknown = (connection_id("b"), event(1, "b").id);
    let mut links = names_of(&changes.links);
    links.items.insert((connection_id("b"), external("x")), ());
    let first = FirstKeys {
        events: BTreeSet::from([(connection_id("a"), event(1, "a").id), unknown]),
        links,
        skus: BTreeSet::from([sku("TEA"), sku("TWICE"), sku("NONE")]),
        stores: BTreeSet::from([store_id(), StoreId::new("nobody").unwrap()]),
        linking: BTreeSet::new(),
    };
    let rows = RowKeys {
        mirrors: changes.mirrors.keys().chain([level_mirror_key("b")]).collect(),
        links: BTreeSet::from([(connection_id("a"), external("item-a"))]),
        items: BTreeSet::from([(connection_id("a"), external("item-a"))]),
        contacts: changes.levels.keys().cloned().collect(),
        products_of: changes.products.keys().cloned().collect(),
        listed_by: BTreeSet::from([(connection_id("a"), external("prod-a"))]),
        waiting: BTreeSet::from([connection_id("a")]),
        levels: changes.levels.keys().cloned().collect(),
        products: changes.products.keys().cloned().collect(),
        variants: changes.variants.keys().cloned().collect(),
        orders: changes.orders.keys().cloned().collect(),
        customers: changes.customers.keys().cloned().collect(),
        promotions: changes.promotions.keys().cloned().collect(),
        employees: changes.employees.keys().cloned().collect(),
    };
    let by_a = BTreeSet::from([connection_id("a")]);
    let candidates = |found: &[(&str, &BTreeSet<_>)]| {
        let candidate = |linked_by: &BTreeSet<_>| SkuCandidate {
            product: product().id,
            linked_by: Clone::clone(linked_by),
        };
        let found = found.iter().map(|(id, by)| (VariantId::new(id).unwrap(), candidate(by)));
        found.collect::<BTreeMap<_, _>>()
    };
    let nobody = BTreeSet::new();
    let skus = [
        (sku("TEA"), candidates(&[("v1", &by_a)])),
        (sku("TWICE"), candidates(&[("v2", &nobody), ("v3", &nobody)])),
    ];
    let linked_by = [("v1", &by_a), ("v2", &nobody), ("v3", &nobody)];
    let linked_by = linked_by.map(|(id, by)| (VariantId::new(id).unwrap(), by.clone()));
    let of_a = ConnectionFacts { open: [ConflictKind::SkuAmbiguous].into(), ..set_up("shopify") };
    let expected = Facts {
        seen: BTreeMap::from([((connection_id("a"), event(1, "a").id), event(1, "a").position)]),
        connections: [(connection_id("a"), of_a), (connection_id("b"), set_up("treez"))].into(),
        links: live(&changes.links),
        locations: BTreeMap::new(),
        linked_by: linked_by.into(),
        skus: skus.into(),
        dead: BTreeMap::new(),
        write_log: BTreeMap::new(),
        stores: BTreeMap::from([(store_id(), 1)]),
        mirrors: changes.mirrors,
        levels: changes.levels,
        products: changes.products,
        variants: changes.variants,
        orders: changes.orders,
        customers: changes.customers,
        promotions: changes.promotions,
        employees: changes.employees,
    };
    assert_eq!(load(&database, &first, &rows).await, expected);
    assert_eq!(load(&database, &FirstKeys::default(), &RowKeys::default()).await, Facts::default());
    let conflicts = database.store.conflicts(&ConflictFilter::default(), 10).await.unwrap();
    assert_eq!(conflicts[0].conflict, everything().conflicts[0]);
}

#[tokio::test]
async fn links_of_locations_are_loaded_where_one_is_linked_and_those_that_were_instructed_are_no_set_up() {
    let database = shop().await;
    let store = &database.store;
    let (a, second) = (connection_id("a"), LocationId::new("l2").unwrap());
    let setup =
        LocationSetup { tenant: tenant(), store: store_id(), id: second.clone(), name: String::new() };
    store.upsert_location(&setup).await.unwrap();
    report(store, 1, "a", 10, 10).await;
    let mut linked = Changes::default();
    linked.links.locations.insert((a.clone(), external("loc-2")), second.clone());
    commit_silently(store, &linked).await;
    commit_silently(store, &linked).await;

    let of_one = FirstKeys { links: names_of(&linked.links), ..FirstKeys::default() };
    let found = load(&database, &of_one, &RowKeys::default()).await;
    let expected = BTreeMap::from([((a.clone(), external("loc-2")), second.clone())]);
    assert_eq!((found.links.locations, found.locations.len()), (expected, 0));
    let linking = FirstKeys { linking: BTreeSet::from([a.clone()]), ..FirstKeys::default() };
    let found = load(&database, &linking, &RowKeys::default()).await;
    let own = ["loc-2", "loc-a"].map(|location| (a.clone(), external(location)));
    assert_eq!(found.links.locations.into_keys().collect::<Vec<_>>(), own);
    assert_eq!(found.links.items.into_keys().collect::<Vec<_>>(), [(a.clone(), external("item-a"))]);
    assert_eq!(found.locations, BTreeMap::from([(store_id(), BTreeSet::from([location(), second.clone()]))]));
    assert_eq!(store.count_items(&a).await.unwrap(), 1);
    assert_eq!(
        store.location_links(&a).await.unwrap(),
        [(external("loc-2"), second), (external("loc-a"), location())]
    );

    let copy = empty_database().await;
    copy.store.migrate().await.unwrap();
    store.copy_set_up(&copy.store).await.unwrap();
    let copied = copy.store.location_links(&a).await.unwrap();
    assert_eq!(copied, [(external("loc-a"), location())], "the instruction makes the other one again");
}

#[tokio::test]
async fn the_outbox_and_the_store_s_history_are_read_in_order() {
    let database = shop().await;
    for number in 1..=5 {
        report(&database.store, number, "a", 1, i32::try_from(number).unwrap()).await;
    }
    let rows = database.store.applied_after(PARTITION, 2, 2).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [3, 4]);
    let (row, source) = (&rows[0], event(3, "a"));
    assert_eq!(
        (row.event, row.store.clone(), row.payload.as_slice()),
        (source.id, store_id(), &[0, 255, 3][..])
    );
    assert_eq!((row.occurred_at, &row.trace), (source.occurred_at, &source.trace));
    let history = database.store.events_of(&store_id(), 0, 100).await.unwrap();
    assert_eq!(history.iter().map(|row| row.sequence).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let ended = database.store.event_outcome(&connection_id("a"), source.id).await.unwrap().unwrap();
    assert_eq!(ended.event_outcome, event_outcome(&source, Outcome::Applied, Some(3)));
    assert_eq!(database.store.outcomes_of(&store_id()).await.unwrap(), [(Outcome::Applied, 5)]);
    assert_eq!(database.store.event_outcomes_of(&store_id(), 2).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_stale_owner_s_commit_changes_nothing() {
    let database = shop().await;
    let store = &database.store;
    let stale = step(store, Consumer::Apply, 1).await;
    report(store, 1, "a", 10, 10).await;
    let before = store.digest(&store_id()).await.unwrap();

    let passed = CursorMove { number: 1, ..stale };
    assert!(matches!(commit(store, &reported(1, "b", 5, 15), passed).await, Err(StoreError::Fenced)));

    let own = step(store, Consumer::Apply, 2).await;
    let taken = store.take_epoch(Consumer::Apply, PARTITION).await.unwrap();
    assert_eq!((taken.epoch, taken.number), (own.from.epoch + 1, 1));
    assert!(matches!(commit(store, &reported(2, "a", 1, 11), own).await, Err(StoreError::Fenced)));
    assert_eq!(store.digest(&store_id()).await.unwrap(), before);

    report(store, 2, "a", 1, 11).await;
    assert_ne!(store.digest(&store_id()).await.unwrap(), before);
    assert_eq!(store.apply_cursor(PARTITION).await.unwrap().number, 2);
}

#[tokio::test]
async fn an_event_ends_once_unless_it_ended_dead() {
    let database = shop().await;
    let store = &database.store;
    let ends = |outcome| Changes {
        event_outcomes: vec![event_outcome(&event(1, "a"), outcome, None)],
        ..Changes::default()
    };
    let dead = ends(Outcome::Dead);
    let position = |raw_sequence| model::Position { raw_sequence, delivery: 0, event: 0 };
    let moved =
        |step: CursorMove, raw| CursorMove { position: position(raw), number: step.from.number, ..step };
    commit(store, &dead, moved(step(store, Consumer::Apply, 0).await, 1)).await.unwrap();
    let keys = FirstKeys {
        events: BTreeSet::from([(connection_id("a"), event(1, "a").id)]),
        ..FirstKeys::default()
    };
    assert!(load(&database, &keys, &RowKeys::default()).await.seen.is_empty());

    // The replay of the event.
    let revived = BTreeSet::from([(connection_id("a"), event(1, "a").id)]);
    let replayed = Changes { revived, ..reported(1, "a", 10, 10) };
    commit(store, &replayed, step(store, Consumer::Apply, 1).await).await.unwrap();
    assert_eq!(load(&database, &keys, &RowKeys::default()).await.seen.len(), 1);
    let row = store.event_outcome(&connection_id("a"), event(1, "a").id).await.unwrap().unwrap();
    assert_eq!((row.event_outcome.outcome, row.attempts), (Outcome::Applied, 2));

    let again = ends(Outcome::Unchanged);
    let twice = commit(store, &again, moved(step(store, Consumer::Apply, 0).await, 9)).await;
    assert!(matches!(twice, Err(StoreError::Refused { .. })), "{twice:?}");
}

#[tokio::test]
async fn counts_with_gaps_and_rows_of_nobody_are_refused() {
    let database = shop().await;
    let store = &database.store;
    let nobody = StoreId::new("nobody").unwrap();
    let refused = [
        ("a gap in the partition's count", reported(2, "a", 1, 1), 2),
        ("a cursor past its changes", reported(1, "a", 1, 1), 2),
        (
            "a store that isn't set up",
            Changes {
                stores: BTreeMap::from([(nobody, StoreStep { last_sequence: Some(1), ended: 0 })]),
                ..Changes::default()
            },
            0,
        ),
        (
            "a connection that isn't set up",
            {
                let mut changes = Changes::default();
                changes.mirrors.insert(Mirror::Level(level_key("zzz"), LevelMirror::default()));
                changes
            },
            0,
        ),
        (
            "a text with a zero byte",
            {
                let mut changes = everything();
                changes.products.values_mut().for_each(|row| row.title = Some(clocked("a\0b".to_owned())));
                changes
            },
            1,
        ),
    ];
    for (what, changes, number) in refused {
        let step = step(store, Consumer::Apply, number).await;
        let result = commit(store, &changes, step).await;
        assert!(matches!(result, Err(StoreError::Refused { .. })), "{what}: {result:?}");
    }
    assert_eq!(store.apply_cursor(PARTITION).await.unwrap().number, 0);
    report(store, 1, "a", 1, 1).await;
}

#[tokio::test]
async fn the_ledger_sums_up_to_the_levels() {
    let database = shop().await;
    let store = &database.store;
    for (number, connection, delta, level) in [(1, "a", 10, 10), (2, "b", -1, 9), (3, "a", -1, 8)] {
        report(store, number, connection, delta, level).await;
    }
    let unbalanced = async || {
        let mut wrong = store.contradictions(&store_id()).await.unwrap();
        wrong.retain(|wrong| wrong.contains("ledger"));
        wrong
    };
    assert!(unbalanced().await.is_empty());
    let view = store.show_store(&store_id()).await.unwrap();
    assert_eq!((view.levels[0].quantity, view.mirrors.len()), (Quantity::pieces(8), 2));

    let mut silent = reported(4, "a", 0, 5);
    silent.movements.clear();
    commit(store, &silent, step(store, Consumer::Apply, 4).await).await.unwrap();
    assert_eq!(unbalanced().await, ["1 levels that the ledger does not sum up to"]);
}

#[tokio::test]
async fn a_batch_that_did_not_see_a_write_begin_is_tried_again() {
    let database = shop().await;
    let store = &database.store;
    report(store, 1, "a", 10, 10).await;
    // Decided while `b` had no mirror yet; then its mirror is created and written to.
    let changes = reported(2, "b", -1, 9);
    let begun = step(store, Consumer::Apply, 2).await;
    let mut transaction = store.begin_apply().await.unwrap();
    let keys = RowKeys { mirrors: BTreeSet::from([level_mirror_key("b")]), ..RowKeys::default() };
    transaction.rows(&keys, &mut Facts::default()).await.unwrap();
    link_b(&database).await;
    set_level(&database, 1).await;
    first_number_of_b(&database).await;
    assert_eq!(claim(&database, "b", 9).await.len(), 1);
    let early = transaction.commit(&changes, &[vec![]], &[begun]).await.unwrap_err();
    assert!(early.is_retryable(), "{early}");

    // With the mirror loaded, the begun write stays, and the report meets it.
    decide_level(store, "b", |mirror| {
        assert_eq!(mirror.observe(&report_of(pieces(9), 2)), LevelOutcome::Contested);
    })
    .await;
    let row = level_mirror(&database, "b").await;
    assert_eq!((row.phase.as_str(), row.phase.write().unwrap().value), ("contested", pieces(10)));
    // The platform holds the store's own level, so this is the desired value.
    commit(store, &changes, begun).await.unwrap();
    assert_eq!(level_mirror(&database, "b").await.desired, Some(pieces(9)));
}

#[tokio::test]
async fn an_erased_account_s_customers_lose_their_personal_data_and_it_is_reported() {
    let database = shop().await;
    let store = &database.store;
    let of_b =
        CustomerRow { id: CustomerId::new("c2").unwrap(), connection: connection_id("b"), ..customer() };
    let known = CustomerRow {
        id: CustomerId::new("c3").unwrap(),
        deleted_at: None,
        customer: Customer { tags: Some(vec!["vip".to_owned()]), ..customer().customer },
        ..customer()
    };
    let rows = [customer(), of_b.clone(), known.clone()].map(|row| (row.id.clone(), row));
    commit_silently(store, &Changes { customers: rows.into(), ..Changes::default() }).await;

    let report = Conflict {
        tenant: tenant(),
        store: store_id(),
        connection: connection_id("a"),
        event: Some(event(1, "a").id),
        kind: ConflictKind::EraseAccount,
        subject: "account shop".to_owned(),
        detail: "the personal data of the account's customers was erased".to_owned(),
    };
    // One statement erases a thousand of them; the one that the batch itself decided stays as decided.
    let mut raw = PgConnection::connect(&database.url).await.unwrap();
    let many = "INSERT INTO customers (id, tenant, store, connection, external, personal)
                SELECT 'x' || number, 't1', 's1', 'a', 'x' || number, '{\"email\": \"a@b.example\"}'
                FROM generate_series(1, 2500) AS of(number)";
    sqlx::query(many).execute(&mut raw).await.unwrap();
    let since = CustomerRow { id: CustomerId::new("c4").unwrap(), ..customer() };
    let erasure = Erasure { version: VersionNumber(77), at: at(5) };
    let erased = Changes {
        erased: BTreeMap::from([(connection_id("a"), erasure)]),
        customers: BTreeMap::from([(since.id.clone(), since.clone())]),
        conflicts: vec![report.clone()],
        ..Changes::default()
    };
    commit_silently(store, &erased).await;
    commit_silently(store, &Changes { conflicts: Vec::new(), ..erased }).await;
    let left = "SELECT count(*) AS personal FROM customers WHERE connection = 'a' AND personal <> '{}'";
    let left: i64 = sqlx::query(left).fetch_one(&mut raw).await.unwrap().get("personal");
    assert_eq!(left, 1, "all but the one that was decided since");
    let keys = ["c1", "c2", "c3"].map(|id| CustomerId::new(id).unwrap());
    let asked = RowKeys { customers: keys.into(), ..RowKeys::default() };
    let mut found = load(&database, &FirstKeys::default(), &asked).await.customers;
    assert_eq!(found.remove(&of_b.id), Some(of_b), "another account's stay");
    for row in found.values() {
        let Customer { first_name, last_name, email, phone, tags, .. } = &row.customer;
        for field in [first_name, last_name, email, phone] {
            assert_eq!(field, &Patch::Keep);
        }
        assert_eq!(tags, &None);
    }
    assert_eq!(found[&customer().id].deleted_at, customer().deleted_at.max(Some(at(5))));
    let floor = &found[&known.id];
    assert_eq!((floor.deleted_at, floor.version), (Some(at(5)), known.version.max(Some(VersionNumber(77)))));
    let open = store.conflicts(&ConflictFilter::default(), 10).await.unwrap();
    assert_eq!(open.into_iter().map(|row| row.conflict).collect::<Vec<_>>(), [report]);
}

#[tokio::test]
async fn batches_of_any_size_come_to_the_same_digests() {
    let (one, other) = (shop().await, shop().await);
    for number in 1..=4 {
        report(&one.store, number, "a", 1, i32::try_from(number).unwrap()).await;
    }
    let mut all = reported(1, "a", 1, 1);
    for number in 2..=4 {
        let next = reported(number, "a", 1, i32::try_from(number).unwrap());
        all.event_outcomes.extend(next.event_outcomes);
        all.applied.extend(next.applied);
        all.movements.extend(next.movements);
        (all.mirrors, all.levels, all.stores) = (next.mirrors, next.levels, next.stores);
    }
    commit(&other.store, &all, step(&other.store, Consumer::Apply, 4).await).await.unwrap();
    let digest = one.store.digest(&store_id()).await.unwrap();
    assert_eq!(digest, other.store.digest(&store_id()).await.unwrap());
    report(&other.store, 5, "a", 1, 5).await;
    let later = other.store.digest(&store_id()).await.unwrap();
    assert!(later["levels"] != digest["levels"] && later["links"] == digest["links"]);
}
