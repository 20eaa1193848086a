//! `Idempotency-Key`: a repeated request has the first one's response, and the effect of one.
//!
//! The ids of things that a request creates are derived from its key, so that a request that was cut off and is repeated
//! meets what the first attempt created.

use crate::{
    Gateway,
    authentication::{Caller, TENANT_HEADER},
    body::BODY_BYTES_MAX,
    problem::Problem,
};
use axum::{
    body::{Body, to_bytes},
    extract::{FromRequestParts, Request, State},
    http::request::Parts,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use hyper::{
    HeaderMap, Method, StatusCode,
    header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LOCATION},
};
use model::Timestamp;
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use store::{BegunRequest, KeptResponse, RequestKey, Store};
use tokio_util::sync::CancellationToken;

/// The header with the key.
pub(crate) const HEADER: &str = "idempotency-key";
/// The header of a response that was kept.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Upper limit of a key, in bytes.
const KEY_BYTES_MAX: usize = 255;
/// Time after which a request without a response counts as cut off: longer than any request may take.
const CUT_OFF_AFTER: Duration = Duration::from_mins(1);
/// Time for which a response is kept.
const KEPT_FOR: Duration = Duration::from_hours(24);
/// Interval between the removals of old responses.
const FORGET_EVERY: Duration = Duration::from_mins(10);
/// Upper limit of a response's body that is kept, in bytes.
const RESPONSE_BYTES_MAX: usize = 1024 * 1024;
/// The headers of a response that are kept.
const KEPT_HEADERS: [HeaderName; 3] = [CONTENT_TYPE, ETAG, LOCATION];
/// Length of a new id's random part, in bytes.
const ID_BYTES: usize = 10;

/// Carries out a `POST` with a key once, and answers its repetitions with the first response.
pub(crate) async fn once(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    match key(request.headers()) {
        Ok(None) => next.run(request).await,
        Ok(Some(key)) => keyed(&gateway.store, key, request, next)
            .await
            .unwrap_or_else(axum::response::IntoResponse::into_response),
        Err(problem) => problem.into_response(),
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| (1..=KEY_BYTES_MAX).contains(&text.len()));
    match text {
        Some(text) if values.next().is_none() => Ok(Some(text.to_owned())),
        _ => Err(Problem::malformed("Idempotency-Key: one key of 1 to 255 visible ASCII characters")),
    }
}

async fn keyed(store: &Store, key: String, request: Request, next: Next) -> Result<Response, Problem> {
    let caller = request.extensions().get::<Caller>().cloned();
    let caller = caller.ok_or_else(|| Problem::unauthenticated("the request has no credentials"))?;
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "the body is too large, or was cut off")
    })?;
    let of = RequestKey { caller: &caller.name, key: &key };
    let now = runner::now();
    let begun = store.begin_request(of, digest(&parts, &body), now, earlier(now, CUT_OFF_AFTER)).await?;
    match begun {
        BegunRequest::First => {}
        BegunRequest::Repeated(kept) => return Ok(replayed(kept)),
        BegunRequest::UnderWay => {
            return Err(Problem::conflict("Idempotency-Key: the first request with this key is under way"));
        }
        BegunRequest::Other => {
            return Err(Problem::invalid("Idempotency-Key", "the key was used for another request"));
        }
    }
    parts.extensions.insert(Repeatable { caller: Arc::clone(&caller.name), key: key.as_str().into() });
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    kept(store, of, response).await
}

/// Keeps a response, unless a repetition of the request may have another one.
async fn kept(store: &Store, of: RequestKey<'_>, response: Response) -> Result<Response, Problem> {
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, RESPONSE_BYTES_MAX).await.unwrap_or_default();
    let text = String::from_utf8(body.to_vec()).ok();
    match text.filter(|_| !parts.status.is_server_error()) {
        Some(body) => {
            let header = |name: &HeaderName| {
                let value = parts.headers.get(name)?.to_str().ok()?;
                Some((name.as_str().to_owned(), value.to_owned()))
            };
            let headers: BTreeMap<_, _> = KEPT_HEADERS.iter().filter_map(header).collect();
            let kept = KeptResponse { status: parts.status.as_u16(), headers, body };
            store.end_request(of, &kept).await?;
        }
        None => store.abandon_request(of).await?,
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn replayed(kept: KeptResponse) -> Response {
    let mut response = Response::new(Body::from(kept.body));
    *response.status_mut() = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in kept.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// Returns the digest by which a repetition is recognized as one: of the method, the path, the tenant and the body.
fn digest(parts: &Parts, body: &[u8]) -> [u8; 32] {
    let tenant = parts.headers.get(TENANT_HEADER).map_or(&[][..], HeaderValue::as_bytes);
    let path = parts.uri.path_and_query().map_or("", axum::http::uri::PathAndQuery::as_str);
    let mut hash = Sha256::new();
    for part in [parts.method.as_str().as_bytes(), path.as_bytes(), tenant, body] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// A request that its caller may repeat.
#[derive(Debug, Clone)]
struct Repeatable {
    caller: Arc<str>,
    key: Arc<str>,
}

/// Ids for the things that a request creates.
#[derive(Debug)]
pub(crate) struct NewIds(Option<Repeatable>);

impl<S: Send + Sync> FromRequestParts<S> for NewIds {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(parts.extensions.get::<Repeatable>().cloned()))
    }
}

impl NewIds {
    /// Returns an id with this prefix: random, or the same at each repetition of a request with a key.
    pub(crate) fn id(&self, prefix: &str) -> String {
        let bytes: [u8; ID_BYTES] = self.0.as_ref().map_or_else(rand::random, |of| {
            let mut hash = Sha256::new();
            for part in [prefix, &of.caller, &of.key] {
                hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
                hash.update(part);
            }
            let hash: [u8; 32] = hash.finalize().into();
            std::array::from_fn(|index| hash[index])
        });
        format!("{prefix}_{}", hex::encode(bytes))
    }

    /// Returns true if the request may be a repetition of one that was cut off.
    pub(crate) const fn may_repeat(&self) -> bool {
        self.0.is_some()
    }
}

/// Removes old responses until `stop`.
pub(crate) async fn forget_old(store: Store, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(FORGET_EVERY) => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = store.forget_requests(earlier(runner::now(), KEPT_FOR)).await {
            tracing::warn!(
                service = crate::SERVICE,
                error = runner::chain(&error),
                "old responses weren't removed"
            );
        }
    }
}

fn earlier(now: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_micros(now.as_micros().saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
}
