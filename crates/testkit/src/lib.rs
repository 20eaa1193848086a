//! serde_json
