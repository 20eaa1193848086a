//! The items that a promotion is for.

use crate::{ExternalId, Money};
use serde::{Deserialize, Serialize};

/// Upper limit of the targets and of the exceptions of one promotion.
pub const TARGETS_MAX: usize = 10_000;

/// One thing that a promotion names, by the platform's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A product, with all its variants.
    Product(ExternalId),
    /// A variant.
    Variant(ExternalId),
    /// The products of a category.
    Category(ExternalId),
    /// The products of a brand.
    Brand(ExternalId),
    /// The products of a vendor.
    Vendor(ExternalId),
    /// The products of a collection, a group or a tag.
    Collection(ExternalId),
}

impl Target {
    const KINDS: usize = 6;

    const fn kind(&self) -> usize {
        match self {
            Self::Product(_) => 0,
            Self::Variant(_) => 1,
            Self::Category(_) => 2,
            Self::Brand(_) => 3,
            Self::Vendor(_) => 4,
            Self::Collection(_) => 5,
        }
    }
}

/// The items that a promotion covers before its exceptions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Each item.
    Everything,
    /// Items that are any of the targets; none if there are no targets.
    AnyOf(Vec<Target>),
    /// Items that are one of the targets of each kind that is named: of a named category *and* of a named brand. None
    /// if there are no targets.
    EveryKindOf(Vec<Target>),
}

impl Scope {
    /// The targets that it names.
    pub fn targets(&self) -> &[Target] {
        match self {
            Self::Everything => &[],
            Self::AnyOf(targets) | Self::EveryKindOf(targets) => targets,
        }
    }
}

/// The items that a promotion is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Targets {
    /// The items that it covers.
    pub scope: Scope,
    /// Items that it excludes nevertheless.
    pub except: Vec<Target>,
}

impl Targets {
    /// Returns the targets of a promotion for each item.
    pub const fn everything() -> Self {
        Self { scope: Scope::Everything, except: Vec::new() }
    }

    /// Returns whether the promotion is for a variant.
    pub fn cover(&self, variant: &PricedVariant) -> bool {
        let is_covered = match &self.scope {
            Scope::Everything => true,
            Scope::AnyOf(targets) => targets.iter().any(|target| variant.is(target)),
            Scope::EveryKindOf(targets) => covers_every_kind(targets, variant),
        };
        is_covered && !self.except.iter().any(|target| variant.is(target))
    }
}

impl Targets {
    /// Returns whether the promotion is for a variant of which only the ids of its product and of itself are known;
    /// `None` if that depends on its categories, brand, vendor or collections.
    pub fn cover_by_ids(&self, variant: &PricedVariant) -> Option<bool> {
        let is_by_id = |target: &&Target| matches!(target, Target::Product(_) | Target::Variant(_));
        let except = || self.except.iter();
        if except().filter(is_by_id).any(|target| variant.is(target)) {
            return Some(false);
        }
        let scope = Self { scope: self.scope.clone(), except: Vec::new() };
        if !scope.cover(&variant.supposed_in(self.scope.targets())) {
            return Some(false);
        }
        let is_sure = scope.cover(variant) && except().all(|target| is_by_id(&target));
        is_sure.then_some(true)
    }
}

/// Returns whether a variant is one of the targets of each kind that is named.
fn covers_every_kind(targets: &[Target], variant: &PricedVariant) -> bool {
    let mut is_met = [None; Target::KINDS];
    for target in targets {
        let kind = &mut is_met[target.kind()];
        *kind = Some(kind.unwrap_or(false) || variant.is(target));
    }
    !targets.is_empty() && !is_met.contains(&Some(false))
}

/// A variant with what promotions refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedVariant {
    /// The platform's id of the product.
    pub product: ExternalId,
    /// The platform's id of the variant.
    pub variant: ExternalId,
    /// The platform's ids of the categories.
    pub categories: Vec<ExternalId>,
    /// The platform's id of the brand.
    pub brand: Option<ExternalId>,
    /// The platform's id of the vendor.
    pub vendor: Option<ExternalId>,
    /// The platform's ids of the collections, groups and tags.
    pub collections: Vec<ExternalId>,
    /// The price without promotions.
    pub price: Money,
    /// The reduced price that the platform itself states at this time; `None` if it states none.
    pub discounted: Option<Money>,
    /// The price below which no promotion goes, such as the cost of the item.
    pub lowest: Option<Money>,
    /// False if the item is excluded from promotions altogether.
    pub takes_promotions: bool,
}

impl PricedVariant {
    /// The variant, if it were in each category and collection among the targets, and of a brand and a vendor.
    fn supposed_in(&self, targets: &[Target]) -> Self {
        let mut supposed = self.clone();
        for target in targets {
            match target {
                Target::Category(id) => supposed.categories.push(id.clone()),
                Target::Collection(id) => supposed.collections.push(id.clone()),
                Target::Brand(id) => supposed.brand = Some(id.clone()),
                Target::Vendor(id) => supposed.vendor = Some(id.clone()),
                Target::Product(_) | Target::Variant(_) => {}
            }
        }
        supposed
    }

    fn is(&self, target: &Target) -> bool {
        match target {
            Target::Product(id) => self.product == *id,
            Target::Variant(id) => self.variant == *id,
            Target::Category(id) => self.categories.contains(id),
            Target::Brand(id) => self.brand.as_ref() == Some(id),
            Target::Vendor(id) => self.vendor.as_ref() == Some(id),
            Target::Collection(id) => self.collections.contains(id),
        }
    }
}
