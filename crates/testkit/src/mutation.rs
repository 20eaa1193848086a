//! Malformed payloads: a seeded generator that changes bytes and JSON values.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;

/// JSON texts that a reader may fail on, whatever value they replace.
const VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "[]",
    "{}",
    "[null]",
    "[[[]]]",
    "{\"\":null}",
    "0",
    "-0",
    "-0.0",
    "1",
    "-1",
    "7",
    "0.1",
    "1e3",
    "1E-7",
    "1e308",
    "-1e308",
    "1e400",
    "2147483647",
    "2147483648",
    "-2147483649",
    "999999999",
    "1000000000",
    "-1000000000",
    "1000000001",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "999999999999999999999999999999",
    "\"\"",
    "\" \"",
    "\"\\u0000\"",
    "\"a\\u0000b\"",
    "\"\\ud83d\"",
    "\"x\\udc00y\"",
    "\"\\t\\r\\n\"",
    "\"\u{a0}x\u{a0}\"",
    "\"\u{feff}\"",
    "\"\u{1f381}e\u{301}\"",
    "\"N/A\"",
    "\"none\"",
    "\"-\"",
    "\"0\"",
    "\"null\"",
    "\"NaN\"",
    "\"Infinity\"",
    "\"1e3\"",
    "\"-1.005\"",
    "\"12,50\"",
    "\"9999999999999999999.99\"",
    "\"0.0000001\"",
    "\"2026-11-01T10:00:00Z\"",
    "\"9999-12-31T23:59:59Z\"",
    "\"0000-00-00T00:00:00Z\"",
    "\"-262143-01-01T00:00:00Z\"",
    "\"1969-12-31T23:59:59-14:00\"",
    "\"2026-02-30T00:00:00Z\"",
    "\"2026-11-01T23:59:60Z\"",
    "\"yesterday\"",
    "\"USD\"",
    "\"usd\"",
    "\"XXX\"",
    "\"JPY\"",
    "\"' OR 1=1 --\"",
];
/// Bytes that a reader may fail on.
const BYTES: &[&[u8]] = &[
    b"\0",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\\u0000",
    b"\\ud83d",
    b"\\",
    b"\"",
    b"{",
    b"]",
    b",",
    b"\n",
    b"1e999",
];
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Lengths of long strings; the last one is rare.
const LONG: &[usize] = &[256, 2_705, 3_000, 5_000, 70_000];
/// Numbers of elements, and depths of nesting.
const MANY: &[usize] = &[2, 3, 64, 65, 128, 300];
/// Delimits a placeholder for the JSON text of an index; a private-use character that no example contains.
const STANDS_FOR: &str = "\u{e000}";
/// Prefix of a key that is a second one of the same name.
const TWIN: &str = "\u{e001}";

/// Changes payloads; the same seed and the same payloads give the same results.
pub struct Mutator(StdRng);

