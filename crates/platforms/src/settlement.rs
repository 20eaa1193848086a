//! The words for methods of payment that tills share, and sums of amounts.

use crate::field::Object;
use model::{Money, PaymentKind, PaymentLabel, TaxLine};
use stage::{Reject, RejectClass};

/// The kind of a method of payment that a platform or a merchant names freely. A name of several words, or one that isn't
/// known, is of another kind: `Debit` is a card, `Debit memo` may be none.
pub(crate) fn kind(name: &str) -> PaymentKind {
    let word: String =
        name.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    match word.as_str() {
        "cash" => PaymentKind::Cash,
        "debit" | "debitcard" => PaymentKind::DebitCard,
        "card" | "credit" | "creditcard" => PaymentKind::Card,
        "gift" | "giftcard" => PaymentKind::GiftCard,
        "ach" => PaymentKind::Bank,
        _ => PaymentKind::Other,
    }
}

/// The name of a method or of a brand of cards; `None` for a text that may contain a number of a card.
pub(crate) fn label(name: Option<&str>) -> Option<PaymentLabel> {
    PaymentLabel::new(name?).ok()
}

/// The sum of amounts in one currency; `None` if there is none, or if one isn't known.
pub(crate) fn sum(
    amounts: impl IntoIterator<Item = Option<Money>>,
    of: &Object<'_>,
    key: &str,
) -> Result<Option<Money>, Reject> {
    let mut sum: Option<Money> = None;
    for amount in amounts {
        let Some(amount) = amount else { return Ok(None) };
        let minor = sum
            .map_or(0, |sum| sum.minor)
            .checked_add(amount.minor)
            .ok_or_else(|| of.reject(RejectClass::Data, key, "the sum of the amounts is out of bounds"))?;
        sum = Some(Money { minor, ..amount });
    }
    Ok(sum)
}

/// Taxes of lines, as one line for each name, in the order of their names.
pub(crate) fn taxes_by_name(taxes: Vec<TaxLine>, of: &Object<'_>, key: &str) -> Result<Vec<TaxLine>, Reject> {
    let mut by_name = std::collections::BTreeMap::<Option<String>, Vec<Option<Money>>>::new();
    for TaxLine { name, amount } in taxes {
        by_name.entry(name).or_default().push(Some(amount));
    }
    let line = |(name, amounts)| Ok(sum(amounts, of, key)?.map(|amount| TaxLine { name, amount }));
    by_name.into_iter().filter_map(|entry| line(entry).transpose()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Currency;
    use serde_json::json;

    #[test]
    fn a_name_is_of_a_kind_only_if_it_is_one_of_the_known_words() {
        for (name, expected) in [
            ("CASH", PaymentKind::Cash),
            ("Debit Card", PaymentKind::DebitCard),
            ("credit", PaymentKind::Card),
            ("gift_card", PaymentKind::GiftCard),
            ("ACH", PaymentKind::Bank),
            ("Debit memo", PaymentKind::Other),
            ("", PaymentKind::Other),
        ] {
            assert_eq!(kind(name), expected, "{name}");
        }
    }

    #[test]
    fn a_sum_is_known_only_if_every_amount_is() {
        let body = json!({});
        let root = Object::root(&body).unwrap();
        let usd = |minor| Some(Money { minor, currency: Currency::new("USD").unwrap() });
        assert_eq!(sum([usd(1), usd(2)], &root, "tips"), Ok(usd(3)));
        assert_eq!(sum([usd(1), None], &root, "tips"), Ok(None));
        assert_eq!(sum([], &root, "tips"), Ok(None));
        let reject = sum([usd(i64::MAX), usd(1)], &root, "tips").unwrap_err();
        assert_eq!(reject.pointer.as_deref(), Some("/tips"));
    }
}
