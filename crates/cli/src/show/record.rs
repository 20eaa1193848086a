//! Tables of the details of variants and of the settlement of orders.

use crate::table::{Table, left, right};
use model::{Money, Order, Payment, PriceTier, Refund, TierBasis, TierUnit};
use serde_json::{Value, json};
use store::DetailsLine;

/// The text of a cell without a value.
const NOTHING: &str = "-";

pub(super) fn details_table(lines: &[DetailsLine]) -> Table {
    let columns =
        [left("name"), right("images"), left("attributes"), left("lab results"), left("prices by quantity")];
    let mut table = Table::new(columns);
    for line in lines {
        table.row(details_row(line));
    }
    table
}

fn details_row(line: &DetailsLine) -> [String; 5] {
    let (product, variant) = (&line.of_product, &line.of_variant);
    let images = [&product.images, &variant.images].into_iter().flatten().map(|images| images.value.len());
    let attributes = product.attributes.iter().flat_map(|attributes| &attributes.value);
    let attributes = attributes.map(|(name, values)| format!("{} {}", name.as_str(), values.join(", ")));
    let results = variant.lab_results.iter().flat_map(|results| &results.value);
    let results = results.map(|result| format!("{} {}", result.substance.as_str(), result.potency));
    let tiers = variant.price_tiers.iter().flat_map(|tiers| &tiers.value).map(tier);
    [
        line.product_title.clone().unwrap_or_else(|| "?".to_owned()),
        images.sum::<usize>().to_string(),
        joined(attributes),
        joined(results),
        joined(tiers),
    ]
}

fn tier(tier: &PriceTier) -> String {
    let unit = match tier.unit {
        TierUnit::Piece => "",
        TierUnit::Gram => " g",
        TierUnit::Weight => " by weight",
    };
    let basis = match tier.basis {
        TierBasis::Unit => " each",
        TierBasis::Whole => " in all",
        TierBasis::Unknown => "",
    };
    format!("from {}{unit}: {}{basis}", tier.from, tier.price)
}

pub(super) fn details_value(line: &DetailsLine) -> Value {
    json!({
        "variant": line.variant,
        "product": line.product_title,
        "of_product": line.of_product,
        "of_variant": line.of_variant,
    })
}

pub(super) fn order_table(orders: &[Order]) -> Table {
    let mut table = Table::new([
        left("order"),
        left("status"),
        right("total"),
        right("tax"),
        right("tip"),
        left("payments"),
        left("refunds"),
    ]);
    for order in orders {
        table.row(order_row(order));
    }
    table
}

fn order_row(order: &Order) -> [String; 7] {
    let settlement = &order.settlement;
    let number = order.number.as_deref().unwrap_or_else(|| order.external.as_str());
    [
        number.to_owned(),
        order.status.as_str().to_owned(),
        amount(order.total),
        amount(order.tax),
        amount(settlement.tip),
        joined(settlement.payments.iter().flatten().map(payment)),
        joined(settlement.refunds.iter().flatten().map(refund)),
    ]
}

fn payment(payment: &Payment) -> String {
    let brand = payment.card_brand.as_ref().map(|brand| format!(" {}", brand.as_str()));
    let paid = payment.amount.map(|amount| format!(" {amount}"));
    format!("{}{}{}", payment.kind.as_str(), brand.unwrap_or_default(), paid.unwrap_or_default())
}

fn refund(refund: &Refund) -> String {
    let lines = refund.lines.len();
    match (refund.amount, lines) {
        (Some(amount), 0) => amount.to_string(),
        (Some(amount), lines) => format!("{amount} ({lines} lines)"),
        (None, lines) => format!("{lines} lines"),
    }
}

fn amount(money: Option<Money>) -> String {
    money.map_or_else(|| NOTHING.to_owned(), |money| money.to_string())
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { NOTHING.to_owned() } else { parts.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        AttributeName, Currency, ExternalId, Image, ImageUrl, LabResult, PaymentKind, PaymentLabel, Potency,
        Quantity, RefundLine, Settlement, Substance, Timestamp, VariantId,
        record::{Clocked, KeptProductDetails, KeptVariantDetails},
    };

    fn usd(minor: i64) -> Money {
        Money { minor, currency: Currency::new("USD").unwrap() }
    }

    fn clocked<T>(value: T) -> Clocked<T> {
        Clocked { value, at: Timestamp::from_micros(1) }
    }

    #[test]
    fn an_order_shows_its_tip_payments_and_refunds_and_nothing_where_they_are_unknown() {
        let order = Order { total: Some(usd(1_200)), ..Order::cancelled(ExternalId::new("7").unwrap()) };
        assert_eq!(order_row(&order), ["7", "cancelled", "12.00 USD", "-", "-", "-", "-"]);
        let card = Payment {
            card_brand: PaymentLabel::new("VISA").ok(),
            amount: Some(usd(1_000)),
            ..Payment::of(PaymentKind::Card)
        };
        let line = RefundLine { line: ExternalId::new("l").unwrap(), quantity: None, amount: None };
        let refund = Refund { external: None, amount: Some(usd(500)), refunded_at: None, lines: vec![line] };
        let settlement = Settlement {
            tip: Some(usd(200)),
            taxes: None,
            payments: Some(vec![card, Payment::of(PaymentKind::Cash)]),
            refunds: Some(vec![refund]),
        };
        let row = order_row(&Order { settlement, ..order });
        assert_eq!(row[4..], ["2.00 USD", "card VISA 10.00 USD; cash", "5.00 USD (1 lines)"]);
    }

    #[test]
    fn a_variant_shows_its_images_attributes_results_and_prices() {
        let image = Image { url: ImageUrl::new("https://a.example/b").unwrap(), alt: None };
        let potency = Potency::parse("18-22 %", None).unwrap().unwrap();
        let result = LabResult { substance: Substance::new("thc").unwrap(), potency };
        let tier = PriceTier {
            from: Quantity::parse("3.5").unwrap(),
            unit: TierUnit::Gram,
            price: usd(3_500),
            basis: TierBasis::Whole,
        };
        let effects = (AttributeName::Effects, vec!["calm".to_owned(), "happy".to_owned()]);
        let line = DetailsLine {
            variant: VariantId::new("v").unwrap(),
            product_title: None,
            of_product: KeptProductDetails {
                images: Some(clocked(vec![image.clone()])),
                attributes: Some(clocked([effects].into())),
            },
            of_variant: KeptVariantDetails {
                images: Some(clocked(vec![image])),
                lab_results: Some(clocked(vec![result])),
                price_tiers: Some(clocked(vec![tier])),
            },
        };
        let expected = ["?", "2", "effects calm, happy", "THC 18-22 %", "from 3.5 g: 35.00 USD in all"];
        assert_eq!(details_row(&line), expected);
    }
}