impl Mutator {
    /// Creates a generator with this seed.
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// Returns a number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0.random_range(0..limit)
    }

    /// Returns `count` letters and digits, which hardly compress.
    pub fn letters(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(LETTERS[self.below(LETTERS.len())])).collect()
    }

    /// Returns the payload with one to three JSON values changed, or bytes, or both. Keys that `schema` names are
    /// changed more often than others, which are hardly read.
    pub fn mutate(&mut self, body: &[u8], schema: &str) -> Vec<u8> {
        let mut bytes = body.to_vec();
        let of_bytes = self.below(4) == 0;
        let of_values = !of_bytes || self.below(3) == 0;
        if of_values && let Ok(mut value) = serde_json::from_slice(body) {
            let mut texts = Vec::new();
            for _ in 0..=self.below(3).min(self.below(3)) {
                self.change(&mut value, schema, &mut texts);
            }
            bytes = written(&value, &texts);
        }
        if of_bytes {
            for _ in 0..=self.below(2) {
                self.change_bytes(&mut bytes);
            }
        }
        bytes
    }

    fn change(&mut self, root: &mut Value, schema: &str, texts: &mut Vec<String>) {
        let mut chosen = self.below(nodes(root));
        if self.below(4) > 0 {
            let named = numbers_of(root, &|key| schema.contains(&format!("\"{key}\"")));
            chosen = named.get(self.below(named.len().max(1))).copied().unwrap_or(chosen);
        }
        let other = self.below(nodes(root));
        match self.below(10) {
            0..=4 => *node(root, chosen) = self.value(texts),
            5 => self.remove(node(root, chosen)),
            6 => self.double(node(root, chosen), texts),
            7 => self.rename(node(root, chosen)),
            8 => {
                let copy = node(root, other).clone();
                *node(root, chosen) = copy;
            }
            _ => self.nudge(node(root, chosen)),
        }
    }

    /// Returns a placeholder for one of the values, or for a long or deep one.
    fn value(&mut self, texts: &mut Vec<String>) -> Value {
        let many = MANY[self.below(MANY.len())];
        let text = match self.below(12) {
            0 => {
                let rare = usize::from(self.below(10) == 0);
                let length = LONG[self.below(LONG.len() - 1 + rare)];
                format!("\"{}\"", self.letters(length))
            }
            1 => format!("{}{}", "[".repeat(many), "]".repeat(many)),
            2 => format!("[{}]", vec!["{\"id\":1}"; many].join(",")),
            _ => VALUES[self.below(VALUES.len())].to_owned(),
        };
        texts.push(text);
        Value::String(format!("{STANDS_FOR}{}{STANDS_FOR}", texts.len() - 1))
    }

    fn remove(&mut self, of: &mut Value) {
        match of {
            Value::Object(fields) if !fields.is_empty() => {
                let key = fields.keys().nth(self.below(fields.len())).cloned().unwrap_or_default();
                fields.remove(&key);
            }
            Value::Array(elements) if !elements.is_empty() => {
                elements.remove(self.below(elements.len()));
            }
            other => *other = Value::Null,
        }
    }

    /// Adds a second key of the same name, or many copies of an element.
    fn double(&mut self, of: &mut Value, texts: &mut Vec<String>) {
        match of {
            Value::Object(fields) if !fields.is_empty() => {
                let key = fields.keys().nth(self.below(fields.len())).cloned().unwrap_or_default();
                fields.insert(format!("{TWIN}{key}"), self.value(texts));
            }
            Value::Array(elements) if !elements.is_empty() => {
                let element = elements[self.below(elements.len())].clone();
                elements.extend(vec![element; MANY[self.below(MANY.len())]]);
            }
            other => *other = Value::Array(vec![other.clone()]),
        }
    }

    fn rename(&mut self, of: &mut Value) {
        let Value::Object(fields) = of else { return };
        let key = fields.keys().nth(self.below(fields.len().max(1))).cloned().unwrap_or_default();
        if let Some(value) = fields.remove(&key) {
            fields.insert(format!("{key}_"), value);
        }
    }

    /// Changes a value slightly.
    fn nudge(&mut self, of: &mut Value) {
        match of {
            Value::Number(number) => {
                if let Some(whole) = number.as_i64() {
                    *of = whole.wrapping_add([-1, 1, 10][self.below(3)]).into();
                }
            }
            Value::String(text) => match self.below(4) {
                0 => text.push(' '),
                1 => *text = text.to_uppercase(),
                2 => text.insert(0, '\t'),
                _ => *text = text.replace('0', "1"),
            },
            Value::Bool(flag) => *flag = !*flag,
            Value::Null | Value::Array(_) | Value::Object(_) => {}
        }
    }

    fn change_bytes(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let at = self.below(bytes.len());
        let end = (at + 1 + self.below(40)).min(bytes.len());
        match self.below(6) {
            0 => bytes[at] ^= 1 << self.below(8),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            4 => {
                let inserted = BYTES[self.below(BYTES.len())];
                bytes.splice(at..at, inserted.iter().copied());
            }
            _ => {
                let prefix = BYTES[self.below(BYTES.len())];
                bytes.splice(0..0, prefix.iter().copied());
            }
        }
    }
}

