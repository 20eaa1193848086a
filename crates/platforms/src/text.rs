//! Texts as platforms write them.

/// Marker for content that a JSON text can't hold as Unicode (half of a surrogate pair, bytes that aren't UTF-8): a
/// noncharacter, which no platform sends on purpose.
pub(crate) const UNREADABLE: char = '\u{ffff}';

/// Returns the text if all of it can be stored, else the reason.
pub(crate) fn readable(text: &str) -> Result<&str, &'static str> {
    if text.contains('\0') {
        // Postgres stores it neither in text nor in jsonb.
        return Err("a text holds the character U+0000");
    }
    if text.contains(UNREADABLE) {
        return Err("a text holds what is no Unicode, such as half of a surrogate pair");
    }
    Ok(text)
}

/// Returns true for a text that tills write where there is nothing to write.
pub(crate) fn is_placeholder(text: &str) -> bool {
    ["n/a", "n.d.", "null", "none", "-"]
        .iter()
        .any(|placeholder| text.trim().eq_ignore_ascii_case(placeholder))
}

/// Normalizes a merchant's number (SKU, bar code): removes surrounding white space, control and invisible characters;
/// `None` if nothing is left. The same for every platform, so that numbers of different platforms compare. Placeholders
/// are kept: [`model::sku_key`] recognizes them.
pub(crate) fn code(text: &str) -> Option<String> {
    Some(model::trimmed_code(text)).filter(|code| !code.is_empty()).map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_kept_is_named() {
        assert_eq!(readable("Tee\r\n茶 🧉"), Ok("Tee\r\n茶 🧉"));
        assert!(readable("Te\0a").unwrap_err().contains("U+0000"));
        assert!(readable("Te\u{ffff}a").unwrap_err().contains("surrogate"));
    }

    #[test]
    fn a_number_is_trimmed_and_a_placeholder_stays_what_it_is() {
        for (text, expected) in
            [(" SP-1 ", Some("SP-1")), ("\u{a0}\t", None), ("N/A", Some("N/A")), ("S P", Some("S P"))]
        {
            assert_eq!(code(text).as_deref(), expected, "{text:?}");
        }
    }
}
