//! Lists in replies, split into their elements as the platform wrote them. A list of a whole shop is larger than a
//! payload: its values are never parsed all at once.

use crate::{BODY_BYTES_DEFAULT, CallError, Listed, Object, json};
use model::RawDigest;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::{borrow::Cow, collections::BTreeMap, fmt};

/// Upper limit of the elements of one list.
pub(crate) const ROWS_MAX: usize = 200_000;
/// Upper limit of one element, in bytes: that of a delivery.
pub(crate) const ROW_BYTES_MAX: usize = BODY_BYTES_DEFAULT;
/// The beginning of a key of an element that has no id.
const WITHOUT_ID: &str = "without an id: ";
/// Upper limit of a key, in bytes: that of an id in the model.
const KEY_BYTES_MAX: usize = 255;

/// The text of a reply. Bytes that aren't UTF-8 are replaced by what no text that is mapped may contain.
pub(crate) fn text(body: &[u8]) -> Cow<'_, str> {
    let body = json::without_mark(body);
    match std::str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(String::from_utf8_lossy(&json::with_readable_bytes(body)).into_owned()),
    }
}

/// The elements of a reply that is a list; a transient error if it is anything else, as a list is what was asked for.
pub(crate) fn rows(text: &str) -> Result<Vec<Row<'_>>, CallError> {
    let mut parser = serde_json::Deserializer::from_str(text);
    let rows = parser.deserialize_seq(Rows).and_then(|rows| parser.end().map(|()| rows));
    rows.map_err(|_| CallError::transient("the reply is no list, or one beyond all bounds"))
}

struct Rows;

impl<'de> Visitor<'de> for Rows {
    type Value = Vec<Row<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut rows = Vec::new();
        while let Some(element) = elements.next_element::<&RawValue>()? {
            if rows.len() == ROWS_MAX || element.get().len() > ROW_BYTES_MAX {
                return Err(A::Error::custom("too large"));
            }
            rows.push(Row(element));
        }
        Ok(rows)
    }
}

/// An element of a list, as the platform wrote it.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a>(&'a RawValue);

impl<'a> Row<'a> {
    /// Its JSON.
    pub(crate) fn json(self) -> &'a str {
        self.0.get()
    }

    /// Its fields; none if it is no object.
    pub(crate) fn fields(self) -> Fields<'a> {
        Fields(serde_json::from_str(self.0.get()).unwrap_or_default())
    }

    /// A key for an element that has no id: `map` rejects it, so that it becomes a dead letter instead of being lost.
    pub(crate) fn key_without_id(self) -> String {
        format!("{WITHOUT_ID}{}", RawDigest::of(self.0.get().as_bytes()))
    }
}

/// Returns true for a key of [`Row::key_without_id`].
pub(crate) fn is_without_id(key: &str) -> bool {
    key.starts_with(WITHOUT_ID)
}

/// The element that is the whole reply; `None` if that is no JSON.
pub(crate) fn only(text: &str) -> Option<Row<'_>> {
    serde_json::from_str(text).ok().map(Row)
}

/// The fields of an object, each as the platform wrote it.
#[derive(Default)]
pub(crate) struct Fields<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    /// The fields of a reply that is an object; none if it is anything else.
    pub(crate) fn of(text: &'a str) -> Self {
        Self(serde_json::from_str(text).unwrap_or_default())
    }

    /// The JSON of the value under `key`.
    pub(crate) fn json(&self, key: &str) -> Option<&'a str> {
        self.0.get(key).map(|value| value.get())
    }

    /// The id under `key`, a text or a whole number; `None` if there is none.
    pub(crate) fn id(&self, key: &str) -> Option<String> {
        let value = self.json(key)?;
        let id = match value.as_bytes().first()? {
            b'"' => serde_json::from_str::<String>(value).ok()?.trim().to_owned(),
            _ if value.bytes().all(|byte| byte.is_ascii_digit()) => value.to_owned(),
            _ => return None,
        };
        (1..=KEY_BYTES_MAX).contains(&id.len()).then_some(id)
    }

    /// The object with none but these fields, in the order of their names.
    pub(crate) fn kept(&self, names: &[&str]) -> String {
        let kept: BTreeMap<&str, &RawValue> = self
            .0
            .iter()
            .filter(|(name, _)| names.contains(&name.as_str()))
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        // A map of texts to valid JSON is written without an error.
        serde_json::to_string(&kept).unwrap_or_default()
    }
}

