//! The settlement of an order: tips, taxes, payments and refunds, as far as its platform lists them.
//!
//! It contains no card number, and nothing that leads to an account: a text with several digits is no [`PaymentLabel`].

use crate::{ExternalId, Money, Quantity, Timestamp};
use serde::{Deserialize, Serialize};

/// Error for a text that isn't the name of a method of payment or of a brand of cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a payment label is 1 to 64 characters without control characters and with at most 3 digits")]
pub struct InvalidPaymentLabel;

/// The name of a method of payment or of a brand of cards, as the platform calls it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PaymentLabel(String);

impl PaymentLabel {
    /// Upper limit of characters.
    const CHARS_MAX: usize = 64;
    /// Upper limit of digits: fewer than even a part of a card's number has.
    const DIGITS_MAX: usize = 3;

    /// Checks a name; white space around it doesn't count. Refuses what may contain a number of a card or an account.
    pub fn new(text: &str) -> Result<Self, InvalidPaymentLabel> {
        let text = text.trim();
        let digits = text.chars().filter(|character| character.is_numeric()).count();
        let fits = !text.is_empty() && text.chars().count() <= Self::CHARS_MAX && digits <= Self::DIGITS_MAX;
        if fits && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPaymentLabel)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PaymentLabel {
    type Error = InvalidPaymentLabel;
    fn try_from(text: String) -> Result<Self, InvalidPaymentLabel> {
        Self::new(&text)
    }
}
impl From<PaymentLabel> for String {
    fn from(label: PaymentLabel) -> String {
        label.0
    }
}

/// The kind of a method of payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentKind {
    /// Coins and notes.
    Cash,
    /// A card, of which no more is known.
    Card,
    /// A debit card.
    DebitCard,
    /// A gift card or voucher.
    GiftCard,
    /// A transfer or a debit of a bank account.
    Bank,
    /// A wallet, such as that of a telephone.
    Wallet,
    /// Another method, or one that isn't known.
    Other,
}

impl PaymentKind {
    /// Returns the name used in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cash => "cash",
            Self::Card => "card",
            Self::DebitCard => "debit_card",
            Self::GiftCard => "gift_card",
            Self::Bank => "bank",
            Self::Wallet => "wallet",
            Self::Other => "other",
        }
    }
}

/// One payment of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// The platform's id.
    pub external: Option<ExternalId>,
    /// The kind of the method.
    pub kind: PaymentKind,
    /// The platform's name of the method.
    pub method: Option<PaymentLabel>,
    /// The brand of the card.
    pub card_brand: Option<PaymentLabel>,
    /// The amount; `None` if the platform names the method alone.
    pub amount: Option<Money>,
    /// The tip that was paid with it.
    pub tip: Option<Money>,
    /// Time of the payment.
    pub paid_at: Option<Timestamp>,
}

impl Payment {
    /// Returns a payment of which only the kind is known.
    pub const fn of(kind: PaymentKind) -> Self {
        Self { external: None, kind, method: None, card_brand: None, amount: None, tip: None, paid_at: None }
    }
}

/// One tax of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxLine {
    /// The name.
    pub name: Option<String>,
    /// The amount.
    pub amount: Money,
}

/// One refund of an order, made after its sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// The platform's id.
    pub external: Option<ExternalId>,
    /// The amount that was paid back, zero or above; `None` if the platform doesn't report it.
    pub amount: Option<Money>,
    /// Time of the refund.
    pub refunded_at: Option<Timestamp>,
    /// The lines that were taken back, as far as the platform lists them.
    pub lines: Vec<RefundLine>,
}

/// A line of an order that was taken back, wholly or in part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundLine {
    /// The platform's id of the order's line.
    pub line: ExternalId,
    /// The quantity that was taken back; `None` if the platform doesn't report it.
    pub quantity: Option<Quantity>,
    /// The amount of the line that was paid back.
    pub amount: Option<Money>,
}

/// The settlement of an order. A field that a report doesn't contain is `None`; an empty list is one without entries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Settlement {
    /// The tip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tip: Option<Money>,
    /// The taxes, each with its amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taxes: Option<Vec<TaxLine>>,
    /// The payments; those that failed or were cancelled are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payments: Option<Vec<Payment>>,
    /// The refunds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refunds: Option<Vec<Refund>>,
}

impl Settlement {
    /// Returns whether nothing was reported.
    pub const fn is_unknown(&self) -> bool {
        let Self { tip, taxes, payments, refunds } = self;
        tip.is_none() && taxes.is_none() && payments.is_none() && refunds.is_none()
    }

    /// Returns the settlement after a report: a field that the report doesn't contain stays as it is known.
    #[must_use]
    pub fn after(&self, reported: &Self) -> Self {
        Self {
            tip: reported.tip.or(self.tip),
            taxes: reported.taxes.clone().or_else(|| self.taxes.clone()),
            payments: reported.payments.clone().or_else(|| self.payments.clone()),
            refunds: reported.refunds.clone().or_else(|| self.refunds.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_names_a_method_and_contains_no_number_of_a_card() {
        for text in ["Cash", " Visa ", "Visa 1", "Überweisung"] {
            assert_eq!(PaymentLabel::new(text).unwrap().as_str(), text.trim(), "{text}");
        }
        let long = "x".repeat(65);
        for text in
            ["", "  ", "Visa 4242", "4242 4242 4242 4242", "Visa ４２４２", "a\nb", "a\0", long.as_str()]
        {
            assert_eq!(PaymentLabel::new(text), Err(InvalidPaymentLabel), "{text:?}");
            assert!(serde_json::from_value::<PaymentLabel>(serde_json::json!(text)).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_field_that_a_report_lacks_stays_and_an_empty_list_does_not() {
        let cash = Payment::of(PaymentKind::Cash);
        let known = Settlement { payments: Some(vec![cash]), ..Settlement::default() };
        assert_eq!(known.after(&Settlement::default()), known);
        let none = Settlement { payments: Some(Vec::new()), ..Settlement::default() };
        assert_eq!(known.after(&none), none);
        assert!(Settlement::default().is_unknown());
        assert!(!none.is_unknown());
    }

    #[test]
    fn what_was_stored_before_there_were_settlements_is_an_unknown_one() {
        let order = serde_json::json!({"external": "1", "status": "open", "lines": []});
        let order: crate::Order = serde_json::from_value(order).unwrap();
        assert!(order.settlement.is_unknown());
        assert!(!serde_json::to_string(&order).unwrap().contains("settlement"));
    }
}
