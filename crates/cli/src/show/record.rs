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
