//! The tip, taxes, payments and refunds of an order.

use crate::field::Object;
use crate::settlement::{kind, label, sum};
use model::{Currency, Payment, PaymentKind, Refund, RefundLine, Settlement, TaxLine};
use serde_json::Value;
use stage::Reject;

pub(super) fn settlement(root: &Object<'_>, currency: Option<Currency>) -> Result<Settlement, Reject> {
    Ok(Settlement {
        tip: root.money("total_tip_received", currency)?,
        taxes: taxes(root, currency)?,
        payments: gateways(root)?,
        refunds: refunds(root, currency)?,
    })
}

fn taxes(root: &Object<'_>, currency: Option<Currency>) -> Result<Option<Vec<TaxLine>>, Reject> {
    let Some(taxes) = root.objects("tax_lines")? else { return Ok(None) };
    let mut lines = Vec::new();
    for tax in &taxes {
        let Some(amount) = tax.money("price", currency)? else { return Ok(None) };
        lines.push(TaxLine { name: tax.owned("title")?, amount });
    }
    Ok(Some(lines))
}

/// The methods of payment. An order names their gateways alone: the amounts are in its transactions, which aren't read.
fn gateways(root: &Object<'_>) -> Result<Option<Vec<Payment>>, Reject> {
    let payment = |name: String| Payment { method: label(Some(&name)), ..Payment::of(gateway_kind(&name)) };
    let names = root.names("payment_gateway_names")?;
    Ok(names.map(|names| names.into_iter().map(payment).collect()))
}

fn gateway_kind(name: &str) -> PaymentKind {
    match name {
        "shopify_payments" => PaymentKind::Card,
        name => kind(name),
    }
}

/// The refunds, each with what its successful transactions paid back.
fn refunds(root: &Object<'_>, currency: Option<Currency>) -> Result<Option<Vec<Refund>>, Reject> {
    let Some(listed) = root.objects("refunds")? else { return Ok(None) };
    listed.iter().map(|refund| self::refund(refund, currency)).collect::<Result<_, _>>().map(Some)
}

fn refund(refund: &Object<'_>, currency: Option<Currency>) -> Result<Refund, Reject> {
    let mut paid_back = Vec::new();
    for transaction in refund.objects("transactions")?.unwrap_or_default() {
        if (transaction.text("kind")?, transaction.text("status")?) == (Some("refund"), Some("success")) {
            let currency = transaction.currency("currency")?.or(currency);
            paid_back.push(transaction.money("amount", currency)?);
        }
    }
    let mut lines = Vec::new();
    for line in refund.objects("refund_line_items")?.unwrap_or_default() {
        lines.push(RefundLine {
            line: line.id("line_item_id")?,
            quantity: line.pieces("quantity")?,
            amount: amount(&line, "subtotal", currency)?,
        });
    }
    Ok(Refund {
        external: refund.optional_id("id")?,
        amount: sum(paid_back, refund, "transactions")?,
        refunded_at: match refund.time("processed_at")? {
            Some(at) => Some(at),
            None => refund.time("created_at")?,
        },
        lines,
    })
}

/// An amount that is a number in samples, and a text elsewhere.
fn amount(of: &Object<'_>, key: &str, currency: Option<Currency>) -> Result<Option<model::Money>, Reject> {
    match of.value(key) {
        Some(Value::Number(_)) => of.amount(key, currency),
        _ => of.money(key, currency),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(body: &Value) -> Settlement {
        let usd = Currency::new("USD").unwrap();
        settlement(&Object::root(body).unwrap(), Some(usd)).unwrap()
    }

    #[test]
    fn only_transactions_that_paid_something_back_are_the_amount_of_a_refund() {
        let transaction = |kind: &str, status: &str, amount: &str| json!({"kind": kind, "status": status, "amount": amount});
        let refunded =
            |transactions: Value| of(&json!({"refunds": [{"id": 1, "transactions": transactions}]}));
        let amount = |settlement: Settlement| settlement.refunds.unwrap()[0].amount.map(|paid| paid.minor);
        let several = json!([
            transaction("refund", "success", "10.00"),
            transaction("refund", "success", "1.50"),
            transaction("refund", "failure", "99.00"),
            transaction("void", "success", "99.00"),
        ]);
        assert_eq!(amount(refunded(several)), Some(1_150));
        assert_eq!(amount(refunded(json!([]))), None);
    }

    #[test]
    fn gateways_are_methods_without_amounts_and_what_a_report_lacks_is_unknown() {
        let gateways = json!({"payment_gateway_names": ["cash", "shopify_payments", "gift_card", "paypal"]});
        let payments = of(&gateways).payments.unwrap();
        let kinds: Vec<PaymentKind> = payments.iter().map(|payment| payment.kind).collect();
        let (cash, card) = (PaymentKind::Cash, PaymentKind::Card);
        assert_eq!(kinds, [cash, card, PaymentKind::GiftCard, PaymentKind::Other]);
        assert!(payments.iter().all(|payment| payment.amount.is_none()));
        assert!(of(&json!({})).is_unknown());
    }
}
