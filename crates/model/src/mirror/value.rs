//! The values that mirrors hold and how they are compared.

use super::{FieldKey, MirrorKey};
use crate::{Money, ProductId, Quantity, VariantId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// A product's text as written, ends trimmed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProductText {
    /// Its name.
    pub title: Option<String>,
    /// Its description; `Some("")` is empty on purpose.
    pub description: Option<String>,
}

impl ProductText {
    /// The text, with the fields of `under` in place of those that it doesn't have.
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

/// A value that doesn't add up: of two, the later stands.
pub trait FieldValue: Clone + PartialEq + Eq + Serialize + DeserializeOwned {
    /// Our id of what has the value.
    type Internal: Clone + PartialEq + Eq + Serialize + DeserializeOwned;

    /// The key of a mirror that holds values of this kind, if it does.
    fn key(mirror: &MirrorKey) -> Option<&FieldKey>;

    /// Returns whether both say the same, however they are spaced.
    fn reads_like(&self, other: &Self) -> bool;

    /// The report `reported` in our own terms: what reads like the rendered form stands for what was rendered.
    fn unrendered(reported: &Self, held: &Held<Self>) -> Self;

    /// Returns whether `shown` may be a form in which a platform shows `written`, and nothing else was entered there: it
    /// says nothing that was not written.
    fn may_show(shown: &Self, written: &Self) -> bool;
}

/// What a platform holds: our value, and the form in which the platform shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "V: FieldValue")]
pub struct Held<V> {
    /// The value in our terms.
    pub value: V,
    /// The form in which the platform shows it, where that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rendered: Option<V>,
}

impl<V: FieldValue> Held<V> {
    /// What the platform holds is what it shows.
    pub const fn plain(value: V) -> Self {
        Self { value, rendered: None }
    }

    /// `value`, shown as `rendered`.
    pub fn shown(value: V, rendered: V) -> Self {
        let rendered = (!rendered.reads_like(&value)).then_some(rendered);
        Self { value, rendered }
    }

    /// What the platform shows.
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

    fn reads_like(&self, other: &Self) -> bool {
        self == other
    }

    fn unrendered(reported: &Self, held: &Held<Self>) -> Self {
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

    fn reads_like(&self, other: &Self) -> bool {
        same(self.title.as_ref(), other.title.as_ref())
            && same(self.description.as_ref(), other.description.as_ref())
    }

    fn unrendered(reported: &Self, held: &Held<Self>) -> Self {
        type Field = fn(&ProductText) -> &Option<String>;
        let field = |of: Field| {
            let (reported, shown) = (of(reported).as_ref(), of(held.shows()).as_ref());
            if same(reported, shown) { of(&held.value).clone() } else { reported.cloned() }
        };
        Self { title: field(|text| &text.title), description: field(|text| &text.description) }
    }

    /// A title may be cut off at its end, a description lose markup and the texts in it.
    fn may_show(shown: &Self, written: &Self) -> bool {
        let letters = |text: &Option<String>| letters(text.as_deref().unwrap_or_default());
        letters(&written.title).starts_with(&letters(&shown.title))
            && is_left_of(&letters(&shown.description), &letters(&written.description))
    }
}

/// The letters and digits of a text, without elements and character references.
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

/// Returns whether `part` is what is left of `whole` when some of its letters are taken out.
fn is_left_of(part: &str, whole: &str) -> bool {
    let mut whole = whole.chars();
    part.chars().all(|letter| whole.any(|other| other == letter))
}

/// Returns whether two texts say the same: runs of white space count as one space.
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
        assert!(text("Green  tea ", "a\r\nb").reads_like(&text("Green tea", "a b")));
        assert!(
            !text("Green tea", "").reads_like(&ProductText { description: None, ..text("Green tea", "") })
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
        let held = Held::shown(text("Tea", "<table>x</table>"), text("Tea", "x"));
        let reported = text("Better tea", "x");
        assert_eq!(ProductText::unrendered(&reported, &held), text("Better tea", "<table>x</table>"));
        assert_eq!(Held::shown(text("Tea", "a  b"), text("Tea", "a b")).rendered, None);
    }
}
