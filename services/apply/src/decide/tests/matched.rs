//! Links of matches, and what goes with them.

use super::{
    contacts::{counted, instructed},
    record::Record,
    *,
};
use model::{EntityKind, Instruction, MatchedLink, ProductId, matching::Score};

fn own(from: &str) -> VariantId {
    VariantId::derive(&connection(from), &external("variant"))
}

fn own_product(from: &str) -> ProductId {
    ProductId::derive(&connection(from), &external("product"))
}

/// The shirt of a platform, under a name and number of its own.
fn reported(from: &str, number: u64, title: &str, cents: i64) -> Event {
    let mut product = shirt(title, cents);
    product.variants[0].sku = Patch::Set(format!("{from}-1"));
    event(from, number, Some(i64::try_from(number).unwrap()), Payload::Product(product))
}

fn matched() -> MatchedLink {
    MatchedLink {
        variant: external("variant"),
        from: own("b"),
        to: own("a"),
        score: Score::new(950).unwrap(),
        is_automatic: true,
        is_only_variant: true,
    }
}

fn link(number: u64, link: MatchedLink) -> Event {
    instructed(number, Instruction::LinkMatched(link))
}

fn unlink(number: u64) -> Event {
    instructed(number, Instruction::Unlink { variant: external("variant") })
}

/// Two platforms that sell the same shirt: the store has ten of the one and four of the other.
fn two_shirts() -> Record {
    let mut record = Record::of(with_rule(Facts::default(), BaselineRule::Store));
    record.commit(vec![reported("a", 1, "Shirt", 1000), counted("a", 2, Some(10))]);
    record.commit(vec![reported("b", 3, "Chemise", 900), counted("b", 4, Some(4))]);
    record
}

fn level(record: &Record, of: &VariantId) -> Quantity {
    record.tables.levels[&(of.clone(), location())]
}

#[test]
fn a_match_links_the_item_its_stock_and_a_product_that_has_no_other_variant() {
    let mut record = two_shirts();
    assert_eq!(record.commit(vec![link(5, matched())]), [Some(Outcome::Applied)]);
    let links = &record.tables.links;
    assert_eq!(links.variants[&(connection("b"), external("variant"))], own("a"));
    assert_eq!(links.products[&(connection("b"), external("product"))], own_product("a"));
    assert_eq!(
        (level(&record, &own("b")), level(&record, &own("a"))),
        (Quantity::ZERO, Quantity::pieces(10))
    );
    let text = FieldKey { connection: connection("b"), external: external("product") };
    assert_eq!(record.tables.mirrors.texts[&text].internal, Some(own_product("a")));
    assert!(record.tables.products[&own_product("b")].deleted_at.is_some());
    let effects = &record.effects[record.effects.len() - 3..];
    assert!(effects.contains(&Effect::Text { product: own_product("a") }), "{effects:?}");
    record.assert_balanced();

    // The next report of the platform changes none of that.
    record.commit(vec![reported("b", 6, "Chemise", 900)]);
    assert_eq!(record.tables.links.products[&(connection("b"), external("product"))], own_product("a"));
}

#[test]
fn a_product_with_other_variants_keeps_its_link() {
    let mut record = two_shirts();
    record.commit(vec![link(5, MatchedLink { is_only_variant: false, ..matched() })]);
    let links = &record.tables.links;
    assert_eq!(links.variants[&(connection("b"), external("variant"))], own("a"));
    assert_eq!(links.products[&(connection("b"), external("product"))], own_product("b"));
}

#[test]
fn a_match_that_no_longer_holds_changes_nothing() {
    let other = || VariantId::derive(&connection("a"), &external("other"));
    let cases: [(&str, MatchedLink, Vec<Event>); 5] = [
        ("linked otherwise", MatchedLink { from: other(), ..matched() }, Vec::new()),
        ("nobody has the variant", MatchedLink { to: other(), ..matched() }, Vec::new()),
        ("it was linked already", matched(), vec![link(5, matched())]),
        (
            "another platform has the item's variant",
            matched(),
            vec![event("c", 5, Some(5), Payload::Product(shirt_of("b-1")))],
        ),
        (
            "the platform has the other variant already",
            matched(),
            vec![event("b", 5, Some(5), Payload::Product(second_of_b()))],
        ),
    ];
    for (what, matched, before) in cases {
        let mut record = two_shirts();
        record.commit(before);
        let tables = record.tables.clone();
        assert_eq!(record.commit(vec![link(9, matched)]), [Some(Outcome::Unchanged)], "{what}");
        assert_eq!(record.tables.links, tables.links, "{what}");
        assert_eq!(record.tables.levels, tables.levels, "{what}");
    }
}

