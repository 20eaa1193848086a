//! What every request to Square carries, and what every reply says.

use crate::{Access, HttpReply, HttpRequest, Method, Reply};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use stage::{Reject, RejectClass};
use std::fmt::Write as _;

/// The API version that the maps were written against (README), asked for where the connection names none.
const DEFAULT_VERSION: &str = "2025-08-20";
/// An error code longer than this isn't one.
const CODE_LIMIT_BYTES: usize = 64;

/// A request that reads `path`.
pub(super) fn get(access: &Access, path: &str) -> HttpRequest {
    HttpRequest { method: Method::Get, url: url(access, path), headers: headers(access), body: Bytes::new() }
}

/// A request that sends `body` to `path`.
pub(super) fn post(access: &Access, path: &str, body: &Value) -> HttpRequest {
    let body = Bytes::from(body.to_string());
    HttpRequest { method: Method::Post, url: url(access, path), headers: headers(access), body }
}

fn url(access: &Access, path: &str) -> String {
    format!("{}{path}", access.base_url)
}

fn headers(access: &Access) -> Vec<(&'static str, String)> {
    let version = if access.api_version.is_empty() { DEFAULT_VERSION } else { &access.api_version };
    vec![
        ("authorization", format!("Bearer {}", access.token)),
        ("square-version", version.to_owned()),
        ("content-type", "application/json".to_owned()),
    ]
}

/// `id` as one segment of a path: ids come from outside and must not name another path.
pub(super) fn segment(id: &str) -> String {
    id.bytes().fold(String::with_capacity(id.len()), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            // Writing to a string never fails.
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[derive(Deserialize)]
struct Errors {
    errors: Option<Vec<Problem>>,
}

#[derive(Deserialize)]
struct Problem {
    code: Option<String>,
}

/// What a reply means, whether to a read or to a write. Of an error only its code is kept: details may quote what
/// was sent.
pub(super) fn meaning(reply: &HttpReply<'_>) -> Reply {
    let code = code(reply.body);
    let status = reply.status;
    let reason =
        || code.as_deref().map_or(format!("status {status}"), |code| format!("status {status}, {code}"));
    match (status, code.as_deref()) {
        (_, Some("VERSION_MISMATCH")) => Reply::Stale,
        (429, _) | (_, Some("RATE_LIMITED")) => Reply::Throttled { after: reply.retry_after },
        (200..=299, None) => Reply::Done { version: None },
        (401 | 403, _) => {
            Reply::Refused(Reject::new(RejectClass::Auth, format!("square refused us: {}", reason())))
        }
        (300..=399, _) => Reply::Refused(Reject::new(
            RejectClass::Config,
            format!("this is not square's API: {}", reason()),
        )),
        (200..=299 | 400..=407 | 409..=499, _) => Reply::Refused(Reject::new(
            RejectClass::Platform,
            format!("square refused the call: {}", reason()),
        )),
        _ => Reply::Retry { reason: reason() },
    }
}

/// The first error's code; a body that names an error without a readable code has the code `UNKNOWN`.
fn code(body: &[u8]) -> Option<String> {
    let Errors { errors } = serde_json::from_slice(body).ok()?;
    let code = errors?.into_iter().next()?.code;
    let readable = |code: &String| {
        (1..=CODE_LIMIT_BYTES).contains(&code.len())
            && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    Some(code.filter(readable).unwrap_or_else(|| "UNKNOWN".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn meaning_of(status: u16, body: &str) -> Reply {
        meaning(&HttpReply { status, retry_after: Some(Duration::from_secs(3)), body: body.as_bytes() })
    }

    fn error(code: &str) -> String {
        format!(r#"{{"errors":[{{"category":"X","code":"{code}","detail":"jenkins@example.com"}}]}}"#)
    }

    #[test]
    fn a_reply_says_what_to_do_next_and_never_quotes_details() {
        assert_eq!(meaning_of(200, r#"{"counts":[],"errors":[]}"#), Reply::Done { version: None });
        assert_eq!(meaning_of(200, ""), Reply::Done { version: None });
        assert_eq!(meaning_of(400, &error("VERSION_MISMATCH")), Reply::Stale);
        assert_eq!(meaning_of(409, &error("VERSION_MISMATCH")), Reply::Stale);
        let throttled = Reply::Throttled { after: Some(Duration::from_secs(3)) };
        assert_eq!(meaning_of(429, "not JSON"), throttled);
        assert_eq!(meaning_of(400, &error("RATE_LIMITED")), throttled);
        for status in [408, 500, 502, 503, 504] {
            assert_eq!(meaning_of(status, "<html>"), Reply::Retry { reason: format!("status {status}") });
        }
        let refusals = [
            (301, "<html>".to_owned(), RejectClass::Config),
            (401, error("ACCESS_TOKEN_EXPIRED"), RejectClass::Auth),
            (403, error("INSUFFICIENT_SCOPES"), RejectClass::Auth),
            (400, error("INVALID_VALUE"), RejectClass::Platform),
            (404, error("NOT_FOUND"), RejectClass::Platform),
            (200, error("BAD_REQUEST"), RejectClass::Platform),
            (400, error("jenkins@example.com"), RejectClass::Platform),
        ];
        for (status, body, class) in refusals {
            let Reply::Refused(reject) = meaning_of(status, &body) else { panic!("{status} must refuse") };
            assert_eq!(reject.class, class);
            assert!(!reject.reason.contains("jenkins"), "{reject}");
        }
    }

    #[test]
    fn an_id_stays_one_segment_of_the_path() {
        assert_eq!(segment("CAISENgvlJ6jLWAzERDzjyHVybY"), "CAISENgvlJ6jLWAzERDzjyHVybY");
        assert_eq!(segment("../a?b#c d/é"), "%2E%2E%2Fa%3Fb%23c%20d%2F%C3%A9");
    }
}
