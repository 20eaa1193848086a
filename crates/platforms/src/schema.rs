//! Validation by JSON Schema: a payload without the shape that the platform documents is never mapped. Schemas define
//! only the shapes of the mapped fields; `map` checks the elements of lists and the values in them, each row by itself.

use crate::{Platform, Topic, json};
use serde_json::Value;
use stage::{Reject, RejectClass};
use std::collections::HashMap;

/// The compiled schemas of one platform.
pub struct Validator {
    topics: HashMap<&'static str, (Topic, jsonschema::Validator)>,
}

/// A schema of this repository is invalid: a mistake in the repository.
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
        Ok(Self { topics: platform.spec().topics.iter().map(compile).collect::<Result<_, _>>()? })
    }

    /// The topic of that name.
    pub fn topic(&self, name: &str) -> Option<Topic> {
        self.topics.get(name).map(|(topic, _)| *topic)
    }

    /// Parses `body` as JSON and validates it against the schema of `topic`.
    pub fn read(&self, topic: &str, body: &[u8]) -> Result<Value, Reject> {
        let Some((_, validator)) = self.topics.get(topic) else {
            return Err(Reject::new(RejectClass::Schema, format!("no schema for the topic {topic:?}")));
        };
        let value = json::read(body)?;
        let violation = validator.iter_errors(&value).next().map(|error| {
            let reason = format!("violates {}", error.schema_path());
            Reject::at(RejectClass::Schema, error.instance_path().to_string(), reason)
        });
        violation.map_or(Ok(value), Err)
    }
}
