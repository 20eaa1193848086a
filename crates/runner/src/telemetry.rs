//! Logs: the selection of events, and the characters allowed in a line.

use crate::config::{LogConfig, LogFormat};
use model::{visible, visible_json};
use std::io::{self, Write};
use tracing::{Metadata, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt as _, FilterFn, filter_fn},
    fmt::{self, MakeWriter},
    layer::SubscriberExt as _,
    util::SubscriberInitExt,
};

/// The packages whose events are logged at any level: those of this repository. They log no payload, secret or personal
/// data. The libraries that they use log such data below [`LIBRARIES_MAX`]: messages, statements' values, headers.
const OURS: [&str; 22] = [
    "apply",
    "bus",
    "dedupe",
    "enrich",
    "fetch",
    "gateway",
    "https",
    "ingest",
    "model",
    "normalize",
    "outlet",
    "platforms",
    "propagate",
    "runner",
    "sandbox",
    "simulator",
    "stage",
    "store",
    "testkit",
    "tillflow",
    "transform",
    "wire",
];
/// The most verbose level of any other package, whatever the configuration contains.
const LIBRARIES_MAX: LevelFilter = LevelFilter::INFO;

/// Starts logging to standard error. A second call in the same process changes nothing.
pub fn start(config: &LogConfig) {
    if subscriber(config, io::stderr).try_init().is_err() {
        tracing::debug!("logging had been started before");
    }
}

fn subscriber<W>(config: &LogConfig, writer: W) -> impl SubscriberInitExt
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = if config.filter.is_empty() { "info" } else { &config.filter };
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = fmt::layer().with_writer(Visible { writer, format: config.format });
    let lines = match config.format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
        // Colours are terminal commands, like those that the escaping removes.
        LogFormat::Text => lines.with_ansi(false).with_target(false).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter.and(cap())))
}

/// Limits the level of the libraries. A separate filter, so that no directive of the configuration can override it.
fn cap() -> FilterFn<fn(&Metadata<'_>) -> bool> {
    // With a hint, events that the other filter never enables cost nothing.
    filter_fn(may_be_logged as fn(&Metadata<'_>) -> bool).with_max_level_hint(LevelFilter::TRACE)
}

fn may_be_logged(event: &Metadata<'_>) -> bool {
    let package = event.target().split("::").next().unwrap_or_default();
    OURS.contains(&package) || *event.level() <= LIBRARIES_MAX
}

/// Writes each event as a single line without characters that affect a terminal.
struct Visible<W> {
    writer: W,
    format: LogFormat,
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Visible<W> {
    type Writer = VisibleWriter<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        VisibleWriter { writer: self.writer.make_writer(), format: self.format }
    }
}

struct VisibleWriter<W> {
    writer: W,
    format: LogFormat,
}

impl<W: Write> Write for VisibleWriter<W> {
    /// Writes one event: the layer passes it as a whole, and the only line feed of ours is its last character.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let (text, end) = text.strip_suffix('\n').map_or((&*text, ""), |text| (text, "\n"));
        let shown = match self.format {
            LogFormat::Json => visible_json(text),
            LogFormat::Text => visible(text),
        };
        // A single call, so that lines of several threads aren't mixed.
        self.writer.write_all(format!("{shown}{end}").as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests;
