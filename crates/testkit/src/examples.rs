//! The platforms' example payloads.

use platforms::{Platform, Signed};
use serde_json::Value;
use std::{fs, path::PathBuf};

/// One file of a platform's `examples/`.
#[derive(Clone)]
pub struct Example {
    /// Its platform.
    pub platform: &'static dyn Platform,
    /// Its topic.
    pub topic: &'static str,
    /// The schema of its topic.
    pub schema: &'static str,
    /// The file's name without its extension.
    pub name: String,
    /// The payload.
    pub body: Vec<u8>,
}

impl Example {
    /// The platform and the file, for messages.
    pub fn label(&self) -> String {
        format!("{} {}", self.platform.name(), self.name)
    }

    /// Returns true if the platform finds the example's topic in these headers and the body. Otherwise the payload is
    /// one that is fetched.
    pub fn is_webhook(&self, headers: &[(String, String)]) -> bool {
        let signed = Signed { headers, body: &self.body };
        let envelopes = self.platform.webhooks().map(|webhooks| webhooks.split(&signed)).unwrap_or_default();
        envelopes.iter().any(|envelope| envelope.topic == self.topic)
    }
}

/// The key for a location's id in the payloads of every platform.
const LOCATION: &str = "location_id";

impl Example {
    /// Replaces the payload's locations by this one.
    #[must_use]
    pub fn at_location(mut self, location: &str) -> Self {
        let mut body: Value = serde_json::from_slice(&self.body).expect("an example is JSON");
        relocate(&mut body, location);
        self.body = body.to_string().into_bytes();
        self
    }
}

fn relocate(value: &mut Value, location: &str) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::Number(_) if key == LOCATION => {
                        *value = location.parse::<u64>().map_or(Value::Null, Value::from);
                    }
                    Value::String(_) if key == LOCATION => *value = location.into(),
                    other => relocate(other, location),
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| relocate(element, location)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Every example of every platform, in the order of their names.
pub fn examples() -> Vec<Example> {
    platforms::all().iter().flat_map(|platform| examples_of(*platform)).collect()
}

fn examples_of(platform: &'static dyn Platform) -> Vec<Example> {
    let folder: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "../platforms/src", platform.name(), "examples"].iter().collect();
    let entries = fs::read_dir(&folder).expect("a platform has examples");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder can be read").path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    let read = |file: PathBuf| {
        let name = file.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let stem = name.split('.').next().unwrap_or_default();
        let topic = platform.spec().topics.iter().find(|topic| topic.name.replace(['/', '.'], "_") == stem);
        let topic = topic.unwrap_or_else(|| panic!("{name} is of no topic"));
        let body = fs::read(&file).expect("an example can be read").trim_ascii_end().to_vec();
        Example { platform, topic: topic.name, schema: topic.schema, name, body }
    };
    files.into_iter().map(read).collect()
}
