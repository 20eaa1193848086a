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
