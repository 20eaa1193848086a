//! Tips, taxes, payments and refunds of orders on the wire.

use super::{
    external, optional_external,
    sales::{money, text},
};
use crate::{
    DecodeError,
    error::{At as _, required},
    pb,
};
use model::{
    Payment, PaymentKind, PaymentLabel, Quantity, Refund, RefundLine, Settlement, TaxLine, Timestamp,
};

pub(super) fn written(settlement: &Settlement) -> Option<pb::Settlement> {
    if settlement.is_unknown() {
        return None;
    }
    let Settlement { tip, taxes, payments, refunds } = settlement;
    Some(pb::Settlement {
        tip: tip.map(Into::into),
        taxes: taxes
            .as_ref()
            .map(|taxes| pb::TaxLineList { values: taxes.iter().map(pb::TaxLine::from).collect() }),
        payments: payments
            .as_ref()
            .map(|payments| pb::PaymentList { values: payments.iter().map(pb::Payment::from).collect() }),
        refunds: refunds
            .as_ref()
            .map(|refunds| pb::RefundList { values: refunds.iter().map(pb::Refund::from).collect() }),
    })
}

pub(super) fn read(settlement: Option<pb::Settlement>) -> Result<Settlement, DecodeError> {
    let Some(pb::Settlement { tip, taxes, payments, refunds }) = settlement else {
        return Ok(Settlement::default());
    };
    Ok(Settlement {
        tip: money(tip)?,
        taxes: all(taxes.map(|taxes| taxes.values), TaxLine::try_from)?,
        payments: all(payments.map(|payments| payments.values), Payment::try_from)?,
        refunds: all(refunds.map(|refunds| refunds.values), Refund::try_from)?,
    })
}

fn all<P, T>(
    values: Option<Vec<P>>,
    read: impl Fn(P) -> Result<T, DecodeError>,
) -> Result<Option<Vec<T>>, DecodeError> {
    values.map(|values| values.into_iter().map(read).collect()).transpose()
}

impl From<&TaxLine> for pb::TaxLine {
    fn from(tax: &TaxLine) -> Self {
        Self { name: tax.name.clone(), amount: Some(tax.amount.into()) }
    }
}

impl TryFrom<pb::TaxLine> for TaxLine {
    type Error = DecodeError;
    fn try_from(tax: pb::TaxLine) -> Result<Self, DecodeError> {
        Ok(Self { name: tax.name, amount: required(tax.amount, "tax.amount")?.try_into()? })
    }
}

impl From<PaymentKind> for pb::PaymentKind {
    fn from(kind: PaymentKind) -> Self {
        match kind {
            PaymentKind::Cash => Self::Cash,
            PaymentKind::Card => Self::Card,
            PaymentKind::DebitCard => Self::DebitCard,
            PaymentKind::GiftCard => Self::GiftCard,
            PaymentKind::Bank => Self::Bank,
            PaymentKind::Wallet => Self::Wallet,
            PaymentKind::Other => Self::Other,
        }
    }
}

impl From<pb::PaymentKind> for PaymentKind {
    fn from(kind: pb::PaymentKind) -> Self {
        match kind {
            pb::PaymentKind::Cash => Self::Cash,
            pb::PaymentKind::Card => Self::Card,
            pb::PaymentKind::DebitCard => Self::DebitCard,
            pb::PaymentKind::GiftCard => Self::GiftCard,
            pb::PaymentKind::Bank => Self::Bank,
            pb::PaymentKind::Wallet => Self::Wallet,
            // Later writers may know more kinds: they are other ones here.
            pb::PaymentKind::Other | pb::PaymentKind::Unspecified => Self::Other,
        }
    }
}

impl From<&Payment> for pb::Payment {
    fn from(payment: &Payment) -> Self {
        let label = |label: &Option<PaymentLabel>| label.clone().map(String::from);
        Self {
            external: text(payment.external.as_ref()),
            kind: pb::PaymentKind::from(payment.kind).into(),
            method: label(&payment.method),
            card_brand: label(&payment.card_brand),
            amount: payment.amount.map(Into::into),
            tip: payment.tip.map(Into::into),
            paid_at_micros: payment.paid_at.map(Timestamp::as_micros),
        }
    }
}

impl TryFrom<pb::Payment> for Payment {
    type Error = DecodeError;
    fn try_from(payment: pb::Payment) -> Result<Self, DecodeError> {
        let label =
            |label: Option<String>, field| label.map(|label| PaymentLabel::new(&label).at(field)).transpose();
        Ok(Self {
            kind: payment.kind().into(),
            external: optional_external(payment.external, "payment.external")?,
            method: label(payment.method, "payment.method")?,
            card_brand: label(payment.card_brand, "payment.card_brand")?,
            amount: money(payment.amount)?,
            tip: money(payment.tip)?,
            paid_at: payment.paid_at_micros.map(Timestamp::from_micros),
        })
    }
}

impl From<&Refund> for pb::Refund {
    fn from(refund: &Refund) -> Self {
        Self {
            external: text(refund.external.as_ref()),
            amount: refund.amount.map(Into::into),
            refunded_at_micros: refund.refunded_at.map(Timestamp::as_micros),
            lines: refund.lines.iter().map(pb::RefundLine::from).collect(),
        }
    }
}

impl TryFrom<pb::Refund> for Refund {
    type Error = DecodeError;
    fn try_from(refund: pb::Refund) -> Result<Self, DecodeError> {
        Ok(Self {
            external: optional_external(refund.external, "refund.external")?,
            amount: money(refund.amount)?,
            refunded_at: refund.refunded_at_micros.map(Timestamp::from_micros),
            lines: refund.lines.into_iter().map(RefundLine::try_from).collect::<Result<_, _>>()?,
        })
    }
}

impl From<&RefundLine> for pb::RefundLine {
    fn from(line: &RefundLine) -> Self {
        Self {
            line: line.line.to_string(),
            quantity: line.quantity.map(|quantity| quantity.to_string()),
            amount: line.amount.map(Into::into),
        }
    }
}

impl TryFrom<pb::RefundLine> for RefundLine {
    type Error = DecodeError;
    fn try_from(line: pb::RefundLine) -> Result<Self, DecodeError> {
        let quantity = line.quantity.map(|quantity| Quantity::parse(&quantity)).transpose();
        Ok(Self {
            line: external(&line.line, "refund.line")?,
            quantity: quantity.at("refund.quantity")?,
            amount: money(line.amount)?,
        })
    }
}
