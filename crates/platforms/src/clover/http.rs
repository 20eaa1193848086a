//! The headers of every request to Clover, and the classification of every reply.

use crate::{Access, CallError, HttpReply, HttpRequest, Method};
use serde_json::Value;
use stage::{Reject, RejectClass};
use std::fmt::Write as _;

/// A request that reads `path` of the connection's merchant.
pub(super) fn get(access: &Access, path: &str) -> Result<HttpRequest, Reject> {
    request(Method::Get, access, path)
}

/// A request that sends `body`, which is JSON, to `path` of the connection's merchant.
pub(super) fn post(access: &Access, path: &str, body: String) -> Result<HttpRequest, Reject> {
    Ok(request(Method::Post, access, path)?.with_body(body))
}

fn request(method: Method, access: &Access, path: &str) -> Result<HttpRequest, Reject> {
    if access.account.is_empty() {
        let reason = "clover wants the merchant's id as the account of the connection";
        return Err(Reject::new(RejectClass::Config, reason));
    }
    let url = format!("{}/v3/merchants/{}/{path}", access.base_url, escaped(&access.account));
    Ok(HttpRequest::new(method, url)
        .with_header("authorization", format!("Bearer {}", access.token))
        .with_header("content-type", "application/json"))
}

/// Escapes `text` as one segment of a path or one value of a query: ids come from outside and must not name another path.
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

/// Returns the error that a reply to a read or a write states with its status. Bodies are never passed on: nothing
/// documents their content.
pub(super) fn check(reply: &HttpReply<'_>) -> Result<(), CallError> {
    let status = reply.status;
    let reject = |class| Reject::new(class, format!("clover refused us: status {status}"));
    Err(match status {
        200..=299 => return Ok(()),
        429 => CallError::RateLimited { after: reply.retry_after },
        401 | 403 => reject(RejectClass::Auth).into(),
        404 if is_of_the_api(reply.body) => CallError::Gone,
        300..=399 | 402 | 404 | 423 => reject(RejectClass::Config).into(),
        // Two changes of one object at once, by its documented name; the call may be repeated.
        409 => CallError::transient("status 409"),
        400..=407 | 410..=499 => reject(RejectClass::Platform).into(),
        _ => CallError::transient(format!("status {status}")),
    })
}

/// Returns false for the body of an error page: an object that doesn't exist must not be mistaken for an API that doesn't.
fn is_of_the_api(body: &[u8]) -> bool {
    body.is_empty() || serde_json::from_slice::<Value>(body).is_ok_and(|body| body.is_object())
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

    #[test]
    fn a_reply_says_what_to_do_next_and_is_never_quoted() {
        let message = r#"{"message":"jenkins@example.com"}"#;
        assert_eq!(error_of(200, message), Ok(()));
        let throttled = Err(CallError::RateLimited { after: Some(Duration::from_secs(3)) });
        assert_eq!(error_of(429, message), throttled);
        for status in [408, 409, 500, 502, 503, 504] {
            assert_eq!(
                error_of(status, message),
                Err(CallError::Transient { reason: format!("status {status}") })
            );
        }
        for status in [400, 405, 422] {
            let Err(CallError::Rejected(reject)) = error_of(status, message) else { panic!("{status}") };
            assert_eq!(reject.class, RejectClass::Platform);
            assert!(!reject.reason.contains("jenkins"), "{reject}");
        }
    }

    #[test]
    fn an_object_that_is_missing_is_distinguished_from_an_api_that_is_missing() {
        for body in ["", "{}", r#"{"message":"Not Found"}"#] {
            assert_eq!(error_of(404, body), Err(CallError::Gone), "{body}");
        }
        for body in ["<html>", "404 page not found", r#""Not Found""#, "[]"] {
            let error = error_of(404, body);
            assert!(
                matches!(error, Err(CallError::AccountRefused(AccountRefusal::Misconfigured, _))),
                "{body}: {error:?}"
            );
        }
    }

    #[test]
    fn a_call_names_the_merchant_and_nothing_else() {
        let mut access = Access {
            base_url: "https://api.example.com".to_owned(),
            token: "token".to_owned(),
            access_token: None,
            api_version: String::new(),
            account: "../a?b".to_owned(),
        };
        let url = get(&access, "items/I").unwrap().url;
        assert_eq!(url, "https://api.example.com/v3/merchants/%2E%2E%2Fa%3Fb/items/I");
        access.account = String::new();
        assert_eq!(get(&access, "items/I").unwrap_err().class, RejectClass::Config);
    }
}
