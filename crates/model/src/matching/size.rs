//! Sizes in the names of items: weights, volumes and numbers of pieces.

use super::name::words;
use rust_decimal::Decimal;

/// Difference up to which two sizes are equal, per mille of the larger: an eighth of an ounce (3.54 g) is sold as 3.5 g.
const TOLERANCE_PER_MILLE: i64 = 20;
/// Names after a percentage that belong to it.
const CANNABINOIDS: [&str; 6] = ["thc", "thca", "cbd", "cbda", "cbg", "cbn"];

/// The kind of a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// In milligrams.
    Weight,
    /// In milliliters.
    Volume,
    /// In pieces.
    Pieces,
}

/// One size, in the unit of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    kind: Kind,
    amount: Decimal,
}

/// The sizes that a name states: `10 x 0.5 g` has ten pieces, half a gram and five grams.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sizes {
    found: Vec<Size>,
}

impl Sizes {
    /// Splits a name into its sizes and its other words. Percentages are neither: they differ from batch to batch.
    pub(super) fn split(name: &str) -> (Self, Vec<String>) {
        let words = words(name);
        let (mut sizes, mut others, mut rest) = (Self::default(), Vec::new(), words.as_slice());
        while let Some((word, after)) = rest.split_first() {
            if let Some(taken) = sizes.take(rest) {
                rest = &rest[taken..];
            } else {
                others.push(word.clone());
                rest = after;
            }
        }
        (sizes, others)
    }

    /// Adds the sizes that another text states.
    pub(super) fn add(&mut self, text: &str) {
        self.found.extend(Self::split(text).0.found);
    }

    /// Returns whether both state an equal size of each kind that both state; `None` if there is no such kind.
    pub(super) fn agree(&self, other: &Self) -> Option<bool> {
        let mut agree = None;
        for kind in [Kind::Weight, Kind::Volume, Kind::Pieces] {
            let of_kind = |sizes: &Self| -> Vec<Decimal> {
                sizes.found.iter().filter(|size| size.kind == kind).map(|size| size.amount).collect()
            };
            let (one, two) = (of_kind(self), of_kind(other));
            if !one.is_empty() && !two.is_empty() {
                let is_equal = one.iter().any(|one| two.iter().any(|two| is_about(*one, *two)));
                agree = Some(agree.unwrap_or(true) && is_equal);
            }
        }
        agree
    }

    /// Reads a size at the begin of the words, and returns the number of words that it takes.
    fn take(&mut self, words: &[String]) -> Option<usize> {
        let (found, taken) = percentage(words).or_else(|| pieces(words)).or_else(|| {
            let (size, taken) = one_size(words)?;
            Some((vec![size], taken))
        })?;
        self.found.extend(found);
        Some(taken)
    }
}

/// A percentage, which is no size, with the name of what it is of, and the number of words.
fn percentage(words: &[String]) -> Option<(Vec<Size>, usize)> {
    let (word, after) = words.split_first()?;
    let (_, unit) = leading_number(word)?;
    let apart = usize::from(unit.is_empty() && after.first().is_some_and(|word| word == "%"));
    let is_name = after.get(apart).is_some_and(|word| CANNABINOIDS.contains(&word.as_str()));
    (unit.starts_with('%') || apart == 1).then(|| (Vec::new(), 1 + apart + usize::from(is_name)))
}

/// Several pieces of one size each: their number, the size of each and that of all, and the number of words.
fn pieces(words: &[String]) -> Option<(Vec<Size>, usize)> {
    let (word, after) = words.split_first()?;
    let (count, unit) = leading_number(word)?;
    let (each, taken) = match (unit, after) {
        ("", [times, each @ ..]) if times == "x" => one_size(each).map(|(each, taken)| (each, taken + 2)),
        ("x", each) => one_size(each).map(|(each, taken)| (each, taken + 1)),
        _ => {
            let (amount, of_each) = leading_number(unit.strip_prefix('x')?)?;
            size_of_amount(amount, of_each, after).map(|(each, taken)| (each, taken + 1))
        }
    }?;
    let all = Size { amount: each.amount.checked_mul(count)?, ..each };
    Some((vec![Size { kind: Kind::Pieces, amount: count }, each, all], taken))
}

/// One size, and the number of words.
fn one_size(words: &[String]) -> Option<(Size, usize)> {
    let (word, after) = words.split_first()?;
    if let Some((amount, unit)) = leading_number(word) {
        return size_of_amount(amount, unit, after).map(|(size, taken)| (size, taken + 1));
    }
    let amount = spoken_number(word)?;
    let of_unit = size_of_words(amount, after).map(|(size, taken)| (size, taken + 1));
    // Said by itself, an eighth is of an ounce.
    let is_eighth = ["eighth", "eighths"].contains(&word.as_str());
    of_unit.or_else(|| is_eighth.then(|| size_of(amount, "oz").map(|size| (size, 1))).flatten())
}

/// The size of a number with the rest of its word and the words after it, and the number of the latter.
fn size_of_amount(amount: Decimal, unit: &str, after: &[String]) -> Option<(Size, usize)> {
    match (unit, after) {
        ("", _) => size_of_words(amount, after),
        ("fl", [ounce, ..]) if ounce == "oz" => Some((size_of(amount, "floz")?, 1)),
        _ => Some((size_of(amount, unit)?, 0)),
    }
}

/// The size that an amount and the words after it are, and the number of words.
fn size_of_words(amount: Decimal, after: &[String]) -> Option<(Size, usize)> {
    match after {
        [fluid, ounce, ..] if fluid == "fl" && ["oz", "ounce", "ounces"].contains(&ounce.as_str()) => {
            Some((size_of(amount, "floz")?, 2))
        }
        [unit, ..] => Some((size_of(amount, unit)?, 1)),
        [] => None,
    }
}

