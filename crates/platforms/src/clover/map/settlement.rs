//! The tips, payments and returned lines of an order.

use super::{money, time};
use crate::{
    MapContext,
    field::Object,
    settlement::{label, sum},
};
use model::{Payment, PaymentKind, Refund, RefundLine, Settlement};
use stage::Reject;

/// The prefix of the keys of Clover's own tenders.
const TENDER: &str = "com.clover.tender.";

pub(super) fn settlement(root: &Object<'_>, context: MapContext) -> Result<Settlement, Reject> {
    let (tip, payments) = match root.object("payments")? {
        Some(list) => {
            let payments = payments(&list, context)?;
            let tips = payments.iter().filter_map(|payment| payment.tip).map(Some);
            (sum(tips, &list, "elements")?, Some(payments))
        }
        None => (None, None),
    };
    Ok(Settlement { tip, taxes: None, payments, refunds: refunds(root)? })
}

/// The payments that succeeded, in the currency of the order.
fn payments(list: &Object<'_>, context: MapContext) -> Result<Vec<Payment>, Reject> {
    let mut payments = Vec::new();
    for payment in list.objects("elements")?.unwrap_or_default() {
        if payment.text("result")?.is_some_and(|result| result != "SUCCESS") {
            continue;
        }
        let tender = payment.object("tender")?;
        let named = |key| tender.as_ref().map_or(Ok(None), |tender| tender.text(key));
        let card = payment.object("cardTransaction")?;
        let kind = match (named("labelKey")?, &card) {
            (Some(key), _) => kind(key),
            (None, Some(_)) => PaymentKind::Card,
            (None, None) => PaymentKind::Other,
        };
        let brand = card.as_ref().map_or(Ok(None), |card| card.text("cardType"))?;
        payments.push(Payment {
            external: payment.optional_text_id("id")?,
            method: label(named("label")?),
            card_brand: label(brand),
            amount: money(&payment, "amount", context)?,
            tip: money(&payment, "tipAmount", context)?,
            paid_at: time(&payment, "createdTime")?,
            ..Payment::of(kind)
        });
    }
    Ok(payments)
}

/// The kind of a tender by its key.
fn kind(key: &str) -> PaymentKind {
    match key.strip_prefix(TENDER) {
        Some("cash") => PaymentKind::Cash,
        Some("debit_card") => PaymentKind::DebitCard,
        Some("credit_card") => PaymentKind::Card,
        _ => PaymentKind::Other,
    }
}

/// The lines that were refunded, as one refund: Clover marks them and lists no amounts here.
fn refunds(root: &Object<'_>) -> Result<Option<Vec<Refund>>, Reject> {
    let Some(list) = root.object("lineItems")? else { return Ok(None) };
    let mut lines = Vec::new();
    for line in list.objects("elements")?.unwrap_or_default() {
        if line.flag("refunded")? == Some(true) {
            lines.push(RefundLine { line: line.text_id("id")?, quantity: None, amount: None });
        }
    }
    let refund = |lines| Refund { external: None, amount: None, refunded_at: None, lines };
    Ok(Some(if lines.is_empty() { Vec::new() } else { vec![refund(lines)] }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Currency, Money};
    use serde_json::{Value, json};

    fn of(body: &Value) -> Settlement {
        let usd = Currency::new("USD").unwrap();
        settlement(&Object::root(body).unwrap(), MapContext { currency: Some(usd) }).unwrap()
    }

    #[test]
    fn payments_that_failed_are_none_and_tips_are_added_up() {
        let settlement = of(&json!({"payments": {"elements": [
            {"id": "P1", "amount": 1000, "tipAmount": 100, "result": "SUCCESS", "createdTime": 1_546_559_389_000_u64,
                "tender": {"labelKey": "com.clover.tender.cash", "label": "Cash"}},
            {"id": "P2", "amount": 1000, "tipAmount": 500, "result": "FAIL"},
            {"id": "P3", "amount": 500, "tipAmount": 50, "cardTransaction": {"cardType": "VISA", "last4": "4242"}},
            {"id": "P4", "amount": 5, "tender": {"labelKey": "com.clover.tender.check", "label": "Check"}},
        ]}}));
        assert_eq!(settlement.tip.unwrap(), Money { minor: 150, currency: Currency::new("USD").unwrap() });
        let payments = settlement.payments.unwrap();
        let kinds: Vec<PaymentKind> = payments.iter().map(|payment| payment.kind).collect();
        assert_eq!(kinds, [PaymentKind::Cash, PaymentKind::Card, PaymentKind::Other]);
        assert_eq!(payments[1].card_brand.as_ref().unwrap().as_str(), "VISA");
        assert!(!format!("{payments:?}").contains("4242"));
    }

    #[test]
    fn what_was_not_expanded_is_unknown_and_an_order_without_payments_has_none() {
        assert!(of(&json!({})).is_unknown());
        let settlement = of(&json!({"payments": {"elements": []}, "lineItems": {"elements": [{"id": "L"}]}}));
        assert_eq!((settlement.tip, settlement.payments), (None, Some(Vec::new())));
        assert_eq!(settlement.refunds, Some(Vec::new()));
    }
}
