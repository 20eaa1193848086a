//! Merchants' own numbers (SKUs, bar codes): their normal form, and which of them identify a variant.

/// Placeholders that people and importers enter where there is no number, in lower case.
const PLACEHOLDERS: [&str; 22] = [
    "n/a",
    "n.a.",
    "n.a",
    "na",
    "none",
    "no",
    "null",
    "nil",
    "nan",
    "undefined",
    "unknown",
    "tbd",
    "tba",
    "empty",
    "blank",
    "missing",
    "default",
    "no sku",
    "no-sku",
    "nosku",
    "not applicable",
    "not available",
];

/// Characters that are never displayed: they are copied along with a number, but are part of none.
const INVISIBLE: [char; 5] = ['\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{feff}'];

/// Returns a number without white space, control characters and invisible characters at both ends; may be empty.
pub fn trimmed_code(text: &str) -> &str {
    text.trim_matches(|letter: char| {
        letter.is_whitespace() || letter.is_control() || INVISIBLE.contains(&letter)
    })
}

/// Returns the form of a number by which variants of different platforms are compared: trimmed, with case and inner
/// white space unchanged. `None` for a number that identifies nothing: blank, without a letter or digit, only zeros, or
/// a placeholder such as `N/A`.
pub fn sku_key(text: &str) -> Option<String> {
    let code = trimmed_code(text);
    let means_something = code.chars().any(|letter| letter.is_alphanumeric() && letter != '0');
    let is_placeholder = PLACEHOLDERS.contains(&code.to_lowercase().as_str());
    (means_something && !is_placeholder).then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_compared_without_what_surrounds_it() {
        for text in ["SP-1", " SP-1 ", "SP-1\u{a0}", "\u{feff}SP-1\r\n", "\tSP-1\u{200b}\u{7f}"] {
            assert_eq!(sku_key(text).as_deref(), Some("SP-1"), "{text:?}");
        }
        assert_eq!(sku_key("sp-1").as_deref(), Some("sp-1"), "numbers differ by case");
        assert_eq!(sku_key("SP  1").as_deref(), Some("SP  1"), "so does white space within");
    }

    #[test]
    fn a_placeholder_identifies_nothing() {
        let placeholders = [
            "", " ", "\u{3000}", "N/A", "n/a ", "None", "-", "--", "0", "000", "0-0", "null", "TBD", ".", "?",
        ];
        for text in placeholders {
            assert_eq!(sku_key(text), None, "{text:?}");
        }
        for text in ["00001", "0A", "NA-1", "none-of-them", "茶-1", "7"] {
            assert!(sku_key(text).is_some(), "{text:?}");
        }
    }
}