fn size_of(amount: Decimal, unit: &str) -> Option<Size> {
    let (kind, factor) = match unit {
        "mg" | "milligram" | "milligrams" => (Kind::Weight, Decimal::ONE),
        "g" | "gm" | "gram" | "grams" => (Kind::Weight, Decimal::ONE_THOUSAND),
        "kg" | "kilogram" | "kilograms" => (Kind::Weight, Decimal::from(1_000_000)),
        "oz" | "ounce" | "ounces" => (Kind::Weight, Decimal::new(28_349_523_125, 6)),
        "lb" | "lbs" | "pound" | "pounds" => (Kind::Weight, Decimal::new(453_592_370, 3)),
        "ml" | "milliliter" | "milliliters" => (Kind::Volume, Decimal::ONE),
        "cl" => (Kind::Volume, Decimal::TEN),
        "l" | "liter" | "liters" | "litre" | "litres" => (Kind::Volume, Decimal::ONE_THOUSAND),
        "floz" => (Kind::Volume, Decimal::new(295_735_295_625, 10)),
        "pk" | "pack" | "packs" | "ct" | "count" | "pc" | "pcs" | "piece" | "pieces" => {
            (Kind::Pieces, Decimal::ONE)
        }
        _ => return None,
    };
    amount.checked_mul(factor).map(|amount| Size { kind, amount })
}

/// Splits the number at the begin of a word from the rest: `3.5g`, `1/8oz`, `1,000mg`.
fn leading_number(word: &str) -> Option<(Decimal, &str)> {
    let end = word.find(|character: char| !character.is_ascii_digit() && !".,/".contains(character));
    let (number, rest) = word.split_at(end.unwrap_or(word.len()));
    let number = number.replace(',', "");
    let number = match number.split_once('/') {
        Some((part, whole)) => {
            let (part, whole): (Decimal, Decimal) = (part.parse().ok()?, whole.parse().ok()?);
            part.checked_div(whole)?
        }
        None => number.parse().ok()?,
    };
    Some((number, rest))
}

fn spoken_number(word: &str) -> Option<Decimal> {
    match word {
        "eighth" | "eighths" => Some(Decimal::new(125, 3)),
        "quarter" => Some(Decimal::new(25, 2)),
        "half" => Some(Decimal::new(5, 1)),
        "one" | "full" => Some(Decimal::ONE),
        "two" => Some(Decimal::TWO),
        _ => None,
    }
}

fn is_about(one: Decimal, other: Decimal) -> bool {
    let scaled = |amount: Decimal, per_mille: i64| amount.checked_mul(Decimal::from(per_mille));
    let allowed = scaled(one.max(other), TOLERANCE_PER_MILLE);
    let difference = scaled((one - other).abs(), 1_000);
    allowed.zip(difference).is_some_and(|(allowed, difference)| difference <= allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_equal_however_they_are_written() {
        for (one, other) in [
            ("3.5g", "1/8 oz"),
            ("3.5 grams", "1/8oz"),
            ("3.5G", "an eighth"),
            ("28 g", "1 oz"),
            ("28.35g", "one ounce"),
            ("14g", "½ oz"),
            ("1g", "One Gram"),
            ("0.5g", "half gram"),
            ("100mg", "0.1 g"),
            ("1,000mg", "1g"),
            ("10pk", "10 pack"),
            ("10 ct", "10-Pack"),
            ("10 x 0.5g", "5g"),
            ("10x0.5g", "0.5 g 10pk"),
            ("12 fl oz", "355ml"),
            ("12 fl. oz", "12floz"),
            ("2 L", "2000 ml"),
            ("16 oz", "1 lb"),
            ("10.00 Gram", "10g"),
        ] {
            assert_eq!(Sizes::split(one).0.agree(&Sizes::split(other).0), Some(true), "{one} and {other}");
        }
    }

    #[test]
    fn other_sizes_differ_and_other_kinds_say_nothing() {
        for (one, other, agree) in [
            ("3.5g", "7g", Some(false)),
            ("1g", "100mg", Some(false)),
            ("12 oz", "12 fl oz", None),
            ("3.5g", "10pk", None),
            ("Blue Dream", "3.5g", None),
            ("100mg 10pk", "100mg 20pk", Some(false)),
            ("Each", "1g", None),
        ] {
            assert_eq!(Sizes::split(one).0.agree(&Sizes::split(other).0), agree, "{one} and {other}");
        }
    }

    #[test]
    fn a_name_keeps_what_is_no_size() {
        for (name, rest) in [
            ("BG Chem-3.5g-20.9%THCa", "bg chem"),
            ("Afghani Shake - One Gram", "afghani shake"),
            ("Gelato #33 1/8 oz", "gelato 33"),
            ("Original 97 | 5 x 0.7g Pre-Rolls", "original 97 pre rolls"),
            ("Half & Half 1 pint", "half half 1 pint"),
            ("7 Up 12 fl oz", "7 up"),
            ("Quarter Pounder", "quarter pounder"),
            ("Vitamin B12 1000 mcg", "vitamin b12 1000 mcg"),
            ("THC 22.4 % Gelato", "thc gelato"),
            ("Gelato 22.4 % THC", "gelato"),
            ("2x2x2x2g", "2x2x2x2g"),
            ("Model X 5", "model x 5"),
        ] {
            assert_eq!(Sizes::split(name).1.join(" "), rest, "{name}");
        }
    }
}
