//! Images, attributes, potencies and prices by quantity of a product.

use crate::{
    details::{ascending, attributes, image, images, lab_result, text},
    field::Object,
};
use model::{
    AttributeName, Currency, Image, LabResult, Potency, PriceTier, ProductDetails, TierBasis, TierUnit,
    VariantDetails,
};
use rust_decimal::Decimal;
use stage::Reject;

/// The cannabinoids that a product has fields for.
const CANNABINOIDS: [&str; 6] = ["thc", "cbd", "thca", "cbda", "cbn", "cbg"];

pub(super) fn of_product(root: &Object<'_>) -> Result<ProductDetails, Reject> {
    let strain_type =
        if root.has("flowerType") { Some(root.owned("flowerType")?.into_iter().collect()) } else { None };
    Ok(ProductDetails {
        images: pictures(root)?,
        attributes: attributes([(AttributeName::StrainType, strain_type)]),
    })
}

/// The images that are shown, by their priority; null is none.
fn pictures(root: &Object<'_>) -> Result<Option<Vec<Image>>, Reject> {
    let Some(assets) = root.objects("assets")? else {
        return Ok(root.has("assets").then(Vec::new));
    };
    let mut shown = Vec::new();
    for asset in assets.iter().filter(|asset| asset.flag("active").unwrap_or_default() != Some(false)) {
        let url = text(asset, "publicURL").or_else(|| text(asset, "largeURL"));
        shown.push((asset.number("priority")?.unwrap_or_default(), image(url, None)));
    }
    shown.sort_by_key(|(priority, _)| *priority);
    Ok(Some(images(shown.into_iter().map(|(_, image)| image))))
}

pub(super) fn of_variant(root: &Object<'_>, currency: Option<Currency>) -> Result<VariantDetails, Reject> {
    Ok(VariantDetails {
        images: None,
        lab_results: potencies(root)?,
        price_tiers: price_breaks(root, currency)?,
    })
}

/// Percent in the product's own fields, milligrams in `potencyAmount`. Zero is no value: these numbers have no null.
fn potencies(root: &Object<'_>) -> Result<Option<Vec<LabResult>>, Reject> {
    let amounts = root.object("potencyAmount")?;
    if amounts.is_none() && !CANNABINOIDS.iter().any(|key| root.has(key)) {
        return Ok(None);
    }
    let mut results = Vec::new();
    for (of, unit) in [(Some(root), "%"), (amounts.as_ref(), "mg")] {
        let Some(of) = of else { continue };
        for key in CANNABINOIDS {
            let amount = of.number(key)?.filter(|amount| *amount > Decimal::ZERO);
            results.extend(lab_result(key, Potency::from_numbers(amount, None, Some(unit))));
        }
    }
    Ok(Some(results))
}

/// The active price breaks: which quantity a price is for isn't documented. Prices by weight name their weight by an id
/// alone, and aren't read.
fn price_breaks(root: &Object<'_>, currency: Option<Currency>) -> Result<Option<Vec<PriceTier>>, Reject> {
    let Some(rows) = root.objects("priceBreaks")? else { return Ok(None) };
    let mut tiers = Vec::new();
    for row in &rows {
        if row.flag("active")? == Some(false) {
            continue;
        }
        let (from, price) = (row.quantity("quantity")?, row.amount("price", currency)?);
        if let (Some(from), Some(price)) = (from, price.filter(|price| price.minor > 0)) {
            tiers.push(PriceTier { from, unit: TierUnit::Piece, price, basis: TierBasis::Unknown });
        }
    }
    Ok(Some(ascending(tiers)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn percent_and_milligrams_are_kept_apart_and_zero_is_no_value() {
        let body = json!({"thc": 21.4, "cbd": 0.0, "potencyAmount": {"thc": 100, "cbd": 0}, "assets": [
            {"publicURL": "https://a.example/2", "priority": 2}, {"publicURL": "https://a.example/0", "active": false},
            {"largeURL": "https://a.example/1", "priority": 1}]});
        let root = Object::root(&body).unwrap();
        let results = of_variant(&root, None).unwrap().lab_results.unwrap();
        let results: Vec<String> = results.iter().map(|result| result.potency.to_string()).collect();
        assert_eq!(results, ["21.4 %", "100 mg"]);
        let images = of_product(&root).unwrap().images.unwrap();
        let urls: Vec<&str> = images.iter().map(|image| image.url.as_str()).collect();
        assert_eq!(urls, ["https://a.example/1", "https://a.example/2"]);
        let nothing = json!({});
        let root = Object::root(&nothing).unwrap();
        assert_eq!(of_variant(&root, None).unwrap(), VariantDetails::default());
        assert_eq!(of_product(&root).unwrap(), ProductDetails::default());
    }
}
