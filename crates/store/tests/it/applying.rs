use crate::fixture::{
    Database, PARTITION, at, commit, connection_id, ending, event, external, level_key, pieces, report,
    reported, shop, statements, step, store_id, variant,
};
use model::{
    Currency, Customer, CustomerId, LinkKind, Mirror, MirrorKey, MirrorKind, Money, Order, OrderId,
    OrderLine, OrderStatus, Outcome, Patch, ProductId, ProductStatus, Quantity, SendState, SourceVersion,
    StoreId, TenantId, VariantId,
    record::{
        Changes, Clocked, Conflict, CustomerRow, Facts, FirstKeys, OrderRow, ProductRow, RowKeys, SkuMatch,
        StoreStep, VariantRow,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use store::{Consumer, CursorMove, StoreError};

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
        version: Some(SourceVersion(7)),
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

/// A change of everything there is.
fn everything() -> Changes {
    let mut changes = reported(1, "a", 10, 10);
    let text = MirrorKey {
        connection: connection_id("a"),
        kind: MirrorKind::Product,
        external: external("prod-a"),
        place: None,
    };
    changes.mirrors.insert(text.clone(), Mirror::new(text, None));
    changes.products = BTreeMap::from([(product().id, product())]);
    for (id, sku) in [("v1", "TEA"), ("v2", "TWICE"), ("v3", "TWICE")] {
        let row = variant_row(id, sku);
        changes.variants.insert(row.id.clone(), row);
    }
    changes.orders = BTreeMap::from([(order().id, order())]);
    changes.customers = BTreeMap::from([(customer().id, customer())]);
    let link = (connection_id("a"), LinkKind::Variant, external("var-a"));
    changes.links.insert(link, "v1".to_owned());
    changes.conflicts.push(Conflict {
        tenant: tenant(),
        store: store_id(),
        connection: connection_id("a"),
        event: event(1, "a").id,
        kind: "sku_taken",
        detail: "two variants".to_owned(),
    });
    changes
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
    let first = FirstKeys {
        events: BTreeSet::from([(connection_id("a"), event(1, "a").id), unknown]),
        links: changes
            .links
            .keys()
            .cloned()
            .chain([(connection_id("b"), LinkKind::Item, external("x"))])
            .collect(),
        skus: BTreeSet::from([sku("TEA"), sku("TWICE"), sku("NONE")]),
        stores: BTreeSet::from([store_id(), StoreId::new("nobody").unwrap()]),
    };
    let rows = RowKeys {
        mirrors: changes.mirrors.keys().cloned().chain([level_key("b")]).collect(),
        item_mirrors: BTreeSet::from([(connection_id("a"), external("item-a"))]),
        levels: changes.levels.keys().cloned().collect(),
        products: changes.products.keys().cloned().collect(),
        variants: changes.variants.keys().cloned().collect(),
        orders: changes.orders.keys().cloned().collect(),
        customers: changes.customers.keys().cloned().collect(),
    };
    let found = SkuMatch {
        variant: variant(),
        product: product().id,
        linked_by: BTreeSet::from([connection_id("a")]),
    };
    let expected = Facts {
        seen: BTreeMap::from([((connection_id("a"), event(1, "a").id), event(1, "a").position)]),
        links: changes.links,
        skus: BTreeMap::from([(sku("TEA"), found)]),
        dead: BTreeMap::new(),
        marks: BTreeMap::new(),
        stores: BTreeMap::from([(store_id(), 1)]),
        mirrors: changes.mirrors,
        levels: changes.levels,
        products: changes.products,
        variants: changes.variants,
        orders: changes.orders,
        customers: changes.customers,
    };
    assert_eq!(load(&database, &first, &rows).await, expected);
    assert_eq!(load(&database, &FirstKeys::default(), &RowKeys::default()).await, Facts::default());
    let conflicts = database.store.conflicts_of(&store_id(), 10).await.unwrap();
    assert_eq!(conflicts[0].0, "sku_taken");
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
    let ended = database.store.ending(&connection_id("a"), source.id).await.unwrap().unwrap();
    assert_eq!(ended.ending, ending(&source, Outcome::Applied, Some(3)));
    assert_eq!(database.store.outcomes_of(&store_id()).await.unwrap(), [(Outcome::Applied, 5)]);
    assert_eq!(database.store.endings_of(&store_id(), 2).await.unwrap().len(), 2);
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
    let dead = Changes { endings: vec![ending(&event(1, "a"), Outcome::Dead, None)], ..Changes::default() };
    let position = |raw_sequence| model::Position { raw_sequence, delivery: 0, event: 0 };
    let moved =
        |step: CursorMove, raw| CursorMove { position: position(raw), number: step.from.number, ..step };
    commit(store, &dead, moved(step(store, Consumer::Apply, 0).await, 1)).await.unwrap();
    let keys = FirstKeys {
        events: BTreeSet::from([(connection_id("a"), event(1, "a").id)]),
        ..FirstKeys::default()
    };
    assert!(load(&database, &keys, &RowKeys::default()).await.seen.is_empty());

    // Its replay.
    let revived = BTreeSet::from([(connection_id("a"), event(1, "a").id)]);
    let replayed = Changes { revived, ..reported(1, "a", 10, 10) };
    commit(store, &replayed, step(store, Consumer::Apply, 1).await).await.unwrap();
    assert_eq!(load(&database, &keys, &RowKeys::default()).await.seen.len(), 1);
    let row = store.ending(&connection_id("a"), event(1, "a").id).await.unwrap().unwrap();
    assert_eq!((row.ending.outcome, row.attempts), (Outcome::Applied, 2));

    let again =
        Changes { endings: vec![ending(&event(1, "a"), Outcome::Unchanged, None)], ..Changes::default() };
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
                changes.mirrors.insert(level_key("zzz"), Mirror::new(level_key("zzz"), None));
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
    // Decided while `b` had no mirror yet; then one comes up and is written to.
    let mut changes = reported(2, "b", -1, 9);
    let begun = step(store, Consumer::Apply, 2).await;
    let mut transaction = store.begin_apply().await.unwrap();
    let keys = RowKeys { mirrors: BTreeSet::from([level_key("b")]), ..RowKeys::default() };
    transaction.rows(&keys, &mut Facts::default()).await.unwrap();
    crate::propagating::link_b(&database).await;
    crate::propagating::set_level(&database, 1).await;
    let claimed =
        store.claim_due(PARTITION, &connection_id("b"), at(9), Duration::from_mins(1), 10).await.unwrap();
    assert_eq!(claimed.len(), 1);
    let early = transaction.commit(&changes, &[vec![]], &[begun]).await.unwrap_err();
    assert!(early.is_retryable(), "{early}");

    // With the mirror loaded, the state that was decided is written and what was sent stays. What it holds is the level.
    let mirror = changes.mirrors.get_mut(&level_key("b")).unwrap();
    mirror.sent = Some(model::Sent { value: pieces(10), from: None, state: SendState::Unsure });
    commit(store, &changes, begun).await.unwrap();
    let facts = load(&database, &FirstKeys::default(), &keys).await;
    let sent = facts.mirrors[&level_key("b")].sent.clone().unwrap();
    assert_eq!((sent.value, sent.state), (pieces(10), SendState::Unsure));
    assert_eq!(facts.mirrors[&level_key("b")].desired, Some(pieces(9)));
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
        all.endings.extend(next.endings);
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

#[tokio::test]
async fn a_batch_of_reports_costs_a_dozen_statements_however_long_it_is() {
    let database = shop().await;
    let mut counts = Vec::new();
    for (first, last) in [(1, 1), (2, 2), (3, 201)] {
        let mut all = reported(first, "a", 1, 1);
        for number in first + 1..=last {
            let next = reported(number, "a", 1, 1);
            all.endings.extend(next.endings);
            all.applied.extend(next.applied);
            all.movements.extend(next.movements);
            all.stores = next.stores;
        }
        all.links.clear();
        let cursor = step(&database.store, Consumer::Apply, last).await;
        let keys = FirstKeys {
            events: all.endings.iter().map(|ending| (ending.connection.clone(), ending.event)).collect(),
            stores: BTreeSet::from([store_id()]),
            ..FirstKeys::default()
        };
        let rows = RowKeys {
            mirrors: all.mirrors.keys().cloned().collect(),
            levels: all.levels.keys().cloned().collect(),
            ..RowKeys::default()
        };
        let payloads = vec![vec![1]; all.applied.len()];
        let before = statements();
        let mut transaction = database.store.begin_apply().await.unwrap();
        let mut facts = Facts::default();
        transaction.first(&keys, &mut facts).await.unwrap();
        transaction.rows(&rows, &mut facts).await.unwrap();
        transaction.commit(&all, &payloads, &[cursor]).await.unwrap();
        counts.push(statements() - before);
    }
    assert_eq!(counts[1], counts[2]);
    assert_eq!(counts[0], counts[1] + 1, "levels that are new cost one more");
    assert!((8..=13).contains(&counts[0]), "{counts:?}");
}
