//! Images, attributes, potencies and prices by weight of a product.

use crate::{
    MapContext,
    details::{ascending, attributes, image, images, lab_result, text, texts},
    field::Object,
};
use model::{
    AttributeName, Image, LabResult, Potency, PriceTier, ProductDetails, TierBasis, TierUnit, VariantDetails,
};
use stage::Reject;

pub(super) fn of_product(root: &Object<'_>) -> Result<ProductDetails, Reject> {
    let single = |key| -> Result<Option<Vec<String>>, Reject> {
        let stated = root.stated(key)?.map(ToOwned::to_owned);
        Ok(root.has(key).then(|| stated.into_iter().collect()))
    };
    Ok(ProductDetails {
        images: pictures(root),
        attributes: attributes([
            (AttributeName::StrainType, single("strainType")?),
            (AttributeName::Strain, single("strain")?),
            (AttributeName::Size, single("size")?),
        ]),
    })
}

fn pictures(root: &Object<'_>) -> Option<Vec<Image>> {
    let (first, all) = (text(root, "imageUrl"), texts(root, "imageUrls"));
    if !root.has("imageUrl") && all.is_none() {
        return None;
    }
    let urls = first.into_iter().chain(all.unwrap_or_default());
    Some(images(urls.map(|url| image(Some(url), None))))
}

pub(super) fn of_variant(root: &Object<'_>, context: MapContext) -> Result<VariantDetails, Reject> {
    Ok(VariantDetails { images: None, lab_results: potencies(root)?, price_tiers: tiers(root, context)? })
}

fn potencies(root: &Object<'_>) -> Result<Option<Vec<LabResult>>, Reject> {
    let mut results = None::<Vec<LabResult>>;
    for (substance, key, unit) in
        [("THC", "thcContent", "thcContentUnit"), ("CBD", "cbdContent", "cbdContentUnit")]
    {
        if root.has(key) || root.has(unit) {
            let potency = Potency::from_numbers(root.number(key)?, None, root.stated(unit)?);
            results.get_or_insert_default().extend(lab_result(substance, potency));
        }
    }
    Ok(results)
}

/// The prices by weight: neither its unit nor which weight a price is for is documented.
fn tiers(root: &Object<'_>, context: MapContext) -> Result<Option<Vec<PriceTier>>, Reject> {
    let Some(rows) = root.objects("pricingTierData")? else {
        return Ok(root.has("pricingTierData").then(Vec::new));
    };
    let mut tiers = Vec::new();
    for row in &rows {
        let (from, price) = (row.quantity("startWeight")?, row.amount("price", context.currency)?);
        if let (Some(from), Some(price)) = (from, price) {
            tiers.push(PriceTier { from, unit: TierUnit::Weight, price, basis: TierBasis::Unknown });
        }
    }
    Ok(Some(ascending(tiers)))
}
