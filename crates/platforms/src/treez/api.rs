//! URLs and credentials of the API.

use crate::Access;
use stage::{Reject, RejectClass};
use std::fmt::Write as _;

/// The URL of a path of the connection's dispensary.
pub(super) fn url(access: &Access, path: &str) -> String {
    format!("{}/v2.0/dispensary/{}/{path}", access.base_url, escaped(&access.account))
}

/// The client's id and its API key.
pub(super) fn credentials(access: &Access) -> Result<(&str, &str), Reject> {
    let parts = access.token.split_once(':').filter(|(client, key)| !client.is_empty() && !key.is_empty());
    parts.ok_or_else(|| Reject::new(RejectClass::Config, "treez wants credentials as <client id>:<API key>"))
}

/// Escapes `text` as one segment of a path or one value of a query or a form.
pub(super) fn escaped(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string never fails.
            let _ = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}
