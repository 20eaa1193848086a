use super::*;
use model::is_hidden;
use proptest::prelude::*;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns everything that is logged while `act` runs.
fn logged(format: LogFormat, filter: &str, act: impl FnOnce()) -> String {
    let sink = Sink::default();
    let writer = {
        let sink = sink.clone();
        move || sink.clone()
    };
    let guard = subscriber(&LogConfig { format, filter: filter.to_owned() }, writer).set_default();
    act();
    drop(guard);
    let written = sink.0.lock().unwrap().clone();
    String::from_utf8(written).unwrap()
}

#[test]
fn no_directive_has_a_library_log_what_it_is_given() {
    let everything = "trace,async_nats=trace,sqlx::query=trace,hyper=trace,[request]=trace";
    let text = logged(LogFormat::Json, everything, || {
        let _span = tracing::trace_span!(target: "hyper::proto", "request", body = "secret").entered();
        tracing::trace!(target: "async_nats::connection", payload = "secret");
        tracing::debug!(target: "async_nats", payload = "secret");
        tracing::debug!(target: "sqlx::query", payload = "secret");
        tracing::trace!(target: "hyper_util::client", payload = "secret");
        tracing::trace!(target: "rustls::msgs", payload = "secret");
        tracing::trace!(target: "a_library_that_nobody_knows_yet", payload = "secret");
        tracing::trace!(target: "busy", payload = "secret");
        tracing::debug!(target: "", payload = "secret");
        tracing::info!(target: "async_nats", "connected");
        tracing::trace!(target: "bus::connect", "ours");
        tracing::trace!(target: "apply", "ours too");
    });
    assert!(!text.contains("secret"), "{text}");
    for said in ["connected", "ours\"", "ours too"] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn the_configuration_still_says_what_is_logged_of_ours_and_what_less_of_libraries() {
    let text = logged(LogFormat::Text, "warn,bus=debug,async_nats=error", || {
        tracing::debug!(target: "bus::append", "first");
        tracing::trace!(target: "bus::append", "second");
        tracing::info!(target: "apply", "third");
        tracing::warn!(target: "apply", "fourth");
        tracing::warn!(target: "async_nats", "fifth");
    });
    let said = ["first", "second", "third", "fourth", "fifth"].map(|word| text.contains(word));
    assert_eq!(said, [true, false, false, true, false], "{text}");
}

#[test]
fn every_package_of_ours_is_known_and_none_that_is_a_library() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().parent().unwrap();
    let mut packages: Vec<String> = ["crates", "services"]
        .iter()
        .flat_map(|rooms| std::fs::read_dir(folder.join(rooms)).unwrap())
        .map(|entry| std::fs::read_to_string(entry.unwrap().path().join("Cargo.toml")).unwrap())
        .map(|manifest| {
            manifest.lines().find_map(|line| line.strip_prefix("name = ")).unwrap().replace('"', "")
        })
        .collect();
    packages.sort_unstable();
    assert_eq!(packages, OURS);
}

proptest! {
    #[test]
    fn an_event_is_one_line_whatever_its_fields_hold(text in "([\\x00-\\x1f\\x7f-\\u{9f}\u{202e}\u{2066}\u{2028}\u{61c}]|\\PC){0,12}") {
        for format in [LogFormat::Json, LogFormat::Text] {
            let written = logged(format, "trace", || {
                tracing::warn!(field = text, shown = %text, debug = ?text, "{text}");
            });
            let line = written.strip_suffix('\n').unwrap_or_default();
            prop_assert!(!line.contains(is_hidden), "{:?}", line);
            if format == LogFormat::Json {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                prop_assert_eq!(value["field"].as_str(), Some(&*text));
            }
        }
    }
}
