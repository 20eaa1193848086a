//! Display of foreign text: no part of it controls a terminal, or changes the order or position of displayed text.

use std::{borrow::Cow, fmt::Write as _};

/// Returns whether a character controls the display instead of being shown: control characters (terminals read commands
/// from them), controls of the writing direction, line separators, and characters that carry hidden text.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{206f}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Replaces each hidden character by a visible escape: `\n`, `\u{1b}`, `\u{202e}`. The result is always one line.
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |escaped, character| escaped.extend(character.escape_default()))
}

/// Replaces each hidden character of a JSON text by a JSON escape: `\u001b`, `\u202e`. The result parses to the same
/// value. The JSON must not be formatted over several lines.
pub fn visible_json(json: &str) -> Cow<'_, str> {
    escaped(json, |escaped, character| {
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a String can't fail.
            write!(escaped, "\\u{unit:04x}").ok();
        }
    })
}

fn escaped(text: &str, escape: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_hidden(character) { escape(&mut escaped, character) } else { escaped.push(character) }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_or_on_the_order_of_text_is_shown_as_an_escape() {
        let cases = [
            ("Tee 茶 🧉 – \u{200d}ü\\n", "Tee 茶 🧉 – \u{200d}ü\\n"),
            ("\u{1b}[31mred\u{1b}[0m", "\\u{1b}[31mred\\u{1b}[0m"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("\0\u{8}\u{7f}", "\\u{0}\\u{8}\\u{7f}"),
            ("\u{9b}31m\u{85}", "\\u{9b}31m\\u{85}"),
            ("\u{202e}gpj.exe", "\\u{202e}gpj.exe"),
            ("\u{202a}\u{202b}\u{202c}\u{202d}", "\\u{202a}\\u{202b}\\u{202c}\\u{202d}"),
            ("\u{2066}\u{2067}\u{2068}\u{2069}", "\\u{2066}\\u{2067}\\u{2068}\\u{2069}"),
            ("\u{200e}\u{200f}\u{61c}", "\\u{200e}\\u{200f}\\u{61c}"),
            ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
            ("\u{e0041}", "\\u{e0041}"),
        ];
        for (text, expected) in cases {
            assert_eq!(visible(text), expected, "{text:?}");
        }
    }

    #[test]
    fn every_character_is_shown_and_kept_apart_from_hidden_ones() {
        for character in '\0'..=char::MAX {
            let text = character.to_string();
            for shown in [visible(&text), visible_json(&text)] {
                assert!(!shown.contains(is_hidden), "{character:?}: {shown:?}");
                assert_eq!(shown == text, !is_hidden(character), "{character:?}: {shown:?}");
            }
        }
    }

    #[test]
    fn json_shows_them_by_its_own_escapes() {
        assert_eq!(
            visible_json("\"\u{9b}\u{202e}\u{e0041}\u{7f}é\""),
            r#""\u009b\u202e\udb40\udc41\u007fé""#
        );
    }
}
