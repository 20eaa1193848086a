//! Shows the version of this program.

use crate::{cli::Output, output};
use clap::error::ErrorKind;
use serde_json::json;
use std::ffi::OsString;

/// Prints version, commit and profile of the build.
pub(crate) fn run(output: Output) {
    match output {
        Output::Text => output::line(&format!("tillflow {}", runner::VERSION_TEXT)),
        Output::Json => output::json(&json!({
            "name": "tillflow",
            "version": runner::VERSION,
            "commit": runner::COMMIT,
            "profile": runner::PROFILE,
        })),
    }
}

/// Returns true if the arguments request `--version` as JSON. Clap ends at `--version` and prints text, whatever the
/// other arguments are.
pub(crate) fn is_requested_as_json(
    error: &clap::Error,
    arguments: impl IntoIterator<Item = OsString>,
) -> bool {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let is_json = |pair: &[OsString]| pair[0] == "--output" && pair[1] == "json";
    error.kind() == ErrorKind::DisplayVersion
        && (arguments.windows(2).any(is_json) || arguments.iter().any(|argument| argument == "--output=json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::Parser as _;

    #[test]
    fn the_version_is_json_if_json_is_the_format_of_results() {
        for (arguments, is_json) in [
            (&["--version"][..], false),
            (&["--version", "--output", "json"], true),
            (&["--output=json", "--version"], true),
            (&["--output", "text", "--version"], false),
            (&["--output", "json", "--help"], false),
            (&["events", "--version", "--output", "json"], true),
        ] {
            let given = || ["tillflow"].iter().chain(arguments).map(OsString::from);
            let error = Cli::try_parse_from(given()).unwrap_err();
            assert_eq!(is_requested_as_json(&error, given()), is_json, "{arguments:?}");
        }
    }

    #[test]
    fn the_version_names_the_commit() {
        let text = Cli::try_parse_from(["tillflow", "--version"]).unwrap_err().to_string();
        assert_eq!(text.trim(), format!("tillflow {}", runner::VERSION_TEXT));
        assert!(text.contains(runner::COMMIT), "{text}");
    }
}
