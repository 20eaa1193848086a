//! Limits of the details of products and variants.

use super::{
    ATTRIBUTE_VALUES_MAX, Checked, IMAGES_MAX, LAB_RESULTS_MAX, NAME_CHARS_MAX, PRICE_TIERS_MAX,
    TITLE_CHARS_MAX, amount, count, each, optional, reported, text,
};
use crate::{Image, PriceTier, ProductDetails, VariantDetails};

pub(super) fn of_product(details: &ProductDetails) -> Checked {
    let ProductDetails { images, attributes } = details;
    images_fit(images.as_deref())?;
    for values in attributes.iter().flat_map(|attributes| attributes.values()) {
        count("/attributes", values.len(), ATTRIBUTE_VALUES_MAX)?;
        values.iter().try_for_each(|value| text("/attributes", value, NAME_CHARS_MAX))?;
    }
    Ok(())
}

pub(super) fn of_variant(details: &VariantDetails) -> Checked {
    let VariantDetails { images, lab_results, price_tiers } = details;
    images_fit(images.as_deref())?;
    count("/lab_results", lab_results.as_ref().map_or(0, Vec::len), LAB_RESULTS_MAX)?;
    let tiers = price_tiers.as_deref().unwrap_or_default();
    count("/price_tiers", tiers.len(), PRICE_TIERS_MAX)?;
    each("/price_tiers", tiers, |tier| {
        let PriceTier { from, unit: _, price, basis: _ } = tier;
        reported("/from", *from)?;
        amount("/price", Some(price))
    })
}

fn images_fit(images: Option<&[Image]>) -> Checked {
    let images = images.unwrap_or_default();
    count("/images", images.len(), IMAGES_MAX)?;
    each("/images", images, |image| {
        let Image { url: _, alt } = image;
        optional("/alt", alt.as_deref(), TITLE_CHARS_MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        AttributeName, Currency, ImageUrl, LabResult, Money, Potency, Quantity, Substance, TierBasis,
        TierUnit,
    };
    use rust_decimal::Decimal;

    fn beyond(checked: Checked) -> String {
        checked.map_or_else(|error| error.field, |()| String::new())
    }

    #[test]
    fn every_list_and_value_of_the_details_has_a_limit() {
        let image = |alt: &str| Image {
            url: ImageUrl::new("https://a.example/b.png").unwrap(),
            alt: Some(alt.to_owned()),
        };
        let product = |images, attributes| beyond(of_product(&ProductDetails { images, attributes }));
        assert_eq!(product(Some(vec![image("x"); IMAGES_MAX]), None), "");
        assert_eq!(product(Some(vec![image("x"); IMAGES_MAX + 1]), None), "/images");
        assert_eq!(product(Some(vec![image("x"), image(&"x".repeat(1_001))]), None), "/images/1/alt");
        let effects = |values| Some([(AttributeName::Effects, values)].into());
        assert_eq!(product(None, effects(vec!["x".to_owned(); ATTRIBUTE_VALUES_MAX + 1])), "/attributes");
        assert_eq!(product(None, effects(vec!["x".repeat(256)])), "/attributes");
        assert_eq!(product(None, effects(vec!["a\0b".to_owned()])), "/attributes");
        let variant = |details: VariantDetails| beyond(of_variant(&details));
        let images = Some(vec![image("x"); IMAGES_MAX + 1]);
        assert_eq!(variant(VariantDetails { images, ..VariantDetails::default() }), "/images");
        let result = LabResult { substance: Substance::new("THC").unwrap(), potency: Potency::NotDetected };
        let lab_results = Some(vec![result; LAB_RESULTS_MAX + 1]);
        assert_eq!(variant(VariantDetails { lab_results, ..VariantDetails::default() }), "/lab_results");
        let tier = PriceTier {
            from: Quantity::pieces(1),
            unit: TierUnit::Piece,
            price: Money { minor: 1, currency: Currency::new("USD").unwrap() },
            basis: TierBasis::Unit,
        };
        let tiers = |tiers| variant(VariantDetails { price_tiers: Some(tiers), ..VariantDetails::default() });
        assert_eq!(tiers(vec![tier.clone(); PRICE_TIERS_MAX + 1]), "/price_tiers");
        let dear = Money { minor: i64::MAX, ..tier.price };
        assert_eq!(tiers(vec![PriceTier { price: dear, ..tier.clone() }]), "/price_tiers/0/price");
        let far = Quantity::recorded(Decimal::from(2_000_000_000)).unwrap();
        assert_eq!(tiers(vec![PriceTier { from: far, ..tier }]), "/price_tiers/0/from");
    }
}
