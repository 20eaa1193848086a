use crate::fixture::{Database, connection, connection_id, external, shop, store_id};
use model::{
    Instruction, TenantId, VariantId,
    matching::{AUTOMATIC_SCORE, Candidate, MatchReason, MatchState, Score, match_keys},
};
use sqlx::{Connection as _, PgConnection};
use std::collections::{BTreeMap, BTreeSet};
use store::{MatchEnd, MatchFilter, MatchRow, ProposedMatch, Store};

fn tenant() -> TenantId {
    TenantId::new("t1").unwrap()
}

fn id(text: &str) -> VariantId {
    VariantId::new(text).unwrap()
}

async fn run(database: &Database, statement: &str) {
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
}

/// Stores a variant of a product of its own, and its link.
async fn add(database: &Database, name: &str, connection: &str, title: &str) {
    run(
        database,
        &format!(
            "INSERT INTO products (id, tenant, store, title, title_at) VALUES ('p-{name}', 't1', 's1', '{title}', now());
             INSERT INTO variants (id, tenant, store, product, title, title_at)
             VALUES ('{name}', 't1', 's1', 'p-{name}', '{title}', now());
             INSERT INTO links (tenant, connection, kind, external, internal)
             VALUES ('t1', '{connection}', 'variant', 'x-{name}', '{name}')"
        ),
    )
    .await;
}

async fn due(store: &Store) -> Vec<(String, bool)> {
    let due = store.variants_to_match(&store_id(), 100).await.unwrap();
    due.into_iter().map(|due| (due.variant.to_string(), due.is_item_only)).collect()
}

/// Removes all variants from those to be compared.
async fn compared(store: &Store) {
    let due = store.variants_to_match(&store_id(), 100).await.unwrap();
    store.note_compared(&store_id(), &due).await.unwrap();
}

fn proposed(score: u16, state: MatchState, before: Option<MatchState>) -> ProposedMatch {
    ProposedMatch {
        connection: connection_id("b"),
        external: external("x-two"),
        variant: id("two"),
        candidate: Candidate {
            id: id("one"),
            score: Score::new(score).unwrap(),
            reasons: vec![MatchReason::GtinEqual, MatchReason::NameSimilar { per_mille: 660 }],
        },
        state,
        before,
    }
}

async fn propose(store: &Store, proposed: ProposedMatch) -> u64 {
    store.propose_matches(&tenant(), &store_id(), &[proposed], 7).await.unwrap()
}

/// Stores two variants, with keys and a match of them.
pub(crate) async fn match_one(database: &Database) {
    add(database, "one", "a", "Tea").await;
    add(database, "two", "b", "Tea").await;
    let store = &database.store;
    set_keys(store, &["one", "two"]).await;
    propose(store, proposed(950, MatchState::Proposed, None)).await;
}

async fn all(store: &Store) -> Vec<MatchRow> {
    store.matches(&MatchFilter::default(), 10).await.unwrap()
}

async fn only(store: &Store) -> MatchRow {
    let rows = all(store).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.into_iter().next().unwrap()
}

async fn set_keys(store: &Store, names: &[&str]) {
    let ids: BTreeSet<VariantId> = names.iter().map(|name| id(name)).collect();
    let variants = store.variants_with_texts(&store_id(), &ids).await.unwrap();
    let keys = variants.iter().map(|(id, variant)| (id.clone(), match_keys(&variant.texts().description())));
    store.set_match_keys(&tenant(), &store_id(), &keys.collect()).await.unwrap();
}

