//! Logs of processes.

use serde_json::Value;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
};

/// Number of lines of a log that a failed test shows.
const SHOWN_LINES: usize = 40;

/// The file that a process writes its output to.
pub(crate) struct Log(PathBuf);

impl Log {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Opens the file for the process's output; earlier contents stay.
    pub(crate) fn output(&self) -> Stdio {
        File::options().create(true).append(true).open(&self.0).expect("a log can be written").into()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The whole log.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.0).unwrap_or_default()).into_owned()
    }

    /// The value of `field` in the last JSON line with this message.
    pub(crate) fn field(&self, message: &str, field: &str) -> Option<String> {
        let text = self.text();
        let lines = text.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let line = lines.into_iter().find(|line| line["message"] == message)?;
        line[field].as_str().map(str::to_owned)
    }

    /// The last lines, for messages of failed tests.
    pub(crate) fn tail(&self) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }
}
