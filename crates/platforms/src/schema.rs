//! JSON Schema first: a payload that isn't what the platform documents is never mapped.

use crate::{Platform, Topic};
use serde_json::Value;
use stage::{Reject, RejectClass};
use std::collections::HashMap;

/// How deep a payload may nest. What is deeper is refused before it is read as a value.
pub const MAX_DEPTH: usize = 64;

/// The compiled schemas of one platform.
pub struct Validator {
    topics: HashMap<&'static str, (Topic, jsonschema::Validator)>,
}

/// A schema of ours that isn't one: a mistake in this repository.
#[derive(Debug, thiserror::Error)]
#[error("the schema of {platform} {topic} is invalid: {reason}")]
pub struct InvalidSchema {
    platform: &'static str,
    topic: &'static str,
    reason: String,
}

impl Validator {
    /// Compiles every schema of `platform`.
    pub fn of(platform: &dyn Platform) -> Result<Self, InvalidSchema> {
        let compile = |topic: &Topic| {
            let invalid =
                |reason: String| InvalidSchema { platform: platform.name(), topic: topic.name, reason };
            let schema: Value =
                serde_json::from_str(topic.schema).map_err(|error| invalid(error.to_string()))?;
            let validator =
                jsonschema::draft202012::new(&schema).map_err(|error| invalid(error.to_string()))?;
            Ok((topic.name, (*topic, validator)))
        };
        Ok(Self { topics: platform.topics().iter().map(compile).collect::<Result<_, _>>()? })
    }

    /// The topic of that name.
    pub fn topic(&self, name: &str) -> Option<Topic> {
        self.topics.get(name).map(|(topic, _)| *topic)
    }

    /// Reads `body` as JSON and holds it against the schema of `topic`.
    pub fn read(&self, topic: &str, body: &[u8]) -> Result<Value, Reject> {
        let Some((_, validator)) = self.topics.get(topic) else {
            return Err(Reject::new(RejectClass::Schema, format!("no schema for the topic {topic:?}")));
        };
        let shape = Shape::of(body);
        if shape.depth > MAX_DEPTH {
            return Err(Reject::new(RejectClass::Schema, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        // Postgres keeps U+0000 neither in text nor in jsonb: what holds one could never be recorded.
        if shape.has_nul {
            return Err(Reject::new(RejectClass::Data, "a text holds the character U+0000"));
        }
        let value: Value = serde_json::from_slice(body).map_err(|error| {
            let reason = format!("not JSON: line {} column {}", error.line(), error.column());
            Reject::new(RejectClass::Schema, reason)
        })?;
        let violation = validator.iter_errors(&value).next().map(|error| {
            let reason = format!("violates {}", error.schema_path());
            Reject::at(RejectClass::Schema, error.instance_path().to_string(), reason)
        });
        violation.map_or(Ok(value), Err)
    }
}

/// What can be told of a body without reading it as a value.
struct Shape {
    /// How deep brackets nest, strings left out.
    depth: usize,
    /// Whether a string has the escape of U+0000; JSON has no other way to write that character.
    has_nul: bool,
}

impl Shape {
    fn of(body: &[u8]) -> Self {
        let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
        let mut shape = Self { depth: 0, has_nul: false };
        for (index, byte) in body.iter().enumerate() {
            match byte {
                b'u' if escaped => {
                    escaped = false;
                    shape.has_nul |= body.get(index + 1..index + 5) == Some(b"0000");
                }
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => {
                    depth += 1;
                    shape.depth = shape.depth.max(depth);
                }
                b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_strings_are_not_depth() {
        assert_eq!(Shape::of(br#"{"a":["[[[[\"[[",{"b":1}]}"#).depth, 3);
        assert_eq!(Shape::of(&b"[".repeat(100_000)).depth, 100_000);
        assert_eq!(Shape::of(b"]]][").depth, 1);
    }

    #[test]
    fn only_an_escape_that_means_the_character_is_one() {
        for body in [r#"{"a":"\u0000"}"#, r#"{"a":"x\\\u0000"}"#, r#"{"\u0000":1}"#] {
            assert!(Shape::of(body.as_bytes()).has_nul, "{body}");
        }
        for body in
            [r#"{"a":"\\u0000"}"#, r#"{"a":"u0000"}"#, r#"{"a":"\u0001"}"#, r#"{"a":"\u000"}"#, r#"{"a":"\u"#]
        {
            assert!(!Shape::of(body.as_bytes()).has_nul, "{body}");
        }
    }
}