/// The number of values in `value`, itself included.
fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(elements) => elements.iter().map(nodes).sum(),
        Value::Object(fields) => fields.values().map(nodes).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// The numbers of the values under the wanted keys, counted depth first.
fn numbers_of(root: &Value, wanted: &dyn Fn(&str) -> bool) -> Vec<usize> {
    fn walk(value: &Value, next: &mut usize, wanted: &dyn Fn(&str) -> bool, found: &mut Vec<usize>) {
        *next += 1;
        match value {
            Value::Array(elements) => elements.iter().for_each(|one| walk(one, next, wanted, found)),
            Value::Object(fields) => {
                for (key, value) in fields {
                    if wanted(key) {
                        found.push(*next);
                    }
                    walk(value, next, wanted, found);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let (mut next, mut found) = (0, Vec::new());
    walk(root, &mut next, wanted, &mut found);
    found
}

/// The value with this number, counted depth first.
fn node(value: &mut Value, number: usize) -> &mut Value {
    if number == 0 {
        return value;
    }
    let children: Vec<&mut Value> = match value {
        Value::Array(elements) => elements.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    let mut left = number - 1;
    for child in children {
        let size = nodes(child);
        if left < size {
            return node(child, left);
        }
        left -= size;
    }
    panic!("there are fewer values than {number}")
}

fn written(value: &Value, texts: &[String]) -> Vec<u8> {
    let mut json = value.to_string().replace(TWIN, "");
    for (index, text) in texts.iter().enumerate() {
        json = json.replace(&format!("\"{STANDS_FOR}{index}{STANDS_FOR}\""), text);
    }
    json.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":7,"title":"Tea","variants":[{"sku":"T-1","price":"9.50"}],"tags":null}"#;

    #[test]
    fn the_same_seed_gives_the_same_payloads_and_another_seed_others() {
        let made = |seed| {
            let mut mutator = Mutator::new(seed);
            (0..200).map(|_| mutator.mutate(BODY, "{\"sku\":{}}")).collect::<Vec<_>>()
        };
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
    }

    #[test]
    fn values_keys_bytes_and_sizes_are_all_changed() {
        let mut mutator = Mutator::new(1);
        let made: Vec<Vec<u8>> = (0..5000).map(|_| mutator.mutate(BODY, "{\"sku\":{}}")).collect();
        let some = |found: &dyn Fn(&[u8]) -> bool| made.iter().filter(|body| found(body)).count() > 10;
        let has = |part: &'static [u8]| move |body: &[u8]| body.windows(part.len()).any(|at| at == part);
        assert!(some(&|body| serde_json::from_slice::<Value>(body).is_err()));
        assert!(some(&|body| serde_json::from_slice::<Value>(body).is_ok_and(|value| value.is_object())));
        assert!(some(&has(b"\\u0000")) && some(&has(b"\\ud83d")) && some(&has(b"1e400")));
        assert!(some(&|body| body.len() > BODY.len() + 2_705) && some(&has(&[b'['; 128])));
        assert!(some(&|body| body.len() < BODY.len() / 2) && some(&|body| body.len() > 1000));
        let replaced = |key: &str| {
            let of = |body: &Value| body.pointer(key).cloned();
            let whole = of(&serde_json::from_slice(BODY).expect("JSON"));
            let values = made.iter().filter_map(|body| serde_json::from_slice(body).ok());
            values.filter(|body| of(body) != whole).count()
        };
        assert!(replaced("/variants/0/sku") > 2 * replaced("/title"), "what the schema names");
        let titles = |body: &[u8]| body.windows(8).filter(|at| at == b"\"title\":").count();
        assert!(some(&move |body| titles(body) == 0) && some(&move |body| titles(body) == 2));
    }
}
