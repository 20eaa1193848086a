//! The program itself, without any server: its arguments, its output formats and its exit codes.
#![expect(clippy::expect_used, reason = "a test may panic, and so may what it is made of")]

use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

/// Runs `tillflow` with these arguments in an environment with these variables only.
fn tillflow(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tillflow"));
    command.args(arguments).env_clear().envs(variables.iter().copied()).stdin(Stdio::null());
    command.output().expect("it can be run")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it writes UTF-8")
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().expect("a path in UTF-8").to_owned()
}

#[test]
fn the_version_with_its_commit_is_text_or_json() {
    let line = text(&tillflow(&["--version"], &[]).stdout);
    assert_eq!(line, text(&tillflow(&["version"], &[]).stdout));
    for arguments in [&["version", "--output", "json"][..], &["--output", "json", "--version"]] {
        let output = tillflow(arguments, &[]);
        let value: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
        let named =
            ["version", "commit", "profile"].map(|key| value[key].as_str().expect("a text").to_owned());
        assert_eq!(line, format!("tillflow {} ({}, {})\n", named[0], named[1], named[2]));
    }
}

#[test]
fn a_failure_has_a_colour_only_where_it_is_wanted() {
    let name = platforms::all()[0].name();
    let refused = ["trigger", name, "topic", "--connection", "c", "--dir", "/nonexistent"];
    for (variables, is_coloured) in [
        (&[][..], false),
        (&[("CLICOLOR_FORCE", "1")], true),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
    ] {
        let output = tillflow(&refused, variables);
        assert_eq!(output.status.code(), Some(2));
        let error = text(&output.stderr);
        assert!(error.contains("no `tillflow dev` runs"), "{error}");
        assert_eq!(error.contains('\u{1b}'), is_coloured, "{variables:?}: {error:?}");
    }
}

/// The names of the platforms that send webhooks, and of those that don't.
fn senders() -> (Vec<&'static str>, Vec<&'static str>) {
    let (senders, others): (Vec<_>, Vec<_>) =
        platforms::all().iter().partition(|platform| platform.webhooks().is_some());
    let names = |platforms: Vec<&&'static dyn platforms::Platform>| {
        platforms.into_iter().map(|platform| platform.name()).collect()
    };
    (names(senders), names(others))
}

#[test]
fn a_signed_delivery_is_verified_and_a_changed_one_is_not() {
    let scratch = sandbox::Scratch::new().expect("a folder to throw away");
    let [body, headers, secret] = ["body", "headers", "secret"].map(|name| path(scratch.path(), name));
    fs::write(&body, r#"{"merchant_id": "m"}"#).expect("it can be written");
    fs::write(&secret, "former\npresent\n").expect("it can be written");
    let url = "https://example.com/webhook";
    for name in senders().0 {
        let sign = ["sign", name, "topic", "--url", url, "--account", "m", "--file", &body];
        let signed = tillflow(&sign, &[("TILLFLOW_SECRET", "present")]);
        assert!(signed.status.success(), "{}", text(&signed.stderr));
        fs::write(&headers, &signed.stdout).expect("it can be written");

        let with = |secret: &'static str| {
            let arguments =
                ["--output", "json", "verify", name, "--url", url, "--headers", &headers, "--file", &body];
            let output = tillflow(&arguments, &[("TILLFLOW_SECRET", secret)]);
            let value: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
            (output.status.code(), value["verified"].as_bool(), text(&output.stderr))
        };
        assert_eq!(with("present"), (Some(0), Some(true), String::new()), "{name}");
        let (code, verified, error) = with("other");
        assert_eq!((code, verified), (Some(1), Some(false)), "{name}");
        assert!(error.contains("the signature doesn't match"), "{name}: {error}");
        let verify =
            ["verify", name, "--url", url, "--secret-file", &secret, "--headers", &headers, "--file", &body];
        assert!(tillflow(&verify, &[]).status.success(), "{name}: with the second secret of the file");
    }
}

#[test]
fn the_topics_with_an_example_are_listed() {
    let all = text(&tillflow(&["trigger", "--list"], &[]).stdout);
    let heading: Vec<&str> = all.lines().next().expect("a heading").split_whitespace().collect();
    assert_eq!(heading, ["platform", "topic"], "{all}");
    for name in senders().0 {
        let output = tillflow(&["--output", "json", "trigger", name, "--list"], &[]);
        let lines = text(&output.stdout);
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert!(!lines.is_empty() && lines.iter().all(|line| line["platform"] == name), "{lines:?}");
    }
    assert_eq!(tillflow(&["trigger", "nobody", "--list"], &[]).status.code(), Some(2));
}

#[test]
fn a_platform_without_webhooks_says_so_in_place_of_a_signature() {
    for name in senders().1 {
        let output = tillflow(&["sign", name, "topic"], &[("TILLFLOW_SECRET", "present")]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(text(&output.stderr).contains(&format!("{name} sends no webhooks")), "{output:?}");
    }
}

#[test]
fn without_a_secret_nothing_is_signed_or_verified() {
    let output = tillflow(&["sign", platforms::all()[0].name(), "topic"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("TILLFLOW_SECRET"), "{}", text(&output.stderr));
}
