use crate::fixture::{
    Database, PARTITION, at, commit, connection, connection_id, event, external, level_key, pieces, place,
    report, reported, shop, step, store_id, variant,
};
use model::{
    Currency, LinkKind, LocationId, MirrorKey, MirrorKind, MirrorValue, Money, PlatformName, ProductId,
    ProductText, Quantity, SendState, Sent, TenantId, VariantId,
    record::{Changes, Clocked, Effect, Facts, FirstKeys, MovementReason, ProductRow, RowKeys, VariantRow},
};
use sqlx::{Connection as _, PgConnection};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use store::{Connection, Consumer, DueWrite, Rules, Settled, StoreError, Wants, WriteResult, Writes};

const LEASE: Duration = Duration::from_mins(1);

fn writes() -> Writes {
    ["shopify", "treez"]
        .into_iter()
        .flat_map(|platform| {
            [MirrorKind::Inventory, MirrorKind::Price, MirrorKind::Product]
                .map(|kind| (PlatformName::new(platform).unwrap(), kind))
        })
        .collect()
}

fn level_effect() -> Effect {
    let any = Quantity::ZERO;
    let reason = MovementReason::Reported;
    Effect::Level { variant: variant(), location: place(), delta: any, level: any, reason }
}

async fn set(database: &Database, number: i64, effects: &[Effect]) {
    let mut wants = Wants::default();
    for effect in effects {
        wants.add(number, &event(number, "a"), effect);
    }
    let step = step(&database.store, Consumer::Propagate, number).await;
    database.store.set_desired(&wants, &writes(), at(2), &[step]).await.unwrap();
}

/// Tells propagate that the level changed, as the change with that number.
pub(crate) async fn set_level(database: &Database, number: i64) {
    set(database, number, &[level_effect()]).await;
}

async fn link(database: &Database, links: &[(&str, LinkKind, &str, &str)]) {
    let links = links.iter().map(|(connection, kind, id, ours)| {
        ((connection_id(connection), *kind, external(id)), (*ours).to_owned())
    });
    let changes = Changes { links: links.collect(), ..Changes::default() };
    let cursor = database.store.apply_cursor(PARTITION).await.unwrap();
    let step = step(&database.store, Consumer::Apply, cursor.number).await;
    commit(&database.store, &changes, step).await.unwrap();
}

/// Links the item of `b`.
pub(crate) async fn link_b(database: &Database) {
    link(database, &[("b", LinkKind::Item, "item-b", "v1")]).await;
}

pub(crate) async fn claim(database: &Database, connection: &str, seconds: i64) -> Vec<DueWrite> {
    database.store.claim_due(PARTITION, &connection_id(connection), at(seconds), LEASE, 100).await.unwrap()
}

/// `a` told ten, `b` has the item linked and should hold ten too.
pub(crate) async fn due_on_b() -> Database {
    let database = shop().await;
    report(&database.store, 1, "a", 10, 10).await;
    link_b(&database).await;
    set_level(&database, 1).await;
    database
}

pub(crate) async fn mirror(database: &Database, key: MirrorKey) -> model::Mirror {
    let mut facts = Facts::default();
    let mut transaction = database.store.begin_apply().await.unwrap();
    let keys = RowKeys { mirrors: BTreeSet::from([key.clone()]), ..RowKeys::default() };
    transaction.rows(&keys, &mut facts).await.unwrap();
    transaction.rollback().await.unwrap();
    facts.mirrors.remove(&key).unwrap()
}

