//! The tokens in cases: they stand for texts that differ from run to run and from case to case.

use model::Timestamp;
use serde_json::{Map, Value};
use std::time::{SystemTime, UNIX_EPOCH};
use testkit::Mutator;

/// Values of the tokens of one case.
pub(super) struct Tokens {
    /// `@run`: a text that is unique to this case.
    pub(super) run: String,
    /// `@id:<n>` is this plus `n`; `@n:<n>` is that plus the number of the copy.
    pub(super) base: u64,
    /// `@store`: the store's id.
    pub(super) store: String,
    /// `@main:<platform>`: the platform's id of the store's location.
    pub(super) main: fn(&str) -> String,
}

impl Tokens {
    /// The text with its tokens replaced; `copy` is the number of the copy that it is in.
    pub(super) fn text(&self, text: &str, copy: Option<u64>) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('@') {
            filled.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            match self.token(rest, copy) {
                Some((value, length)) => {
                    filled.push_str(&value);
                    rest = &rest[length..];
                }
                None => filled.push('@'),
            }
        }
        filled + rest
    }

    /// The same in a JSON value; a text that consists only of a number's token becomes a number.
    pub(super) fn value(&self, value: &Value, copy: Option<u64>) -> Value {
        match value {
            Value::Object(fields) => {
                let fields = fields.iter().map(|(key, value)| (key.clone(), self.value(value, copy)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            Value::Array(elements) => elements.iter().map(|element| self.value(element, copy)).collect(),
            Value::String(text) => {
                let filled = self.text(text, copy);
                let is_number = ["@id:", "@n:", "@main:shopify"].iter().any(|token| text.starts_with(token));
                match filled.parse::<u64>() {
                    Ok(number) if is_number => number.into(),
                    Ok(_) | Err(_) => Value::String(filled),
                }
            }
            other => other.clone(),
        }
    }

    /// The value of the token that `rest` begins with, and its length.
    fn token(&self, rest: &str, copy: Option<u64>) -> Option<(String, usize)> {
        let length = |text: &str, part: fn(&char) -> bool| text.chars().take_while(part).count();
        let letters = length(rest, char::is_ascii_lowercase);
        let behind = rest[letters..].strip_prefix(':');
        let digits = behind.map_or(0, |behind| length(behind, char::is_ascii_digit));
        let number = behind.and_then(|behind| behind[..digits].parse::<u64>().ok());
        let with_number = letters + 1 + digits;
        Some(match (&rest[..letters], number, copy) {
            ("run", _, _) => (self.run.clone(), letters),
            ("store", _, _) => (self.store.clone(), letters),
            ("now", _, _) => (now(), letters),
            ("id", Some(number), _) => ((self.base + number).to_string(), with_number),
            ("n", Some(number), Some(copy)) => ((self.base + number + copy).to_string(), with_number),
            ("n", None, Some(copy)) => (copy.to_string(), letters),
            ("pad", Some(number), _) => ("x".repeat(usize::try_from(number).ok()?), with_number),
            ("random", Some(number), _) => {
                let letters = Mutator::new(self.base + number).letters(usize::try_from(number).ok()?);
                (letters, with_number)
            }
            ("main", _, _) => {
                let platform = behind?;
                let name = length(platform, char::is_ascii_lowercase);
                ((self.main)(&platform[..name]), letters + 1 + name)
            }
            _ => return None,
        })
    }
}

fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock past 1970");
    Timestamp::from_micros(i64::try_from(since.as_micros()).expect("a year with four digits")).to_string()
}

#[test]
fn tokens_are_replaced_and_everything_else_stays() {
    let main = |platform: &str| if platform == "shopify" { "7".to_owned() } else { "L".to_owned() };
    let tokens = Tokens { run: "r".to_owned(), base: 1000, store: "s".to_owned(), main };
    for (text, filled) in [
        ("#@run-1", "#r-1"),
        ("'@id:12','@id:3'", "'1012','1003'"),
        ("ada@example.com", "ada@example.com"),
        ("V@run-@n", "Vr-4"),
        ("@n:20", "1024"),
        ("@pad:3!", "xxx!"),
        ("store='@store'", "store='s'"),
        ("@main:square|@main:shopify|", "L|7|"),
    ] {
        assert_eq!(tokens.text(text, Some(4)), filled);
    }
    assert_eq!(tokens.text("@random:40", None).len(), 40);
    let value = serde_json::json!({"a": ["@id:1", "x@id:1", "@main:shopify"], "b": null});
    assert_eq!(tokens.value(&value, None), serde_json::json!({"a": [1001, "x1001", 7], "b": null}));
}
