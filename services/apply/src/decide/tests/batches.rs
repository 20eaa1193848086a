//! Events decided one by one, and the same events in batches of any size, result in the same record.

use super::{record::Record, *};
use model::{Baseline, EntityKind, Instruction, MatchedLink, Side, matching::Score};
use proptest::prelude::*;

const PLATFORMS: [&str; 3] = ["a", "b", "c"];
/// Numbers that may match, and one that matches nothing.
const SKUS: [&str; 4] = ["S-1", "S-2", " S-1\u{7f}", "N/A"];

#[derive(Debug, Clone)]
enum Change {
    /// A product with variants of those numbers: its own, or those of the other product.
    Product {
        slot: usize,
        of: usize,
        variants: Vec<(usize, usize)>,
        is_complete: bool,
    },
    Level {
        item: usize,
        count: i32,
    },
    Untracked {
        item: usize,
    },
    Deleted {
        slot: usize,
    },
    Link {
        variant: usize,
        to: (usize, usize),
    },
    /// A link of a match of the platform's own variant.
    Match {
        variant: usize,
        to: (usize, usize),
        is_only_variant: bool,
    },
    Unlink {
        variant: usize,
    },
    Adopt {
        item: usize,
        side: Side,
    },
    Rule(BaselineRule),
}

fn variant(index: usize, sku: usize) -> Variant {
    let mut variant = shirt("", 1000).variants.remove(0);
    (variant.external, variant.item) =
        (external(&format!("variant-{index}")), Some(external(&format!("item-{index}"))));
    variant.sku = Patch::Set(SKUS[sku].to_owned());
    variant
}

fn payload(change: &Change, platform: &str) -> Payload {
    let item = |index: usize| external(&format!("item-{index}"));
    let product = |slot: usize| external(&format!("product-{slot}"));
    let variant_id = |index: usize| external(&format!("variant-{index}"));
    let instructed = |instruction| Payload::Instruction { external: external("connection"), instruction };
    match change {
        Change::Product { slot, of, variants, is_complete } => Payload::Product(Product {
            external: product(*slot),
            variants: variants.iter().map(|(index, sku)| variant(of * 2 + index, *sku)).collect(),
            variants_complete: *is_complete,
            ..shirt("Shirt", 1000)
        }),
        Change::Level { item: of, count } => Payload::Inventory(InventoryReport {
            item: item(*of),
            location: Some(external("L")),
            available: Some(Quantity::pieces(*count)),
        }),
        Change::Untracked { item: of } => {
            Payload::Deleted { entity: EntityKind::Inventory, external: item(*of) }
        }
        Change::Deleted { slot } => {
            Payload::Deleted { entity: EntityKind::Product, external: product(*slot) }
        }
        Change::Link { variant, to: (platform, other) } => instructed(Instruction::Link {
            variant: variant_id(*variant),
            to: VariantId::derive(&connection(PLATFORMS[*platform]), &variant_id(*other)),
        }),
        Change::Match { variant, to: (other_platform, other), is_only_variant } => {
            instructed(Instruction::LinkMatched(MatchedLink {
                variant: variant_id(*variant),
                from: VariantId::derive(&connection(platform), &variant_id(*variant)),
                to: VariantId::derive(&connection(PLATFORMS[*other_platform]), &variant_id(*other)),
                score: Score::new(950).unwrap(),
                is_automatic: true,
                is_only_variant: *is_only_variant,
            }))
        }
        Change::Unlink { variant } => instructed(Instruction::Unlink { variant: variant_id(*variant) }),
        Change::Adopt { item: of, side } => {
            instructed(Instruction::Adopt { item: item(*of), location: location(), side: *side })
        }
        Change::Rule(rule) => instructed(Instruction::Baseline(*rule)),
    }
}

fn change() -> impl Strategy<Value = Change> {
    let variants = prop_oneof![
        3 => (0..SKUS.len()).prop_map(|sku| vec![(0, sku)]),
        1 => (0..SKUS.len()).prop_map(|sku| vec![(1, sku)]),
        2 => (0..SKUS.len(), 0..SKUS.len()).prop_map(|(one, other)| vec![(0, one), (1, other)]),
    ];
    let side = prop_oneof![Just(Side::Store), Just(Side::Platform)];
    let rule = prop::sample::select(BaselineRule::ALL.to_vec());
    prop_oneof![
        6 => (0_usize..2, variants, prop::bool::weighted(0.2), prop::bool::weighted(0.8)).prop_map(
            |(slot, variants, is_moved, is_complete)| {
                let of = if is_moved { 1 - slot } else { slot };
                Change::Product { slot, of, variants, is_complete }
            }
        ),
        6 => (0_usize..4, 0_i32..6).prop_map(|(item, count)| Change::Level { item, count }),
        1 => (0_usize..4).prop_map(|item| Change::Untracked { item }),
        2 => (0_usize..2).prop_map(|slot| Change::Deleted { slot }),
        1 => (0_usize..4, (0_usize..3, 0_usize..4)).prop_map(|(variant, to)| Change::Link { variant, to }),
        2 => (0_usize..4, (0_usize..3, 0_usize..4), any::<bool>())
            .prop_map(|(variant, to, is_only_variant)| Change::Match { variant, to, is_only_variant }),
        1 => (0_usize..4).prop_map(|variant| Change::Unlink { variant }),
        1 => (0_usize..4, side).prop_map(|(item, side)| Change::Adopt { item, side }),
        1 => rule.prop_map(Change::Rule),
    ]
}