#[tokio::test]
async fn a_level_goes_to_every_other_platform_that_knows_item_and_place() {
    let database = due_on_b().await;
    let store = &database.store;
    let both = [connection_id("a"), connection_id("b")];
    assert_eq!(store.due_connections(&both, at(2)).await.unwrap(), [connection_id("b")]);
    assert_eq!(store.due_connections(&both, at(1)).await.unwrap(), []);
    assert_eq!(claim(&database, "a", 9).await, [], "the platform that told it holds it");

    let due = claim(&database, "b", 9).await;
    let write = &due[0];
    assert_eq!((due.len(), &write.key, &write.value, &write.from), (1, &level_key("b"), &pieces(10), &None));
    assert_eq!((write.state, write.attempt, &write.location), (SendState::Pending, 1, &None));

    // The other way round, a platform with locations is told its own id of the place.
    report(store, 2, "b", -1, 9).await;
    set_level(&database, 2).await;
    let due = claim(&database, "a", 9).await;
    assert_eq!((&due[0].value, &due[0].from), (&pieces(9), &Some(pieces(10))));
    assert_eq!(due[0].location, Some(external("loc-a")));
}

#[tokio::test]
async fn a_write_under_way_keeps_its_value_and_its_key_until_it_is_settled() {
    let database = due_on_b().await;
    let first = claim(&database, "b", 9).await.remove(0);
    assert_eq!(claim(&database, "b", 9).await, [], "claimed");
    assert_eq!(claim(&database, "b", 68).await, [], "leased");

    report(&database.store, 2, "a", -1, 9).await;
    set_level(&database, 2).await;
    let again = claim(&database, "b", 69).await.remove(0);
    assert_eq!(again, DueWrite { attempt: 2, ..first.clone() });

    let settled = database
        .store
        .settle_write(
            PARTITION,
            &first.key,
            &first.sent_key,
            &WriteResult::Acknowledged { version: None },
            at(70),
        )
        .await;
    assert_eq!(settled.unwrap(), Settled::Done);
    let next = claim(&database, "b", 70).await.remove(0);
    assert_eq!((&next.value, &next.from, next.attempt), (&pieces(9), &Some(pieces(10)), 1));
    assert_ne!(next.sent_key, first.sent_key);
}

