//! Comparisons of a store's variants as tables.

use super::*;
use model::{
    Origin, PlatformName, StoreId, Timestamp,
    matching::{MatchReason, Score},
};

const GTIN: &str = "4006381333931";

fn id(text: &str) -> VariantId {
    VariantId::new(text).unwrap()
}

fn connection(name: &str) -> ConnectionId {
    ConnectionId::new(name).unwrap()
}

/// An item of a connection; the connections were set up in the order of their names.
fn item(connection_name: &str, external: &str) -> LinkedItem {
    let connected_at = i64::from(connection_name.as_bytes()[0]);
    LinkedItem {
        connection: connection(connection_name),
        external: ExternalId::new(external).unwrap(),
        connected_at,
    }
}

/// A variant with a title, a bar code, and the connections that have it.
fn variant(name: &str, title: &str, barcode: &str, connections: &[&str]) -> MatchVariant {
    MatchVariant {
        id: id(name),
        tenant: TenantId::new("t").unwrap(),
        items: connections.iter().map(|connection| item(connection, name)).collect(),
        is_alone: true,
        product_title: Some(title.to_owned()),
        title: None,
        vendor: None,
        sku: None,
        barcode: Some(barcode.to_owned()),
    }
}

fn due(name: &str) -> DueVariant {
    DueVariant { variant: id(name), is_item_only: false, marks: 1 }
}

/// A page on which each variant is a neighbor of each.
fn page(due_names: &[&str], variants: &[MatchVariant], matches: Vec<MatchRow>) -> Page {
    let all = || variants.iter().map(|variant| variant.id.clone());
    let neighbors = all().map(|one| (one.clone(), all().filter(|other| *other != one).collect())).collect();
    let due: Vec<DueVariant> = due_names.iter().map(|name| due(name)).collect();
    Page::new(&due, variants.iter().map(|it| (it.id.clone(), it.clone())).collect(), neighbors, matches)
}

fn stored(of: (&str, &str), to: &str, state: MatchState, linked_to: Option<&str>) -> MatchRow {
    MatchRow {
        known: KnownMatch {
            id: 1,
            to: id(to),
            score: Score::new(950).unwrap(),
            reasons: vec![MatchReason::GtinEqual],
            state,
            is_linked: false,
            was_rejected: state == MatchState::Rejected,
        },
        origin: Origin {
            tenant: TenantId::new("t").unwrap(),
            store: StoreId::new("s").unwrap(),
            connection: connection(of.0),
            platform: PlatformName::new("p").unwrap(),
        },
        external: ExternalId::new(of.1).unwrap(),
        variant: id(of.1),
        linked_to: linked_to.map(id),
        round: 0,
        decided_by: None,
        note: None,
        after_raw: 0,
        instructed_at: None,
        created_at: Timestamp::from_micros(0),
        changed_at: Timestamp::from_micros(0),
        titles: [None, None],
        candidate_titles: [None, None],
        is_only_variant: true,
    }
}

/// The proposals of a page as `item → variant`.
fn proposals(page: &Page) -> Vec<String> {
    let changes = page.changes(&BTreeMap::new());
    changes.proposed.iter().map(|it| format!("{} → {}", it.external, it.candidate.id)).collect()
}

#[test]
fn an_item_is_matched_with_the_variant_of_an_earlier_connection_and_never_with_one_of_its_own() {
    let tea = |name: &str, connections: &[&str]| variant(name, "Tea", GTIN, connections);
    for (what, variants, expected) in [
        ("two connections", vec![tea("x", &["a"]), tea("y", &["b"])], vec!["y → x"]),
        ("the other way round", vec![tea("x", &["b"]), tea("y", &["a"])], vec!["x → y"]),
        ("one connection", vec![tea("x", &["a"]), tea("y", &["a"])], vec![]),
        ("one that two have", vec![tea("x", &["a"]), tea("y", &["b", "c"])], vec!["x → y"]),
        ("one that its own has too", vec![tea("x", &["a"]), tea("y", &["a", "b"])], vec![]),
        ("two that two have", vec![tea("x", &["a", "b"]), tea("y", &["c", "d"])], vec![]),
        ("one that nobody has", vec![tea("x", &["a"]), tea("y", &[])], vec![]),
    ] {
        assert_eq!(proposals(&page(&["x", "y"], &variants, Vec::new())), expected, "{what}");
    }
}

