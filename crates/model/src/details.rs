//! The details of products and variants that the record alone keeps: images, attributes, lab results, prices by quantity.
//! None of them is written to platforms.

use crate::{InvalidPotency, Money, Potency, Quantity};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Error for a text that isn't the address of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an image's URL begins with http:// or https:// and has at most 2048 visible characters")]
pub struct InvalidImageUrl;

/// The address of an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageUrl(String);

impl ImageUrl {
    /// Upper limit of bytes.
    const BYTES_MAX: usize = 2048;

    /// Checks an address. Refuses other schemes, such as inline data, and white space and control characters.
    pub fn new(text: &str) -> Result<Self, InvalidImageUrl> {
        let text = text.trim();
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let is_visible = |character: char| !character.is_whitespace() && !crate::is_hidden(character);
        let fits = text.len() <= Self::BYTES_MAX && text.chars().all(is_visible);
        if fits && rest.is_some_and(|rest| !rest.is_empty()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidImageUrl)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ImageUrl {
    type Error = InvalidImageUrl;
    fn try_from(text: String) -> Result<Self, InvalidImageUrl> {
        Self::new(&text)
    }
}
impl From<ImageUrl> for String {
    fn from(url: ImageUrl) -> String {
        url.0
    }
}

/// An image of a product or a variant. Its position is its place in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The address.
    pub url: ImageUrl,
    /// The text for those who can't see it.
    pub alt: Option<String>,
}

/// A known attribute of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeName {
    /// The type of the strain, such as Indica, Sativa or Hybrid, as the platform calls it.
    StrainType,
    /// The name of the strain.
    Strain,
    /// The effects.
    Effects,
    /// The flavors.
    Flavors,
    /// The ingredients.
    Ingredients,
    /// The size, as the platform writes it.
    Size,
}

impl AttributeName {
    /// All names.
    pub const ALL: [Self; 6] =
        [Self::StrainType, Self::Strain, Self::Effects, Self::Flavors, Self::Ingredients, Self::Size];

    /// Returns the name used in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StrainType => "strain_type",
            Self::Strain => "strain",
            Self::Effects => "effects",
            Self::Flavors => "flavors",
            Self::Ingredients => "ingredients",
            Self::Size => "size",
        }
    }
}

/// The values of a product's attributes.
pub type Attributes = BTreeMap<AttributeName, Vec<String>>;

/// Error for a text that isn't the name of a substance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a substance is 1 to 40 alphanumeric characters")]
pub struct InvalidSubstance;

/// A substance that a laboratory measures, in upper case and without signs: `thc-a` and `THCA` are one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Substance(String);

impl Substance {
    /// Upper limit of alphanumeric characters.
    const CHARS_MAX: usize = 40;

    /// Reads a name as platforms write it.
    pub fn new(text: &str) -> Result<Self, InvalidSubstance> {
        let kept = text.chars().filter(|character| character.is_alphanumeric());
        let name: String = kept.flat_map(char::to_uppercase).collect();
        if (1..=Self::CHARS_MAX).contains(&name.chars().count()) {
            Ok(Self(name))
        } else {
            Err(InvalidSubstance)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Substance {
    type Error = InvalidSubstance;
    fn try_from(text: String) -> Result<Self, InvalidSubstance> {
        Self::new(&text)
    }
}
impl From<Substance> for String {
    fn from(substance: Substance) -> String {
        substance.0
    }
}

impl TryFrom<String> for Potency {
    type Error = InvalidPotency;
    /// Reads what [`Potency`] is written as.
    fn try_from(text: String) -> Result<Self, InvalidPotency> {
        Self::parse(&text, None)?.ok_or(InvalidPotency::Form)
    }
}
impl From<Potency> for String {
    fn from(potency: Potency) -> String {
        potency.to_string()
    }
}

/// The result of an analysis for one substance. A substance may have several, in different units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabResult {
    /// The substance.
    pub substance: Substance,
    /// The amount, with its unit and both ends of a range.
    pub potency: Potency,
}

/// The unit of the quantity from which a price holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TierUnit {
    /// Pieces.
    Piece,
    /// Grams.
    Gram,
    /// A weight, in a unit that the platform doesn't state there.
    Weight,
}

impl TierUnit {
    /// Returns the name used in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Piece => "piece",
            Self::Gram => "gram",
            Self::Weight => "weight",
        }
    }
}

/// The quantity that a tier's price is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TierBasis {
    /// One unit of the quantity.
    Unit,
    /// The whole quantity.
    Whole,
    /// It isn't known which.
    Unknown,
}

impl TierBasis {
    /// Returns the name used in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Whole => "whole",
            Self::Unknown => "unknown",
        }
    }
}

/// A price that holds from a quantity on, up to the next tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceTier {
    /// The least quantity.
    pub from: Quantity,
    /// Its unit.
    pub unit: TierUnit,
    /// The price.
    pub price: Money,
    /// The quantity that the price is for.
    pub basis: TierBasis,
}

/// The details of a product, as reported. A list that isn't reported is `None`; an empty one has no entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProductDetails {
    /// The images.
    pub images: Option<Vec<Image>>,
    /// The known attributes.
    pub attributes: Option<Attributes>,
}

/// The details of a variant, as reported. A list that isn't reported is `None`; an empty one has no entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VariantDetails {
    /// The variant's own images.
    pub images: Option<Vec<Image>>,
    /// The results of analyses.
    pub lab_results: Option<Vec<LabResult>>,
    /// The prices by quantity, from the least quantity on.
    pub price_tiers: Option<Vec<PriceTier>>,
}

#[cfg(test)]
mod tests;
