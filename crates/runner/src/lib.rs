//! tracing-subscriber
