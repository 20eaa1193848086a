//! Matches of items as shops name them, and what holds for each match.

use super::*;
use proptest::prelude::*;

/// `name | brand | size | sku | bar code`; parts that are left out are unknown.
fn described(text: &str) -> ItemDescription {
    let mut parts = text.split('|').map(|part| part.trim().to_owned());
    let name = parts.next().unwrap_or_default();
    let mut next = || parts.next().filter(|part| !part.is_empty());
    let (brand, size, sku, barcode) = (next(), next(), next(), next());
    ItemDescription { barcode, sku, brand, name, size }
}

fn known(id: &str, text: &str) -> KnownVariant {
    KnownVariant { id: VariantId::new(id).unwrap(), description: described(text) }
}

/// The decision in words: `auto a`, `ask a b`, `none`.
fn decided(item: &str, variants: &[&str]) -> (String, Vec<Candidate>) {
    let ids = ["a", "b", "c", "d"];
    let variants: Vec<_> = ids.into_iter().zip(variants).map(|(id, text)| known(id, text)).collect();
    let candidates = match_candidates(&described(item), &variants);
    let text = match decide(&candidates, AUTOMATIC_SCORE) {
        MatchDecision::Automatic(id) => format!("auto {id}"),
        MatchDecision::Ask(candidates) => {
            let ids: Vec<&str> = candidates.iter().map(|candidate| candidate.id.as_str()).collect();
            format!("ask {}", ids.join(" "))
        }
        MatchDecision::None => "none".to_owned(),
    };
    (text, candidates)
}

const CASES: &[(&str, &[&str], &str)] = &[
    // Numbers.
    ("Coca-Cola 12 oz can | | | | 049000006346", &["COKE 12OZ | | | | 0049000006346"], "auto a"),
    ("Nutella 400g | | | | 3017620422003", &["Hazelnut spread | Nutella | | | 03017620422003"], "auto a"),
    ("Nutella 400g | | | | 3017620422003", &["Nutella 400 g | | | | 3017620422010"], "none"),
    ("Nutella 400g | | | | 3017620422003", &["Nutella 750g | | | | 3017620425035"], "none"),
    ("Blue Dream 3.5g | ACME | | BD35", &["ACME Blue Dream | | 1/8 oz | BD35"], "auto a"),
    ("Blue Dream 3.5g | ACME | | BD35", &["Motor oil 5w30 | | | BD35"], "ask a"),
    ("Blue Dream 3.5g | ACME | | N/A", &["Motor oil 5w30 | | | N/A"], "none"),
    ("Blue Dream 3.5g | ACME | | 000", &["Gelato 1g | ACME | | 000"], "none"),
    ("Blue Dream 3.5g | ACME | | BD35", &["Blue Dream | ACME | 7g | BD35"], "ask a"),
    ("Blue Dream | | | BD35", &["Blue Dream | | | BD35", "Blue Dream | | | BD35"], "ask a b"),
    ("Loose bananas | | | | 200000000004", &["Loose apples | | | | 200000000004"], "none"),
    // Names of cannabis.
    ("BG Chem-3.5g-20.9%THCa", &["BG Chem | | 3.5 g"], "ask a"),
    ("Afghani Shake - One Gram", &["Afghani Shake 1g", "Afghani Shake 3.5g"], "ask a"),
    ("Kiva Confections Terra Bites 100mg", &["Terra Bites | Kiva Confections | 100 mg"], "ask a"),
    ("KIVA | Kiva Confections", &["Terra Bites | Kiva Confections | 100 mg"], "none"),
    ("Gelato #33 Pre-Roll 1g | Stiiizy", &["GELATO 33 PREROLL 1 GRAM | STIIIZY"], "ask a"),
    ("Gelato 3.5g | ACME", &["Gelato 3.5g | Other Farms"], "ask a"),
    ("Wedding Cake 1g | ACME", &["Wedding Cake 0.5g | ACME"], "none"),
    (
        "Wyld Gummies Raspberry 100mg 10pk",
        &["Wyld Raspberry Gummies 10-pack 100 mg", "Wyld Gummies Pear 100mg 10pk"],
        "ask a b",
    ),
    ("Jack Herer | ACME | eighth", &["Jack Herer 1/8 oz | ACME", "Jack Herer 1/4 oz | ACME"], "ask a"),
    // Names of groceries.
    ("Ben & Jerry's Cherry Garcia 1 pint", &["Ben and Jerrys Cherry Garcia 1 pint"], "ask a"),
    ("Crème Fraîche 200 ml", &["creme fraiche 20cl"], "ask a"),
    ("La Croix Lime 12 fl oz", &["LaCroix Lime 355ml", "La Croix Lemon 12 fl oz"], "ask a b"),
    ("Organic Milk 2 L", &["Oat Bread 500g", "Paper towels"], "none"),
    ("", &["", "Paper towels"], "none"),
];