#[tokio::test]
async fn a_variant_is_compared_when_its_description_or_links_change_and_not_when_its_price_does() {
    let database = shop().await;
    let store = &database.store;
    add(&database, "one", "a", "Tea").await;
    add(&database, "two", "b", "Tea").await;
    let stores: Vec<_> = store.stores_to_match().await.unwrap().into_iter().collect();
    assert_eq!(stores, [store_id()]);
    assert_eq!(due(store).await, [("one".to_owned(), false), ("two".to_owned(), false)]);
    compared(store).await;
    for (change, expected) in [
        (
            "UPDATE variants SET price_minor = 5, price_currency = 'USD', price_at = now() WHERE id = 'one'",
            vec![],
        ),
        ("UPDATE products SET description = 'green', description_at = now() WHERE id = 'p-one'", vec![]),
        ("UPDATE variants SET title = title WHERE id = 'one'", vec![]),
        ("UPDATE variants SET barcode = '1', barcode_at = now() WHERE id = 'one'", vec!["one"]),
        ("UPDATE variants SET sku = '1', sku_at = now() WHERE id = 'one'", vec!["one"]),
        ("UPDATE products SET vendor = 'ACME', vendor_at = now() WHERE id = 'p-two'", vec!["two"]),
        ("UPDATE links SET internal = 'one' WHERE external = 'x-two'", vec!["one", "two"]),
        ("UPDATE links SET retired_at = now() WHERE external = 'x-two'", vec!["one"]),
        ("UPDATE links SET retired_at = retired_at WHERE external = 'x-two'", vec![]),
    ] {
        run(&database, change).await;
        let found = due(store).await.into_iter().map(|(variant, _)| variant).collect::<Vec<_>>();
        assert_eq!(found, expected, "{change}");
        compared(store).await;
    }
    assert_eq!(store.stores_to_match().await.unwrap(), BTreeSet::new());
}

#[tokio::test]
async fn a_variant_that_changes_while_it_is_compared_is_compared_again() {
    let database = shop().await;
    let store = &database.store;
    add(&database, "one", "a", "Tea").await;
    let taken = store.variants_to_match(&store_id(), 100).await.unwrap();
    run(&database, "UPDATE variants SET barcode = '1', barcode_at = now() WHERE id = 'one'").await;
    store.note_compared(&store_id(), &taken).await.unwrap();
    assert_eq!(due(store).await, [("one".to_owned(), false)]);
    // Neither becomes less by a further reason to look at it.
    store.match_items_again(&tenant(), &store_id(), &[id("one"), id("two")].into()).await.unwrap();
    assert_eq!(due(store).await, [("one".to_owned(), false), ("two".to_owned(), true)]);
    compared(store).await;
    assert_eq!(due(store).await, []);
}

#[tokio::test]
async fn a_store_from_before_matches_has_no_limit_and_all_its_variants_are_compared_once() {
    let database = shop().await;
    let store = &database.store;
    assert_eq!(store.match_limit(&store_id()).await.unwrap(), Some(AUTOMATIC_SCORE), "a store that is new");
    add(&database, "one", "a", "Tea").await;
    compared(store).await;
    // As the migration leaves it.
    run(&database, "UPDATE stores SET match_limit = NULL, is_matched = false").await;
    assert_eq!(store.stores_to_match().await.unwrap(), [store_id()].into());
    assert_eq!(store.begin_matching(&store_id()).await.unwrap(), None);
    assert_eq!(due(store).await, [("one".to_owned(), false)]);
    compared(store).await;
    assert_eq!(store.begin_matching(&store_id()).await.unwrap(), None);
    assert_eq!(due(store).await, []);
}

#[tokio::test]
async fn a_new_limit_decides_again_about_what_waits() {
    let database = shop().await;
    let store = &database.store;
    match_one(&database).await;
    compared(store).await;
    let limit = Score::new(800).ok();
    assert!(store.set_match_limit(&store_id(), limit).await.unwrap());
    assert_eq!(store.begin_matching(&store_id()).await.unwrap(), limit);
    assert_eq!(due(store).await, [("two".to_owned(), true)]);
    assert!(store.set_match_limit(&store_id(), None).await.unwrap());
    assert_eq!(store.match_limit(&store_id()).await.unwrap(), None);
    let nowhere = model::StoreId::new("nowhere").unwrap();
    assert!(!store.set_match_limit(&nowhere, limit).await.unwrap());
}

