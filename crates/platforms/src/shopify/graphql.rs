//! One GraphQL request, and what its reply means before anyone reads the data in it.

use crate::{CallContext, HttpReply, HttpRequest, Method, Reply};
use model::ExternalId;
use serde_json::{Value, json};
use stage::{Reject, RejectClass};
use std::time::Duration;

/// What is asked for where the connection names no version.
const DEFAULT_VERSION: &str = "2026-07";

/// The longest wait that is taken from a reply; the smallest plan refills its bucket in less.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// The request that runs `query` with `variables`.
pub(super) fn request(query: &str, variables: &Value, context: &CallContext<'_>) -> HttpRequest {
    let access = context.access;
    let version = if access.api_version.is_empty() { DEFAULT_VERSION } else { &access.api_version };
    HttpRequest {
        method: Method::Post,
        url: format!("{}/admin/api/{version}/graphql.json", access.base_url),
        headers: vec![
            ("content-type", "application/json".to_owned()),
            ("accept", "application/json".to_owned()),
            ("x-shopify-access-token", access.token.clone()),
        ],
        body: json!({ "query": query, "variables": variables }).to_string().into(),
    }
}

/// The global id of what webhooks call `id`.
pub(super) fn gid(kind: &str, id: &ExternalId) -> Result<String, Reject> {
    number(id).map(|id| format!("gid://shopify/{kind}/{id}"))
}

/// The number that `id` is. Ids of this platform are never anything else, so that no other text gets into a gid.
pub(super) fn number(id: &ExternalId) -> Result<u64, Reject> {
    let digits = id.as_str();
    let number = digits.parse().ok().filter(|number: &u64| *number > 0 && number.to_string() == digits);
    number.ok_or_else(|| Reject::new(RejectClass::Data, "an id of this platform is a positive whole number"))
}

/// The `data` of a reply without errors, or else what the reply means.
pub(super) fn data(reply: &HttpReply<'_>) -> Result<Value, Reply> {
    refused_by_status(reply)?;
    let retry = |reason: &str| Reply::Retry { reason: reason.to_owned() };
    let mut body: Value = serde_json::from_slice(reply.body).map_err(|_| retry("the reply is not JSON"))?;
    if let Some(errors) = body.get("errors").filter(|errors| !errors.is_null() && errors != &&json!([])) {
        return Err(refused_by_errors(errors, &body));
    }
    match body.get_mut("data").map(Value::take) {
        Some(data @ Value::Object(_)) => Ok(data),
        _ => Err(retry("the reply has no data")),
    }
}

fn refused_by_status(reply: &HttpReply<'_>) -> Result<(), Reply> {
    let status = reply.status;
    let refused = |class, reason: &str| {
        Err(Reply::Refused(Reject::new(class, format!("the platform answered {status}: {reason}"))))
    };
    match status {
        200..=299 => Ok(()),
        401 | 403 => refused(RejectClass::Auth, "the token is refused"),
        404 => refused(RejectClass::Config, "no such shop or version of the API"),
        429 => Err(Reply::Throttled { after: reply.retry_after }),
        // 423: the shop is locked. 430: held to be abuse, which passes.
        408 | 423 | 430 | 500..=599 => {
            Err(Reply::Retry { reason: format!("the platform answered {status}") })
        }
        300..=399 => refused(RejectClass::Config, "the shop is elsewhere"),
        _ => refused(RejectClass::Platform, "the call is refused"),
    }
}

/// What top-level errors mean, the most hopeful first: none of them says that anything was written.
fn refused_by_errors(errors: &Value, body: &Value) -> Reply {
    let errors: Vec<&Value> =
        errors.as_array().map_or_else(|| vec![errors], |errors| errors.iter().collect());
    let code_of = |error: &&Value| error.pointer("/extensions/code").and_then(Value::as_str).map(code);
    let codes: Vec<String> = errors.iter().filter_map(code_of).collect();
    let says = |wanted: &[&str]| codes.iter().any(|code| wanted.contains(&code.as_str()));
    // Older replies carried the message alone.
    let throttled = |error: &&Value| error.get("message").and_then(Value::as_str) == Some("Throttled");
    let refused =
        |class, reason: &str| Reply::Refused(Reject::new(class, format!("{reason}: {}", codes.join(", "))));

    if says(&["THROTTLED"]) || errors.iter().any(throttled) {
        Reply::Throttled { after: refill(body) }
    } else if says(&["INTERNAL_SERVER_ERROR", "TIMEOUT"]) {
        Reply::Retry { reason: "the platform reports an error of its own".to_owned() }
    } else if says(&["ACCESS_DENIED", "UNAUTHORIZED", "SHOP_INACTIVE"]) {
        refused(RejectClass::Auth, "the platform denies access")
    } else if codes.is_empty() {
        Reply::Refused(Reject::new(RejectClass::Platform, "the platform refuses the call and gives no code"))
    } else {
        refused(RejectClass::Platform, "the platform refuses the call")
    }
}

/// How long until the bucket holds what the call asked for.
fn refill(body: &Value) -> Option<Duration> {
    let cost = |pointer| body.pointer(pointer).and_then(Value::as_f64);
    let wanted = cost("/extensions/cost/requestedQueryCost")?;
    let available = cost("/extensions/cost/throttleStatus/currentlyAvailable")?;
    let rate = cost("/extensions/cost/throttleStatus/restoreRate").filter(|rate| *rate > 0.0)?;
    let wait = Duration::try_from_secs_f64(((wanted - available) / rate).max(0.0)).ok()?;
    Some(wait.min(LONGEST_WAIT))
}

/// A code of the platform as it may stand in a message: the codes are upper-case names, and anything else could be
/// part of the payload.
pub(super) fn code(text: &str) -> String {
    let named =
        (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    if named { text.to_owned() } else { "UNNAMED".to_owned() }
}