#[test]
fn items_are_matched_as_a_person_would() {
    let mut wrong = Vec::new();
    for (item, variants, expected) in CASES {
        let (found, candidates) = decided(item, variants);
        if found != *expected {
            wrong.push(format!("{item}: {found} instead of {expected}: {candidates:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_candidate_has_a_key_in_common_with_the_item() {
    let keys = |text: &str| match_keys(&described(text));
    for (item, variants, _) in CASES {
        for candidate in decided(item, variants).1 {
            let at = ["a", "b", "c", "d"].iter().position(|id| *id == candidate.id.as_str()).unwrap();
            let (of_item, of_variant) = (keys(item), keys(variants[at]));
            assert!(of_item.iter().any(|key| of_variant.contains(key)), "{item}: {}", variants[at]);
        }
    }
    assert_eq!(keys(""), []);
    let long = vec!["word"; 80].join("s ") + " | brand | | sku | 4006381333931";
    assert!(keys(&long).len() <= MATCH_KEYS_MAX);
    for (one, other) in [
        ("Terra Bites | Kiva Confections", "Kiva Confections Terra Bites"),
        ("Kiva Confections Terra Bites | Kiva Confections", "Terra Bites"),
        ("La Croix Lime", "LaCroix lime"),
        ("Raspberry Gummies", "gummies raspberry"),
    ] {
        let telling = |text: &str| keys(text).into_iter().filter(|key| key.is_telling()).collect::<Vec<_>>();
        let (of_one, of_other) = (telling(one), telling(other));
        assert!(of_one.iter().any(|key| of_other.contains(key)), "{one}: {other}");
    }
}

#[test]
fn no_description_has_more_keys_than_are_stored_and_a_short_word_is_none() {
    let words: Vec<String> = (0..40).map(|number| format!("word{number}")).collect();
    let long = described(&format!("{} | Brand | | SKU-1 | 049000006346", words.join(" ")));
    let keys = match_keys(&long);
    assert!(keys.len() <= MATCH_KEYS_MAX, "{}", keys.len());
    let hashes =
        |name: &str| match_keys(&described(name)).into_iter().collect::<std::collections::BTreeSet<_>>();
    assert!(hashes("Tea a").is_disjoint(&hashes("a Coffee")), "they have a short word in common");
}

#[test]
fn no_more_words_of_a_name_are_compared_than_a_name_has() {
    let words: Vec<String> = (0..100).map(|number| format!("word{number}")).collect();
    assert_eq!(Name::new(&words.join(" ")).words().count(), 64);
}

#[test]
fn an_item_that_is_called_like_its_brand_keeps_its_name() {
    let (decision, candidates) = decided("Kiva | Kiva", &["Kiva | Kiva"]);
    assert_eq!(decision, "ask a");
    assert!(candidates[0].reasons.contains(&MatchReason::NameEqual), "{candidates:?}");
}

#[test]
fn a_word_for_no_brand_speaks_neither_for_nor_against_a_match() {
    for (item, variant) in [("Gelato 1g | N/A", "Gelato 1g | N/A"), ("Gelato 1g | N/A", "Gelato 1g | ACME")] {
        let (_, candidates) = decided(item, &[variant]);
        let is_of_brand =
            |reason: &MatchReason| matches!(reason, MatchReason::BrandEqual | MatchReason::BrandDiffers);
        assert!(!candidates[0].reasons.iter().any(is_of_brand), "{item} {variant}: {candidates:?}");
    }
}

#[test]
fn a_variant_that_is_found_twice_is_one_candidate() {
    let variants = [known("a", "Gelato 1g | | | G1"), known("a", "Gelato 1g | | | G1")];
    let candidates = match_candidates(&described("Gelato 1g | | | G1"), &variants);
    assert_eq!(candidates.len(), 1);
    assert!(!candidates[0].reasons.contains(&MatchReason::Ambiguous), "{candidates:?}");
}

#[test]
fn a_reason_is_read_as_it_was_written() {
    let reasons = decided(
        "ACME Blue Dream 3.5g | | | S | 4006381333931",
        &["Blue Dream | acme | 7g | S | 4006381333931"],
    );
    let mut reasons: Vec<MatchReason> =
        reasons.1.into_iter().flat_map(|candidate| candidate.reasons).collect();
    reasons.extend([
        MatchReason::NameSimilar { per_mille: 666 },
        MatchReason::Identical,
        MatchReason::Ambiguous,
    ]);
    for reason in reasons {
        assert_eq!(MatchReason::parse(&reason.code()), Some(reason));
    }
    for code in ["", "gtin", "name_similar", "name_similar:", "name_similar:1001", "gtin_equal:1"] {
        assert_eq!(MatchReason::parse(code), None, "{code}");
    }
}

#[test]
fn a_only_variant_has_the_name_of_its_product() {
    let texts = |product, variant, is_only_variant| {
        let texts = VariantTexts {
            product_title: product,
            variant_title: variant,
            is_only_variant,
            ..VariantTexts::default()
        };
        let description = texts.description();
        (description.name, description.size)
    };
    let (tea, word, size) = (Some("Tea"), Some("Regular"), Some("3.5g"));
    assert_eq!(texts(tea, word, true), ("Tea".to_owned(), Some("Regular".to_owned())));
    assert_eq!(texts(tea, size, false), ("Tea 3.5g".to_owned(), None));
    assert_eq!(texts(tea, tea, false), ("Tea".to_owned(), None));
    assert_eq!(texts(tea, tea, true), ("Tea".to_owned(), None));
    assert_eq!(texts(None, size, true), ("3.5g".to_owned(), None));
    assert_eq!(texts(None, None, true), (String::new(), None));
}

#[test]
fn the_score_says_why() {
    for (item, variant, per_mille, reasons) in [
        ("A | | | SKU-1", "| | | SKU-1", 850, vec![MatchReason::SkuEqual]),
        ("A | | | | 4006381333931", "| | | | 4006381333931", 950, vec![MatchReason::GtinEqual]),
        (
            "Blue Dream 3.5g | ACME",
            "Blue Dream 1/8 oz | ACME",
            776,
            vec![MatchReason::NameEqual, MatchReason::BrandEqual, MatchReason::SizeEqual],
        ),
        (
            "Blue Dream 3.5g | ACME",
            "blue dream | acme | 3.5 G",
            888,
            vec![
                MatchReason::Identical,
                MatchReason::NameEqual,
                MatchReason::BrandEqual,
                MatchReason::SizeEqual,
            ],
        ),
        (
            "ACME Blue Dream 3.5g",
            "Blue Dream | acme | 7g",
            272,
            vec![MatchReason::NameEqual, MatchReason::BrandEqual, MatchReason::SizeDiffers],
        ),
        ("A | | | SKU-1", "B | | | SKU-1", 595, vec![MatchReason::SkuEqual, MatchReason::NameDiffers]),
        (
            "Red wine | | | | 4006381333931",
            "Red wine | | | | 3017620422003",
            240,
            vec![MatchReason::GtinDiffers, MatchReason::NameEqual],
        ),
        (
            "Blue Dream | ACME",
            "Blue Dream | Other",
            360,
            vec![MatchReason::NameEqual, MatchReason::BrandDiffers],
        ),
    ] {
        let found = Compared::new(&described(item)).reasons(&Compared::new(&described(variant)));
        assert_eq!(found, reasons, "{item} and {variant}");
        assert_eq!(Score::of(&found).map(Score::per_mille), Some(per_mille), "{item} and {variant}");
    }
    let brand_and_size = Compared::new(&described("Gelato 1g | ACME"));
    let reasons = brand_and_size.reasons(&Compared::new(&described("Truffles 1g | ACME")));
    assert_eq!(Score::of(&reasons), None, "brand and size alone are of many items");
}

#[test]
fn no_more_candidates_are_proposed_than_a_person_looks_at() {
    let ids = (0..30).map(|number| format!("v{number}"));
    let variants: Vec<_> = ids.map(|id| known(&id, "Blue Dream 3.5g")).collect();
    assert_eq!(match_candidates(&described("Blue Dream 3.5g"), &variants).len(), CANDIDATES_MAX);
    assert_eq!(Score::new(1_001), Err(InvalidScore));
}

fn descriptions() -> impl Strategy<Value = ItemDescription> {
    let one_of = |texts: &[&str]| {
        prop::sample::select(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    };
    let names =
        one_of(&["Blue Dream", "Blue Dream 3.5g", "ACME Gelato 1g", "Gelato #33", "Crème Fraîche", ""]);
    let brands = prop::option::of(one_of(&["ACME", "Kiva", "N/A"]));
    let sizes = prop::option::of(one_of(&["3.5 g", "1/8 oz", "1g", "10pk"]));
    let skus = prop::option::of(one_of(&["S-1", "S-2", "none"]));
    let barcodes = prop::option::of(one_of(&["4006381333931", "3017620422003", "0000"]));
    (names, brands, sizes, skus, barcodes).prop_map(|(name, brand, size, sku, barcode)| ItemDescription {
        barcode,
        sku,
        brand,
        name,
        size,
    })
}

fn variants() -> impl Strategy<Value = Vec<KnownVariant>> {
    let id = |number: usize| VariantId::new(&format!("v{number}")).unwrap();
    let numbered = move |descriptions: Vec<ItemDescription>| {
        let known = descriptions.into_iter().enumerate();
        known.map(|(number, description)| KnownVariant { id: id(number), description }).collect()
    };
    prop::collection::vec(descriptions(), 0..8).prop_map(numbered)
}

proptest! {
    #[test]
    fn the_order_of_the_variants_does_not_matter(item in descriptions(), variants in variants(), turn in 0..8_usize) {
        let found = match_candidates(&item, &variants);
        let mut turned = variants;
        let places = turned.len().max(1);
        turned.rotate_left(turn % places);
        prop_assert_eq!(&match_candidates(&item, &turned), &found);
        turned.reverse();
        prop_assert_eq!(&match_candidates(&item, &turned), &found);
    }

    #[test]
    fn no_variant_scores_higher_than_one_with_the_same_description(item in descriptions(), mut variants in variants()) {
        let id = VariantId::new("same").unwrap();
        variants.push(KnownVariant { id: id.clone(), description: item.clone() });
        let found = match_candidates(&item, &variants);
        let same = found.iter().find(|candidate| candidate.id == id);
        // One without numbers and name is like nothing, itself included.
        let score = same.map(|candidate| candidate.score);
        prop_assert!(found.iter().all(|candidate| Some(candidate.score) <= score), "{found:?}");
    }

    #[test]
    fn only_a_score_of_the_limit_that_no_other_is_like_is_automatic(
        item in descriptions(), variants in variants(), limit in 0..=1_000_u16,
    ) {
        let candidates = match_candidates(&item, &variants);
        prop_assert!(candidates.is_sorted_by(|one, next| one.score >= next.score));
        let limit = Score::new(limit).unwrap();
        if let MatchDecision::Automatic(id) = decide(&candidates, limit) {
            prop_assert_eq!(&candidates[0].id, &id);
            prop_assert!(candidates[0].score >= limit);
            let rest = candidates[1..].iter().map(|candidate| candidate.score.per_mille());
            prop_assert!(rest.max().is_none_or(|next| next + ALIKE_PER_MILLE < candidates[0].score.per_mille()));
        }
    }
}
