//! One GraphQL request, and the classification of its reply before its data is read.

use crate::{AccountRefusal, CallContext, CallError, HttpReply, HttpRequest, Method, json};
use model::ExternalId;
use serde_json::{Value, json};
use stage::{Reject, RejectClass};
use std::time::Duration;

/// The API version that is requested if the connection names none.
const DEFAULT_VERSION: &str = "2026-07";

/// Upper limit of a wait taken from a reply; the smallest plan refills its bucket in less.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// The request that runs `query` with `variables`.
pub(super) fn request(query: &str, variables: &Value, context: &CallContext<'_>) -> HttpRequest {
    let access = context.access;
    let version = if access.api_version.is_empty() { DEFAULT_VERSION } else { &access.api_version };
    HttpRequest::new(Method::Post, format!("{}/admin/api/{version}/graphql.json", access.base_url))
        .with_header("content-type", "application/json")
        .with_header("accept", "application/json")
        .with_header("x-shopify-access-token", access.token.clone())
        .with_body(json!({ "query": query, "variables": variables }).to_string())
}

/// The global id of the object that webhooks identify by `id`.
pub(super) fn gid(kind: &str, id: &ExternalId) -> Result<String, Reject> {
    number(id).map(|id| format!("gid://shopify/{kind}/{id}"))
}

/// The number in `id`. Ids of this platform are always numbers, so that no other text gets into a gid.
pub(super) fn number(id: &ExternalId) -> Result<u64, Reject> {
    let digits = id.as_str();
    let number = digits.parse().ok().filter(|number: &u64| *number > 0 && number.to_string() == digits);
    number.ok_or_else(|| Reject::new(RejectClass::Data, "an id of this platform is a positive whole number"))
}

/// The `data` of a reply without errors.
pub(super) fn data(reply: &HttpReply<'_>) -> Result<Value, CallError> {
    refused_by_status(reply)?;
    let mut body =
        json::reply(reply.body).map_err(|error| CallError::transient(format!("the reply is {error}")))?;
    if let Some(errors) = body.get("errors").filter(|errors| !errors.is_null() && errors != &&json!([])) {
        return Err(refused_by_errors(errors, &body));
    }
    match body.get_mut("data").map(Value::take) {
        Some(data @ Value::Object(_)) => Ok(data),
        _ => Err(CallError::transient("the reply has no data")),
    }
}

fn refused_by_status(reply: &HttpReply<'_>) -> Result<(), CallError> {
    let status = reply.status;
    let reject = |class, reason: &str| {
        Err(Reject::new(class, format!("the platform answered {status}: {reason}")).into())
    };
    match status {
        200..=299 => Ok(()),
        401 | 403 => reject(RejectClass::Auth, "the token is refused"),
        402 => reject(RejectClass::Config, "the shop is frozen"),
        404 => reject(RejectClass::Config, "no such shop or version of the API"),
        423 => reject(RejectClass::Config, "the shop is locked"),
        300..=399 => reject(RejectClass::Config, "the shop is elsewhere"),
        429 => Err(CallError::RateLimited { after: reply.retry_after }),
        // 430: the platform suspects abuse; temporary.
        408 | 430 | 500..=599 => Err(CallError::transient(format!("the platform answered {status}"))),
        _ => reject(RejectClass::Platform, "the call is refused"),
    }
}

/// Classifies top-level errors, temporary ones first: none of them means that anything was written.
fn refused_by_errors(errors: &Value, body: &Value) -> CallError {
    let errors: Vec<&Value> =
        errors.as_array().map_or_else(|| vec![errors], |errors| errors.iter().collect());
    let code_of = |error: &&Value| error.pointer("/extensions/code").and_then(Value::as_str).map(code);
    let codes: Vec<String> = errors.iter().filter_map(code_of).collect();
    let says = |wanted: &[&str]| codes.iter().any(|code| wanted.contains(&code.as_str()));
    // Older replies contain only the message.
    let throttled = |error: &&Value| error.get("message").and_then(Value::as_str) == Some("Throttled");
    let account = |refusal, class, reason: &str| {
        CallError::AccountRefused(refusal, Reject::new(class, format!("{reason}: {}", codes.join(", "))))
    };

    if says(&["THROTTLED"]) || errors.iter().any(throttled) {
        CallError::RateLimited { after: refill(body) }
    } else if says(&["INTERNAL_SERVER_ERROR", "TIMEOUT"]) {
        CallError::transient("the platform reports an error of its own")
    } else if says(&["ACCESS_DENIED", "UNAUTHORIZED"]) {
        account(AccountRefusal::Unauthorized, RejectClass::Auth, "the platform denies access")
    } else if says(&["SHOP_INACTIVE"]) {
        account(AccountRefusal::Misconfigured, RejectClass::Config, "the shop is closed")
    } else if codes.is_empty() {
        let reason = "the platform refuses the call and gives no code";
        CallError::Rejected(Reject::new(RejectClass::Platform, reason))
    } else {
        let reason = format!("the platform refuses the call: {}", codes.join(", "));
        CallError::Rejected(Reject::new(RejectClass::Platform, reason))
    }
}

/// Time until the bucket holds the cost of the call.
fn refill(body: &Value) -> Option<Duration> {
    let cost = |pointer| body.pointer(pointer).and_then(Value::as_f64);
    let wanted = cost("/extensions/cost/requestedQueryCost")?;
    let available = cost("/extensions/cost/throttleStatus/currentlyAvailable")?;
    let rate = cost("/extensions/cost/throttleStatus/restoreRate").filter(|rate| *rate > 0.0)?;
    let wait = Duration::try_from_secs_f64(((wanted - available) / rate).max(0.0)).ok()?;
    Some(wait.min(LONGEST_WAIT))
}

/// A code of the platform in a form that is safe in a message: the codes are upper-case names, and anything else could
/// be part of the payload.
pub(super) fn code(text: &str) -> String {
    let named =
        (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    if named { text.to_owned() } else { "UNNAMED".to_owned() }
}
