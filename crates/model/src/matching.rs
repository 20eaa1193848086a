//! Matches between an item of a platform and the store's variants, by numbers, brand, name and size.
//!
//! A match is proposed with a score and its reasons. The store sets the score from which it is made without a person
//! ([`decide`]); several that are alike are never made so.

mod gtin;
mod keys;
mod name;
mod proposal;
mod score;
mod size;

pub use gtin::{Gtin, InvalidGtin};
pub use keys::{MATCH_KEYS_MAX, MatchKey, match_keys};
pub use proposal::{ItemLink, KnownMatch, MatchChange, MatchState, automatic_match, has_news, match_changes};
pub use score::{InvalidScore, MatchReason, Score};

use crate::{VariantId, sku_key};
use name::{Likeness, Name};
use size::Sizes;
use std::cmp::Reverse;

/// Upper limit of candidates that are proposed for one item.
pub const CANDIDATES_MAX: usize = 10;
/// Lowest score that is proposed.
pub const CANDIDATE_SCORE_MIN: Score = Score::from_per_mille(300);
/// The score from which a match is made without a person, unless the store sets another.
pub const AUTOMATIC_SCORE: Score = Score::from_per_mille(900);
/// Difference of scores within which two candidates are alike.
const ALIKE_PER_MILLE: u16 = 50;

/// The description of an item or a variant, as its platform gives it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemDescription {
    /// The bar code, with or without a check digit that is right.
    pub barcode: Option<String>,
    /// The merchant's own number.
    pub sku: Option<String>,
    /// The brand.
    pub brand: Option<String>,
    /// The name, of the product and the variant together.
    pub name: String,
    /// The size, where it isn't in the name.
    pub size: Option<String>,
}

/// The texts of a variant and its product, as the store has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VariantTexts<'a> {
    /// The product's title.
    pub product_title: Option<&'a str>,
    /// The variant's title.
    pub variant_title: Option<&'a str>,
    /// True if the product has no other variant. Platforms then name the variant by a word of their own.
    pub is_only_variant: bool,
    /// The product's vendor or brand.
    pub vendor: Option<&'a str>,
    /// The merchant's own number.
    pub sku: Option<&'a str>,
    /// The bar code.
    pub barcode: Option<&'a str>,
}

impl VariantTexts<'_> {
    /// Returns the description by which the variant is compared: a product's only variant has the product's name, and may
    /// state its size in its own.
    pub fn description(&self) -> ItemDescription {
        let [product, variant] = [self.product_title, self.variant_title].map(Option::unwrap_or_default);
        let name = match (product, variant) {
            ("", variant) => variant.to_owned(),
            (product, variant) if self.is_only_variant || product == variant => product.to_owned(),
            (product, variant) => format!("{product} {variant}"),
        };
        let is_apart = self.is_only_variant && !product.is_empty() && product != variant;
        ItemDescription {
            barcode: self.barcode.map(ToOwned::to_owned),
            sku: self.sku.map(ToOwned::to_owned),
            brand: self.vendor.map(ToOwned::to_owned),
            name,
            size: is_apart.then(|| variant.to_owned()),
        }
    }
}

/// A variant of the store with its description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownVariant {
    /// The id.
    pub id: VariantId,
    /// The description.
    pub description: ItemDescription,
}

/// A variant that an item may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The variant.
    pub id: VariantId,
    /// The certainty that the item is this variant.
    pub score: Score,
    /// The reasons for the score, for and against.
    pub reasons: Vec<MatchReason>,
}

/// The decision about an item and its candidates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MatchDecision {
    /// The item is this variant.
    Automatic(VariantId),
    /// A person decides between these, the likeliest first.
    Ask(Vec<Candidate>),
    /// The item is none of the store's variants.
    None,
}

/// A description in the forms that are compared.
#[derive(PartialEq)]
struct Compared {
    gtin: Option<Gtin>,
    sku: Option<String>,
    brand: Option<Name>,
    name: Name,
    sizes: Sizes,
}

impl Compared {
    fn new(description: &ItemDescription) -> Self {
        let brand = description.brand.as_deref().filter(|brand| sku_key(brand).is_some());
        let (mut sizes, name) = Sizes::split(&description.name);
        sizes.add(description.size.as_deref().unwrap_or_default());
        Self {
            gtin: description.barcode.as_deref().and_then(|code| Gtin::parse(code).ok()),
            sku: description.sku.as_deref().and_then(sku_key),
            brand: brand.map(Name::new).filter(|brand| !brand.is_empty()),
            name: Name::from_words(name),
            sizes,
        }
    }