#[tokio::test]
async fn what_is_written_is_the_store_s_value_at_that_moment() {
    let database = due_on_b().await;
    claim_and_acknowledge(&database).await;
    // `b` sold one: its mirror and the level have moved, but nobody has told propagate yet. It holds the store's level.
    report(&database.store, 2, "b", -1, 9).await;
    let store = &database.store;
    assert_eq!(mirror(&database, level_key("b")).await.desired, Some(pieces(9)));
    assert_eq!(store.due_connections(&[connection_id("b")], at(99)).await.unwrap(), []);
    // What was wanted before must not be written over the sale, though it differs from what the platform holds.
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let outdated = "UPDATE mirrors SET desired = '{\"quantity\": \"10\"}' WHERE connection = 'b'";
    assert_eq!(sqlx::query(outdated).execute(&mut connection).await.unwrap().rows_affected(), 1);
    assert_eq!(store.due_connections(&[connection_id("b")], at(99)).await.unwrap(), [connection_id("b")]);
    assert_eq!(claim(&database, "b", 99).await, []);
    assert_eq!(store.due_connections(&[connection_id("b")], at(99)).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_wanted_already_is_not_written_again_and_waits_for_nobody() {
    let database = due_on_b().await;
    // Whoever changes the store now holds it, and what it has read of `a`.
    let mut transaction = database.store.begin_apply().await.unwrap();
    let stores = FirstKeys { stores: BTreeSet::from([store_id()]), ..FirstKeys::default() };
    let mirrors = RowKeys { mirrors: BTreeSet::from([level_key("a"), level_key("b")]), ..RowKeys::default() };
    transaction.first(&stores, &mut Facts::default()).await.unwrap();
    transaction.rows(&mirrors, &mut Facts::default()).await.unwrap();
    set_level(&database, 2).await;
}

async fn claim_and_acknowledge(database: &Database) {
    let write = claim(database, "b", 9).await.remove(0);
    let settled = database.store.settle_write(
        PARTITION,
        &write.key,
        &write.sent_key,
        &WriteResult::Acknowledged { version: None },
        at(9),
    );
    assert_eq!(settled.await.unwrap(), Settled::Done);
    // Its report comes.
    let mut changes = reported(1, "b", 0, 10);
    changes.applied.clear();
    changes.movements.clear();
    changes.stores.clear();
    changes.endings.clear();
    let mirror = changes.mirrors.get_mut(&level_key("b")).unwrap();
    mirror.sent = Some(Sent { value: pieces(10), from: None, state: SendState::Settled });
    commit(&database.store, &changes, step(&database.store, Consumer::Apply, 1).await).await.unwrap();
}

/// Brings the state of a write under way to what `apply` decided, with what it saw.
async fn decided(database: &Database, state: SendState) {
    let mut changes = Changes::default();
    let mut mirror = mirror(database, level_key("b")).await;
    mirror.sent.as_mut().unwrap().state = state;
    changes.mirrors.insert(level_key("b"), mirror);
    let cursor = step(&database.store, Consumer::Apply, 1).await;
    commit(&database.store, &changes, cursor).await.unwrap();
}

#[tokio::test]
async fn every_end_of_a_call_leaves_the_mirror_as_it_should() {
    use SendState::{Acknowledged, Pending, Reading, Refused, Settled as Passed, Unsure};
    let retry = WriteResult::RetryAt { at: at(500), error: "busy".to_owned() };
    let refused = WriteResult::Refused { error: "no such item".to_owned() };
    let taken = WriteResult::Acknowledged { version: None };
    let stale = WriteResult::ReadBack;
    let (ten, unknown) = (Some(pieces(10)), None);
    // The state when the call ends, how it ends; what follows, the state after it, what the platform holds, when the
    // next write is claimed at the earliest.
    for (before, result, follows, after, held, due) in [
        (Pending, &taken, Settled::Done, Acknowledged, &ten, None),
        (Pending, &stale, Settled::NeedsReadBack, Reading, &unknown, None),
        (Pending, &retry, Settled::Done, Pending, &unknown, Some(500)),
        (Pending, &refused, Settled::Done, Refused, &unknown, None),
        (Unsure, &taken, Settled::NeedsReadBack, Reading, &ten, None),
        (Unsure, &stale, Settled::NeedsReadBack, Reading, &unknown, None),
        (Unsure, &retry, Settled::Done, Unsure, &unknown, Some(500)),
        (Unsure, &refused, Settled::NeedsReadBack, Reading, &unknown, None),
        (SendState::Echoed, &taken, Settled::Done, Passed, &unknown, Some(9)),
        (SendState::Echoed, &stale, Settled::NeedsReadBack, Reading, &unknown, None),
        (SendState::Echoed, &retry, Settled::Done, SendState::Echoed, &unknown, Some(500)),
        (Passed, &taken, Settled::Passed, Passed, &unknown, Some(9)),
        (Passed, &stale, Settled::Passed, Passed, &unknown, Some(9)),
    ] {
        let database = due_on_b().await;
        let write = claim(&database, "b", 9).await.remove(0);
        if before != Pending {
            decided(&database, before).await;
        }
        let settle = |key: &str| {
            let (store, mirror, key) = (database.store.clone(), write.key.clone(), key.to_owned());
            async move { store.settle_write(PARTITION, &mirror, &key, result, at(9)).await.unwrap() }
        };
        assert_eq!(settle("another").await, Settled::Passed);
        let case = format!("{before:?} {result:?}");
        assert_eq!(settle(&write.sent_key).await, follows, "{case}");
        let mirror = mirror(&database, write.key.clone()).await;
        assert_eq!((mirror.sent.unwrap().state, &mirror.held), (after, held), "{case}");
        // What waits for nothing is due at once; the rest isn't before its time, if ever.
        if due != Some(9) {
            assert_eq!(claim(&database, "b", due.unwrap_or(10_000) - 1).await, [], "{case}");
        }
        if let Some(due) = due {
            assert_eq!(claim(&database, "b", due).await.len(), 1, "{case}");
        }
    }
}

#[tokio::test]
async fn what_a_supposed_echo_moved_is_given_back_when_the_platform_refuses_the_write() {
    // b held 10; we write 8; b sells two by itself and tells 8, which is taken for the echo; then one more: 7.
    for (result, held) in [(WriteResult::ReadBack, 9), (WriteResult::Acknowledged { version: None }, 7)] {
        let database = due_on_b().await;
        let first = claim(&database, "b", 9).await.remove(0);
        database
            .store
            .settle_write(
                PARTITION,
                &first.key,
                &first.sent_key,
                &WriteResult::Acknowledged { version: None },
                at(9),
            )
            .await
            .unwrap();
        report(&database.store, 2, "a", -2, 8).await;
        set_level(&database, 2).await;
        let write = claim(&database, "b", 9).await.remove(0);
        assert_eq!((&write.value, &write.from), (&pieces(8), &Some(pieces(10))));

        let mut changes = Changes::default();
        let mut row = mirror(&database, level_key("b")).await;
        row.sent.as_mut().unwrap().state = SendState::Echoed;
        row.held = Some(pieces(7));
        changes.mirrors.insert(level_key("b"), row);
        let cursor = step(&database.store, Consumer::Apply, 2).await;
        commit(&database.store, &changes, cursor).await.unwrap();

        database.store.settle_write(PARTITION, &write.key, &write.sent_key, &result, at(9)).await.unwrap();
        assert_eq!(mirror(&database, level_key("b")).await.held, Some(pieces(held)), "{result:?}");
    }
}

#[tokio::test]
async fn a_refused_value_is_not_tried_again_but_the_next_one_is() {
    let database = due_on_b().await;
    let write = claim(&database, "b", 9).await.remove(0);
    let refused = WriteResult::Refused { error: "x".repeat(2_000) };
    database.store.settle_write(PARTITION, &write.key, &write.sent_key, &refused, at(9)).await.unwrap();
    set_level(&database, 1).await;
    assert_eq!(claim(&database, "b", 9_999).await, []);
    let line = database.store.show_store(&store_id()).await.unwrap().mirrors;
    let error = line.iter().find(|line| line.key == level_key("b")).unwrap().last_error.clone().unwrap();
    assert_eq!(error.len(), 500);

    report(&database.store, 2, "a", -1, 9).await;
    set_level(&database, 2).await;
    assert_eq!(claim(&database, "b", 9_999).await[0].value, pieces(9));
}

#[tokio::test]
async fn a_read_back_that_does_not_come_is_asked_for_again_and_then_writing_goes_on_at_once() {
    let database = due_on_b().await;
    let store = &database.store;
    let write = claim(&database, "b", 9).await.remove(0);
    store.settle_write(PARTITION, &write.key, &write.sent_key, &WriteResult::ReadBack, at(9)).await.unwrap();
    let both = [connection_id("a"), connection_id("b")];
    assert_eq!(store.claim_reads(&both, at(68), 10).await.unwrap(), []);
    assert_eq!(store.claim_reads(&both, at(69), 10).await.unwrap()[0].key, level_key("b"));
    assert_eq!(store.claim_reads(&both, at(70), 10).await.unwrap(), []);

    decided(&database, SendState::Settled).await;
    assert_eq!(store.claim_reads(&both, at(999), 10).await.unwrap(), []);
    assert_eq!(claim(&database, "b", 70).await.len(), 1);
}

#[tokio::test]
async fn nothing_goes_where_it_is_not_wanted() {
    let off = Rules { propagate_inventory: false, ..Rules::default() };
    let kept_back = Connection { rules: off, default_location: Some(place()), ..connection("b", "treez") };
    let switched_off =
        Connection { enabled: false, default_location: Some(place()), ..connection("b", "treez") };
    let placeless = connection("b", "treez");
    for (what, setup) in [("rules", kept_back), ("disabled", switched_off), ("no place", placeless)] {
        let database = shop().await;
        report(&database.store, 1, "a", 10, 10).await;
        link_b(&database).await;
        database.store.upsert_connection(&setup).await.unwrap();
        set_level(&database, 1).await;
        assert_eq!(claim(&database, "b", 9).await, [], "{what}");
        assert_eq!(database.store.show_store(&store_id()).await.unwrap().mirrors.len(), 1, "{what}");
    }

    // Switched off afterwards: what is wanted stays, and goes out when it is switched on again.
    let database = due_on_b().await;
    let on = Connection { default_location: Some(place()), ..connection("b", "treez") };
    database.store.upsert_connection(&Connection { enabled: false, ..on.clone() }).await.unwrap();
    assert_eq!(claim(&database, "b", 9).await, []);
    database.store.upsert_connection(&Connection { rules: off, ..on.clone() }).await.unwrap();
    assert_eq!(claim(&database, "b", 9).await, []);
    database.store.upsert_connection(&on).await.unwrap();
    assert_eq!(claim(&database, "b", 9).await.len(), 1);

    // A platform that takes no such writes.
    let database = shop().await;
    report(&database.store, 1, "a", 10, 10).await;
    link_b(&database).await;
    let mut wants = Wants::default();
    wants.add(1, &event(1, "a"), &level_effect());
    let prices = writes().into_iter().filter(|(_, kind)| *kind == MirrorKind::Price).collect();
    let step = step(&database.store, Consumer::Propagate, 1).await;
    database.store.set_desired(&wants, &prices, at(2), &[step]).await.unwrap();
    assert_eq!(claim(&database, "b", 9).await, []);
    let again = database.store.set_desired(&wants, &writes(), at(2), &[step]).await;
    assert!(matches!(again, Err(StoreError::Fenced)));
    assert_eq!(claim(&database, "b", 9).await, []);
}

fn catalog() -> Changes {
    let tenant = TenantId::new("t1").unwrap();
    let clocked = |text: &str| Some(Clocked { value: text.to_owned(), at: at(1) });
    let product = ProductRow {
        id: ProductId::new("p1").unwrap(),
        tenant: tenant.clone(),
        store: store_id(),
        title: clocked("Tea"),
        description: None,
        vendor: None,
        category: None,
        status: None,
        tags: None,
        deleted_at: None,
    };
    let price = Money { minor: 1_250, currency: Currency::new("USD").unwrap() };
    let row = VariantRow {
        id: variant(),
        tenant,
        store: store_id(),
        product: product.id.clone(),
        title: None,
        sku: None,
        barcode: None,
        price: Some(Clocked { value: price, at: at(1) }),
        compare_at_price: None,
    };
    let mut changes = reported(1, "a", 10, 10);
    changes.products = BTreeMap::from([(product.id.clone(), product)]);
    changes.variants = BTreeMap::from([(row.id.clone(), row)]);
    changes
}

#[tokio::test]
async fn a_platform_that_comes_to_know_a_variant_gets_its_level_price_and_text() {
    let database = shop().await;
    commit(&database.store, &catalog(), step(&database.store, Consumer::Apply, 1).await).await.unwrap();
    let known = [
        ("b", LinkKind::Item, "item-b", "v1"),
        ("b", LinkKind::Variant, "var-b", "v1"),
        ("b", LinkKind::Product, "prod-b", "p1"),
    ];
    link(&database, &known).await;
    set(&database, 1, &[Effect::Linked { variant: variant() }]).await;

    let due = claim(&database, "b", 9).await;
    let value = |kind| due.iter().find(|write| write.key.kind == kind).unwrap();
    assert_eq!(due.len(), 3);
    assert_eq!(value(MirrorKind::Inventory).value, pieces(10));
    let price = value(MirrorKind::Price);
    let money = Money { minor: 1_250, currency: Currency::new("USD").unwrap() };
    assert_eq!((&price.value, &price.product), (&MirrorValue::Price(money), &Some(external("prod-b"))));
    let text = ProductText { title: Some("Tea".to_owned()), description: None };
    assert_eq!(value(MirrorKind::Product).value, MirrorValue::Text(text));
}

#[tokio::test]
async fn a_text_that_nobody_told_is_left_as_the_platform_holds_it() {
    let database = shop().await;
    let mut changes = catalog();
    let text = |title: &str, description: &str| {
        let text = ProductText { title: Some(title.to_owned()), description: Some(description.to_owned()) };
        Some(MirrorValue::Text(text))
    };
    let key = MirrorKey {
        connection: connection_id("b"),
        kind: MirrorKind::Product,
        external: external("prod-b"),
        place: None,
    };
    let mut held = model::Mirror::new(key.clone(), Some("p1".to_owned()));
    held.held = text("Old name", "Leaves");
    changes.mirrors.insert(key.clone(), held);
    commit(&database.store, &changes, step(&database.store, Consumer::Apply, 1).await).await.unwrap();
    link(&database, &[("b", LinkKind::Product, "prod-b", "p1")]).await;
    set(&database, 1, &[Effect::Text { product: ProductId::new("p1").unwrap() }]).await;
    let due = claim(&database, "b", 9).await;
    assert_eq!((due.len(), Some(due[0].value.clone())), (1, text("Tea", "Leaves")));
}

#[tokio::test]
async fn quantities_are_written_alike_in_rows_and_in_code() {
    let database = due_on_b().await;
    for (number, text) in [(2, "2.5"), (3, "100"), (4, "-3"), (5, "0"), (6, "0.000001"), (7, "1000000000")] {
        let quantity = Quantity::parse(text).unwrap();
        let mut changes = reported(number, "a", 0, 0);
        changes.levels = BTreeMap::from([((variant(), place()), quantity)]);
        changes.mirrors.get_mut(&level_key("a")).unwrap().held = Some(MirrorValue::Quantity(quantity));
        commit(&database.store, &changes, step(&database.store, Consumer::Apply, number).await)
            .await
            .unwrap();
        set_level(&database, number).await;
        let (a, b) = (mirror(&database, level_key("a")).await, mirror(&database, level_key("b")).await);
        assert_eq!(b.desired, Some(MirrorValue::Quantity(quantity)), "{text}");
        assert_eq!(a.held, a.desired, "{text}");
        assert_eq!(claim(&database, "a", 9).await, [], "{text}");
    }
}

#[tokio::test]
async fn two_that_claim_at_once_never_get_the_same_write() {
    let database = shop().await;
    let mut changes = reported(1, "a", 10, 10);
    let mut links = Vec::new();
    for index in 0..40 {
        let id = VariantId::new(&format!("v{index}")).unwrap();
        changes.levels.insert((id.clone(), place()), Quantity::pieces(index));
        links.push((format!("item-{index}"), id));
    }
    commit(&database.store, &changes, step(&database.store, Consumer::Apply, 1).await).await.unwrap();
    let links: Vec<_> =
        links.iter().map(|(item, id)| ("b", LinkKind::Item, item.as_str(), id.as_str())).collect();
    link(&database, &links).await;
    let effects: Vec<_> = links
        .iter()
        .map(|(.., id)| Effect::Level {
            variant: VariantId::new(id).unwrap(),
            location: LocationId::new("l1").unwrap(),
            delta: Quantity::ZERO,
            level: Quantity::ZERO,
            reason: MovementReason::Reported,
        })
        .collect();
    set(&database, 1, &effects).await;
    let b = connection_id("b");
    let claim = || database.store.claim_due(PARTITION, &b, at(9), LEASE, 7);
    let mut keys = BTreeSet::new();
    let mut claimed = 0;
    loop {
        let (one, other, third) = tokio::join!(claim(), claim(), claim());
        let round: Vec<_> = [one, other, third].into_iter().flat_map(Result::unwrap).collect();
        claimed += round.len();
        if round.is_empty() {
            break;
        }
        keys.extend(round.into_iter().map(|write| write.key));
    }
    assert_eq!((claimed, keys.len()), (40, 40));
}
