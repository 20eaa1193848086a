//! The tip, payments and returned lines of a transaction.

use crate::{MapContext, field::Object, settlement::label};
use model::{ExternalId, Payment, PaymentKind, Refund, RefundLine, Settlement};
use stage::Reject;
use std::collections::BTreeMap;

/// The fields with the amount that was paid in one way, and its kind. Those of other ways aren't verified.
const WAYS: [(&str, &str, PaymentKind); 3] = [
    ("cashPaid", "cash", PaymentKind::Cash),
    ("debitPaid", "debit", PaymentKind::DebitCard),
    ("electronicPaid", "electronic", PaymentKind::Other),
];

pub(super) fn settlement(root: &Object<'_>, context: MapContext) -> Result<Settlement, Reject> {
    Ok(Settlement {
        tip: root.amount("tipAmount", context.currency)?,
        taxes: None,
        payments: payments(root, context)?,
        refunds: refunds(root)?,
    })
}

/// The payments, one for each way that has an amount; `None` if no way is reported.
fn payments(root: &Object<'_>, context: MapContext) -> Result<Option<Vec<Payment>>, Reject> {
    let mut payments = None::<Vec<Payment>>;
    for (key, name, kind) in WAYS {
        let Some(amount) = root.amount(key, context.currency)? else { continue };
        let payments = payments.get_or_insert_default();
        if amount.minor != 0 {
            payments.push(Payment { method: label(Some(name)), amount: Some(amount), ..Payment::of(kind) });
        }
    }
    Ok(payments)
}

/// The lines that were returned, by the transaction that returned them: it has the amounts.
fn refunds(root: &Object<'_>) -> Result<Option<Vec<Refund>>, Reject> {
    let Some(items) = root.objects("items")? else { return Ok(None) };
    let mut refunds = BTreeMap::<Option<ExternalId>, Refund>::new();
    for item in &items {
        if item.flag("isReturned")? != Some(true) {
            continue;
        }
        let external = item.optional_id("returnedByTransactionId")?;
        let refunded_at = item.utc_time("returnDate")?;
        let none = || Refund { external: external.clone(), amount: None, refunded_at, lines: Vec::new() };
        let line = RefundLine { line: item.id("transactionItemId")?, quantity: None, amount: None };
        refunds.entry(external.clone()).or_insert_with(none).lines.push(line);
    }
    Ok(Some(refunds.into_values().collect()))
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
    fn a_way_of_which_nothing_was_paid_is_no_payment_and_none_reported_is_unknown() {
        let paid = of(&json!({"tipAmount": 2.0, "cashPaid": 0.0, "debitPaid": 12.5, "electronicPaid": null}));
        let [debit] = paid.payments.as_deref().unwrap() else { panic!("one payment expected") };
        assert_eq!((debit.kind, debit.amount.unwrap().minor), (PaymentKind::DebitCard, 1_250));
        assert_eq!(paid.tip.unwrap().minor, 200);
        assert_eq!(of(&json!({"cashPaid": 0})).payments, Some(Vec::new()));
        assert_eq!(of(&json!({})).payments, None);
    }

    #[test]
    fn returned_lines_are_grouped_by_the_transaction_that_returned_them() {
        let item = |id: i64, by: Option<i64>| json!({"transactionItemId": id, "isReturned": by.is_some(), "returnedByTransactionId": by});
        let refunds =
            of(&json!({"items": [item(1, Some(9)), item(2, None), item(3, Some(9)), item(4, Some(8))]}));
        let refunds = refunds.refunds.unwrap();
        let lines: Vec<(&str, usize)> = refunds
            .iter()
            .map(|refund| (refund.external.as_ref().unwrap().as_str(), refund.lines.len()))
            .collect();
        assert_eq!(lines, [("8", 1), ("9", 2)]);
    }
}
