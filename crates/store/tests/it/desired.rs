use crate::{
    fixture::{
        PARTITION, at, commit, commit_silently, connection, connection_id, decide, event, external,
        level_key, level_mirror_key, location, pieces, report, report_of, reported, shop, step, store_id,
        variant,
    },
    propagating::{
        claim, claim_kinds, claim_reads, claim_some, first_number_of_b, level_effect, level_mirror, link_b,
        link_items, mirror, set, set_level, writes,
    },
};
use model::{
    Attention, Baseline, Currency, FieldKey, FieldOutcome, LevelKey, LevelMirror, LocationId, Mirror,
    MirrorKey, MirrorKind, Money, PlatformName, ProductId, ProductText, Quantity, TenantId, VariantId,
    record::{Changes, Clocked, Effect, Links, MovementReason, ProductRow, VariantRow},
};
use std::collections::{BTreeMap, BTreeSet};
use store::{Connection, Consumer, DesiredChanges, DueChange, Rules, StoreError};

#[tokio::test]
async fn pauses_and_rules_hold_calls_back_and_never_what_is_known() {
    let off = Rules { propagate_inventory: false, ..Rules::default() };
    let on = Connection { default_location: Some(location()), ..connection("b", "treez") };
    let kept_back = Connection { rules: off, ..on.clone() };
    let paused = Connection { enabled: false, ..on };
    for (what, setup) in [("rules", kept_back), ("paused", paused)] {
        let database = shop().await;
        report(&database.store, 1, "a", 10, 10).await;
        link_b(&database).await;
        database.store.upsert_connection(&setup).await.unwrap();
        set_level(&database, 1).await;
        assert_eq!(level_mirror(&database, "b").await.desired, Some(pieces(10)), "{what}");
        first_number_of_b(&database).await;
        // The caller names the kinds that the rules allow; due values stay due until they are allowed.
        assert_eq!(claim_kinds(&database, "b", &[MirrorKind::Price], 9).await, [], "{what}");
        assert_eq!(claim(&database, "b", 9).await.len(), 1, "{what}");
        // A write that is under way goes on.
        assert_eq!(claim_kinds(&database, "b", &[], 69).await[0].attempt, 2, "{what}");
    }
}

#[tokio::test]
async fn nothing_is_desired_of_a_platform_without_the_place_or_without_such_writes() {
    let database = shop().await;
    report(&database.store, 1, "a", 10, 10).await;
    link_b(&database).await;
    database.store.upsert_connection(&connection("b", "treez")).await.unwrap();
    set_level(&database, 1).await;
    assert_eq!(database.store.show_store(&store_id()).await.unwrap().mirrors.len(), 1, "no location");

    let database = shop().await;
    report(&database.store, 1, "a", 10, 10).await;
    link_b(&database).await;
    let mut changes = DesiredChanges::default();
    changes.add(1, &event(1, "a"), &level_effect());
    let prices = writes().into_iter().filter(|((_, kind), _)| *kind == MirrorKind::Price).collect();
    let step = step(&database.store, Consumer::Propagate, 1).await;
    database.store.set_desired(&changes, &prices, at(2), &[step]).await.unwrap();
    assert_eq!(database.store.show_store(&store_id()).await.unwrap().mirrors.len(), 1, "no such writes");
    let again = database.store.set_desired(&changes, &writes(), at(2), &[step]).await;
    assert!(matches!(again, Err(StoreError::Fenced)));
    assert_eq!(database.store.show_store(&store_id()).await.unwrap().mirrors.len(), 1);
}

#[tokio::test]
async fn a_stale_owner_of_propagate_s_cursor_sets_nothing() {
    let database = shop().await;
    report(&database.store, 1, "a", 10, 10).await;
    link_b(&database).await;
    let mut changes = DesiredChanges::default();
    changes.add(1, &event(1, "a"), &level_effect());
    let stale = step(&database.store, Consumer::Propagate, 1).await;
    database.store.take_epoch(Consumer::Propagate, PARTITION).await.unwrap();
    let late = database.store.set_desired(&changes, &writes(), at(2), &[stale]).await;
    assert!(matches!(late, Err(StoreError::Fenced)));
    assert_eq!(database.store.show_store(&store_id()).await.unwrap().mirrors.len(), 1);
    set_level(&database, 1).await;
    assert_eq!(database.store.show_store(&store_id()).await.unwrap().mirrors.len(), 2);
}

fn usd(minor: i64) -> Money {
    Money { minor, currency: Currency::new("USD").unwrap() }
}

fn text(title: &str, description: Option<&str>) -> ProductText {
    ProductText { title: Some(title.to_owned()), description: description.map(ToOwned::to_owned) }
}

