//! `POST /webhook/{platform}/{connection}`, and `GET` for platforms that check the URL that way.

use crate::{
    BodyRefusal, Holder, Intake, Reply,
    body::{self, BadBody, BodyWorkers, Coding},
    claim::Claim,
    input_count::Input,
    room::{NoRoom, RequestRoom, Room},
};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{
        ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderValue, RETRY_AFTER,
        X_CONTENT_TYPE_OPTIONS,
    },
    http::request::Parts,
};
use platforms::{Handshake, HandshakeReply, Signed, Webhooks};
use runner::{Client, Listening, Service, problem};
use std::{sync::Arc, time::Duration};
use tokio::net::TcpListener;

/// `Retry-After` for a sender during an outage.
const OUTAGE_RETRY: Duration = Duration::from_secs(5);
/// `Retry-After` for a sender that found no room.
const NO_ROOM_RETRY: Duration = Duration::from_secs(1);
/// `Retry-After` for a holder of too much of RAW: its bytes are discarded by the hour, or RAW becomes less full.
const HELD_RETRY: Duration = Duration::from_mins(5);

/// The state of the webhook server.
struct WebhookServer {
    intake: Arc<Intake>,
    room: Room,
    workers: BodyWorkers,
}

/// Serves until the service stops, then finishes the requests under way.
pub(crate) async fn serve(
    listener: TcpListener,
    listening: Listening,
    intake: Arc<Intake>,
    room: Room,
    service: &Service,
) {
    let server = Arc::new(WebhookServer { intake, room, workers: BodyWorkers::default() });
    let respond = move |request, client| {
        let server = Arc::clone(&server);
        async move { server.respond(request, client).await }
    };
    runner::serve(listener, listening, service.metrics.clone(), service.stop.clone(), respond).await;
}

