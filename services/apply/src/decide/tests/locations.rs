//! Locations that are linked by hand.

use super::{contacts::counted, record::Record, *};
use model::Attention;

fn at(location: &str) -> LocationId {
    LocationId::new(location).unwrap()
}

/// The store has a second location, of which `b` reports levels as `B2`.
fn two_locations() -> Record {
    let mut facts = with_rule(linked(), BaselineRule::Store);
    facts.locations.insert(StoreId::new("s").unwrap(), [location(), at("second")].into());
    for (from, external_id, to) in [("a", "L", "main"), ("a", "A2", "second"), ("b", "L", "main")] {
        facts.links.locations.insert((connection(from), external(external_id)), at(to));
    }
    Record::of(facts)
}

/// A level at the second location, as enrich found it: linked, or not.
fn elsewhere(from: &str, number: u64, location: &str, available: i32, is_linked: bool) -> Event {
    let mut event = counted(from, number, Some(available));
    if let Payload::Inventory(report) = &mut event.payload {
        report.location = Some(external(location));
    }
    let of = LinkedRef::Location(LocationRef::Named(external(location)));
    let second = Link { of, internal: "second".to_owned() };
    event.links = is_linked.then_some(second).into_iter().collect();
    event
}

fn link(number: u64, location: &str, to: &str) -> Event {
    let instruction = model::Instruction::LinkLocation { location: external(location), to: at(to) };
    event("b", number, None, Payload::Instruction { external: external(location), instruction })
}

#[test]
fn a_location_that_is_linked_by_hand_is_read_for_each_item_and_counts_from_then_on() {
    let second = LevelKey { location: at("second"), ..key("b") };
    for is_late in [false, true] {
        let mut record = two_locations();
        record.commit(vec![elsewhere("a", 10, "A2", 7, true)]);
        record.commit(vec![elsewhere("b", 11, "B2", 5, false)]);
        assert_eq!(record.conflicts.len(), 1, "nobody knows where that is");
        assert_eq!(record.commit(vec![link(12, "B2", "second")]), [Some(Outcome::Applied)]);
        assert_eq!(record.conflicts, []);
        assert_eq!(record.tables.links.locations[&(connection("b"), external("B2"))], at("second"));
        let mirror = &record.tables.mirrors.levels[&second];
        assert_eq!((mirror.attention(), mirror.variant.is_some()), (Some(Attention::Read), true));

        // Late: enrich processed it before the link was made.
        let report = elsewhere("b", 13, "B2", 7, !is_late);
        assert_eq!(record.commit(vec![report]), [Some(Outcome::Applied)], "late: {is_late}");
        record.commit(vec![elsewhere("b", 14, "B2", 6, true)]);
        assert_eq!(record.level(&at("second")), Some(Quantity::pieces(6)), "late: {is_late}");
        assert_eq!(record.conflicts, [], "late: {is_late}");
        record.assert_balanced();
    }
}

#[test]
fn a_link_and_the_reports_behind_it_may_be_of_one_batch() {
    let mut record = two_locations();
    record.commit(vec![elsewhere("a", 10, "A2", 7, true)]);
    record.commit(vec![
        elsewhere("b", 11, "B2", 7, false),
        link(12, "B2", "second"),
        elsewhere("b", 13, "B2", 7, false),
        elsewhere("b", 14, "B2", 5, false),
    ]);
    assert_eq!(record.level(&at("second")), Some(Quantity::pieces(5)));
    assert_eq!(record.conflicts, []);
}

#[test]
fn a_location_is_linked_once_and_to_one_of_the_stores() {
    for (location, to, linked) in [
        ("B2", "second", true),
        ("B2", "nowhere", false),
        ("B2", "main", false),
        ("L", "second", false),
        ("L", "main", false),
    ] {
        let mut record = two_locations();
        let before = record.tables.clone();
        record.conflicts.clear();
        record.commit(vec![link(10, location, to)]);
        let is_new = record.tables.links.locations != before.links.locations;
        assert_eq!(is_new, linked, "{location} {to}");
        assert_eq!(record.tables.mirrors != before.mirrors, linked, "{location} {to}");
        let again = record.tables.links.clone();
        assert_eq!(
            record.commit(vec![link(11, location, to)]),
            [Some(Outcome::Unchanged)],
            "{location} {to}"
        );
        assert_eq!(record.tables.links, again);
    }
}

/// The shirt of `from` with that number.
fn numbered(from: &str, number: u64, sku: &str) -> Event {
    let mut product = shirt("Shirt", 1000);
    let variant = Variant { sku: Patch::Set(sku.to_owned()), ..product.variants[0].clone() };
    product.variants = vec![variant];
    event(from, number, Some(i64::try_from(number).unwrap()), Payload::Product(product))
}

#[test]
fn what_was_counted_under_the_variant_that_is_left_is_taken_off_there_if_nobody_else_relies_on_it() {
    for is_shared in [false, true] {
        let mut record = Record::of(with_rule(Facts::default(), BaselineRule::Store));
        record.commit(vec![numbered("a", 1, "SKU-1"), counted("a", 2, Some(10))]);
        record.commit(vec![numbered("b", 3, "SKU-2"), counted("b", 4, Some(4))]);
        if is_shared {
            record.commit(vec![numbered("c", 5, "SKU-2"), counted("c", 6, Some(4))]);
        }
        let own = |from: &str| VariantId::derive(&connection(from), &external("variant"));
        let (left, to) = (own("b"), own("a"));
        let instruction = model::Instruction::Link { variant: external("variant"), to: to.clone() };
        for number in [7, 8] {
            let payload =
                Payload::Instruction { external: external("variant"), instruction: instruction.clone() };
            record.commit(vec![event("b", number, None, payload)]);
            let level = |variant: &VariantId| record.tables.levels[&(variant.clone(), location())];
            let stays = if is_shared { Quantity::pieces(4) } else { Quantity::ZERO };
            assert_eq!((level(&left), level(&to)), (stays, Quantity::pieces(10)), "shared: {is_shared}");
        }
        assert_eq!(mirror(&record.tables, "b").variant, Some(to));
        record.assert_balanced();
    }
}
