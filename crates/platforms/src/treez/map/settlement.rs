//! Payments and taxes of a ticket. Treez documents no tip, and a refund is a ticket of its own.

use super::{id, moment, owned, text};
use crate::{
    MapContext,
    field::Object,
    settlement::{kind, label, taxes_by_name},
};
use model::{Payment, PaymentKind, Settlement, TaxLine};
use stage::Reject;

pub(super) fn settlement(data: &Object<'_>, context: MapContext) -> Result<Settlement, Reject> {
    let payments = data.objects("payments")?;
    let payments = payments.map(|all| all.iter().map(|of| payment(of, context)).collect()).transpose()?;
    Ok(Settlement { tip: None, taxes: taxes(data, context)?, payments, refunds: None })
}

fn payment(of: &Object<'_>, context: MapContext) -> Result<Payment, Reject> {
    let method = text(of, "payment_method")?;
    Ok(Payment {
        external: id(of, "payment_id")?,
        method: label(method),
        amount: of.amount("amount_paid", context.currency)?,
        // Its form isn't documented: a payment is one whenever it was made.
        paid_at: moment(of, "payment_date").unwrap_or_default(),
        ..Payment::of(method.map_or(PaymentKind::Other, kind))
    })
}

/// The taxes of all items; `None` if one doesn't list its own, or none lists any: samples with a total of taxes have empty
/// lists.
fn taxes(data: &Object<'_>, context: MapContext) -> Result<Option<Vec<TaxLine>>, Reject> {
    let Some(items) = data.objects("items")? else { return Ok(None) };
    let mut taxes = Vec::new();
    for item in &items {
        let Some(listed) = item.objects("tax")? else { return Ok(None) };
        for tax in &listed {
            let Some(amount) = tax.amount("amount", context.currency)? else { return Ok(None) };
            taxes.push(TaxLine { name: owned(tax, "tax_name")?, amount });
        }
    }
    Ok(Some(taxes_by_name(taxes, data, "items")?).filter(|taxes| !taxes.is_empty()))
}
