//! Deletions of platforms' products, against links that were made by number, by hand and by matches.

use super::{record::Record, *};
use model::{Attention, Baseline, EntityKind, Instruction};

/// A product of a platform, with variants of those ids and numbers.
fn product(of: &str, variants: &[(&str, &str)]) -> Product {
    let variant = |(id, sku): &(&str, &str)| Variant {
        external: external(id),
        item: Some(external(&format!("item-{id}"))),
        sku: Patch::Set((*sku).to_owned()),
        ..shirt("", 1000).variants.remove(0)
    };
    Product { external: external(of), variants: variants.iter().map(variant).collect(), ..shirt(of, 1000) }
}

/// A report of it in that version, which is its number, too.
fn reported(from: &str, version: u64, product: Product) -> Event {
    event(from, version, Some(i64::try_from(version).unwrap()), Payload::Product(product))
}

/// A report that arrives as the event of that number, in an older version.
fn late(number: u64, version: i64, product: Product) -> Event {
    event("b", number, Some(version), Payload::Product(product))
}

fn deleted(version: u64, product: &str) -> Event {
    let payload = Payload::Deleted { entity: EntityKind::Product, external: external(product) };
    let event = event("b", version, Some(i64::try_from(version).unwrap()), payload);
    Event { action: Action::Deleted, ..event }
}

fn instructed(number: u64, instruction: Instruction) -> Event {
    event("b", number, None, Payload::Instruction { external: external("connection"), instruction })
}

fn by_hand(number: u64, variant: &str, to: VariantId) -> Event {
    instructed(number, Instruction::Link { variant: external(variant), to })
}

fn own(from: &str, variant: &str) -> VariantId {
    VariantId::derive(&connection(from), &external(variant))
}

fn level_of_item(number: u64, variant: &str, count: i32) -> Event {
    let report = InventoryReport {
        item: external(&format!("item-{variant}")),
        location: Some(external("L")),
        available: Some(Quantity::pieces(count)),
    };
    event("b", number, Some(i64::try_from(number).unwrap()), Payload::Inventory(report))
}

/// `a` sells x and y, one product each; `b` sells v1 and v2 as the product p1, and v3 as p2. No two share a number.
fn two_platforms() -> Record {
    let mut record = Record::of(with_rule(Facts::default(), BaselineRule::Store));
    record.commit(vec![reported("a", 1, product("px", &[("x", "X")]))]);
    record.commit(vec![reported("a", 2, product("py", &[("y", "Y")]))]);
    record.commit(vec![reported("b", 3, first_of_b())]);
    record.commit(vec![reported("b", 4, second_of_b())]);
    record
}

fn first_of_b() -> Product {
    product("p1", &[("v1", "V1"), ("v2", "V2")])
}

fn second_of_b() -> Product {
    product("p2", &[("v3", "V3")])
}

/// The platform's ids of the variants and items of `from` that are linked, without the prefix of items.
fn linked_of(record: &Record, from: &str) -> [Vec<String>; 2] {
    let links = &record.tables.links;
    [&links.variants, &links.items].map(|links| {
        let own = links.keys().filter(|(by, _)| *by == connection(from));
        own.map(|(_, id)| id.as_str().trim_start_matches("item-").to_owned()).collect()
    })
}

