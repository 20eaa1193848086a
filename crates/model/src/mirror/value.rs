//! The values of mirrors, and their comparison.

use super::{FieldKey, MirrorKey};
use crate::{Money, ProductId, Quantity, VariantId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// A product's text as written, with its ends trimmed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProductText {
    /// The title.
    pub title: Option<String>,
    /// The description; `Some("")` is empty on purpose.
    pub description: Option<String>,
}

impl ProductText {
    /// Returns the text with its missing fields taken from `under`.
    #[must_use]
    pub fn over(self, under: Option<&Self>) -> Self {
        Self {
            title: self.title.or_else(|| under?.title.clone()),
            description: self.description.or_else(|| under?.description.clone()),
        }
    }
}

/// A value of any kind of mirror, for calls and for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MirrorValue {
    /// A level.
    Quantity(Quantity),
    /// A price.
    Price(Money),
    /// A product's text.
    Text(ProductText),
}

/// A value that isn't additive: the later of two stands.
pub trait FieldValue: Clone + PartialEq + Eq + Serialize + DeserializeOwned {
    /// Our id of the object with the value.
    type Internal: Clone + PartialEq + Eq + Serialize + DeserializeOwned;

    /// Returns the key, if the mirror holds values of this kind.
    fn key(mirror: &MirrorKey) -> Option<&FieldKey>;

    /// Returns whether both have the same content, apart from white space.
    fn is_equivalent(&self, other: &Self) -> bool;

    /// Returns the report `reported` in our own terms: a field that equals the rendered form stands for the value
    /// that was rendered.
    fn unrendered(reported: &Self, held: &PlatformValue<Self>) -> Self;

    /// Returns whether `shown` may be the platform's form of `written`, with nothing else entered there: it contains
    /// nothing that was not written.
    fn may_show(shown: &Self, written: &Self) -> bool;
}

/// The value that a platform holds: our form, and the form shown by the platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "V: FieldValue")]
pub struct PlatformValue<V> {
    /// The value in our form.
    pub value: V,
    /// The form shown by the platform, if it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rendered: Option<V>,
}

impl<V: FieldValue> PlatformValue<V> {
    /// Returns a value that the platform shows unchanged.
    pub const fn plain(value: V) -> Self {
        Self { value, rendered: None }
    }

    /// Returns `value`, shown by the platform as `rendered`.
    pub fn shown(value: V, rendered: V) -> Self {
        let rendered = (!rendered.is_equivalent(&value)).then_some(rendered);
        Self { value, rendered }
    }

    /// Returns the form shown by the platform.
    pub fn shows(&self) -> &V {
        self.rendered.as_ref().unwrap_or(&self.value)
    }
}

impl FieldValue for Money {
    type Internal = VariantId;

    fn key(mirror: &MirrorKey) -> Option<&FieldKey> {
        match mirror {
            MirrorKey::Price(key) => Some(key),
            MirrorKey::Level(_) | MirrorKey::Text(_) => None,
        }
    }

    fn is_equivalent(&self, other: &Self) -> bool {
        self == other
    }

    fn unrendered(reported: &Self, held: &PlatformValue<Self>) -> Self {
        if reported == held.shows() { held.value } else { *reported }
    }

    fn may_show(shown: &Self, written: &Self) -> bool {
        shown == written
    }
}

impl FieldValue for ProductText {
    type Internal = ProductId;

    fn key(mirror: &MirrorKey) -> Option<&FieldKey> {
        match mirror {
            MirrorKey::Text(key) => Some(key),
            MirrorKey::Level(_) | MirrorKey::Price(_) => None,
        }
    }

    fn is_equivalent(&self, other: &Self) -> bool {
        same(self.title.as_ref(), other.title.as_ref())
            && same(self.description.as_ref(), other.description.as_ref())
    }

