//! The headers of every request to Square, and the classification of every reply.

use crate::{Access, CallError, HttpReply, HttpRequest, Method};
use serde::Deserialize;
use serde_json::Value;
use stage::{Reject, RejectClass};
use std::fmt::Write as _;

/// The API version that the maps were written against (README), requested if the connection names none.
const DEFAULT_VERSION: &str = "2025-08-20";
/// Upper limit of an error code, in bytes; a longer text isn't one.
const CODE_LIMIT_BYTES: usize = 64;

/// A request that reads `path`.
pub(super) fn get(access: &Access, path: &str) -> HttpRequest {
    request(Method::Get, access, path)
}

/// A request that sends `body` to `path`.
pub(super) fn post(access: &Access, path: &str, body: &Value) -> HttpRequest {
    request(Method::Post, access, path).with_body(body.to_string())
}

fn request(method: Method, access: &Access, path: &str) -> HttpRequest {
    let version = if access.api_version.is_empty() { DEFAULT_VERSION } else { &access.api_version };
    HttpRequest::new(method, format!("{}{path}", access.base_url))
        .with_header("authorization", format!("Bearer {}", access.token))
        .with_header("square-version", version)
        .with_header("content-type", "application/json")
}

/// Escapes `id` as one segment of a path: ids come from outside and must not name another path.
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

/// Returns the error that a reply to a read or a write states. Only its code is kept: details may quote the request.
pub(super) fn check(reply: &HttpReply<'_>) -> Result<(), CallError> {
    let code = code(reply.body);
    let status = reply.status;
    let reason =
        || code.as_deref().map_or(format!("status {status}"), |code| format!("status {status}, {code}"));
    let reject = |class, what: &str| Reject::new(class, format!("{what}: {}", reason()));
    Err(match (status, code.as_deref()) {
        (_, Some("VERSION_MISMATCH")) => CallError::Conflict,
        (429, _) | (_, Some("RATE_LIMITED")) => CallError::RateLimited { after: reply.retry_after },
        (200..=299, None) => return Ok(()),
        (401 | 403, _) => reject(RejectClass::Auth, "square refused us").into(),
        (_, Some("INVALID_TIME")) => {
            CallError::TooOld(reject(RejectClass::Platform, "square refuses the change's time"))
        }
        (200..=499, Some("NOT_FOUND")) => CallError::Gone,
        (300..=399 | 404, _) => reject(RejectClass::Config, "this is not square's API").into(),
        (402 | 423, _) | (_, Some("INVALID_SQUARE_VERSION_FORMAT" | "API_VERSION_INCOMPATIBLE")) => {
            reject(RejectClass::Config, "square takes no calls of this account or version").into()
        }
        (200..=299 | 400..=407 | 409..=499, _) => {
            CallError::Rejected(reject(RejectClass::Platform, "square refused the call"))
        }
        _ => CallError::transient(reason()),
    })
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
    use crate::AccountRefusal;
    use std::time::Duration;

    fn error_of(status: u16, body: &str) -> Result<(), CallError> {
        let retry_after = Some(Duration::from_secs(3));
        check(&HttpReply { status, retry_after, headers: &[], body: body.as_bytes() })
    }

    fn error(code: &str) -> String {
        format!(r#"{{"errors":[{{"category":"X","code":"{code}","detail":"jenkins@example.com"}}]}}"#)
    }

    #[test]
    fn a_reply_says_what_to_do_next_and_never_quotes_details() {
        assert_eq!(error_of(200, r#"{"counts":[],"errors":[]}"#), Ok(()));
        assert_eq!(error_of(200, ""), Ok(()));
        assert_eq!(error_of(400, &error("VERSION_MISMATCH")), Err(CallError::Conflict));
        assert_eq!(error_of(409, &error("VERSION_MISMATCH")), Err(CallError::Conflict));
        let throttled = Err(CallError::RateLimited { after: Some(Duration::from_secs(3)) });
        assert_eq!(error_of(429, "not JSON"), throttled);
        assert_eq!(error_of(400, &error("RATE_LIMITED")), throttled);
        for status in [408, 500, 502, 503, 504] {
            assert_eq!(
                error_of(status, "<html>"),
                Err(CallError::Transient { reason: format!("status {status}") })
            );
        }
        let too_old = error_of(400, &error("INVALID_TIME"));
        assert!(matches!(too_old, Err(CallError::TooOld(_))), "{too_old:?}");
        assert_eq!(error_of(404, &error("NOT_FOUND")), Err(CallError::Gone));
        assert_eq!(error_of(400, &error("NOT_FOUND")), Err(CallError::Gone));
        let secret = error("jenkins@example.com");
        for (status, body) in [(400, error("INVALID_VALUE")), (200, error("BAD_REQUEST")), (400, secret)] {
            let Err(CallError::Rejected(reject)) = error_of(status, &body) else { panic!("{status}") };
            assert_eq!(reject.class, RejectClass::Platform);
            assert!(!reject.reason.contains("jenkins"), "{reject}");
        }
    }

    #[test]
    fn a_refused_account_is_distinguished_from_a_refused_value() {
        let refusals = [
            (301, "<html>".to_owned(), AccountRefusal::Misconfigured),
            (404, "<html>".to_owned(), AccountRefusal::Misconfigured),
            (402, error("PAYMENT_LIMIT_EXCEEDED"), AccountRefusal::Misconfigured),
            (423, String::new(), AccountRefusal::Misconfigured),
            (400, error("INVALID_SQUARE_VERSION_FORMAT"), AccountRefusal::Misconfigured),
            (401, error("ACCESS_TOKEN_EXPIRED"), AccountRefusal::Unauthorized),
            (403, error("INSUFFICIENT_SCOPES"), AccountRefusal::Unauthorized),
        ];
        for (status, body, refusal) in refusals {
            let error = error_of(status, &body);
            assert!(
                matches!(error, Err(CallError::AccountRefused(found, _)) if found == refusal),
                "{status} {body}: {error:?}"
            );
        }
    }

    #[test]
    fn an_id_stays_one_segment_of_the_path() {
        assert_eq!(segment("CAISENgvlJ6jLWAzERDzjyHVybY"), "CAISENgvlJ6jLWAzERDzjyHVybY");
        assert_eq!(segment("../a?b#c d/é"), "%2E%2E%2Fa%3Fb%23c%20d%2F%C3%A9");
    }
}