/// One object for each row, with the id under `id` as its key; with none but the fields in `kept`, if that is given.
pub(crate) fn objects(topic: &'static str, id: &str, rows: &[Row<'_>], kept: Option<&[&str]>) -> Vec<Listed> {
    let listed = |row: &Row<'_>| {
        let fields = row.fields();
        let key = fields.id(id).unwrap_or_else(|| row.key_without_id());
        let body = kept.map_or_else(|| row.json().to_owned(), |kept| fields.kept(kept)).into_bytes();
        Listed { key, object: Object { topic, body } }
    };
    rows.iter().map(listed).collect()
}

/// The JSON of an object with the rows that belong to it, and its id, if it has one: name and JSON of the field. The rows
/// are sorted, so that another order of the same list is no other object.
pub(crate) fn grouped(id: Option<(&str, &str)>, mut rows: Vec<String>) -> Vec<u8> {
    rows.sort_unstable();
    let id = id.map(|(name, id)| format!("\"{name}\":{id},")).unwrap_or_default();
    format!("{{{id}\"rows\":[{}]}}", rows.join(",")).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_elements_of_a_list_are_as_they_were_written() {
        let found = rows(" [ {\"a\": 1.50 , \"b\":[1, 2]}, null,\"x\" ] ").unwrap();
        let written: Vec<&str> = found.iter().map(|row| row.json()).collect();
        assert_eq!(written, ["{\"a\": 1.50 , \"b\":[1, 2]}", "null", "\"x\""]);
        assert_eq!(found[0].fields().kept(&["a", "c"]), "{\"a\":1.50}");
        assert_eq!(found[1].fields().json("a"), None);
    }

    #[test]
    fn what_is_no_list_is_asked_for_again() {
        for text in ["", "{}", "null", "\"x\"", "<html>", "[1", "[1] [2]", "[1,]"] {
            assert!(matches!(rows(text), Err(CallError::Transient { .. })), "{text}");
        }
        assert!(rows("[]").unwrap().is_empty());
    }

    #[test]
    fn a_list_has_limits() {
        let zeros = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert_eq!(rows(&zeros(ROWS_MAX)).unwrap().len(), ROWS_MAX);
        assert!(rows(&zeros(ROWS_MAX + 1)).is_err());
        let long = |length: usize| format!("[\"{}\"]", "x".repeat(length - 2));
        assert!(rows(&long(ROW_BYTES_MAX)).is_ok());
        assert!(rows(&long(ROW_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn an_id_is_a_text_or_a_whole_number() {
        let id = |value: &str| {
            let text = format!("{{\"id\":{value}}}");
            Fields::of(&text).id("id")
        };
        assert_eq!(id("171097").as_deref(), Some("171097"));
        assert_eq!(id("\" b19211ed \"").as_deref(), Some("b19211ed"));
        for value in ["null", "\"\"", "\" \"", "1.5", "-1", "{}", "[1]", &format!("\"{}\"", "x".repeat(256))]
        {
            assert_eq!(id(value), None, "{value}");
        }
        assert_eq!(Fields::of("[1]").id("id"), None);
    }

    #[test]
    fn bytes_that_are_no_text_leave_the_rest_of_a_list_as_it_is() {
        let text = text(b"\xef\xbb\xbf[{\"id\":1,\"name\":\"caf\xe9\"},{\"id\":2}]");
        assert_eq!(rows(&text).unwrap()[1].fields().id("id").as_deref(), Some("2"));
    }

    #[test]
    fn the_order_of_rows_makes_no_other_object() {
        let object = |rows: [&str; 2]| grouped(Some(("id", "7")), rows.map(str::to_owned).to_vec());
        assert_eq!(object(["1", "2"]), b"{\"id\":7,\"rows\":[1,2]}");
        assert_eq!(object(["2", "1"]), object(["1", "2"]));
        assert_eq!(grouped(None, Vec::new()), b"{\"rows\":[]}");
    }
}