fn open(record: &Record) -> BTreeSet<(ConnectionId, ConflictKind, String)> {
    let conflicts = record.conflicts.iter();
    conflicts.map(|it| (it.connection.clone(), it.kind, it.subject.clone())).collect()
}

/// Names the links that lead to something although the platform deleted their product, and the mirrors of what isn't linked
/// that have work.
fn linked_though_gone(record: &Record) -> Vec<String> {
    let tables = &record.tables;
    let links = &tables.links;
    let is_gone = |(connection, _): &(ConnectionId, ExternalId), product: &ExternalId| {
        let key = FieldKey { connection: connection.clone(), external: product.clone() };
        tables.mirrors.texts[&key].baseline == Baseline::Absent
    };
    let mut found = Vec::new();
    for (kind, live, products) in
        [("variant", &links.variants, &links.variant_products), ("item", &links.items, &links.item_products)]
    {
        let gone = live.keys().filter(|key| products.get(*key).is_some_and(|product| is_gone(key, product)));
        found.extend(gone.map(|key| format!("{kind} {key:?}")));
    }
    for (key, mirror) in &tables.mirrors.levels {
        let is_linked = links.items.contains_key(&(key.connection.clone(), key.item.clone()));
        if !is_linked && (mirror.variant.is_some() || mirror.attention().is_some()) {
            found.push(format!("level {key:?}: {mirror:?}"));
        }
    }
    found
}

proptest! {
    #[test]
    fn however_events_fall_into_batches_the_record_comes_to_the_same(
        changes in prop::collection::vec((0_usize..3, change(), any::<bool>()), 1..16),
    ) {
        let (mut one_by_one, mut together) = (Record::default(), Record::default());
        let mut batch = Vec::new();
        for (number, (platform, change, ends_batch)) in (1..).zip(&changes) {
            let version = i64::try_from(number).unwrap();
            let event = exact(event(PLATFORMS[*platform], number, Some(version), payload(change, PLATFORMS[*platform])));
            one_by_one.commit(vec![event.clone()]);
            batch.push(event);
            if *ends_batch {
                together.commit(std::mem::take(&mut batch));
            }
        }
        together.commit(batch);
        prop_assert_eq!(&one_by_one.tables.links, &together.tables.links);
        prop_assert_eq!(&one_by_one.tables.levels, &together.tables.levels);
        prop_assert_eq!(&one_by_one.tables.variants, &together.tables.variants);
        prop_assert_eq!(&one_by_one.tables.products, &together.tables.products);
        prop_assert_eq!(&one_by_one.tables, &together.tables);
        prop_assert_eq!(open(&one_by_one), open(&together));
        prop_assert_eq!(linked_though_gone(&together), Vec::<String>::new());
        prop_assert_eq!(one_by_one.movements, together.movements);
    }
}

#[test]
fn two_products_of_one_platform_may_be_one_of_another_and_keep_their_links() {
    let reported = |platform: &str, number: u64, slot: usize, variants: &[(usize, usize)]| {
        let change = Change::Product { slot, of: slot, variants: variants.to_vec(), is_complete: true };
        let payload = payload(&change, platform);
        event(platform, number, Some(i64::try_from(number).unwrap()), payload)
    };
    let mut record = Record::default();
    // One product with two variants on `a`, two products with one each on `b`.
    record.commit(vec![reported("a", 1, 0, &[(0, 0), (1, 1)])]);
    record.commit(vec![reported("b", 2, 0, &[(0, 0)])]);
    record.commit(vec![reported("b", 3, 1, &[(0, 1)])]);
    let linked = record.tables.links.clone();
    assert_eq!(linked.products.values().collect::<BTreeSet<_>>().len(), 1, "{linked:?}");
    record.commit(vec![reported("b", 4, 0, &[(0, 0)])]);
    record.commit(vec![reported("b", 5, 1, &[(0, 1)])]);
    assert_eq!(record.tables.links, linked, "a complete list of one product says nothing of the other");
    let deleted = payload(&Change::Deleted { slot: 1 }, "b");
    record.commit(vec![event("b", 6, Some(6), deleted)]);
    let left = &record.tables.links;
    assert_eq!((left.products.len(), left.variants.len()), (2, 3), "the other's stays: {left:?}");
    assert!(left.variants.contains_key(&(connection("b"), external("variant-0"))), "{left:?}");
}
