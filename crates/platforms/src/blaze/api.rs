//! URLs and credentials of the API, and the classification of every reply.

use crate::{Access, CallError, HttpReply, HttpRequest, Method};
use serde_json::Value;
use stage::{Reject, RejectClass};
use std::fmt::Write as _;

/// The API version that is requested if the connection names none.
const DEFAULT_VERSION: &str = "v1";

/// Upper limit of a reply, in bytes. A product has its vendor and its tax tables with it: some ten kilobytes, a hundred
/// times on a page.
const REPLY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Part of the text with which a wrong key is refused, whatever the status.
const REFUSED_KEY: &[u8] = b"Invalid PARTNER or Developer API";

/// A request that reads `path` of the partner API.
pub(super) fn get(access: &Access, path: &str) -> Result<HttpRequest, Reject> {
    let version = if access.api_version.is_empty() { DEFAULT_VERSION } else { &access.api_version };
    let keys = access.token.split_once(':').filter(|(partner, shop)| !partner.is_empty() && !shop.is_empty());
    let (partner, shop) = keys.ok_or_else(|| {
        Reject::new(RejectClass::Config, "blaze wants credentials as <partner key>:<developer key>")
    })?;
    let url = format!("{}/api/{version}/partner/{path}", access.base_url);
    let request = HttpRequest::new(Method::Get, url)
        .with_header("authorization", shop)
        // The documents name the first, every client that was found sends the second.
        .with_header("x-api-key", partner)
        .with_header("partner_key", partner)
        .with_header("accept", "application/json");
    Ok(HttpRequest { reply_bytes_max: REPLY_BYTES_MAX, ..request })
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

/// Returns the error that a reply states with its status. Bodies are never passed on: nothing documents their content.
pub(super) fn check(reply: &HttpReply<'_>) -> Result<(), CallError> {
    let status = reply.status;
    let reject = |class| Reject::new(class, format!("blaze refused us: status {status}"));
    Err(match status {
        429 => CallError::RateLimited { after: reply.retry_after },
        401 | 403 => reject(RejectClass::Auth).into(),
        _ if refuses_the_key(reply.body) => reject(RejectClass::Auth).into(),
        200..=299 => return Ok(()),
        404 if is_of_the_api(reply.body) => CallError::Gone,
        300..=399 | 402 | 404 | 405 | 423 => reject(RejectClass::Config).into(),
        400..=407 | 409..=499 => reject(RejectClass::Platform).into(),
        _ => CallError::transient(format!("status {status}")),
    })
}

/// Returns true for the text that refuses a key. Lists and objects are JSON, and the text may be a name in them.
fn refuses_the_key(body: &[u8]) -> bool {
    let is_data = serde_json::from_slice::<Value>(body)
        .is_ok_and(|body| body.get("values").is_some() || body.get("id").is_some());
    !is_data && body.windows(REFUSED_KEY.len()).any(|part| part == REFUSED_KEY)
}

/// Returns false for the body of an error page: an object that doesn't exist must not be mistaken for an API that doesn't.
fn is_of_the_api(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|body| body.is_object())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AccountRefusal;
    use std::time::Duration;

    fn access(token: &str, api_version: &str) -> Access {
        Access {
            base_url: "https://blaze.example".to_owned(),
            token: token.to_owned(),
            access_token: None,
            api_version: api_version.to_owned(),
            account: "shop".to_owned(),
        }
    }

    fn error_of(status: u16, body: &str) -> Result<(), CallError> {
        let retry_after = Some(Duration::from_secs(3));
        check(&HttpReply { status, retry_after, headers: &[], body: body.as_bytes() })
    }

    #[test]
    fn both_keys_go_into_headers_and_neither_into_the_url() {
        let request = get(&access("partner:shop", ""), "products").unwrap();
        assert_eq!(request.url, "https://blaze.example/api/v1/partner/products");
        for (name, value) in [("authorization", "shop"), ("x-api-key", "partner"), ("partner_key", "partner")]
        {
            assert!(request.headers.contains(&(name, value.to_owned())), "{name}");
        }
        let other = get(&access("partner:shop", "v2"), "products").unwrap();
        assert_eq!(other.url, "https://blaze.example/api/v2/partner/products");
        for token in ["", "partner", "partner:", ":shop", ":"] {
            assert_eq!(get(&access(token, ""), "x").unwrap_err().class, RejectClass::Config, "{token}");
        }
    }

    #[test]
    fn a_reply_states_the_next_action_and_is_never_quoted() {
        let message = r#"{"message":"ada@example.com"}"#;
        assert_eq!(error_of(200, message), Ok(()));
        let throttled = Err(CallError::RateLimited { after: Some(Duration::from_secs(3)) });
        assert_eq!(error_of(429, message), throttled);
        for (status, body) in [
            (401, message),
            (403, ""),
            (400, "Invalid PARTNER or Developer API key"),
            (200, r#"{"message":"Invalid PARTNER or Developer API key"}"#),
        ] {
            let error = error_of(status, body).unwrap_err();
            assert!(error.is_unauthorized() && !error.to_string().contains("ada"), "{status} {error}");
        }
        for (status, body) in [(404, "<html>"), (404, ""), (301, ""), (402, ""), (405, ""), (423, "")] {
            let error = error_of(status, body);
            let is_setting =
                matches!(error, Err(CallError::AccountRefused(AccountRefusal::Misconfigured, _)));
            assert!(is_setting, "{status} {error:?}");
        }
        assert_eq!(error_of(404, message), Err(CallError::Gone));
        assert!(matches!(error_of(400, message), Err(CallError::Rejected(_))));
        for status in [408, 500, 503] {
            assert!(matches!(error_of(status, ""), Err(CallError::Transient { .. })), "{status}");
        }
    }

    #[test]
    fn a_product_with_the_words_of_a_refusal_in_its_name_is_a_product() {
        let text = "Invalid PARTNER or Developer API";
        assert_eq!(error_of(200, &format!(r#"{{"id":"p","name":"{text}"}}"#)), Ok(()));
        assert_eq!(error_of(200, &format!(r#"{{"values":[{{"name":"{text}"}}]}}"#)), Ok(()));
    }

    #[test]
    fn an_id_stays_one_segment() {
        assert_eq!(escaped("5e0000000000000000000001"), "5e0000000000000000000001");
        assert_eq!(escaped("../members?x=ä"), "%2E%2E%2Fmembers%3Fx%3D%C3%A4");
    }
}
