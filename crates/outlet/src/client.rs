//! The HTTP client.

use crate::{
    AllowedOrigin, CallsConfig, Forbidden,
    destination::{Destination, judge},
    resolver::{PublicOnly, System},
};
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use model::TraceParent;
use platforms::{CallError, HttpReply, HttpRequest, Method};
use reqwest::{
    ClientBuilder, Response,
    dns::Resolve,
    header::{DATE, HeaderMap, RETRY_AFTER},
    redirect::Policy,
};
use stage::{Reject, RejectClass};
use std::{sync::Arc, time::Duration};

/// Time limit for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Time limit for a whole call. The outcome is unknown after it.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Upper limit of a reply's headers that are kept, in bytes of names and values; further ones are left out.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Upper limit of a wait that a platform requests: a longer `Retry-After` counts as this.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// The reason why there is no reply. It is unknown if the platform executed the request.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// It couldn't be sent, or no reply arrived in time.
    #[error("no answer from the platform")]
    NoAnswer(#[source] reqwest::Error),
    /// The reply's body is larger than the request allows.
    #[error("the platform's reply is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// Nothing was sent: the connection's URL isn't allowed.
    #[error("refused before the call")]
    Forbidden(#[from] Forbidden),
}

impl Failed {
    /// The error of the write or read that made the call. A URL that isn't allowed is a mistake in the connection's
    /// settings: its calls wait until they are changed.
    pub fn into_call_error(self) -> CallError {
        match self {
            Self::NoAnswer(_) | Self::TooLarge { .. } => CallError::transient(self.to_string()),
            Self::Forbidden(forbidden) => Reject::new(RejectClass::Config, forbidden.to_string()).into(),
        }
    }
}

/// A complete reply.
#[derive(Debug)]
pub struct OwnedReply {
    status: u16,
    retry_after: Option<Duration>,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl OwnedReply {
    /// The reply in the form that platforms read.
    pub fn as_reply(&self) -> HttpReply<'_> {
        HttpReply {
            status: self.status,
            retry_after: self.retry_after,
            headers: &self.headers,
            body: &self.body,
        }
    }

    /// Returns true if the status is 2xx.
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }
}

/// Makes requests; cheap to clone. Follows no redirect and uses no proxy: credentials are sent to the connection's URL
/// only, which is `https` at a public address unless the operator has exempted its origin.
#[derive(Clone)]
pub struct Client {
    /// Connects to public addresses only.
    public: reqwest::Client,
    /// Connects to origins that the operator has exempted.
    allowed: reqwest::Client,
    allow: Arc<[AllowedOrigin]>,
}

impl Client {
    /// A client with the limits of this module.
    pub fn new(config: CallsConfig) -> Result<Self, Failed> {
        Self::with_resolver(config, Arc::new(System))
    }

    /// A client that resolves names with `resolver`.
    pub(crate) fn with_resolver(config: CallsConfig, resolver: Arc<dyn Resolve>) -> Result<Self, Failed> {
        let public = builder().https_only(true).dns_resolver(Arc::new(PublicOnly(Arc::clone(&resolver))));
        Ok(Self {
            public: public.build().map_err(Failed::NoAnswer)?,
            allowed: builder().dns_resolver(resolver).build().map_err(Failed::NoAnswer)?,
            allow: config.allow.into(),
        })
    }

    /// Makes one request, as a part of the trace.
    pub async fn call(
        &self,
        request: HttpRequest,
        trace: Option<&TraceParent>,
    ) -> Result<OwnedReply, Failed> {
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Patch => reqwest::Method::PATCH,
            Method::Delete => reqwest::Method::DELETE,
        };
        let (client, url) = match judge(&request.url, &self.allow)? {
            Destination::Public(url) => (&self.public, url),
            Destination::Allowed(url) => (&self.allowed, url),
        };
        let limit_bytes = request.reply_bytes_max;
        let mut building = client.request(method, url).body(request.body);
        for (name, value) in request.headers {
            building = building.header(name, value);
        }
        if let Some(trace) = trace {
            building = building.header("traceparent", trace.as_str());
        }
        let mut response = building.send().await.map_err(unsent)?;
        let (status, retry_after) = (response.status().as_u16(), retry_after(&response));
        let headers = texts(response.headers());
        let mut body = BytesMut::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| Failed::NoAnswer(error.without_url()))?
        {
            if body.len() + chunk.len() > limit_bytes {
                return Err(Failed::TooLarge { limit_bytes });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(OwnedReply { status, retry_after, headers, body: body.freeze() })
    }
}

/// The headers with text values, in their order, up to [`HEADER_BYTES_MAX`].
fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut room = HEADER_BYTES_MAX;
    let mut kept = Vec::new();
    for (name, value) in headers {
        let Ok(value) = value.to_str() else { continue };
        let Some(left) = room.checked_sub(name.as_str().len() + value.len()) else { break };
        room = left;
        kept.push((name.as_str().to_owned(), value.to_owned()));
    }
    kept
}

fn builder() -> ClientBuilder {
    https::client()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT)
        .redirect(Policy::none())
        .no_proxy()
        .user_agent(concat!("tillflow/", env!("CARGO_PKG_VERSION")))
}

/// The reason why there is no response: the resolver's refusal is among the causes of a connection that didn't open.
fn unsent(error: reqwest::Error) -> Failed {
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        if let Some(forbidden) = error.downcast_ref::<Forbidden>() {
            return (*forbidden).into();
        }
        cause = error.source();
    }
    // The error's own text would contain the URL with its query, which may include platforms' ids.
    Failed::NoAnswer(error.without_url())
}

/// `Retry-After` in either of its forms (RFC 9110, 10.2.3). A date is compared with the platform's own `Date`, which
/// the same clock wrote, and with our clock only if there is none.
fn retry_after(response: &Response) -> Option<Duration> {
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    wait_of(text(RETRY_AFTER)?, text(DATE), Utc::now())
}

fn wait_of(reported: &str, date: Option<&str>, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = reported.trim().parse::<f64>() {
        let wait = || Duration::try_from_secs_f64(seconds).unwrap_or(RETRY_AFTER_MAX).min(RETRY_AFTER_MAX);
        return (seconds >= 0.0).then(wait);
    }
    let read = |text: &str| DateTime::parse_from_rfc2822(text.trim()).ok().map(|at| at.to_utc());
    let wait = read(reported)? - date.and_then(read).unwrap_or(now);
    // A past date means no wait.
    Some(wait.to_std().unwrap_or_default().min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests;
