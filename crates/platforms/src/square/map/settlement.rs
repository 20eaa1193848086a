//! The tips, taxes, tenders and refunds of an order.

use super::money;
use crate::{MapContext, field::Object, settlement::label};
use model::{Payment, PaymentKind, Refund, RefundLine, Settlement, TaxLine};
use stage::Reject;

pub(super) fn settlement(root: &Object<'_>, context: MapContext) -> Result<Settlement, Reject> {
    Ok(Settlement {
        tip: money(root, "total_tip_money", context)?,
        taxes: taxes(root, context)?,
        payments: tenders(root, context)?,
        refunds: refunds(root, context)?,
    })
}

fn taxes(root: &Object<'_>, context: MapContext) -> Result<Option<Vec<TaxLine>>, Reject> {
    let Some(taxes) = root.objects("taxes")? else { return Ok(None) };
    let mut lines = Vec::new();
    for tax in &taxes {
        // An order that isn't computed yet has no amounts.
        let Some(amount) = money(tax, "applied_money", context)? else { return Ok(None) };
        lines.push(TaxLine { name: tax.owned("name")?, amount });
    }
    Ok(Some(lines))
}

/// The tenders, but for cards whose payment was voided or failed.
fn tenders(root: &Object<'_>, context: MapContext) -> Result<Option<Vec<Payment>>, Reject> {
    let Some(tenders) = root.objects("tenders")? else { return Ok(None) };
    let mut payments = Vec::new();
    for tender in &tenders {
        let details = tender.object("card_details")?;
        let of_card = |key| details.as_ref().map_or(Ok(None), |details| details.text(key));
        if matches!(of_card("status")?, Some("VOIDED" | "FAILED")) {
            continue;
        }
        let card = details.as_ref().map_or(Ok(None), |details| details.object("card"))?;
        let brand = card.as_ref().map_or(Ok(None), |card| card.text("card_brand"))?;
        let kind = tender.text("type")?;
        payments.push(Payment {
            external: tender.optional_text_id("id")?,
            method: label(kind),
            card_brand: label(brand),
            amount: money(tender, "amount_money", context)?,
            tip: money(tender, "tip_money", context)?,
            paid_at: tender.time("created_at")?,
            ..Payment::of(self::kind(kind))
        });
    }
    Ok(Some(payments))
}

fn kind(of: Option<&str>) -> PaymentKind {
    match of {
        Some("CASH") => PaymentKind::Cash,
        Some("CARD" | "THIRD_PARTY_CARD") => PaymentKind::Card,
        Some("SQUARE_GIFT_CARD") => PaymentKind::GiftCard,
        Some("BANK_ACCOUNT") => PaymentKind::Bank,
        Some("WALLET") => PaymentKind::Wallet,
        _ => PaymentKind::Other,
    }
}

/// The refunds that weren't refused. The lines that the order takes back are those of the refund, if there is one alone.
fn refunds(root: &Object<'_>, context: MapContext) -> Result<Option<Vec<Refund>>, Reject> {
    let (listed, returns) = (root.objects("refunds")?, root.objects("returns")?);
    if listed.is_none() && returns.is_none() {
        return Ok(None);
    }
    let mut refunds = Vec::new();
    for refund in listed.unwrap_or_default() {
        if matches!(refund.text("status")?, Some("REJECTED" | "FAILED")) {
            continue;
        }
        refunds.push(Refund {
            external: refund.optional_text_id("id")?,
            amount: money(&refund, "amount_money", context)?,
            refunded_at: refund.time("created_at")?,
            lines: Vec::new(),
        });
    }
    let mut lines = Vec::new();
    for taken_back in returns.unwrap_or_default() {
        for line in taken_back.objects("return_line_items")?.unwrap_or_default() {
            lines.extend(line_taken_back(&line, context)?);
        }
    }
    match refunds.as_mut_slice() {
        _ if lines.is_empty() => {}
        [only] => only.lines = lines,
        _ => refunds.push(Refund { external: None, amount: None, refunded_at: None, lines }),
    }
    Ok(Some(refunds))
}

/// The line; `None` if it names no line of the order that is refunded.
fn line_taken_back(line: &Object<'_>, context: MapContext) -> Result<Option<RefundLine>, Reject> {
    let Some(source) = line.optional_text_id("source_line_item_uid")? else { return Ok(None) };
    let amount = money(line, "total_money", context)?;
    Ok(Some(RefundLine { line: source, quantity: Some(line.decimal("quantity")?), amount }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(body: &Value) -> Settlement {
        settlement(&Object::root(body).unwrap(), MapContext { currency: None }).unwrap()
    }

    #[test]
    fn a_tender_is_of_its_type_and_a_voided_or_failed_card_is_no_payment() {
        let tender = |kind: &str| json!({"type": kind, "amount_money": {"amount": 1, "currency": "USD"}});
        let card = |status: &str| json!({"type": "CARD", "card_details": {"status": status}});
        let settlement = of(&json!({"tenders": [
            tender("CASH"), tender("SQUARE_GIFT_CARD"), tender("BANK_ACCOUNT"), tender("WALLET"), tender("NO_SALE"),
            card("VOIDED"), card("FAILED"), card("CAPTURED"),
        ]}));
        let kinds: Vec<PaymentKind> = settlement.payments.unwrap().iter().map(|paid| paid.kind).collect();
        let (cash, gift_card, bank) = (PaymentKind::Cash, PaymentKind::GiftCard, PaymentKind::Bank);
        let (wallet, other, card) = (PaymentKind::Wallet, PaymentKind::Other, PaymentKind::Card);
        assert_eq!(kinds, [cash, gift_card, bank, wallet, other, card]);
    }

    #[test]
    fn lines_belong_to_the_refund_only_if_there_is_one_alone() {
        let refund = |id: &str, status: &str| json!({"id": id, "status": status});
        let returns = json!([{"return_line_items": [
            {"source_line_item_uid": "U", "quantity": "1.5"}, {"quantity": "1"}]}]);
        let lines_of = |refunds: Value| {
            let settlement = of(&json!({"refunds": refunds, "returns": returns.clone()}));
            let lines =
                |refund: &Refund| (refund.external.as_ref().map(ToString::to_string), refund.lines.len());
            settlement.refunds.unwrap().iter().map(lines).collect::<Vec<_>>()
        };
        let named = |id: &str| Some(id.to_owned());
        assert_eq!(lines_of(json!([refund("A", "APPROVED"), refund("B", "REJECTED")])), [(named("A"), 1)]);
        let two = json!([refund("A", "APPROVED"), refund("B", "PENDING")]);
        assert_eq!(lines_of(two), [(named("A"), 0), (named("B"), 0), (None, 1)]);
        assert_eq!(of(&json!({})).refunds, None);
    }
}
