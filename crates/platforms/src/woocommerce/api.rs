//! URLs and credentials of the REST API, and the classification of every reply.

use crate::{Access, CallError, HttpReply, HttpRequest, Method, json};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::Value;
use stage::{Reject, RejectClass};

/// The API version that is requested if the connection names none.
const DEFAULT_VERSION: &str = "wc/v3";
/// Upper limit of an error code, in bytes; a longer text isn't one.
const CODE_BYTES_MAX: usize = 64;

/// The code of a call that changes a variation like a product.
const NO_PRODUCT_BUT_A_VARIATION: &str = "woocommerce_rest_invalid_product_id";

/// A request that reads `path`.
pub(super) fn get(access: &Access, path: &str) -> Result<HttpRequest, Reject> {
    request(Method::Get, access, path)
}

/// A request that sends `body` to `path`.
pub(super) fn send(method: Method, access: &Access, path: &str, body: &Value) -> Result<HttpRequest, Reject> {
    let request = request(method, access, path)?;
    Ok(request.with_header("content-type", "application/json").with_body(body.to_string()))
}

fn request(method: Method, access: &Access, path: &str) -> Result<HttpRequest, Reject> {
    let version = if access.api_version.is_empty() { DEFAULT_VERSION } else { &access.api_version };
    let is_pair =
        access.token.split_once(':').is_some_and(|(key, secret)| !key.is_empty() && !secret.is_empty());
    if !is_pair {
        let reason = "woocommerce wants credentials as <consumer key>:<consumer secret>";
        return Err(Reject::new(RejectClass::Config, reason));
    }
    Ok(HttpRequest::new(method, format!("{}/wp-json/{version}/{path}", access.base_url))
        .with_header("authorization", format!("Basic {}", STANDARD.encode(&access.token)))
        .with_header("accept", "application/json"))
}

/// An error as the API writes it: the body of a refused call, or the `error` of an object in a batch.
#[derive(Deserialize)]
struct Problem {
    code: Option<Value>,
}

/// Returns the error that a reply states with its status. Only the code of its body is kept: the message may quote the
/// request.
pub(super) fn check(reply: &HttpReply<'_>) -> Result<(), CallError> {
    let status = reply.status;
    if (200..=299).contains(&status) {
        return Ok(());
    }
    if status == 429 {
        return Err(CallError::RateLimited { after: reply.retry_after });
    }
    let code = json::object(reply.body)
        .and_then(|body| serde_json::from_slice::<Problem>(body).ok())
        .and_then(|problem| readable(problem.code.as_ref()));
    Err(refused(status, code.as_deref()))
}

/// The error of one object of a batch.
pub(super) fn refused_object(error: &Value) -> CallError {
    let status =
        error.pointer("/data/status").and_then(Value::as_u64).and_then(|status| status.try_into().ok());
    match refused(status.unwrap_or(400), readable(error.get("code")).as_deref()) {
        // The account was accepted, or the batch had no reply of its own.
        CallError::AccountRefused(_, reject) => CallError::Rejected(reject),
        other => other,
    }
}

/// The error that a status and a code mean. A path that doesn't exist is a mistake in the settings; an object that doesn't
/// exist has a code that names its id.
fn refused(status: u16, code: Option<&str>) -> CallError {
    let said = || code.map_or(format!("status {status}"), |code| format!("status {status}, {code}"));
    let reject = |class, what: &str| CallError::from(Reject::new(class, format!("{what}: {}", said())));
    let is_gone =
        code.is_some_and(|code| code.ends_with("_invalid_id") || code == NO_PRODUCT_BUT_A_VARIATION);
    match status {
        401 | 403 => reject(RejectClass::Auth, "woocommerce refuses the key"),
        400 | 404 if is_gone => CallError::Gone,
        300..=399 | 404 | 405 | 501 => {
            reject(RejectClass::Config, "this is not the API of a woocommerce shop")
        }
        402 | 423 => reject(RejectClass::Config, "the shop takes no calls"),
        400..=407 | 409..=499 => reject(RejectClass::Platform, "woocommerce refuses the call"),
        _ => CallError::transient(said()),
    }
}