/// The events after both platforms reported their products, and the variants of `b` that are linked then.
type Case = (&'static str, fn() -> Vec<Event>, &'static [&'static str]);

const CASES: [Case; 20] = [
    ("as reported", || vec![deleted(20, "p1")], &["v3"]),
    (
        "linked by hand to another platform's",
        || vec![by_hand(10, "v1", own("a", "x")), deleted(20, "p1")],
        &["v3"],
    ),
    (
        "linked to the platform's other product",
        || vec![by_hand(10, "v1", own("b", "v3")), deleted(20, "p1")],
        &["v3"],
    ),
    (
        "linked to the platform's other product, which is deleted",
        || vec![by_hand(10, "v1", own("b", "v3")), deleted(20, "p2")],
        &["v1", "v2"],
    ),
    (
        "linked by hand, and reported since",
        || vec![by_hand(10, "v1", own("a", "x")), reported("b", 11, first_of_b()), deleted(20, "p1")],
        &["v3"],
    ),
    (
        "all linked by hand, so that the product is another one of the store's",
        || {
            vec![
                by_hand(10, "v1", own("b", "v3")),
                reported("b", 11, product("p1", &[("v1", "V1")])),
                deleted(20, "p1"),
            ]
        },
        &["v3"],
    ),
    (
        "all linked by hand, and the other product is deleted",
        || {
            vec![
                by_hand(10, "v1", own("b", "v3")),
                reported("b", 11, product("p1", &[("v1", "V1")])),
                deleted(20, "p2"),
            ]
        },
        &["v1"],
    ),
    (
        "linked and unlinked by hand",
        || {
            let unlink = Instruction::Unlink { variant: external("v1") };
            vec![by_hand(10, "v1", own("a", "x")), instructed(11, unlink), deleted(20, "p1")]
        },
        &["v3"],
    ),
    (
        "its variants are of two of the store's products",
        || {
            let other = product("p3", &[("v4", "X"), ("v5", "Y")]);
            vec![reported("b", 10, other), deleted(20, "p3")]
        },
        &["v1", "v2", "v3"],
    ),
    (
        "two products are one of the store's",
        || {
            vec![
                reported("a", 9, product("px", &[("x", "X"), ("z", "Z")])),
                reported("b", 10, product("p3", &[("v4", "X")])),
                reported("b", 11, product("p4", &[("v5", "Z")])),
                deleted(20, "p4"),
            ]
        },
        &["v1", "v2", "v3", "v4"],
    ),
    (
        "moved to the other product",
        || vec![reported("b", 10, product("p2", &[("v3", "V3"), ("v1", "V1")])), deleted(20, "p1")],
        &["v1", "v3"],
    ),
    (
        "moved, and the former product lists it no more",
        || {
            vec![
                reported("b", 10, product("p2", &[("v3", "V3"), ("v1", "V1")])),
                reported("b", 11, product("p1", &[("v2", "V2")])),
            ]
        },
        &["v1", "v2", "v3"],
    ),
    (
        "moved, and older and newer lists of the former product arrive late",
        || {
            vec![
                reported("b", 10, product("p2", &[("v3", "V3"), ("v1", "V1")])),
                late(11, 9, first_of_b()),
                late(12, 10, product("p1", &[("v2", "V2")])),
            ]
        },
        &["v1", "v2", "v3"],
    ),
    (
        "moved and moved back",
        || {
            vec![
                reported("b", 10, product("p2", &[("v3", "V3"), ("v1", "V1")])),
                reported("b", 11, first_of_b()),
                deleted(20, "p2"),
            ]
        },
        &["v1", "v2"],
    ),
    (
        "a part of the list",
        || {
            let part = Product { variants_complete: false, ..product("p1", &[("v2", "V2")]) };
            vec![reported("b", 10, part), by_hand(11, "v1", own("a", "x"))]
        },
        &["v1", "v2", "v3"],
    ),
    (
        "a part of the list before the deletion",
        || {
            let part = Product { variants_complete: false, ..product("p1", &[("v2", "V2")]) };
            vec![by_hand(10, "v1", own("a", "x")), reported("b", 11, part), deleted(20, "p1")]
        },
        &["v3"],
    ),
    (
        "linked by hand, and missing from a complete list",
        || vec![by_hand(10, "v1", own("a", "x")), reported("b", 11, product("p1", &[("v2", "V2")]))],
        &["v2", "v3"],
    ),
    (
        "linked by hand to the other product, whose complete list doesn't name it",
        || vec![by_hand(10, "v1", own("b", "v3")), reported("b", 11, second_of_b())],
        &["v1", "v2", "v3"],
    ),
    ("deleted before the link", || vec![deleted(10, "p1"), by_hand(20, "v1", own("a", "x"))], &["v3"]),
    (
        "deleted, and a report of before the deletion arrives",
        || vec![by_hand(10, "v1", own("a", "x")), deleted(20, "p1"), late(21, 19, first_of_b())],
        &["v3"],
    ),
];

#[test]
fn a_deletion_retires_what_its_product_lists_and_nothing_else() {
    for (what, events, expected) in CASES {
        for is_one_batch in [false, true] {
            let mut record = two_platforms();
            let of_a = linked_of(&record, "a");
            if is_one_batch {
                record.commit(events());
            } else {
                for event in events() {
                    record.commit(vec![event]);
                }
            }
            assert_eq!(linked_of(&record, "b"), [expected, expected], "{what}, one batch: {is_one_batch}");
            for (now, before) in linked_of(&record, "a").iter().zip(&of_a) {
                assert!(before.iter().all(|id| now.contains(id)), "{what}: the other platform's links stay");
            }
        }
    }
}

#[test]
fn a_deletion_that_comes_twice_or_after_a_week_changes_nothing_more() {
    let mut record = two_platforms();
    record.commit(vec![by_hand(10, "v1", own("a", "x"))]);
    assert_eq!(record.commit(vec![deleted(20, "p1")]), [Some(Outcome::Applied)]);
    let links = record.tables.links.clone();
    assert_eq!(record.commit(vec![deleted(21, "p1")]), [Some(Outcome::Unchanged)]);
    assert_eq!(record.commit(vec![by_hand(22, "v1", own("a", "x"))]), [Some(Outcome::Unchanged)]);
    assert_eq!(record.commit(vec![deleted(700_000, "p1")]), [Some(Outcome::Unchanged)]);
    assert_eq!(record.commit(vec![late(700_001, 19, first_of_b())]), [Some(Outcome::Stale)]);
    assert_eq!(record.tables.links, links);
}

#[test]
fn nothing_is_due_for_what_was_deleted_and_what_is_created_again_is_read_first() {
    let mut record = two_platforms();
    record.commit(vec![by_hand(10, "v1", own("a", "x")), level_of_item(11, "v1", 7)]);
    let price = FieldKey { connection: connection("b"), external: external("v1") };
    let level = LevelKey { connection: connection("b"), item: external("item-v1"), location: location() };
    let mirrors = &mut record.tables.mirrors;
    mirrors.prices.get_mut(&price).unwrap().set_desired(dollars(1200), received(12), None);
    mirrors.levels.get_mut(&level).unwrap().set_desired(Quantity::pieces(5), 0, received(12), None);
    let due = |record: &Record| {
        let mirrors = &record.tables.mirrors;
        (mirrors.levels[&level].attention(), mirrors.prices[&price].attention())
    };
    assert_eq!(due(&record), (Some(Attention::Write), Some(Attention::Write)));

    record.commit(vec![deleted(20, "p1")]);
    assert_eq!(due(&record), (None, None));
    let mirrors = &record.tables.mirrors;
    assert_eq!(mirrors.levels[&level].variant, None);
    assert_eq!(mirrors.levels[&level].baseline, Baseline::Unheard);
    assert_eq!(
        (&mirrors.prices[&price].internal, &mirrors.prices[&price].baseline),
        (&None, &Baseline::Absent)
    );
    let levels = record.tables.levels.clone();
    record.assert_balanced();

    // It has the number of x by now, so it is matched with it.
    record.commit(vec![reported("b", 30, product("p1", &[("v1", "X")]))]);
    assert_eq!(record.tables.links.variants[&(connection("b"), external("v1"))], own("a", "x"));
    assert_eq!(record.tables.levels, levels, "its former number counts no more");
    let mirror = record.tables.mirrors.levels.get_mut(&level).unwrap();
    mirror.set_desired(Quantity::pieces(5), 0, received(31), None);
    assert_eq!(mirror.attention(), Some(Attention::Read));
}

#[test]
fn a_product_of_the_store_is_deleted_once_no_platform_has_any_of_it() {
    let is_deleted = |record: &Record, from: &str, product: &str| {
        let id = model::ProductId::derive(&connection(from), &external(product));
        record.tables.products[&id].deleted_at.is_some()
    };
    let mut record = two_platforms();
    // v1 is the last variant of the store's product of p2, and v3 one of x.
    record.commit(vec![by_hand(10, "v1", own("b", "v3")), by_hand(11, "v3", own("a", "x"))]);
    record.commit(vec![deleted(20, "p2")]);
    assert_eq!([("b", "p2"), ("a", "px")].map(|(from, of)| is_deleted(&record, from, of)), [false, false]);
    record.commit(vec![deleted(21, "p1")]);
    assert_eq!([("b", "p2"), ("b", "p1")].map(|(from, of)| is_deleted(&record, from, of)), [true, true]);
    assert!(!is_deleted(&record, "a", "px"), "the other platform still has it");
}

#[test]
fn a_link_whose_product_no_report_stated_is_of_the_only_product_that_is_linked_alike() {
    // Whether the other product is linked to the same one of the store's, and the variants that are then left.
    for (is_beside, expected) in [(false, vec!["v3"]), (true, vec!["v1", "v2", "v3"])] {
        let mut record = two_platforms();
        if is_beside {
            let first = record.tables.links.products[&(connection("b"), external("p1"))].clone();
            record.tables.links.products.insert((connection("b"), external("p2")), first);
        }
        record.tables.links.variant_products.clear();
        record.tables.links.item_products.clear();
        let mut reported_since = Record::of(record.tables.clone());
        record.commit(vec![deleted(20, "p1")]);
        assert_eq!(linked_of(&record, "b"), [expected.clone(), expected], "another beside it: {is_beside}");

        // A report in the version that is known already states it, too.
        reported_since.commit(vec![late(10, 3, first_of_b()), deleted(20, "p1")]);
        assert_eq!(linked_of(&reported_since, "b"), [["v3"], ["v3"]], "another beside it: {is_beside}");
    }
}

#[test]
fn a_link_that_is_moved_takes_the_items_of_its_own_product_along() {
    let unlink = || instructed(11, Instruction::Unlink { variant: external("v1") });
    let elsewhere = || by_hand(11, "v1", own("a", "x"));
    for (then, to) in [(unlink(), own("b", "v1")), (elsewhere(), own("a", "x"))] {
        let mut record = two_platforms();
        record.commit(vec![by_hand(10, "v1", own("b", "v3"))]);
        record.commit(vec![then]);
        let items = &record.tables.links.items;
        assert_eq!(items[&(connection("b"), external("item-v1"))], to);
        assert_eq!(items[&(connection("b"), external("item-v3"))], own("b", "v3"));
    }
}

#[test]
fn a_variant_that_is_created_again_takes_the_link_of_the_one_that_its_product_lists_no_more() {
    // The variant that was linked by hand, and what the new one with the same number is then.
    for (before, expected) in [("v1", own("a", "x")), ("v3", own("b", "v9"))] {
        let mut record = two_platforms();
        record.commit(vec![by_hand(10, before, own("a", "x"))]);
        record.commit(vec![reported("b", 11, product("p1", &[("v9", "X"), ("v2", "V2")]))]);
        assert_eq!(record.tables.links.variants[&(connection("b"), external("v9"))], expected, "{before}");
    }
}

#[test]
fn a_product_without_variants_is_deleted_with_its_platforms() {
    let mut record = two_platforms();
    record.commit(vec![reported("b", 10, product("p5", &[]))]);
    let id = model::ProductId::derive(&connection("b"), &external("p5"));
    assert_eq!(record.tables.products[&id].deleted_at, None);
    record.commit(vec![deleted(20, "p5")]);
    assert!(record.tables.products[&id].deleted_at.is_some());
}
