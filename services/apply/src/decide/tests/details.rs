//! Details of products and variants: the later report stands, field by field.

use super::*;
use crate::rebuild::Rebuilt;
use model::{
    Image, ImageUrl, LabResult, Potency, PriceTier, ProductDetails, Substance, TierBasis, TierUnit,
    VariantDetails,
};

fn images(names: &[&str]) -> Vec<Image> {
    let url = |name: &&str| ImageUrl::new(&format!("https://a.example/{name}")).unwrap();
    names.iter().map(|name| Image { url: url(name), alt: None }).collect()
}

fn tier(currency: &str) -> PriceTier {
    let price = Money { minor: 3_500, currency: Currency::new(currency).unwrap() };
    PriceTier { from: Quantity::pieces(1), unit: TierUnit::Gram, price, basis: TierBasis::Unit }
}

fn with(details: ProductDetails, of_variant: VariantDetails) -> Payload {
    let mut product = Product { details, ..shirt("Shirt", 1000) };
    product.variants[0].details = of_variant;
    Payload::Product(product)
}

fn result() -> LabResult {
    let potency = Potency::parse("18-22 %", None).unwrap().unwrap();
    LabResult { substance: Substance::new("THC").unwrap(), potency }
}

#[test]
fn what_a_report_lacks_stays_and_what_it_empties_is_empty() {
    let pictured = ProductDetails { images: Some(images(&["a", "b"])), ..ProductDetails::default() };
    let measured = VariantDetails {
        lab_results: Some(vec![result()]),
        price_tiers: Some(vec![tier("USD")]),
        ..VariantDetails::default()
    };
    let emptied = ProductDetails { images: Some(images(&[])), ..ProductDetails::default() };
    let events = vec![
        event("a", 1, Some(1), with(pictured, measured)),
        event("a", 2, Some(2), with(emptied, VariantDetails::default())),
    ];
    let (outcomes, folded) = fold(Facts::default(), events);
    assert_eq!(outcomes, [Outcome::Applied, Outcome::Applied]);
    let product = folded.changes.products.values().next().unwrap();
    assert_eq!(product.details.images.as_ref().unwrap().value, []);
    assert_eq!(product.details.attributes, None);
    let variant = folded.changes.variants.values().next().unwrap();
    assert_eq!(variant.details.lab_results.as_ref().unwrap().value, [result()]);
    assert_eq!(variant.details.price_tiers.as_ref().unwrap().value, [tier("USD")]);
    let mut rebuilt = Rebuilt::default();
    for (_, applied) in folded.changes.applied {
        rebuilt.take(applied).unwrap();
    }
    assert_eq!(rebuilt.state.products.values().next(), Some(product));
    assert_eq!(rebuilt.state.variants.values().next(), Some(variant));
}

#[test]
fn the_same_details_again_change_nothing() {
    let pictured = || ProductDetails { images: Some(images(&["a"])), ..ProductDetails::default() };
    let report =
        |number| event("a", number, Some(number.cast_signed()), with(pictured(), VariantDetails::default()));
    let (outcomes, _) = fold(Facts::default(), vec![report(1), report(2)]);
    assert_eq!(outcomes, [Outcome::Applied, Outcome::Unchanged]);
}

#[test]
fn prices_by_quantity_in_another_currency_are_not_kept() {
    let mut facts = linked();
    for found in facts.connections.values_mut() {
        found.currency = Some(Currency::new("USD").unwrap());
    }
    let tiered = |number: u64, currency| {
        let details = VariantDetails { price_tiers: Some(vec![tier(currency)]), ..VariantDetails::default() };
        event("a", number, Some(number.cast_signed()), with(ProductDetails::default(), details))
    };
    let (outcomes, folded) = fold(facts, vec![tiered(51, "USD"), tiered(52, "EUR")]);
    assert_eq!(outcomes, [Outcome::Applied, Outcome::Unchanged]);
    let variant = folded.changes.variants.values().next().unwrap();
    assert_eq!(variant.details.price_tiers.as_ref().unwrap().value, [tier("USD")]);
}