impl WebhookServer {
    async fn respond(&self, request: Request<Incoming>, client: Client) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let inner = path.strip_prefix('/').unwrap_or(&path);
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        if inner.starts_with('/') || inner.ends_with('/') || inner.contains("//") {
            return response(Reply::Malformed("a path has no empty segments"));
        }
        let mut segments = inner.split('/');
        let (Some("webhook"), Some(platform), Some(connection), None) =
            (segments.next(), segments.next(), segments.next(), segments.next())
        else {
            let detail = "webhooks go to /webhook/{platform}/{connection}";
            return problem(StatusCode::NOT_FOUND, "not-found", detail);
        };
        let replied = match *request.method() {
            Method::POST => self.accept(platform, connection, request, &client).await,
            Method::GET if self.has_handshakes(platform) => {
                Ok(self.challenge(platform, connection, request, &client).await)
            }
            _ => return self.not_allowed(platform),
        };
        match replied {
            Ok(response) => response,
            Err(BadBody::Refused(refusal)) => refuse_body(refusal),
            Err(BadBody::NoRoom) => response(Reply::NoRoom),
            Err(BadBody::TooSlow) => {
                problem(StatusCode::REQUEST_TIMEOUT, "timeout", "the body didn't come in time")
            }
            Err(BadBody::CutOff) => problem(StatusCode::BAD_REQUEST, "body", "the body is cut off"),
        }
    }

    /// Returns true if the platform checks webhooks' URLs.
    fn has_handshakes(&self, platform: &str) -> bool {
        let webhooks = self.intake.platform(platform).and_then(|platform| platform.webhooks());
        webhooks.is_some_and(|webhooks| webhooks.handshakes().is_some())
    }

    fn not_allowed(&self, platform: &str) -> Response<Full<Bytes>> {
        let allowed = if self.has_handshakes(platform) { "GET, POST" } else { "POST" };
        let mut refused = problem(StatusCode::METHOD_NOT_ALLOWED, "method", "webhooks are sent with POST");
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        refused
    }

    /// Accepts a webhook, the cheapest check first: no work is done on a request that the previous step
    /// hasn't justified.
    async fn accept(
        &self,
        platform: &str,
        connection: &str,
        request: Request<Incoming>,
        client: &Client,
    ) -> Result<Response<Full<Bytes>>, BadBody> {
        let input = self.intake.input();
        let (parts, body) = request.into_parts();
        let known = self.intake.platform(platform);
        let webhooks = known.and_then(|platform| platform.webhooks());
        if let Some(reply) = webhooks.and_then(|webhooks| malformed(webhooks, &parts.headers)) {
            return Ok(refuse_unread(&parts, body, input.ended(reply)));
        }
        let claim = match self.intake.claim(platform, connection, Some(client.origin())).await {
            Ok(claim) => claim,
            Err(reply) => return Ok(refuse_unread(&parts, body, input.ended(reply))),
        };
        let is_signed =
            claim.webhooks.signature_headers().iter().any(|name| parts.headers.contains_key(*name));
        if !is_signed {
            return self.accept_unsigned(&claim, &parts, body, input).await;
        }
        let limit_bytes = claim.platform.spec().body_bytes_max;
        if body.size_hint().lower() > limit_bytes as u64 {
            let reply = self.intake.refuse(&claim, BodyRefusal::TooLarge { limit_bytes });
            return Ok(refuse_unread(&parts, body, input.ended(reply)));
        }
        let Ok(mut room) = self.room.enter() else {
            return Ok(refuse_unread(&parts, body, input.ended(Reply::NoRoom)));
        };
        let replied = match body::read(body, limit_bytes, &mut room).await {
            Ok(signed) => self.accept_signed(claim, &parts.headers, signed, room, client).await?,
            Err(BadBody::Refused(refusal)) => self.intake.refuse(&claim, refusal),
            Err(BadBody::NoRoom) => Reply::NoRoom,
            Err(bad) => return Err(bad),
        };
        Ok(response(input.ended(replied)))
    }

    /// Accepts a webhook whose body was received completely: verifies it, decodes it, and has it kept.
    async fn accept_signed(
        &self,
        claim: Claim,
        headers: &HeaderMap,
        signed: Bytes,
        mut room: RequestRoom,
        client: &Client,
    ) -> Result<Reply, BadBody> {
        let received_at = runner::now();
        let limit_bytes = claim.platform.spec().body_bytes_max;
        let named: Arc<[_]> = texts(headers).into();
        let request = Signed { headers: &named, body: &signed };
        let origin = Some(client.origin());
        let key = tokio::select! {
            key = self.intake.public_key(&claim, &request, origin, received_at) => key,
            // The body would stay in memory for as long as the platform takes.
            () = room.displaced() => return Ok(Reply::NoRoom),
        };
        let key = match key {
            Ok(key) => key,
            Err(reply) => return Ok(reply),
        };
        let claim = Arc::new(claim);
        let prove = {
            let (claim, named, signed) = (Arc::clone(&claim), Arc::clone(&named), signed.clone());
            move || claim.prove(&Signed { headers: &named, body: &signed }, key.as_deref(), received_at)
        };
        let proven = match self.workers.run(signed.len(), prove).await? {
            Ok(proven) => proven,
            Err(reply) => return Ok(reply),
        };
        if room.prove() == Err(NoRoom) {
            return Ok(Reply::NoRoom);
        }
        client.prove();
        let encodings = headers.get_all(CONTENT_ENCODING);
        let plain = match Coding::of(encodings.iter().map(HeaderValue::as_bytes)) {
            Ok(coding) => self.workers.decoded(coding, &signed, limit_bytes, &mut room).await,
            Err(bad) => Err(bad),
        };
        drop(signed);
        match plain {
            Ok(plain) => Ok(self.intake.accept(&proven, &named, plain).await),
            Err(BadBody::Refused(refusal)) => Ok(self.intake.refuse(&claim, refusal)),
            Err(BadBody::NoRoom) => Ok(Reply::NoRoom),
            Err(bad) => Err(bad),
        }
    }

    /// Replies to a POST request without a signature: it may be a handshake. The body is read only if the platform
    /// has handshakes with one.
    async fn accept_unsigned(
        &self,
        claim: &Claim,
        parts: &Parts,
        body: Incoming,
        input: Input<'_>,
    ) -> Result<Response<Full<Bytes>>, BadBody> {
        let limit_bytes = claim.webhooks.handshakes().map_or(0, platforms::Handshakes::body_bytes_max);
        if limit_bytes == 0 || body.size_hint().lower() > limit_bytes as u64 {
            return Ok(refuse_unread(parts, body, input.ended(claim.unsigned())));
        }
        let Ok(mut room) = self.room.enter() else {
            return Ok(refuse_unread(parts, body, input.ended(Reply::NoRoom)));
        };
        match body::read(body, limit_bytes, &mut room).await {
            Ok(body) => Ok(self.handshake(claim, parts, &body, input)),
            Err(BadBody::Refused(_)) => Ok(response(input.ended(claim.unsigned()))),
            Err(bad) => Err(bad),
        }
    }

    /// Replies to a GET request, by which the platform checks the URL.
    async fn challenge(
        &self,
        platform: &str,
        connection: &str,
        request: Request<Incoming>,
        client: &Client,
    ) -> Response<Full<Bytes>> {
        let input = self.intake.input();
        let (parts, body) = request.into_parts();
        body::discard(body);
        match self.intake.claim(platform, connection, Some(client.origin())).await {
            Ok(claim) => self.handshake(&claim, &parts, &[], input),
            Err(reply) => response(input.ended(reply)),
        }
    }

    /// Replies to a request without a signature: as the platform expects, if it is one of its handshakes.
    fn handshake(
        &self,
        claim: &Claim,
        parts: &Parts,
        body: &[u8],
        input: Input<'_>,
    ) -> Response<Full<Bytes>> {
        let headers = texts(&parts.headers);
        let request = Handshake {
            is_get: parts.method == Method::GET,
            query: parts.uri.query().unwrap_or_default(),
            headers: &headers,
            body,
        };
        match claim.handshake(&request, runner::now()) {
            Ok(HandshakeReply { media_type, body }) => {
                input.ended_as_handshake();
                if let Some((connection, code)) = claim.code_for_people(&request) {
                    self.intake.note_code(connection, &code);
                }
                let mut response = content(StatusCode::OK, media_type.as_str(), body);
                // A part of the request may be repeated in it.
                response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
                response
            }
            Err(reply) => response(input.ended(reply)),
        }
    }
}

