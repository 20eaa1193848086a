//! Images, attributes, lab results and prices by quantity on the wire.

use crate::{
    DecodeError,
    error::{At as _, required},
    pb,
};
use model::{
    AttributeName, Attributes, Image, ImageUrl, LabResult, Potency, PriceTier, Quantity, Substance,
    TierBasis, TierUnit,
};

pub(crate) fn images(images: &[Image]) -> pb::ImageList {
    let image = |image: &Image| pb::Image { url: image.url.as_str().to_owned(), alt: image.alt.clone() };
    pb::ImageList { values: images.iter().map(image).collect() }
}

pub(crate) fn from_images(images: pb::ImageList) -> Result<Vec<Image>, DecodeError> {
    let image =
        |image: pb::Image| Ok(Image { url: ImageUrl::new(&image.url).at("image.url")?, alt: image.alt });
    images.values.into_iter().map(image).collect()
}

pub(crate) fn attributes(attributes: &Attributes) -> pb::AttributeList {
    let attribute = |(name, values): (&AttributeName, &Vec<String>)| pb::Attribute {
        name: pb::AttributeName::from(*name).into(),
        values: values.clone(),
    };
    pb::AttributeList { values: attributes.iter().map(attribute).collect() }
}

/// Reads attributes. Later writers may know more of them: those are left out.
pub(crate) fn from_attributes(attributes: pb::AttributeList) -> Attributes {
    let known = |attribute: pb::Attribute| Some((name(attribute.name())?, attribute.values));
    attributes.values.into_iter().filter_map(known).collect()
}

impl From<AttributeName> for pb::AttributeName {
    fn from(name: AttributeName) -> Self {
        match name {
            AttributeName::StrainType => Self::StrainType,
            AttributeName::Strain => Self::Strain,
            AttributeName::Effects => Self::Effects,
            AttributeName::Flavors => Self::Flavors,
            AttributeName::Ingredients => Self::Ingredients,
            AttributeName::Size => Self::Size,
        }
    }
}

fn name(name: pb::AttributeName) -> Option<AttributeName> {
    match name {
        pb::AttributeName::Unspecified => None,
        pb::AttributeName::StrainType => Some(AttributeName::StrainType),
        pb::AttributeName::Strain => Some(AttributeName::Strain),
        pb::AttributeName::Effects => Some(AttributeName::Effects),
        pb::AttributeName::Flavors => Some(AttributeName::Flavors),
        pb::AttributeName::Ingredients => Some(AttributeName::Ingredients),
        pb::AttributeName::Size => Some(AttributeName::Size),
    }
}

pub(crate) fn lab_results(results: &[LabResult]) -> pb::LabResultList {
    let result = |result: &LabResult| pb::LabResult {
        substance: result.substance.as_str().to_owned(),
        potency: result.potency.to_string(),
    };
    pb::LabResultList { values: results.iter().map(result).collect() }
}

pub(crate) fn from_lab_results(results: pb::LabResultList) -> Result<Vec<LabResult>, DecodeError> {
    let result = |result: pb::LabResult| {
        Ok(LabResult {
            substance: Substance::new(&result.substance).at("lab_result.substance")?,
            potency: Potency::try_from(result.potency).at("lab_result.potency")?,
        })
    };
    results.values.into_iter().map(result).collect()
}

pub(crate) fn price_tiers(tiers: &[PriceTier]) -> pb::PriceTierList {
    let tier = |tier: &PriceTier| pb::PriceTier {
        from: tier.from.to_string(),
        unit: match tier.unit {
            TierUnit::Piece => pb::TierUnit::Piece,
            TierUnit::Gram => pb::TierUnit::Gram,
            TierUnit::Weight => pb::TierUnit::Weight,
        }
        .into(),
        price: Some(tier.price.into()),
        basis: match tier.basis {
            TierBasis::Unit => pb::TierBasis::Unit,
            TierBasis::Whole => pb::TierBasis::Whole,
            TierBasis::Unknown => pb::TierBasis::Unspecified,
        }
        .into(),
    };
    pb::PriceTierList { values: tiers.iter().map(tier).collect() }
}

pub(crate) fn from_price_tiers(tiers: pb::PriceTierList) -> Result<Vec<PriceTier>, DecodeError> {
    let tier = |tier: pb::PriceTier| {
        let unit = match tier.unit() {
            pb::TierUnit::Piece => TierUnit::Piece,
            pb::TierUnit::Gram => TierUnit::Gram,
            pb::TierUnit::Weight | pb::TierUnit::Unspecified => TierUnit::Weight,
        };
        let basis = match tier.basis() {
            pb::TierBasis::Unit => TierBasis::Unit,
            pb::TierBasis::Whole => TierBasis::Whole,
            pb::TierBasis::Unspecified => TierBasis::Unknown,
        };
        Ok(PriceTier {
            from: Quantity::parse(&tier.from).at("price_tier.from")?,
            unit,
            price: required(tier.price, "price_tier.price")?.try_into()?,
            basis,
        })
    };
    tiers.values.into_iter().map(tier).collect()
}
