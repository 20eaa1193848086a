//! Images, attributes, potencies and prices by weight, from the rows of the stock list: one for each package.

use crate::{
    details::{ascending, attributes, image, images, lab_result, text, texts},
    field::Object,
};
use model::{
    AttributeName, LabResult, Potency, PotencyRange, PriceTier, ProductDetails, Substance, TierBasis,
    TierUnit, VariantDetails,
};
use stage::Reject;
use std::collections::BTreeMap;

pub(super) fn of_product(rows: &[Object<'_>]) -> Result<ProductDetails, Reject> {
    let all: Vec<&Object<'_>> = rows.iter().collect();
    let single = |key| -> Result<Option<Vec<String>>, Reject> {
        let mut found = None;
        for row in all.iter().filter(|row| row.has(key)) {
            let stated = row.stated(key)?.map(ToOwned::to_owned);
            if found.is_none() || stated.is_some() {
                found = Some(stated.into_iter().collect());
            }
        }
        Ok(found)
    };
    let effects = all.iter().find_map(|row| texts(row, "effects"));
    Ok(ProductDetails {
        images: pictures(&all),
        attributes: attributes([
            (AttributeName::StrainType, single("speciesName")?),
            (AttributeName::Strain, single("strainName")?),
            (AttributeName::Effects, effects.map(|effects| readable(&effects))),
        ]),
    })
}

fn readable(texts: &[&str]) -> Vec<String> {
    texts
        .iter()
        .filter_map(|text| crate::text::readable(text).ok())
        .map(|text| text.trim().to_owned())
        .collect()
}

fn pictures(rows: &[&Object<'_>]) -> Option<Vec<model::Image>> {
    let is_reported = rows.iter().any(|row| row.has("productPictureURL"));
    is_reported.then(|| images(rows.iter().map(|row| image(text(row, "productPictureURL"), None))))
}

pub(super) fn of_variant(rows: &[&Object<'_>]) -> Result<VariantDetails, Reject> {
    Ok(VariantDetails { images: None, lab_results: potencies(rows)?, price_tiers: tiers(rows)? })
}

/// The results of all packages: amounts in one unit are a range from the lowest to the highest. Else the first counts.
fn potencies(rows: &[&Object<'_>]) -> Result<Option<Vec<LabResult>>, Reject> {
    let mut found = None::<BTreeMap<Substance, Potency>>;
    for row in rows {
        for key in ["cannabinoidInformation", "terpenes"] {
            for of in row.objects(key)?.unwrap_or_default() {
                let found = found.get_or_insert_default();
                let Some(LabResult { substance, potency }) = result(&of)? else { continue };
                let known = found.entry(substance).or_insert(potency);
                *known = wider(*known, potency);
            }
        }
    }
    let list = |found: BTreeMap<Substance, Potency>| {
        found.into_iter().map(|(substance, potency)| LabResult { substance, potency }).collect()
    };
    Ok(found.map(list))
}

fn result(of: &Object<'_>) -> Result<Option<LabResult>, Reject> {
    let Some(substance) = of.stated("name")? else { return Ok(None) };
    let (low, high) = (of.number("lowerRange")?, of.number("upperRange")?);
    Ok(lab_result(substance, Potency::from_numbers(low, high, of.text("unitOfMeasure")?)))
}

fn wider(one: Potency, other: Potency) -> Potency {
    match (one, other) {
        (Potency::Measured(known), Potency::Measured(found)) if known.unit() == found.unit() => {
            let (low, high) = (known.low().min(found.low()), known.high().max(found.high()));
            PotencyRange::new(low, high, known.unit()).map_or(one, Potency::Measured)
        }
        _ => one,
    }
}

/// The prices by weight of the first package that has any. As for the price, each is that of the whole weight.
fn tiers(rows: &[&Object<'_>]) -> Result<Option<Vec<PriceTier>>, Reject> {
    for row in rows {
        let Some(listed) = row.objects("weightTierInformation")? else { continue };
        let currency = row.currency("currencyCode")?;
        let mut tiers = Vec::new();
        for tier in &listed {
            let price = tier.integer("pricePerUnitInMinorUnits")?.zip(currency);
            if let (Some(from), Some((minor, currency))) = (tier.quantity("gramAmount")?, price) {
                let price = model::Money { minor, currency };
                tiers.push(PriceTier { from, unit: TierUnit::Gram, price, basis: TierBasis::Whole });
            }
        }
        return Ok(Some(ascending(tiers)));
    }
    Ok(rows.iter().any(|row| row.has("weightTierInformation")).then(Vec::new))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn thc_of(packages: &[Value]) -> Option<Vec<String>> {
        let rows: Vec<Object<'_>> = packages.iter().map(|row| Object::root(row).unwrap()).collect();
        let results = of_variant(&rows.iter().collect::<Vec<_>>()).unwrap().lab_results?;
        Some(results.iter().map(|result| result.potency.to_string()).collect())
    }

    fn package(lower: f64, upper: f64, unit: &str) -> Value {
        json!({"cannabinoidInformation": [
            {"name": "thc", "lowerRange": lower, "upperRange": upper, "unitOfMeasure": unit}]})
    }

    #[test]
    fn packages_that_differ_are_a_range_and_units_are_never_mixed() {
        let percent = package(14.75, 28.31, "%R");
        for (packages, expected) in [
            (vec![percent.clone()], "14.75-28.31 %"),
            (vec![percent.clone(), package(12.0, 20.0, "%")], "12-28.31 %"),
            (vec![percent.clone(), package(100.0, 100.0, "mg")], "14.75-28.31 %"),
            (vec![package(18.0, 18.0, "grams"), percent.clone()], "14.75-28.31 %"),
        ] {
            assert_eq!(thc_of(&packages), Some(vec![expected.to_owned()]), "{packages:?}");
        }
        assert_eq!(thc_of(&[json!({"cannabinoidInformation": []})]), None);
        assert_eq!(thc_of(&[package(150.0, 150.0, "%")]), Some(Vec::new()), "more than everything");
        assert_eq!(thc_of(&[json!({"cannabinoidInformation": null})]), None);
    }
}