#[test]
fn a_match_with_a_variant_that_no_other_platform_of_the_store_has_changes_nothing() {
    let mut gone = two_shirts();
    let deletion = Payload::Deleted { entity: EntityKind::Product, external: external("product") };
    gone.commit(vec![Event { action: Action::Deleted, ..event("a", 5, Some(5), deletion) }]);
    let mut tables = two_shirts().tables;
    tables.variants.get_mut(&own("a")).unwrap().store = StoreId::new("another").unwrap();
    for (what, mut record) in [("its platform no longer has it", gone), ("another store", Record::of(tables))]
    {
        assert_eq!(record.commit(vec![link(9, matched())]), [Some(Outcome::Unchanged)], "{what}");
        assert_eq!(record.tables.links.variants[&(connection("b"), external("variant"))], own("b"), "{what}");
    }
}

#[test]
fn a_product_goes_with_its_variant_only_if_that_is_all_that_is_linked_to_it() {
    let mut shared = two_shirts();
    let second = (connection("b"), external("second"));
    shared.tables.links.products.insert(second, own_product("b"));
    let mut larger = reported("b", 5, "Chemise", 900);
    if let Payload::Product(product) = &mut larger.payload {
        let mut variant = product.variants[0].clone();
        (variant.external, variant.item) = (external("large"), Some(external("large item")));
        variant.sku = Patch::Set("b-2".to_owned());
        product.variants.push(variant);
    }
    let mut grown = two_shirts();
    grown.commit(vec![larger]);
    for (what, mut record) in
        [("another product is linked to it", shared), ("it has another variant by now", grown)]
    {
        assert_eq!(record.commit(vec![link(9, matched())]), [Some(Outcome::Applied)], "{what}");
        let product = &record.tables.links.products[&(connection("b"), external("product"))];
        assert_eq!(*product, own_product("b"), "{what}");
    }
}

#[test]
fn unlinking_a_variant_from_another_of_its_own_product_leaves_the_product_as_it_is() {
    let mut record = two_shirts();
    let mut larger = reported("b", 5, "Chemise", 900);
    if let Payload::Product(product) = &mut larger.payload {
        let mut variant = product.variants[0].clone();
        (variant.external, variant.item) = (external("large"), Some(external("large item")));
        variant.sku = Patch::Set("b-2".to_owned());
        product.variants.push(variant);
    }
    record.commit(vec![larger]);
    let large = VariantId::derive(&connection("b"), &external("large"));
    record.commit(vec![instructed(6, Instruction::Link { variant: external("variant"), to: large })]);
    let before = record.effects.len();
    record.commit(vec![unlink(7)]);
    let texts = record.effects[before..].iter().filter(|effect| matches!(effect, Effect::Text { .. }));
    assert_eq!(texts.count(), 0, "its text is the one that it was");
}

fn shirt_of(sku: &str) -> Product {
    let mut product = shirt("Shirt", 1000);
    product.variants[0].sku = Patch::Set(sku.to_owned());
    product
}

/// Another product of the second platform, with the number of the first one's.
fn second_of_b() -> Product {
    let mut product = shirt_of("a-1");
    product.external = external("second");
    product.variants[0].external = external("second variant");
    product.variants[0].item = Some(external("second item"));
    product
}

#[test]
fn undoing_a_match_gives_the_item_its_own_product_and_stock_back() {
    let mut record = two_shirts();
    record.commit(vec![link(5, matched())]);
    record.commit(vec![counted("b", 6, Some(9))]);
    record.commit(vec![unlink(7)]);
    let links = &record.tables.links;
    assert_eq!(links.variants[&(connection("b"), external("variant"))], own("b"));
    assert_eq!(links.products[&(connection("b"), external("product"))], own_product("b"));
    let product = &record.tables.products[&own_product("b")];
    let title = product.title.as_ref().map(|title| title.value.as_str());
    assert_eq!((product.deleted_at, title), (None, Some("Chemise")));
    assert_eq!(level(&record, &own("b")), Quantity::pieces(9));
    record.assert_balanced();
}