/// The response to a request whose body isn't read.
fn refuse_unread(parts: &Parts, body: Incoming, reply: Reply) -> Response<Full<Bytes>> {
    // A sender that waits for permission to send the body hasn't sent any of it.
    if !parts.headers.contains_key(EXPECT) {
        body::discard(body);
    }
    response(reply)
}

/// Finds a repeated header that a request may carry only once: which of the two counts would depend on the reader.
fn malformed(webhooks: &dyn Webhooks, headers: &HeaderMap) -> Option<Reply> {
    let doubled = runner::doubled(headers, webhooks.single_headers());
    doubled.map(|_| {
        Reply::Malformed("a header that says whose the request is, or what, is there more than once")
    })
}

/// The headers with text values; names in lower case, as `http` stores them.
fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |(name, value): (&hyper::header::HeaderName, &HeaderValue)| {
        value.to_str().ok().map(|value| (name.as_str().to_owned(), value.to_owned()))
    };
    headers.iter().filter_map(text).collect()
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    match reply {
        Reply::Kept { delivery, .. } => content(
            StatusCode::OK,
            "application/json",
            format!("{{\"kept\":true,\"delivery\":\"{delivery}\"}}"),
        ),
        Reply::Malformed(what) => problem(StatusCode::BAD_REQUEST, "malformed", what),
        Reply::BodyRefused(refusal) => refuse_body(refusal),
        Reply::UnknownTopic => content(StatusCode::OK, "application/json", "{\"kept\":false}".to_owned()),
        Reply::Unverified(_) => {
            problem(StatusCode::UNAUTHORIZED, "signature", "the signature is missing or doesn't match")
        }
        Reply::UnknownConnection => {
            problem(StatusCode::NOT_FOUND, "connection", "there is no such connection of this platform")
        }
        Reply::TooMany(wait) => later(
            problem(
                StatusCode::TOO_MANY_REQUESTS,
                "limit",
                "more than this connection or its tenant may send in a minute",
            ),
            wait,
        ),
        Reply::HoldsTooMuch(holder) => {
            later(problem(StatusCode::TOO_MANY_REQUESTS, "held", &share_exceeded(holder)), HELD_RETRY)
        }
        Reply::TooManyUnknown(wait) => later(
            problem(
                StatusCode::TOO_MANY_REQUESTS,
                "unknown",
                "too many connections or keys that don't exist were asked for from this address",
            ),
            wait,
        ),
        Reply::NoRoom => later(
            problem(StatusCode::SERVICE_UNAVAILABLE, "room", "too many requests are under way"),
            NO_ROOM_RETRY,
        ),
        Reply::KeyUnavailable => later(
            problem(StatusCode::SERVICE_UNAVAILABLE, "key", "the public key can't be fetched now"),
            OUTAGE_RETRY,
        ),
        Reply::Unavailable(not_kept) => later(
            problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &not_kept.to_string()),
            OUTAGE_RETRY,
        ),
    }
}

/// The text for a holder of too much of RAW.
pub(crate) fn share_exceeded(holder: Holder) -> String {
    let who = match holder {
        Holder::Connection => "this connection",
        Holder::Tenant => "the tenant of this connection",
    };
    format!("{who} holds more than its share of what is kept for all")
}

fn refuse_body(refusal: BodyRefusal) -> Response<Full<Bytes>> {
    match refusal {
        BodyRefusal::TooLarge { limit_bytes } => {
            let detail = format!("a delivery may have {limit_bytes} bytes, as sent and decompressed");
            problem(StatusCode::PAYLOAD_TOO_LARGE, "size", &detail)
        }
        BodyRefusal::Malformed => {
            problem(StatusCode::BAD_REQUEST, "body", "the body isn't in the Content-Encoding that it names")
        }
        // RFC 9110, 15.5.16: the accepted codings, for machines too.
        BodyRefusal::UnknownCoding => {
            let detail = format!("a body may be in one of the content codings {}", body::CODINGS);
            let mut refused = problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding", &detail);
            refused.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static(body::CODINGS));
            refused
        }
    }
}

fn content(status: StatusCode, media_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// Adds `Retry-After` in whole seconds, rounded up (RFC 9110, 10.2.3).
fn later(mut response: Response<Full<Bytes>>, wait: Duration) -> Response<Full<Bytes>> {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    response.headers_mut().insert(RETRY_AFTER, seconds.max(1).into());
    response
}