    /// The reasons for and against a match with a variant.
    fn reasons(&self, variant: &Self) -> Vec<MatchReason> {
        let equal = |one: bool, reason| one.then_some(reason);
        let gtin = match (&self.gtin, &variant.gtin) {
            (Some(one), Some(other)) if one == other => Some(MatchReason::GtinEqual),
            (Some(_), Some(_)) => Some(MatchReason::GtinDiffers),
            _ => None,
        };
        let sku = equal(self.sku.is_some() && self.sku == variant.sku, MatchReason::SkuEqual);
        let (brand, one, other) = self.without_brands(variant);
        let name = match one.likeness(&other) {
            Likeness::Equal => Some(MatchReason::NameEqual),
            Likeness::Similar { per_mille } => Some(MatchReason::NameSimilar { per_mille }),
            Likeness::Different => Some(MatchReason::NameDiffers),
            Likeness::Unknown => None,
        };
        let size = self
            .sizes
            .agree(&variant.sizes)
            .map(|agree| if agree { MatchReason::SizeEqual } else { MatchReason::SizeDiffers });
        let identical = equal(self == variant, MatchReason::Identical);
        [identical, gtin, sku, name, brand, size].into_iter().flatten().collect()
    }

    /// The comparison of the brands, and both names without them: a brand that only one side states may be part of the
    /// other's name.
    fn without_brands(&self, variant: &Self) -> (Option<MatchReason>, Name, Name) {
        let brands = [self.brand.as_ref(), variant.brand.as_ref()];
        let strip =
            |name: &Name| brands.into_iter().flatten().fold(name.clone(), |name, brand| name.without(brand));
        let (one, other) = (strip(&self.name), strip(&variant.name));
        let reason = match brands {
            [Some(brand), Some(of_variant)] if brand.is_same(of_variant) => Some(MatchReason::BrandEqual),
            [Some(_), Some(_)] => Some(MatchReason::BrandDiffers),
            [Some(brand), None] => variant.name.contains(brand).then_some(MatchReason::BrandEqual),
            [None, Some(brand)] => self.name.contains(brand).then_some(MatchReason::BrandEqual),
            [None, None] => None,
        };
        (reason, one, other)
    }
}

/// Returns the variants that an item may be, the likeliest first, at most [`CANDIDATES_MAX`]; their order in `variants`
/// doesn't matter. A candidate has a number or a name in common with the item. If the best ones are alike, each score is
/// lowered.
pub fn match_candidates(item: &ItemDescription, variants: &[KnownVariant]) -> Vec<Candidate> {
    let item = Compared::new(item);
    let scored = variants.iter().filter_map(|variant| {
        let reasons = item.reasons(&Compared::new(&variant.description));
        let score = Score::of(&reasons)?;
        (score >= CANDIDATE_SCORE_MIN).then(|| Candidate { id: variant.id.clone(), score, reasons })
    });
    let mut candidates: Vec<Candidate> = scored.collect();
    candidates.sort_by_key(|candidate| (Reverse(candidate.score), candidate.id.clone()));
    candidates.dedup_by(|one, other| one.id == other.id);
    lower_if_alike(&mut candidates);
    candidates.truncate(CANDIDATES_MAX);
    candidates
}

/// Lowers all scores if the best is alike to another, and marks those that are.
fn lower_if_alike(candidates: &mut [Candidate]) {
    let Some(best) = candidates.first().map(|candidate| candidate.score) else {
        return;
    };
    let is_alike = |candidate: &Candidate| best.per_mille() - candidate.score.per_mille() <= ALIKE_PER_MILLE;
    if candidates.iter().filter(|candidate| is_alike(candidate)).count() < 2 {
        return;
    }
    for candidate in candidates {
        if is_alike(candidate) {
            candidate.reasons.push(MatchReason::Ambiguous);
        }
        candidate.score = candidate.score.lowered_by_ambiguity();
    }
}

/// Decides about an item: the best candidate if its score reaches the limit and no other is alike, a person's decision
/// if there are candidates at all.
pub fn decide(candidates: &[Candidate], limit: Score) -> MatchDecision {
    match candidates.first() {
        None => MatchDecision::None,
        Some(best) if best.score >= limit && !best.reasons.contains(&MatchReason::Ambiguous) => {
            MatchDecision::Automatic(best.id.clone())
        }
        Some(_) => MatchDecision::Ask(candidates.to_vec()),
    }
}

#[cfg(test)]
mod tests;