#[tokio::test]
async fn variants_are_found_by_what_they_have_in_common_within_their_store_and_by_no_word_that_all_have() {
    let database = shop().await;
    let store = &database.store;
    for (name, title) in
        [("one", "Blue Dream 3.5g"), ("two", "dream blue"), ("three", "Dream Catcher"), ("four", "Paper")]
    {
        add(&database, name, "a", title).await;
    }
    set_keys(store, &["one", "two", "three", "four"]).await;
    let neighbors = async || {
        let variants = store.variants_with_texts(&store_id(), &[id("one")].into()).await.unwrap();
        let keys = match_keys(&variants[&id("one")].texts().description());
        let keys = BTreeMap::from([(id("one"), keys)]);
        let mut found = store.match_neighbors(&store_id(), &keys).await.unwrap();
        found.remove(&id("one")).unwrap_or_default()
    };
    assert_eq!(neighbors().await, [id("two"), id("three")], "the whole name before one of its words");
    run(
        &database,
        "INSERT INTO match_keys (tenant, store, key, variant)
         SELECT tenant, store, key, 'other-' || n FROM match_keys, generate_series(1, 70) AS n WHERE variant = 'three'",
    )
    .await;
    assert_eq!(neighbors().await, [id("two")], "too many have that word");
    run(&database, "UPDATE match_keys SET store = 'other' WHERE variant = 'two'").await;
    assert_eq!(neighbors().await, []);
}

#[tokio::test]
async fn keys_follow_the_description_and_go_with_the_last_link() {
    let database = shop().await;
    let store = &database.store;
    add(&database, "one", "a", "Tea").await;
    set_keys(store, &["one"]).await;
    let none = BTreeMap::from([(id("one"), Vec::new())]);
    let found = async || {
        let tea = model::matching::ItemDescription { name: "Tea".to_owned(), ..Default::default() };
        let keys = BTreeMap::from([(id("two"), match_keys(&tea))]);
        store.match_neighbors(&store_id(), &keys).await.unwrap().len()
    };
    assert_eq!(found().await, 1);
    set_keys(store, &["one"]).await;
    assert_eq!(found().await, 1);
    store.set_match_keys(&tenant(), &store_id(), &none).await.unwrap();
    assert_eq!(found().await, 0);
}

#[tokio::test]
async fn a_match_is_kept_as_it_was_proposed_with_both_sides_and_one_instruction() {
    let database = shop().await;
    let store = &database.store;
    match_one(&database).await;
    let row = only(store).await;
    assert_eq!(row.known.reasons, proposed(950, MatchState::Proposed, None).candidate.reasons);
    assert_eq!((row.known.score.per_mille(), row.known.state), (950, MatchState::Proposed));
    assert_eq!((row.linked_to.clone(), row.after_raw, row.round), (Some(id("two")), 7, 0));
    assert_eq!(row.titles, [Some("Tea".to_owned()), Some("Tea".to_owned())]);
    assert_eq!((row.titles.clone(), row.is_only_variant), (row.candidate_titles.clone(), true));
    assert_eq!(row.origin, connection("b", "treez").origin());
    let Instruction::LinkMatched(link) = row.instruction() else { panic!("{:?}", row.instruction()) };
    assert_eq!((link.from, link.to, link.is_automatic), (id("two"), id("one"), false));

    let about = async |items: &[_], variants: &[&str]| {
        let variants = variants.iter().map(|name| id(name)).collect();
        store.matches_about(&store_id(), items, &variants).await.unwrap().len()
    };
    assert_eq!(about(&[(connection_id("b"), external("x-two"))], &[]).await, 1);
    assert_eq!((about(&[], &["one"]).await, about(&[], &["two"]).await), (1, 1));
    assert_eq!(about(&[(connection_id("a"), external("x-two"))], &["three"]).await, 0);

    assert_eq!(propose(store, proposed(800, MatchState::Automatic, Some(MatchState::Proposed))).await, 1);
    let made = only(store).await;
    assert_eq!((made.known.id, made.delivery()), (row.known.id, row.delivery()), "it is the same proposal");
    let under_way = store.matches_under_way(&store_id(), 10).await.unwrap();
    assert_eq!(under_way.len(), 1);
    store.note_match_instructed(row.known.id).await.unwrap();
    store.end_matches(&[row.known.id], MatchEnd::Linked, "").await.unwrap();
    assert_eq!(store.matches_under_way(&store_id(), 10).await.unwrap(), []);
    assert!(only(store).await.known.is_linked);
    store.end_matches(&[row.known.id], MatchEnd::Undone, "unlinked").await.unwrap();
    let undone = only(store).await;
    assert_eq!((undone.known.state, undone.known.was_rejected), (MatchState::Rejected, true));

    propose(store, proposed(950, MatchState::Proposed, Some(MatchState::Rejected))).await;
    let again = only(store).await;
    assert_ne!(again.delivery(), row.delivery(), "its instruction is another one");
    assert!(again.known.was_rejected && !again.known.is_linked && again.instructed_at.is_none());
}

