//! Logs.

use crate::config::{LogConfig, LogFormat};
use tracing_subscriber::EnvFilter;

/// Starts logging to standard error. A second call in the same process changes nothing.
pub fn start(config: &LogConfig) {
    let filter = if config.filter.is_empty() { "info" } else { &config.filter };
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Json => subscriber.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Text => subscriber.with_target(false).try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging had been started before");
    }
}
