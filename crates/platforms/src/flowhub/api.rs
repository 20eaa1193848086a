//! URLs and credentials of the API, and the classification of every reply.

use crate::{Access, CallError, HttpReply, HttpRequest, Method};
use stage::{Reject, RejectClass};
use std::fmt::Write as _;

/// A request that reads `path`, with a reply of at most that many bytes.
pub(super) fn get(access: &Access, path: &str, reply_bytes_max: usize) -> Result<HttpRequest, Reject> {
    let pair = access.token.split_once(':').filter(|(client, key)| !client.is_empty() && !key.is_empty());
    let wrong = || Reject::new(RejectClass::Config, "flowhub wants credentials as <client id>:<API key>");
    let (client, key) = pair.ok_or_else(wrong)?;
    let url = format!("{}{path}", access.base_url);
    let request = HttpRequest { reply_bytes_max, ..HttpRequest::new(Method::Get, url) };
    Ok(request
        .with_header("clientid", client)
        .with_header("key", key)
        .with_header("accept", "application/json"))
}

/// Escapes `text` as one segment of a path.
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

/// Returns the error that a reply states with its status.
pub(super) fn check(reply: &HttpReply<'_>) -> Result<(), CallError> {
    let status = reply.status;
    let reject = |class, what: &str| Reject::new(class, format!("{what}: status {status}"));
    Err(match status {
        200..=299 => return Ok(()),
        429 => CallError::RateLimited { after: reply.retry_after },
        401 | 403 => reject(RejectClass::Auth, "flowhub refuses the key").into(),
        300..=399 | 402 | 404 | 405 | 423 | 501 => {
            reject(RejectClass::Config, "this is not the API of flowhub").into()
        }
        400..=407 | 409..=499 => reject(RejectClass::Platform, "flowhub refuses the call").into(),
        _ => CallError::transient(format!("status {status}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(token: &str) -> Access {
        Access {
            base_url: "https://flowhub.example".to_owned(),
            token: token.to_owned(),
            access_token: None,
            api_version: String::new(),
            account: "client".to_owned(),
        }
    }

    #[test]
    fn the_client_and_its_key_are_headers_of_their_own() {
        let request = get(&access("0d702b0b:secret:x"), "/v0/inventory", 9).unwrap();
        assert_eq!(
            (request.url.as_str(), request.reply_bytes_max),
            ("https://flowhub.example/v0/inventory", 9)
        );
        for header in [("clientid", "0d702b0b"), ("key", "secret:x")] {
            assert!(request.headers.contains(&(header.0, header.1.to_owned())), "{header:?}");
        }
        for token in ["", "0d702b0b", ":secret", "0d702b0b:"] {
            assert_eq!(get(&access(token), "/", 9).unwrap_err().class, RejectClass::Config, "{token}");
        }
    }

    #[test]
    fn an_id_cannot_change_the_path() {
        assert_eq!(escaped("b334921e-e105"), "b334921e-e105");
        assert_eq!(escaped("../a?b,c/ä"), "%2E%2E%2Fa%3Fb%2Cc%2F%C3%A4");
    }

    #[test]
    fn a_status_says_whether_to_come_again() {
        let error = |status| check(&HttpReply::new(status, b"")).unwrap_err();
        for status in [401, 403] {
            assert!(error(status).is_unauthorized(), "{status}");
        }
        for status in [408, 500, 503] {
            assert!(matches!(error(status), CallError::Transient { .. }), "{status}");
        }
        assert_eq!(error(429), CallError::RateLimited { after: None });
        assert!(matches!(error(400), CallError::Rejected(_)));
    }
}
