//! The files of `tests/cases`.

use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path};
use testkit::Missigned;

/// Environment variable that selects the cases to play: beginnings of their names, separated by commas; all if unset.
const ONLY: &str = "TILLFLOW_CASES";

/// One case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// Name of its file.
    pub(super) name: String,
    /// Source of the case.
    source: String,
    /// Date of the report.
    date: Option<String>,
    /// The failure in that system.
    happened: Option<String>,
    /// The right behaviour.
    pub(super) right: String,
    /// True if it once stopped a partition for good; such cases are played after the others.
    #[serde(default)]
    pub(super) plays_last: bool,
    /// The steps, in order.
    pub(super) steps: Vec<Step>,
}

impl Case {
    /// Source, date and the failure.
    pub(super) fn provenance(&self) -> String {
        let further = [&self.date, &self.happened].into_iter().flatten();
        [&self.source].into_iter().chain(further).cloned().collect::<Vec<_>>().join("; ")
    }
}

/// One step: sends something (`send`), checks the rows of a query (`sql`), checks that a service keeps up (`keeps_up`),
/// or pauses a connection (`pause`).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    /// The platform of the webhook, or `nats` for a published message.
    pub(super) send: Option<String>,
    pub(super) sql: Option<String>,
    pub(super) keeps_up: Option<String>,
    /// The platform whose connection isn't called from now on; its deliveries are still accepted.
    pub(super) pause: Option<String>,
    /// Name of the step in a complaint.
    pub(super) what: Option<String>,
    /// The platform of the connection that publishes.
    pub(super) connection: Option<String>,
    pub(super) topic: Option<String>,
    /// The payload as JSON.
    pub(super) body: Option<Value>,
    /// The payload as text.
    pub(super) raw: Option<String>,
    /// The payload as fields of `tillflow.v1.Event`.
    pub(super) published: Option<Value>,
    /// Fill for a list of the payload.
    pub(super) fill: Option<Fill>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    pub(super) sign: Option<Sign>,
    /// The name of the content coding of a body compressed with gzip.
    pub(super) gzip: Option<String>,
    /// Bytes of each chunk of a body that is sent without its length.
    pub(super) chunk: Option<usize>,
    /// Suffix of the URL after the registered part.
    #[serde(default)]
    pub(super) path_suffix: String,
    pub(super) webhook_id: Option<String>,
    /// Number of times it is sent; once if unset.
    pub(super) times: Option<usize>,
    /// True if these are sent at once.
    #[serde(default)]
    pub(super) parallel: bool,
    pub(super) expect: Option<Expect>,
}

/// A list at `key` that is filled with `count` copies of `of`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fill {
    /// Path of field names, separated by dots.
    pub(super) key: String,
    pub(super) count: u64,
    pub(super) of: Value,
}

/// A wrong signature.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) enum Sign {
    #[serde(rename = "hex")]
    Hexadecimal,
    #[serde(rename = "unpadded")]
    Unpadded,
    #[serde(rename = "none")]
    Absent,
    #[serde(rename = "url+slash")]
    OtherUrl,
    #[serde(rename = "sha1-only")]
    Sha1Alone,
}

impl From<Sign> for Missigned {
    fn from(sign: Sign) -> Self {
        match sign {
            Sign::Hexadecimal => Self::Hexadecimal,
            Sign::Unpadded => Self::Unpadded,
            Sign::Absent => Self::Absent,
            Sign::OtherUrl => Self::OtherUrl,
            Sign::Sha1Alone => Self::Former,
        }
    }
}

/// The right result.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// Status of the response; 200 if unset.
    pub(super) http: Option<u16>,
    /// True if the delivery must be kept.
    #[serde(default)]
    pub(super) kept: bool,
    /// Allowed outcomes of every event of the delivery.
    pub(super) outcome: Option<OneOf>,
    /// Number of its events with each outcome; other outcomes are ignored.
    #[serde(default)]
    pub(super) ends: BTreeMap<String, usize>,
    /// Number of events.
    pub(super) count: Option<usize>,
    /// Text that at least one reason must contain.
    pub(super) reason: Option<String>,
    /// The rows of a query: columns separated by `|`, rows by commas.
    pub(super) rows: Option<String>,
}

/// One outcome, or any of several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOf {
    One(String),
    Any(Vec<String>),
}

impl OneOf {
    pub(super) fn has(&self, outcome: &str) -> bool {
        match self {
            Self::One(only) => only == outcome,
            Self::Any(several) => several.iter().any(|one| one == outcome),
        }
    }
}

/// The selected cases, in the order of their names.
pub(super) fn selected() -> Vec<Case> {
    let only = std::env::var(ONLY).unwrap_or_default();
    let wanted: Vec<&str> = only.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let mut cases = all();
    cases.retain(|case| wanted.is_empty() || wanted.iter().any(|name| case.name.starts_with(name)));
    assert!(!cases.is_empty(), "no case is called {wanted:?}");
    cases
}

fn all() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let entries = fs::read_dir(&folder).expect("there are cases");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a folder can be read").path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    let read = |file: &std::path::PathBuf| {
        let text = fs::read_to_string(file).expect("a case can be read");
        let read = serde_json::from_str::<Case>(&text);
        let case = read.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert_eq!(file.file_stem().and_then(|name| name.to_str()), Some(&*case.name), "the file's name");
        case
    };
    files.iter().map(read).collect()
}

#[test]
fn every_case_says_where_it_is_from_and_what_is_right() {
    for case in all() {
        assert!(!case.source.is_empty() && !case.right.is_empty(), "{}", case.name);
        assert!(!case.steps.is_empty(), "{}", case.name);
        for step in &case.steps {
            let kinds = [&step.send, &step.sql, &step.keeps_up, &step.pause].into_iter().flatten().count();
            assert_eq!(kinds, 1, "{}: a step sends, asks, waits or pauses", case.name);
            let expects = step.expect.is_some() || step.keeps_up.is_some() || step.pause.is_some();
            assert!(expects, "{}: every step expects something", case.name);
        }
    }
}