/// The code, if it is one: a to z, digits and underscores.
fn readable(code: Option<&Value>) -> Option<String> {
    let code = code?.as_str()?;
    let is_code = (1..=CODE_BYTES_MAX).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    is_code.then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AccountRefusal;
    use serde_json::json;
    use std::time::Duration;

    fn access(token: &str, api_version: &str) -> Access {
        Access {
            base_url: "https://shop.example/tea".to_owned(),
            token: token.to_owned(),
            access_token: None,
            api_version: api_version.to_owned(),
            account: "shop.example/tea".to_owned(),
        }
    }

    fn error_of(status: u16, code: &str) -> CallError {
        let body =
            json!({"code": code, "message": "ada@example.com", "data": {"status": status}}).to_string();
        check(&HttpReply::new(status, body.as_bytes())).unwrap_err()
    }

    #[test]
    fn the_credentials_are_a_pair_and_go_into_one_header() {
        let request = get(&access("ck_1:cs_2", ""), "products/1").unwrap();
        assert_eq!(request.url, "https://shop.example/tea/wp-json/wc/v3/products/1");
        assert!(request.headers.contains(&("authorization", "Basic Y2tfMTpjc18y".to_owned())));
        assert_eq!(
            get(&access("ck_1:cs_2", "wc/v4"), "x").unwrap().url,
            "https://shop.example/tea/wp-json/wc/v4/x"
        );
        for token in ["", "ck_1", "ck_1:", ":cs_2", ":"] {
            assert_eq!(get(&access(token, ""), "x").unwrap_err().class, RejectClass::Config, "{token}");
        }
    }

    #[test]
    fn an_object_that_is_gone_is_distinguished_from_a_path_that_never_was() {
        for (status, code) in [
            (404, "woocommerce_rest_product_invalid_id"),
            (400, "woocommerce_rest_product_invalid_id"),
            (400, "woocommerce_rest_product_variation_invalid_id"),
            (404, "woocommerce_rest_invalid_product_id"),
        ] {
            assert_eq!(error_of(status, code), CallError::Gone, "{status} {code}");
        }
        for (status, code) in [(404, "rest_no_route"), (404, ""), (301, ""), (501, ""), (423, "")] {
            let error = error_of(status, code);
            assert!(
                matches!(error, CallError::AccountRefused(AccountRefusal::Misconfigured, _)),
                "{status} {code}: {error:?}"
            );
        }
    }

    #[test]
    fn a_refusal_names_its_code_and_never_quotes_a_message() {
        for status in [401, 403] {
            let error = error_of(status, "woocommerce_rest_cannot_view");
            assert!(error.is_unauthorized() && !error.to_string().contains("ada"), "{error}");
        }
        let error = error_of(400, "product_invalid_sku");
        assert!(matches!(&error, CallError::Rejected(_)), "{error:?}");
        assert!(error.to_string().contains("product_invalid_sku"), "{error}");
        assert!(!error_of(400, "Ada Lovelace").to_string().contains("Ada"));
        let reply = HttpReply { retry_after: Some(Duration::from_secs(3)), ..HttpReply::new(429, b"") };
        assert_eq!(check(&reply), Err(CallError::RateLimited { after: Some(Duration::from_secs(3)) }));
        for status in [408, 500, 503] {
            assert!(
                matches!(error_of(status, "internal_server_error"), CallError::Transient { .. }),
                "{status}"
            );
        }
    }

    #[test]
    fn an_error_within_a_batch_concerns_its_object_alone() {
        let error = |code: &str, status: u16| {
            refused_object(&json!({"code": code, "message": "x", "data": {"status": status}}))
        };
        assert_eq!(error("woocommerce_rest_product_invalid_id", 400), CallError::Gone);
        assert!(matches!(error("woocommerce_rest_cannot_edit", 401), CallError::Rejected(_)));
        assert!(matches!(refused_object(&json!("x")), CallError::Rejected(_)));
    }
}