pub(crate) fn price_key() -> MirrorKey {
    MirrorKey::Price(FieldKey { connection: connection_id("b"), external: external("var-b") })
}

fn text_key() -> MirrorKey {
    MirrorKey::Text(FieldKey { connection: connection_id("b"), external: external("prod-b") })
}

pub(crate) fn product_id() -> ProductId {
    ProductId::new("p1").unwrap()
}

/// A product with a variant, which has a price and is counted.
pub(crate) fn catalog() -> Changes {
    let tenant = TenantId::new("t1").unwrap();
    let clocked = |text: &str| Some(Clocked { value: text.to_owned(), at: at(1) });
    let product = ProductRow {
        id: product_id(),
        tenant: tenant.clone(),
        store: store_id(),
        title: clocked("Tea"),
        description: None,
        vendor: None,
        category: None,
        status: None,
        tags: None,
        details: model::record::KeptProductDetails::default(),
        deleted_at: None,
    };
    let row = VariantRow {
        id: variant(),
        tenant,
        store: store_id(),
        product: product.id.clone(),
        title: None,
        sku: None,
        barcode: None,
        price: Some(Clocked { value: usd(1_250), at: at(1) }),
        compare_at_price: None,
        details: model::record::KeptVariantDetails::default(),
    };
    let mut changes = reported(1, "a", 10, 10);
    changes.products = BTreeMap::from([(product.id.clone(), product)]);
    changes.variants = BTreeMap::from([(row.id.clone(), row)]);
    changes
}

/// Links all items of `b` in the catalog.
pub(crate) fn links_of_b() -> Changes {
    let key = |id: &str| (connection_id("b"), external(id));
    let links = Links {
        products: BTreeMap::from([(key("prod-b"), Some(product_id()))]),
        variants: BTreeMap::from([(key("var-b"), Some(variant()))]),
        items: BTreeMap::from([(key("item-b"), Some(variant()))]),
        ..Links::default()
    };
    Changes { links, ..Changes::default() }
}

#[tokio::test]
async fn a_platform_that_comes_to_know_a_variant_gets_its_level_price_and_text() {
    let database = shop().await;
    let store = &database.store;
    commit(store, &catalog(), step(store, Consumer::Apply, 1).await).await.unwrap();
    commit_silently(store, &links_of_b()).await;
    set(&database, 1, &[Effect::Linked { variant: variant() }]).await;

    let reads = claim_reads(&database, "b", 9).await;
    let keys = [level_mirror_key("b"), price_key(), text_key()];
    assert_eq!(reads.iter().map(|read| read.asked_by.mirror.clone()).collect::<BTreeSet<_>>(), keys.into());
    let of_price = reads.iter().find(|read| read.asked_by.mirror == price_key()).unwrap();
    assert_eq!(of_price.product, Some(external("prod-b")));

    first_number_of_b(&database).await;
    decide(store, &price_key(), |mirror| {
        let Mirror::Price(_, mirror) = mirror else { panic!("no price: {mirror:?}") };
        assert_eq!(mirror.observe(&report_of(usd(1_000), 1), &usd(1_000)), FieldOutcome::News);
    })
    .await;
    // A description that was never set stays as the platform holds it.
    let old = text("Old name", Some("Leaves"));
    decide(store, &text_key(), |mirror| {
        let Mirror::Text(_, mirror) = mirror else { panic!("no text: {mirror:?}") };
        assert_eq!(mirror.observe(&report_of(old.clone(), 1), &old), FieldOutcome::News);
    })
    .await;
    let due = claim(&database, "b", 9).await;
    let changes: BTreeMap<_, _> = due.iter().map(|write| (write.key.kind(), &write.change)).collect();
    assert_eq!((due.len(), changes.len()), (3, 3));
    assert_eq!(changes[&MirrorKind::Inventory], &DueChange::Level { from: pieces(4), to: pieces(10) });
    assert_eq!(changes[&MirrorKind::Price], &DueChange::Price(usd(1_250)));
    assert_eq!(changes[&MirrorKind::Product], &DueChange::Text(text("Tea", Some("Leaves"))));
    let price = due.iter().find(|write| write.key == price_key()).unwrap();
    assert_eq!(
        (&price.product, price.internal.as_deref()),
        (&Some(external("prod-b")), Some(variant().as_str()))
    );
}

