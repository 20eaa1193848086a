//! The taxes, payment and refunds of an order. WooCommerce has no tip: plugins add one as a fee.

use super::{name, time};
use crate::{
    MapContext,
    field::Object,
    settlement::{label, sum},
};
use model::{Money, Payment, PaymentKind, Refund, Settlement, TaxLine};
use stage::Reject;

pub(super) fn settlement(root: &Object<'_>, context: MapContext) -> Result<Settlement, Reject> {
    Ok(Settlement {
        tip: None,
        taxes: taxes(root, context)?,
        payments: payments(root)?,
        refunds: refunds(root, context)?,
    })
}

/// The taxes of lines and of shipping, by their rates.
fn taxes(root: &Object<'_>, context: MapContext) -> Result<Option<Vec<TaxLine>>, Reject> {
    let Some(taxes) = root.objects("tax_lines")? else { return Ok(None) };
    let mut lines = Vec::new();
    for tax in &taxes {
        let amounts =
            [tax.amount("tax_total", context.currency)?, tax.amount("shipping_tax_total", context.currency)?];
        let Some(amount) = sum(amounts.into_iter().flatten().map(Some), tax, "tax_total")? else {
            return Ok(None);
        };
        lines.push(TaxLine { name: name(tax, "label")?, amount });
    }
    Ok(Some(lines))
}

/// The payment, once there is one: an order has one method. The amount isn't stated.
fn payments(root: &Object<'_>) -> Result<Option<Vec<Payment>>, Reject> {
    if !root.has("date_paid_gmt") {
        return Ok(None);
    }
    let Some(paid_at) = time(root, "date_paid_gmt")? else { return Ok(Some(Vec::new())) };
    let kind = match root.text("payment_method")? {
        Some("cod") => PaymentKind::Cash,
        Some("bacs") => PaymentKind::Bank,
        _ => PaymentKind::Other,
    };
    let method = label(name(root, "payment_method_title")?.as_deref());
    Ok(Some(vec![Payment { method, paid_at: Some(paid_at), ..Payment::of(kind) }]))
}

/// The refunds, of which an order lists the ids and the amounts, as negative numbers.
fn refunds(root: &Object<'_>, context: MapContext) -> Result<Option<Vec<Refund>>, Reject> {
    let Some(refunds) = root.objects("refunds")? else { return Ok(None) };
    let paid_back = |amount: Money| Money { minor: amount.minor.saturating_abs(), ..amount };
    let refund = |refund: &Object<'_>| {
        Ok(Refund {
            external: refund.optional_id("id")?,
            amount: refund.amount("total", context.currency)?.map(paid_back),
            refunded_at: None,
            lines: Vec::new(),
        })
    };
    refunds.iter().map(refund).collect::<Result<_, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Currency;
    use serde_json::{Value, json};

    fn of(body: &Value) -> Settlement {
        let usd = Currency::new("USD").unwrap();
        settlement(&Object::root(body).unwrap(), MapContext { currency: Some(usd) }).unwrap()
    }

    #[test]
    fn an_order_is_paid_only_once_it_has_a_time_of_payment() {
        let paid = |at: Value| of(&json!({"payment_method": "cod", "date_paid_gmt": at})).payments;
        assert_eq!(paid(json!(null)), Some(Vec::new()));
        assert_eq!(paid(json!("2017-03-22T19:28:08")).unwrap()[0].kind, PaymentKind::Cash);
        assert_eq!(of(&json!({"payment_method": "cod"})).payments, None);
    }

    #[test]
    fn taxes_of_shipping_count_and_refunds_are_amounts_above_zero() {
        let tax = json!({"label": "State Tax", "tax_total": "1.35", "shipping_tax_total": "0.15"});
        let order = of(&json!({"tax_lines": [tax], "refunds": [{"id": 731, "total": "-10.00"}]}));
        assert_eq!(order.taxes.unwrap()[0].amount.minor, 150);
        assert_eq!(order.refunds.unwrap()[0].amount.unwrap().minor, 1_000);
    }
}
