//! The only module that writes to standard output and standard error. Results may contain texts of others, which reach
//! a terminal only with hidden characters made visible. Colours are shown by terminals only, and obey `NO_COLOR` and
//! `CLICOLOR`.

use crate::{bar, failure::Failed, table::Table};
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use model::{visible, visible_json};
use serde_json::Value;
use std::{
    io::{Write, stderr, stdout},
    process::ExitCode,
};

/// Headings of tables.
const HEADING: Style = Style::new().bold();
/// Findings, for somebody to look at.
const FINDING: Style = AnsiColor::Yellow.on_default();
/// The reason for which a verb failed.
const FAILURE: Style = AnsiColor::Red.on_default().bold();

/// Writes a line. All output for people passes through here.
fn write(to: impl Write, text: &str) {
    write_styled(to, Style::new(), text);
}

fn write_styled(mut to: impl Write, style: Style, text: &str) {
    bar::write_above(|| {
        writeln!(to, "{style}{}{style:#}", visible(text)).ok();
    });
}

/// The style if the choice allows any, else none.
fn chosen(style: Style, choice: ColorChoice) -> Style {
    if choice == ColorChoice::Never { Style::new() } else { style }
}

/// Writes a line of a result that someone has to look at.
pub(crate) fn finding(text: &str) {
    write_styled(stdout(), chosen(FINDING, AutoStream::choice(&stdout())), text);
}

/// Writes a line of a result. A closed reader (`| head`) is no error.
pub(crate) fn line(text: &str) {
    write(stdout(), text);
}

/// Writes a table for people.
pub(crate) fn table(table: Table) {
    let heading = chosen(HEADING, AutoStream::choice(&stdout()));
    for (index, text) in table.lines().iter().enumerate() {
        if index == 0 { write_styled(stdout(), heading, text) } else { line(text) }
    }
}

/// Writes lines of a result that contain no text of others.
pub(crate) fn lines(text: &'static str) {
    text.split('\n').for_each(line);
}

/// Writes a program of ours for another program to read, as it is.
pub(crate) fn program(text: &[u8]) {
    stdout().write_all(text).ok();
}

/// Writes a JSON value as one line of a result.
pub(crate) fn json(value: &Value) {
    write(stdout(), &json_line(value));
}

fn json_line(value: &Value) -> String {
    visible_json(&value.to_string()).into_owned()
}

/// Writes the fields of a JSON object as lines for people, each after the field's name. Each item of an array and each
/// line of a text has its own line; null has none.
pub(crate) fn fields(value: &Value) {
    for text in field_lines(value) {
        line(&text);
    }
}

fn field_lines(value: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::String(text) => lines.extend(text.split('\n').map(|text| format!("{name:<18} {text}"))),
            Value::Array(items) => lines.extend(items.iter().map(|item| format!("{name:<18} {item}"))),
            other => lines.push(format!("{name:<18} {other}")),
        }
    }
    lines
}

/// Writes a line about progress.
pub(crate) fn progress(text: &str) {
    write(stderr(), text);
}

/// Writes the reason for which a verb failed, with every cause, and returns the exit code.
pub(crate) fn failed(failure: &Failed) -> ExitCode {
    let style = chosen(FAILURE, AutoStream::choice(&stderr()));
    for text in failure_lines(&format!("tillflow: {}", runner::chain(failure))) {
        write_styled(stderr(), style, &text);
    }
    ExitCode::from(failure.exit_code())
}

/// The lines of an error. Only the first begins as an error does, whatever the text contains.
fn failure_lines(text: &str) -> Vec<String> {
    let indented =
        |(index, line): (usize, &str)| if index == 0 { line.to_owned() } else { format!("  {line}") };
    text.lines().enumerate().map(indented).collect()
}

/// Writes the reason for which the arguments can't be used, or the requested help, and returns the exit code.
pub(crate) fn arguments(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        error.print().ok();
        return ExitCode::SUCCESS;
    }
    for text in failure_lines(&error.render().to_string()) {
        progress(&text);
    }
    ExitCode::from(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::is_hidden;
    use proptest::prelude::*;
    use serde_json::json;

    /// Texts in which hidden characters are frequent.
    fn texts() -> impl Strategy<Value = String> {
        let hidden: Vec<char> = ('\0'..=char::MAX).filter(|character| is_hidden(*character)).collect();
        let hidden = proptest::sample::select(hidden);
        let few = proptest::sample::select(vec![
            '\u{1b}', '\u{9b}', '\u{202e}', '\u{2067}', '\u{2028}', '\n', '\r', '\u{7}',
        ]);
        let character = prop_oneof![few, hidden, any::<char>(), proptest::char::range(' ', '~')];
        proptest::collection::vec(character, 0..40).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_written_and_json_stays_the_same_value(name in texts(), text in texts(), more in texts()) {
            let value = json!({name: text, "items": [&more, {&more: &text}], "other": {&text: &more}, "none": null});
            let mut written = Vec::new();
            write(&mut written, &text);
            write(&mut written, &json_line(&value));
            for line in field_lines(&value).iter().chain(&failure_lines(&text)) {
                write(&mut written, line);
            }
            let written = String::from_utf8(written).unwrap();
            let lines: Vec<&str> = written.split_terminator('\n').collect();
            prop_assert_eq!(lines.len(), 2 + field_lines(&value).len() + failure_lines(&text).len());
            for line in &lines {
                prop_assert!(!line.contains(is_hidden), "{:?}", line);
            }
            prop_assert_eq!(lines[1], json_line(&value));
            prop_assert_eq!(serde_json::from_str::<Value>(&json_line(&value)).unwrap(), value);
        }
    }

    #[test]
    fn a_style_surrounds_a_line_in_which_nothing_else_acts_on_a_terminal() {
        let mut written = Vec::new();
        write_styled(&mut written, chosen(FINDING, ColorChoice::Always), "a\u{1b}[2J");
        write_styled(&mut written, chosen(FINDING, ColorChoice::Never), "b\u{1b}[2J");
        let written = String::from_utf8(written).unwrap();
        assert_eq!(written, "\u{1b}[33ma\\u{1b}[2J\u{1b}[0m\nb\\u{1b}[2J\n");
    }

    #[test]
    fn a_text_of_several_lines_can_be_distinguished_from_lines_of_ours() {
        let value = json!({"reason": "no\ntillflow: all is well", "items": ["a\nb"]});
        assert_eq!(
            field_lines(&value),
            [
                "items              \"a\\nb\"",
                "reason             no",
                "reason             tillflow: all is well"
            ]
        );
        assert_eq!(failure_lines("tillflow: no\ntillflow: yes"), ["tillflow: no", "  tillflow: yes"]);
        assert_eq!(failure_lines("a\r\nb\rc"), ["a", "  b\rc"]);
    }
}
