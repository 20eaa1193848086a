//! Details of products and variants, and a settlement, with a value of each kind.

use crate::fixture::at;
use model::{
    AttributeName, Currency, Image, ImageUrl, LabResult, Money, Payment, PaymentKind, PaymentLabel, Potency,
    PriceTier, Quantity, Settlement, Substance, TaxLine, TierBasis, TierUnit,
    record::{Clocked, KeptProductDetails, KeptVariantDetails},
};

fn clocked<T>(value: T) -> Clocked<T> {
    Clocked { value, at: at(5) }
}

fn image() -> Image {
    Image { url: ImageUrl::new("https://a.example/b.png").unwrap(), alt: Some("b".to_owned()) }
}

pub(crate) fn product_details() -> KeptProductDetails {
    let effects = (AttributeName::Effects, vec!["calm".to_owned()]);
    KeptProductDetails { images: Some(clocked(vec![image()])), attributes: Some(clocked([effects].into())) }
}

pub(crate) fn variant_details() -> KeptVariantDetails {
    let result = |text| LabResult {
        substance: Substance::new("THC").unwrap(),
        potency: Potency::parse(text, None).unwrap().unwrap(),
    };
    let tier = PriceTier {
        from: Quantity::parse("3.5").unwrap(),
        unit: TierUnit::Gram,
        price: Money { minor: 3_500, currency: Currency::new("USD").unwrap() },
        basis: TierBasis::Whole,
    };
    KeptVariantDetails {
        images: None,
        lab_results: Some(clocked(vec![result("14.75-28.31 %"), result("<LOQ")])),
        price_tiers: Some(clocked(vec![tier])),
    }
}

pub(crate) fn settlement() -> Settlement {
    let usd = Currency::new("USD").unwrap();
    let card = Payment {
        card_brand: PaymentLabel::new("VISA").ok(),
        amount: Some(Money { minor: 2_300, currency: usd }),
        paid_at: Some(at(2)),
        ..Payment::of(PaymentKind::Card)
    };
    Settlement {
        tip: Some(Money { minor: 300, currency: usd }),
        taxes: Some(vec![TaxLine { name: None, amount: Money { minor: 0, currency: usd } }]),
        payments: Some(vec![card]),
        refunds: Some(Vec::new()),
    }
}
