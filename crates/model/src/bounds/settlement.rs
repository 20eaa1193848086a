//! Limits of an order's tips, taxes, payments and refunds.

use super::{
    Checked, LINES_MAX, NAME_CHARS_MAX, SETTLEMENT_ENTRIES_MAX, amount, count, each, ensure, optional,
    reported,
};
use crate::{Payment, Refund, RefundLine, Settlement, TaxLine, Timestamp};

pub(super) fn fits(settlement: &Settlement) -> Checked {
    let Settlement { tip, taxes, payments, refunds } = settlement;
    amount("/tip", tip.as_ref())?;
    list("/taxes", taxes.as_deref(), tax_fits)?;
    list("/payments", payments.as_deref(), payment_fits)?;
    list("/refunds", refunds.as_deref(), refund_fits)
}

fn list<T>(field: &str, entries: Option<&[T]>, fits: fn(&T) -> Checked) -> Checked {
    let entries = entries.unwrap_or_default();
    count(field, entries.len(), SETTLEMENT_ENTRIES_MAX)?;
    each(field, entries, fits)
}

fn tax_fits(tax: &TaxLine) -> Checked {
    let TaxLine { name, amount: of_tax } = tax;
    optional("/name", name.as_deref(), NAME_CHARS_MAX)?;
    amount("/amount", Some(of_tax))
}

fn payment_fits(payment: &Payment) -> Checked {
    let Payment { external: _, kind: _, method: _, card_brand: _, amount: paid, tip, paid_at } = payment;
    amount("/amount", paid.as_ref())?;
    amount("/tip", tip.as_ref())?;
    storable("/paid_at", *paid_at)
}

fn refund_fits(refund: &Refund) -> Checked {
    let Refund { external: _, amount: refunded, refunded_at, lines } = refund;
    amount("/amount", refunded.as_ref())?;
    storable("/refunded_at", *refunded_at)?;
    count("/lines", lines.len(), LINES_MAX)?;
    each("/lines", lines, |line| {
        let RefundLine { line: _, quantity, amount: refunded } = line;
        quantity.map_or(Ok(()), |quantity| reported("/quantity", quantity))?;
        amount("/amount", refunded.as_ref())
    })
}

fn storable(field: &str, time: Option<Timestamp>) -> Checked {
    let fits = time.is_none_or(Timestamp::is_storable);
    ensure(fits, field, || "a time before 1970 or after 9999".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Currency, ExternalId, Money, PaymentKind, Quantity};

    fn beyond(settlement: &Settlement) -> String {
        fits(settlement).map_or_else(|error| error.field, |()| String::new())
    }

    fn money(minor: i64) -> Money {
        Money { minor, currency: Currency::new("USD").unwrap() }
    }

    fn refund() -> Refund {
        Refund { external: None, amount: None, refunded_at: None, lines: Vec::new() }
    }

    #[test]
    fn every_amount_time_and_list_of_a_settlement_has_a_limit() {
        let (large, late) = (money(i64::MAX), Timestamp::from_micros(i64::MAX));
        let paid = |payment: Payment| Settlement { payments: Some(vec![payment]), ..Settlement::default() };
        let refunded = |refund: Refund| Settlement { refunds: Some(vec![refund]), ..Settlement::default() };
        let taxed = |tax: TaxLine| Settlement { taxes: Some(vec![tax]), ..Settlement::default() };
        let cash = Payment::of(PaymentKind::Cash);
        let line = RefundLine { line: ExternalId::new("l").unwrap(), quantity: None, amount: None };
        let many = vec![cash.clone(); SETTLEMENT_ENTRIES_MAX + 1];
        for (settlement, field) in [
            (Settlement { tip: Some(large), ..Settlement::default() }, "/tip"),
            (taxed(TaxLine { name: None, amount: large }), "/taxes/0/amount"),
            (taxed(TaxLine { name: Some("x".repeat(256)), amount: money(1) }), "/taxes/0/name"),
            (paid(Payment { amount: Some(large), ..cash.clone() }), "/payments/0/amount"),
            (paid(Payment { tip: Some(large), ..cash.clone() }), "/payments/0/tip"),
            (paid(Payment { paid_at: Some(late), ..cash.clone() }), "/payments/0/paid_at"),
            (Settlement { payments: Some(many), ..Settlement::default() }, "/payments"),
            (refunded(Refund { amount: Some(large), ..refund() }), "/refunds/0/amount"),
            (refunded(Refund { refunded_at: Some(late), ..refund() }), "/refunds/0/refunded_at"),
            (
                refunded(Refund {
                    lines: vec![RefundLine { amount: Some(large), ..line.clone() }],
                    ..refund()
                }),
                "/refunds/0/lines/0/amount",
            ),
            (
                refunded(Refund {
                    lines: vec![RefundLine { quantity: Some(Quantity::pieces(1)), ..line }],
                    ..refund()
                }),
                "",
            ),
            (paid(Payment { amount: Some(money(-5)), ..cash }), ""),
        ] {
            assert_eq!(beyond(&settlement), field);
        }
    }
}
