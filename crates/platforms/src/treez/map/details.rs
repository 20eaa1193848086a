//! Images, attributes, lab results and prices by quantity of a product.

use super::text;
use crate::{
    MapContext,
    details::{ascending, attributes, image, images, lab_result, texts},
    field::Object,
};
use model::{
    AttributeName, Image, LabResult, Potency, PriceTier, ProductDetails, TierBasis, TierUnit, VariantDetails,
};
use stage::Reject;

pub(super) fn of_product(data: &Object<'_>) -> Result<ProductDetails, Reject> {
    let fields = data.object("product_configurable_fields")?;
    let lists = data.object("attributes")?;
    let single = |key| -> Result<Option<Vec<String>>, Reject> {
        let Some(fields) = fields.as_ref().filter(|fields| fields.has(key)) else { return Ok(None) };
        Ok(Some(text(fields, key)?.map(ToOwned::to_owned).into_iter().collect()))
    };
    let listed = |key| match &lists {
        Some(lists) => lists.names(key),
        None => Ok(None),
    };
    Ok(ProductDetails {
        images: pictures(data)?,
        attributes: attributes([
            (AttributeName::StrainType, single("classification")?),
            (AttributeName::Strain, single("strain_name")?),
            (AttributeName::Size, single("size")?),
            (AttributeName::Effects, listed("effects")?),
            (AttributeName::Flavors, listed("flavors")?),
            (AttributeName::Ingredients, listed("ingredients")?),
        ]),
    })
}

/// The images, the primary one first.
fn pictures(data: &Object<'_>) -> Result<Option<Vec<Image>>, Reject> {
    let Some(shop) = data.object("e_commerce")? else { return Ok(None) };
    let (primary, all) = (crate::details::text(&shop, "primary_image"), texts(&shop, "all_images"));
    if primary.is_none() && all.is_none() {
        return Ok(None);
    }
    let urls = primary.into_iter().chain(all.unwrap_or_default());
    Ok(Some(images(urls.map(|url| image(Some(url), None)))))
}

pub(super) fn of_variant(data: &Object<'_>, context: MapContext) -> Result<VariantDetails, Reject> {
    let results = data.objects("lab_results")?;
    let results = results.map(|all| all.iter().map(result).filter_map(Result::transpose).collect());
    Ok(VariantDetails { images: None, lab_results: results.transpose()?, price_tiers: tiers(data, context)? })
}

/// The result, with both ends: batches differ.
fn result(of: &Object<'_>) -> Result<Option<LabResult>, Reject> {
    let (Some(substance), Some(amount)) = (text(of, "result_type")?, of.object("amount")?) else {
        return Ok(None);
    };
    let (low, high) = (amount.number("minimum_value")?, amount.number("maximum_value")?);
    let unit = match text(of, "amount_type")? {
        Some("MG") => Some("mg"),
        Some("PERCENTAGE") => Some("%"),
        other => other,
    };
    Ok(lab_result(substance, Potency::from_numbers(low, high, unit)))
}

/// The prices of a tier, each of one unit; none for a product with one price.
fn tiers(data: &Object<'_>, context: MapContext) -> Result<Option<Vec<PriceTier>>, Reject> {
    let Some(pricing) = data.object("pricing")? else { return Ok(None) };
    let is_tier = match text(&pricing, "price_type")? {
        Some(kind) => kind == "TIER",
        None => return Ok(None),
    };
    if !is_tier {
        return Ok(Some(Vec::new()));
    }
    let unit =
        if text(&pricing, "tier_method")? == Some("UNIT") { TierUnit::Piece } else { TierUnit::Weight };
    let Some(rows) = pricing.objects("tier_pricing_detail")? else { return Ok(None) };
    let mut tiers = Vec::new();
    for row in &rows {
        let (from, price) = (row.quantity("start_value")?, row.amount("price_per_value", context.currency)?);
        if let (Some(from), Some(price)) = (from, price) {
            tiers.push(PriceTier { from, unit, price, basis: TierBasis::Unit });
        }
    }
    Ok(Some(ascending(tiers)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Currency;
    use serde_json::{Value, json};

    fn potencies(results: &Value) -> Vec<String> {
        let body = json!({ "lab_results": results });
        let context = MapContext { currency: Currency::new("USD").ok() };
        let details = of_variant(&Object::root(&body).unwrap(), context).unwrap();
        details.lab_results.unwrap().iter().map(|result| result.potency.to_string()).collect()
    }

    #[test]
    fn results_keep_both_ends_and_their_unit_and_zero_is_measured() {
        let result = |low: Value, high: Value, unit: Value| json!({"result_type": "THC", "amount": {"minimum_value": low, "maximum_value": high}, "amount_type": unit});
        let found = potencies(&json!([
            result(json!(18.2), json!("21.4"), json!("PERCENTAGE")),
            result(json!(0), json!(0), json!("MG")),
            result(json!(5), json!(null), json!("MG")),
            result(json!(null), json!(null), json!("MG")),
            result(json!(5), json!(5), json!(null)),
            {"result_type": "N/A", "amount": {"minimum_value": 1}, "amount_type": "MG"},
        ]));
        assert_eq!(found, ["18.2-21.4 %", "0 mg", "5 mg"]);
    }

    #[test]
    fn a_product_with_one_price_has_no_tiers_and_one_without_prices_unknown_ones() {
        let context = MapContext { currency: Currency::new("USD").ok() };
        let tiers = |body: Value| of_variant(&Object::root(&body).unwrap(), context).unwrap().price_tiers;
        assert_eq!(tiers(json!({"pricing": {"price_type": "FLAT"}})), Some(Vec::new()));
        assert_eq!(tiers(json!({"pricing": {}})), None);
        assert_eq!(tiers(json!({})), None);
        let rows = json!([{"start_value": 3.5, "price_per_value": 9}, {"start_value": null, "price_per_value": 1},
            {"start_value": 1, "price_per_value": 10}]);
        let both = tiers(
            json!({"pricing": {"price_type": "TIER", "tier_method": "UNIT", "tier_pricing_detail": rows}}),
        );
        let from: Vec<String> = both.unwrap().iter().map(|tier| tier.from.to_string()).collect();
        assert_eq!(from, ["1", "3.5"]);
    }
}
