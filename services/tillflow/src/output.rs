//! The only place that writes to standard output and standard error.

use crate::failure::Failed;
use std::{
    io::{Write as _, stderr, stdout},
    process::ExitCode,
};

/// Writes a line of a result. A reader that went away (`| head`) is no error.
pub(crate) fn line(text: &str) {
    writeln!(stdout(), "{text}").ok();
}

/// Writes a JSON value as one line of a result.
pub(crate) fn json(value: &serde_json::Value) {
    line(&value.to_string());
}

/// Writes the fields of a JSON object as lines for people; an array's items each on a line of their own, null not at all.
pub(crate) fn fields(value: &serde_json::Value) {
    use serde_json::Value;
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::String(text) => line(&format!("{name:<18} {text}")),
            Value::Array(items) => items.iter().for_each(|item| line(&format!("{name:<18} {item}"))),
            other => line(&format!("{name:<18} {other}")),
        }
    }
}

/// Writes a line about what is going on.
pub(crate) fn progress(text: &str) {
    writeln!(stderr(), "{text}").ok();
}

/// Says why a verb failed, with every cause, and gives the exit code.
pub(crate) fn failed(failure: &Failed) -> ExitCode {
    let text = format!("tillflow: {}", runner::chain(failure));
    progress(&text);
    ExitCode::from(failure.exit_code())
}
