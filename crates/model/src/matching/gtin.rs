//! Global trade item numbers (GTIN): the digits of bar codes that name one trade item everywhere.

use crate::trimmed_code;
use std::fmt;

/// Error for a text that isn't a number of one trade item everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGtin {
    /// The text hasn't 8, 12, 13 or 14 digits.
    #[error("a GTIN has 8, 12, 13 or 14 digits")]
    Digits,
    /// The last digit doesn't check the others.
    #[error("the check digit of a GTIN is wrong")]
    CheckDigit,
    /// The number is one that shops give to their own items, or that isn't of an item.
    #[error("the number is of a range for a shop's own use, or for coupons")]
    NotGlobal,
}

/// A GTIN in its form of 14 digits, with a check digit that is right.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gtin([u8; Gtin::DIGITS]);

/// Begins of a GTIN of 13 digits that name no trade item everywhere (GS1's list of prefixes): restricted circulation
/// (02, 04, 2), coupons (05, 981 to 984, 99) and refund receipts (980).
const NOT_GLOBAL: [&str; 10] = ["02", "04", "05", "2", "980", "981", "982", "983", "984", "99"];

impl Gtin {
    const DIGITS: usize = 14;
    const SHORT_DIGITS: usize = 8;

    /// Parses a bar code: 8, 12, 13 or 14 digits, with spaces or hyphens between them. Eight digits that begin with 0
    /// are the short form of a number of 12 (UPC-E).
    ///
    /// # Errors
    ///
    /// Refuses another number of digits, a wrong check digit, and ranges whose numbers are only known in one shop.
    pub fn parse(text: &str) -> Result<Self, InvalidGtin> {
        let mut digits = Vec::with_capacity(Self::DIGITS);
        for character in trimmed_code(text).chars().filter(|character| ![' ', '-'].contains(character)) {
            let digit = character.to_digit(10).ok_or(InvalidGtin::Digits)?;
            digits.push(u8::try_from(digit).map_err(|_| InvalidGtin::Digits)?);
        }
        let digits = match digits[..] {
            [0, .., check] if digits.len() == Self::SHORT_DIGITS => expanded(&digits[1..7], check),
            _ if [8, 12, 13, 14].contains(&digits.len()) => digits,
            _ => return Err(InvalidGtin::Digits),
        };
        let mut number = [0; Self::DIGITS];
        number[Self::DIGITS - digits.len()..].copy_from_slice(&digits);
        let gtin = Self(number);
        if !gtin.is_checked() {
            return Err(InvalidGtin::CheckDigit);
        }
        if gtin.is_global() { Ok(gtin) } else { Err(InvalidGtin::NotGlobal) }
    }

    /// The sum of the digits, every second one three times, is a multiple of ten.
    fn is_checked(self) -> bool {
        let weighted =
            self.0.iter().zip([3, 1].into_iter().cycle()).map(|(digit, weight)| u32::from(*digit) * weight);
        weighted.sum::<u32>() % 10 == 0
    }

    fn is_global(self) -> bool {
        let text = self.to_string();
        let is_short = text.starts_with("000000");
        // The prefixes of a number of eight digits are its own first ones.
        let of_prefixes = if is_short { &text[6..] } else { &text[1..] };
        if is_short {
            !of_prefixes.starts_with(['0', '2'])
        } else {
            !NOT_GLOBAL.iter().any(|prefix| of_prefixes.starts_with(prefix))
        }
    }
}

/// The 12 digits of which eight, a 0, six digits and a check digit, are the short form: the last of the six says where
/// zeros were left out.
fn expanded(six: &[u8], check: u8) -> Vec<u8> {
    let zeros = |count: usize| vec![0; count];
    let last = six[5];
    let item = match last {
        0..=2 => [&six[..2], &[last], &zeros(4), &six[2..5]].concat(),
        3 => [&six[..3], &zeros(5), &six[3..5]].concat(),
        4 => [&six[..4], &zeros(5), &six[4..5]].concat(),
        _ => [&six[..5], &zeros(4), &six[5..]].concat(),
    };
    [&[0], item.as_slice(), &[check]].concat()
}

impl fmt::Display for Gtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|digit| write!(f, "{digit}"))
    }
}
impl fmt::Debug for Gtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_one_number_are_equal() {
        for (text, gtin) in [
            ("036000291452", "00036000291452"),
            ("0036000291452", "00036000291452"),
            ("00036000291452", "00036000291452"),
            (" 0-36000-29145-2 ", "00036000291452"),
            ("4006381333931", "04006381333931"),
            ("96385074", "00000096385074"),
            // UPC-E, and the number of 12 digits that it stands for.
            ("06543217", "00065100004327"),
            ("065100004327", "00065100004327"),
            ("04252614", "00042100005264"),
        ] {
            assert_eq!(Gtin::parse(text).map(|found| found.to_string()).as_deref(), Ok(gtin), "{text}");
        }
    }

    #[test]
    fn any_one_digit_that_is_wrong_is_noticed() {
        let right = "4006381333931";
        for at in 0..right.len() {
            for digit in '0'..='9' {
                let mut wrong: Vec<char> = right.chars().collect();
                if wrong[at] == digit {
                    continue;
                }
                wrong[at] = digit;
                let wrong: String = wrong.into_iter().collect();
                assert_eq!(Gtin::parse(&wrong), Err(InvalidGtin::CheckDigit), "{wrong}");
            }
        }
    }

    #[test]
    fn a_number_of_a_shop_or_of_nothing_is_refused() {
        for text in ["", "N/A", "1234567", "123456789012345", "12345678901", "ABC-35", "1A4040300003C35"] {
            assert_eq!(Gtin::parse(text), Err(InvalidGtin::Digits), "{text}");
        }
        for text in [
            "00000000",
            "000000000000",
            "0000000000000",
            "200000000004",
            "2000000000008",
            "20000004",
            "9800000000007",
            "412345678903",
            "212345678909",
            "9801234567892",
        ] {
            assert_eq!(Gtin::parse(text), Err(InvalidGtin::NotGlobal), "{text}");
        }
    }
}