    fn unrendered(reported: &Self, held: &PlatformValue<Self>) -> Self {
        type Field = fn(&ProductText) -> &Option<String>;
        let field = |of: Field| {
            let (reported, shown) = (of(reported).as_ref(), of(held.shows()).as_ref());
            if same(reported, shown) { of(&held.value).clone() } else { reported.cloned() }
        };
        Self { title: field(|text| &text.title), description: field(|text| &text.description) }
    }

    /// Allows a title that is cut off at its end, and a description without some of its markup and text.
    fn may_show(shown: &Self, written: &Self) -> bool {
        let letters = |text: &Option<String>| letters(text.as_deref().unwrap_or_default());
        letters(&written.title).starts_with(&letters(&shown.title))
            && is_left_of(&letters(&shown.description), &letters(&written.description))
    }
}

/// Returns the letters and digits of a text, without elements and character references.
fn letters(text: &str) -> String {
    let (mut letters, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        let behind = &rest[first.len_utf8()..];
        let end = match first {
            '<' if behind.starts_with(|next: char| next.is_ascii_alphabetic() || "/!".contains(next)) => {
                behind.find('>')
            }
            '&' => behind.find(|next: char| !next.is_ascii_alphanumeric() && next != '#'),
            _ => None,
        };
        rest = match end {
            Some(end) if first == '<' || behind[end..].starts_with(';') => &behind[end + 1..],
            _ => {
                letters.extend(first.is_alphanumeric().then_some(first));
                behind
            }
        };
    }
    letters
}

/// Returns whether `part` is `whole` with some of its letters removed.
fn is_left_of(part: &str, whole: &str) -> bool {
    let mut whole = whole.chars();
    part.chars().all(|letter| whole.any(|other| other == letter))
}

/// Returns whether two texts are equal, with each run of white space counted as one space.
fn same(one: Option<&String>, other: Option<&String>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.split_whitespace().eq(other.split_whitespace()),
        (None, None) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(title: &str, description: &str) -> ProductText {
        ProductText { title: Some(title.to_owned()), description: Some(description.to_owned()) }
    }

    #[test]
    fn texts_that_differ_in_white_space_alone_read_alike() {
        assert!(text("Green  tea ", "a\r\nb").is_equivalent(&text("Green tea", "a b")));
        assert!(
            !text("Green tea", "").is_equivalent(&ProductText { description: None, ..text("Green tea", "") })
        );
    }

    #[test]
    fn a_platform_may_show_less_of_what_was_written_and_nothing_else() {
        let written = text("Tea, 100 g", "<p>Fine &amp; green</p><table><tr><td>hot</td></tr></table> <3");
        let shown = [
            ("Tea, 100 g", "<p>Fine & green</p> <3"),
            ("Tea, 100", "Fine &amp; green\nhot &lt;3"),
            (" Tea,", "<b>Fine</b> 3"),
            ("Tea, 100 g", ""),
        ];
        for (title, description) in shown {
            assert!(ProductText::may_show(&text(title, description), &written), "{title}: {description}");
        }
        let entered = [
            ("Tea, 200 g", "<p>Fine & green</p>"),
            ("100 g", "<p>Fine & green</p>"),
            ("Tea, 100 g", "<p>Very fine & green</p>"),
            ("Tea, 100 g", "green, fine"),
            ("Tea, 100 g, new", ""),
        ];
        for (title, description) in entered {
            assert!(!ProductText::may_show(&text(title, description), &written), "{title}: {description}");
        }
    }

    #[test]
    fn a_field_that_shows_the_rendered_form_stands_for_what_was_written() {
        let held = PlatformValue::shown(text("Tea", "<table>x</table>"), text("Tea", "x"));
        let reported = text("Better tea", "x");
        assert_eq!(ProductText::unrendered(&reported, &held), text("Better tea", "<table>x</table>"));
        assert_eq!(PlatformValue::shown(text("Tea", "a  b"), text("Tea", "a b")).rendered, None);
    }
}
