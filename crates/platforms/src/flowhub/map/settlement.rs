//! Payments and taxes of a sale. No document mentions a tip, and a refund is a sale of its own.

use crate::{
    MapContext,
    field::Object,
    settlement::{kind, label, taxes_by_name},
};
use model::{Payment, PaymentKind, Settlement, TaxLine};
use stage::Reject;

pub(super) fn settlement(root: &Object<'_>, context: MapContext) -> Result<Settlement, Reject> {
    let payments = root.objects("payments")?;
    let payments = payments.map(|all| all.iter().map(|of| payment(of, context)).collect()).transpose()?;
    Ok(Settlement { tip: None, taxes: taxes(root, context)?, payments, refunds: None })
}

fn payment(of: &Object<'_>, context: MapContext) -> Result<Payment, Reject> {
    let method = of.stated("paymentType")?;
    Ok(Payment {
        external: of.either_id("_id")?,
        method: label(method),
        amount: of.minor_amount("amount", context.currency)?,
        ..Payment::of(method.map_or(PaymentKind::Other, kind))
    })
}

/// The taxes of all items; `None` if one doesn't list its own, or none lists any.
fn taxes(root: &Object<'_>, context: MapContext) -> Result<Option<Vec<TaxLine>>, Reject> {
    let Some(items) = root.objects("itemsInCart")? else { return Ok(None) };
    let mut taxes = Vec::new();
    for item in &items {
        let Some(listed) = item.objects("tax")? else { return Ok(None) };
        for tax in &listed {
            let Some(amount) = tax.minor_amount("thisTaxInPennies", context.currency)? else {
                return Ok(None);
            };
            taxes.push(TaxLine { name: tax.stated("name")?.map(ToOwned::to_owned), amount });
        }
    }
    Ok(Some(taxes_by_name(taxes, root, "itemsInCart")?).filter(|taxes| !taxes.is_empty()))
}
