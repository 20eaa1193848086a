//! URLs and credentials of the API.

use crate::{Access, HttpRequest, Method};
use stage::{Reject, RejectClass};
use std::fmt::Write as _;

/// The URL of a path of the connection's dispensary.
pub(super) fn url(access: &Access, path: &str) -> String {
    format!("{}/v2.0/dispensary/{}/{path}", access.base_url, escaped(&access.account))
}

/// A request that reads `path` of the connection's dispensary.
pub(super) fn get(access: &Access, path: &str) -> Result<HttpRequest, Reject> {
    let (client, _) = credentials(access)?;
    let unissued = || Reject::new(RejectClass::Auth, "treez issued no access token");
    let token = access.access_token.as_deref().ok_or_else(unissued)?;
    let request = HttpRequest::new(Method::Get, url(access, path));
    Ok(request.with_header("authorization", token).with_header("client_id", client))
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
