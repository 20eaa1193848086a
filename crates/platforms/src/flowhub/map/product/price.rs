//! The price of a variant.

use crate::field::Object;
use model::{Currency, Money, Patch};
use stage::Reject;

/// The price in a row. Where prices depend on the weight, it is that of the weight which the variant has; none if there
/// is no such weight among them, since the price then depends on what is bought.
pub(super) fn price(row: &Object<'_>) -> Result<Patch<Money>, Reject> {
    let currency = row.currency("currencyCode")?;
    let tiers = row.objects("weightTierInformation")?.unwrap_or_default();
    if !tiers.is_empty() {
        return Ok(Patch::present(at_weight(row, &tiers, currency)?));
    }
    Ok(row.patched("priceInMinorUnits", row.minor_amount("priceInMinorUnits", currency)?))
}

fn at_weight(
    row: &Object<'_>,
    tiers: &[Object<'_>],
    currency: Option<Currency>,
) -> Result<Option<Money>, Reject> {
    let is_in_grams = row
        .stated("productUnitOfMeasure")?
        .is_some_and(|unit| ["g", "gram", "grams"].iter().any(|grams| unit.eq_ignore_ascii_case(grams)));
    let Some(weight) = row.number("productWeight")?.filter(|weight| is_in_grams && !weight.is_zero()) else {
        return Ok(None);
    };
    for tier in tiers {
        if tier.number("gramAmount")? == Some(weight) {
            return tier.minor_amount("pricePerUnitInMinorUnits", currency);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn said(changes: Value) -> String {
        let mut row = json!({"priceInMinorUnits": 3_500, "currencyCode": "USD", "productWeight": 3.5,
            "productUnitOfMeasure": "grams", "weightTierInformation": null});
        if let Value::Object(changes) = changes {
            row.as_object_mut().unwrap().extend(changes);
        }
        match price(&Object::root(&row).unwrap()) {
            Ok(Patch::Set(price)) => price.to_string(),
            Ok(other) => format!("{other:?}"),
            Err(reject) => reject.pointer.unwrap(),
        }
    }

    #[test]
    fn a_price_is_in_the_minor_unit_of_the_currency_that_the_row_names() {
        assert_eq!(said(json!({})), "35.00 USD");
        assert_eq!(said(json!({"currencyCode": "CAD"})), "35.00 CAD");
        assert_eq!(said(json!({"priceInMinorUnits": null})), "Clear");
        assert_eq!(said(json!({"currencyCode": null})), "/priceInMinorUnits");
        assert_eq!(said(json!({"priceInMinorUnits": 35.5})), "/priceInMinorUnits");
    }

    #[test]
    fn a_price_by_weight_is_that_of_the_variants_weight() {
        let tiers = json!([{"gramAmount": 1, "pricePerUnitInMinorUnits": 1_200},
            {"gramAmount": 3.5, "pricePerUnitInMinorUnits": 4_000}]);
        let at = |weight: Value, unit: &str| {
            said(
                json!({"weightTierInformation": tiers, "productWeight": weight, "productUnitOfMeasure": unit}),
            )
        };
        assert_eq!(at(json!(3.5), "grams"), "40.00 USD");
        assert_eq!(at(json!(1.0), "Grams"), "12.00 USD");
        assert_eq!(at(json!(7), "grams"), "Clear");
        assert_eq!(at(json!(1), "each"), "Clear");
        assert_eq!(at(json!(null), "grams"), "Clear");
        assert_eq!(said(json!({"weightTierInformation": []})), "35.00 USD");
    }
}