#[tokio::test]
async fn a_decision_of_a_person_is_not_overwritten_by_one_that_was_begun_before() {
    let database = shop().await;
    let store = &database.store;
    match_one(&database).await;
    let number = only(store).await.known.id;
    let from = [MatchState::Proposed];
    assert!(store.reject_match(number, &from, ("ada", Some("other flavour"))).await.unwrap());
    assert!(!store.reject_match(number, &from, ("bob", None)).await.unwrap());
    for before in [Some(MatchState::Proposed), None] {
        assert_eq!(propose(store, proposed(950, MatchState::Automatic, before)).await, 0);
    }
    assert_eq!(store.end_matches(&[number], MatchEnd::Superseded, "").await.unwrap(), 0);
    let row = only(store).await;
    assert_eq!((row.known.state, row.decided_by.as_deref()), (MatchState::Rejected, Some("ada")));
    assert_eq!(store.count_waiting_matches().await.unwrap(), 0);

    // Whoever rejected may change their mind, once.
    assert!(store.accept_match(number, "ada", 9).await.unwrap());
    assert!(!store.accept_match(number, "ada", 9).await.unwrap());
    let row = only(store).await;
    assert_eq!((row.known.state, row.after_raw, row.round), (MatchState::Accepted, 9, 1));
    assert_eq!(propose(store, proposed(950, MatchState::Proposed, Some(MatchState::Accepted))).await, 0);
}

#[tokio::test]
async fn the_end_of_a_match_has_the_others_of_its_variant_decided_again() {
    let database = shop().await;
    let store = &database.store;
    match_one(&database).await;
    add(&database, "three", "b", "Tea").await;
    let rival = proposed(940, MatchState::Proposed, None);
    let rival = ProposedMatch { external: external("x-three"), variant: id("three"), ..rival };
    propose(store, rival).await;
    compared(store).await;
    let number = all(store).await.iter().find(|row| row.variant == id("two")).unwrap().known.id;
    store.end_matches(&[number], MatchEnd::Superseded, "").await.unwrap();
    assert_eq!(due(store).await, [("three".to_owned(), true)], "it may be the only one that is like it now");
}

#[tokio::test]
async fn a_pair_that_was_unlinked_by_hand_is_rejected_for_every_reason() {
    let database = shop().await;
    let store = &database.store;
    add(&database, "one", "a", "Tea").await;
    add(&database, "two", "b", "Tea").await;
    let origin = connection("b", "treez").origin();
    for _ in 0..2 {
        store.reject_pair(&origin, &external("x-two"), &id("one"), "unlink").await.unwrap();
        let row = only(store).await;
        assert_eq!((row.known.state, row.known.to.clone()), (MatchState::Rejected, id("one")));
        let all =
            [MatchReason::GtinEqual, MatchReason::NameEqual, MatchReason::BrandEqual, MatchReason::SizeEqual];
        assert!(!model::matching::has_news(&row.known.reasons, &all));
    }
    let filter = MatchFilter { states: vec![MatchState::Proposed], ..MatchFilter::default() };
    assert_eq!(store.matches(&filter, 10).await.unwrap(), []);
}