#[tokio::test]
async fn a_text_that_nobody_set_is_left_as_the_platform_holds_it() {
    let database = shop().await;
    let store = &database.store;
    commit(store, &catalog(), step(store, Consumer::Apply, 1).await).await.unwrap();
    commit_silently(store, &links_of_b()).await;
    let effect = Effect::Text { product: product_id() };
    set(&database, 1, std::slice::from_ref(&effect)).await;
    let same = text("Tea", Some("Leaves"));
    decide(store, &text_key(), |mirror| {
        let Mirror::Text(_, mirror) = mirror else { panic!("no text: {mirror:?}") };
        mirror.observe(&report_of(same.clone(), 1), &same);
    })
    .await;
    set(&database, 2, &[effect]).await;
    let Mirror::Text(_, row) = mirror(&database, &text_key()).await else { panic!("no text") };
    assert_eq!((row.desired.as_ref(), row.attention()), (Some(&same), None::<Attention>));
    assert_eq!(claim(&database, "b", 9).await, []);
}

#[tokio::test]
async fn quantities_are_written_alike_in_rows_and_in_code() {
    let database = shop().await;
    report(&database.store, 1, "a", 10, 10).await;
    link_b(&database).await;
    for (number, text) in [(2, "2.5"), (3, "100"), (4, "-3"), (5, "0"), (6, "0.000001"), (7, "1000000000")] {
        let quantity = Quantity::parse(text).unwrap();
        let mut changes = reported(number, "a", 0, 0);
        changes.levels = BTreeMap::from([((variant(), location()), quantity)]);
        changes.mirrors.levels.get_mut(&level_key("a")).unwrap().baseline = Baseline::Known(quantity);
        let step = step(&database.store, Consumer::Apply, number).await;
        commit(&database.store, &changes, step).await.unwrap();
        set_level(&database, number).await;
        let (a, b) = (level_mirror(&database, "a").await, level_mirror(&database, "b").await);
        assert_eq!(b.desired, Some(quantity), "{text}");
        assert_eq!(a.baseline.known(), a.desired.as_ref(), "{text}");
        assert_eq!(claim(&database, "a", 9).await, [], "{text}");
    }
}

#[tokio::test]
async fn what_a_platform_should_hold_has_its_own_scale() {
    let database = shop().await;
    report(&database.store, 1, "a", 10, 10).await;
    link_b(&database).await;
    let mut changes = reported(2, "a", 0, 0);
    changes.levels = BTreeMap::from([((variant(), location()), Quantity::parse("2.75").unwrap())]);
    commit(&database.store, &changes, step(&database.store, Consumer::Apply, 2).await).await.unwrap();
    let (mut changed, mut takes) = (DesiredChanges::default(), writes());
    changed.add(2, &event(2, "a"), &level_effect());
    takes.insert((PlatformName::new("treez").unwrap(), MirrorKind::Inventory), 1);
    let step = step(&database.store, Consumer::Propagate, 2).await;
    database.store.set_desired(&changed, &takes, at(2), &[step]).await.unwrap();
    assert_eq!(level_mirror(&database, "a").await.desired, Some(Quantity::parse("2.75").unwrap()));
    assert_eq!(level_mirror(&database, "b").await.desired, Some(Quantity::parse("2.7").unwrap()));
}

#[tokio::test]
async fn two_that_claim_at_once_never_get_the_same_write() {
    let database = shop().await;
    let mut changes = reported(1, "a", 10, 10);
    let names: Vec<_> = (0..40).map(|index| (format!("item-{index}"), format!("v{index}"))).collect();
    for (index, (item, id)) in (0..).zip(&names) {
        let id = VariantId::new(id).unwrap();
        changes.levels.insert((id.clone(), location()), Quantity::pieces(index));
        let key = LevelKey { connection: connection_id("b"), item: external(item), location: location() };
        let held = LevelMirror {
            baseline: Baseline::Known(pieces(1_000)),
            proven: true,
            ..LevelMirror::of(Some(id))
        };
        changes.mirrors.insert(Mirror::Level(key, held));
    }
    commit(&database.store, &changes, step(&database.store, Consumer::Apply, 1).await).await.unwrap();
    let links: Vec<_> = names.iter().map(|(item, id)| ("b", item.as_str(), id.as_str())).collect();
    link_items(&database, &links).await;
    let effects: Vec<_> = names
        .iter()
        .map(|(_, id)| Effect::Level {
            variant: VariantId::new(id).unwrap(),
            location: LocationId::new("l1").unwrap(),
            delta: Quantity::ZERO,
            level: Quantity::ZERO,
            reason: MovementReason::Reported,
        })
        .collect();
    set(&database, 1, &effects).await;
    let claim = || claim_some(&database, "b", &MirrorKind::ALL, 9, 7);
    let mut keys = BTreeSet::new();
    let mut claimed = 0;
    loop {
        let (one, other, third) = tokio::join!(claim(), claim(), claim());
        let round: Vec<_> = [one, other, third].into_iter().flatten().collect();
        claimed += round.len();
        if round.is_empty() {
            break;
        }
        keys.extend(round.into_iter().map(|write| write.key));
    }
    assert_eq!((claimed, keys.len()), (40, 40));
}