#[test]
fn the_items_that_may_be_a_changed_variant_are_decided_again_and_those_alone() {
    let variants = [
        variant("x", "Green tea", GTIN, &["a"]),
        variant("like", "Green tea", "", &["b"]),
        variant("other", "Paper", "", &["b"]),
        variant("own", "Green tea", "", &["a"]),
    ];
    let changed = page(&["x"], &variants, Vec::new()).changes(&BTreeMap::new());
    assert_eq!((changed.again, changed.proposed), ([id("like")].into(), vec![]));
    let both = page(&["x", "like"], &variants, Vec::new()).changes(&BTreeMap::new());
    assert!(both.again.is_empty(), "what is compared now would be due for ever: {:?}", both.again);
    let only = [DueVariant { is_item_only: true, ..due("x") }];
    let all: BTreeMap<_, _> = variants.iter().map(|it| (it.id.clone(), it.clone())).collect();
    let near = BTreeMap::from([(id("x"), vec![id("like")])]);
    assert!(Page::new(&only, all, near, Vec::new()).changes(&BTreeMap::new()).again.is_empty());
}

#[test]
fn of_two_items_with_one_bar_code_neither_is_the_only_partner() {
    let limit = Score::new(900).ok();
    let variants = |second: &str| {
        [
            variant("x", "Tea", GTIN, &["a"]),
            variant("one", "Tea", GTIN, &["b"]),
            variant("two", "Infusion", second, &["b"]),
            variant("three", "Tea", GTIN, &["c"]),
        ]
    };
    for (second, is_only) in [("", true), (GTIN, false)] {
        let variants = variants(second);
        let page = page(&["one"], &variants[..3], Vec::new());
        let automatic = page.automatic(limit);
        assert_eq!(automatic[&id("one")].id, id("x"));
        // The third connection's item may be linked to the same variant.
        let found = page.is_only_partner(&id("one"), &automatic[&id("one")], variants.iter());
        assert_eq!(found, is_only, "{second:?}");
    }
    assert!(page(&["one"], &variants(""), Vec::new()).automatic(None).is_empty());
}

#[test]
fn a_pair_that_was_rejected_is_rejected_from_either_side() {
    let variants = [variant("x", "Tea", GTIN, &["a"]), variant("y", "Infusion", GTIN, &["b"])];
    let rejected = |of, to| stored(of, to, MatchState::Rejected, None);
    for (what, matches, expected) in [
        ("none", vec![], vec!["y → x"]),
        ("this pair", vec![rejected(("b", "y"), "x")], vec![]),
        ("the other way round", vec![rejected(("a", "x"), "y")], vec![]),
        ("another pair", vec![rejected(("b", "z"), "x")], vec!["y → x"]),
    ] {
        let page = page(&["x", "y"], &variants, matches);
        assert_eq!(proposals(&page), expected, "{what}");
        assert_eq!(page.automatic(Score::new(900).ok()).is_empty(), expected.is_empty(), "{what}");
    }
}

#[test]
fn a_match_ends_with_its_item_and_is_decided_again_when_its_variant_changes() {
    let proposed = |linked_to| stored(("b", "y"), "x", MatchState::Proposed, linked_to);
    let made = |linked_to| {
        let mut row = stored(("b", "y"), "x", MatchState::Automatic, linked_to);
        row.known.is_linked = true;
        row
    };
    let own = VariantId::derive(&connection("b"), &ExternalId::new("y").unwrap());
    let dead = [variant("y", "Tea", GTIN, &[])];
    let changes = |matches| page(&["y"], &dead, vec![matches]).changes(&BTreeMap::new());
    assert_eq!(changes(proposed(None)).superseded, [1], "its platform no longer has it");
    assert_eq!(changes(proposed(Some("z"))).again, [id("z")].into());
    assert_eq!(changes(made(Some(own.as_str()))).undone, [1]);
    assert_eq!(changes(made(Some("z"))).superseded, [1]);
    assert!(changes(made(Some("x"))).is_empty());
    let alive = [variant("y", "Tea", GTIN, &["b"])];
    let changes = page(&["y"], &alive, vec![made(Some("y"))]).changes(&BTreeMap::new());
    assert_eq!(changes.superseded, [1], "with its item, and not once more");
}
